//! A bounded queue with many producers, one consumer, and one coalesced wake-up.
//!
//! Both directions use it: for requests on their way to the event loop, and for exchanges with news on their way to Node.
//! A producer wakes the consumer only if it is asleep, and the consumer takes everything that is there. So a burst of
//! a thousand messages costs one wake-up.
//!
//! It is bounded in two ways. [`Inbox::offer_quietly`] refuses above the capacity: it is for messages from outside.
//! [`Inbox::post`] never refuses, because a lost message would lose an outcome. It is for messages whose number is bounded
//! elsewhere: an exchange is queued at most once, and the exchanges in flight are limited.

use crate::sync::Mutex;

/// Wakes the consumer's thread. Must not block and must not call back into the inbox.
pub trait Waker: Send + Sync {
    /// Called once each time a message reaches a sleeping inbox.
    fn wake(&self);
}

struct Queue<T> {
    items: Vec<T>,
    awake: bool,
    closed: bool,
}

/// The queue; share it in an `Arc`.
pub struct Inbox<T> {
    queue: Mutex<Queue<T>>,
    capacity: usize,
    waker: Box<dyn Waker>,
}

impl<T> std::fmt::Debug for Inbox<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let queue = self.queue.lock();
        f.debug_struct("Inbox")
            .field("len", &queue.items.len())
            .field("awake", &queue.awake)
            .field("closed", &queue.closed)
            .finish_non_exhaustive()
    }
}

impl<T> Inbox<T> {
    /// An empty inbox that refuses offers above `capacity`.
    pub fn new(capacity: usize, waker: Box<dyn Waker>) -> Self {
        Self {
            queue: Mutex::new(Queue {
                items: Vec::new(),
                awake: false,
                closed: false,
            }),
            capacity,
            waker,
        }
    }

    /// Adds a message, or gives it back if the inbox is full or closed. Does not wake a sleeping consumer: [`Self::wake`] must
    /// follow soon.
    pub fn offer_quietly(&self, item: T) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.closed || queue.items.len() >= self.capacity {
            return Err(item);
        }
        queue.items.push(item);
        Ok(())
    }

    /// Wakes the consumer if it sleeps although messages wait.
    pub fn wake(&self) {
        let mut queue = self.queue.lock();
        let asleep = !queue.items.is_empty() && !std::mem::replace(&mut queue.awake, true);
        drop(queue);
        if asleep {
            self.waker.wake();
        }
    }

    /// Adds a message of a kind whose number is bounded elsewhere, and wakes the consumer if it sleeps. Gives the message back
    /// only if the inbox is closed.
    pub fn post(&self, item: T) -> Result<(), T> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(item);
        }
        queue.items.push(item);
        let asleep = !std::mem::replace(&mut queue.awake, true);
        drop(queue);
        if asleep {
            self.waker.wake();
        }
        Ok(())
    }

    /// Moves everything into `batch` and goes to sleep: the next message wakes the consumer again. A consumer that was woken must
    /// take, even if it has enough to do: until it does, nothing wakes it.
    pub fn take(&self, batch: &mut Vec<T>) {
        let mut queue = self.queue.lock();
        queue.awake = false;
        if batch.is_empty() {
            // Swapping keeps both allocations alive: no allocation per wake-up.
            std::mem::swap(&mut queue.items, batch);
        } else {
            batch.append(&mut queue.items);
        }
    }

    /// Wakes the consumer although nothing was added: it stopped before the end of its batch and wants another turn.
    pub fn ring(&self) {
        self.waker.wake();
    }

    /// Refuses everything from now on and hands back what was queued.
    pub fn close(&self) -> Vec<T> {
        let mut queue = self.queue.lock();
        queue.closed = true;
        std::mem::take(&mut queue.items)
    }

    /// How many messages wait.
    pub fn len(&self) -> usize {
        self.queue.lock().items.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Inbox, Waker};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Count(Arc<AtomicUsize>);
    impl Waker for Count {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn inbox(capacity: usize) -> (Inbox<u32>, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        (Inbox::new(capacity, Box::new(Count(Arc::clone(&wakes)))), wakes)
    }

    /// As a host submits a request.
    fn submit(inbox: &Inbox<u32>, number: u32) -> Result<(), u32> {
        inbox.offer_quietly(number)?;
        inbox.wake();
        Ok(())
    }

    #[test]
    fn a_burst_wakes_once_and_the_next_message_wakes_again() {
        let (inbox, wakes) = inbox(10);
        for n in 0..5 {
            submit(&inbox, n).expect("room");
        }
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        let mut batch = Vec::new();
        inbox.take(&mut batch);
        assert_eq!(batch, [0, 1, 2, 3, 4]);
        submit(&inbox, 5).expect("room");
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_quiet_offer_wakes_nobody_until_it_is_asked_to() {
        let (inbox, wakes) = inbox(2);
        inbox.wake();
        assert_eq!((inbox.offer_quietly(1), wakes.load(Ordering::SeqCst)), (Ok(()), 0));
        inbox.wake();
        inbox.wake();
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        assert_eq!((inbox.offer_quietly(2), inbox.offer_quietly(3)), (Ok(()), Err(3)));
        let mut batch = Vec::new();
        inbox.take(&mut batch);
        inbox.wake();
        assert_eq!((batch, wakes.load(Ordering::SeqCst)), (vec![1, 2], 1));
    }

    #[test]
    fn an_offer_above_the_capacity_is_given_back_and_a_post_is_not() {
        let (inbox, _) = inbox(2);
        assert_eq!(
            (inbox.offer_quietly(1), inbox.offer_quietly(2), inbox.offer_quietly(3)),
            (Ok(()), Ok(()), Err(3))
        );
        assert_eq!(inbox.post(4), Ok(()));
        assert_eq!(inbox.len(), 3);
    }

    #[test]
    fn closing_hands_back_what_waited_and_refuses_the_rest() {
        let (inbox, _) = inbox(2);
        submit(&inbox, 1).expect("room");
        assert_eq!(inbox.close(), [1]);
        assert_eq!((inbox.offer_quietly(2), inbox.post(3)), (Err(2), Err(3)));
    }

    #[test]
    fn nothing_is_lost_or_reordered_between_threads() {
        let (inbox, _) = inbox(usize::MAX);
        let inbox = Arc::new(inbox);
        let producers: Vec<_> = (0..4)
            .map(|p| {
                let inbox = Arc::clone(&inbox);
                std::thread::spawn(move || (0..10_000).for_each(|n| submit(&inbox, p * 10_000 + n).expect("room")))
            })
            .collect();
        let (mut seen, mut batch) = (Vec::new(), Vec::new());
        while seen.len() < 40_000 {
            inbox.take(&mut batch);
            seen.append(&mut batch);
        }
        for producer in producers {
            producer.join().expect("producer");
        }
        for p in 0..4 {
            let of_one: Vec<u32> = seen.iter().copied().filter(|n| n / 10_000 == p).collect();
            assert!(of_one.is_sorted(), "producer {p} was reordered");
        }
    }
}
