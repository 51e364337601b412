//! The socket of one worker: reads and writes messages, and notices the end.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use asgi_node_worker::connection::Read;
use asgi_node_worker::{Connection, FromWorker, Incoming};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::child::End;
use crate::pool::Pool;

/// How long a process may live after its socket has ended.
const LINGER: Duration = Duration::from_secs(2);

/// What [`drive`] needs of one worker.
pub(crate) struct Wires {
    pub(crate) connection: Rc<Connection>,
    /// Is notified when there is something to write.
    pub(crate) notify: Rc<Notify>,
    pub(crate) end: Arc<End>,
}

/// Runs until the worker has ended.
pub(crate) async fn drive(pool: Rc<RefCell<Pool>>, number: u32, wires: Wires) {
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
    } else if let Err(error) = take(&pool, number, &wires, &mut incoming) {
        // Its last messages.
        reason = Some(error.to_string());
    }
    let tail = pool.borrow().tail(number);
    let lines = match tail {
        Some(tail) => tail.lines().await,
        None => String::new(),
    };
    Pool::ended(&pool, number, reason, &lines);
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
        tokio::select! {
            biased;
            readable = wires.connection.readable() => match readable.and_then(|()| take(pool, number, wires, incoming)) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(error.to_string()),
            },
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

/// Reads and handles everything that has come. Returns false at the end.
fn take(pool: &Rc<RefCell<Pool>>, number: u32, wires: &Wires, incoming: &mut Incoming<FromWorker>) -> io::Result<bool> {
    let malformed = |malformed| io::Error::new(io::ErrorKind::InvalidData, malformed);
    loop {
        let read = wires.connection.read(incoming)?;
        let mut pool = pool.borrow_mut();
        while let Some((id, message)) = incoming.next_message().map_err(malformed)? {
            pool.receive(number, id, message).map_err(malformed)?;
        }
        match read {
            Read::Some => {}
            Read::Nothing => return Ok(true),
            Read::End => return Ok(false),
        }
    }
}
