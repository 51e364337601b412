//! One request and its response: the only thing that both threads hold.
//!
//! The host's thread pushes the request body and takes response events; the event loop's thread takes the body and emits
//! events. Each side notifies the other at most once until it is looked at, so an exchange is in each inbox at most
//! once and the inboxes are bounded by the exchanges in flight.
//!
//! Each direction is bounded by a [window](crate::Limits). Towards the app: [`Exchange::push_body`] says when to stop and a
//! [`ResponseEvent::Resume`] says when to go on. Towards the host: [`Exchange::emit`] says when the window is full; the
//! bytes leave it when the host has taken them ([`Exchange::taken`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::exchange::event::ResponseEvent;
use crate::exchange::message_queue::{Closed, MessageQueue};
use crate::exchange::window::{Limits, Window};
use crate::sync::Mutex;
pub use budget::Waiting;
use counted::Counted;
pub use counted::Unreturned;
use inbound::Inbound;

mod budget;
pub mod chunk_pool;
mod counted;
pub mod event;
mod inbound;
pub mod message_queue;
mod messages;
pub(crate) mod window;

/// Notified when an exchange has events. Must not block, and must not call the exchange.
pub trait Notify: Send + Sync {
    /// Called at most once between two looks at the exchange.
    fn notify(&self, exchange: Arc<Exchange>);

    /// The app of the exchange of this number has returned. Most hosts do not want to know.
    fn returned(&self, _id: u32) {}
}

/// What `receive` finds.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// Request body; `more` tells whether further bytes follow.
    Body {
        /// What has arrived so far, in order.
        chunks: VecDeque<Vec<u8>>,
        /// Whether the body goes on.
        more: bool,
    },
    /// The client has gone.
    Disconnected,
    /// Nothing yet; the event loop will be notified.
    Nothing,
}

/// What became of an emitted event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Emitted {
    /// The window has room for more.
    Open,
    /// The window is full; [`Exchange::poll_room`] has the event loop told when it opens.
    Full,
    /// The client has gone; the event was dropped.
    Gone,
}

#[derive(Debug)]
struct Outbound {
    window: Window,
    events: Vec<ResponseEvent>,
    /// Bytes that the host has not taken: queued here, or handed over and not acknowledged.
    outstanding: usize,
    /// In the host's inbox.
    announced: bool,
}

#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
struct State {
    inbound: Inbound,
    outbound: Outbound,
    disconnected: bool,
    /// The host is closing: whoever would wait for the client to leave is notified that it has.
    shutting_down: bool,
    /// The app has received a disconnect.
    disconnect_delivered: bool,
    /// The event loop wants to know of changes.
    loop_waits: bool,
    /// What a WebSocket has in place of a request body.
    messages: Option<MessageQueue>,
}

impl Outbound {
    fn is_open(&self) -> bool {
        self.window.is_open(self.outstanding)
    }
}

/// The bytes that may be under way in each direction.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Request body that waits for the app.
    pub inbound: Limits,
    /// Response body that the host has not taken.
    pub outbound: Limits,
    /// The most bytes of one piece that is lent to the host; 0 where it does not borrow. Such a piece may be larger than the
    /// window, because it is the app's memory in any case.
    pub lent: usize,
}

impl State {
    fn new(windows: Windows) -> Self {
        Self {
            inbound: Inbound::new(windows.inbound),
            outbound: Outbound {
                window: Window::to_socket(windows.outbound),
                events: Vec::new(),
                outstanding: 0,
                announced: false,
            },
            disconnected: false,
            shutting_down: false,
            disconnect_delivered: false,
            loop_waits: false,
            messages: None,
        }
    }
}

/// One request and its response.
pub struct Exchange {
    id: u32,
    is_websocket: bool,
    windows: Windows,
    counted: Counted,
    state: Mutex<State>,
    event_loop: Arc<dyn Notify>,
    host: Arc<dyn Notify>,
}

impl std::fmt::Debug for Exchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchange")
            .field("id", &self.id)
            .field("state", &*self.state.lock())
            .finish_non_exhaustive()
    }
}

impl Exchange {
    /// A new exchange. `body` is what is there of the request body; `complete` that nothing follows.
    pub fn new(
        id: u32,
        windows: Windows,
        body: Vec<u8>,
        complete: bool,
        event_loop: Arc<dyn Notify>,
        host: Arc<dyn Notify>,
    ) -> Arc<Self> {
        let mut state = State::new(windows);
        let inbound = &mut state.inbound;
        inbound.size.add(body.len());
        inbound.complete = complete;
        if !body.is_empty() {
            inbound.chunks.push_back(body);
        }
        Self::with(id, windows, state, event_loop, host)
    }

