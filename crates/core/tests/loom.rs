//! Every order in which two or three threads can take turns at an inbox and at an exchange: `make loom`.
//!
//! A wake-up that is lost shows as a deadlock, which loom reports; so does a lock that is taken twice.
#![cfg(loom)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use asgi_node_core::{Emitted, Exchange, Inbox, Notify, Received, ResponseEvent, Waker, Windows};
use loom::sync::{Condvar, Mutex};
use loom::thread;

/// What wakes the other side: an eventfd, or a thread-safe call.
#[derive(Default)]
struct Bell {
    rung: Mutex<usize>,
    news: Condvar,
}

impl Bell {
    fn ring(&self) {
        *self.rung.lock().unwrap() += 1;
        self.news.notify_one();
    }

    /// Sleeps until it has been rung since the last time.
    fn wait(&self) {
        let mut rung = self.rung.lock().unwrap();
        while *rung == 0 {
            rung = self.news.wait(rung).unwrap();
        }
        *rung = 0;
    }
}

struct Ringing(Arc<Bell>);

impl Waker for Ringing {
    fn wake(&self) {
        self.0.ring();
    }
}

impl Notify for Ringing {
    fn notify(&self, _: Arc<Exchange>) {
        self.0.ring();
    }
}

fn inbox(capacity: usize) -> (Arc<Inbox<u32>>, Arc<Bell>) {
    let bell = Arc::new(Bell::default());
    (
        Arc::new(Inbox::new(capacity, Box::new(Ringing(Arc::clone(&bell))))),
        bell,
    )
}

#[test]
fn no_wake_up_of_an_inbox_is_lost() {
    loom::model(|| {
        let (inbox, bell) = inbox(2);
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                thread::spawn(move || inbox.offer(number).expect("room"))
            })
            .collect();
        let (mut seen, mut batch) = (Vec::new(), Vec::new());
        while seen.len() < 2 {
            bell.wait();
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
        let (inbox, _) = inbox(1);
        let producers: Vec<_> = (0..2)
            .map(|number| {
                let inbox = Arc::clone(&inbox);
                // One is bounded, one is not.
                thread::spawn(move || {
                    if number == 0 {
                        inbox.offer(number)
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
        assert!(inbox.offer(2).is_err() && inbox.post(3).is_err());
    });
}

fn exchange(complete: bool) -> (Arc<Exchange>, Arc<Bell>, Arc<Bell>) {
    let (event_loop, host) = (Arc::new(Bell::default()), Arc::new(Bell::default()));
    let sides = (
        Arc::new(Ringing(Arc::clone(&event_loop))) as Arc<dyn Notify>,
        Arc::new(Ringing(Arc::clone(&host))) as Arc<dyn Notify>,
    );
    let windows = Windows {
        inbound: 2,
        outbound: 2,
    };
    (
        Exchange::new(1, windows, Vec::new(), complete, sides.0, sides.1),
        event_loop,
        host,
    )
}

/// The event loop's side: receives until `enough`; each `Nothing` is followed by a wake-up, or this never ends.
fn receive_until(exchange: &Arc<Exchange>, bell: &Bell, enough: impl Fn(&[u8], &Received) -> bool) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let received = exchange.receive();
        if let Received::Body { chunks, .. } = &received {
            bytes.extend(chunks.iter().flatten());
        }
        if enough(&bytes, &received) {
            return bytes;
        }
        if received == Received::Nothing {
            bell.wait();
        }
    }
}

#[test]
fn a_disconnect_reaches_whoever_receives_and_stays() {
    loom::model(|| {
        let (exchange, event_loop, _) = exchange(false);
        let leaving = Arc::clone(&exchange);
        let client = thread::spawn(move || {
            leaving.push_body(vec![1], false);
            leaving.disconnect();
        });
        receive_until(&exchange, &event_loop, |_, received| {
            *received == Received::Disconnected
        });
        client.join().unwrap();
        assert_eq!(exchange.receive(), Received::Disconnected);
        assert_eq!(exchange.emit(ResponseEvent::Body(vec![1])), Emitted::Gone);
    });
}

#[test]
fn a_client_that_leaves_ends_a_wait_for_room() {
    loom::model(|| {
        let (exchange, event_loop, _) = exchange(true);
        let leaving = Arc::clone(&exchange);
        let client = thread::spawn(move || leaving.disconnect());
        let mut emitted = exchange.emit(ResponseEvent::Body(vec![0; 2]));
        while emitted == Emitted::Full {
            event_loop.wait();
            emitted = exchange.poll_room();
        }
        client.join().unwrap();
        assert_eq!(emitted, Emitted::Gone);
        assert!(exchange.take_events().is_empty());
    });
}
