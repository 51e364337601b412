//! Messages come back as they were, however they are cut, mixed and read; and what no peer of ours sends is refused.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use asgi_node_core::log_queue::{Dropped, Entry, Kind};
use asgi_node_core::message_queue::{Closed, Message};
use asgi_node_worker::frame::{HEADER, LARGEST};
use asgi_node_worker::message::{Failed, Start};
use asgi_node_worker::wire::Wire;
use asgi_node_worker::{Connection, FromWorker, Incoming, Ledger, Malformed, Outgoing, Status, ToWorker};
use proptest::prelude::*;

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => proptest::collection::vec(any::<u8>(), 0..200),
        1 => (any::<u8>(), LARGEST - 20..LARGEST + 20).prop_map(|(byte, length)| vec![byte; length]),
        1 => (any::<u8>(), LARGEST..5 * LARGEST).prop_map(|(byte, length)| vec![byte; length]),
    ]
}

fn message() -> impl Strategy<Value = Message> {
    prop_oneof![
        bytes().prop_map(|data| Message {
            is_text: false,
            data: data.into()
        }),
        ".{0,60}".prop_map(|text| Message {
            is_text: true,
            data: text.into_bytes().into()
        }),
    ]
}

fn closed() -> impl Strategy<Value = Closed> {
    (any::<u16>(), ".{0,30}").prop_map(|(code, reason)| Closed { code, reason })
}

fn failed() -> impl Strategy<Value = Failed> {
    ("[A-Z_]{1,20}", ".{0,60}", ".{0,200}").prop_map(|(code, message, traceback)| Failed {
        code,
        message,
        traceback,
    })
}

fn start() -> impl Strategy<Value = Start> {
    (any::<u16>(), bytes(), bytes()).prop_map(|(status, headers, body)| Start {
        status,
        headers,
        body: body.into(),
    })
}

fn to_worker() -> impl Strategy<Value = ToWorker> {
    prop_oneof![
        bytes().prop_map(|json| ToWorker::Open(json, None)),
        (any::<u64>(), any::<[bool; 4]>(), bytes(), bytes()).prop_map(|(number, flags, head, body)| {
            ToWorker::Request {
                number,
                collects: flags[0],
                expects_continue: flags[1],
                is_websocket: flags[2],
                body_follows: flags[3],
                head,
                body: body.into(),
            }
        }),
        (bytes(), any::<bool>()).prop_map(|(chunk, last)| ToWorker::Body(chunk.into(), last)),
        message().prop_map(ToWorker::Message),
        closed().prop_map(ToWorker::Closed),
        any::<u16>().prop_map(ToWorker::Faulted),
        Just(()).prop_map(|()| ToWorker::HalfClose),
        Just(()).prop_map(|()| ToWorker::Disconnect),
        any::<usize>().prop_map(ToWorker::Taken),
        Just(()).prop_map(|()| ToWorker::Ping),
        Just(()).prop_map(|()| ToWorker::Locate),
        any::<u64>().prop_map(ToWorker::Close),
        any::<u64>().prop_map(ToWorker::Shorten),
        Just(()).prop_map(|()| ToWorker::GiveUp),
    ]
}

fn from_worker() -> impl Strategy<Value = FromWorker> {
    prop_oneof![
        Just(()).prop_map(|()| FromWorker::Opened),
        failed().prop_map(FromWorker::Refused),
        proptest::option::of(failed()).prop_map(FromWorker::Ended),
        start().prop_map(FromWorker::Complete),
        start().prop_map(FromWorker::Start),
        bytes().prop_map(|body| FromWorker::Body(body.into())),
        (bytes(), bytes()).prop_map(|(body, trailers)| FromWorker::End {
            body: body.into(),
            trailers
        }),
        any::<(bool, bool)>().prop_flat_map(|(started, logged)| failed().prop_map(move |why| FromWorker::Failed {
            started,
            logged,
            why
        })),
        any::<(usize, u64)>().prop_map(|(bytes, messages)| FromWorker::Credit(bytes, messages)),
        Just(()).prop_map(|()| FromWorker::Continue),
        bytes().prop_map(FromWorker::EarlyHint),
        bytes().prop_map(FromWorker::Accept),
        message().prop_map(FromWorker::Message),
        closed().prop_map(FromWorker::Close),
        Just(()).prop_map(|()| FromWorker::Returned),
        (0u8..3, any::<u8>(), ".{0,60}").prop_map(|(kind, level, text)| FromWorker::Log(Entry {
            kind: [Kind::Record(level), Kind::Stdout, Kind::Stderr][usize::from(kind)],
            text,
        })),
        any::<(u64, u64)>().prop_map(|(records, lines)| FromWorker::Dropped(Dropped { records, lines })),
        any::<(u64, u64, u64, u64, bool)>().prop_map(|(queued, errors, lag, blocked, is_asyncio)| FromWorker::Status(
            Status {
                queued,
                errors,
                lag,
                blocked,
                is_asyncio
            }
        )),
        (".{0,60}", ".{0,60}").prop_map(|(words, stack)| FromWorker::Place(words, stack)),
    ]
}

