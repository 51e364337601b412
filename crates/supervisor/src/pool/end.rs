//! The end of workers: in order, or by death.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asgi_node_core::protocol::limit;
use asgi_node_core::{Error, Traced};
use asgi_node_worker::ToWorker;

use super::{Closing, ERROR, INFO, Pool, WARNING};
use crate::child::describe;
use crate::front::Done;
use crate::member::{Member, State};
use crate::relay::{Relay, failure};

/// The time that Python gives cancelled requests, and a little more.
const CANCEL_GRACE: Duration = Duration::from_millis(limit::CANCEL_GRACE + 500);

/// A worker that lived longer than this did not fail at its start.
pub(super) const LONG: Duration = Duration::from_secs(10);

impl Pool {
    /// A worker's process has ended, and all its messages were read.
    pub(crate) fn ended(pool: &Rc<RefCell<Self>>, number: u32, reason: Option<String>) {
        let mut this = pool.borrow_mut();
        let Some(at) = this.members.iter().position(|member| member.number == number) else {
            return;
        };
        let mut member = this.members.remove(at);
        let status = member.process.ended().map_or_else(|| "unknown".into(), describe);
        let how = reason.map_or(status.clone(), |reason| {
            format!("{status}, after it broke the protocol: {reason}")
        });
        this.errors = this.errors.saturating_add(member.status.errors);
        // First, so that whoever hears of a lost request does not find its worker in `health()`.
        this.note();
        match (member.state, &member.end_message) {
            (State::Starting, _) => {
                let why = member.why_not_up(&how);
                let on_ready = std::mem::take(&mut member.on_ready);
                if this.closing.is_none() {
                    this.not_up(member.slot, on_ready, why);
                }
            }
            (_, Some(end_message)) => {
                let failed = end_message.clone().err().map(|why| failure(why, false));
                this.went(
                    member,
                    failed.map(|failure| Traced {
                        error: failure.error,
                        traceback: failure.traceback,
                    }),
                );
            }
            (_, None) => this.died(member, &how),
        }
        this.note();
        this.dispatch_waiting();
        this.finish_close();
        this.front.notify.notify_one();
    }

    /// The worker has ended in order.
    fn went(&mut self, mut member: Member, failed: Option<Traced>) {
        let pid = member.process.pid();
        let why = if self.closing.is_some() {
            Error::HandlerClosed
        } else {
            self.replaced()
        };
        for (_, relay) in member.relays.drain() {
            self.fail(relay, why.clone());
        }
        match (&mut self.closing, failed) {
            (Some(closing), failed) => closing.failure = closing.failure.take().or(failed),
            (None, Some(failed)) => self.say(ERROR, &failed.error.to_string(), pid),
            (None, None) => {}
        }
        self.say(INFO, &format!("worker {pid} has ended"), pid);
    }

    /// The worker has died, with its requests.
    fn died(&mut self, mut member: Member, how: &str) {
        let pid = member.process.pid();
        let latest = member.ledger.latest().unwrap_or(u32::MAX);
        let mut relays: Vec<(u32, Relay)> = member.relays.drain().collect();
        relays.sort_by_key(|(id, _)| *id);
        // One that has said something of it has begun it, whatever it has written down.
        let (mut begun, others): (Vec<_>, Vec<_>) = relays
            .into_iter()
            .partition(|(id, relay)| *id <= latest || relay.has_begun());
        for (_, relay) in &mut begun {
            relay.begin_here();
        }
        let lost = begun.iter().filter(|(_, relay)| relay.is_waited_for()).count();
        let requests = if lost == 1 {
            "1 request".into()
        } else {
            format!("{lost} requests")
        };
        let text = format!(
            "worker {pid} has died ({how}) with {requests} under way{}",
            member.process.last_lines()
        );
        let level = if self.closing.is_some() { WARNING } else { ERROR };
        self.say(level, &text, pid);
        for (_, relay) in begun {
            self.fail(relay, Error::WorkerDied(text.clone()));
        }
        for (_, relay) in others.into_iter().rev() {
            // Their application was not called, so another worker gets them.
            self.places.remove(&super::key(relay.exchange()));
            self.waiting.push_front(relay);
        }
        if let Some(closing) = &mut self.closing {
            let cut = || Error::ShutdownFailed(format!("The application was not shut down: {text}"));
            let why = member.stuck.take().unwrap_or_else(cut);
            closing.failure.get_or_insert_with(|| why.into());
            self.fail_waiting();
        } else if member.state == State::Ready {
            if member.since.elapsed() >= LONG {
                self.slots[member.slot].failures = 0;
            }
            if self.is_vacant(member.slot) {
                self.restart(member.slot);
            }
        }
    }

