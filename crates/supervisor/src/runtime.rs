//! The thread for all workers. It starts with the first handler that has workers, and ends with the last.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::thread;

use asgi_node_core::{Error, Inbox, Waker};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::task::LocalSet;

/// Creates a task on the thread that runs it.
type Start = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()>>> + Send>;

/// The inbox for new tasks.
type Door = Arc<Inbox<Start>>;

static RUNNING: Mutex<Option<Door>> = Mutex::new(None);

/// Wakes a task on the runtime.
pub(crate) struct Bell(pub(crate) Arc<Notify>);

impl Waker for Bell {
    fn wake(&self) {
        self.0.notify_one();
    }
}

/// Runs a task on the workers' thread.
pub(crate) fn spawn<F: Future<Output = ()> + 'static>(make: impl FnOnce() -> F + Send + 'static) -> Result<(), Error> {
    let start: Start = Box::new(|| Box::pin(make()));
    let mut running = RUNNING.lock();
    if let Some(door) = &*running {
        return door.post(start).map_err(|_| gone());
    }
    let bell = Arc::new(Notify::new());
    let door: Door = Arc::new(Inbox::new(usize::MAX, Box::new(Bell(Arc::clone(&bell)))));
    let inside = Arc::clone(&door);
    let failed = |error: std::io::Error| {
        Error::PythonStartFailed(format!("the thread for workers could not be started: {error}"))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(failed)?;
    thread::Builder::new()
        .name("asgi-node-work".into())
        .spawn(move || runtime.block_on(LocalSet::new().run_until(live(inside, bell))))
        .map_err(failed)?;
    door.post(start).map_err(|_| gone())?;
    *running = Some(door);
    Ok(())
}

fn gone() -> Error {
    Error::PythonStartFailed("the thread for workers has ended".into())
}

/// The life of the thread.
async fn live(door: Door, bell: Arc<Notify>) {
    let under_way = Rc::new(Cell::new(0usize));
    let mut batch = Vec::new();
    loop {
        bell.notified().await;
        door.take(&mut batch);
        for start in batch.drain(..) {
            under_way.set(under_way.get() + 1);
            let (under_way, bell) = (Rc::clone(&under_way), Arc::clone(&bell));
            tokio::task::spawn_local(async move {
                start().await;
                under_way.set(under_way.get() - 1);
                bell.notify_one();
            });
        }
        if under_way.get() == 0 {
            let mut running = RUNNING.lock();
            if door.is_empty() {
                *running = None;
                return;
            }
        }
    }
}
