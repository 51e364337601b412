//! The thread that moves frames between Node and the event loop. It never attaches to Python.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use asgi_node_core::log_queue::Dropped;
use asgi_node_core::{Config, Error, LogQueue, Notify, Submission, Traced};
use asgi_node_scheduling::{at_once, under_way};
use asgi_node_worker::connection::{Read, is_end};
use asgi_node_worker::message::Failed;
use asgi_node_worker::wire::Wire;
use asgi_node_worker::{Connection, FromWorker, Incoming, Ledger, Malformed, Outgoing, Status, ToWorker};
use pyo3::types::PyAnyMethods;

use super::link_inbox::{LinkInbox, LinkMessage};
use super::parent::{ORPHAN_REQUESTS, die, give_up};
use super::served::{Begun, Served, failed};
use crate::application::Application;
use crate::event_loop::{EventLoop, Service, locate};

/// The most log records and lines that are taken at once.
const LOG_BATCH: usize = 256;

/// The most reads before something is written.
const READS: u32 = 4;

/// The state of the link's thread.
#[derive(Debug)]
pub(super) struct Link {
    socket: Option<UnixStream>,
    incoming: Incoming<ToWorker>,
    outgoing: Outgoing,
    ledger: Arc<Ledger>,
    inbox: Arc<LinkInbox>,
    log_queue: Arc<LogQueue>,
    event_loop: Arc<EventLoop>,
    app: Option<Arc<Application>>,
    served: HashMap<u32, Served>,
    is_closing: bool,
    is_finished: bool,
}

impl Link {
    pub(super) fn new(
        socket: UnixStream,
        incoming: Incoming<ToWorker>,
        ledger: Ledger,
        inbox: Arc<LinkInbox>,
        log_queue: Arc<LogQueue>,
        event_loop: Arc<EventLoop>,
    ) -> Self {
        Self {
            socket: Some(socket),
            incoming,
            outgoing: Outgoing::default(),
            ledger: Arc::new(ledger),
            inbox,
            log_queue,
            event_loop,
            app: None,
            served: HashMap::new(),
            is_closing: false,
            is_finished: false,
        }
    }

    /// Starts the thread, and opens the application on its loop.
    pub(super) fn start(self, config: Config) -> io::Result<()> {
        let (inbox, event_loop) = (Arc::clone(&self.inbox), Arc::clone(&self.event_loop));
        self.spawn()?;
        Application::load_on(config, &event_loop, move |opened| {
            inbox.post(LinkMessage::Opened(opened));
        });
        Ok(())
    }

    /// Starts the thread only to report why there is no application.
    pub(super) fn refuse(mut self, why: Failed) -> io::Result<()> {
        self.outgoing.push(0, FromWorker::Refused(why));
        self.spawn()
    }

    fn spawn(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        let thread = thread::Builder::new().name("asgi-node-link".into());
        thread.spawn(move || {
            let inbox = Arc::clone(&self.inbox);
            let ran = catch_unwind(AssertUnwindSafe(|| runtime.block_on(self.run())));
            match ran {
                Ok(Err(error)) if !inbox.is_orphaned() => give_up(&error.to_string()),
                Err(_) => give_up("its thread has panicked"),
                Ok(_) => inbox.note_end(),
            }
        })?;
        Ok(())
    }

    async fn run(mut self) -> io::Result<()> {
        let socket = self.socket.take().ok_or(io::ErrorKind::NotConnected)?;
        let connection = Connection::new(socket)?;
        let inbox = Arc::clone(&self.inbox);
        let mut batch = Vec::new();
        loop {
            let is_written = self.write(&connection)?;
            if self.is_finished && is_written {
                return Ok(());
            }
            tokio::select! {
                biased;
                readable = connection.readable(), if !self.inbox.is_orphaned() => {
                    readable?;
                    self.read(&connection)?;
                }
                _ = connection.writable(), if !is_written => {}
                () = inbox.arrived() => {}
            }
            self.inbox.take(&mut batch);
            for message in batch.drain(..) {
                self.handle(message);
            }
            self.take_log();
            under_way(self.served.len());
        }
    }

