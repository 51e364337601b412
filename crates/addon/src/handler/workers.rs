//! What only a handler with workers has.

use asgi_node_supervisor::WorkerHealth;
use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;

use super::NativeHandler;
use crate::errors::NativeFailure;

/// How one worker is.
#[napi(object)]
#[derive(Debug)]
pub struct Worker {
    /// Its process.
    pub pid: u32,
    /// `starting`, `ready` or `draining`.
    pub state: String,
    /// Requests whose app has not returned.
    pub in_flight: f64,
    /// All requests that it was given.
    pub requests: f64,
    /// How many workers were in its place before it.
    pub restarts: u32,
    /// Bytes of resident memory; 0 where nobody tells.
    pub rss: f64,
    /// Milliseconds that its event loop is behind.
    pub lag: f64,
}

impl From<WorkerHealth> for Worker {
    #[allow(clippy::cast_precision_loss, reason = "nobody has 2^53 of them")]
    fn from(health: WorkerHealth) -> Self {
        Self {
            pid: health.pid,
            state: health.state.to_owned(),
            in_flight: health.in_flight() as f64,
            requests: health.requests() as f64,
            restarts: health.restarts,
            rss: health.resident as f64,
            lag: health.lag.as_secs_f64() * 1000.0,
        }
    }
}

#[napi]
impl NativeHandler {
    /// How each worker is, as was known last. `health` asks them anew.
    #[napi(catch_unwind)]
    pub fn workers(&self) -> Vec<Worker> {
        let front = self.state.slot.loop_handle();
        front.map_or_else(Vec::new, |front| {
            front.workers().into_iter().map(Worker::from).collect()
        })
    }

    /// Why no worker can start at present, or null.
    #[napi(catch_unwind)]
    pub fn failure(&self) -> Option<NativeFailure> {
        self.state.slot.loop_handle()?.failure().map(NativeFailure::from)
    }

    /// Files have changed: requests wait for workers that start from now on. `reload` must follow.
    #[napi(catch_unwind)]
    pub fn hold(&self) {
        if let Ok(app) = self.state.slot.app() {
            app.hold();
        }
    }

    /// Replaces every worker by a new one, one after the other. Resolves to null, or to why one has not come up; never rejects.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | null>")]
    pub fn reload<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let settle = move |failure: Option<NativeFailure>| deferred.resolve(move |_| Ok(failure));
        match self.state.slot.app() {
            Ok(app) => app.reload(move |reloaded| settle(reloaded.err().map(Into::into))),
            Err(closed) => settle(Some(closed.into())),
        }
        Ok(promise)
    }
}
