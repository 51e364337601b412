//! The native half of `PythonHandler`: what JavaScript calls. Here are its start and its end. `requests` has the calls for
//! requests, `blocked` those for an event loop that is blocked, and `workers` those that only workers have.

use std::cell::OnceCell;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use asgi_node_core::Config;
use napi::bindgen_prelude::{FnArgs, Function, FunctionCallContext, Object, Unknown};
use napi::{Env, Result};
use napi_derive::napi;

use crate::application;
use crate::event_sink::EventSink;
use crate::ffi;
use crate::rewriting::Rewriting;
use crate::state::State;
use health::NativeHealth;

mod blocked;
mod health;
mod requests;
#[cfg(feature = "workers")]
mod workers;

/// `deliver` as the constructor gets it.
type DeliverArgument<'a> = Function<'a, FnArgs<(u32, u32, u32, String, Unknown<'static>)>, Unknown<'static>>;

/// The native half of a handler.
#[napi]
#[allow(missing_debug_implementations, reason = "only JavaScript holds it")]
pub struct NativeHandler {
    pub(crate) state: Rc<State>,
}

#[napi]
impl NativeHandler {
    /// `config` is JSON; `deliver(id, kind, status, text, data)` gets every event and returns false to hold the bytes back;
    /// `rewriter` is JSON, the rules for every head.
    #[napi(constructor, catch_unwind)]
    pub fn new(
        env: Env,
        config: String,
        #[napi(
            ts_arg_type = "(id: number, kind: number, status: number, text: string, data: Buffer | string | undefined) => unknown"
        )]
        deliver: DeliverArgument<'_>,
        rewriter: Option<String>,
    ) -> Result<Self> {
        let config: Config = application::config(&config)
            .map_err(|e| napi::Error::new(napi::Status::InvalidArg, format!("malformed configuration: {e}")))?;
        let rewriting = rewriter.map(|rules| Rewriting::new(&rules, &config)).transpose()?;
        let drained = Rc::new(OnceCell::<Weak<State>>::new());
        let inside = Rc::clone(&drained);
        let drain =
            env.create_function_from_closure::<(), (), _>("drain", move |context: FunctionCallContext<'_>| {
                if let Some(state) = inside.get().and_then(Weak::upgrade) {
                    state.drain(context.env);
                }
                Ok(())
            })?;
        let sink = Arc::new(EventSink::new(&drain)?);
        let config = Config {
            log_queue: Some(Arc::clone(sink.log_queue())),
            ..config
        };
        let state = Rc::new(State::new(config, rewriting, sink));
        let _ = state.deliver.set(deliver.create_ref()?);
        let _ = drained.set(Rc::downgrade(&state));
        env.add_env_cleanup_hook(Rc::downgrade(&state), |state: Weak<State>| {
            // napi-rs calls this from C and does not catch what unwinds: that would abort the process.
            let tear_down = || state.upgrade().map(|state| state.tear_down());
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(tear_down)));
        })?;
        Ok(Self { state })
    }

    /// Imports the app on its event loop. Resolves to null, or to why it failed; never rejects.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | null>")]
    pub fn start<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let on_settled = Box::new(move |failure| deferred.resolve(move |_| Ok(failure)));
        self.state.slot.load(&self.state.config, on_settled);
        Ok(promise)
    }

    /// How the app is; null before it is there and after the end. Does not wait for Python.
    #[napi(catch_unwind)]
    pub fn health(&self) -> Option<NativeHealth> {
        self.state.slot.app_or_closing().map(|app| app.health().into())
    }

    /// Whether what is under way keeps the process alive.
    #[napi(catch_unwind)]
    pub fn keep_alive(&self, env: Env, alive: bool) {
        if let Some(sink) = &*self.state.sink.borrow() {
            ffi::keep_alive(&env, sink.wake_function(), alive);
        }
    }

    /// Refuses requests from now on, ends what is under way (after `timeout` milliseconds by cancelling it), then the app's
    /// lifespan. Resolves to null, or to why the shutdown failed; never rejects. `release` must follow.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | null>")]
    pub fn close<'env>(&self, env: &'env Env, timeout: u32) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let on_settled = Box::new(move |failure| deferred.resolve(move |_| Ok(failure)));
        self.state.slot.close(timeout, on_settled);
        Ok(promise)
    }

    /// Has a `close` that is under way wait `timeout` milliseconds from now, if it would wait longer.
    #[napi(catch_unwind)]
    pub fn shorten_timeout(&self, timeout: u32) {
        self.state.slot.shorten_timeout(timeout);
    }

    /// Delivers what waits, without waiting to be called: before `release`, so that nothing is lost.
    #[napi(catch_unwind)]
    pub fn drain(&self, env: &Env) {
        self.state.drain_all(env);
    }

    /// Frees everything. Requests that are still under way get a disconnect.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.state.tear_down();
    }
}
