//! What an app may send, when, and how much: the state machine behind `send` (docs/asgi.md, 51 to 68).
//!
//! Every method checks first and changes state afterwards, so an app that catches the error can still send a correct
//! response (docs/asgi.md, 65, 66).

use crate::error::Error;
use crate::send::framing::HeaderBlock;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing was sent.
    Idle,
    /// The start was sent.
    Body,
    /// The body is complete and trailers were announced.
    Trailers,
    /// The response is complete.
    Complete,
}

/// What to do with an accepted piece of body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BodyPlan {
    /// Whether the bytes go to the client: not on HEAD, 1xx, 204 and 304.
    pub sends: bool,
    /// Whether bytes were dropped that the app should not have sent (1xx, 204, 304). For HEAD it may send them, so not then.
    pub drops: bool,
    /// Whether the response is complete with this piece.
    pub completes: bool,
}

/// The progress of one response.
#[derive(Debug, Clone, Copy)]
#[allow(clippy::struct_excessive_bools, reason = "they are independent facts")]
pub struct ResponseState {
    phase: Phase,
    is_head: bool,
    bodyless: bool,
    trailers: bool,
    is_event_stream: bool,
    declared: Option<u64>,
    sent: u64,
}

impl ResponseState {
    /// For a request with this method.
    pub fn new(method: &[u8]) -> Self {
        Self {
            phase: Phase::Idle,
            is_head: method == b"HEAD",
            bodyless: false,
            trailers: false,
            is_event_stream: false,
            declared: None,
            sent: 0,
        }
    }

    /// Whether `http.response.start` was accepted.
    pub fn is_started(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether the body is complete, but the announced trailers have not come yet.
    pub fn awaits_trailers(&self) -> bool {
        self.phase == Phase::Trailers
    }

    /// Whether the response is complete.
    pub fn is_complete(&self) -> bool {
        self.phase == Phase::Complete
    }

    /// Whether its body is an unfinished stream of server-sent events: it does not end by itself, and its client reconnects
    /// when it ends.
    pub fn is_event_stream(&self) -> bool {
        self.phase == Phase::Body && self.is_event_stream && !self.trailers
    }

    /// Whether a start may come now; called before its headers are read.
    pub fn may_start(&self) -> Result<(), Error> {
        match self.phase {
            Phase::Idle => Ok(()),
            Phase::Complete => Err(complete("http.response.start")),
            _ => Err(Error::WrongOrder("http.response.start was sent twice".into())),
        }
    }

    /// Whether trailers can follow a body with this head: only if the end of the body comes from its framing.
    pub fn can_end_with_trailers(&self, status: u16, headers: &HeaderBlock) -> bool {
        !self.is_head && !is_bodyless(status) && headers.content_length().is_none()
    }

    /// Accepts `http.response.start`.
    pub fn start(&mut self, status: u16, headers: &HeaderBlock, trailers: bool) -> Result<(), Error> {
        self.may_start()?;
        if !(100..=999).contains(&status) {
            return Err(Error::WrongValue(format!("status {status} is outside 100 to 999")));
        }
        self.phase = Phase::Body;
        self.bodyless = is_bodyless(status);
        self.trailers = trailers;
        self.is_event_stream = headers.is_event_stream();
        // On HEAD and 304 the length describes a body that is not sent: nothing to count.
        self.declared = headers.content_length().filter(|_| !self.is_head && !self.bodyless);
        Ok(())
    }

    /// Accepts this many bytes of body, whatever event they come with.
    pub fn body(&mut self, length: u64, more: bool) -> Result<BodyPlan, Error> {
        self.expects_body()?;
        let total = self.sent.saturating_add(length);
        if let Some(declared) = self.declared {
            if total > declared {
                return Err(Error::WrongOrder(format!(
                    "the body is longer than its content-length: {total} bytes with this event, {declared} declared"
                )));
            }
            if !more && total < declared {
                return Err(Error::WrongOrder(format!(
                    "the body is shorter than its content-length: {total} bytes at its end, {declared} declared"
                )));
            }
        }
        self.sent = total;
        if !more {
            self.phase = if self.trailers {
                Phase::Trailers
            } else {
                Phase::Complete
            };
        }
        Ok(BodyPlan {
            sends: !self.is_head && !self.bodyless,
            drops: self.bodyless && length > 0,
            completes: self.phase == Phase::Complete,
        })
    }

    /// Accepts `http.response.pathsend`: a file of this many bytes is the whole body.
    pub fn whole_file(&mut self, length: u64) -> Result<BodyPlan, Error> {
        if self.sent > 0 {
            return Err(Error::WrongOrder(
                "http.response.pathsend was sent after http.response.body: a response has the one or the other".into(),
            ));
        }
        self.body(length, false)
    }

    /// Accepts `http.response.trailers`; tells whether the response is complete with it.
    pub fn trailers(&mut self, more: bool) -> Result<bool, Error> {
        match self.phase {
            Phase::Trailers => {}
            Phase::Complete => return Err(complete("http.response.trailers")),
            Phase::Body if self.trailers => {
                return Err(Error::WrongOrder(
                    "http.response.trailers was sent before the body was complete".into(),
                ));
            }
            _ => {
                return Err(Error::WrongOrder(
                    "http.response.trailers needs `trailers: True` in http.response.start".into(),
                ));
            }
        }
        if !more {
            self.phase = Phase::Complete;
        }
        Ok(!more)
    }

    fn expects_body(&self) -> Result<(), Error> {
        let event = "http.response.body";
        match self.phase {
            Phase::Body => Ok(()),
            Phase::Idle => Err(Error::WrongOrder(format!(
                "{event} was sent before http.response.start"
            ))),
            Phase::Trailers => Err(Error::WrongOrder(format!("{event} was sent after the end of the body"))),
            Phase::Complete => Err(complete(event)),
        }
    }
}

fn is_bodyless(status: u16) -> bool {
    status < 200 || status == 204 || status == 304
}

fn complete(event: &str) -> Error {
    Error::WrongOrder(format!("{event} was sent after the response was complete"))
}

#[cfg(test)]
mod tests {
    use super::ResponseState;
    use crate::send::framing::{HeaderBlock, Version};
    use proptest::prelude::*;