    fn fail_waiting(&mut self) {
        for relay in std::mem::take(&mut self.waiting) {
            self.fail(relay, Error::HandlerClosed);
        }
    }

    /// How long an orderly end may take.
    pub(super) fn longest_end(&self, timeout: u64) -> Duration {
        let shutdown = match self.front.shutdown_timeout {
            // 0 means no limit. A blocked worker is ended all the same.
            0 => Duration::from_secs(365 * 24 * 3600),
            limit => Duration::from_millis(limit),
        };
        Duration::from_millis(timeout) + CANCEL_GRACE + shutdown + self.front.exit_timeout
    }

    pub(super) fn close(&mut self, timeout: u64, done: Option<Done>) {
        let deadline = Instant::now() + Duration::from_millis(timeout);
        if let Some(closing) = &mut self.closing {
            closing.deadline = closing.deadline.min(deadline);
            closing.done.extend(done);
        } else {
            self.closing = Some(Closing {
                deadline,
                done: done.into_iter().collect(),
                failure: None,
            });
            self.front.refuse();
            self.fail_waiting();
            let states: Vec<(u32, State)> = self
                .members
                .iter()
                .map(|member| (member.number, member.state))
                .collect();
            for (number, state) in states {
                match state {
                    // Its application has no requests.
                    State::Starting => self.kill(number),
                    State::Ready => self.drain(number, timeout),
                    State::Draining => self.hasten(number, timeout),
                }
            }
        }
        for slot in &mut self.slots {
            slot.next = None;
        }
        self.finish_close();
    }

    pub(super) fn shorten(&mut self, timeout: u64) {
        let (now, soon) = (Instant::now(), Duration::from_millis(timeout));
        if let Some(closing) = &mut self.closing {
            closing.deadline = closing.deadline.min(now + soon);
        }
        let numbers: Vec<u32> = self.members.iter().map(|member| member.number).collect();
        for number in numbers {
            self.hasten(number, timeout);
        }
    }

    /// A worker that is ending gets less time for its requests.
    fn hasten(&mut self, number: u32, timeout: u64) {
        let latest = Instant::now() + self.longest_end(timeout);
        if let Some(member) = self.member(number) {
            member.outgoing.push(0, ToWorker::Shorten(timeout));
            member.deadline = member.deadline.map(|deadline| deadline.min(latest));
        }
    }

    /// Why a request failed that a replaced worker could not finish in time.
    pub(super) fn replaced(&self) -> Error {
        let limit = self.workers.drain_timeout;
        Error::WorkerDied(format!(
            "the worker with this request was replaced, and the request did not end within {limit} ms (option workers.drainTimeout)"
        ))
    }

    pub(super) fn finish_close(&mut self) {
        if self.members.is_empty()
            && let Some(closing) = &mut self.closing
        {
            for done in self.outdated.drain(..) {
                done(Err(Error::HandlerClosed.into()));
            }
            for done in closing.done.drain(..) {
                done(closing.failure.clone().map_or(Ok(()), Err));
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.closing.is_some() && self.members.is_empty()
    }
}
