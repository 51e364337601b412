//! How much of a request body a worker gets before it returns credit.

use std::sync::Arc;

use asgi_node_core::{Exchange, Limits, Notify, Submission, Windows};
use asgi_node_worker::message::Start;
use asgi_node_worker::{FromWorker, Incoming, Outgoing, ToWorker};

use super::{Relay, RelayLimits};

const KIB: usize = 1024;

struct Silent;

impl Notify for Silent {
    fn notify(&self, _: Arc<Exchange>) {}
}

/// A request whose body follows, and its exchange.
fn relay(window: Limits, length: Option<usize>) -> (Relay, Arc<Exchange>) {
    let windows = Windows {
        inbound: window,
        outbound: window,
        lent: 0,
    };
    let exchange = Exchange::new(1, windows, Vec::new(), false, Arc::new(Silent), Arc::new(Silent));
    let request = Submission {
        id: 1,
        head: Vec::new(),
        body: Vec::new(),
        body_follows: true,
        collects: false,
        borrows: false,
        expects_continue: false,
        is_websocket: false,
    };
    let limits = RelayLimits { windows, messages: 1 };
    (Relay::new(Arc::clone(&exchange), request, 1, limits, length), exchange)
}

/// How much of a body is sent.
fn sent(out: &mut Outgoing) -> usize {
    let mut incoming = Incoming::<ToWorker>::default();
    let mut sum = 0;
    while !out.is_empty() {
        let bytes: Vec<u8> = out.next_write().0.iter().flat_map(|part| part.to_vec()).collect();
        out.wrote(bytes.len());
        incoming.extend(&bytes);
        while let Some((_, message)) = incoming.next_message().expect("our own") {
            if let ToWorker::Body(chunk, _) = message {
                sum += chunk.len();
            }
        }
    }
    sum / KIB
}

fn push(exchange: &Arc<Exchange>, kib: usize) {
    for _ in 0..kib / 64 {
        exchange.push_body(vec![0; 64 * KIB], false);
    }
}

#[test]
fn a_worker_that_receives_gets_as_much_as_the_largest_window_holds() {
    let (mut relay, exchange) = relay(
        Limits {
            least: 64 * KIB,
            most: KIB * KIB,
        },
        None,
    );
    let mut out = Outgoing::default();
    push(&exchange, 4096);
    relay.begin(1, &mut out);
    // A portion of 256 KiB at a time.
    assert_eq!(sent(&mut out), 256, "it may be one that does not receive");
    let credit = FromWorker::Credit(64 * KIB, 0);
    relay.receive(1, credit, &mut out).expect("in order");
    assert_eq!(sent(&mut out), 1024);
    assert_eq!(relay.outstanding.0.get(), 1216 * KIB);
    relay
        .receive(1, FromWorker::Credit(128 * KIB, 0), &mut out)
        .expect("in order");
    assert_eq!(sent(&mut out), 0, "more than the window is still under way");
    exchange.disconnect();
    relay.pump(1, &mut out);
    assert_eq!(
        relay.outstanding.0.get(),
        0,
        "the worker drops what its application has not received"
    );
}

#[test]
fn a_body_of_known_length_goes_whole_and_a_window_of_fixed_size_stays() {
    let (mut first, exchange) = relay(
        Limits {
            least: 64 * KIB,
            most: KIB * KIB,
        },
        Some(960 * KIB),
    );
    let mut out = Outgoing::default();
    push(&exchange, 960);
    first.begin(1, &mut out);
    assert_eq!(sent(&mut out), 960);
    let (mut second, exchange) = relay(Limits::fixed(64 * KIB), Some(960 * KIB));
    push(&exchange, 64);
    second.begin(2, &mut out);
    push(&exchange, 64);
    second.pump(2, &mut out);
    assert_eq!(sent(&mut out), 64);
}

#[test]
fn what_a_worker_sends_at_once_may_come_in_pieces_and_no_more_may() {
    let (mut relay, _) = relay(
        Limits {
            least: 64 * KIB,
            most: KIB * KIB,
        },
        None,
    );
    let mut out = Outgoing::default();
    relay.begin(1, &mut out);
    let body = |length: usize| FromWorker::Body(vec![0; length].into());
    let start = Start {
        status: 200,
        headers: Vec::new(),
        body: vec![0; KIB - 1].into(),
    };
    relay.receive(1, FromWorker::Start(start), &mut out).expect("in order");
    let accepted = (0..100).take_while(|_| relay.receive(1, body(64 * KIB), &mut out).is_ok());
    assert_eq!(accepted.count(), 16 + 7, "the window, and the rest of half of it");
}
