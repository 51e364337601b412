//! The native half of `PythonHandler`: requests go in by one call each.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use asgi_node_core::Config;
use asgi_node_core::log_queue::Dropped;
use asgi_node_core::message_queue::{ABNORMAL, Closed, Message};
use asgi_node_core::protocol::flag;
use asgi_node_core::{Error, Exchange, Notify, ResponseEvent, Submission, Traced};
use napi::bindgen_prelude::{FnArgs, Function, FunctionCallContext, Object, Uint8Array, Unknown};
use napi::{Env, JsString, Result};
use napi_derive::napi;
use parking_lot::Mutex;

use crate::app_slot::{self, App};
use crate::application::{self, Application};
use crate::delivery::Parcel;
use crate::errors::NativeFailure;
use crate::event_sink::EventSink;
use crate::ffi::{self, Deliver, Delivered, Delivery};
use crate::health::Health;
use crate::open::OpenExchanges;
use crate::rewriting::Rewriting;
use crate::sync_call::{self, SyncOutcome};

/// Log records and lines that are handed over before JavaScript's other work comes in between.
const SAID_AT_ONCE: usize = 256;

thread_local! {
    /// Whether a handler of this environment is inside `deliver`: a synchronous call from there would wait for itself.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// `deliver` as the constructor gets it.
type DeliverArgument<'a> = Function<'a, FnArgs<(u32, u32, u32, String, Unknown<'static>)>, Unknown<'static>>;

/// The arguments of `submit`.
type Submit = FnArgs<(u32, String, Option<Uint8Array>, u32)>;

fn submission(context: &FunctionCallContext<'_>) -> Result<Submission> {
    let head = context.get::<JsString<'_>>(1)?;
    let body = context.get::<Option<Uint8Array>>(2)?;
    let flags = context.get::<u32>(3)?;
    Ok(Submission {
        id: context.get(0)?,
        head: ffi::latin1(&head)?,
        body: body.map_or_else(Vec::new, |body| body.to_vec()),
        body_follows: flags & flag::BODY_FOLLOWS != 0,
        collects: flags & flag::COLLECT != 0,
        expects_continue: flags & flag::EXPECT_CONTINUE != 0,
        is_websocket: flags & flag::WEBSOCKET != 0,
    })
}

/// What belongs to one handler in one environment. Only that environment's thread touches it.
pub(crate) struct Inner {
    pub(crate) config: Config,
    /// What happens to heads before anything else; `None` costs nothing.
    rewriting: Option<Rewriting>,
    /// The app, or what becomes of it; changed by a thread of Python's.
    pub(crate) app: Arc<Mutex<App>>,
    /// Where it runs; also while it loads, and when nobody waits for it any longer.
    pub(crate) home: app_slot::Home,
    /// Who waits for a close that is under way.
    pub(crate) closing: Arc<Mutex<Option<app_slot::OnSettled>>>,
    sink: RefCell<Option<Arc<EventSink>>>,
    deliver: OnceCell<Deliver>,
    /// Room for what a drain takes, kept from one to the next.
    batch: Cell<Vec<Arc<Exchange>>>,
    open: RefCell<OpenExchanges>,
}

impl Inner {
    /// Hands all events to JavaScript.
    fn drain(&self, env: &Env) {
        let Some(sink) = self.sink.borrow().clone() else {
            return;
        };
        let Some(callback) = self.deliver.get() else { return };
        let Some(delivery) = Delivery::new(env, callback) else {
            return;
        };
        let mut batch = self.batch.take();
        sink.take(&mut batch);
        DELIVERING.set(true);
        'batch: for exchange in batch.drain(..) {
            for event in exchange.take_events() {
                if !self.deliver_event(&delivery, &exchange, event) {
                    break 'batch;
                }
            }
        }
        Self::drain_log_queue(&delivery, &sink);
        DELIVERING.set(false);
        self.batch.set(batch);
    }

    /// Hands over what was said in Python; tells whether there was anything.
    fn drain_log_queue(delivery: &Delivery<'_>, sink: &EventSink) -> bool {
        let mut said = Vec::new();
        let dropped = sink.log_queue().take(SAID_AT_ONCE, &mut said);
        let lost = (dropped != Dropped::default()).then(|| Parcel::dropped(dropped));
        let mut any = false;
        for parcel in said.into_iter().map(Parcel::said).chain(lost) {
            any = true;
            let dropped = parcel.as_dropped();
            let delivered = match delivery.deliver(parcel) {
                Delivered::Refused(_) => delivery.deliver(Parcel::dropped(dropped)),
                delivered => delivered,
            };
            if delivered == Delivered::Stopped {
                return false;
            }
        }
        any
    }

    /// The same until nothing is left.
    fn drain_all(&self, env: &Env) {
        self.drain(env);
        let (Some(sink), Some(callback)) = (self.sink.borrow().clone(), self.deliver.get()) else {
            return;
        };
        let Some(delivery) = Delivery::new(env, callback) else {
            return;
        };
        while Self::drain_log_queue(&delivery, &sink) {}
    }

    /// Hands over one event; false when JavaScript cannot run any more.
    fn deliver_event(&self, delivery: &Delivery<'_>, exchange: &Arc<Exchange>, event: ResponseEvent) -> bool {
        let (id, bytes) = (exchange.id(), event.body_len());
        let is_file = matches!(event, ResponseEvent::File(_));
        // A file that ends the response keeps its number until it has been sent.
        let (last, ends) = (event.is_last() && !is_file, event.is_last() && is_file);
        if !self.open.borrow().knows(exchange) {
            // Given up by JavaScript between two events.
            return true;
        }
        if last {
            // Before the call, because the number is free for a new request as soon as JavaScript knows of the end.
            drop(self.open.borrow_mut().remove(id));
        }
        let parcel = Parcel::new(id, event);
        match delivery.deliver(parcel) {
            Delivered::Taken => {
                exchange.taken(bytes);
                if ends && self.open.borrow().knows(exchange) {
                    drop(self.open.borrow_mut().remove(id));
                }
            }
            Delivered::Held => self.open.borrow_mut().hold(id, bytes, ends),
            Delivered::Refused(refusal) => {
                drop(self.open.borrow_mut().remove(id));
                exchange.disconnect();
                return delivery.deliver(Parcel::refused(id, refusal)) != Delivered::Stopped;
            }
            Delivered::Stopped => return false,
        }
        true
    }

    /// Nobody will look at the exchanges any more.
    fn tear_down(&self) {
        let app = std::mem::replace(&mut *self.app.lock(), App::Closed);
        // Unless it was closed in order, this is the end of an environment: nothing is waited for.
        match app {
            App::Loaded(app) => app.close(0, |_| {}),
            App::Closing(app) => {
                if let Some(app) = app.upgrade() {
                    app.shorten_timeout(0);
                }
            }
            App::Loading(_) => application::give_up(self.home.get()),
            _ => {}
        }
        if let Some(sink) = self.sink.borrow_mut().take() {
            sink.close();
        }
        let open = self.open.borrow_mut().take_all();
        for exchange in open {
            exchange.disconnect();
        }
    }

    fn submit(&self, mut submission: Submission, quiet: bool) -> std::result::Result<(), Error> {
        let sink = self.sink.borrow().clone().ok_or(Error::HandlerClosed)?;
        self.rewrite(&mut submission)?;
        let id = submission.id;
        let app = self.app()?;
        let exchange = app.submit_quietly(submission, sink as Arc<dyn Notify>)?;
        if !quiet {
            app.wake();
        }
        self.open.borrow_mut().insert(id, exchange);
        Ok(())
    }

    fn rewrite(&self, submission: &mut Submission) -> std::result::Result<(), Error> {
        match &self.rewriting {
            Some(rewriting) => rewriting.apply(submission),
            None => Ok(()),
        }
    }

    fn app(&self) -> std::result::Result<Arc<Application>, Error> {
        match &*self.app.lock() {
            App::Loaded(app) => Ok(Arc::clone(app)),
            _ => Err(Error::HandlerClosed),
        }
    }
}

/// The native half of a handler.
#[napi]
#[allow(missing_debug_implementations, reason = "only JavaScript holds it")]
pub struct NativeHandler {
    pub(crate) inner: Rc<Inner>,
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
        let drained = Rc::new(OnceCell::<Weak<Inner>>::new());
        let inside = Rc::clone(&drained);
        let drain =
            env.create_function_from_closure::<(), (), _>("drain", move |context: FunctionCallContext<'_>| {
                if let Some(inner) = inside.get().and_then(Weak::upgrade) {
                    inner.drain(context.env);
                }
                Ok(())
            })?;
        let sink = Arc::new(EventSink::new(&drain)?);
        let config = Config {
            log_queue: Some(Arc::clone(sink.log_queue())),
            ..config
        };
        let inner = Rc::new(Inner {
            config,
            rewriting,
            app: Arc::default(),
            home: Arc::default(),
            closing: Arc::default(),
            sink: RefCell::new(Some(sink)),
            deliver: OnceCell::new(),
            batch: Cell::default(),
            open: RefCell::default(),
        });
        let _ = inner.deliver.set(deliver.create_ref()?);
        let _ = drained.set(Rc::downgrade(&inner));
        env.add_env_cleanup_hook(Rc::downgrade(&inner), |inner: Weak<Inner>| {
            // napi-rs calls this from C and does not catch what unwinds: that would abort the process.
            let tear_down = || inner.upgrade().map(|inner| inner.tear_down());
            drop(std::panic::catch_unwind(std::panic::AssertUnwindSafe(tear_down)));
        })?;
        Ok(Self { inner })
    }

    /// Imports the app on its event loop. Resolves to null, or to why it failed; never rejects.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | null>")]
    pub fn start<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        app_slot::load(
            &self.inner.app,
            &self.inner.home,
            &self.inner.config,
            Box::new(move |failure| deferred.resolve(move |_| Ok(failure))),
        );
        Ok(promise)
    }

    /// Sends a request into Python. Returns null, or why it was refused.
    ///
    /// A function, made at each look: the one call of every request goes past what napi-rs does for a method of a class, which
    /// costs more than all that this does.
    #[napi(
        getter,
        catch_unwind,
        ts_return_type = "(id: number, head: string, body: Uint8Array | undefined, flags: number) => NativeFailure | null"
    )]
    pub fn submit<'env>(&self, env: &'env Env) -> Result<Function<'env, Submit, Option<NativeFailure>>> {
        let inner = Rc::downgrade(&self.inner);
        env.create_function_from_closure("submit", move |context: FunctionCallContext<'_>| {
            let submission = submission(&context)?;
            let quiet = context.get::<u32>(3)? & flag::QUIET != 0;
            let submitted = inner
                .upgrade()
                .ok_or(Error::HandlerClosed)
                .and_then(|inner| inner.submit(submission, quiet));
            Ok(submitted.err().map(NativeFailure::from))
        })
    }

    /// Has Python look at the requests that were submitted with QUIET.
    #[napi(catch_unwind)]
    pub fn wake(&self) {
        if let Ok(app) = self.inner.app() {
            app.wake();
        }
    }

    /// Adds request body. False: stop until RESUME is delivered.
    #[napi(catch_unwind)]
    pub fn push(&self, id: u32, chunk: Option<Uint8Array>, last: bool) -> bool {
        let open = self.inner.open.borrow();
        let Some(open) = open.get(id) else { return true };
        open.exchange
            .push_body(chunk.map_or_else(Vec::new, |chunk| chunk.to_vec()), last)
    }

    /// Adds a message of a WebSocket. False: stop until RESUME is delivered.
    #[napi(catch_unwind)]
    pub fn message(&self, id: u32, data: Uint8Array, is_text: bool) -> bool {
        let open = self.inner.open.borrow();
        let Some(open) = open.get(id) else { return true };
        let data = data.to_vec();
        open.exchange.push_message(Message { is_text, data })
    }

    /// The client has closed its WebSocket, with this code and reason: no further event for this number.
    #[napi(catch_unwind)]
    pub fn closed(&self, id: u32, code: u32, reason: String) {
        let open = self.inner.open.borrow_mut().remove(id);
        if let Some(open) = open {
            let code = u16::try_from(code).unwrap_or(ABNORMAL);
            open.exchange.close(Closed { code, reason });
        }
    }

    /// The client has broken the protocol: the app hears of it behind the messages that came before, and CLOSE is delivered behind
    /// what it sends until then.
    #[napi(catch_unwind)]
    pub fn faulted(&self, id: u32, code: u32) {
        if let Some(open) = self.inner.open.borrow().get(id) {
            let code = u16::try_from(code).unwrap_or(ABNORMAL);
            open.exchange.end_messages(Closed::with(code));
        }
    }

    /// The consumer has taken all bytes for which `deliver` returned false. Behind the file that ends a response this is the end
    /// of its number.
    #[napi(catch_unwind)]
    pub fn drained(&self, id: u32) {
        self.inner.open.borrow_mut().drained(id);
    }

    /// The client has closed its side: the app gets `http.disconnect` when it asks, and what it sends is still delivered.
    #[napi(catch_unwind)]
    pub fn half_close(&self, id: u32) {
        if let Some(open) = self.inner.open.borrow().get(id) {
            open.exchange.half_close();
        }
    }

    /// The client has gone, or nobody wants the rest: no further event for this number.
    #[napi(catch_unwind)]
    pub fn disconnect(&self, id: u32) {
        let open = self.inner.open.borrow_mut().remove(id);
        match (open, self.inner.app()) {
            (Some(open), Ok(app)) => app.disconnect(&open.exchange),
            (Some(open), Err(_)) => open.exchange.disconnect(),
            (None, _) => {}
        }
    }

    /// The time of this request is over: no further event for this number. It counts as abandoned until the app returns.
    #[napi(catch_unwind)]
    pub fn give_up(&self, id: u32) {
        let open = self.inner.open.borrow_mut().remove(id);
        match (open, self.inner.app()) {
            (Some(open), Ok(app)) => app.give_up(&open.exchange),
            (Some(open), Err(_)) => open.exchange.disconnect(),
            (None, _) => {}
        }
    }

    /// Answers one request while the caller waits.
    #[napi(catch_unwind)]
    pub fn call_sync(&self, head: JsString<'_>, body: Option<Uint8Array>) -> Result<SyncOutcome> {
        let mut submission = Submission {
            id: 0,
            head: ffi::latin1(&head)?,
            body: body.map_or_else(Vec::new, |body| body.to_vec()),
            body_follows: false,
            collects: true,
            expects_continue: false,
            is_websocket: false,
        };
        let app = if DELIVERING.get() {
            Err(Error::SyncReentrant)
        } else {
            self.inner.rewrite(&mut submission).and_then(|()| self.inner.app())
        };
        let limit = self.inner.config.time_limit();
        let answered = app
            .map_err(Traced::from)
            .and_then(|app| sync_call::call(&app, submission, limit));
        Ok(answered.into())
    }

    /// How the app is; null before it is there and after the end. Does not wait for Python.
    #[napi(catch_unwind)]
    pub fn health(&self) -> Option<Health> {
        let app = match &*self.inner.app.lock() {
            App::Loaded(app) => Some(Arc::clone(app)),
            App::Closing(app) => app.upgrade(),
            _ => None,
        };
        app.map(|app| app.health().into())
    }

    /// Whether what is under way keeps the process alive.
    #[napi(catch_unwind)]
    pub fn keep_alive(&self, env: Env, alive: bool) {
        if let Some(sink) = &*self.inner.sink.borrow() {
            ffi::keep_alive(&env, sink.bell(), alive);
        }
    }

    /// Refuses requests from now on, ends what is under way (after `timeout` milliseconds by cancelling it), then the app's
    /// lifespan. Resolves to null, or to why the shutdown failed; never rejects. `release` must follow.
    #[napi(catch_unwind, ts_return_type = "Promise<NativeFailure | null>")]
    pub fn close<'env>(&self, env: &'env Env, timeout: u32) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let app = std::mem::replace(&mut *self.inner.app.lock(), App::Closed);
        let on_settled: app_slot::OnSettled = Box::new(move |failure| deferred.resolve(move |_| Ok(failure)));
        *self.inner.closing.lock() = Some(on_settled);
        let closing = Arc::clone(&self.inner.closing);
        let done = move |failure: Option<NativeFailure>| {
            let on_settled = closing.lock().take();
            if let Some(on_settled) = on_settled {
                on_settled(failure);
            }
        };
        match app {
            App::Loaded(app) => {
                *self.inner.app.lock() = App::Closing(Arc::downgrade(&app));
                app.close(timeout.into(), move |closed| done(closed.err().map(Into::into)));
            }
            App::Loading(waiting) => {
                for on_settled in waiting {
                    on_settled(Some(Error::HandlerClosed.into()));
                }
                application::give_up(self.inner.home.get());
                done(None);
            }
            _ => done(None),
        }
        Ok(promise)
    }

    /// Has a `close` that is under way wait `timeout` milliseconds from now, if it would wait longer.
    #[napi(catch_unwind)]
    pub fn shorten_timeout(&self, timeout: u32) {
        let App::Closing(app) = &*self.inner.app.lock() else {
            return;
        };
        if let Some(app) = app.upgrade() {
            app.shorten_timeout(timeout.into());
        }
    }

    /// Delivers what waits, without waiting to be called: before `release`, so that nothing is lost.
    #[napi(catch_unwind)]
    pub fn drain(&self, env: &Env) {
        self.inner.drain_all(env);
    }

    /// Lets go of everything; what is still under way sees a disconnect.
    #[napi(catch_unwind)]
    pub fn release(&self) {
        self.inner.tear_down();
    }
}
