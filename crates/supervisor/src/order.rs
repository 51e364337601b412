//! What a worker may say of a request, by what it has said before: JavaScript relies on the order.

use asgi_node_core::ResponseEvent;
use asgi_node_worker::{Hints, Malformed};

/// How far a response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Nothing,
    /// Its start has come.
    Responding,
    /// A WebSocket is open.
    Accepted,
    /// Nothing comes any more.
    Over,
}

/// The order of one response.
#[derive(Debug)]
pub(crate) struct Order {
    phase: Phase,
    is_websocket: bool,
    /// The body of the request has been asked for.
    has_continued: bool,
    hints: Hints,
}

impl Order {
    pub(crate) fn new(is_websocket: bool) -> Self {
        Self {
            phase: Phase::Nothing,
            is_websocket,
            has_continued: false,
            hints: Hints::default(),
        }
    }

    /// JavaScript has been given the start of the response, and not its end.
    pub(crate) fn is_under_way(&self) -> bool {
        matches!(self.phase, Phase::Responding | Phase::Accepted)
    }

    /// JavaScript has been given the end of it.
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    /// Takes the next event. False for what comes behind the end, as a failure may that has many reasons: nobody gets it.
    pub(crate) fn admit(&mut self, event: &ResponseEvent) -> Result<bool, Malformed> {
        use ResponseEvent as Event;
        let next = match (self.phase, event) {
            (Phase::Over, _) => return Ok(false),
            (phase, Event::Continue) if !self.is_websocket && !self.has_continued => {
                self.has_continued = true;
                phase
            }
            (phase, Event::EarlyHint(links)) if !self.is_websocket && self.hints.admit(links) => phase,
            (Phase::Nothing, Event::Start { status: 100..=999, .. }) => Phase::Responding,
            (Phase::Responding, Event::Body(bytes)) if !bytes.is_empty() => Phase::Responding,
            (Phase::Responding, Event::File(range)) if !range.last => Phase::Responding,
            (Phase::Nothing, Event::Accept(_)) if self.is_websocket => Phase::Accepted,
            (Phase::Accepted, Event::Message(_)) => Phase::Accepted,
            (_, Event::Failed(_))
            | (Phase::Nothing, Event::Complete { status: 100..=999, .. })
            | (Phase::Responding, Event::End { .. } | Event::File(_)) => Phase::Over,
            (_, Event::Close(_)) if self.is_websocket => Phase::Over,
            (phase, event) => return Err(self.refusal(phase, event)),
        };
        self.phase = next;
        Ok(true)
    }

