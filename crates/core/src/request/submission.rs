//! A request on its way to an app.

/// What a host knows of a request when it submits it.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub struct Submission {
    /// The host's number for it.
    pub id: u32,
    /// The flat head.
    pub head: Vec<u8>,
    /// What is there of the body.
    pub body: Vec<u8>,
    /// Whether more of it follows by [`crate::Exchange::push_body`].
    pub body_follows: bool,
    /// Whether the host takes everything at once: then there is no window towards it.
    pub collects: bool,
    /// Whether the host only looks at large pieces of the response, and holds no copy of them: they may come at once, as far as
    /// the largest window goes.
    pub borrows: bool,
    /// Whether the client waits for `100 Continue`.
    pub expects_continue: bool,
    /// Whether the request asks for a WebSocket: there is no body then, and messages follow by [`crate::Exchange::push_message`].
    pub is_websocket: bool,
}
