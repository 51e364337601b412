//! Finds event loops that do not turn, and says where they are.
//!
//! One thread for the process, which never attaches to Python. While a request is under way it sends a beat to the event
//! loop now and then ([`asgi_node_core::Pulse`]), and when the loop does not come to it in time, it asks Python's main
//! thread for the stack of the loop's thread, and hands a warning to the journal of a handler. If native code holds the GIL,
//! that answer does not come, and the warning says so.
//!
//! With nothing under way it sleeps until [`nudge`]: an idle process is not woken.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use asgi_node_core::Journal;
use asgi_node_core::journal::{Entry, Kind};
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;

use crate::application::Application;
use crate::event_loop::EventLoop;
use crate::interpreter;

/// How long the stack may take. With a busy GIL it takes some milliseconds.
const STACK_PATIENCE: Duration = Duration::from_millis(500);

/// Between two looks at a loop, at most and at least.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// Python's numbers of levels.
const WARNING: u8 = 30;
const INFO: u8 = 20;

struct State {
    watched: Vec<Watched>,
    running: bool,
    nudged: bool,
}

#[derive(Clone)]
struct Watched {
    app: Weak<Application>,
    journal: Arc<Journal>,
    threshold: Duration,
}

static STATE: Mutex<State> = Mutex::new(State {
    watched: Vec::new(),
    running: false,
    nudged: false,
});
static WAKE: Condvar = Condvar::new();
/// Whether the thread sleeps until it is nudged.
static ASLEEP: AtomicBool = AtomicBool::new(false);

/// Watches the event loop of this app from now on.
pub(crate) fn watch(app: &Arc<Application>, journal: Arc<Journal>, threshold: Duration) {
    let mut state = STATE.lock();
    let app = Arc::downgrade(app);
    state.watched.push(Watched {
        app,
        journal,
        threshold,
    });
    if !state.running {
        let spawned = thread::Builder::new().name("asgi-node-watch".into()).spawn(run);
        state.running = spawned.is_ok();
    }
}

/// There is something to watch. Called for each request: one load, and nothing else unless all was quiet for a while.
pub(crate) fn nudge() {
    if ASLEEP.load(Ordering::SeqCst) && ASLEEP.swap(false, Ordering::SeqCst) {
        STATE.lock().nudged = true;
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
            // A request that came before this store has not nudged.
            let quiet = !state.watched.iter().any(Watched::is_busy);
            while quiet && !state.nudged {
                WAKE.wait(&mut state);
            }
            ASLEEP.store(false, Ordering::SeqCst);
        }
        state.nudged = false;
    }
}

impl Watched {
    fn is_busy(&self) -> bool {
        let busy =
            |app: Arc<Application>| app.in_flight() > 0 || app.event_loop().pulse().pending(Instant::now()).is_some();
        self.app.upgrade().is_some_and(busy)
    }
}

/// What is known of an event loop from earlier looks.
#[derive(Default)]
struct Seen {
    /// Who has been told that it does not turn.
    told: Option<Arc<Journal>>,
    /// For how long its thread had waited for a core when the latest beat left.
    starved: Duration,
}

/// Looks at every loop once; tells when to look again, if anything is under way. Loops are known by their address.
fn look(seen: &mut HashMap<usize, Seen>) -> Option<Duration> {
    let watched = {
        let mut state = STATE.lock();
        state.watched.retain(|watched| watched.app.strong_count() > 0);
        state.watched.clone()
    };
    let mut loops: HashMap<usize, (Arc<EventLoop>, Watched, bool)> = HashMap::new();
    for watched in watched {
        let Some(app) = watched.app.upgrade() else { continue };
        let event_loop = Arc::clone(app.event_loop());
        let key = Arc::as_ptr(&event_loop).addr();
        let busy = app.in_flight() > 0;
        // The handler that was there first is told; whoever is the least patient decides when.
        let (_, first, any) = loops.entry(key).or_insert_with(|| (event_loop, watched.clone(), false));
        first.threshold = first.threshold.min(watched.threshold);
        *any |= busy;
    }
    seen.retain(|key, _| loops.contains_key(key));
    loops
        .into_iter()
        .filter_map(|(key, (event_loop, watched, busy))| {
            look_at(&event_loop, &watched, busy, seen.entry(key).or_default())
        })
        .min()
}

