//! Whether the event loop still turns: a beat is sent to it, and it notes that it has come to it.
//!
//! Everybody may look at any time without a lock. A beat costs one message, so it is sent only by who wants to know.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No beat is under way.
const NONE: u64 = 0;

/// The beat of one event loop.
#[derive(Debug)]
pub struct Pulse {
    epoch: Instant,
    /// When the beat that is under way was sent, in nanoseconds since the epoch.
    sent: AtomicU64,
    /// How long the latest beat took.
    lag: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            epoch: Instant::now(),
            sent: AtomicU64::new(NONE),
            lag: AtomicU64::new(0),
        }
    }
}

impl Pulse {
    fn since_epoch(&self, now: Instant) -> u64 {
        let elapsed = now.saturating_duration_since(self.epoch).as_nanos();
        u64::try_from(elapsed).unwrap_or(u64::MAX).max(1)
    }

    /// Notes that a beat leaves now; false when one is under way already.
    pub fn send(&self, now: Instant) -> bool {
        let moment = self.since_epoch(now);
        self.sent
            .compare_exchange(NONE, moment, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// The loop has come to the beat.
    pub fn arrive(&self, now: Instant) {
        let sent = self.sent.swap(NONE, Ordering::AcqRel);
        if sent != NONE {
            self.lag
                .store(self.since_epoch(now).saturating_sub(sent), Ordering::Release);
        }
    }

    /// How long the beat that is under way has been so; none when the loop has come to all.
    pub fn pending(&self, now: Instant) -> Option<Duration> {
        let sent = self.sent.load(Ordering::Acquire);
        (sent != NONE).then(|| Duration::from_nanos(self.since_epoch(now).saturating_sub(sent)))
    }

    /// How far the loop is behind: what the latest beat took, or what the one that is under way has taken if that is more.
    pub fn lag(&self, now: Instant) -> Duration {
        let latest = Duration::from_nanos(self.lag.load(Ordering::Acquire));
        self.pending(now).map_or(latest, |pending| pending.max(latest))
    }
}

#[cfg(test)]
mod tests {
    use super::Pulse;
    use std::time::{Duration, Instant};

    const STEP: Duration = Duration::from_millis(250);

    #[test]
    fn one_beat_is_under_way_at_a_time() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        assert_eq!(pulse.pending(now), None);
        assert!(pulse.send(now));
        assert!(!pulse.send(now + STEP));
        assert_eq!(pulse.pending(now + STEP), Some(STEP));
        pulse.arrive(now + STEP);
        assert_eq!(pulse.pending(now + STEP), None);
        assert!(pulse.send(now + STEP));
    }

    #[test]
    fn the_lag_is_that_of_the_latest_beat_until_the_next_takes_longer() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        assert_eq!(pulse.lag(now), Duration::ZERO);
        pulse.send(now);
        pulse.arrive(now + 2 * STEP);
        assert_eq!(pulse.lag(now + 9 * STEP), 2 * STEP);
        pulse.send(now + 9 * STEP);
        assert_eq!(pulse.lag(now + 10 * STEP), 2 * STEP);
        assert_eq!(pulse.lag(now + 12 * STEP), 3 * STEP);
        pulse.arrive(now + 12 * STEP);
        assert_eq!(pulse.lag(now + 12 * STEP), 3 * STEP);
    }

    #[test]
    fn an_arrival_that_nobody_waits_for_changes_nothing() {
        let (pulse, now) = (Pulse::default(), Instant::now());
        pulse.arrive(now + STEP);
        assert_eq!(pulse.lag(now + STEP), Duration::ZERO);
    }
}
