//! The socket, on a real pair.

use std::os::unix::net::UnixStream;
use std::time::Duration;

use asgi_node_worker::connection::Read;
use asgi_node_worker::{Connection, FromWorker, Incoming, Outgoing};
use tokio::time::timeout;

#[tokio::test]
async fn the_rest_is_read_before_the_runtime_knows_of_it() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let connection = Connection::new(ours).expect("a connection");
    let mut outgoing = Outgoing::default();
    outgoing.push(0, FromWorker::Ended(None));
    let (parts, _) = outgoing.next_write();
    let written = std::io::Write::write_vectored(&mut &theirs, &parts).expect("a write");
    assert_eq!(written, parts.iter().map(|part| part.len()).sum::<usize>());
    drop(theirs);
    let mut incoming = Incoming::<FromWorker>::default();
    // Nothing has been awaited so far, so the runtime has not looked at the socket.
    assert_eq!(connection.read(&mut incoming).expect("a read"), Read::Nothing);
    assert_eq!(connection.read_rest(&mut incoming).expect("a read"), Read::Some);
    let message = incoming.next_message().expect("a message");
    assert!(matches!(message, Some((0, FromWorker::Ended(None)))), "{message:?}");
    assert_eq!(connection.read_rest(&mut incoming).expect("a read"), Read::End);
}

#[tokio::test]
async fn a_read_that_leaves_room_waits_for_more_and_misses_nothing() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (ours, theirs) = (
        Connection::new(ours).expect("ours"),
        Connection::new(theirs).expect("theirs"),
    );
    let (mut incoming, mut outgoing) = (Incoming::<FromWorker>::default(), Outgoing::default());
    theirs.writable().await.expect("room");
    for round in 0..100 {
        outgoing.push(round, FromWorker::Returned);
        assert!(theirs.write(&mut outgoing).expect("a write"));
        ours.readable().await.expect("more");
        assert_eq!(ours.read(&mut incoming).expect("a read"), Read::All);
        let message = incoming.next_message().expect("a message");
        assert!(
            matches!(message, Some((id, FromWorker::Returned)) if id == round),
            "{message:?}"
        );
        let more = timeout(Duration::from_millis(1), ours.readable()).await;
        assert!(more.is_err(), "there is nothing to be read");
    }
    drop(theirs);
    ours.readable().await.expect("the end");
    assert_eq!(ours.read(&mut incoming).expect("a read"), Read::End);
}

#[tokio::test]
async fn what_follows_a_descriptor_is_read() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    let (ours, theirs) = (
        Connection::new(ours).expect("ours"),
        Connection::new(theirs).expect("theirs"),
    );
    let mut outgoing = Outgoing::default();
    let file = || FromWorker::File {
        file: std::fs::File::open("Cargo.toml").ok(),
        offset: 0,
        length: 1,
        last: true,
        weight: 1,
    };
    for id in 1..=3 {
        outgoing.push(id, FromWorker::Continue);
        outgoing.push(id, file());
        outgoing.push(id, FromWorker::Returned);
    }
    theirs.writable().await.expect("room");
    assert!(theirs.write(&mut outgoing).expect("a write"));
    ours.readable().await.expect("something");
    let (mut incoming, mut ids) = (Incoming::<FromWorker>::default(), Vec::new());
    loop {
        let read = ours.read(&mut incoming).expect("a read");
        while let Some((id, message)) = incoming.next_message().expect("a message") {
            if matches!(message, FromWorker::Returned) {
                ids.push(id);
            }
        }
        if read != Read::Some {
            break;
        }
    }
    assert_eq!(ids, [1, 2, 3]);
}