    /// Returns true when nothing is left to write.
    fn write(&mut self, connection: &Connection) -> io::Result<bool> {
        if self.inbox.is_orphaned() {
            return Ok(true);
        }
        match connection.write(&mut self.outgoing) {
            // The thread that watches Node may be later than this.
            Err(error) if is_end(&error) => {
                self.be_orphaned();
                Ok(true)
            }
            written => written,
        }
    }

    /// Reads and handles what has come; of very much of it a part, so that what is to be written does not wait for the rest.
    fn read(&mut self, connection: &Connection) -> io::Result<()> {
        let mut any = false;
        let mut turns = 0;
        let end = loop {
            let read = connection.read(&mut self.incoming)?;
            turns += 1;
            let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
            while let Some((id, message)) = self.incoming.next_message().map_err(malformed)? {
                any = true;
                self.receive(id, message).map_err(malformed)?;
            }
            match read {
                Read::Some if turns < READS => {}
                Read::Some | Read::All | Read::Nothing => break false,
                Read::End => break true,
            }
        };
        if let (true, Some(app)) = (any, &self.app) {
            app.wake();
        }
        if end {
            self.be_orphaned();
        }
        Ok(())
    }

    fn receive(&mut self, id: u32, message: ToWorker) -> Result<(), Malformed> {
        if id == 0 {
            return self.receive_own(message);
        }
        let ToWorker::Request {
            number,
            collects,
            expects_continue,
            is_websocket,
            body_follows,
            head,
            body,
        } = message
        else {
            // One that is over has been forgotten here, which Node may not know yet.
            if let (Some(served), Some(app)) = (self.served.get_mut(&id), &self.app) {
                served.receive(app, message)?;
                self.forget_if_over(id);
            }
            return Ok(());
        };
        if self.served.contains_key(&id) {
            return Err(Malformed(format!("a second request {id} beside the first")));
        }
        let request = Submission {
            id,
            head,
            body: body.into_vec(),
            body_follows,
            collects,
            borrows: false,
            expects_continue,
            is_websocket,
        };
        self.begin(request, number);
        Ok(())
    }

    fn receive_own(&mut self, message: ToWorker) -> Result<(), Malformed> {
        match message {
            ToWorker::Ping => self.tell_status(),
            ToWorker::Locate => self.locate(),
            ToWorker::Close(timeout) => self.close(timeout),
            ToWorker::Shorten(timeout) => {
                if let Some(app) = &self.app {
                    app.shorten_timeout(timeout);
                }
            }
            other => {
                let what = other.kind();
                return Err(Malformed(format!("kind {what} of no request, where none is expected")));
            }
        }
        Ok(())
    }

    fn begin(&mut self, request: Submission, number: u64) {
        let (id, body_follows) = (request.id, request.body_follows);
        let submitted = self.app.as_ref().ok_or(Error::HandlerClosed).and_then(|app| {
            let begun = Begun {
                app: Arc::clone(app),
                ledger: Arc::clone(&self.ledger),
                number,
            };
            let service = Arc::new(begun) as Arc<dyn Service>;
            app.submit_for(service, request, Arc::clone(&self.inbox) as Arc<dyn Notify>)
        });
        match submitted {
            Ok(exchange) => drop(self.served.insert(id, Served::new(exchange, !body_follows))),
            Err(error) => {
                let why = failed(&error, String::new());
                self.outgoing.push(
                    id,
                    FromWorker::Failed {
                        started: false,
                        logged: false,
                        why,
                    },
                );
                self.outgoing.push(id, FromWorker::Returned);
            }
        }
    }

    fn forget_if_over(&mut self, id: u32) {
        if self.served.get(&id).is_some_and(Served::is_over) {
            self.served.remove(&id);
        }
    }

