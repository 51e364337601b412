//! Every order in which two or three threads can take turns at an inbox, a log queue and an exchange: `make loom`.
//!
//! A wake-up that is lost shows as a deadlock, which loom reports; so does a lock that is taken twice.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use asgi_node_core::log_queue::{Dropped, Entry, Kind, Pushed};
use asgi_node_core::message_queue::{Closed, Message, ReceivedMessage};
use asgi_node_core::{Emitted, Exchange, Inbox, Limits, LogQueue, Notify, Received, ResponseEvent, Waker, Windows};
use loom::thread;

/// A side that sleeps until it is woken: an event loop in its poll, or Node in its own. Waking it beforehand is not lost, as
/// with an eventfd. Parking has far fewer orders than a lock and a condition have.
#[derive(Default)]
struct Side(OnceLock<thread::Thread>);

impl Side {
    /// The side of the thread that calls this.
    fn mine() -> Arc<Self> {
        let side = Arc::new(Self::default());
        side.is(thread::current());
        side
    }

    /// Must have been called before anything can wake it.
    fn is(&self, thread: thread::Thread) {
        self.0.set(thread).expect("once");
    }

    fn wake(&self) {
        self.0.get().expect("known").unpark();
    }
}

struct Waking(Arc<Side>);

impl Waker for Waking {
    fn wake(&self) {
        self.0.wake();
    }
}

impl Notify for Waking {
    fn notify(&self, _: Arc<Exchange>) {
        self.0.wake();
    }
}

fn told(side: &Arc<Side>) -> Arc<dyn Notify> {
    Arc::new(Waking(Arc::clone(side)))
}

/// Consumed by the thread that calls this.
fn inbox(capacity: usize) -> Arc<Inbox<u32>> {
    Arc::new(Inbox::new(capacity, Box::new(Waking(Side::mine()))))
}

/// As a host submits a request.
fn submit(inbox: &Inbox<u32>, number: u32) -> Result<(), u32> {
    inbox.offer_quietly(number)?;
    inbox.wake();
    Ok(())
}

/// One producer wakes once for two messages, while another has one of its own.
#[test]
fn a_wake_up_for_several_quiet_offers_is_not_lost() {
    loom::model(|| {
        let inbox = inbox(4);
        let batching = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || {
                inbox.offer_quietly(0).expect("room");
                inbox.offer_quietly(1).expect("room");
                inbox.wake();
            })
        };
        let alone = {
            let inbox = Arc::clone(&inbox);
            thread::spawn(move || submit(&inbox, 2).expect("room"))
        };
        let (mut seen, mut batch) = (Vec::new(), Vec::new());
        while seen.len() < 3 {
            thread::park();
            inbox.take(&mut batch);
            seen.append(&mut batch);
        }
        batching.join().unwrap();
        alone.join().unwrap();
        seen.sort_unstable();
        assert_eq!(seen, [0, 1, 2]);
    });
}

#[test]
fn no_wake_up_of_an_inbox_is_lost() {
    loom::model(|| {
        let inbox = inbox(2);
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || submit(&inbox, number).expect("room"))
            })
            .collect();
        let (mut seen, mut batch) = (Vec::new(), Vec::new());
        while seen.len() < 2 {
            thread::park();
            inbox.take(&mut batch);
            seen.append(&mut batch);
        }
        for producer in producers {
            producer.join().unwrap();
        }
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
    });
}

#[test]
fn an_inbox_that_closes_hands_each_message_to_exactly_one() {
    loom::model(|| {
        let inbox = inbox(1);
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                // One is bounded, one is not.
                thread::spawn(move || {
                    if number == 0 {
                        submit(&inbox, number)
                    } else {
                        inbox.post(number)
                    }
                })
            })
            .collect();
        let mut seen = Vec::new();
        inbox.take(&mut seen);
        seen.extend(inbox.close());
        seen.extend(
            producers
                .into_iter()
                .filter_map(|producer| producer.join().unwrap().err()),
        );
        seen.sort_unstable();
        assert_eq!(seen, [0, 1]);
        assert!(inbox.offer_quietly(2).is_err() && inbox.post(3).is_err());
    });
}

