//! One worker of a pool.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asgi_node_core::config::Workers;
use asgi_node_core::{Error, Traced};
use asgi_node_scheduling::at_once;
use asgi_node_worker::message::Failed;
use asgi_node_worker::{Connection, FromWorker, Ledger, Malformed, Opening, Outgoing, Status, ToWorker};
use tokio::sync::{Notify, oneshot};

use crate::child::{self, Process};
use crate::front::{Tally, WorkerHealth};
use crate::relay::Relay;

/// The state of a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Its application is being started.
    Starting,
    /// It gets requests.
    Ready,
    /// It gets no more requests, and finishes those that it has.
    Draining,
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
        }
    }
}

/// Gets the result of a worker's start.
pub(crate) type OnReady = oneshot::Sender<Result<(), Traced>>;

/// One worker.
pub(crate) struct Member {
    /// Unique within the pool.
    pub(crate) number: u32,
    /// The index of its place in the pool.
    pub(crate) slot: usize,
    pub(crate) process: Process,
    pub(crate) state: State,
    pub(crate) connection: Rc<Connection>,
    pub(crate) notify: Rc<Notify>,
    pub(crate) outgoing: Outgoing,
    pub(crate) relays: HashMap<u32, Relay>,
    next_id: u32,
    pub(crate) ledger: Ledger,
    pub(crate) since: Instant,
    pub(crate) requests: u64,
    /// The pool's number of its last request.
    pub(crate) turn: u64,
    /// Its numbers of requests, for callers that do not wait.
    pub(crate) tally: Arc<Tally>,
    /// It is replaced after this many requests.
    pub(crate) most_requests: u64,
    pub(crate) restarts: u32,
    pub(crate) status: Status,
    /// When that status was asked for.
    asked: Option<Instant>,
    /// When its first request of those under way has come.
    busy_since: Instant,
    /// When the oldest unanswered ping was sent.
    pub(crate) pinged: Option<Instant>,
    /// Why its application did not start.
    pub(crate) refused: Option<Failed>,
    /// Its last message: it ends, in order or with this failure.
    pub(crate) end_message: Option<Result<(), Failed>>,
    pub(crate) on_ready: Vec<OnReady>,
    /// A replacement is under way. Otherwise no replacement is tried before this time.
    pub(crate) replaced: Option<Instant>,
    /// The time by which its application must be up.
    pub(crate) up_by: Option<Instant>,
    /// The time by which it must have ended.
    pub(crate) deadline: Option<Instant>,
    /// The time since which a closing pool has no more requests here: only the shutdown of the lifespan is left.
    pub(crate) idle: Option<Instant>,
    /// Why it was killed while the pool was closing.
    pub(crate) stuck: Option<Error>,
}

impl Member {
    /// Starts a process. Messages for it wait until it reads.
    pub(crate) fn start(workers: &Workers, number: u32, slot: usize, restarts: u32) -> io::Result<Self> {
        let ledger = Ledger::new()?;
        let (process, socket) = at_once(|| child::spawn(workers))?;
        let opening = Opening {
            version: asgi_node_worker::settings::VERSION.into(),
            config: workers.handler.clone(),
            address_space: (workers.address_space > 0).then_some(workers.address_space),
            node: std::process::id(),
            argv: workers.argv.clone(),
        };
        let mut outgoing = Outgoing::default();
        let json = serde_json::to_vec(&opening)?;
        outgoing.push(0, ToWorker::Open(json, Some(ledger.descriptor()?)));
        // A random number without a library: it is made from the process id.
        let jitter = u64::from(process.pid()).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        let most_requests = match workers.max_requests {
            0 => u64::MAX,
            most => most + jitter % (workers.max_requests_jitter + 1),
        };
        Ok(Self {
            number,
            slot,
            process,
            state: State::Starting,
            connection: Rc::new(Connection::new(socket)?),
            notify: Rc::new(Notify::new()),
            outgoing,
            relays: HashMap::new(),
            next_id: 1,
            ledger,
            since: Instant::now(),
            requests: 0,
            turn: 0,
            tally: Arc::default(),
            most_requests,
            restarts,
            status: Status::default(),
            asked: None,
            busy_since: Instant::now(),
            pinged: None,
            refused: None,
            end_message: None,
            on_ready: Vec::new(),
            replaced: None,
            up_by: None,
            deadline: None,
            idle: None,
            stuck: None,
        })
    }

