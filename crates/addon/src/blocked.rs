//! What JavaScript needs to keep its own clocks while Python's event loop is blocked: an import, a lifespan or a request may
//! block it for ever, and then no clock of Python's moves.

use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use asgi_node_core::Error;
use napi::bindgen_prelude::Object;
use napi::{Env, Result};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::app_slot;
use crate::application::{self, Place, locate};
use crate::errors::NativeFailure;
use crate::handler::NativeHandler;
use crate::sync_call::receive_before;

/// Where the thread of an event loop is.
#[napi(object)]
#[derive(Debug, Default)]
pub struct Whereabouts {
    /// In words.
    pub words: String,
    /// Its Python stack; empty where that cannot be had.
    pub stack: String,
}

impl From<(String, String)> for Whereabouts {
    fn from((words, stack): (String, String)) -> Self {
        Self { words, stack }
    }
}

/// Who wants to know where an event loop is.
type Waiting = Mutex<Option<Box<dyn FnOnce(Whereabouts) + Send>>>;

#[napi]
impl NativeHandler {
    /// As `start`, blocking until the app is there, or for `limit` milliseconds (0: for ever): then the code is
    /// `EVENT_LOOP_BLOCKED`, the message says where the event loop is, and nobody waits for the app any longer.
    #[napi(catch_unwind)]
    pub fn start_sync(&self, limit: u32) -> Option<NativeFailure> {
        let (sender, receiver) = sync_channel(1);
        app_slot::load(
            &self.inner.app,
            &self.inner.home,
            &self.inner.config,
            Box::new(move |failure| drop(sender.send(failure))),
        );
        let deadline = (limit > 0).then(|| Instant::now() + Duration::from_millis(limit.into()));
        let lost = || Some(Error::PythonStartFailed("the event loop ended".into()).into());
        receive_before(&receiver, deadline).map_or_else(
            |_late| {
                let place = self.inner.home.get().map(|home| locate(home));
                let (message, traceback) = place.unwrap_or_default();
                app_slot::abandon(&self.inner.app, &self.inner.home);
                Some(NativeFailure {
                    code: "EVENT_LOOP_BLOCKED".into(),
                    message,
                    traceback,
                })
            },
            |started| started.unwrap_or_else(lost),
        )
    }

    /// Milliseconds for which the event loop has not come to a heartbeat; asks for one, so that the next call knows more. Also
    /// while the app loads. 0 where there is no loop yet.
    #[napi(catch_unwind)]
    pub fn blocked(&self) -> f64 {
        let Some(home) = self.inner.home.get() else { return 0.0 };
        application::blocked(home).as_secs_f64() * 1000.0
    }

    /// Where the thread of the event loop is. The promise never rejects, and takes half a second at most.
    #[napi(catch_unwind, ts_return_type = "Promise<Whereabouts>")]
    pub fn locate<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let resolve: Box<dyn FnOnce(Whereabouts) + Send> = Box::new(move |place| deferred.resolve(move |_| Ok(place)));
        let waiting = Arc::new(Mutex::new(Some(resolve)));
        let tell = |waiting: &Waiting, place| {
            let resolve = waiting.lock().take();
            if let Some(resolve) = resolve {
                resolve(place);
            }
        };
        let own = Arc::clone(&waiting);
        let find = move |home: Arc<Place>| tell(&own, locate(&home).into());
        let home = self.inner.home.get().map(Arc::clone);
        let started = home.is_some_and(|home| {
            let thread = thread::Builder::new().name("asgi-node-locate".into());
            thread.spawn(move || find(home)).is_ok()
        });
        if !started {
            tell(&waiting, Whereabouts::default());
        }
        Ok(promise)
    }

    /// Nobody waits any longer for a start or a close that is under way: their promises resolve. What comes up all the same
    /// is closed.
    #[napi(catch_unwind)]
    pub fn abandon(&self) {
        app_slot::abandon(&self.inner.app, &self.inner.home);
        let on_settled = self.inner.closing.lock().take();
        if let Some(on_settled) = on_settled {
            on_settled(None);
        }
    }
}