    fn with(id: u32, windows: Windows, state: State, event_loop: Arc<dyn Notify>, host: Arc<dyn Notify>) -> Arc<Self> {
        Arc::new(Self {
            id,
            is_websocket: state.messages.is_some(),
            windows,
            counted: Counted::default(),
            state: Mutex::new(state),
            event_loop,
            host,
        })
    }

    /// The host's number for it.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Whether it is a WebSocket.
    pub fn is_websocket(&self) -> bool {
        self.is_websocket
    }

    /// How much of a piece of this length may go to the host at once.
    pub fn portion(&self, length: usize) -> usize {
        // Mostly it is small, and the window need not be asked.
        if length <= self.windows.outbound.least {
            return length;
        }
        let portion = self.state.lock().outbound.window.portion();
        length.min(portion.max(self.windows.lent))
    }

    /// Whether a piece of this length is more than the window would have let go: then the app waits until the host has taken it.
    pub fn overfills(&self, length: usize) -> bool {
        self.borrows() && length > self.windows.outbound.least && length > self.state.lock().outbound.window.portion()
    }

    /// Whether the host may be lent the app's own memory.
    pub fn borrows(&self) -> bool {
        self.windows.lent > 0
    }

    /// What fills the window towards the host, whatever its size.
    pub fn whole_window(&self) -> usize {
        self.windows.outbound.most
    }

    // ---- the host's side

    /// Emits [`ResponseEvent::Continue`] when the app first asks for the body. Called before the exchange is submitted.
    pub fn expect_continue(&self) {
        self.state.lock().inbound.expects_continue = true;
    }

    /// The client has announced so many bytes: they may come whole if the largest window has room for them. Called before the
    /// exchange is submitted.
    pub fn expect_body(&self, length: usize) {
        if length <= self.windows.inbound.most {
            self.state.lock().inbound.spread = length;
        }
    }

    /// The host has a window of its own: it is notified by [`ResponseEvent::Resume`] whenever the app has received so many bytes.
    /// Called before the exchange is submitted.
    pub fn tell_receipts(&self, bytes: usize) {
        self.state.lock().inbound.receipt = bytes;
    }

    /// The app is elsewhere: [`Self::receive`] passes the body on, and [`Self::note_receipt`] says that the app has received. Called
    /// before the exchange is submitted.
    pub fn relay(&self) {
        self.state.lock().inbound.is_relayed = true;
    }

    /// An app that is elsewhere has received something of the body.
    pub fn note_receipt(&self) {
        let inbound = &mut self.state.lock().inbound;
        inbound.spread = inbound.spread.max(self.windows.inbound.most);
    }

    /// How many bytes of the request body wait for the app.
    pub fn waiting(&self) -> usize {
        self.state.lock().inbound.size.get()
    }

    /// Adds request body. `false` means: stop until [`ResponseEvent::Resume`].
    pub fn push_body(self: &Arc<Self>, chunk: Vec<u8>, last: bool) -> bool {
        self.push_chunks([chunk], last)
    }

    /// The same with several chunks at once.
    pub fn push_chunks(self: &Arc<Self>, chunks: impl IntoIterator<Item = Vec<u8>>, last: bool) -> bool {
        let mut state = self.state.lock();
        if state.disconnected || state.inbound.complete {
            return true;
        }
        let inbound = &mut state.inbound;
        for chunk in chunks.into_iter().filter(|chunk| !chunk.is_empty()) {
            inbound.size.add(chunk.len());
            inbound.chunks.push_back(chunk);
        }
        inbound.complete = last;
        if last {
            inbound.window.forget();
        }
        let size = inbound.size.get();
        let room =
            last || (size < inbound.spread && Waiting::is_sum_small()) || inbound.window.has_room(size, Instant::now);
        self.tell_event_loop(&mut state);
        room
    }

    /// The client has gone, or the host wants no more of it: the app gets `http.disconnect`, the host no further event.
    pub fn disconnect(self: &Arc<Self>) {
        let mut state = self.state.lock();
        if std::mem::replace(&mut state.disconnected, true) {
            return;
        }
        state.outbound.events = Vec::new();
        state.inbound.chunks = VecDeque::new();
        state.inbound.size.clear();
        if let Some(messages) = &mut state.messages {
            messages.close(Closed::abnormal());
        }
        self.tell_event_loop(&mut state);
    }

    /// The client has closed its side of the connection and may have left, or may wait for the response: nobody can tell
    /// before something is written. The app gets `http.disconnect` when it asks again; what it sends goes out (docs/asgi.md, 43
    /// and 49).
    pub fn half_close(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.inbound.half_closed = true;
        self.tell_event_loop(&mut state);
    }

