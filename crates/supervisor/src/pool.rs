//! The workers of one handler. Chooses the worker for each request.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asgi_node_core::config::Workers;
use asgi_node_core::log_queue::{Entry, Kind};
use asgi_node_core::{Error, Exchange, Traced};
use asgi_node_worker::wire::Wire;
use asgi_node_worker::{FromWorker, Malformed, ToWorker};

use crate::front::{Done, Front, Job, Summary};
use crate::member::{Member, State};
use crate::relay::Relay;

mod drive;
mod end;
mod life;
mod reload;
mod tick;

#[cfg(test)]
mod tests;

pub(crate) use life::run;

/// Log levels, with Python's numbers.
const INFO: u8 = 20;
const WARNING: u8 = 30;
const ERROR: u8 = 40;

/// One place for a worker.
#[derive(Debug, Default)]
struct Slot {
    /// The number of workers that were here before.
    restarts: u32,
    /// How many of them, in a row, did not live long.
    failures: u32,
    /// How many of them, in a row, soon used more memory than `maxMemory`.
    bloated: u32,
    /// When the next one is started.
    next: Option<Instant>,
}

/// The pause before the next worker of a place, after so many in a row that did not live long.
fn back_off(failures: u32) -> Duration {
    match failures {
        0 | 1 => Duration::ZERO,
        _ => Duration::from_millis(100 << failures.min(7)).min(Duration::from_secs(10)),
    }
}

/// A close that is under way.
struct Closing {
    deadline: Instant,
    done: Vec<Done>,
    failure: Option<Traced>,
}

/// The workers of one handler.
pub(crate) struct Pool {
    front: Arc<Front>,
    workers: Arc<Workers>,
    members: Vec<Member>,
    slots: Vec<Slot>,
    /// The worker of each exchange, and the number of the request there. The key is the exchange's address, which stays valid because
    /// the relay keeps the exchange alive.
    places: HashMap<usize, (u32, u32)>,
    /// Requests that no worker has.
    waiting: VecDeque<Relay>,
    next_number: u32,
    /// The number of requests that workers have got.
    turn: u64,
    /// Called when all workers are ready.
    loaded: Option<Done>,
    closing: Option<Closing>,
    /// Why no worker can start.
    failure: Option<Traced>,
    /// The number of failed requests of workers that have ended.
    errors: u64,
    locating: Vec<Box<dyn FnOnce(String, String) + Send>>,
    reloads: Rc<tokio::sync::Mutex<()>>,
    /// Workers up to this number run old code and get no requests.
    held: Option<u32>,
    /// Reloads during which files changed again. They end with the next reload.
    outdated: Vec<Done>,
}

/// The key of an exchange.
fn key(exchange: &Arc<Exchange>) -> usize {
    Arc::as_ptr(exchange).addr()
}

impl Pool {
    fn new(front: Arc<Front>, workers: Arc<Workers>, loaded: Done) -> Self {
        Self {
            slots: (0..workers.count).map(|_| Slot::default()).collect(),
            front,
            workers,
            members: Vec::new(),
            places: HashMap::new(),
            waiting: VecDeque::new(),
            next_number: 0,
            turn: 0,
            loaded: Some(loaded),
            closing: None,
            failure: None,
            errors: 0,
            locating: Vec::new(),
            reloads: Rc::default(),
            held: None,
            outdated: Vec::new(),
        }
    }

