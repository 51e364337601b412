//! What Python sends to its host besides responses: log records and lines of output, in their order.
//!
//! It is bounded by number and by bytes. A writer that finds it full waits for room, but not for long: the host may itself
//! be waiting for the writer. After one wait in vain no writer waits until the host has taken something, so a host that is
//! stuck costs its writers one wait in all. Entries that are dropped are counted, and the next entries carry the count.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::queue::inbox::Waker;
use crate::sync::{Condvar, Mutex};

/// The kind of an [`Entry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A log record of this level (Python's numbers, up to 255), as JSON.
    Record(u8),
    /// A line of `sys.stdout`.
    Stdout,
    /// A line of `sys.stderr`.
    Stderr,
}

/// One log record or line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Its text.
    pub text: String,
}

/// What became of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// It is queued for the host.
    Kept,
    /// There was no room for it; it was dropped and counted.
    Dropped,
    /// The host no longer listens: the caller must put it elsewhere.
    Closed,
}

/// How many entries were dropped since the last time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Log records.
    pub records: u64,
    /// Lines.
    pub lines: u64,
}

#[derive(Default)]
struct State {
    entries: VecDeque<Entry>,
    bytes: usize,
    dropped: Dropped,
    awake: bool,
    stuck: bool,
    closed: bool,
}

/// The queue; share it in an `Arc`.
pub struct LogQueue {
    state: Mutex<State>,
    room: Condvar,
    waker: Box<dyn Waker>,
    most_entries: usize,
    most_bytes: usize,
}

impl std::fmt::Debug for LogQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.state.lock();
        f.debug_struct("LogQueue")
            .field("len", &state.entries.len())
            .field("bytes", &state.bytes)
            .field("closed", &state.closed)
            .finish_non_exhaustive()
    }
}

impl LogQueue {
    /// An empty log queue with room for this many entries and bytes; a single entry always fits.
    pub fn new(most_entries: usize, most_bytes: usize, waker: Box<dyn Waker>) -> Self {
        Self {
            state: Mutex::new(State::default()),
            room: Condvar::new(),
            waker,
            most_entries,
            most_bytes,
        }
    }

    /// One as large as any host should need: what does not fit was said faster than it is read.
    pub fn for_host(waker: Box<dyn Waker>) -> Self {
        Self::new(10_000, 16 << 20, waker)
    }

    /// Adds an entry if there is room now; gives it back otherwise.
    pub fn try_push(&self, entry: Entry) -> Result<Pushed, Entry> {
        let mut state = self.state.lock();
        if state.closed {
            return Ok(Pushed::Closed);
        }
        if !self.has_room(&state, &entry) {
            return Err(entry);
        }
        state.bytes += entry.text.len();
        state.entries.push_back(entry);
        let asleep = !std::mem::replace(&mut state.awake, true);
        drop(state);
        if asleep {
            self.waker.wake();
        }
        Ok(Pushed::Kept)
    }

    /// Adds an entry; waits for room for at most `patience`.
    pub fn push(&self, mut entry: Entry, patience: Duration) -> Pushed {
        let deadline = Instant::now() + patience;
        loop {
            entry = match self.try_push(entry) {
                Ok(pushed) => return pushed,
                Err(refused) => refused,
            };
            let mut state = self.state.lock();
            while !state.closed && !state.stuck && !self.has_room(&state, &entry) {
                state.stuck = self.room.wait_until(&mut state, deadline).timed_out();
            }
            if !state.closed && !self.has_room(&state, &entry) {
                match entry.kind {
                    Kind::Record(_) => state.dropped.records += 1,
                    Kind::Stdout | Kind::Stderr => state.dropped.lines += 1,
                }
                return Pushed::Dropped;
            }
        }
    }

    fn has_room(&self, state: &State, entry: &Entry) -> bool {
        state.entries.is_empty()
            || (state.entries.len() < self.most_entries && state.bytes + entry.text.len() <= self.most_bytes)
    }

    /// Moves at most `most` entries into `batch`, and returns how many were dropped before. If some are left, the host is woken
    /// again, so that its other work comes in between.
    pub fn take(&self, most: usize, batch: &mut Vec<Entry>) -> Dropped {
        let mut state = self.state.lock();
        let count = most.min(state.entries.len());
        let before = batch.len();
        batch.extend(state.entries.drain(..count));
        state.bytes -= batch[before..].iter().map(|entry| entry.text.len()).sum::<usize>();
        state.awake = !state.entries.is_empty();
        state.stuck = false;
        let (again, dropped) = (state.awake, std::mem::take(&mut state.dropped));
        drop(state);
        self.room.notify_all();
        if again {
            self.waker.wake();
        }
        dropped
    }

    /// The host no longer listens: hands back the entries that are left.
    pub fn close(&self) -> VecDeque<Entry> {
        let mut state = self.state.lock();
        state.closed = true;
        let left = std::mem::take(&mut state.entries);
        drop(state);
        self.room.notify_all();
        left
    }
}