    /// Takes a request and returns its number.
    pub(crate) fn begin(&mut self, mut relay: Relay) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).unwrap_or(1);
        self.requests += 1;
        relay.begin(id, &mut self.outgoing);
        self.tally.begun(relay.returned);
        if self.relays.is_empty() {
            self.busy_since = Instant::now();
        }
        self.relays.insert(id, relay);
        id
    }

    /// Handles a message of a request. Returns the request if it is over.
    pub(crate) fn receive(&mut self, id: u32, message: FromWorker) -> Result<Option<Relay>, Malformed> {
        let Some(relay) = self.relays.get_mut(&id) else {
            // The request is over, or there never was one. (After 2^32 requests the numbers start again.)
            if self.requests < u64::from(u32::MAX) && id >= self.next_id {
                return Err(Malformed(format!("there has been no request {id}")));
            }
            return Ok(None);
        };
        let had_returned = relay.returned;
        relay.receive(id, message, &mut self.outgoing)?;
        self.tally.returned(had_returned, relay.returned);
        Ok(self.take_if_over(id))
    }

    /// Sends what is new in an exchange. Returns the request if it is over.
    pub(crate) fn pump(&mut self, id: u32) -> Option<Relay> {
        let relay = self.relays.get_mut(&id)?;
        let had_returned = relay.returned;
        relay.pump(id, &mut self.outgoing);
        self.tally.returned(had_returned, relay.returned);
        self.take_if_over(id)
    }

    pub(crate) fn take_if_over(&mut self, id: u32) -> Option<Relay> {
        let is_over = self.relays.get(&id).is_some_and(Relay::is_over);
        is_over.then(|| self.relays.remove(&id)).flatten()
    }

    pub(crate) fn ping(&mut self) {
        if self.pinged.is_none() {
            self.pinged = Some(Instant::now());
            self.outgoing.push(0, ToWorker::Ping);
        }
    }

    /// Its answer to a ping.
    pub(crate) fn tell(&mut self, status: Status) {
        self.status = status;
        self.asked = self.pinged.take();
    }

    /// Whether its latest answer said that its event loop was blocked. Only the next answer says that it has gone on.
    pub(crate) fn was_blocked(&self) -> bool {
        self.status.blocked > 0
    }

    /// For how long its event loop has been blocked: as the worker says, or since it has stopped answering.
    pub(crate) fn blocked(&self) -> Duration {
        longer(self.status.blocked, self.pinged)
    }

    /// The same, but without what is older than the requests that are under way: the loop may have gone on since.
    pub(crate) fn blocked_while_busy(&self) -> Duration {
        let is_fresh = self.asked.is_some_and(|asked| asked >= self.busy_since);
        let said = if is_fresh { self.status.blocked } else { 0 };
        longer(said, self.pinged.map(|since| since.max(self.busy_since)))
    }

    pub(crate) fn health(&self) -> WorkerHealth {
        WorkerHealth {
            pid: self.process.pid(),
            state: self.state.name(),
            tally: Arc::clone(&self.tally),
            restarts: self.restarts,
            resident: child::resident(self.process.pid()),
            lag: Duration::from_nanos(self.status.lag),
        }
    }

    /// Why it did not start.
    pub(crate) fn why_not_up(&mut self, how: &str) -> Traced {
        match self.refused.take() {
            Some(Failed {
                code,
                message,
                traceback,
            }) => Traced {
                error: Error::AppLoad { code, message },
                traceback,
            },
            None => Traced {
                error: Error::WorkerDied(format!(
                    "worker {} ended before its application was ready ({how}){}",
                    self.process.pid(),
                    self.process.last_lines()
                )),
                traceback: String::new(),
            },
        }
    }
}

/// The longer one of what was said, in nanoseconds, and of a silence.
fn longer(said: u64, silent_since: Option<Instant>) -> Duration {
    let said = Duration::from_nanos(said);
    let silent = silent_since.map(|since| since.elapsed()).unwrap_or_default();
    // A shorter silence is normal: an answer takes some time.
    if silent > Duration::from_millis(500) {
        silent.max(said)
    } else {
        said
    }
}
