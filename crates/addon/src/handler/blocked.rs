//! What JavaScript needs to keep its own clocks while Python's event loop is blocked: an import, a lifespan or a request may
//! block it for ever, and then no clock of Python's moves.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use asgi_node_core::{Error, Traced};
use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use parking_lot::Mutex;

use super::NativeHandler;
use crate::application::{self, LoopHandle, locate};
use crate::errors::NativeFailure;
use crate::sync_call::receive_before;

/// Where the thread of an event loop is.
#[napi(object)]
#[derive(Debug, Default)]
pub struct LoopLocation {
    /// A description for people.
    pub words: String,
    /// Its Python stack; empty where that cannot be had.
    pub stack: String,
}

impl From<(String, String)> for LoopLocation {
    fn from((words, stack): (String, String)) -> Self {
        Self { words, stack }
    }
}

/// Who wants to know where an event loop is.
type Waiting = Mutex<Option<Box<dyn FnOnce(LoopLocation) + Send>>>;

#[napi]
impl NativeHandler {
    /// Like `start`, but blocks until the app has started, or for `limit` milliseconds (0: no limit). After that it returns
    /// `EVENT_LOOP_BLOCKED`, whose message says where the event loop is, and nobody waits for the app any longer.
    #[napi(catch_unwind)]
    pub fn start_sync(&self, limit: u32) -> Option<NativeFailure> {
        let (sender, receiver) = sync_channel(1);
        let on_settled = Box::new(move |failure| drop(sender.send(failure)));
        self.state.slot.load(&self.state.config, on_settled);
        let deadline = (limit > 0).then(|| Instant::now() + Duration::from_millis(limit.into()));
        let lost = || Some(Error::PythonStartFailed("the event loop ended".into()).into());
        receive_before(&receiver, deadline).map_or_else(
            |_late| {
                let located = self.state.slot.loop_handle().map(|loop_handle| locate(loop_handle));
                let (message, traceback) = located.unwrap_or_default();
                self.state.slot.abandon();
                let error = Error::LoopBlocked(message);
                Some(Traced { error, traceback }.into())
            },
            |started| started.unwrap_or_else(lost),
        )
    }

    /// Milliseconds for which the event loop has not come to a heartbeat; asks for one, so that the next call knows more. Also
    /// while the app loads. 0 where there is no loop yet.
    #[napi(catch_unwind)]
    pub fn blocked(&self) -> f64 {
        let Some(loop_handle) = self.state.slot.loop_handle() else {
            return 0.0;
        };
        application::blocked(loop_handle).as_secs_f64() * 1000.0
    }

    /// Where the thread of the event loop is. The promise never rejects, and takes half a second at most.
    #[napi(catch_unwind, ts_return_type = "Promise<LoopLocation>")]
    pub fn locate<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let resolve: Box<dyn FnOnce(LoopLocation) + Send> = Box::new(move |found| deferred.resolve(move |_| Ok(found)));
        let waiting = Arc::new(Mutex::new(Some(resolve)));
        let tell = |waiting: &Waiting, found| {
            let resolve = waiting.lock().take();
            if let Some(resolve) = resolve {
                resolve(found);
            }
        };
        let own = Arc::clone(&waiting);
        let find = move |loop_handle: Arc<LoopHandle>| tell(&own, locate(&loop_handle).into());
        let loop_handle = self.state.slot.loop_handle().map(Arc::clone);
        let started = loop_handle.is_some_and(|loop_handle| {
            let thread = thread::Builder::new().name("asgi-node-locate".into());
            thread.spawn(move || find(loop_handle)).is_ok()
        });
        if !started {
            tell(&waiting, LoopLocation::default());
        }
        Ok(promise)
    }

    /// Nobody waits any longer for a start or a close that is under way: their promises resolve. What comes up all the same
    /// is closed.
    #[napi(catch_unwind)]
    pub fn abandon(&self) {
        self.state.slot.abandon();
    }
}
