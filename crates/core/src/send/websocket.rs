//! What the app may send on a WebSocket, and when: the state machine behind `send` (docs/asgi.md, 81 to 104).

use bytes::Bytes;

use crate::error::Error;
use crate::exchange::event::ResponseEvent;
use crate::exchange::message_queue::Closed;
use crate::send::framing::{HeaderBlock, Version};
use crate::send::response::{BodyPlan, ResponseState};

/// A close frame's reason is part of a control frame, which holds 125 bytes, two of them the code (RFC 6455, 5.5).
use crate::protocol::SENDABLE_CLOSE_CODES;
/// The close codes that this side chooses itself.
pub use crate::protocol::close_code::{NORMAL, RESTART};
use crate::protocol::limit::CLOSE_REASON as MAX_REASON;

#[derive(Debug, Clone)]
enum Phase {
    /// The handshake waits for the app's answer.
    Connecting,
    /// The app denies the handshake with a response of its own.
    Denying(ResponseState),
    /// Accepted.
    Open,
    /// The app has closed it, or refused it.
    Closed(Closed),
    /// We have closed it for the app: the app has returned, or the handler closes.
    Ended(Closed),
}

/// The effect of `websocket.close`.
#[derive(Debug, PartialEq, Eq)]
pub enum Closing {
    /// The handshake is refused with 403.
    Refuse,
    /// A close frame is sent.
    Frame,
}

/// The progress of one WebSocket. Every method checks first and changes state afterwards.
#[derive(Debug, Clone)]
pub struct SocketState(Phase);

impl Default for SocketState {
    fn default() -> Self {
        Self(Phase::Connecting)
    }
}

impl SocketState {
    /// Whether the app has accepted and not closed it.
    pub fn is_open(&self) -> bool {
        matches!(self.0, Phase::Open)
    }

    /// Whether the handshake was neither accepted nor refused in full.
    pub fn is_undecided(&self) -> bool {
        matches!(self.0, Phase::Connecting | Phase::Denying(_))
    }

    /// Whether the app itself has closed or refused it: then the client's messages no longer matter.
    pub fn is_closed_by_app(&self) -> bool {
        matches!(self.0, Phase::Closed(_))
    }

    /// The disconnect that `receive` gives if this side, not the client, has ended the WebSocket.
    pub fn closed(&self) -> Option<&Closed> {
        match &self.0 {
            Phase::Closed(closed) | Phase::Ended(closed) => Some(closed),
            _ => None,
        }
    }

    /// Accepts `websocket.accept`.
    pub fn accept(&mut self, subprotocol: Option<&str>, offered: &[String]) -> Result<(), Error> {
        self.may_answer("websocket.accept")?;
        if let Some(chosen) = subprotocol
            && !offered.iter().any(|o| o == chosen)
        {
            let offers = offered.join(", ");
            return Err(Error::WrongValue(format!(
                "sub-protocol {chosen:?} was not offered by the client, which has {offers:?} (RFC 6455, 4.2.2)"
            )));
        }
        self.0 = Phase::Open;
        Ok(())
    }

    /// Whether the handshake still waits for an answer; called before the event is read.
    pub fn may_answer(&self, event: &str) -> Result<(), Error> {
        match self.0 {
            Phase::Connecting => Ok(()),
            Phase::Denying(_) => Err(denied(event)),
            Phase::Open => Err(Error::WrongOrder(format!("{event} was sent after websocket.accept"))),
            Phase::Closed(_) => Err(after_close(event)),
            Phase::Ended(_) => Err(Error::ClientDisconnected),
        }
    }

    /// Accepts `websocket.send`.
    pub fn message(&self) -> Result<(), Error> {
        match self.0 {
            Phase::Open => Ok(()),
            Phase::Connecting => Err(Error::WrongOrder(
                "websocket.send was sent before websocket.accept".into(),
            )),
            Phase::Denying(_) => Err(denied("websocket.send")),
            Phase::Closed(_) => Err(after_close("websocket.send")),
            Phase::Ended(_) => Err(Error::ClientDisconnected),
        }
    }

    /// The effect that `websocket.close` would have; called before the event is read.
    pub fn may_close(&self) -> Result<Closing, Error> {
        match self.0 {
            Phase::Connecting => Ok(Closing::Refuse),
            Phase::Open => Ok(Closing::Frame),
            Phase::Denying(_) => Err(denied("websocket.close")),
            Phase::Closed(_) => Err(after_close("websocket.close")),
            Phase::Ended(_) => Err(Error::ClientDisconnected),
        }
    }

