//! Whether the event loop still runs: we send it a heartbeat, and it notes when the heartbeat arrives.
//!
//! Any thread may read this at any time without a lock. A heartbeat costs one message, so it is sent only on demand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No heartbeat is under way.
const NONE: u64 = 0;

/// The heartbeat of one event loop.
#[derive(Debug)]
pub struct Heartbeat {
    epoch: Instant,
    /// When the heartbeat that is under way was sent, in nanoseconds since the epoch.
    sent: AtomicU64,
    /// How long the latest heartbeat took.
    lag: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            sent: AtomicU64::new(NONE),
            lag: AtomicU64::new(0),
        }
    }
}

impl Heartbeat {
    fn since_epoch(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }

    /// Notes that a heartbeat is sent now; false when one is already under way.
    pub fn send(&self, now: Instant) -> bool {
        let moment = self.since_epoch(now);
        self.sent
            .compare_exchange(NONE, moment, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Notes that the loop has handled the heartbeat.
    pub fn arrive(&self, now: Instant) {
        let sent = self.sent.swap(NONE, Ordering::AcqRel);
        if sent != NONE {
            self.lag
                .store(self.since_epoch(now).saturating_sub(sent), Ordering::Release);
        }
    }

    /// How long a heartbeat has been under way; `None` when the loop has handled all.
    pub fn pending(&self, now: Instant) -> Option<Duration> {
        let sent = self.sent.load(Ordering::Acquire);
        (sent != NONE).then(|| Duration::from_nanos(self.since_epoch(now).saturating_sub(sent)))
    }

    /// How far the loop is behind: the time of the latest heartbeat, or of the one under way if that is longer.
    pub fn lag(&self, now: Instant) -> Duration {
        let latest = Duration::from_nanos(self.lag.load(Ordering::Acquire));
        self.pending(now).map_or(latest, |pending| pending.max(latest))
    }
}

#[cfg(test)]
mod tests {
    use super::Heartbeat;
    use std::time::{Duration, Instant};

    const STEP: Duration = Duration::from_millis(250);

    #[test]
    fn one_heartbeat_is_under_way_at_a_time() {
        let (heartbeat, now) = (Heartbeat::default(), Instant::now());
        assert_eq!(heartbeat.pending(now), None);
        assert!(heartbeat.send(now));
        assert!(!heartbeat.send(now + STEP));
        assert_eq!(heartbeat.pending(now + STEP), Some(STEP));
        heartbeat.arrive(now + STEP);
        assert_eq!(heartbeat.pending(now + STEP), None);
        assert!(heartbeat.send(now + STEP));
    }

    #[test]
    fn the_lag_is_that_of_the_latest_heartbeat_until_the_next_takes_longer() {
        let (heartbeat, now) = (Heartbeat::default(), Instant::now());
        assert_eq!(heartbeat.lag(now), Duration::ZERO);
        heartbeat.send(now);
        heartbeat.arrive(now + 2 * STEP);
        assert_eq!(heartbeat.lag(now + 9 * STEP), 2 * STEP);
        heartbeat.send(now + 9 * STEP);
        assert_eq!(heartbeat.lag(now + 10 * STEP), 2 * STEP);
        assert_eq!(heartbeat.lag(now + 12 * STEP), 3 * STEP);
        heartbeat.arrive(now + 12 * STEP);
        assert_eq!(heartbeat.lag(now + 12 * STEP), 3 * STEP);
    }

    #[test]
    fn an_arrival_that_nobody_waits_for_changes_nothing() {
        let (heartbeat, now) = (Heartbeat::default(), Instant::now());
        heartbeat.arrive(now + STEP);
        assert_eq!(heartbeat.lag(now + STEP), Duration::ZERO);
    }
}
