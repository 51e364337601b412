//! The workers of a handler, as JavaScript's threads use them: to submit requests and to read the state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use asgi_node_core::{
    Config, Error, Exchange, Health, Inbox, Limits, LogQueue, Notify, RequestHead, Submission, Traced, Unreturned,
    Windows,
};
use parking_lot::Mutex;

use crate::relay::{Relay, RelayLimits};
use crate::runtime::TaskWaker;

/// How long to wait for the place of an event loop.
const PLACE: Duration = Duration::from_millis(700);

/// Called when an operation has ended.
pub(crate) type Done = Box<dyn FnOnce(Result<(), Traced>) + Send>;

/// A job for the workers' thread.
pub(crate) enum Job {
    /// A request.
    Begin(Box<Relay>),
    /// An exchange has changed.
    ExchangeReady(Arc<Exchange>),
    /// Ask every worker for its status.
    Ping,
    /// Find out where the event loop is that has been blocked for the longest time.
    Locate(Box<dyn FnOnce(String, String) + Send>),
    /// Let requests wait for workers that start from now on.
    Hold,
    /// Replace every worker by a new one.
    Reload(Done),
    /// Close: requests may take this many milliseconds.
    Close(u64, Done),
    /// Shorten a close that is under way to this many milliseconds.
    Shorten(u64),
    /// End everything at once, because nobody waits any longer.
    Kill,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}

/// The state of one worker.
#[derive(Debug, Clone)]
pub struct WorkerHealth {
    /// Its process id.
    pub pid: u32,
    /// `starting`, `ready`, `draining`.
    pub state: &'static str,
    pub(crate) tally: Arc<Tally>,
    /// The number of workers that were in its place before.
    pub restarts: u32,
    /// Its resident memory in bytes; 0 if it is unknown.
    pub resident: u64,
    /// The lag of its event loop.
    pub lag: Duration,
}

/// The requests of one worker. Its numbers are never late.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    in_flight: AtomicUsize,
    requests: AtomicU64,
}

impl Tally {
    /// It has got a request, which may be over already.
    pub(crate) fn begun(&self, has_returned: bool) {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.in_flight.fetch_add(usize::from(!has_returned), Ordering::Relaxed);
    }

    /// Something has happened to a request.
    pub(crate) fn returned(&self, had: bool, has: bool) {
        self.in_flight.fetch_sub(usize::from(has && !had), Ordering::Relaxed);
    }
}

impl WorkerHealth {
    /// Requests whose app has not returned.
    pub fn in_flight(&self) -> usize {
        self.tally.in_flight.load(Ordering::Relaxed)
    }

    /// All requests that it has got.
    pub fn requests(&self) -> u64 {
        self.tally.requests.load(Ordering::Relaxed)
    }
}

/// The last known state of the workers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Summary {
    pub(crate) workers: Vec<WorkerHealth>,
    /// Requests that wait for a worker or for an event loop.
    pub(crate) queued: u64,
    pub(crate) errors: u64,
    pub(crate) lag: Duration,
    pub(crate) blocked: Duration,
    pub(crate) is_asyncio: bool,
    /// Why no worker can start.
    pub(crate) failure: Option<Traced>,
}

/// The entrance for requests.
#[derive(Debug)]
pub struct Front {
    pub(crate) inbox: Inbox<Job>,
    pub(crate) notify: Arc<tokio::sync::Notify>,
    pub(crate) log_queue: Option<Arc<LogQueue>>,
    pub(crate) limits: RelayLimits,
    /// The most messages of a WebSocket that wait here. Together with those in the worker they are `maxQueue`.
    queue: usize,
    /// Milliseconds that a worker may take to start; 0 for no limit.
    pub(crate) startup_timeout: u64,
    /// Milliseconds that a lifespan's shutdown may take; 0 for no limit.
    pub(crate) shutdown_timeout: u64,
    /// How long the end of a worker's process may take.
    pub(crate) exit_timeout: Duration,
    unreturned: Unreturned,
    requests: AtomicU64,
    /// Failures that were seen here. Workers report the others later.
    errors: AtomicU64,
    /// Requests that were accepted, and that no worker will answer. No worker reports them.
    lost: AtomicU64,
    closed: AtomicBool,
    /// Whether no worker can start.
    is_failing: AtomicBool,
    summary: Mutex<Summary>,
}

