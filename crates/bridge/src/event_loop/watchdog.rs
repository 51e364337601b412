//! Finds blocked event loops, and reports where they are blocked.
//!
//! It is one thread for the process, which never attaches to Python. While a request is under way it sends a heartbeat to the
//! event loop now and then ([`asgi_node_core::Heartbeat`]). When the loop does not answer in time, it asks Python's main thread
//! for the stack of the loop's thread, and puts a warning into the log queue of a handler. If native code holds the GIL, that
//! stack does not come, and the warning says so.
//!
//! Each look at a loop takes a sample, decides what to do ([`asgi_node_core::watchdog`]), and does it. With nothing under way
//! the thread sleeps until [`wake`]: an idle process is not woken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use asgi_node_core::LogQueue;
use asgi_node_core::log_queue::{Entry, Kind};
use asgi_node_core::watchdog::{Sample, Step, decide};
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;

use super::handle::EventLoop;
use crate::health::Counters;
use crate::interpreter;

/// How long we wait for the stack. With a busy GIL it takes some milliseconds.
const STACK_TIMEOUT: Duration = Duration::from_millis(500);

/// Python's numbers of levels.
const WARNING: u8 = 30;
const INFO: u8 = 20;

struct State {
    watched: Vec<Watched>,
    running: bool,
    woken: bool,
}

/// One application.
#[derive(Clone)]
struct Watched {
    counters: Weak<Counters>,
    event_loop: Arc<EventLoop>,
    log_queue: Arc<LogQueue>,
    threshold: Duration,
}

static STATE: Mutex<State> = Mutex::new(State {
    watched: Vec::new(),
    running: false,
    woken: false,
});
static WAKE: Condvar = Condvar::new();
/// Whether the thread sleeps until it is woken.
static ASLEEP: AtomicBool = AtomicBool::new(false);

/// Watches this event loop from now on, as long as the application that owns `counters` lives.
pub(crate) fn watch(
    event_loop: &Arc<EventLoop>,
    counters: &Arc<Counters>,
    log_queue: Arc<LogQueue>,
    threshold: Duration,
) {
    let mut state = STATE.lock();
    state.watched.push(Watched {
        counters: Arc::downgrade(counters),
        event_loop: Arc::clone(event_loop),
        log_queue,
        threshold,
    });
    if !state.running {
        let spawned = thread::Builder::new().name("asgi-node-watch".into()).spawn(run);
        state.running = spawned.is_ok();
    }
}

/// Wakes the thread: there is something to watch. Called for each request; it costs one load unless the thread sleeps.
pub(crate) fn wake() {
    if ASLEEP.load(Ordering::SeqCst) && ASLEEP.swap(false, Ordering::SeqCst) {
        STATE.lock().woken = true;
        WAKE.notify_one();
    }
}

fn run() {
    let mut seen = HashMap::new();
    loop {
        let pause = look(&mut seen);
        let mut state = STATE.lock();
        if let Some(pause) = pause {
            WAKE.wait_for(&mut state, pause);
        } else {
            ASLEEP.store(true, Ordering::SeqCst);
            // A request that came before this store has not woken the thread, so look once more.
            let quiet = !state.watched.iter().any(Watched::has_work);
            while quiet && !state.woken {
                WAKE.wait(&mut state);
            }
            ASLEEP.store(false, Ordering::SeqCst);
        }
        state.woken = false;
    }
}

impl Watched {
    /// Whether requests are under way.
    fn is_busy(&self) -> bool {
        self.counters.upgrade().is_some_and(|counters| counters.is_busy())
    }

    fn has_work(&self) -> bool {
        let pending = || self.event_loop.heartbeat().pending(Instant::now()).is_some();
        self.counters.strong_count() > 0 && (self.is_busy() || pending())
    }
}

/// What earlier looks at an event loop have found.
#[derive(Default)]
struct Seen {
    /// The log queue that has the warning that it is blocked.
    warned: Option<Arc<LogQueue>>,
    /// For how long the heartbeat that is under way has not been answered, at the latest look.
    longest: Duration,
    /// For how long its thread had waited for a core when the latest heartbeat was sent.
    starved: Duration,
}

/// Looks at every loop once; returns when to look again if requests are under way. Loops are identified by their address.
fn look(seen: &mut HashMap<usize, Seen>) -> Option<Duration> {
    let watched = {
        let mut state = STATE.lock();
        state.watched.retain(|watched| watched.counters.strong_count() > 0);
        state.watched.clone()
    };
    let mut loops: HashMap<usize, (Watched, bool)> = HashMap::new();
    for watched in watched {
        let key = Arc::as_ptr(&watched.event_loop).addr();
        let (busy, threshold) = (watched.is_busy(), watched.threshold);
        // The oldest handler gets the warning; the shortest threshold decides when.
        let (first, any) = loops.entry(key).or_insert((watched, false));
        first.threshold = first.threshold.min(threshold);
        *any |= busy;
    }
    seen.retain(|key, _| loops.contains_key(key));
    loops
        .into_iter()
        .filter_map(|(key, (watched, busy))| look_at(&watched, busy, seen.entry(key).or_default()))
        .min()
}