#[cfg(test)]
mod tests {
    use super::{Dropped, Entry, Kind, LogQueue, Pushed};
    use crate::queue::inbox::Waker;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::{Duration, Instant};

    struct Count(Arc<AtomicUsize>);
    impl Waker for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn log_queue(most_entries: usize, most_bytes: usize) -> (Arc<LogQueue>, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let waker = Box::new(Count(Arc::clone(&count)));
        (Arc::new(LogQueue::new(most_entries, most_bytes, waker)), count)
    }

    fn line(text: &str) -> Entry {
        Entry {
            kind: Kind::Stdout,
            text: text.into(),
        }
    }

    fn texts(log_queue: &LogQueue, most: usize) -> Vec<String> {
        let mut batch = Vec::new();
        log_queue.take(most, &mut batch);
        batch.into_iter().map(|entry| entry.text).collect()
    }

    #[test]
    fn a_burst_costs_one_wake_up_and_comes_in_order() {
        let (log_queue, wakes) = log_queue(10, 1000);
        for text in ["a", "b", "c"] {
            assert_eq!(log_queue.push(line(text), Duration::ZERO), Pushed::Kept);
        }
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!(texts(&log_queue, 10), ["a", "b", "c"]);
        log_queue.push(line("d"), Duration::ZERO);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_is_left_by_a_small_batch_wakes_again() {
        let (log_queue, wakes) = log_queue(10, 1000);
        for text in ["a", "b", "c"] {
            log_queue.push(line(text), Duration::ZERO);
        }
        assert_eq!(texts(&log_queue, 2), ["a", "b"]);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
        assert_eq!(texts(&log_queue, 2), ["c"]);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn what_does_not_fit_is_counted_once_and_by_kind() {
        let (log_queue, _) = log_queue(2, 1000);
        let record = |text: &str| Entry {
            kind: Kind::Record(30),
            text: text.into(),
        };
        log_queue.push(line("a"), Duration::ZERO);
        log_queue.push(line("b"), Duration::ZERO);
        assert_eq!(log_queue.push(line("c"), Duration::ZERO), Pushed::Dropped);
        assert_eq!(log_queue.push(record("d"), Duration::ZERO), Pushed::Dropped);
        let mut batch = Vec::new();
        assert_eq!(log_queue.take(10, &mut batch), Dropped { records: 1, lines: 1 });
        assert_eq!(log_queue.take(10, &mut batch), Dropped::default());
        assert_eq!(batch, [line("a"), line("b")]);
    }

    #[test]
    fn bytes_are_bounded_but_one_entry_always_fits() {
        let (log_queue, _) = log_queue(10, 4);
        assert_eq!(log_queue.push(line("larger than all"), Duration::ZERO), Pushed::Kept);
        assert_eq!(log_queue.push(line("x"), Duration::ZERO), Pushed::Dropped);
        assert_eq!(texts(&log_queue, 10).len(), 1);
        assert_eq!(log_queue.push(line("abc"), Duration::ZERO), Pushed::Kept);
        assert_eq!(log_queue.push(line("de"), Duration::ZERO), Pushed::Dropped);
    }

    #[test]
    fn a_host_that_is_stuck_costs_one_wait_in_all() {
        let (log_queue, _) = log_queue(1, 1000);
        let patience = Duration::from_millis(30);
        log_queue.push(line("a"), patience);
        let begun = Instant::now();
        for _ in 0..1000 {
            assert_eq!(log_queue.push(line("b"), patience), Pushed::Dropped);
        }
        assert!(begun.elapsed() >= patience);
        assert!(begun.elapsed() < patience * 500);
    }

    #[test]
    fn a_writer_that_waits_goes_on_when_there_is_room() {
        let (log_queue, _) = log_queue(1, 1000);
        log_queue.push(line("a"), Duration::ZERO);
        let other = Arc::clone(&log_queue);
        let writer = std::thread::spawn(move || other.push(line("b"), Duration::from_secs(60)));
        assert_eq!(texts(&log_queue, 1), ["a"]);
        assert_eq!(writer.join().unwrap(), Pushed::Kept);
        assert_eq!(texts(&log_queue, 1), ["b"]);
    }

    #[test]
    fn closing_lets_a_waiting_writer_go_and_gives_back_the_rest() {
        let (log_queue, _) = log_queue(1, 1000);
        log_queue.push(line("a"), Duration::ZERO);
        let other = Arc::clone(&log_queue);
        let writer = std::thread::spawn(move || other.push(line("b"), Duration::from_secs(60)));
        assert_eq!(log_queue.close(), [line("a")]);
        assert_eq!(writer.join().unwrap(), Pushed::Closed);
        assert_eq!(log_queue.push(line("c"), Duration::ZERO), Pushed::Closed);
    }
}