impl Front {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let notify = Arc::new(tokio::sync::Notify::new());
        let window = config.window();
        Arc::new(Self {
            inbox: Inbox::new(usize::MAX, Box::new(TaskWaker(Arc::clone(&notify)))),
            notify,
            log_queue: config.log_queue.clone(),
            limits: RelayLimits {
                windows: Windows {
                    inbound: window,
                    outbound: window,
                    lent: 0,
                },
                messages: (config.max_queue / 2).max(1) as u64,
            },
            queue: config.max_queue.div_ceil(2),
            startup_timeout: config.startup_timeout,
            shutdown_timeout: config.shutdown_timeout,
            exit_timeout: Duration::from_millis(config.exit_timeout),
            unreturned: Unreturned::new(config.max_concurrency),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            is_failing: AtomicBool::new(false),
            summary: Mutex::default(),
        })
    }

    /// Submits a request. [`Self::wake`] must follow.
    pub(crate) fn submit(self: &Arc<Self>, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::HandlerClosed);
        }
        if self.is_failing.load(Ordering::Acquire)
            && let Some(failure) = &self.summary.lock().failure
        {
            return Err(failure.error.clone());
        }
        let length = RequestHead::parse(request.head.clone())?.body_length();
        self.unreturned.begin()?;
        let mut limits = self.limits;
        if request.collects {
            limits.windows.outbound = Limits::fixed(usize::MAX);
        }
        if request.borrows {
            limits.windows.lent = limits.windows.outbound.most;
        }
        let own = Arc::clone(self) as Arc<dyn Notify>;
        let exchange = if request.is_websocket {
            Exchange::websocket(request.id, limits.windows, self.queue, own, host)
        } else {
            Exchange::new(request.id, limits.windows, Vec::new(), !request.body_follows, own, host)
        };
        let length = length.filter(|_| request.body_follows);
        if let Some(length) = length {
            exchange.expect_body(length);
        }
        // JavaScript counts in the same way.
        let number = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let relay = Box::new(Relay::new(Arc::clone(&exchange), request, number, limits, length));
        if self.inbox.offer_quietly(Job::Begin(relay)).is_err() {
            self.requests.fetch_sub(1, Ordering::Relaxed);
            self.done(&exchange);
            return Err(Error::HandlerClosed);
        }
        Ok(exchange)
    }

    /// Requests that somebody waits for, and whose app has not returned.
    pub(crate) fn in_flight(&self) -> usize {
        self.unreturned.in_flight()
    }

    /// Wakes the workers' thread for submitted requests.
    pub(crate) fn wake(&self) {
        self.inbox.wake();
    }

    /// The app of this request has returned, or will never be called. Only the first call counts.
    pub(crate) fn done(&self, exchange: &Exchange) {
        self.unreturned.done(exchange);
    }

    /// The time of this request is over. It makes room for another one, unless too many requests are abandoned.
    pub(crate) fn abandon(&self, exchange: &Arc<Exchange>) {
        self.unreturned.abandon(exchange);
        exchange.disconnect();
    }

    /// Refuses new requests from now on.
    pub(crate) fn refuse(&self) {
        self.closed.store(true, Ordering::Release);
    }

    /// Counts a failed request.
    pub(crate) fn note_error(&self) {
        self.errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that no worker will answer.
    pub(crate) fn note_lost(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn post(&self, job: Job) {
        drop(self.inbox.post(job));
    }

    pub(crate) fn note(&self, summary: Summary) {
        self.is_failing.store(summary.failure.is_some(), Ordering::Release);
        *self.summary.lock() = summary;
    }

    /// The health, as the workers last reported it. Also asks them, so that the next call has newer values.
    pub fn health(&self) -> Health {
        self.post(Job::Ping);
        let summary = self.summary.lock();
        Health {
            in_flight: self.unreturned.in_flight(),
            abandoned: self.unreturned.abandoned(),
            queued: summary.queued,
            requests: self.requests.load(Ordering::Relaxed),
            errors: summary.errors.max(self.errors.load(Ordering::Relaxed)) + self.lost.load(Ordering::Relaxed),
            lag: summary.lag,
            blocked: summary.blocked,
            failed: self.is_failing.load(Ordering::Acquire),
            r#loop: if summary.is_asyncio { "asyncio" } else { "uvloop" },
        }
    }

    /// How each worker is.
    pub fn workers(&self) -> Vec<WorkerHealth> {
        self.summary.lock().workers.clone()
    }

    /// Why no worker can start at present. Attempts go on.
    pub fn failure(&self) -> Option<Traced> {
        self.summary.lock().failure.clone()
    }

    /// For how long no event loop has answered. Also asks the workers, so that the next call has newer values.
    pub fn blocked(&self) -> Duration {
        self.post(Job::Ping);
        self.summary.lock().blocked
    }

    /// The place of the event loop that has been blocked for the longest time: in words, and its stack. Waits up to 700 ms.
    pub fn locate(&self) -> (String, String) {
        let (sender, receiver) = sync_channel(1);
        self.post(Job::Locate(Box::new(move |words, stack| {
            drop(sender.send((words, stack)));
        })));
        receiver.recv_timeout(PLACE).unwrap_or_default()
    }

    /// Nobody waits for a start or a close any longer, so everything is ended at once.
    pub fn give_up(&self) {
        self.refuse();
        self.post(Job::Kill);
    }
}

impl Notify for Front {
    fn notify(&self, exchange: Arc<Exchange>) {
        self.post(Job::ExchangeReady(exchange));
    }
}
