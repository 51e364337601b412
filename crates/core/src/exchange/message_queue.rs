//! The messages of a WebSocket that wait for the app, and the end of the WebSocket.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::exchange::window::{Limits, Window};
pub use crate::protocol::close_code::ABNORMAL;
pub use crate::protocol::limit::MESSAGE_OVERHEAD;

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Whether it is text (UTF-8) or binary.
    pub is_text: bool,
    /// Its bytes.
    pub data: Bytes,
}

impl Message {
    /// How many bytes it counts against a window.
    pub fn weight(&self) -> usize {
        self.data.len() + MESSAGE_OVERHEAD
    }
}

/// Why there are no more messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The code of the close frame, or the code for a missing one (1005, 1006).
    pub code: u16,
    /// Its reason, UTF-8.
    pub reason: String,
}

impl Closed {
    /// A code without a reason.
    pub fn with(code: u16) -> Self {
        Self {
            code,
            reason: String::new(),
        }
    }

    /// No close frame came.
    pub fn abnormal() -> Self {
        Self::with(ABNORMAL)
    }
}

/// What `receive` finds in the queue.
#[derive(Debug, PartialEq, Eq)]
pub enum ReceivedMessage {
    /// The next message.
    Message(Message),
    /// There will be no more messages; every later call finds the same (docs/asgi.md, 100).
    Closed(Closed),
    /// Nothing yet; the event loop will be notified.
    Nothing,
}

/// Messages from the client that wait for the app, bounded by their number and by their bytes.
#[derive(Debug)]
pub struct MessageQueue {
    messages: VecDeque<Message>,
    weight: usize,
    most: usize,
    window: Window,
    paused: bool,
    closed: Option<Closed>,
}

impl MessageQueue {
    /// A queue that is full at `most` messages, or when the window for their bytes is.
    pub fn new(most: usize, limits: Limits) -> Self {
        Self {
            messages: VecDeque::new(),
            weight: 0,
            most,
            window: Window::new(limits),
            paused: false,
            closed: None,
        }
    }

    /// Adds a message; false means that the host should stop reading. Messages after the end are dropped.
    pub fn push(&mut self, message: Message) -> bool {
        if self.closed.is_some() {
            return true;
        }
        self.weight += message.weight();
        self.messages.push_back(message);
        let room = self.window.has_room(self.weight, Instant::now);
        self.paused |= self.messages.len() >= self.most || !room;
        !self.paused
    }

    /// Notes the end: no more messages come. The first reason counts.
    pub fn close(&mut self, closed: Closed) {
        self.closed.get_or_insert(closed);
    }

    /// The next message; messages that came before the end are given out before it (docs/asgi.md, 112). The flag says that the
    /// host may go on.
    pub fn pop(&mut self) -> (ReceivedMessage, bool) {
        let Some(message) = self.messages.pop_front() else {
            let end = self.closed.clone();
            return (end.map_or(ReceivedMessage::Nothing, ReceivedMessage::Closed), false);
        };
        self.weight -= message.weight();
        // Only when half empty, so that a client that keeps the queue full is not stopped and started for each message.
        self.window.take(message.weight(), self.weight, Instant::now);
        let resumes = self.paused && self.messages.len() <= self.most / 2 && self.window.is_open(self.weight);
        self.paused &= !resumes;
        (ReceivedMessage::Message(message), resumes)
    }
}

#[cfg(test)]
mod tests {
    use super::{Closed, Message, MessageQueue, ReceivedMessage};
    use crate::exchange::window::Limits;
    use proptest::prelude::*;

    fn text(data: &str) -> Message {
        Message {
            is_text: true,
            data: data.to_owned().into(),
        }
    }

    #[test]
    fn asgi_100_112_messages_come_before_the_end_which_stays() {
        let mut queue = MessageQueue::new(4, Limits::fixed(1000));
        queue.push(text("a"));
        let end = Closed {
            code: 4001,
            reason: "bye".into(),
        };
        queue.close(end.clone());
        queue.close(Closed::abnormal());
        queue.push(text("late"));
        assert_eq!(queue.pop().0, ReceivedMessage::Message(text("a")));
        for _ in 0..2 {
            assert_eq!(queue.pop().0, ReceivedMessage::Closed(end.clone()));
        }
    }

    #[test]
    fn asgi_107_large_messages_that_are_received_at_once_do_not_stop_the_host_each_time() {
        let mut queue = MessageQueue::new(4, Limits { least: 100, most: 400 });
        let large = "x".repeat(100);
        let mut rooms = Vec::new();
        for _ in 0..3 {
            let room = queue.push(text(&large));
            assert_eq!(queue.pop().1, !room);
            rooms.push(room);
        }
        assert_eq!(rooms, [false, true, true]);
    }

    #[test]
    fn asgi_107_the_host_is_stopped_and_resumed_half_way_down() {
        let mut queue = MessageQueue::new(4, Limits::fixed(1 << 20));
        let rooms: Vec<bool> = (0..5).map(|_| queue.push(text(""))).collect();
        assert_eq!(rooms, [true, true, true, false, false]);
        let resumes: Vec<bool> = (0..5).map(|_| queue.pop().1).collect();
        assert_eq!(resumes, [false, false, true, false, false]);
        assert_eq!(queue.pop().0, ReceivedMessage::Nothing);
    }

    proptest! {
        #[test]
        fn a_paused_host_is_always_resumed_and_no_message_is_lost(
            steps in proptest::collection::vec(proptest::option::of(0usize..200), 0..200),
            most in 1usize..8,
        ) {
            let mut queue = MessageQueue::new(most, Limits::fixed(256));
            let (mut paused, mut sent, mut got) = (false, Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Some(length) if !paused => {
                        let message = Message { is_text: false, data: vec![u8::try_from(sent.len() % 256).expect("byte"); length].into() };
                        sent.push(message.clone());
                        paused = !queue.push(message);
                    }
                    _ => match queue.pop() {
                        (ReceivedMessage::Message(message), resumes) => {
                            got.push(message);
                            paused &= !resumes;
                        }
                        _ => prop_assert!(!paused, "an empty queue keeps the host stopped"),
                    },
                }
                prop_assert!(sent.len() - got.len() <= most);
            }
            while let (ReceivedMessage::Message(message), resumes) = queue.pop() {
                got.push(message);
                paused &= !resumes;
            }
            prop_assert!(!paused && sent == got);
        }
    }
}