    fn headers(length: Option<u64>) -> HeaderBlock {
        let mut block = HeaderBlock::default();
        if let Some(length) = length {
            block
                .add(b"content-length", length.to_string().as_bytes(), Version::Http11)
                .expect("valid");
        }
        block
    }

    #[test]
    fn asgi_58_a_wrong_length_is_refused_and_the_right_one_still_works() {
        let mut state = ResponseState::new(b"GET");
        state.start(200, &headers(Some(5)), false).expect("start");
        assert!(state.body(6, false).is_err());
        assert!(state.body(3, false).is_err());
        assert!(state.body(3, true).expect("part").sends);
        assert!(state.body(2, false).expect("rest").completes);
    }

    #[test]
    fn asgi_59_60_head_and_bodyless_statuses_drop_the_body() {
        let mut head = ResponseState::new(b"HEAD");
        head.start(200, &headers(Some(5)), false).expect("start");
        let plan = head.body(5, false).expect("body");
        assert!(!plan.sends && !plan.drops && plan.completes);
        for status in [103, 204, 304] {
            let mut state = ResponseState::new(b"GET");
            state.start(status, &headers(None), false).expect("start");
            let plan = state.body(5, false).expect("body");
            assert!(!plan.sends && plan.drops && plan.completes);
        }
    }

    #[test]
    fn asgi_65_66_order_and_status_errors_leave_the_state_alone() {
        let mut state = ResponseState::new(b"GET");
        assert!(state.body(1, false).is_err());
        assert!(state.start(99, &headers(None), false).is_err());
        assert!(state.start(1000, &headers(None), false).is_err());
        state.start(200, &headers(None), false).expect("start");
        assert!(state.start(200, &headers(None), false).is_err());
        assert!(state.trailers(false).is_err());
        state.body(1, false).expect("body");
        assert!(state.body(1, false).is_err());
        assert!(state.may_start().is_err());
    }

    #[test]
    fn asgi_126_trailers_come_after_the_body() {
        let mut state = ResponseState::new(b"GET");
        state.start(200, &headers(None), true).expect("start");
        assert!(state.trailers(false).is_err());
        assert!(!state.body(1, false).expect("body").completes);
        assert!(!state.trailers(true).expect("first"));
        assert!(state.trailers(false).expect("last"));
        assert!(state.is_complete());
    }

    proptest! {
        #[test]
        fn a_declared_length_is_never_exceeded_and_always_reached(
            declared in 0u64..40,
            pieces in proptest::collection::vec((0u64..20, any::<bool>()), 0..12),
        ) {
            let mut state = ResponseState::new(b"GET");
            state.start(200, &headers(Some(declared)), false).expect("start");
            let mut sent = 0u64;
            for (length, more) in pieces {
                if state.body(length, more).is_ok() {
                    sent += length;
                }
                prop_assert!(sent <= declared);
            }
            prop_assert!(!state.is_complete() || sent == declared);
        }
    }
}
