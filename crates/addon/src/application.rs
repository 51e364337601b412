//! Who runs the application of a handler: Python in this process, or workers. The addon is compiled for one of the two, and
//! everything else in it is the same; what differs stands here.

#[cfg(feature = "python")]
mod here {
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    pub(crate) use asgi_node_bridge::application::Application;
    pub(crate) use asgi_node_bridge::event_loop::EventLoop as LoopHandle;
    pub(crate) use asgi_node_bridge::event_loop::locate;
    pub(crate) use asgi_node_bridge::interpreter::exit::is_ending;
    use asgi_node_core::Config;

    /// The options of a handler.
    pub(crate) fn config(json: &str) -> serde_json::Result<Config> {
        serde_json::from_str(json)
    }

    /// For how long the event loop has not come to a heartbeat; sends one.
    pub(crate) fn blocked(loop_handle: &LoopHandle) -> Duration {
        let pending = loop_handle.heartbeat().pending(Instant::now()).unwrap_or_default();
        loop_handle.send_heartbeat();
        pending
    }

    /// Nobody waits for it any longer. Python in this process cannot be ended.
    pub(crate) fn give_up(_: Option<&Arc<LoopHandle>>) {}
}

#[cfg(feature = "workers")]
mod here {
    use std::sync::Arc;
    use std::time::Duration;

    use asgi_node_core::Config;
    use asgi_node_core::config::Workers;
    pub(crate) use asgi_node_supervisor::Application;
    pub(crate) use asgi_node_supervisor::Front as LoopHandle;

    /// What JavaScript sends.
    #[derive(serde::Deserialize)]
    struct Both {
        handler: String,
        workers: Workers,
    }

    /// The options of a handler, and how workers run it.
    pub(crate) fn config(json: &str) -> serde_json::Result<Config> {
        let Both { handler, mut workers } = serde_json::from_str(json)?;
        let config: Config = serde_json::from_str(&handler)?;
        workers.handler = handler;
        Ok(Config {
            workers: Some(Arc::new(workers)),
            ..config
        })
    }

    /// For how long no event loop has come to a heartbeat; asks for one.
    pub(crate) fn blocked(loop_handle: &LoopHandle) -> Duration {
        loop_handle.blocked()
    }

    /// Where the event loop is that is blocked longest.
    pub(crate) fn locate(loop_handle: &LoopHandle) -> (String, String) {
        loop_handle.locate()
    }

    /// Nobody waits for it any longer: its workers are ended.
    pub(crate) fn give_up(loop_handle: Option<&Arc<LoopHandle>>) {
        if let Some(loop_handle) = loop_handle {
            loop_handle.give_up();
        }
    }

    /// The end of this process waits for no Python.
    pub(crate) fn is_ending() -> bool {
        false
    }
}

pub(crate) use here::{Application, LoopHandle, blocked, config, give_up, is_ending, locate};
