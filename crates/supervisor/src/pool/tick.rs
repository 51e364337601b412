//! Time limits. A pool without anything to watch has no timer.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use asgi_node_core::Error;
use asgi_node_worker::message::Failed;

use super::end::LONG;
use super::{ERROR, INFO, Pool, Slot, WARNING, back_off};
use crate::child;
use crate::member::{Member, State};

/// How often to check workers that are ending.
const ENDING: Duration = Duration::from_millis(50);

/// How often to check the memory of workers with requests.
const MEMORY: Duration = Duration::from_secs(1);

/// How often to ask a worker again whose event loop was blocked: so `health()` tells the truth, however seldom it is called.
const FOLLOW: Duration = Duration::from_millis(250);

/// After so many workers in a row that soon used too much memory, a warning is logged.
const BLOATED: u32 = 3;

/// An event loop that has not answered for this time is blocked, not just slow.
const BLOCKED: Duration = Duration::from_secs(1);

impl Slot {
    /// Why its worker uses too much memory. If each new worker soon does, it is not said at once.
    fn outgrown(&mut self, member: &Member, most: u64) -> Option<String> {
        let (age, pause) = (member.since.elapsed(), back_off(self.bloated));
        if most == 0 || member.relays.is_empty() || age < pause {
            return None;
        }
        let resident = child::resident(member.process.pid());
        if resident < most {
            return None;
        }
        self.bloated = if age < pause + LONG { self.bloated + 1 } else { 0 };
        Some(format!("because it uses {resident} bytes of memory (maxMemory)"))
    }
}