    /// Accepts `websocket.close`. A refusal is a 403, whatever the code and the reason are: no close frame will carry them. So
    /// they are not checked: frameworks put there what would not fit one (`FastAPI`, a list of errors in the query).
    pub fn close(&mut self, code: i64, reason: &str) -> Result<Closing, Error> {
        let closing = self.may_close()?;
        if closing == Closing::Refuse {
            self.0 = Phase::Closed(Closed::abnormal());
            return Ok(closing);
        }
        let code = close_code(code)?;
        if reason.len() > MAX_REASON {
            return Err(Error::WrongValue(format!(
                "the reason has {} bytes, a close frame has room for {MAX_REASON} (RFC 6455, 5.5)",
                reason.len()
            )));
        }
        self.0 = Phase::Closed(Closed {
            code,
            reason: reason.to_owned(),
        });
        Ok(closing)
    }

    /// Ends it for the app. A later `send` fails as after a disconnect; it is not the app's error, as it is after its own close.
    pub fn end(&mut self, closed: Closed) {
        self.0 = Phase::Ended(closed);
    }

    /// Accepts `websocket.http.response.start`. The headers' framing is that of an ordinary response to a GET.
    pub fn deny(&mut self, status: u16, headers: &HeaderBlock) -> Result<(), Error> {
        self.may_answer("websocket.http.response.start")?;
        if status < 200 {
            return Err(Error::WrongValue(format!(
                "status {status} cannot deny a WebSocket: a final status (200 or above) is needed"
            )));
        }
        let mut response = ResponseState::new(b"GET");
        response.start(status, headers, false)?;
        self.0 = Phase::Denying(response);
        Ok(())
    }

    /// Accepts this much of `websocket.http.response.body`.
    pub fn denial_body(&mut self, length: u64, more: bool) -> Result<BodyPlan, Error> {
        let event = "websocket.http.response.body";
        let Phase::Denying(response) = &mut self.0 else {
            return Err(match self.0 {
                Phase::Closed(_) => after_close(event),
                Phase::Ended(_) => Error::ClientDisconnected,
                _ => Error::WrongOrder(format!("{event} was sent before websocket.http.response.start")),
            });
        };
        let plan = response.body(length, more)?;
        if plan.completes {
            self.0 = Phase::Closed(Closed::abnormal());
        }
        Ok(plan)
    }
}

fn denied(event: &str) -> Error {
    Error::WrongOrder(format!("{event} was sent after websocket.http.response.start"))
}

fn after_close(event: &str) -> Error {
    Error::WrongOrder(format!("{event} was sent after the WebSocket was closed"))
}

/// The code, if a close frame may carry it.
fn close_code(code: i64) -> Result<u16, Error> {
    let is_sendable = |code: u16| {
        SENDABLE_CLOSE_CODES
            .iter()
            .any(|&(first, last)| (first..=last).contains(&code))
    };
    match u16::try_from(code) {
        Ok(code) if is_sendable(code) => Ok(code),
        _ => Err(no_close_code(code)),
    }
}

/// What is wrong with a close code.
pub fn no_close_code(code: impl std::fmt::Display) -> Error {
    let [first, second, third] = SENDABLE_CLOSE_CODES.map(|(first, last)| format!("{first} to {last}"));
    Error::WrongValue(format!(
        "close code {code} may not be sent: use {first}, {second} or {third} (RFC 6455, 7.4)"
    ))
}

/// The sub-protocols that the client offers, from all its header lines, in their order (docs/asgi.md, 79).
pub fn subprotocols<'a>(headers: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> Vec<String> {
    headers
        .filter(|(name, _)| name.eq_ignore_ascii_case(b"sec-websocket-protocol"))
        .flat_map(|(_, value)| value.split(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|offer| !offer.is_empty())
        .map(|offer| offer.iter().map(|&b| char::from(b)).collect())
        .collect()
}

/// Adds one of the app's headers to the answer to the handshake. Refuses headers that the handshake itself sets.
pub fn add_accept_header(block: &mut HeaderBlock, name: &[u8], value: &[u8]) -> Result<(), Error> {
    const OURS: [&[u8]; 3] = [
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
    ];
    if OURS.iter().any(|own| name.eq_ignore_ascii_case(own)) {
        let name = String::from_utf8_lossy(name);
        return Err(Error::WrongValue(format!(
            "header {name:?} belongs to the handshake: choose a sub-protocol by 'subprotocol'"
        )));
    }
    // A 101 response has no body, so it carries no length either (RFC 9110, 8.6).
    if name.eq_ignore_ascii_case(b"content-length") {
        return Ok(());
    }
    // The handshake sets the connection headers as well; the rule for HTTP/2 drops them.
    block.add(name, value, Version::Http2)
}