/// What is to be seen of a message.
fn shown<M: std::fmt::Debug>(message: &M) -> String {
    format!("{message:?}")
}

/// All bytes of the next write.
fn next_bytes(outgoing: &mut Outgoing) -> Vec<u8> {
    let (parts, _) = outgoing.next_write();
    parts.iter().flat_map(|part| part.iter().copied()).collect()
}

/// Puts the bytes where a read would.
fn read_all<M: Wire>(incoming: &mut Incoming<M>, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let mut count = 0;
        for part in incoming.room() {
            let length = part.len().min(bytes.len() - count);
            part[..length].copy_from_slice(&bytes[count..count + length]);
            count += length;
        }
        incoming.add(count);
        bytes = &bytes[count..];
        assert!(count > 0, "there is always room");
    }
}

/// Sends everything, reads it in pieces of these sizes, and compares what came for each number.
fn goes_through<M: Wire + std::fmt::Debug>(
    sent: Vec<(u32, M)>,
    pieces: &[usize],
    is_read: bool,
) -> Result<(), TestCaseError> {
    let mut outgoing = Outgoing::default();
    let mut expected: Vec<(u32, String)> = Vec::new();
    for (id, mut message) in sent {
        // A body that is longer than a frame comes as several.
        let Some(piece_kind) = message.piece_kind() else {
            expected.push((id, shown(&message)));
            outgoing.push(id, message);
            continue;
        };
        let malformed = |why: Malformed| TestCaseError::fail(why.to_string());
        let (kind, body) = (message.kind(), message.tail());
        let count = body.len().div_ceil(LARGEST).max(1);
        for number in 0..count {
            let piece = &body[number * LARGEST..body.len().min((number + 1) * LARGEST)];
            let kind = if number + 1 == count { kind } else { piece_kind };
            expected.push((id, shown(&M::decode(kind, piece, &mut || None).map_err(malformed)?)));
        }
        outgoing.push(id, M::adopt(kind, body.to_vec(), &mut || None).map_err(malformed)?);
    }
    let mut incoming = Incoming::<M>::default();
    let mut received = Vec::new();
    let mut sizes = pieces.iter().copied().cycle();
    while !outgoing.is_empty() {
        let size = sizes.next().unwrap_or(1);
        let mut piece = next_bytes(&mut outgoing);
        piece.truncate(size);
        outgoing.wrote(piece.len());
        if is_read {
            read_all(&mut incoming, &piece);
        } else {
            incoming.extend(&piece);
        }
        while let Some((id, message)) = incoming
            .next_message()
            .map_err(|why| TestCaseError::fail(why.to_string()))?
        {
            received.push((id, shown(&message)));
        }
    }
    prop_assert!(!incoming.is_torn());
    // Requests may overtake each other; each by itself stays in order.
    expected.sort_by_key(|(id, _)| *id);
    received.sort_by_key(|(id, _)| *id);
    prop_assert_eq!(expected, received);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_goes_to_a_worker_comes_there(
        messages in proptest::collection::vec((0u32..4, to_worker()), 0..12),
        pieces in proptest::collection::vec(1usize..100_000, 1..8),
        is_read in any::<bool>(),
    ) {
        goes_through(messages, &pieces, is_read)?;
    }

    #[test]
    fn what_comes_from_a_worker_comes_here(
        messages in proptest::collection::vec((0u32..4, from_worker()), 0..12),
        pieces in proptest::collection::vec(1usize..100_000, 1..8),
        is_read in any::<bool>(),
    ) {
        goes_through(messages, &pieces, is_read)?;
    }

    #[test]
    fn any_bytes_are_refused_or_understood_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut incoming = Incoming::<FromWorker>::default();
        incoming.extend(&bytes);
        while let Ok(Some(_)) = incoming.next_message() {}
        let mut incoming = Incoming::<ToWorker>::default();
        incoming.extend(&bytes);
        while let Ok(Some(_)) = incoming.next_message() {}
    }

    #[test]
    fn a_payload_that_is_cut_or_grown_is_refused_or_another_message(
        mut message in from_worker(), cut in 0usize..40, junk in proptest::collection::vec(any::<u8>(), 0..9),
    ) {
        let mut payload = Vec::new();
        message.encode(&mut payload);
        payload.extend(message.tail());
        payload.truncate(payload.len().saturating_sub(cut));
        payload.extend(junk);
        let _ = FromWorker::decode(message.kind(), &payload, &mut || None);
    }
}

