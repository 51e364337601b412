//! Any bytes on the socket, in either direction and in any pieces, are refused or understood. What is understood means the same
//! after it has been sent once more.
#![no_main]

use std::fmt::Debug;

use asgi_node_worker::wire::Wire;
use asgi_node_worker::{FromWorker, Incoming, Outgoing, ToWorker};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [how, piece, rest @ ..] = data else { return };
    // Half of the inputs are payloads, around which whole frames are put: so the fuzzer comes to what is in them.
    let stream = if how & 2 == 0 { rest.to_vec() } else { framed(rest) };
    let piece = usize::from(*piece) + 1;
    if how & 1 == 0 {
        understand::<FromWorker>(&stream, piece);
    } else {
        understand::<ToWorker>(&stream, piece);
    }
});

/// Puts frames together: a kind (with the bit that says that the message goes on), a number, a length, and so many bytes.
fn framed(mut data: &[u8]) -> Vec<u8> {
    let mut stream = Vec::new();
    while let [kind, number, length, rest @ ..] = data {
        let (payload, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        let length = u32::try_from(payload.len()).unwrap_or_default();
        stream.extend_from_slice(&length.to_le_bytes());
        stream.push(*kind);
        stream.extend_from_slice(&u32::from(*number).to_le_bytes());
        stream.extend_from_slice(payload);
        data = rest;
    }
    stream
}

fn understand<M: Wire + Debug>(stream: &[u8], piece: usize) {
    let mut incoming = Incoming::<M>::default();
    for bytes in stream.chunks(piece) {
        incoming.extend(bytes);
        loop {
            match incoming.next_message() {
                Ok(Some((id, message))) => goes_through(id, message),
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
}

fn goes_through<M: Wire + Debug>(id: u32, message: M) {
    let shown = format!("{message:?}");
    let mut outgoing = Outgoing::default();
    outgoing.push(id, message);
    let mut incoming = Incoming::<M>::default();
    while !outgoing.is_empty() {
        let bytes: Vec<u8> = outgoing.next_write().0.iter().flat_map(|part| part.to_vec()).collect();
        outgoing.wrote(bytes.len());
        incoming.extend(&bytes);
    }
    let (number, again) = incoming.next_message().expect("our own").expect("whole");
    assert_eq!((number, format!("{again:?}")), (id, shown));
    assert!(!incoming.is_torn());
}
