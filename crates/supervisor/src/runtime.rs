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
type TaskInbox = Arc<Inbox<Start>>;

static RUNNING: Mutex<Option<TaskInbox>> = Mutex::new(None);

/// Wakes a task on the runtime.
pub(crate) struct TaskWaker(pub(crate) Arc<Notify>);

impl Waker for TaskWaker {
    fn wake(&self) {
        self.0.notify_one();
    }
}

/// Runs a task on the workers' thread.
pub(crate) fn spawn<F: Future<Output = ()> + 'static>(make: impl FnOnce() -> F + Send + 'static) -> Result<(), Error> {
    let start: Start = Box::new(|| Box::pin(make()));
    let mut running = RUNNING.lock();
    if let Some(tasks) = &*running {
        return tasks.post(start).map_err(|_| gone());
    }
    let notify = Arc::new(Notify::new());
    let tasks: TaskInbox = Arc::new(Inbox::new(usize::MAX, Box::new(TaskWaker(Arc::clone(&notify)))));
    let inside = Arc::clone(&tasks);
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
        .spawn(move || runtime.block_on(LocalSet::new().run_until(live(inside, notify))))
        .map_err(failed)?;
    tasks.post(start).map_err(|_| gone())?;
    *running = Some(tasks);
    Ok(())
}

fn gone() -> Error {
    Error::PythonStartFailed("the thread for workers has ended".into())
}

/// The life of the thread.
async fn live(tasks: TaskInbox, notify: Arc<Notify>) {
    let under_way = Rc::new(Cell::new(0usize));
    let mut batch = Vec::new();
    loop {
        notify.notified().await;
        tasks.take(&mut batch);
        for start in batch.drain(..) {
            under_way.set(under_way.get() + 1);
            let (under_way, notify) = (Rc::clone(&under_way), Arc::clone(&notify));
            tokio::task::spawn_local(async move {
                start().await;
                under_way.set(under_way.get() - 1);
                notify.notify_one();
            });
        }
        if under_way.get() == 0 {
            let mut running = RUNNING.lock();
            if tasks.is_empty() {
                *running = None;
                return;
            }
        }
    }
}