impl Pool {
    /// The time of the next check.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        let now = Instant::now();
        let busy = self.members.iter().any(|member| !member.relays.is_empty());
        let ending = self.closing.is_some() || self.members.iter().any(|member| member.deadline.is_some());
        let kill = Duration::from_millis(self.workers.kill_blocked_after);
        let kills = busy && !kill.is_zero();
        let starts = self.slots.iter().filter_map(|slot| slot.next);
        let age = Duration::from_millis(self.workers.max_age);
        let ages = self.members.iter().filter(|_| !age.is_zero()).map(|member| {
            let due = member.since + age;
            member.replaced.map_or(due, |later| later.max(due))
        });
        [
            ending.then(|| now + ENDING),
            kills.then(|| now + (kill / 4).max(Duration::from_millis(20))),
            self.members.iter().any(Member::was_blocked).then(|| now + FOLLOW),
            (busy && self.workers.max_memory > 0).then(|| now + MEMORY),
        ]
        .into_iter()
        .flatten()
        .chain(starts)
        .chain(ages)
        .chain(self.members.iter().filter_map(|member| member.up_by))
        .min()
    }

    /// Checks all time limits.
    pub(super) fn tick(pool: &Rc<RefCell<Self>>) {
        let now = Instant::now();
        let mut this = pool.borrow_mut();
        this.follow_blocked();
        this.kill_late(now);
        this.kill_blocked(now);
        this.kill_overdue(now);
        let due: Vec<usize> = (0..this.slots.len())
            .filter(|&slot| this.slots[slot].next.is_some_and(|next| next <= now))
            .collect();
        let old = this.worn_out(now);
        drop(this);
        for slot in due {
            Self::start(pool, slot, None);
        }
        for (number, why) in old {
            Self::recycle(pool, number, &why);
        }
    }

    fn follow_blocked(&mut self) {
        for member in self.members.iter_mut().filter(|member| member.was_blocked()) {
            member.ping();
        }
    }

    /// Ends what does not come up: in an import that never ends, nobody else does.
    fn kill_late(&mut self, now: Instant) {
        let limit = self.front.startup_timeout;
        let late = |member: &&mut Member| member.up_by.is_some_and(|up_by| up_by <= now);
        for member in self.members.iter_mut().filter(late) {
            member.up_by = None;
            member.process.kill();
            member.refused.get_or_insert_with(|| {
                let text = format!("The application has not started within {limit} ms (option startupTimeout)");
                let error = Error::StartupFailed(text);
                Failed {
                    code: error.code().to_owned(),
                    message: error.to_string(),
                    traceback: String::new(),
                }
            });
        }
    }

    fn kill_blocked(&mut self, now: Instant) {
        let limit = Duration::from_millis(self.workers.kill_blocked_after);
        if limit.is_zero() {
            return;
        }
        let mut killed = Vec::new();
        for member in self
            .members
            .iter_mut()
            .filter(|member| member.state != State::Starting && !member.relays.is_empty())
        {
            let blocked = member.blocked_while_busy();
            if blocked >= limit {
                member.process.kill();
                killed.push((member.process.pid(), blocked));
                member.pinged = Some(now);
                member.status.blocked = 0;
            } else {
                member.ping();
            }
        }
        for (pid, blocked) in killed {
            let seconds = blocked.as_secs_f64();
            let text = format!(
                "worker {pid} was killed, because its event loop had been blocked for {seconds:.1} s (killBlockedAfter)"
            );
            self.say(ERROR, &text, pid);
        }
    }

    /// Kills workers that have not ended in time.
    fn kill_overdue(&mut self, now: Instant) {
        let closed = self.closing.as_ref().map(|closing| closing.deadline);
        let shutdown = match self.front.shutdown_timeout {
            0 => Duration::MAX,
            limit => Duration::from_millis(limit),
        };
        for member in &mut self.members {
            if member.deadline.is_none() && closed.is_none() {
                continue;
            }
            member.ping();
            let is_late = member.deadline.is_some_and(|deadline| now >= deadline);
            let blocked = member.blocked();
            let is_stuck = closed.is_some_and(|deadline| {
                let idle = member.relays.is_empty().then(|| *member.idle.get_or_insert(now));
                // A shutdown that blocks has as long as any other.
                blocked >= 2 * BLOCKED && idle.map_or(now >= deadline, |since| now.duration_since(since) >= shutdown)
            });
            if is_stuck && member.stuck.is_none() {
                let (pid, seconds) = (member.process.pid(), blocked.as_secs_f64());
                let text = format!("the event loop of worker {pid} has been blocked for {seconds:.1} s");
                member.stuck = Some(Error::LoopBlocked(text));
            }
            if is_late || is_stuck {
                member.process.kill();
            }
        }
    }

    /// Workers that must be replaced, and why.
    fn worn_out(&mut self, now: Instant) -> Vec<(u32, String)> {
        if self.closing.is_some() || self.loaded.is_some() {
            return Vec::new();
        }
        let workers = &self.workers;
        let why = |member: &Member| {
            if member.requests >= member.most_requests {
                return Some(format!("after {} requests (maxRequests)", member.requests));
            }
            let age = Duration::from_millis(workers.max_age);
            if !age.is_zero() && member.since.elapsed() >= age {
                return Some(format!("after {:.0} s (maxAge)", member.since.elapsed().as_secs_f64()));
            }
            None
        };
        let (mut old, mut bloated) = (Vec::new(), Vec::new());
        for member in &mut self.members {
            let again = member.replaced.is_none_or(|later| later <= now);
            if member.state != State::Ready || !again {
                continue;
            }
            let slot = &mut self.slots[member.slot];
            let had = slot.bloated;
            if let Some(why) = why(member).or_else(|| slot.outgrown(member, workers.max_memory)) {
                member.replaced = Some(now + Duration::from_secs(3600));
                old.push((member.number, why));
                bloated.extend((had < BLOATED && slot.bloated == BLOATED).then(|| member.process.pid()));
            }
        }
        for pid in bloated {
            let text = "each new worker soon uses more memory than maxMemory, so there is a pause before the next one, which grows";
            self.say(WARNING, text, pid);
        }
        old
    }

    fn recycle(pool: &Rc<RefCell<Self>>, number: u32, why: &str) {
        let mut this = pool.borrow_mut();
        let pid = this.member(number).map_or(0, |member| member.process.pid());
        this.say(INFO, &format!("worker {pid} is replaced {why}"), pid);
        drop(this);
        let pool = Rc::clone(pool);
        tokio::task::spawn_local(async move {
            if let Err(why) = Self::replace(Rc::clone(&pool), number).await {
                let this = pool.borrow();
                if this.closing.is_none() {
                    this.say(
                        ERROR,
                        &format!("worker {pid} could not be replaced and goes on: {}", why.error),
                        pid,
                    );
                }
            }
        });
    }
}
