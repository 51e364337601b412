use super::{Limits, PROMPT, SHARE, SLOW, Window};
use proptest::prelude::*;
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits { least: 10, most: 80 };

/// Fills the window, and takes everything after this time.
fn round(window: &mut Window, now: &mut Instant, waited: Duration) {
    let load = window.size();
    assert!(!window.has_room(load, || *now));
    *now += waited;
    assert!(window.take(load, 0, || *now));
}

#[test]
fn it_grows_for_a_side_that_keeps_up_and_goes_back_for_a_slow_one() {
    let (mut window, mut now) = (Window::new(LIMITS), Instant::now());
    let mut sizes = Vec::new();
    for waited in [PROMPT, PROMPT, PROMPT, PROMPT, SLOW, SLOW + PROMPT, PROMPT] {
        round(&mut window, &mut now, waited);
        sizes.push(window.size());
    }
    assert_eq!(sizes, [20, 40, 80, 80, 80, 10, 20]);
}

#[test]
fn it_opens_when_half_of_it_is_free_and_says_so_once() {
    let now = Instant::now();
    let mut window = Window::new(Limits::fixed(10));
    assert!(window.has_room(9, || now));
    assert!(!window.take(9, 0, || now), "it was not full");
    assert!(!window.has_room(12, || now));
    assert!(!window.take(6, 6, || now));
    assert!(!window.has_room(6, || now), "full until half of it is free");
    assert!(window.take(1, 5, || now));
    assert!(!window.take(5, 0, || now));
    assert_eq!(window.size(), 10, "a fixed one keeps its size");
}

#[test]
fn towards_a_socket_it_is_a_share_of_what_has_gone() {
    let (mut window, mut now) = (Window::to_socket(LIMITS), Instant::now());
    round(&mut window, &mut now, PROMPT);
    assert_eq!(
        window.size(),
        10,
        "the kernel takes the first bytes of a client that never reads, too"
    );
    let before = usize::try_from(SHARE).expect("small") * 15;
    assert!(!window.take(before - 10, 0, || now));
    round(&mut window, &mut now, PROMPT);
    assert_eq!(window.size(), 15);
}

#[test]
fn a_window_of_one_byte_opens_again() {
    let now = Instant::now();
    let mut window = Window::new(Limits::fixed(1));
    assert!(!window.has_room(1, || now));
    assert!(window.take(1, 0, || now));
    assert!(window.has_room(0, || now));
}

proptest! {
    #[test]
    fn whoever_waits_is_told_once_all_is_taken_and_no_size_leaves_the_limits(
        least in 1usize..50,
        more in 0usize..500,
        socket in any::<bool>(),
        steps in prop::collection::vec((any::<bool>(), 1usize..100, 0u64..200), 0..200),
    ) {
        let limits = Limits { least, most: least + more };
        let mut window = if socket { Window::to_socket(limits) } else { Window::new(limits) };
        let (mut now, mut load, mut gone, mut waits) = (Instant::now(), 0, 0, false);
        for (fills, bytes, pause) in steps {
            now += Duration::from_millis(pause);
            if fills && !waits {
                load += bytes;
                waits = !window.has_room(load, || now);
                prop_assert!(waits || load < window.size());
            } else {
                let bytes = bytes.min(load);
                load -= bytes;
                gone += bytes;
                let opens = window.take(bytes, load, || now);
                prop_assert!(waits || !opens);
                waits &= !opens;
                prop_assert!(!waits || load > 0, "full, and nothing is under way");
            }
            prop_assert!(window.size() >= least && window.size() <= limits.most);
            prop_assert!(!socket || window.size() <= least.max(gone / 32), "more than its share");
            // What one window can hold: its size, and the piece that has filled it.
            prop_assert!(load < limits.most + 100);
        }
    }
}