    /// Takes the events that wait for the host.
    pub fn take_events(&self) -> Vec<ResponseEvent> {
        let mut state = self.state.lock();
        state.outbound.announced = false;
        std::mem::take(&mut state.outbound.events)
    }

    /// The host has taken this many bytes.
    pub fn taken(self: &Arc<Self>, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut state = self.state.lock();
        let outbound = &mut state.outbound;
        outbound.outstanding = outbound.outstanding.saturating_sub(bytes);
        if outbound.window.take(bytes, outbound.outstanding, Instant::now) {
            self.tell_event_loop(&mut state);
        }
    }

    // ---- the event loop's side

    /// Whether the client has gone.
    pub fn is_disconnected(&self) -> bool {
        self.state.lock().disconnected
    }

    /// The handler is closing: `receive` gives a disconnect where it would wait for one (docs/asgi.md, 134). `send` goes on.
    pub fn begin_shutdown(self: &Arc<Self>) {
        let mut state = self.state.lock();
        state.shutting_down = true;
        self.tell_event_loop(&mut state);
    }

    /// Whether the handler is closing.
    pub fn is_shutting_down(&self) -> bool {
        self.state.lock().shutting_down
    }

    /// Whether the app has received a disconnect.
    pub fn is_disconnect_delivered(&self) -> bool {
        self.state.lock().disconnect_delivered
    }

    /// Whether the client has gone; if not, the event loop will be notified of the next change.
    pub fn await_disconnect(&self) -> bool {
        let mut state = self.state.lock();
        state.loop_waits |= !state.disconnected;
        state.disconnected
    }

    /// Takes the request body that is there; of very much of it a part.
    pub fn receive(self: &Arc<Self>) -> Received {
        let mut state = self.state.lock();
        if state.disconnected {
            state.disconnect_delivered = true;
            return Received::Disconnected;
        }
        if std::mem::take(&mut state.inbound.expects_continue)
            && !state.inbound.complete
            && state.inbound.size.get() == 0
        {
            self.queue(&mut state, ResponseEvent::Continue);
        }
        let inbound = &mut state.inbound;
        if inbound.delivered || (inbound.chunks.is_empty() && !inbound.complete) {
            if inbound.half_closed || (inbound.delivered && state.shutting_down) {
                state.disconnect_delivered = true;
                return Received::Disconnected;
            }
            state.loop_waits = true;
            return Received::Nothing;
        }
        if !inbound.is_relayed {
            inbound.spread = inbound.spread.max(self.windows.inbound.most);
        }
        let (chunks, size) = inbound.take_portion();
        inbound.size.sub(size);
        inbound.delivered = inbound.complete && inbound.chunks.is_empty();
        let more = !inbound.delivered;
        if inbound.note_received(size) {
            self.queue(&mut state, ResponseEvent::Resume);
        }
        Received::Body { chunks, more }
    }

    /// Hands an event to the host. The event loop is notified of room only when it has asked by [`Self::poll_room`].
    pub fn emit(self: &Arc<Self>, event: ResponseEvent) -> Emitted {
        let mut state = self.state.lock();
        if state.disconnected {
            return Emitted::Gone;
        }
        state.outbound.outstanding += event.body_len();
        self.queue(&mut state, event);
        if state.outbound.is_open() {
            Emitted::Open
        } else {
            Emitted::Full
        }
    }

    /// Tells the host that the app has returned.
    pub fn tell_return(&self) {
        self.host.returned(self.id);
    }

    /// Whether there is room; if not, the event loop will be notified.
    pub fn poll_room(&self) -> Emitted {
        let state = &mut *self.state.lock();
        let outbound = &mut state.outbound;
        if state.disconnected {
            Emitted::Gone
        } else if outbound.window.has_room(outbound.outstanding, Instant::now) {
            Emitted::Open
        } else {
            state.loop_waits = true;
            Emitted::Full
        }
    }

    /// Whether the host has taken what it was given, up to its window; also of one whose client has gone since.
    pub fn is_taken(&self) -> bool {
        self.state.lock().outbound.is_open()
    }

    // ---- both

    fn queue(self: &Arc<Self>, state: &mut State, event: ResponseEvent) {
        // Mostly it stays the only one until the host looks; Vec would make room for four.
        if state.outbound.events.is_empty() {
            state.outbound.events.reserve_exact(1);
        }
        state.outbound.events.push(event);
        if !std::mem::replace(&mut state.outbound.announced, true) {
            self.host.notify(Arc::clone(self));
        }
    }

    fn tell_event_loop(self: &Arc<Self>, state: &mut State) {
        if std::mem::take(&mut state.loop_waits) {
            self.event_loop.notify(Arc::clone(self));
        }
    }
}

#[cfg(test)]
mod tests;