/// loom has no time.
const LONG: Duration = Duration::from_secs(3600);

/// With room for one entry; read by the thread that calls this.
fn log_queue() -> Arc<LogQueue> {
    Arc::new(LogQueue::new(1, 1000, Box::new(Waking(Side::mine()))))
}

fn line(text: &str) -> Entry {
    Entry {
        kind: Kind::Stdout,
        text: text.into(),
    }
}

#[test]
fn a_writer_that_finds_a_log_queue_full_goes_on_when_there_is_room() {
    loom::model(|| {
        let log_queue = log_queue();
        let writing = Arc::clone(&log_queue);
        let writer = thread::spawn(move || ["a", "b"].map(|text| writing.push(line(text), LONG)));
        let mut seen = Vec::new();
        while seen.len() < 2 {
            thread::park();
            assert_eq!(log_queue.take(10, &mut seen), Dropped::default());
        }
        assert_eq!(writer.join().unwrap(), [Pushed::Kept, Pushed::Kept]);
        assert_eq!(seen, [line("a"), line("b")]);
    });
}

#[test]
fn a_log_queue_that_closes_keeps_no_writer_and_loses_no_line() {
    loom::model(|| {
        let log_queue = log_queue();
        let writing = Arc::clone(&log_queue);
        let writer = thread::spawn(move || ["a", "b"].map(|text| writing.push(line(text), LONG)));
        let mut seen = Vec::new();
        log_queue.take(10, &mut seen);
        seen.extend(log_queue.close());
        let outcomes = writer.join().unwrap();
        for (entry, outcome) in [line("a"), line("b")].into_iter().zip(outcomes) {
            assert_eq!(seen.contains(&entry), outcome == Pushed::Kept);
            assert_ne!(outcome, Pushed::Dropped);
        }
    });
}

/// Two bytes may be under way in each direction.
fn exchange(complete: bool, event_loop: &Arc<Side>, host: &Arc<Side>) -> Arc<Exchange> {
    let windows = Windows {
        inbound: Limits::fixed(2),
        outbound: Limits::fixed(2),
        lent: 0,
    };
    Exchange::new(1, windows, Vec::new(), complete, told(event_loop), told(host))
}

/// The event loop's side: receives until `enough`; each `Nothing` is followed by a wake-up, or this never ends.
fn receive_until(exchange: &Arc<Exchange>, enough: impl Fn(&Received) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let received = exchange.receive();
        if let Received::Body { chunks, .. } = &received {
            bytes.extend(chunks.iter().flatten());
        }
        if enough(&received) {
            return bytes;
        }
        if received == Received::Nothing {
            thread::park();
        }
    }
}

/// The host's side: the events that come, one look after the other, until `enough`.
fn look_until(exchange: &Arc<Exchange>, mut enough: impl FnMut(Vec<ResponseEvent>) -> bool) {
    while !enough(exchange.take_events()) {
        thread::park();
    }
}

fn is_complete(received: &Received) -> bool {
    matches!(received, Received::Body { more: false, .. })
}

#[test]
fn a_disconnect_reaches_whoever_receives_and_stays() {
    loom::model(|| {
        let exchange = exchange(false, &Side::mine(), &Arc::default());
        let leaving = Arc::clone(&exchange);
        let client = thread::spawn(move || {
            leaving.push_body(vec![1], false);
            leaving.disconnect();
        });
        receive_until(&exchange, |received| *received == Received::Disconnected);
        client.join().unwrap();
        assert_eq!(exchange.receive(), Received::Disconnected);
        assert_eq!(exchange.emit(ResponseEvent::Body(vec![1].into())), Emitted::Gone);
    });
}

#[test]
fn a_client_that_leaves_ends_a_wait_for_room() {
    loom::model(|| {
        let mine = Side::mine();
        // Nobody looks at what the host is notified of.
        let exchange = exchange(true, &mine, &mine);
        let leaving = Arc::clone(&exchange);
        let client = thread::spawn(move || leaving.disconnect());
        exchange.emit(ResponseEvent::Body(vec![0; 2].into()));
        while exchange.poll_room() == Emitted::Full {
            thread::park();
        }
        client.join().unwrap();
        assert_eq!(exchange.poll_room(), Emitted::Gone);
        assert!(exchange.take_events().is_empty());
    });
}

