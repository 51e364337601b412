//! A handler's options, as far as they concern its app.

use std::sync::Arc;
use std::time::Duration;

use asgi_node_core::protocol::default;
use asgi_node_core::{LogQueue, head};

/// What a handler's options say about its app.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent options")]
pub struct Config {
    /// `module:attribute`, or `None` when `module` and `attribute` are given.
    #[serde(default)]
    pub app: Option<String>,
    /// A module's dotted name.
    #[serde(default)]
    pub module: Option<String>,
    /// An attribute of it, dotted.
    #[serde(default)]
    pub attribute: Option<String>,
    /// Put first on `sys.path`.
    pub docroot: String,
    /// Whether the attribute is called to get the app.
    #[serde(default)]
    pub factory: bool,
    /// What the app speaks: `auto`, `asgi2`, `asgi3` or `wsgi`.
    #[serde(default = "auto")]
    pub interface: String,
    /// Requests that a WSGI app works on at once.
    #[serde(default = "wsgi_threads")]
    pub wsgi_threads: u32,
    /// `auto`, `asyncio` or `uvloop`.
    #[serde(default = "auto")]
    pub r#loop: String,
    /// Bytes under way per direction and request.
    pub high_water_mark: usize,
    /// Requests in flight.
    pub max_concurrency: usize,
    /// Messages of a WebSocket that wait for the app.
    pub max_queue: usize,
    /// `auto`, `on` or `off`.
    #[serde(default = "auto")]
    pub lifespan: String,
    /// Milliseconds that lifespan start-up may take; 0 for no limit.
    #[serde(default)]
    pub startup_timeout: u64,
    /// Milliseconds that lifespan shutdown may take; 0 for no limit.
    #[serde(default)]
    pub shutdown_timeout: u64,
    /// Milliseconds that the end of the process waits for Python when all handlers have been closed.
    #[serde(default)]
    pub exit_timeout: u64,
    /// Whether the app's task is cancelled when the client leaves.
    #[serde(default)]
    pub cancel_on_disconnect: bool,
    /// Milliseconds that a synchronous call may take; 0 for no limit. Other hosts have timers of their own.
    #[serde(default)]
    pub request_timeout: u64,
    /// The path under which the app is mounted, without a last slash.
    #[serde(default)]
    pub root_path: String,
    /// Whether the paths of requests hold it already; if not, it is put before them.
    #[serde(default)]
    pub root_path_stripped: bool,
    /// The extensions that the app is offered where a connection supports them.
    #[serde(default)]
    pub extensions: Extensions,
    /// The level from which log records are wanted, in Python's numbers.
    #[serde(default)]
    pub log_level: u8,
    /// Whether the host takes the lines of `sys.stdout` and `sys.stderr`.
    #[serde(default)]
    pub takes_lines: bool,
    /// Milliseconds after which the host is warned of a blocked event loop; 0 for never.
    #[serde(default)]
    pub blocked_threshold: u64,
    /// Where log records and lines go; none: the host does not want to know.
    #[serde(skip)]
    pub log_queue: Option<Arc<LogQueue>>,
}

/// Extensions of ASGI that are off unless they are asked for, because middleware that does not know their events fails.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Extensions {
    /// `http.response.pathsend`.
    pub pathsend: bool,
    /// `http.response.zerocopysend`.
    pub zerocopysend: bool,
}

impl Extensions {
    /// Those that are not offered, as bits of a head.
    pub(crate) fn withheld(self) -> u32 {
        let mut bits = 0;
        if !self.pathsend {
            bits |= head::PATHSEND;
        }
        if !self.zerocopysend {
            bits |= head::ZEROCOPYSEND;
        }
        bits
    }
}

impl Config {
    /// How long a synchronous call may take.
    pub fn time_limit(&self) -> Option<Duration> {
        (self.request_timeout > 0).then(|| Duration::from_millis(self.request_timeout))
    }
}

fn auto() -> String {
    "auto".into()
}

fn wsgi_threads() -> u32 {
    default::WSGI_THREADS
}
