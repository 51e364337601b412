//! When to ask an event loop whether it is blocked, and when to warn: decisions without a clock of their own.

use std::time::Duration;

/// The longest and the shortest pause between two looks at a loop.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);

/// What one look at an event loop has found.
#[derive(Debug, Clone, Copy)]
pub struct Sample {
    /// How long a heartbeat has been under way; `None` when none is.
    pub pending: Option<Duration>,
    /// Whether requests are under way.
    pub busy: bool,
    /// Whether we have warned since the loop last answered.
    pub warned: bool,
    /// How long the loop's thread has waited for a core since the heartbeat left.
    pub starved: Duration,
}

/// What to do, and when to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing is under way: look again when something is.
    Sleep,
    /// Look again after this pause.
    Look(Duration),
    /// Send a heartbeat, and look again after this pause.
    Probe(Duration),
    /// Warn that the loop is blocked, and look again after this pause.
    Warn(Duration),
}

/// Decides what to do about a loop that may be blocked for at most `threshold`.
pub fn decide(sample: &Sample, threshold: Duration) -> Step {
    let regular = (threshold / 2).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    let Some(pending) = sample.pending else {
        return if sample.busy { Step::Probe(regular) } else { Step::Sleep };
    };
    if sample.warned {
        return Step::Look(regular);
    }
    // On an overloaded machine the loop is slow, but no code blocks it.
    let own = pending.saturating_sub(sample.starved);
    match threshold.checked_sub(own) {
        Some(left) if !left.is_zero() => Step::Look(left.clamp(SHORTEST_PAUSE, LONGEST_PAUSE)),
        _ => Step::Warn(regular),
    }
}

#[cfg(test)]
mod tests {
    use super::{Sample, Step, decide};
    use std::time::Duration;

    const THRESHOLD: Duration = Duration::from_millis(400);
    const HALF: Duration = Duration::from_millis(200);

    fn sample(pending: Option<u64>, busy: bool, warned: bool, starved: u64) -> Sample {
        Sample {
            pending: pending.map(Duration::from_millis),
            busy,
            warned,
            starved: Duration::from_millis(starved),
        }
    }

    #[test]
    fn a_loop_is_probed_while_requests_are_under_way() {
        assert_eq!(decide(&sample(None, false, false, 0), THRESHOLD), Step::Sleep);
        assert_eq!(decide(&sample(None, true, false, 0), THRESHOLD), Step::Probe(HALF));
    }

    #[test]
    fn a_warning_is_given_once_and_at_the_threshold() {
        let left = Duration::from_millis(100);
        assert_eq!(decide(&sample(Some(300), true, false, 0), THRESHOLD), Step::Look(left));
        assert_eq!(decide(&sample(Some(400), false, false, 0), THRESHOLD), Step::Warn(HALF));
        assert_eq!(decide(&sample(Some(900), true, true, 0), THRESHOLD), Step::Look(HALF));
    }

    #[test]
    fn the_time_without_a_core_does_not_count() {
        let left = Duration::from_millis(50);
        assert_eq!(
            decide(&sample(Some(900), true, false, 550), THRESHOLD),
            Step::Look(left)
        );
        assert_eq!(
            decide(&sample(Some(900), true, false, 500), THRESHOLD),
            Step::Warn(HALF)
        );
    }

    #[test]
    fn a_pause_is_neither_too_short_nor_too_long() {
        let short = Duration::from_millis(10);
        assert_eq!(decide(&sample(Some(399), true, false, 0), THRESHOLD), Step::Look(short));
        let minute = Duration::from_secs(60);
        assert_eq!(
            decide(&sample(None, true, false, 0), minute),
            Step::Probe(Duration::from_secs(1))
        );
    }
}