fn look_at(watched: &Watched, busy: bool, seen: &mut Seen) -> Option<Duration> {
    let event_loop = &*watched.event_loop;
    let pending = event_loop.heartbeat().pending(Instant::now());
    if let Some(pending) = pending {
        seen.longest = seen.longest.max(pending);
    } else {
        // A later heartbeat may have been answered already, and the lag is that of the latest one.
        let longest = std::mem::take(&mut seen.longest);
        if let Some(log_queue) = seen.warned.take() {
            report_recovery(&log_queue, longest.max(event_loop.heartbeat().lag(Instant::now())));
        }
    }
    let sample = Sample {
        pending,
        busy,
        warned: seen.warned.is_some(),
        starved: pending.map_or(Duration::ZERO, |_| starved(event_loop).saturating_sub(seen.starved)),
    };
    match decide(&sample, watched.threshold) {
        Step::Sleep => None,
        Step::Look(pause) => Some(pause),
        Step::Probe(pause) => {
            seen.starved = starved(event_loop);
            event_loop.send_heartbeat();
            Some(pause)
        }
        Step::Warn(pause) => {
            if warn(watched) {
                seen.warned = Some(Arc::clone(&watched.log_queue));
            }
            Some(pause)
        }
    }
}

/// Warns that the loop is blocked, and where; false if it has gone on meanwhile.
fn warn(watched: &Watched) -> bool {
    let (why, stack) = locate(&watched.event_loop);
    let Some(pending) = watched.event_loop.heartbeat().pending(Instant::now()) else {
        return false;
    };
    let seconds = pending.as_secs_f64();
    let place = if stack.is_empty() {
        format!(": {why}")
    } else {
        ". Stack of its thread:".into()
    };
    let text = format!("the event loop of Python has been blocked for {seconds:.1} s, so all requests wait{place}");
    report(&watched.log_queue, WARNING, &text, pending, &stack);
    true
}

fn report_recovery(log_queue: &LogQueue, lag: Duration) {
    let seconds = lag.as_secs_f64();
    let text = format!("the event loop of Python runs again; it was blocked for {seconds:.1} s");
    report(log_queue, INFO, &text, lag, "");
}

/// For how long the loop's thread was ready to run but had no core.
fn starved(event_loop: &EventLoop) -> Duration {
    let Some((_, native)) = event_loop.thread() else {
        return Duration::ZERO;
    };
    let status = std::fs::read_to_string(format!("/proc/self/task/{native}/schedstat")).unwrap_or_default();
    let waited = status
        .split(' ')
        .nth(1)
        .and_then(|nanoseconds| nanoseconds.parse().ok());
    Duration::from_nanos(waited.unwrap_or_default())
}

/// Where the loop's thread is: in words, and as a Python stack. Blocks until the stack has come or its time is up.
pub fn locate(event_loop: &EventLoop) -> (String, String) {
    let Some((ident, native)) = event_loop.thread() else {
        return ("its thread is not known".into(), String::new());
    };
    let (sender, receiver) = sync_channel(1);
    drop(interpreter::try_run(move |py| drop(sender.send(stack_of(py, ident)))));
    match receiver.recv_timeout(STACK_TIMEOUT) {
        Ok(Some(stack)) => ("its thread is here".into(), stack),
        Ok(None) => ("its thread has no Python stack".into(), String::new()),
        Err(RecvTimeoutError::Disconnected) => {
            let text = "stack unavailable: Python's main thread takes no more jobs";
            (text.into(), String::new())
        }
        Err(RecvTimeoutError::Timeout) => {
            let state = thread_state(native);
            let text = format!(
                "stack unavailable: native code has held the GIL for {} ms; the loop's thread {state}",
                STACK_TIMEOUT.as_millis()
            );
            (text, String::new())
        }
    }
}

fn stack_of(py: Python<'_>, ident: u64) -> Option<String> {
    let module = py.import("asgi_node.runtime.stacks").ok()?;
    module.call_method1("stack_of", (ident,)).ok()?.extract().ok()?
}

/// The state of a thread of this process, from the kernel.
fn thread_state(native: u32) -> &'static str {
    let status = std::fs::read_to_string(format!("/proc/self/task/{native}/stat")).unwrap_or_default();
    // "123 (name) S …": the name may hold any characters, even parentheses.
    let state = status
        .rsplit_once(')')
        .and_then(|(_, rest)| rest.trim_start().chars().next());
    match state {
        Some('R') => "is running",
        Some('S') => "is sleeping in the kernel",
        Some('D') => "is waiting for a disk",
        _ => "is in an unknown state",
    }
}

/// Writes the same JSON as `asgi_node.runtime.logs`.
fn report(log_queue: &LogQueue, level: u8, text: &str, blocked: Duration, stack: &str) {
    let milliseconds = u64::try_from(blocked.as_millis()).unwrap_or(u64::MAX);
    let mut extra = serde_json::json!({ "blockedMs": milliseconds });
    if !stack.is_empty() {
        extra["stack"] = stack.into();
    }
    let record = serde_json::json!({ "n": "asgi_node.watch", "m": text, "x": extra });
    log_queue.push(
        Entry {
            kind: Kind::Record(level),
            text: record.to_string(),
        },
        Duration::ZERO,
    );
}
