//! How Python wakes Node: an inbox whose waker makes one coalesced call of a thread-safe function.

use std::io::Write;
use std::sync::Arc;

use asgi_node_core::log_queue::Kind;
use asgi_node_core::{Exchange, Inbox, LogQueue, Notify, Waker};
use napi::Status;
use napi::bindgen_prelude::Function;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};

/// Calls the native `drain` on the JavaScript thread. Weak: by itself it does not keep the process alive.
type WakeFunction = ThreadsafeFunction<(), (), (), Status, false, true>;

struct FunctionWaker(Arc<WakeFunction>);

impl Waker for FunctionWaker {
    fn wake(&self) {
        // Refused only while the environment goes down; its cleanup hook settles what is under way.
        self.0.call((), ThreadsafeFunctionCallMode::NonBlocking);
    }
}

/// Exchanges with news for JavaScript, in the order in which they got them.
pub(crate) struct EventSink {
    inbox: Inbox<Arc<Exchange>>,
    log_queue: Arc<LogQueue>,
    wake_function: Arc<WakeFunction>,
}

impl EventSink {
    /// A sink that calls `drain`.
    pub(crate) fn new(drain: &Function<'_, (), ()>) -> napi::Result<Self> {
        let wake_function = drain
            .build_threadsafe_function::<()>()
            .weak::<true>()
            .callee_handled::<false>();
        let wake_function = Arc::new(wake_function.build_callback(|_| Ok(()))?);
        Ok(Self {
            inbox: Inbox::new(usize::MAX, Box::new(FunctionWaker(Arc::clone(&wake_function)))),
            log_queue: Arc::new(LogQueue::for_host(Box::new(FunctionWaker(Arc::clone(&wake_function))))),
            wake_function,
        })
    }

    /// Takes all exchanges with news.
    pub(crate) fn take(&self, batch: &mut Vec<Arc<Exchange>>) {
        self.inbox.take(batch);
    }

    /// Log records and lines on their way to JavaScript.
    pub(crate) fn log_queue(&self) -> &Arc<LogQueue> {
        &self.log_queue
    }

    pub(crate) fn wake_function(&self) -> napi::sys::napi_threadsafe_function {
        self.wake_function.raw()
    }

    /// Nobody listens any more.
    pub(crate) fn close(&self) {
        drop(self.inbox.close());
        for entry in self.log_queue.close() {
            // An environment that was ended from outside: JavaScript takes nothing any more.
            let _ = match entry.kind {
                Kind::Stdout => writeln!(std::io::stdout(), "{}", entry.text),
                Kind::Record(_) | Kind::Stderr => writeln!(std::io::stderr(), "{}", entry.text),
            };
        }
    }
}

impl Notify for EventSink {
    fn notify(&self, exchange: Arc<Exchange>) {
        drop(self.inbox.post(exchange));
    }
}
