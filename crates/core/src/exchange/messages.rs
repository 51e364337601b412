//! What a WebSocket's exchange does instead of giving its app a request body.

use std::sync::Arc;

use super::{Exchange, Notify, State, Windows};
use crate::ResponseEvent;
use crate::message_queue::{Closed, Message, MessageQueue, ReceivedMessage};

impl Exchange {
    /// A WebSocket: messages instead of a request body, at most `queue` of them waiting.
    pub fn websocket(
        id: u32,
        windows: Windows,
        queue: usize,
        event_loop: Arc<dyn Notify>,
        host: Arc<dyn Notify>,
    ) -> Arc<Self> {
        let state = State {
            messages: Some(MessageQueue::new(queue, windows.inbound)),
            ..State::default()
        };
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
    use crate::{Emitted, ResponseEvent};
    use std::sync::Arc;

    #[test]
    fn asgi_107_112_messages_stop_the_host_and_outlive_the_client() {
        let (event_loop, host) = (Arc::new(Count::default()), Arc::new(Count::default()));
        let sides = (
            Arc::clone(&event_loop) as Arc<dyn Notify>,
            Arc::clone(&host) as Arc<dyn Notify>,
        );
        let windows = Windows {
            inbound: 1000,
            outbound: 1000,
        };
        let e = Exchange::websocket(1, windows, 2, sides.0, sides.1);
        let message = || Message {
            is_text: false,
            data: vec![1],
        };
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
