//! What belongs to one handler in one environment. Only that environment's thread touches it.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use asgi_node_core::{Config, Error, Exchange, Notify, Submission};

use crate::app_slot::AppSlot;
use crate::event_sink::EventSink;
use crate::ffi::Deliver;
use crate::open::OpenExchanges;
use crate::rewriting::Rewriting;

/// The state of a handler.
pub(crate) struct State {
    pub(crate) config: Config,
    /// What happens to heads before anything else; `None` costs nothing.
    rewriting: Option<Rewriting>,
    /// The app, or what becomes of it.
    pub(crate) slot: Arc<AppSlot>,
    /// How Python wakes Node; `None` after the end.
    pub(crate) sink: RefCell<Option<Arc<EventSink>>>,
    /// The function of JavaScript that gets every event.
    pub(crate) deliver: OnceCell<Deliver>,
    /// Room for what a drain takes, kept from one to the next.
    pub(crate) batch: Cell<Vec<Arc<Exchange>>>,
    /// The requests that JavaScript waits for.
    pub(crate) open: RefCell<OpenExchanges>,
}

impl State {
    pub(crate) fn new(config: Config, rewriting: Option<Rewriting>, sink: Arc<EventSink>) -> Self {
        Self {
            config,
            rewriting,
            slot: Arc::default(),
            sink: RefCell::new(Some(sink)),
            deliver: OnceCell::new(),
            batch: Cell::default(),
            open: RefCell::default(),
        }
    }

    /// Sends a request to the app. With `quiet` the app is not woken for it.
    pub(crate) fn submit(&self, mut submission: Submission, quiet: bool) -> Result<(), Error> {
        let sink = self.sink.borrow().clone().ok_or(Error::HandlerClosed)?;
        self.rewrite(&mut submission)?;
        let id = submission.id;
        let app = self.slot.app()?;
        let exchange = app.submit_quietly(submission, sink as Arc<dyn Notify>)?;
        if !quiet {
            app.wake();
        }
        self.open.borrow_mut().insert(id, exchange);
        Ok(())
    }

    /// Applies the handler's rules.
    pub(crate) fn rewrite(&self, submission: &mut Submission) -> Result<(), Error> {
        match &self.rewriting {
            Some(rewriting) => rewriting.apply(submission),
            None => Ok(()),
        }
    }

    /// Nobody will look at the exchanges any more.
    pub(crate) fn tear_down(&self) {
        self.slot.end();
        if let Some(sink) = self.sink.borrow_mut().take() {
            sink.close();
        }
        let open = self.open.borrow_mut().take_all();
        for exchange in open {
            exchange.disconnect();
        }
    }
}
