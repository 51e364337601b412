use super::inbound::PORTION;
use super::{Emitted, Exchange, Notify, Received, Windows};
use crate::exchange::event::ResponseEvent;
use crate::exchange::window::Limits;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Default)]
pub(in crate::exchange) struct Count(AtomicUsize);
impl Notify for Count {
    fn notify(&self, _: Arc<Exchange>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
impl Count {
    pub(super) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn exchange(body: &[u8], complete: bool) -> (Arc<Exchange>, Arc<Count>, Arc<Count>) {
    let (event_loop, host) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let sides = (
        Arc::clone(&event_loop) as Arc<dyn Notify>,
        Arc::clone(&host) as Arc<dyn Notify>,
    );
    (
        Exchange::new(
            1,
            Windows {
                inbound: Limits::fixed(10),
                outbound: Limits::fixed(10),
                lent: 0,
            },
            body.to_vec(),
            complete,
            sides.0,
            sides.1,
        ),
        event_loop,
        host,
    )
}

fn body(of: Received) -> (Vec<u8>, bool) {
    match of {
        Received::Body { chunks, more } => (chunks.into_iter().flatten().collect(), more),
        other => panic!("no body: {other:?}"),
    }
}

#[test]
fn asgi_40_41_42_a_complete_body_is_one_event_and_then_nothing() {
    let (e, ..) = exchange(b"abc", true);
    assert_eq!(body(e.receive()), (b"abc".to_vec(), false));
    assert_eq!(e.receive(), Received::Nothing);
    let (e, ..) = exchange(b"", true);
    assert_eq!(body(e.receive()), (Vec::new(), false));
}

#[test]
fn asgi_47_the_host_is_stopped_at_the_mark_and_resumed_once() {
    let (e, _, host) = exchange(b"", false);
    assert!(e.push_body(vec![0; 9], false));
    assert!(!e.push_body(vec![0; 9], false));
    assert_eq!(host.get(), 0);
    assert_eq!(body(e.receive()), (vec![0; 18], true));
    assert!(matches!(e.take_events()[..], [ResponseEvent::Resume]));
    assert_eq!(host.get(), 1);
    assert!(e.push_body(vec![1], true));
    assert_eq!(body(e.receive()), (vec![1], false));
    assert!(e.take_events().is_empty());
}

#[test]
fn asgi_47_a_host_with_a_window_of_its_own_is_told_whenever_enough_has_been_received() {
    let (e, _, host) = exchange(b"", false);
    e.tell_receipts(8);
    for (length, told) in [(5, 0), (3, 1), (7, 1), (90, 2)] {
        e.push_body(vec![0; length], false);
        assert_eq!(e.waiting(), length);
        assert_eq!(body(e.receive()).0.len(), length);
        assert_eq!((e.waiting(), host.get()), (0, told));
        e.take_events();
    }
    // Nobody has to go on behind the end.
    e.push_body(vec![0; 90], true);
    assert_eq!(body(e.receive()), (vec![0; 90], false));
    assert_eq!(host.get(), 2);
}

#[test]
fn asgi_47_passing_a_body_on_is_no_sign_that_the_app_receives() {
    let windows = Windows {
        inbound: Limits { least: 10, most: 100 },
        outbound: Limits::fixed(10),
        lent: 0,
    };
    let silent = || Arc::new(Count::default()) as Arc<dyn Notify>;
    let exchange = || Exchange::new(1, windows, Vec::new(), false, silent(), silent());
    let room = |e: &Arc<Exchange>| {
        e.push_body(vec![0; 9], false);
        body(e.receive());
        e.push_body(vec![0; 60], false)
    };
    assert!(room(&exchange()));
    let passed_on = exchange();
    passed_on.relay();
    assert!(!room(&passed_on));
    passed_on.note_receipt();
    assert!(room(&passed_on));
}

#[test]
fn asgi_47_very_much_of_a_body_comes_in_portions_and_the_host_goes_on_when_half_is_taken() {
    let (e, _, host) = exchange(b"", false);
    let chunks = [vec![1; PORTION], vec![2; PORTION], vec![3; 5]];
    for chunk in &chunks {
        assert!(!e.push_body(chunk.clone(), false));
    }
    assert_eq!(host.get(), 0);
    for chunk in chunks {
        assert!(body(e.receive()) == (chunk, true));
    }
    let (e, _, host) = exchange(b"", false);
    e.push_body(vec![1; PORTION], false);
    e.push_body(vec![2; 6], false);
    body(e.receive());
    assert_eq!(host.get(), 0, "more than half of the window waits");
    body(e.receive());
    assert!(matches!(e.take_events()[..], [ResponseEvent::Resume]));
}

#[test]
fn a_body_that_has_come_whole_is_given_whole_unless_it_is_very_much() {
    let (e, ..) = exchange(b"", false);
    for part in 0..4 {
        e.push_body(vec![part; PORTION], part == 3);
    }
    let (bytes, more) = body(e.receive());
    assert_eq!((bytes.len(), more), (4 * PORTION, false));
    let (e, ..) = exchange(b"", false);
    for part in 0..6 {
        e.push_body(vec![part; PORTION], part == 5);
    }
    let received = [e.receive(), e.receive()].map(body);
    assert_eq!(
        received.map(|(bytes, more)| (bytes.len(), more)),
        [(PORTION, true), (5 * PORTION, false)]
    );
}

#[test]
fn what_is_lent_may_be_more_than_the_window_and_is_waited_for() {
    let limits = Limits { least: 10, most: 80 };
    for (lent, portion, overfills) in [(0, 10, false), (80, 80, true)] {
        let windows = Windows {
            inbound: limits,
            outbound: limits,
            lent,
        };
        let sides = [(); 2].map(|()| Arc::new(Count::default()) as Arc<dyn Notify>);
        let [event_loop, host] = sides;
        let e = Exchange::new(1, windows, Vec::new(), true, event_loop, host);
        assert_eq!((e.portion(7), e.portion(1000), e.borrows()), (7, portion, lent > 0));
        assert_eq!((e.overfills(10), e.overfills(80)), (false, overfills));
    }
}

#[test]
fn asgi_55_nobody_is_told_of_room_that_nobody_waits_for() {
    let (e, event_loop, _) = exchange(b"", true);
    assert_eq!(e.emit(ResponseEvent::Body(vec![0; 20].into())), Emitted::Full);
    e.taken(20);
    assert_eq!((event_loop.get(), e.poll_room()), (0, Emitted::Open));
}

#[test]
fn the_loop_is_told_only_when_it_waits_and_only_once() {
    let (e, event_loop, _) = exchange(b"", false);
    e.push_body(vec![1], false);
    assert_eq!(event_loop.get(), 0);
    body(e.receive());
    assert_eq!(e.receive(), Received::Nothing);
    e.push_body(vec![2], false);
    e.push_body(vec![3], true);
    assert_eq!(event_loop.get(), 1);
    assert_eq!(body(e.receive()), (vec![2, 3], false));
}

#[test]
fn asgi_55_the_window_closes_and_opens_when_the_host_has_taken_the_bytes() {
    let (e, event_loop, host) = exchange(b"", true);
    assert_eq!(e.emit(ResponseEvent::Body(vec![0; 9].into())), Emitted::Open);
    assert_eq!(e.emit(ResponseEvent::Body(vec![0; 9].into())), Emitted::Full);
    assert_eq!(host.get(), 1);
    assert_eq!(e.take_events().len(), 2);
    e.taken(8);
    assert_eq!((event_loop.get(), e.poll_room()), (0, Emitted::Full));
    e.taken(10);
    assert_eq!((event_loop.get(), e.poll_room()), (1, Emitted::Open));
}

#[test]
fn asgi_43_44_70_a_disconnect_reaches_both_directions_and_stays() {
    let (e, event_loop, _) = exchange(b"abc", true);
    e.emit(ResponseEvent::Body(vec![0; 20].into()));
    assert_eq!(e.poll_room(), Emitted::Full);
    e.disconnect();
    e.disconnect();
    assert_eq!(event_loop.get(), 1);
    assert_eq!(
        (e.receive(), e.receive()),
        (Received::Disconnected, Received::Disconnected)
    );
    assert_eq!(e.emit(ResponseEvent::Body(vec![1].into())), Emitted::Gone);
    assert!(e.take_events().is_empty());
}

#[test]
fn asgi_49_a_half_closed_client_is_a_disconnect_to_receive_but_not_to_send() {
    let (e, event_loop, _) = exchange(b"abc", true);
    e.half_close();
    assert_eq!(body(e.receive()), (b"abc".to_vec(), false));
    assert_eq!(
        (e.receive(), e.receive()),
        (Received::Disconnected, Received::Disconnected)
    );
    assert!(!e.is_disconnected());
    assert_eq!(e.emit(ResponseEvent::Body(vec![1].into())), Emitted::Open);
    assert_eq!((event_loop.get(), e.take_events().len()), (0, 1));

    let (e, event_loop, _) = exchange(b"", true);
    body(e.receive());
    assert_eq!(e.receive(), Received::Nothing);
    e.half_close();
    assert_eq!((event_loop.get(), e.receive()), (1, Received::Disconnected));
}

#[test]
fn asgi_134_an_exchange_that_shuts_down_disconnects_after_its_body_and_still_sends() {
    let (e, event_loop, _) = exchange(b"abc", true);
    e.begin_shutdown();
    assert_eq!(body(e.receive()), (b"abc".to_vec(), false));
    assert_eq!((e.is_shutting_down(), e.is_disconnect_delivered()), (true, false));
    assert_eq!(
        (e.receive(), e.is_disconnect_delivered()),
        (Received::Disconnected, true)
    );
    assert_eq!(e.emit(ResponseEvent::Body(vec![1].into())), Emitted::Open);
    let (waiting, event_loop_of_waiting, _) = exchange(b"", true);
    body(waiting.receive());
    assert_eq!(waiting.receive(), Received::Nothing);
    waiting.begin_shutdown();
    assert_eq!((event_loop.get(), event_loop_of_waiting.get()), (0, 1));
}

#[test]
fn asgi_46_continue_is_asked_for_by_the_first_receive_only() {
    let (e, ..) = exchange(b"", false);
    e.expect_continue();
    assert!(e.take_events().is_empty());
    assert_eq!((e.receive(), e.receive()), (Received::Nothing, Received::Nothing));
    assert!(matches!(e.take_events()[..], [ResponseEvent::Continue]));
    let (e, ..) = exchange(b"", false);
    e.expect_continue();
    e.push_body(vec![1], false);
    body(e.receive());
    assert!(e.take_events().is_empty(), "the body came without being asked for");
}

#[test]
fn field_15_a_request_counts_in_one_place_and_only_until_its_app_returns() {
    let (e, ..) = exchange(b"", true);
    assert!(!e.is_abandoned());
    assert_eq!((e.abandon(), e.abandon(), e.is_abandoned()), (true, false, true));
    assert_eq!((e.note_return(), e.note_return()), (Some(true), None));
    assert!(!e.is_abandoned());
    let (e, ..) = exchange(b"", true);
    assert_eq!(
        (e.note_return(), e.abandon(), e.is_abandoned()),
        (Some(false), false, false)
    );
}
