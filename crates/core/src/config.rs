//! A handler's options, as far as they concern its app.
//!
//! JavaScript sends them as JSON. The names of the fields are written to `protocol.js`, too, where the JavaScript that makes
//! that JSON is checked against them: a name that is missing or unknown on one side fails in `make lint`, and here when a
//! handler starts. Hence no field has a default: those of the options are in [`crate::protocol::default`].

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::exchange::window::Limits;
use crate::queue::log_queue::LogQueue;
use crate::request::head;

/// What a handler's options say about its app.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent options")]
pub struct Config {
    /// `module:attribute`.
    pub app: String,
    /// Put first on `sys.path`.
    pub docroot: String,
    /// Whether the attribute is called to get the app.
    pub factory: bool,
    /// What the app speaks: `auto`, `asgi2`, `asgi3` or `wsgi`.
    pub interface: String,
    /// Requests that a WSGI app works on at once.
    pub wsgi_threads: u32,
    /// `auto`, `asyncio` or `uvloop`.
    pub r#loop: String,
    /// Bytes under way per direction and request.
    pub high_water_mark: usize,
    /// The same for a side that keeps up; no less.
    pub largest_window: usize,
    /// Requests in flight.
    pub max_concurrency: usize,
    /// Messages of a WebSocket that wait for the app.
    pub max_queue: usize,
    /// `auto`, `on` or `off`.
    pub lifespan: String,
    /// Milliseconds that lifespan start-up may take; 0 for no limit.
    pub startup_timeout: u64,
    /// Milliseconds that lifespan shutdown may take; 0 for no limit.
    pub shutdown_timeout: u64,
    /// Milliseconds that the end of the process waits for Python when all handlers have been closed.
    pub exit_timeout: u64,
    /// Whether the app's task is cancelled when the client leaves.
    pub cancel_on_disconnect: bool,
    /// Milliseconds that a synchronous call may take; 0 for no limit. Other hosts have timers of their own.
    pub request_timeout: u64,
    /// The path under which the app is mounted, without a last slash.
    pub root_path: String,
    /// Whether the paths of requests hold it already; if not, it is put before them.
    pub root_path_stripped: bool,
    /// The extensions that the app is offered where a connection supports them.
    pub extensions: Extensions,
    /// The level from which log records are wanted, in Python's numbers.
    pub log_level: u8,
    /// Whether the host takes the lines of `sys.stdout` and `sys.stderr`.
    pub takes_lines: bool,
    /// Milliseconds after which the host is warned of a blocked event loop; 0 for never.
    pub blocked_threshold: u64,
    /// Where log records and lines go; none: the host does not want to know.
    #[serde(skip)]
    pub log_queue: Option<Arc<LogQueue>>,
    /// The host wants to know of each time that the app has received, not only of those at which a window opens.
    #[serde(skip)]
    pub tells_receipts: bool,
    /// How workers run the app; none: this process does.
    #[serde(skip)]
    pub workers: Option<Arc<Workers>>,
}

/// How workers run an app. JavaScript sends it as JSON, too.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workers {
    /// How many.
    pub count: usize,
    /// Requests after which one is replaced; 0 for never.
    pub max_requests: u64,
    /// Up to so many more, by chance, so that not all are replaced at once.
    pub max_requests_jitter: u64,
    /// Bytes of resident memory from which on one is replaced; 0 for never.
    pub max_memory: u64,
    /// Milliseconds after which one is replaced; 0 for never.
    pub max_age: u64,
    /// Milliseconds for which its event loop may be blocked before it is killed; 0 for ever.
    pub kill_blocked_after: u64,
    /// The most bytes of address space; 0 for no limit.
    pub address_space: u64,
    /// Milliseconds that a replaced one has to finish its requests.
    pub drain_timeout: u64,
    /// The interpreter.
    pub executable: PathBuf,
    /// The folder that holds the `asgi_node` package.
    pub package_dir: PathBuf,
    /// `_native.abi3.so`.
    pub bridge: PathBuf,
    /// `sys.argv`.
    pub argv: Vec<String>,
    /// The environment, name and value.
    pub env: Vec<(String, String)>,
    /// The options of the handler: [`Config`] as it came.
    #[serde(skip)]
    pub handler: String,
}

/// Extensions of ASGI that are off unless they are asked for, because middleware that does not know their events fails.
#[derive(Debug, Clone, Copy, Default, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Extensions {
    /// `http.response.pathsend`.
    pub pathsend: bool,
    /// `http.response.zerocopysend`.
    pub zerocopysend: bool,
}

impl Extensions {
    /// Those that are not offered, as bits of a head.
    pub fn withheld(self) -> u32 {
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
    /// The window of either direction.
    pub fn window(&self) -> Limits {
        Limits {
            least: self.high_water_mark,
            most: self.largest_window.max(self.high_water_mark),
        }
    }

    /// How long a synchronous call may take.
    pub fn time_limit(&self) -> Option<Duration> {
        (self.request_timeout > 0).then(|| Duration::from_millis(self.request_timeout))
    }
}