    fn handle(&mut self, message: LinkMessage) {
        match message {
            LinkMessage::ExchangeReady(exchange) => {
                let id = exchange.id();
                if let Some(served) = self.served.get_mut(&id) {
                    served.tell(id, &mut self.outgoing);
                    self.forget_if_over(id);
                }
            }
            LinkMessage::Returned(id) => {
                if let Some(served) = self.served.get_mut(&id) {
                    served.end(id, &mut self.outgoing);
                    self.forget_if_over(id);
                }
            }
            LinkMessage::Opened(Ok(app)) => {
                self.app = Some(app);
                // First, so that whoever waits for the start finds the right loop in `health()`.
                self.tell_status();
                self.outgoing.push(0, FromWorker::Opened);
            }
            LinkMessage::Opened(Err(Traced { error, traceback })) => {
                self.take_log();
                self.outgoing.push(0, FromWorker::Refused(failed(&error, traceback)));
                self.leave();
            }
            LinkMessage::Closed(closed) => {
                self.take_log();
                let why = closed
                    .err()
                    .map(|Traced { error, traceback }| failed(&error, traceback));
                self.outgoing.push(0, FromWorker::Ended(why));
                self.leave();
            }
            LinkMessage::Place(words, stack) => self.outgoing.push(0, FromWorker::Place(words, stack)),
            LinkMessage::Orphaned => self.be_orphaned(),
            LinkMessage::Finish => self.is_finished = true,
        }
    }

    /// Ends the event loop, and with it the process.
    fn leave(&self) {
        self.event_loop.call(|py, side| {
            let finished = side
                .event_loop(py)
                .and_then(|event_loop| event_loop.call_method0("finish"));
            if let Err(raised) = finished {
                raised.write_unraisable(py, None);
            }
        });
    }

    fn close(&mut self, timeout: u64) {
        let Some(app) = &self.app else { return };
        if std::mem::replace(&mut self.is_closing, true) {
            return app.shorten_timeout(timeout);
        }
        let inbox = Arc::clone(&self.inbox);
        app.close(timeout, move |closed| inbox.post(LinkMessage::Closed(closed)));
    }

    /// Node has gone, so requests under way have no client any more.
    fn be_orphaned(&mut self) {
        if !self.inbox.note_orphaned() {
            return;
        }
        drop(self.log_queue.close());
        if self.app.is_none() {
            die();
        }
        for served in self.served.values_mut() {
            served.leave();
        }
        self.close(ORPHAN_REQUESTS);
    }

    fn tell_status(&mut self) {
        let status = self.app.as_ref().map_or_else(
            || {
                let now = Instant::now();
                let blocked = self.event_loop.heartbeat().pending(now).unwrap_or_default();
                self.event_loop.send_heartbeat();
                Status {
                    blocked: nanoseconds(blocked),
                    ..Status::default()
                }
            },
            |app| {
                let health = app.health();
                Status {
                    queued: health.queued,
                    errors: health.errors,
                    lag: nanoseconds(health.lag),
                    blocked: nanoseconds(health.blocked),
                    is_asyncio: health.r#loop == "asyncio",
                }
            },
        );
        self.outgoing.push(0, FromWorker::Status(status));
    }

    /// Finds out where the event loop is. This runs on its own thread, because it waits for Python.
    fn locate(&self) {
        let (event_loop, inbox) = (Arc::clone(&self.event_loop), Arc::clone(&self.inbox));
        let thread = thread::Builder::new().name("asgi-node-locate".into());
        let find = move || {
            let (words, stack) = locate(&event_loop);
            inbox.post(LinkMessage::Place(words, stack));
        };
        if at_once(|| thread.spawn(find)).is_err() {
            self.inbox.post(LinkMessage::Place(String::new(), String::new()));
        }
    }

    fn take_log(&mut self) {
        loop {
            let mut entries = Vec::new();
            let dropped = self.log_queue.take(LOG_BATCH, &mut entries);
            let is_empty = entries.is_empty();
            for entry in entries {
                self.outgoing.push(0, FromWorker::Log(entry));
            }
            if dropped != Dropped::default() {
                self.outgoing.push(0, FromWorker::Dropped(dropped));
            }
            if is_empty {
                return;
            }
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
