//! The socket of one worker: reads and writes messages, and notices the end.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use asgi_node_scheduling::under_way;
use asgi_node_worker::connection::Read;
use asgi_node_worker::{Connection, FromWorker, Incoming};
use tokio::sync::Notify;
use tokio::task::yield_now;
use tokio::time::sleep;

use super::Pool;
use crate::child::End;

/// How long a process may live after its socket has ended.
const LINGER: Duration = Duration::from_secs(2);

/// The most reads in a row, so that a worker that never stops writing does not keep the thread from the others; and so that of a
/// large body the room that has become free is told early.
const READS: usize = 4;

/// The most reads after the end: more than any socket holds. (A process that the worker has forked may go on writing.)
const LAST_READS: usize = 1024;

/// What [`drive`] needs of one worker.
pub(super) struct Wires {
    pub(super) connection: Rc<Connection>,
    /// Is notified when there is something to write.
    pub(super) notify: Rc<Notify>,
    pub(super) end: Arc<End>,
}

/// Runs until the worker has ended.
pub(super) async fn drive(pool: Rc<RefCell<Pool>>, number: u32, wires: Wires) {
    let mut incoming = Incoming::<FromWorker>::default();
    let mut reason = converse(&pool, number, &wires, &mut incoming).await;
    if reason.is_none() {
        // A worker that ends closes its socket first, perhaps in the middle of a message. That is not a violation of the protocol.
        tokio::select! {
            () = wires.end.reached() => {}
            () = sleep(LINGER) => reason = Some(left(&incoming).into()),
        }
    }
    if reason.is_some() {
        pool.borrow_mut().kill(number);
        wires.end.reached().await;
    } else {
        // Its last messages.
        let rest = take(&pool, number, &mut incoming, LAST_READS, |incoming| {
            wires.connection.read_rest(incoming)
        });
        reason = rest.err().map(|error| error.to_string());
    }
    Pool::ended(&pool, number, reason);
}

/// Moves frames until the worker has closed its socket, has ended, or has violated the protocol. Returns the violation.
async fn converse(
    pool: &Rc<RefCell<Pool>>,
    number: u32,
    wires: &Wires,
    incoming: &mut Incoming<FromWorker>,
) -> Option<String> {
    let dead = wires.end.reached();
    tokio::pin!(dead);
    loop {
        // An error means that the worker does not read any more.
        let Ok(is_written) = pool.borrow_mut().write(number) else {
            return None;
        };
        under_way(pool.borrow().front.in_flight());
        tokio::select! {
            biased;
            readable = wires.connection.readable() => {
                let read = |incoming: &mut _| wires.connection.read(incoming);
                match readable.and_then(|()| take(pool, number, incoming, READS, read)) {
                    Ok(Read::Some) => yield_now().await,
                    Ok(Read::All | Read::Nothing) => {}
                    Ok(Read::End) => return None,
                    Err(error) => return Some(error.to_string()),
                }
            }
            _ = wires.connection.writable(), if !is_written => {}
            () = wires.notify.notified() => {}
            () = &mut dead => return None,
        }
    }
}

/// Says what a worker has done that has closed its socket and still runs.
fn left(incoming: &Incoming<FromWorker>) -> &'static str {
    if incoming.is_torn() {
        "it has closed its socket in the middle of a message, and goes on"
    } else {
        "it has closed its socket, and goes on"
    }
}

/// Reads and handles what has come, by so many reads at most. Returns what the last of them found.
fn take(
    pool: &Rc<RefCell<Pool>>,
    number: u32,
    incoming: &mut Incoming<FromWorker>,
    reads: usize,
    mut read: impl FnMut(&mut Incoming<FromWorker>) -> io::Result<Read>,
) -> io::Result<Read> {
    let malformed = |malformed| io::Error::new(io::ErrorKind::InvalidData, malformed);
    for _ in 0..reads {
        let read = read(incoming)?;
        let mut pool = pool.borrow_mut();
        while let Some((id, message)) = incoming.next_message().map_err(malformed)? {
            pool.receive(number, id, message).map_err(malformed)?;
        }
        if read != Read::Some {
            return Ok(read);
        }
    }
    Ok(Read::Some)
}
