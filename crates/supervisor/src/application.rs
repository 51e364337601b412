//! An application that workers run, with the functions of one that runs in this process.

use std::sync::Arc;

use asgi_node_core::{Config, Error, Exchange, Health, Notify, Submission, Traced};

use crate::front::{Front, Job, WorkerHealth};
use crate::pool;
use crate::runtime;

/// An application that is up.
#[derive(Debug)]
pub struct Application {
    front: Arc<Front>,
}

impl Application {
    /// Starts the workers, and calls `done`, once, when all are ready, or one is not. Before that, `found` gets the front.
    pub fn load(
        config: Config,
        found: impl FnOnce(Arc<Front>) + Send + 'static,
        done: impl FnOnce(Result<Arc<Self>, Traced>) + Send + 'static,
    ) {
        let front = Front::new(&config);
        found(Arc::clone(&front));
        let Some(workers) = config.workers else {
            return done(Err(Error::PythonStartFailed("no workers were asked for".into()).into()));
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

    /// Hands a request to a worker. Called by the host; does not wait.
    pub fn submit(&self, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        let exchange = self.submit_quietly(request, host)?;
        self.wake();
        Ok(exchange)
    }

    /// The same for a host that has more requests at hand: [`Self::wake`] must follow.
    pub fn submit_quietly(&self, request: Submission, host: Arc<dyn Notify>) -> Result<Arc<Exchange>, Error> {
        self.front.submit(request, host)
    }

    /// Has the thread of workers look at what was submitted quietly.
    pub fn wake(&self) {
        self.front.wake();
    }

    /// The time of this request is over: it is no longer in flight, and its app is told.
    pub fn give_up(&self, exchange: &Arc<Exchange>) {
        self.front.abandon(exchange);
    }

    /// Nobody waits for this request any more.
    pub fn disconnect(&self, exchange: &Arc<Exchange>) {
        exchange.disconnect();
    }

    /// How it is. Asks the workers, so that the next call knows more.
    pub fn health(&self) -> Health {
        self.front.health()
    }

    /// How each worker is.
    pub fn workers(&self) -> Vec<WorkerHealth> {
        self.front.workers()
    }

    /// Has requests wait for workers that start from now on: files have changed. [`Self::reload`] must follow; when it fails,
    /// they go to those that there are.
    pub fn hold(&self) {
        self.front.post(Job::Hold);
    }

    /// Replaces every worker by a new one, one after the other; then calls `done`, once.
    pub fn reload(&self, done: impl FnOnce(Result<(), Traced>) + Send + 'static) {
        self.front.post(Job::Reload(Box::new(done)));
    }

    /// Refuses requests, ends what is under way (after `timeout` milliseconds by cancelling it), and the workers; then calls
    /// `done`, once.
    pub fn close(self: &Arc<Self>, timeout: u64, done: impl FnOnce(Result<(), Traced>) + Send + 'static) {
        self.front.refuse();
        // Kept until its close is over, so that it can be asked how it is.
        let this = Arc::clone(self);
        let done = move |closed| {
            drop(this);
            done(closed);
        };
        self.front.post(Job::Close(timeout, Box::new(done)));
    }

    /// Has a close that is under way wait `timeout` milliseconds from now, if it would wait longer.
    pub fn shorten_timeout(&self, timeout: u64) {
        self.front.post(Job::Shorten(timeout));
    }
}