#[test]
fn a_request_body_above_the_mark_stops_the_host_and_resumes_it() {
    loom::model(|| {
        let (event_loop, host) = (Arc::new(Side::default()), Side::mine());
        let exchange = exchange(false, &event_loop, &host);
        let receiving = Arc::clone(&exchange);
        // Spawned, it may run at once; it is woken by this thread only.
        let app = thread::spawn(move || receive_until(&receiving, is_complete));
        event_loop.is(app.thread().clone());
        for (chunk, last) in [(vec![1, 2], false), (vec![3, 4], false), (vec![5], true)] {
            if !exchange.push_body(chunk, last) {
                look_until(&exchange, |events| matches!(events[..], [ResponseEvent::Resume]));
            }
        }
        assert_eq!(app.join().unwrap(), [1, 2, 3, 4, 5]);
        assert!(exchange.take_events().is_empty());
    });
}

#[test]
fn a_handler_that_shuts_down_disconnects_who_has_the_whole_body_and_nobody_before() {
    loom::model(|| {
        let mine = Side::mine();
        let exchange = exchange(false, &mine, &mine);
        let (sending, shutting_down) = (Arc::clone(&exchange), Arc::clone(&exchange));
        let client = thread::spawn(move || sending.push_body(vec![1], true));
        let closing = thread::spawn(move || shutting_down.begin_shutdown());
        let bytes = receive_until(&exchange, |received| *received == Received::Disconnected);
        assert_eq!(bytes, [1]);
        assert!(client.join().unwrap());
        closing.join().unwrap();
        assert_eq!(exchange.emit(ResponseEvent::Body(vec![1].into())), Emitted::Open);
    });
}

#[test]
fn a_response_longer_than_the_window_arrives_whole_and_in_order() {
    loom::model(|| {
        let (event_loop, host) = (Arc::new(Side::default()), Side::mine());
        let exchange = exchange(true, &event_loop, &host);
        let sending = Arc::clone(&exchange);
        let app = thread::spawn(move || {
            for byte in 1..=3 {
                sending.emit(ResponseEvent::Body(vec![byte; 2].into()));
                while sending.poll_room() == Emitted::Full {
                    thread::park();
                }
            }
        });
        event_loop.is(app.thread().clone());
        let mut bytes = Vec::new();
        look_until(&exchange, |events| {
            let before = bytes.len();
            for event in events {
                let ResponseEvent::Body(body) = event else {
                    panic!("{event:?}")
                };
                bytes.extend(body);
            }
            exchange.taken(bytes.len() - before);
            bytes.len() == 6
        });
        app.join().unwrap();
        assert_eq!(bytes, [1, 1, 2, 2, 3, 3]);
    });
}

#[test]
fn the_messages_before_a_close_are_received_and_the_close_after_them() {
    loom::model(|| {
        let (event_loop, host) = (Arc::new(Side::default()), Side::mine());
        let windows = Windows {
            inbound: Limits::fixed(1000),
            outbound: Limits::fixed(1000),
            lent: 0,
        };
        let exchange = Exchange::websocket(1, windows, 1, told(&event_loop), told(&host));
        let receiving = Arc::clone(&exchange);
        let app = thread::spawn(move || {
            let mut seen = Vec::new();
            loop {
                match receiving.receive_message() {
                    ReceivedMessage::Message(message) => seen.extend(message.data),
                    ReceivedMessage::Closed(closed) => return (seen, closed.code),
                    ReceivedMessage::Nothing => thread::park(),
                }
            }
        });
        event_loop.is(app.thread().clone());
        let message = |byte| Message {
            is_text: false,
            data: vec![byte].into(),
        };
        // A queue of one is full with the first; the second comes when there is room again, and is followed by the close.
        assert!(!exchange.push_message(message(1)));
        look_until(&exchange, |events| matches!(events[..], [ResponseEvent::Resume]));
        exchange.push_message(message(2));
        exchange.close(Closed::with(1001));
        assert_eq!(app.join().unwrap(), (vec![1, 2], 1001));
    });
}