    fn member(&mut self, number: u32) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.number == number)
    }

    /// Ends a worker at once.
    pub(crate) fn kill(&mut self, number: u32) {
        if let Some(member) = self.member(number) {
            member.process.kill();
        }
    }

    /// Writes the waiting messages of a worker. Returns true when nothing is left.
    pub(crate) fn write(&mut self, number: u32) -> io::Result<bool> {
        match self.member(number) {
            Some(member) => member.connection.write(&mut member.outgoing),
            None => Ok(true),
        }
    }

    /// Writes the waiting messages of all workers.
    fn flush(&mut self) {
        for member in &mut self.members {
            // After an error the worker's driver sees its end.
            if !member.outgoing.is_empty() && !matches!(member.connection.write(&mut member.outgoing), Ok(true)) {
                member.notify.notify_one();
            }
        }
    }

    // ---- requests

    /// Gives a request to the worker with the fewest requests; of several such workers, to the one that got its last request the
    /// longest time ago. While none is ready, the request waits.
    fn dispatch(&mut self, relay: Relay) {
        let ready = (0..self.members.len()).filter(|&at| self.serves(&self.members[at]));
        match ready.min_by_key(|&at| (self.members[at].relays.len(), self.members[at].turn)) {
            Some(at) => {
                self.turn += 1;
                let member = &mut self.members[at];
                member.turn = self.turn;
                let key = key(relay.exchange());
                let id = member.begin(relay);
                // Its client may have gone meanwhile.
                let over = member.take_if_over(id);
                self.places.insert(key, (member.number, id));
                self.settle(over);
            }
            None => match &self.failure {
                Some(failure) => {
                    let error = failure.error.clone();
                    self.fail(relay, error);
                }
                // The request may be abandoned already.
                None if relay.is_abandoned() => self.front.done(relay.exchange()),
                None => self.waiting.push_back(relay),
            },
        }
    }

    fn dispatch_waiting(&mut self) {
        if !self.members.iter().any(|member| self.serves(member)) {
            return;
        }
        for relay in std::mem::take(&mut self.waiting) {
            if relay.is_abandoned() {
                self.front.done(relay.exchange());
            } else {
                self.dispatch(relay);
            }
        }
        self.flush();
        // A worker has requests now, so there are time limits that the pool's task does not wait for yet.
        self.front.notify.notify_one();
    }

    /// Fails a request that no worker will answer.
    fn fail(&mut self, mut relay: Relay, error: Error) {
        if relay.is_waited_for() && error != Error::HandlerClosed {
            self.front.note_lost();
        }
        self.places.remove(&key(relay.exchange()));
        self.front.done(relay.exchange());
        relay.fail(error);
    }

    fn exchange_ready(&mut self, exchange: &Arc<Exchange>) {
        if let Some(&(number, id)) = self.places.get(&key(exchange)) {
            if let Some(member) = self.member(number) {
                let over = member.pump(id);
                self.settle(over);
            }
            return;
        }
        // The request waits for a worker.
        let at = self
            .waiting
            .iter()
            .position(|relay| Arc::ptr_eq(relay.exchange(), exchange));
        if let Some(at) = at
            && self.waiting[at].is_abandoned()
        {
            self.waiting.remove(at);
            self.front.done(exchange);
        }
    }

    /// Forgets a request that is over.
    fn settle(&mut self, over: Option<Relay>) {
        if let Some(relay) = over {
            self.places.remove(&key(relay.exchange()));
            self.front.done(relay.exchange());
        }
    }

    // ---- messages of workers

    /// Handles a message of a worker.
    pub(crate) fn receive(&mut self, number: u32, id: u32, message: FromWorker) -> Result<(), Malformed> {
        if id == 0 {
            return self.receive_own(number, message);
        }
        let mut message = message;
        if let FromWorker::Failed { why, .. } = &mut message {
            self.front.note_error();
            if self.closing.is_none() && why.code == Error::HandlerClosed.code() {
                // What the worker takes for the end of the handler is its own.
                let replaced = self.replaced();
                (why.code, why.message) = (replaced.code().into(), replaced.to_string());
            }
        }
        let member = self.members.iter_mut().find(|member| member.number == number);
        if let Some(member) = member {
            if let (FromWorker::Returned, Some(relay)) = (&message, member.relays.get(&id)) {
                self.front.done(relay.exchange());
            }
            let over = member.receive(id, message)?;
            self.settle(over);
        }
        Ok(())
    }

    fn receive_own(&mut self, number: u32, message: FromWorker) -> Result<(), Malformed> {
        let Some(member) = self.member(number) else {
            return Ok(());
        };
        match message {
            FromWorker::Opened if member.state == State::Starting => self.opened(number),
            FromWorker::Refused(why) => member.refused = Some(why),
            FromWorker::Ended(why) => member.end_message = Some(why.map_or(Ok(()), Err)),
            FromWorker::Status(status) => {
                member.tell(status);
                if member.was_blocked() {
                    // It is asked again, by the pool's task.
                    self.front.notify.notify_one();
                }
                self.note();
            }
            FromWorker::Place(words, stack) => {
                if let Some(tell) = self.locating.pop() {
                    tell(words, stack);
                }
            }
            FromWorker::Log(entry) => self.pass_on(entry),
            FromWorker::Dropped(dropped) => {
                let text = format!(
                    "{} log records and {} lines of output of a worker were dropped: Node did not take them in time",
                    dropped.records, dropped.lines
                );
                self.say(WARNING, &text, member_pid(self.members.iter(), number));
            }
            other => {
                let what = other.kind();
                return Err(Malformed(format!("kind {what} of no request, where none is expected")));
            }
        }
        Ok(())
    }

    fn pass_on(&self, entry: Entry) {
        if let Some(log_queue) = &self.front.log_queue {
            log_queue.push(entry, Duration::ZERO);
        }
    }

    /// Logs a line of our own with the handler's logger.
    fn say(&self, level: u8, text: &str, pid: u32) {
        let record = serde_json::json!({ "n": "asgi_node.workers", "m": text, "w": pid });
        self.pass_on(Entry {
            kind: Kind::Record(level),
            text: record.to_string(),
        });
    }

    /// Stores the state of all workers, for callers that do not wait.
    fn note(&self) {
        let ready = || self.members.iter().filter(|member| member.state != State::Draining);
        let sum = |of: fn(&Member) -> u64| {
            self.members
                .iter()
                .fold(0, |sum: u64, member| sum.saturating_add(of(member)))
        };
        self.front.note(Summary {
            workers: self.members.iter().map(Member::health).collect(),
            queued: sum(|member| member.status.queued).saturating_add(self.waiting.len() as u64),
            errors: sum(|member| member.status.errors).saturating_add(self.errors),
            lag: Duration::from_nanos(self.members.iter().map(|member| member.status.lag).max().unwrap_or(0)),
            // The handler goes on as long as one worker does.
            blocked: ready().map(Member::blocked).min().unwrap_or_default(),
            is_asyncio: self.members.iter().any(|member| member.status.is_asyncio),
            failure: self.failure.clone(),
        });
    }

    // ---- jobs

    fn handle(pool: &Rc<RefCell<Self>>, job: Job) {
        let mut this = pool.borrow_mut();
        match job {
            Job::Begin(relay) => this.dispatch(*relay),
            Job::ExchangeReady(exchange) => this.exchange_ready(&exchange),
            Job::Ping => {
                for member in &mut this.members {
                    member.ping();
                }
                this.note();
            }
            Job::Locate(tell) => this.locate(tell),
            Job::Reload(done) => {
                drop(this);
                Self::reload(pool, done);
            }
            Job::Hold => this.hold(),
            Job::Close(timeout, done) => this.close(timeout, Some(done)),
            Job::Shorten(timeout) => this.shorten(timeout),
            Job::Kill => {
                this.close(0, None);
                for member in &mut this.members {
                    member.process.kill();
                }
            }
        }
    }

    fn locate(&mut self, tell: Box<dyn FnOnce(String, String) + Send>) {
        let Some(member) = self.members.iter_mut().max_by_key(|member| member.blocked()) else {
            return tell(String::new(), String::new());
        };
        member.outgoing.push(0, ToWorker::Locate);
        self.locating.push(tell);
    }
}

fn member_pid<'a>(mut members: impl Iterator<Item = &'a Member>, number: u32) -> u32 {
    let member = members.find(|member| member.number == number);
    member.map_or(0, |member| member.process.pid())
}
