//! What a WebSocket's exchange does instead of giving its app a request body.

use std::sync::Arc;

use super::{Exchange, Notify, State, Windows};
use crate::exchange::event::ResponseEvent;
use crate::exchange::message_queue::{Closed, Message, MessageQueue, ReceivedMessage};

impl Exchange {
    /// A WebSocket: messages instead of a request body, at most `queue` of them waiting.
    pub fn websocket(
        id: u32,
        windows: Windows,
        queue: usize,
        event_loop: Arc<dyn Notify>,
        host: Arc<dyn Notify>,
    ) -> Arc<Self> {
        let mut state = State::new(windows);
        state.messages = Some(MessageQueue::new(queue, windows.inbound));
        Self::with(id, windows, state, event_loop, host)
    }

    /// Adds a message from the client. `false` means: stop until [`ResponseEvent::Resume`].
    pub fn push_message(self: &Arc<Self>, message: Message) -> bool {
        let mut state = self.state.lock();
        let room = state.messages.as_mut().is_none_or(|messages| messages.push(message));
        self.tell_event_loop(&mut state);
        room
    }

    /// The client has closed its WebSocket. The app gets this after the messages that came before it; what it sends from now on
    /// raises, as after [`Self::disconnect`].
    pub fn close(self: &Arc<Self>, closed: Closed) {
        if let Some(messages) = &mut self.state.lock().messages {
            messages.close(closed);
        }
        self.disconnect();
    }

    /// The client has broken the protocol: no message follows. The app gets this after the messages that came before; unlike
    /// after [`Self::close`], what it sends still goes out, so that those are answered.
    pub fn end_messages(self: &Arc<Self>, closed: Closed) {
        let mut state = self.state.lock();
        if let Some(messages) = &mut state.messages {
            messages.close(closed);
        }
        self.tell_event_loop(&mut state);
    }

    /// Takes the next message of a WebSocket.
    pub fn receive_message(self: &Arc<Self>) -> ReceivedMessage {
        let mut state = self.state.lock();
        let found = state.messages.as_mut().map(MessageQueue::pop);
        let (received, resumes) = found.unwrap_or((ReceivedMessage::Closed(Closed::abnormal()), false));
        if resumes && !state.disconnected {
            self.queue(&mut state, ResponseEvent::Resume);
        }
        state.loop_waits |= received == ReceivedMessage::Nothing;
        received
    }
}

#[cfg(test)]
mod tests {
    use super::{Closed, Exchange, Message, Notify, ReceivedMessage, Windows};
    use crate::exchange::tests::Count;
    use crate::exchange::window::Limits;
    use crate::{Emitted, ResponseEvent};
    use bytes::Bytes;
    use std::sync::Arc;

    fn websocket() -> (Arc<Exchange>, Arc<Count>) {
        let (event_loop, host) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let told = Arc::clone(&event_loop) as Arc<dyn Notify>;
        let windows = Windows {
            inbound: Limits::fixed(1000),
            outbound: Limits::fixed(1000),
            lent: 0,
        };
        (Exchange::websocket(1, windows, 2, told, host), event_loop)
    }

    fn message() -> Message {
        Message {
            is_text: false,
            data: Bytes::from_static(&[1]),
        }
    }

    #[test]
    fn asgi_102_what_came_before_a_fault_is_received_and_can_be_answered() {
        let (e, event_loop) = websocket();
        assert_eq!(e.receive_message(), ReceivedMessage::Nothing);
        e.push_message(message());
        e.end_messages(Closed::with(1002));
        assert_eq!(event_loop.get(), 1);
        assert!(
            e.push_message(message()),
            "what follows is dropped, and nobody has to stop for it"
        );
        assert_eq!(e.receive_message(), ReceivedMessage::Message(message()));
        assert_eq!(e.emit(ResponseEvent::Message(message())), Emitted::Open);
        for _ in 0..2 {
            assert_eq!(e.receive_message(), ReceivedMessage::Closed(Closed::with(1002)));
        }
        assert!(!e.is_disconnected());
    }

    #[test]
    fn asgi_107_112_messages_stop_the_host_and_outlive_the_client() {
        let (e, event_loop) = websocket();
        assert_eq!(e.receive_message(), ReceivedMessage::Nothing);
        assert_eq!([e.push_message(message()), e.push_message(message())], [true, false]);
        assert_eq!(event_loop.get(), 1);
        assert_eq!(e.receive_message(), ReceivedMessage::Message(message()));
        assert!(matches!(e.take_events()[..], [ResponseEvent::Resume]));
        let end = Closed {
            code: 1001,
            reason: "away".into(),
        };
        e.close(end.clone());
        assert_eq!(e.emit(ResponseEvent::Message(message())), Emitted::Gone);
        assert_eq!(e.receive_message(), ReceivedMessage::Message(message()));
        assert_eq!(e.receive_message(), ReceivedMessage::Closed(end));
    }
}