fn frame(length: u32, kind: u8, id: u32, payload: &[u8]) -> Vec<u8> {
    [&length.to_le_bytes()[..], &[kind], &id.to_le_bytes(), payload].concat()
}

fn refusal(frames: &[Vec<u8>]) -> String {
    let mut incoming = Incoming::<FromWorker>::default();
    incoming.extend(&frames.concat());
    loop {
        match incoming.next_message() {
            Ok(Some(_)) => {}
            Ok(None) => return String::new(),
            Err(Malformed(why)) => return why,
        }
    }
}

#[test]
fn a_frame_that_is_too_long_is_refused_before_it_has_come() {
    let long = u32::try_from(LARGEST).expect("small") + 1;
    assert!(refusal(&[frame(long, 5, 1, b"")]).contains("the limit is 65536"));
}

#[test]
fn other_kinds_in_the_middle_of_a_message_are_refused() {
    let first = frame(1, 0x80 | 5, 1, b"a");
    assert_eq!(
        refusal(&[first.clone(), frame(1, 13, 1, b"a")]),
        "kind 13 in the middle of a message of kind 5"
    );
    assert_eq!(refusal(&[first, frame(1, 5, 2, b"b"), frame(1, 5, 1, b"c")]), "");
}

#[test]
fn unknown_kinds_and_files_without_a_descriptor_are_refused() {
    assert!(refusal(&[frame(0, 99, 1, b"")]).contains("kind 99 is unknown"));
    assert!(refusal(&[frame(25, 11, 1, &[0; 25])]).contains("without a descriptor"));
    assert!(refusal(&[frame(1, 15, 1, b"x")]).contains("too many"));
    assert!(refusal(&[frame(1, 7, 1, b"\x02")]).contains("is not a boolean"));
    assert_eq!(refusal(&[frame(2, 13, 1, b"\x01\xff")]), "a text is not UTF-8");
}

#[test]
fn the_end_in_the_middle_of_a_message_is_seen() {
    let mut incoming = Incoming::<FromWorker>::default();
    incoming.extend(&frame(1, 0x80 | 5, 1, b"a"));
    assert!(incoming.next_message().expect("well-formed").is_none());
    assert!(incoming.is_torn());
    let mut incoming = Incoming::<FromWorker>::default();
    incoming.extend(&frame(4, 5, 1, b"a"));
    assert!(incoming.next_message().expect("well-formed").is_none());
    assert!(incoming.is_torn());
}

#[test]
fn a_large_message_lets_a_small_one_pass_behind_its_first_frame() {
    let mut outgoing = Outgoing::default();
    let large = Message {
        is_text: false,
        data: vec![0; 4 * LARGEST].into(),
    };
    outgoing.push(1, FromWorker::Message(large));
    outgoing.push(2, FromWorker::Body(vec![1; 10].into()));
    outgoing.push(3, FromWorker::Body(vec![0; 4 * LARGEST].into()));
    outgoing.push(4, FromWorker::Body(vec![1; 10].into()));
    let mut incoming = Incoming::<FromWorker>::default();
    let bytes = next_bytes(&mut outgoing);
    incoming.extend(&bytes[..2 * (LARGEST + HEADER + HEADER + 10)]);
    let mut next = || incoming.next_message().expect("our own").expect("whole").0;
    assert_eq!([next(), next(), next()], [2, 3, 4]);
}

