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
    pub(crate) bell: Rc<Notify>,
    pub(crate) end: Arc<End>,
}

/// Runs until the worker has ended.
pub(crate) async fn drive(pool: Rc<RefCell<Pool>>, number: u32, wires: Wires) {
    let mut incoming = Incoming::<FromWorker>::default();
    // A worker that is killed may stop in the middle of a message. That is not a violation of the protocol.
    let reason = {
        let dead = wires.end.reached();
        tokio::pin!(dead);
        loop {
            let waits = match pool.borrow_mut().write(number) {
                Ok(is_written) => !is_written,
                // The exit status says more than this error.
                Err(_) => false,
            };
            tokio::select! {
                biased;
                readable = wires.connection.readable() => match readable.and_then(|()| take(&pool, number, &wires, &mut incoming)) {
                    Ok(true) => {}
                    Ok(false) => break None,
                    Err(error) => break Some(error.to_string()),
                },
                _ = wires.connection.writable(), if waits => {}
                () = wires.bell.notified() => {}
                () = &mut dead => {
                    // Its last messages.
                    drop(take(&pool, number, &wires, &mut incoming));
                    break None;
                }
            }
        }
    };
    let lingers = async {
        tokio::select! {
            () = wires.end.reached() => false,
            () = sleep(LINGER) => true,
        }
    };
    if reason.is_some() || lingers.await {
        pool.borrow_mut().kill(number);
        wires.end.reached().await;
    }
    let tail = pool.borrow().tail(number);
    let lines = match tail {
        Some(tail) => tail.lines().await,
        None => String::new(),
    };
    Pool::ended(&pool, number, reason, &lines);
}

/// Reads and handles everything that has come. Returns false at the end.
fn take(pool: &Rc<RefCell<Pool>>, number: u32, wires: &Wires, incoming: &mut Incoming<FromWorker>) -> io::Result<bool> {
    loop {
        let read = wires.connection.read(incoming)?;
        let mut pool = pool.borrow_mut();
        while let Some((id, message)) = incoming
            .next_message()
            .map_err(|malformed| io::Error::new(io::ErrorKind::InvalidData, malformed))?
        {
            pool.receive(number, id, message);
        }
        match read {
            Read::Some => {}
            Read::Nothing => return Ok(true),
            Read::End => return Ok(false),
        }
    }
}