fn look_at(event_loop: &Arc<EventLoop>, watched: &Watched, busy: bool, seen: &mut Seen) -> Option<Duration> {
    let regular = (watched.threshold / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    let Some(pending) = event_loop.pulse().pending(Instant::now()) else {
        if let Some(journal) = seen.told.take() {
            let lag = event_loop.pulse().lag(Instant::now());
            let text = format!(
                "the event loop of Python goes on: it had been blocked for {:.1} s",
                lag.as_secs_f64()
            );
            say(&journal, INFO, &text, lag, "");
        }
        if busy {
            seen.starved = starved(event_loop);
            event_loop.beat();
        }
        return busy.then_some(regular);
    };
    if seen.told.is_some() {
        return Some(regular);
    }
    // On a machine that has too much to do, the loop is slow, and nobody's code is to blame.
    let own = pending.saturating_sub(starved(event_loop).saturating_sub(seen.starved));
    if let Some(left) = watched.threshold.checked_sub(own)
        && !left.is_zero()
    {
        return Some(left.clamp(SHORTEST_PAUSE, LONGEST_PAUSE));
    }
    let (why, stack) = whereabouts(event_loop);
    let Some(pending) = event_loop.pulse().pending(Instant::now()) else {
        // It was about to go on.
        return Some(regular);
    };
    let seconds = pending.as_secs_f64();
    let text = format!("the event loop of Python has been blocked for {seconds:.1} s, and no request goes on: {why}");
    say(&watched.journal, WARNING, &text, pending, &stack);
    seen.told = Some(Arc::clone(&watched.journal));
    Some(regular)
}

/// For how long the loop's thread could have run, and others had all cores.
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

/// Where the loop's thread is: in words, and as a Python stack.
fn whereabouts(event_loop: &EventLoop) -> (String, String) {
    let Some((ident, native)) = event_loop.thread() else {
        return ("its thread is not known".into(), String::new());
    };
    let (sender, receiver) = sync_channel(1);
    interpreter::on_main(move |py| {
        drop(sender.send(stack_of(py, ident)));
    });
    match receiver.recv_timeout(STACK_PATIENCE) {
        Ok(Some(stack)) => ("its thread is here".into(), stack),
        Ok(None) => ("its thread has no Python stack".into(), String::new()),
        Err(_) => {
            let state = thread_state(native);
            let text = format!(
                "where cannot be said, because native code has held the GIL for {} ms and more; the loop's thread {state}",
                STACK_PATIENCE.as_millis()
            );
            (text, String::new())
        }
    }
}

fn stack_of(py: Python<'_>, ident: u64) -> Option<String> {
    let module = py.import("asgi_node.runtime.stacks").ok()?;
    module.call_method1("stack_of", (ident,)).ok()?.extract().ok()?
}

/// What the kernel says of a thread of this process.
fn thread_state(native: u32) -> &'static str {
    let status = std::fs::read_to_string(format!("/proc/self/task/{native}/stat")).unwrap_or_default();
    // "123 (name) S …": the name may hold anything, also parentheses.
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

/// The same JSON as that of `asgi_node.runtime.logs`.
fn say(journal: &Journal, level: u8, text: &str, blocked: Duration, stack: &str) {
    let milliseconds = u64::try_from(blocked.as_millis()).unwrap_or(u64::MAX);
    let mut extra = serde_json::json!({ "blockedMs": milliseconds });
    if !stack.is_empty() {
        extra["stack"] = stack.into();
    }
    let record = serde_json::json!({ "n": "asgi_node.watch", "m": text, "x": extra });
    journal.push(
        Entry {
            kind: Kind::Record(level),
            text: record.to_string(),
        },
        Duration::ZERO,
    );
}
