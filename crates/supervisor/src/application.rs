//! An application that runs in workers. It has the same functions as one that runs in this process.

use std::sync::Arc;

use asgi_node_core::{Config, Error, Exchange, Health, Notify, Submission, Traced};

use crate::front::{Front, Job, WorkerHealth};
use crate::pool;
use crate::runtime;

/// An application that is ready.
#[derive(Debug)]
pub struct Application {
    front: Arc<Front>,
}

impl Application {
    /// Starts the workers. Calls `done` once: when all are ready, or when one has failed. Before that, `found` gets the front.
    pub fn load(
        config: Config,
        found: impl FnOnce(Arc<Front>) + Send + 'static,
        done: impl FnOnce(Result<Arc<Self>, Traced>) + Send + 'static,
    ) {
        let front = Front::new(&config);
        found(Arc::clone(&front));
        let Some(workers) = config.workers else {
            return done(Err(
                Error::PythonStartFailed("the configuration has no workers".into()).into()
            ));
        };
        let inside = Arc::clone(&front);
        let shared = Arc::new(parking_lot::Mutex::new(Some(done)));
        let tell = Arc::clone(&shared);
        let loaded = move |started: Result<(), Traced>| {
            let done = tell.lock().take();
            if let Some(done) = done {
                done(started.map(|()| Arc::new(Self { front })));
            }
        };
        let spawned = runtime::spawn(move || pool::run(inside, workers, Box::new(loaded)));
        if let Err(error) = spawned
            && let Some(done) = shared.lock().take()
        {
            done(Err(error.into()));
        }
    }

    /// Submits a request. Called by the host; does not wait.
    pub fn submit(&self, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        let exchange = self.submit_quietly(request, host)?;
        self.wake();
        Ok(exchange)
    }

    /// The same for a host that will submit more requests: [`Self::wake`] must follow.
    pub fn submit_quietly(&self, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        self.front.submit(request, host)
    }

    /// Wakes the workers' thread for requests that were submitted quietly.
    pub fn wake(&self) {
        self.front.wake();
    }

    /// The time of this request is over. It no longer counts as in flight, and its app gets a disconnect.
    pub fn give_up(&self, exchange: &Arc<Exchange>) {
        self.front.abandon(exchange);
    }

    /// Nobody waits for this request any more.
    pub fn disconnect(&self, exchange: &Arc<Exchange>) {
        exchange.disconnect();
    }

    /// The application's health, as known now. Also asks the workers, so that the next call has newer values.
    pub fn health(&self) -> Health {
        self.front.health()
    }

    /// The health of each worker.
    pub fn workers(&self) -> Vec<WorkerHealth> {
        self.front.workers()
    }

    /// Files have changed: requests wait for workers that start from now on. [`Self::reload`] must follow. If it fails, the requests
    /// go to the present workers.
    pub fn hold(&self) {
        self.front.post(Job::Hold);
    }

    /// Replaces all workers by new ones, one after the other. Then calls `done` once.
    pub fn reload(&self, done: impl FnOnce(Result<(), Traced>) + Send + 'static) {
        self.front.post(Job::Reload(Box::new(done)));
    }

    /// Refuses new requests, and waits for those under way. After `timeout` milliseconds it cancels them. Then it ends the workers
    /// and calls `done` once.
    pub fn close(self: &Arc<Self>, timeout: u64, done: impl FnOnce(Result<(), Traced>) + Send + 'static) {
        self.front.refuse();
        // The application is kept until it is closed, so that its health can be read.
        let this = Arc::clone(self);
        let done = move |closed| {
            drop(this);
            done(closed);
        };
        self.front.post(Job::Close(timeout, Box::new(done)));
    }

    /// Shortens a close that is under way to `timeout` milliseconds from now.
    pub fn shorten_timeout(&self, timeout: u64) {
        self.front.post(Job::Shorten(timeout));
    }
}
