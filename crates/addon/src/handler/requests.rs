//! The requests of a handler: each goes in by one call, and its body, its messages and its end by others.

use std::rc::Rc;

use asgi_node_core::message_queue::{ABNORMAL, Closed, Message};
use asgi_node_core::protocol::{flag, payload};
use asgi_node_core::{Error, Submission, Traced, chunk_pool};
use napi::bindgen_prelude::{FnArgs, Function, FunctionCallContext, Uint8Array, Uint8ArraySlice, Unknown};
use napi::{Env, JsString, Result};
use napi_derive::napi;

use super::NativeHandler;
use crate::errors::NativeFailure;
use crate::ffi;
use crate::sync_call::{self, SyncOutcome};

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
        borrows: flags & flag::BORROWS != 0,
        expects_continue: flags & flag::EXPECT_CONTINUE != 0,
        is_websocket: flags & flag::WEBSOCKET != 0,
    })
}

#[napi]
impl NativeHandler {
    /// Sends a request into Python. Returns null, or why it was refused.
    ///
    /// A getter that creates a plain function. A method of a napi-rs class would cost more than the call itself.
    #[napi(
        getter,
        catch_unwind,
        ts_return_type = "(id: number, head: string, body: Uint8Array | undefined, flags: number) => NativeFailure | null"
    )]
    pub fn submit<'env>(&self, env: &'env Env) -> Result<Function<'env, Submit, Option<NativeFailure>>> {
        let state = Rc::downgrade(&self.state);
        env.create_function_from_closure("submit", move |context: FunctionCallContext<'_>| {
            let submission = submission(&context)?;
            let quiet = context.get::<u32>(3)? & flag::QUIET != 0;
            let submitted = state
                .upgrade()
                .ok_or(Error::HandlerClosed)
                .and_then(|state| state.submit(submission, quiet));
            Ok(submitted.err().map(NativeFailure::from))
        })
    }

    /// Wakes the event loop for requests submitted with QUIET.
    #[napi(catch_unwind)]
    pub fn wake(&self) {
        if let Ok(app) = self.state.slot.app() {
            app.wake();
        }
    }

    /// Adds request body. False: stop until RESUME is delivered.
    #[napi(catch_unwind)]
    pub fn push(&self, id: u32, chunk: Option<Uint8Array>, last: bool) -> bool {
        let open = self.state.open.borrow();
        let Some(open) = open.get(id) else { return true };
        open.exchange
            .push_body(chunk.map_or_else(Vec::new, |chunk| chunk_pool::copy(&chunk)), last)
    }

    /// Adds several pieces of request body, as [`Self::push`] does with one.
    #[napi(catch_unwind)]
    pub fn push_all(
        &self,
        env: &Env,
        id: u32,
        #[napi(ts_arg_type = "Uint8Array[]")] chunks: Unknown<'_>,
        last: bool,
    ) -> bool {
        let open = self.state.open.borrow();
        let Some(open) = open.get(id) else { return true };
        let mut copies = Vec::new();
        ffi::for_each_piece(env, &chunks, |chunk| copies.push(chunk_pool::copy(chunk)));
        open.exchange.push_chunks(copies, last)
    }

    /// Adds a message of a WebSocket. False: stop until RESUME is delivered.
    #[napi(catch_unwind)]
    pub fn message(&self, id: u32, data: Uint8Array, is_text: bool) -> bool {
        let open = self.state.open.borrow();
        let Some(open) = open.get(id) else { return true };
        let data = data.to_vec().into();
        open.exchange.push_message(Message { is_text, data })
    }

    /// Adds bytes of a frame that is a message by itself, as they came from the client: those of `chunk` from `start` to `end`, masked
    /// with `key`, which is little-endian. `follow` bytes of this message are still to come. The message is delivered when `follow`
    /// is 0.
    #[napi(catch_unwind)]
    #[allow(clippy::too_many_arguments, reason = "one call, and no object, for each message")]
    pub fn payload(
        &self,
        id: u32,
        chunk: Uint8ArraySlice<'_>,
        start: u32,
        end: u32,
        key: u32,
        follow: u32,
        is_text: bool,
    ) -> u32 {
        let mut open = self.state.open.borrow_mut();
        let Some(open) = open.get_mut(id) else {
            return payload::TAKEN;
        };
        let masked = chunk.get(start as usize..end as usize).unwrap_or_default();
        let Some(data) = open.payload.add(masked, key.to_le_bytes(), follow as usize) else {
            return payload::TAKEN;
        };
        if is_text && str::from_utf8(&data).is_err() {
            return payload::NOT_UTF8;
        }
        let data = data.into();
        if open.exchange.push_message(Message { is_text, data }) {
            payload::TAKEN
        } else {
            payload::FULL
        }
    }

    /// The client has closed its WebSocket, with this code and reason: no further event for this number.
    #[napi(catch_unwind)]
    pub fn closed(&self, id: u32, code: u32, reason: String) {
        let open = self.state.open.borrow_mut().remove(id);
        if let Some(open) = open {
            let code = u16::try_from(code).unwrap_or(ABNORMAL);
            open.exchange.close(Closed { code, reason });
        }
    }

    /// The client has broken the protocol: the app hears of it behind the messages that came before, and CLOSE is delivered behind
    /// what it sends until then.
    #[napi(catch_unwind)]
    pub fn faulted(&self, id: u32, code: u32) {
        if let Some(open) = self.state.open.borrow().get(id) {
            let code = u16::try_from(code).unwrap_or(ABNORMAL);
            open.exchange.end_messages(Closed::with(code));
        }
    }

    /// The consumer has taken all bytes for which `deliver` returned false. After the file that ends a response this is the end
    /// of its number; after a lent piece that does, END is delivered.
    #[napi(catch_unwind)]
    pub fn drained(&self, env: &Env, id: u32) {
        let after = self.state.open.borrow_mut().drained(id);
        if let Some(trailers) = after {
            self.state.deliver_end(env, id, trailers);
        }
    }

    /// A piece that was lent has been written, and nobody holds it: its memory goes back at once.
    #[napi(catch_unwind)]
    pub fn give_back(&self, env: &Env, #[napi(ts_arg_type = "Buffer")] piece: Unknown<'_>) {
        ffi::detach(env, &piece);
    }

    /// The client has closed its side: the app gets `http.disconnect` when it asks, and what it sends is still delivered.
    #[napi(catch_unwind)]
    pub fn half_close(&self, id: u32) {
        if let Some(open) = self.state.open.borrow().get(id) {
            open.exchange.half_close();
        }
    }

    /// The client has gone, or nobody wants the rest: no further event for this number.
    #[napi(catch_unwind)]
    pub fn disconnect(&self, id: u32) {
        let open = self.state.open.borrow_mut().remove(id);
        match (open, self.state.slot.app()) {
            (Some(open), Ok(app)) => app.disconnect(&open.exchange),
            (Some(open), Err(_)) => open.exchange.disconnect(),
            (None, _) => {}
        }
    }

    /// The time of this request is over: no further event for this number. It counts as abandoned until the app returns.
    #[napi(catch_unwind)]
    pub fn give_up(&self, id: u32) {
        let open = self.state.open.borrow_mut().remove(id);
        match (open, self.state.slot.app()) {
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
            borrows: false,
            expects_continue: false,
            is_websocket: false,
        };
        let app = self.state.rewrite(&mut submission).and_then(|()| self.state.slot.app());
        let limit = self.state.config.time_limit();
        let answered = app
            .map_err(Traced::from)
            .and_then(|app| sync_call::call(&app, submission, limit));
        Ok(answered.into())
    }
}