/// The response to a handshake that the app refused: 403 without a body.
pub fn refusal() -> ResponseEvent {
    ResponseEvent::Complete {
        status: 403,
        headers: b"content-length\x000".to_vec(),
        body: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Closed, Closing, SocketState, add_accept_header, subprotocols};
    use crate::HeaderBlock;
    use proptest::prelude::*;

    fn open() -> SocketState {
        let mut state = SocketState::default();
        state.accept(None, &[]).expect("accept");
        state
    }

    #[test]
    fn asgi_79_offers_come_from_all_lines_in_their_order() {
        let headers: [(&[u8], &[u8]); 3] = [
            (b"Sec-WebSocket-Protocol", b"a, b ,"),
            (b"x", b"y"),
            (b"sec-websocket-protocol", b"c"),
        ];
        assert_eq!(subprotocols(headers.into_iter()), ["a", "b", "c"]);
    }

    #[test]
    fn asgi_83_84_only_an_offer_can_be_chosen_and_only_by_its_key() {
        let mut state = SocketState::default();
        assert!(state.accept(Some("x"), &["a".into()]).is_err());
        assert!(state.accept(Some("a"), &["a".into()]).is_ok());
        let mut block = HeaderBlock::default();
        assert!(add_accept_header(&mut block, b"Sec-WebSocket-Protocol", b"a").is_err());
        add_accept_header(&mut block, b"Upgrade", b"h2c").expect("dropped");
        add_accept_header(&mut block, b"X-A", b"1").expect("kept");
        assert_eq!(block.into_flat(), b"x-a\x001");
    }

    #[test]
    fn asgi_85_86_101_the_order_of_events() {
        let mut state = SocketState::default();
        assert!(state.message().is_err());
        assert!(state.denial_body(1, false).is_err());
        assert_eq!(state.close(1000, ""), Ok(Closing::Refuse));
        assert_eq!(state.closed(), Some(&Closed::abnormal()));
        assert!(state.accept(None, &[]).is_err());
        // No close frame is written, so there is nothing that its code and reason would have to fit.
        for (code, reason) in [(1006, ""), (403, ""), (-1, ""), (1008, &*"x".repeat(200))] {
            assert_eq!(
                SocketState::default().close(code, reason),
                Ok(Closing::Refuse),
                "{code}"
            );
        }

        let mut state = SocketState::default();
        assert!(state.deny(101, &HeaderBlock::default()).is_err());
        state.deny(418, &HeaderBlock::default()).expect("deny");
        assert!(state.accept(None, &[]).is_err() && state.close(1000, "").is_err());
        assert!(!state.denial_body(3, true).expect("part").completes);
        assert!(state.denial_body(3, false).expect("rest").completes);
        assert!(state.denial_body(0, false).is_err());

        let mut state = open();
        assert!(state.accept(None, &[]).is_err());
        assert!(state.message().is_ok());
        assert_eq!(state.close(4000, "bye"), Ok(Closing::Frame));
        assert!(state.message().is_err() && state.close(1000, "").is_err());
    }

    #[test]
    fn asgi_108_what_is_closed_for_the_app_is_no_error_of_its_own() {
        let mut state = open();
        state.end(Closed::with(super::RESTART));
        assert_eq!(state.closed(), Some(&Closed::with(1012)));
        assert_eq!(state.message(), Err(crate::Error::ClientDisconnected));
        assert_eq!(state.close(1000, ""), Err(crate::Error::ClientDisconnected));
    }

    #[test]
    fn asgi_104_a_wrong_code_or_reason_changes_nothing() {
        let mut state = open();
        for code in [0, -1, 999, 1004, 1005, 1006, 1015, 2999, 5000, 99_999] {
            assert!(state.close(code, "").is_err(), "{code}");
        }
        assert!(state.close(1000, &"é".repeat(62)).is_err());
        assert!(state.is_open());
        assert_eq!(state.close(1000, &"x".repeat(123)), Ok(Closing::Frame));
    }

    proptest! {
        #[test]
        fn whatever_is_sent_at_most_one_end_is_reached(
            events in proptest::collection::vec((0u8..6, -5i64..6000, any::<bool>()), 0..24),
        ) {
            let mut state = SocketState::default();
            let mut ended = false;
            for (event, number, flag) in events {
                let accepted = match event {
                    0 => state.accept(flag.then_some("a"), &["a".to_owned()]).is_ok(),
                    1 => state.message().is_ok(),
                    2 => state.close(number, "").is_ok(),
                    3 => state.deny(u16::try_from(number.clamp(0, 1200)).expect("small"), &HeaderBlock::default()).is_ok(),
                    4 => state.denial_body(1, flag).is_ok(),
                    _ => state.may_answer("x").is_ok(),
                };
                prop_assert!(!(ended && accepted), "an event was accepted after the end");
                ended = state.closed().is_some();
            }
        }
    }
}
