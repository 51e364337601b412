//! The contract between Rust and its two hosts: every number that both sides of a binding must agree about, once. The names of
//! the configuration that goes with them are the fields of [`crate::Config`].
//!
//! `make build` writes `npm/asgi-node/lib/native/protocol.js` and `python/asgi_node/_protocol.py` from both; `make lint`
//! fails when they differ from what is committed.

/// One table, for those who write it down in another language.
#[derive(Debug)]
pub struct Table {
    /// Its name, in singular.
    pub name: &'static str,
    /// What its numbers mean.
    pub about: &'static str,
    /// Name, value and meaning of each number, in order.
    pub rows: &'static [(&'static str, u64, &'static str)],
}

/// Close codes that a close frame may carry, from the first of each range to its last (RFC 6455, 7.4; 1012 to 1014 are in its registry).
pub const SENDABLE_CLOSE_CODES: [(u16, u16); 3] = [(1000, 1003), (1007, 1014), (3000, 4999)];

macro_rules! tables {
    ($(
        #[doc = $about:literal]
        $table:ident { $( #[doc = $doc:literal] $name:ident: $type:ty = $value:literal, )* }
    )*) => {
        $(
            #[doc = $about]
            pub mod $table {
                $( #[doc = $doc] pub const $name: $type = $value; )*
            }
        )*

        /// All tables.
        pub const TABLES: &[Table] = &[
            $( Table {
                name: stringify!($table),
                about: $about,
                rows: &[ $( (stringify!($name), $value, $doc), )* ],
            }, )*
        ];
    };
}

tables! {
    /// What native code delivers to JavaScript: `kind` of `deliver(id, kind, status, text, data)`.
    event {
        /// A whole response: `status`, headers in `text`, body in `data`.
        COMPLETE: u32 = 0,
        /// The start of a response, as `COMPLETE`, with the first piece of its body.
        START: u32 = 1,
        /// A further piece of the body.
        BODY: u32 = 2,
        /// The last piece of the body, with the trailers in `text`.
        END: u32 = 3,
        /// There is no complete response: `code\0message\0traceback` in `text`; `status` is 1 if the app has logged why.
        FAILED: u32 = 4,
        /// The request body, or the client's messages, may go on.
        RESUME: u32 = 5,
        /// The app asked for the body of a request that expects `100 Continue`.
        CONTINUE: u32 = 6,
        /// `103 Early Hints`: the values of its Link headers in `text`.
        EARLY_HINT: u32 = 7,
        /// A range of a file: `descriptor\0offset\0length` in `text`; `status` is 1 when the response ends with it.
        FILE: u32 = 8,
        /// A WebSocket is accepted: `subprotocol\0name\0value\0…` in `text`.
        ACCEPT: u32 = 9,
        /// A message of a WebSocket in `data`; `status` is 1 for text.
        MESSAGE: u32 = 10,
        /// A WebSocket is closed: the code in `status`, the reason in `text`.
        CLOSE: u32 = 11,
        /// A log record as JSON in `text`, its level in `status`. It belongs to no exchange, as the two below.
        RECORD: u32 = 12,
        /// A line of output in `text`; `status` is 1 for stdout, 2 for stderr.
        LINE: u32 = 13,
        /// The numbers of records and lines that were dropped, `records\0lines` in `text`.
        DROPPED: u32 = 14,
    }

    /// Bits of the last argument of `submit`.
    flag {
        /// More of the body follows by `push`.
        BODY_FOLLOWS: u32 = 1,
        /// The caller takes the whole response at once: there is no window towards it.
        COLLECT: u32 = 2,
        /// The client waits for `100 Continue`.
        EXPECT_CONTINUE: u32 = 4,
        /// The request asks for a WebSocket.
        WEBSOCKET: u32 = 8,
        /// Python is not woken: `wake` must follow.
        QUIET: u32 = 16,
        /// The host only looks at large pieces of the response: it may get the app's own memory.
        BORROWS: u32 = 32,
    }

    /// ASGI extensions that a connection supports, as bits of the head.
    extension {
        /// The host can send trailers.
        TRAILERS: u32 = 1,
        /// The host can send `103 Early Hints`.
        EARLY_HINT: u32 = 2,
        /// The host can send a file by its path.
        PATHSEND: u32 = 4,
        /// The host can send a file by its descriptor.
        ZEROCOPYSEND: u32 = 8,
        /// The connection is encrypted, and the fields of the `tls` extension follow.
        TLS: u32 = 16,
        /// The client has sent HEAD, and a rewriter has put another method in its place: the response still has no body.
        HEAD: u32 = 32,
    }

    /// What `payload` says of the bytes of a WebSocket's message.
    payload {
        /// There is room for more.
        TAKEN: u32 = 0,
        /// Stop until `RESUME`.
        FULL: u32 = 1,
        /// The text is not valid UTF-8. The message was dropped.
        NOT_UTF8: u32 = 2,
    }

    /// Close codes of a WebSocket (RFC 6455, 7.4).
    close_code {
        /// The application has returned, or has closed without a code.
        NORMAL: u16 = 1000,
        /// The client goes away.
        GOING_AWAY: u16 = 1001,
        /// A peer has broken the protocol.
        PROTOCOL_ERROR: u16 = 1002,
        /// A close frame without a code came. Never sent.
        NO_STATUS: u16 = 1005,
        /// The connection was lost without a close frame. Never sent.
        ABNORMAL: u16 = 1006,
        /// A text is not valid UTF-8, or data cannot be decompressed.
        INVALID_DATA: u16 = 1007,
        /// A message breaks a rule of the receiver.
        POLICY_VIOLATION: u16 = 1008,
        /// A message is too large.
        TOO_LARGE: u16 = 1009,
        /// The application has failed, or the client does not answer.
        INTERNAL_ERROR: u16 = 1011,
        /// The handler is closing ("service restart").
        RESTART: u16 = 1012,
    }

    /// Limits that no option changes.
    limit {
        /// Bytes of the reason in a close frame (RFC 6455, 5.5).
        CLOSE_REASON: usize = 123,
        /// From this size on our own memory becomes a Buffer without a copy. V8 marks its whole heap for every 64 MB of it.
        EXTERNAL: usize = 1_048_576,
        /// From this size on a piece is lent to a host that borrows.
        LENT: usize = 131_072,
        /// What a message counts against a window beside its bytes: empty ones are not free.
        MESSAGE_OVERHEAD: usize = 32,
        /// The largest number that most options take, 2^31 - 1: Node's timers fire at once above it.
        NUMBER: u32 = 2_147_483_647,
        /// Processes of `workers`: more are a mistake.
        PROCESSES: usize = 1024,
        /// Threads of `wsgiThreads`: more are a mistake, as each has a stack.
        WSGI_THREADS: u32 = 1024,
        /// Milliseconds that a cancelled request has to end.
        CANCEL_GRACE: u64 = 5000,
    }

    /// Defaults of options, for every host. Times are in milliseconds.
    default {
        /// Bytes under way per direction and request: `highWaterMark`.
        HIGH_WATER_MARK: usize = 65_536,
        /// What that grows to for a side that keeps up, where the option is not given.
        LARGEST_WINDOW: usize = 1_048_576,
        /// Requests in flight: `maxConcurrency`.
        MAX_CONCURRENCY: usize = 65_536,
        /// Messages of a WebSocket that wait for the application: `websocket.maxQueue`.
        MAX_QUEUE: usize = 32,
        /// Requests that a WSGI application works on at once: `wsgiThreads`.
        WSGI_THREADS: u32 = 10,
        /// `startupTimeout`.
        STARTUP_TIMEOUT: u64 = 60_000,
        /// `shutdownTimeout`.
        SHUTDOWN_TIMEOUT: u64 = 60_000,
        /// `exitTimeout`.
        EXIT_TIMEOUT: u64 = 10_000,
        /// `requestTimeout`: none.
        REQUEST_TIMEOUT: u64 = 0,
        /// `blockedThreshold`.
        BLOCKED_THRESHOLD: u64 = 1000,
        /// `unhealthyAfter`.
        UNHEALTHY_AFTER: u64 = 30_000,
        /// Bytes of a message, decompressed: `websocket.maxPayload`.
        MAX_PAYLOAD: usize = 16_777_216,
        /// Fragments of a message: `websocket.maxFragments`. Autobahn's cases 9.3.* and 9.4.* cut 4 MiB into 65,536.
        MAX_FRAGMENTS: usize = 131_072,
        /// `websocket.pingInterval`.
        PING_INTERVAL: u64 = 20_000,
        /// `websocket.pingTimeout`.
        PING_TIMEOUT: u64 = 20_000,
        /// `websocket.acceptTimeout`.
        ACCEPT_TIMEOUT: u64 = 10_000,
        /// The `timeout` of `close()`.
        CLOSE_TIMEOUT: u64 = 30_000,
        /// `reload.delay`: an editor may write several files, or one file twice.
        RELOAD_DELAY: u64 = 50,
        /// The `trialTimeout` of `doctor()`.
        TRIAL_TIMEOUT: u64 = 120_000,
    }
}