    fn refusal(&self, phase: Phase, event: &ResponseEvent) -> Malformed {
        use ResponseEvent as Event;
        if let (Phase::Nothing, Event::Complete { status, .. } | Event::Start { status, .. }) = (phase, event) {
            return Malformed(format!("{status} is no status of a response"));
        }
        let what = match event {
            Event::Complete { .. } => "a whole response",
            Event::Start { .. } => "the start of a response",
            Event::Body(bytes) if bytes.is_empty() => "a piece without bytes",
            Event::Body(_) | Event::File(_) => "a piece of a body",
            Event::End { .. } => "the end of a body",
            Event::Accept(_) => "the acceptance of a WebSocket",
            Event::Message(_) => "a message of a WebSocket",
            Event::Close(_) => "the end of a WebSocket",
            Event::Continue => "a call for the body",
            Event::EarlyHint(_) => "early hints",
            Event::Failed(_) | Event::Resume => "something",
        };
        let when = match phase {
            Phase::Nothing => "has not begun to answer",
            Phase::Responding => "has begun to answer",
            Phase::Accepted => "has been accepted as a WebSocket",
            Phase::Over => "is over",
        };
        let kind = if self.is_websocket { "WebSocket" } else { "request" };
        let again = match event {
            Event::Continue if self.has_continued => ", for the second time",
            Event::EarlyHint(_) if !self.is_websocket => ", more than one response may have",
            _ => "",
        };
        Malformed(format!("{what} for a {kind} that {when}{again}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Order;
    use asgi_node_core::message_queue::{Closed, Message};
    use asgi_node_core::{Error, Failure, ResponseEvent};

    fn start(status: u16) -> ResponseEvent {
        ResponseEvent::Start {
            status,
            headers: Vec::new(),
            body: Vec::new().into(),
        }
    }

    fn complete() -> ResponseEvent {
        ResponseEvent::Complete {
            status: 200,
            headers: Vec::new(),
            body: Vec::new().into(),
        }
    }

    fn end() -> ResponseEvent {
        ResponseEvent::End {
            body: Vec::new().into(),
            trailers: Vec::new(),
        }
    }

    fn message() -> ResponseEvent {
        ResponseEvent::Message(Message {
            is_text: true,
            data: Vec::new().into(),
        })
    }

    fn failed() -> ResponseEvent {
        ResponseEvent::Failed(Failure {
            error: Error::HandlerClosed,
            traceback: String::new(),
            started: false,
            logged: false,
        })
    }

    /// What becomes of these events.
    fn all(is_websocket: bool, events: Vec<ResponseEvent>) -> Result<Vec<bool>, String> {
        let mut order = Order::new(is_websocket);
        let admitted = events.iter().map(|event| order.admit(event));
        admitted.collect::<Result<_, _>>().map_err(|malformed| malformed.0)
    }

    #[test]
    fn what_applications_do_is_admitted() {
        let body = || ResponseEvent::Body(vec![1].into());
        let hint = || ResponseEvent::EarlyHint(Vec::new());
        let close = || ResponseEvent::Close(Closed::with(1000));
        for (is_websocket, events) in [
            (false, vec![complete()]),
            (
                false,
                vec![hint(), hint(), ResponseEvent::Continue, start(200), body(), end()],
            ),
            (false, vec![start(200), failed()]),
            (false, vec![failed()]),
            (true, vec![ResponseEvent::Accept(Vec::new()), message(), close()]),
            (true, vec![close()]),
            (true, vec![start(403), body(), end()]),
        ] {
            assert!(all(is_websocket, events).expect("in order").iter().all(|&given| given));
        }
        assert_eq!(
            all(false, vec![complete(), failed(), complete()]),
            Ok(vec![true, false, false])
        );
    }

    #[test]
    fn what_is_out_of_order_is_refused() {
        let refused = |is_websocket, events| all(is_websocket, events).expect_err("out of order");
        assert_eq!(
            refused(false, vec![end()]),
            "the end of a body for a request that has not begun to answer"
        );
        assert_eq!(
            refused(false, vec![start(200), start(200)]),
            "the start of a response for a request that has begun to answer"
        );
        assert_eq!(refused(false, vec![start(0)]), "0 is no status of a response");
        assert_eq!(
            refused(false, vec![ResponseEvent::Accept(Vec::new())]),
            "the acceptance of a WebSocket for a request that has not begun to answer"
        );
        assert_eq!(
            refused(true, vec![message()]),
            "a message of a WebSocket for a WebSocket that has not begun to answer"
        );
        assert_eq!(
            refused(true, vec![ResponseEvent::Continue]),
            "a call for the body for a WebSocket that has not begun to answer"
        );
    }

    #[test]
    fn what_no_window_counts_is_limited() {
        let refused = |events| all(false, events).expect_err("too much");
        assert_eq!(
            refused(vec![ResponseEvent::Continue, start(200), ResponseEvent::Continue]),
            "a call for the body for a request that has begun to answer, for the second time"
        );
        assert_eq!(
            refused(vec![start(200), ResponseEvent::Body(Vec::new().into())]),
            "a piece without bytes for a request that has begun to answer"
        );
        let hint = |length| ResponseEvent::EarlyHint(vec![b'x'; length]);
        let many = (0..100_000).map(|_| hint(0)).collect();
        for hints in [vec![hint(2_000_000)], many] {
            assert_eq!(
                refused(hints),
                "early hints for a request that has not begun to answer, more than one response may have"
            );
        }
    }
}
