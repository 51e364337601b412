//! What may wait for apps beside their windows: a sum over all exchanges of a process, so this test has its own.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;

use asgi_node_core::{Exchange, Limits, Notify, Received, Windows};

const LIMITS: Limits = Limits {
    least: 10,
    most: 1 << 20,
};

struct Deaf;

impl Notify for Deaf {
    fn notify(&self, _: Arc<Exchange>) {}
}

fn exchange() -> Arc<Exchange> {
    let windows = Windows {
        inbound: LIMITS,
        outbound: LIMITS,
        lent: 0,
    };
    Exchange::new(1, windows, Vec::new(), false, Arc::new(Deaf), Arc::new(Deaf))
}

#[test]
fn asgi_47_few_bodies_may_be_as_large_as_the_largest_window_and_many_only_as_the_first() {
    let unread = exchange();
    assert!(unread.push_body(vec![0; LIMITS.most / 2 - 1], false));
    assert!(
        !unread.push_body(vec![0; 1], false),
        "its app may be one that does not receive"
    );
    let announced = exchange();
    announced.expect_body(LIMITS.most);
    assert!(announced.push_body(vec![0; LIMITS.most - 1], false));
    let endless = exchange();
    endless.expect_body(LIMITS.most + 1);
    assert!(!endless.push_body(vec![0; LIMITS.most - 1], false));
    drop((unread, announced, endless));
    let few = exchange();
    assert!(few.push_body(vec![0; 1], false));
    assert!(matches!(few.receive(), Received::Body { .. }));
    assert!(few.push_body(vec![0; LIMITS.most - 1], false));
    assert!(!few.push_body(vec![0; 1], false), "the largest window is full");
    // Each of these waits in an exchange whose app does not receive.
    let mut many = Vec::new();
    while {
        let another = exchange();
        let room = another.push_body(vec![0; LIMITS.most / 4], false);
        many.push(another);
        room
    } {
        assert!(many.len() < 1000, "somebody must be stopped");
    }
    assert!(!exchange().push_body(vec![0; 10], false));
    assert!(exchange().push_body(vec![0; 9], false));
    // What is received, given up or forgotten makes room for others.
    assert!(matches!(many[0].receive(), Received::Body { .. }));
    assert!(exchange().push_body(vec![0; 10], false));
    assert!(!many[0].push_body(vec![0; LIMITS.most / 4], false));
    assert!(!exchange().push_body(vec![0; 10], false));
    many[1].disconnect();
    assert!(exchange().push_body(vec![0; 10], false));
    drop(many);
    let other = exchange();
    assert!(other.push_body(vec![0; LIMITS.most / 4], false));
    // Nobody is resumed who was not stopped.
    assert!(matches!(other.receive(), Received::Body { .. }));
    assert!(other.take_events().is_empty());
    assert!(matches!(few.receive(), Received::Body { .. }));
    while few.take_events().is_empty() {
        assert!(matches!(few.receive(), Received::Body { .. }));
    }
    assert!(few.push_body(vec![0; 9], false));
}
