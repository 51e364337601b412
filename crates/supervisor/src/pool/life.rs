//! The start of workers: the first ones, and replacements.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use asgi_node_core::config::Workers;
use asgi_node_core::{Error, Traced};
use asgi_node_scheduling::under_way;
use asgi_node_worker::ToWorker;

use super::drive::{Wires, drive};
use super::{ERROR, INFO, Pool, back_off};
use crate::front::{Done, Front, Job};
use crate::member::{Member, OnReady, State};

/// What a worker may take longer to start: Python keeps the time by itself, and has an error that says more.
const SLACK: Duration = Duration::from_secs(1);

/// The life of a pool.
pub(crate) async fn run(front: Arc<Front>, workers: Arc<Workers>, loaded: Done) {
    let count = workers.count;
    let pool = Rc::new(RefCell::new(Pool::new(Arc::clone(&front), workers, loaded)));
    for slot in 0..count {
        Pool::start(&pool, slot, None);
    }
    let mut batch = Vec::new();
    while !pool.borrow().is_over() {
        let next = pool.borrow().next_tick();
        let sleep = async {
            match next {
                Some(next) => tokio::time::sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = front.notify.notified() => {}
            () = sleep => {}
        }
        front.inbox.take(&mut batch);
        for job in batch.drain(..) {
            Pool::handle(&pool, job);
        }
        Pool::tick(&pool);
        pool.borrow_mut().flush();
        under_way(front.in_flight());
    }
    // Jobs that came too late.
    for job in front.inbox.close() {
        match job {
            Job::Begin(relay) => pool.borrow_mut().fail(*relay, Error::HandlerClosed),
            Job::Close(_, done) => done(Ok(())),
            Job::Reload(done) => done(Err(Error::HandlerClosed.into())),
            Job::Locate(tell) => tell(String::new(), String::new()),
            _ => {}
        }
    }
}

impl Pool {
    /// Starts a worker in this place.
    pub(super) fn start(pool: &Rc<RefCell<Self>>, slot: usize, on_ready: Option<OnReady>) {
        let mut this = pool.borrow_mut();
        this.next_number += 1;
        let (number, restarts) = (this.next_number, this.slots[slot].restarts);
        this.slots[slot].restarts += 1;
        this.slots[slot].next = None;
        match Member::start(&this.workers, number, slot, restarts) {
            Ok(mut member) => {
                member.on_ready.extend(on_ready);
                let limit = Duration::from_millis(this.front.startup_timeout);
                member.up_by = (!limit.is_zero()).then(|| member.since + limit + SLACK);
                let wires = Wires {
                    connection: Rc::clone(&member.connection),
                    notify: Rc::clone(&member.notify),
                    end: Arc::clone(&member.process.end),
                };
                this.members.push(member);
                this.note();
                tokio::task::spawn_local(drive(Rc::clone(pool), number, wires));
            }
            Err(error) => {
                let path = this.workers.executable.display().to_string();
                let error = Error::PythonStartFailed(format!("no worker could be started with {path}: {error}"));
                this.not_up(slot, on_ready.into_iter().collect(), error.into());
            }
        }
    }

    /// A worker's application is ready.
    pub(super) fn opened(&mut self, number: u32) {
        let Some(member) = self.member(number) else { return };
        member.state = State::Ready;
        member.up_by = None;
        let (slot, pid, took) = (member.slot, member.process.pid(), member.since.elapsed());
        let on_ready = std::mem::take(&mut member.on_ready);
        self.failure = None;
        self.slots[slot].next = None;
        self.say(
            INFO,
            &format!("worker {pid} is ready, after {:.2} s", took.as_secs_f64()),
            pid,
        );
        for on_ready in on_ready {
            // Nobody waits if the pool is closing.
            drop(on_ready.send(Ok(())));
        }
        if self.closing.is_some() {
            return self.drain(number, 0);
        }
        self.take_place(number, slot);
        // First, so that whoever waits for the start finds the workers in `health()`.
        self.note();
        let ready = self
            .members
            .iter()
            .filter(|member| member.state == State::Ready)
            .count();
        if ready >= self.workers.count
            && let Some(loaded) = self.loaded.take()
        {
            loaded(Ok(()));
        }
        self.dispatch_waiting();
    }

    /// A worker did not start.
    pub(super) fn not_up(&mut self, slot: usize, on_ready: Vec<OnReady>, why: Traced) {
        if !on_ready.is_empty() {
            // The waiting callers report it.
            for on_ready in on_ready {
                drop(on_ready.send(Err(why.clone())));
            }
        } else if let Some(loaded) = self.loaded.take() {
            loaded(Err(why));
            return self.close(0, None);
        } else {
            self.say(ERROR, &format!("a new worker could not be started: {}", why.error), 0);
        }
        if !self.is_vacant(slot) {
            // The old worker goes on.
            return self.note();
        }
        let failures = self.restart(slot);
        let serving = self.members.iter().any(|member| member.state == State::Ready);
        if failures >= 3 && !serving {
            for relay in std::mem::take(&mut self.waiting) {
                self.fail(relay, why.error.clone());
            }
            self.failure = Some(why);
        }
        self.note();
    }

    /// Schedules a new worker for this place, after a pause that grows. Returns how many in a row did not live long.
    pub(super) fn restart(&mut self, slot: usize) -> u32 {
        let place = &mut self.slots[slot];
        place.failures += 1;
        let pause = back_off(place.failures);
        if self.closing.is_none() {
            place.next = Some(Instant::now() + pause);
        }
        self.front.notify.notify_one();
        place.failures
    }

    /// Whether this place has no worker, not even one that is starting.
    pub(super) fn is_vacant(&self, slot: usize) -> bool {
        let mut members = self.members.iter();
        !members.any(|member| member.slot == slot && member.state != State::Draining)
    }

    /// Keeps the newest ready worker of one place, and drains the others.
    fn take_place(&mut self, number: u32, slot: usize) {
        let others = self
            .members
            .iter()
            .filter(|other| other.slot == slot && other.state == State::Ready);
        let numbers: Vec<u32> = others.map(|other| other.number).collect();
        let newest = numbers.iter().copied().max().unwrap_or(number);
        let timeout = self.workers.drain_timeout;
        for old in numbers.into_iter().filter(|&other| other != newest) {
            self.drain(old, timeout);
        }
    }

    /// A worker gets no more requests, and ends when its requests are over. After `timeout` milliseconds they are cancelled.
    pub(super) fn drain(&mut self, number: u32, timeout: u64) {
        let limit = self.longest_end(timeout);
        let Some(member) = self.member(number) else { return };
        member.state = State::Draining;
        member.outgoing.push(0, ToWorker::Close(timeout));
        member.deadline = Some(Instant::now() + limit);
        self.note();
        self.front.notify.notify_one();
        self.flush();
    }
}
