//! Replaces one worker or all workers by new ones, which run the new code.
//!
//! The numbers of workers only grow. So a worker that started after a change of files has a greater number than the workers at
//! the time of the change, and it has read the new files.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asgi_node_core::{Error, Traced};
use tokio::sync::oneshot;

use super::Pool;
use crate::front::Done;
use crate::member::{Member, State};

/// The pause after a replacement that failed.
const AGAIN: Duration = Duration::from_secs(10);

/// No other replacement is tried in this time: one is under way, and will report its end.
const UNDER_WAY: Duration = Duration::from_secs(3600);

impl Pool {
    /// From now on, requests wait for workers that start later than this.
    pub(super) fn hold(&mut self) {
        self.held = Some(self.next_number);
    }

    /// Whether a worker gets requests.
    pub(super) fn serves(&self, member: &Member) -> bool {
        member.state == State::Ready && self.held.is_none_or(|held| member.number > held)
    }

    /// Whether files have changed since then.
    fn is_outdated(&self, since: u32) -> bool {
        self.held.is_some_and(|held| held > since)
    }

    /// Lets requests go to any worker again, unless files have changed since then.
    fn release(&mut self, since: u32) {
        if !self.is_outdated(since) {
            self.held = None;
            self.dispatch_waiting();
            self.front.notify.notify_one();
        }
    }

    /// Starts a new worker in the place of this one. When the new one is ready, the old one is drained.
    pub(super) async fn replace(pool: Rc<RefCell<Self>>, number: u32) -> Result<(), Traced> {
        let slot = match pool.borrow_mut().member(number) {
            Some(member) => {
                member.replaced = Some(Instant::now() + UNDER_WAY);
                member.slot
            }
            // The worker has died in the meantime, and its successor is new.
            None => return Ok(()),
        };
        let came = Self::start_awaited(&pool, slot).await;
        if came.is_err()
            && let Some(member) = pool.borrow_mut().member(number)
        {
            member.replaced = Some(Instant::now() + AGAIN);
        }
        came
    }

    async fn start_awaited(pool: &Rc<RefCell<Self>>, slot: usize) -> Result<(), Traced> {
        let (sender, receiver) = oneshot::channel();
        Self::start(pool, slot, Some(sender));
        receiver.await.unwrap_or_else(|_| Err(Error::HandlerClosed.into()))
    }

    /// Replaces all workers, one after the other.
    pub(super) fn reload(pool: &Rc<RefCell<Self>>, done: Done) {
        let pool = Rc::clone(pool);
        let since = pool.borrow().next_number;
        tokio::task::spawn_local(async move {
            let reloads = Rc::clone(&pool.borrow().reloads);
            // One reload at a time. When the second one begins, the first may have done its work.
            let _turn = reloads.lock().await;
            let renewed = Self::renew(&pool, since).await;
            let mut this = pool.borrow_mut();
            if renewed.is_ok() && this.is_outdated(since) && this.closing.is_none() {
                // The next reload is under way, and will also end this one.
                return this.outdated.push(done);
            }
            let outdated = std::mem::take(&mut this.outdated);
            this.release(since);
            drop(this);
            for done in outdated.into_iter().chain([done]) {
                done(renewed.clone());
            }
        });
    }

    /// Gives every place a worker that started later than `since`. Stops early if files change again.
    async fn renew(pool: &Rc<RefCell<Self>>, since: u32) -> Result<(), Traced> {
        let count = pool.borrow().slots.len();
        for slot in 0..count {
            if pool.borrow().closing.is_some() {
                return Err(Error::HandlerClosed.into());
            }
            if pool.borrow().is_outdated(since) {
                return Ok(());
            }
            let newest = pool.borrow().newest(slot);
            match newest {
                Some(number) if number > since => Self::until_ready(pool, number).await?,
                Some(number) => Self::replace(Rc::clone(pool), number).await?,
                None => Self::start_awaited(pool, slot).await?,
            }
        }
        Ok(())
    }

    /// Waits for a worker that somebody else has started.
    async fn until_ready(pool: &Rc<RefCell<Self>>, number: u32) -> Result<(), Traced> {
        let (sender, receiver) = oneshot::channel();
        match pool.borrow_mut().member(number) {
            Some(member) if member.state == State::Starting => member.on_ready.push(sender),
            _ => return Ok(()),
        }
        receiver.await.unwrap_or_else(|_| Err(Error::HandlerClosed.into()))
    }

    /// The newest worker in this place that is not draining.
    fn newest(&self, slot: usize) -> Option<u32> {
        let here = self.members.iter().filter(|member| member.slot == slot);
        here.filter(|member| member.state != State::Draining)
            .map(|member| member.number)
            .max()
    }
}
