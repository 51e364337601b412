//! The socket, on a real pair.

use std::os::unix::net::UnixStream;

use asgi_node_worker::connection::Read;
use asgi_node_worker::{Connection, FromWorker, Incoming, Outgoing};

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
