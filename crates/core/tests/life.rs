//! Properties of the bounded queue, and of an exchange from its first byte to its end, over any sequence of calls.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use asgi_node_core::{Emitted, Exchange, Inbox, Limits, Notify, Received, ResponseEvent, Waker, Windows};
use proptest::prelude::*;

#[derive(Clone, Default)]
struct CountingWaker(Arc<AtomicUsize>);

impl CountingWaker {
    fn wakes(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

impl Waker for CountingWaker {
    fn wake(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Notify for CountingWaker {
    fn notify(&self, _: Arc<Exchange>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Offer,
    Wake,
    Post,
    Take,
    Close,
}

proptest! {
    #[test]
    fn an_inbox_is_a_queue_with_a_capacity_that_wakes_once(
        capacity in 0..6usize,
        steps in prop::collection::vec(
            prop_oneof![4 => Just(Step::Offer), 2 => Just(Step::Wake), 2 => Just(Step::Post), 2 => Just(Step::Take), 1 => Just(Step::Close)], 0..40
        ),
    ) {
        let waker = CountingWaker::default();
        let inbox = Inbox::new(capacity, Box::new(waker.clone()));
        let (mut model, mut awake, mut closed) = (VecDeque::new(), false, false);
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Offer => {
                    let refused = closed || model.len() >= capacity;
                    prop_assert_eq!(inbox.offer_quietly(number), if refused { Err(number) } else { Ok(()) });
                    prop_assert_eq!(waker.wakes(), 0);
                    if !refused {
                        model.push_back(number);
                    }
                }
                Step::Wake => {
                    inbox.wake();
                    prop_assert_eq!(waker.wakes(), usize::from(!model.is_empty() && !awake));
                    awake |= !model.is_empty();
                }
                Step::Post => {
                    prop_assert_eq!(inbox.post(number), if closed { Err(number) } else { Ok(()) });
                    prop_assert_eq!(waker.wakes(), usize::from(!closed && !awake));
                    if !closed {
                        model.push_back(number);
                        awake = true;
                    }
                }
                Step::Take => {
                    let mut batch = Vec::new();
                    inbox.take(&mut batch);
                    prop_assert_eq!(batch, model.drain(..).collect::<Vec<_>>());
                    awake = false;
                }
                Step::Close => {
                    prop_assert_eq!(inbox.close(), model.drain(..).collect::<Vec<_>>());
                    closed = true;
                }
            }
            prop_assert_eq!(inbox.len(), model.len());
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Turn {
    Push(u8),
    Last,
    Receive,
    Emit(u8),
    TakeEvents,
    BeginShutdown,
    HalfClose,
    Disconnect,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        4 => (0..8u8).prop_map(Turn::Push),
        1 => Just(Turn::Last),
        5 => Just(Turn::Receive),
        4 => (0..8u8).prop_map(Turn::Emit),
        4 => Just(Turn::TakeEvents),
        1 => Just(Turn::BeginShutdown),
        1 => Just(Turn::HalfClose),
        1 => Just(Turn::Disconnect),
    ]
}

/// What has happened to an exchange.
#[derive(Default)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
struct Model {
    pushed: Vec<u8>,
    received: Vec<u8>,
    sent: usize,
    taken: usize,
    complete: bool,
    delivered: bool,
    told_to_leave: bool,
    gone: bool,
    waits: bool,
}

proptest! {
    #[test]
    fn an_exchange_loses_nothing_until_it_is_disconnected_and_gives_nothing_afterwards(
        turns in prop::collection::vec(turn(), 0..60)
    ) {
        let (event_loop, host) = (CountingWaker::default(), CountingWaker::default());
        let sides = (Arc::new(event_loop.clone()) as Arc<dyn Notify>, Arc::new(host.clone()) as Arc<dyn Notify>);
        let windows = Windows { inbound: Limits::fixed(10), outbound: Limits::fixed(10), lent: 0 };
        let exchange = Exchange::new(1, windows, Vec::new(), false, sides.0, sides.1);
        let mut model = Model::default();
        for (number, turn) in turns.into_iter().enumerate() {
            let mark = u8::try_from(number).unwrap();
            match turn {
                Turn::Push(length) if !model.complete => {
                    exchange.push_body(vec![mark; length.into()], false);
                    if !model.gone {
                        model.pushed.extend(vec![mark; length.into()]);
                    }
                }
                Turn::Last if !model.complete => {
                    exchange.push_body(Vec::new(), true);
                    model.complete = true;
                }
                Turn::Push(_) | Turn::Last => {}
                Turn::Receive => match exchange.receive() {
                    Received::Body { chunks, more } => {
                        prop_assert!(!model.gone && !model.delivered);
                        model.received.extend(chunks.into_iter().flatten());
                        model.delivered = !more;
                    }
                    Received::Disconnected => prop_assert!(model.gone || model.told_to_leave),
                    Received::Nothing => {
                        prop_assert!(!model.gone);
                        model.waits = true;
                    }
                },
                Turn::Emit(length) => {
                    let emitted = exchange.emit(ResponseEvent::Body(vec![mark; length.into()].into()));
                    prop_assert_eq!(emitted == Emitted::Gone, model.gone);
                    if !model.gone {
                        model.sent += usize::from(length);
                        prop_assert_eq!(emitted == Emitted::Full, model.sent - model.taken >= 10);
                        prop_assert_eq!(exchange.poll_room(), emitted);
                        model.waits |= emitted == Emitted::Full;
                    }
                }
                Turn::TakeEvents => {
                    for event in exchange.take_events() {
                        prop_assert!(!model.gone);
                        model.taken += event.body_len();
                        exchange.taken(event.body_len());
                    }
                }
                Turn::BeginShutdown => {
                    exchange.begin_shutdown();
                    model.told_to_leave = true;
                }
                Turn::HalfClose => {
                    exchange.half_close();
                    model.told_to_leave = true;
                }
                Turn::Disconnect => {
                    exchange.disconnect();
                    model.gone = true;
                }
            }
            // The loop is notified at most once, and only when it waits.
            let wakes = event_loop.wakes();
            prop_assert!(wakes <= usize::from(model.waits), "{wakes} wake-ups after {turn:?}");
            if wakes > 0 {
                model.waits = false;
            }
            prop_assert!(!(model.gone && model.waits), "the disconnect woke nobody");
            prop_assert!(model.pushed.starts_with(&model.received));
        }
        if model.delivered {
            prop_assert_eq!(model.received, model.pushed);
        }
    }
}