#[test]
fn long_pieces_of_a_body_are_sent_and_received_without_a_copy() {
    let body = vec![7; LARGEST];
    let place = body.as_ptr();
    let mut outgoing = Outgoing::default();
    outgoing.push(1, ToWorker::Body(body.into(), false));
    let (parts, _) = outgoing.next_write();
    assert_eq!(
        parts.iter().map(|part| part.len()).collect::<Vec<_>>(),
        [HEADER, LARGEST]
    );
    assert_eq!(parts[1].as_ptr(), place);
    let bytes = next_bytes(&mut outgoing);
    let mut incoming = Incoming::<ToWorker>::default();
    incoming.extend(&bytes[..=HEADER]);
    assert!(incoming.next_message().expect("our own").is_none());
    // The rest goes to its place, and of what follows it little is read.
    let [piece, behind] = incoming.room();
    assert_eq!(piece.len(), LARGEST - 1);
    assert!(behind.len() < LARGEST / 8);
    piece.copy_from_slice(&bytes[HEADER + 1..]);
    let place = piece.as_ptr();
    incoming.add(LARGEST - 1);
    let Some((1, ToWorker::Body(chunk, false))) = incoming.next_message().expect("our own") else {
        panic!("another message");
    };
    let chunk = chunk.into_vec();
    assert_eq!((chunk[1..].as_ptr(), chunk.len(), chunk[0]), (place, LARGEST, 7));
}

#[test]
fn what_a_request_has_not_begun_to_send_can_be_forgotten() {
    let mut outgoing = Outgoing::default();
    outgoing.push(1, FromWorker::Accept(vec![0; 10 * LARGEST]));
    outgoing.push(2, FromWorker::Body(vec![0; 2 * LARGEST].into()));
    outgoing.push(2, FromWorker::Returned);
    outgoing.push(3, ToWorker::Ping);
    let (body, ping) = (FromWorker::Body(Vec::new().into()).kind(), ToWorker::Ping.kind());
    assert!(outgoing.forget(2, body));
    assert!(outgoing.forget(3, ping));
    assert!(!outgoing.forget(4, ping));
    let mut incoming = Incoming::<FromWorker>::default();
    while !outgoing.is_empty() {
        let bytes = next_bytes(&mut outgoing);
        outgoing.wrote(bytes.len());
        incoming.extend(&bytes);
    }
    assert_eq!(incoming.next_message().expect("our own").expect("one").0, 1);
    assert!(incoming.next_message().expect("our own").is_none());
}

#[tokio::test(flavor = "current_thread")]
async fn descriptors_travel_with_their_messages() {
    let (one, other) = UnixStream::pair().expect("a pair");
    let (one, other) = (
        Connection::new(one).expect("ours"),
        Connection::new(other).expect("ours"),
    );
    let ledger = Ledger::new().expect("a file");
    let mut outgoing = Outgoing::default();
    outgoing.push(0, ToWorker::Ping);
    outgoing.push(0, ToWorker::Open(b"{}".to_vec(), ledger.descriptor().ok()));
    outgoing.push(
        0,
        ToWorker::Open(b"[]".to_vec(), Ledger::new().expect("a file").descriptor().ok()),
    );
    one.writable().await.expect("open");
    assert!(one.write(&mut outgoing).expect("room"));
    let mut incoming = Incoming::<ToWorker>::default();
    let mut received: Vec<(Vec<u8>, OwnedFd)> = Vec::new();
    while received.len() < 2 {
        other.readable().await.expect("open");
        other.read(&mut incoming).expect("open");
        while let Some((_, message)) = incoming.next_message().expect("our own") {
            if let ToWorker::Open(json, Some(descriptor)) = message {
                received.push((json, descriptor));
            }
        }
    }
    let (json, descriptor) = received.remove(0);
    Ledger::from_descriptor(descriptor).begin(7).expect("a file");
    assert_eq!((json, ledger.latest().expect("a file")), (b"{}".to_vec(), 7));
}
