//! Closed loops: so many clients, each of which does the next thing when the one before is done.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::LocalSet;

use crate::{Error, Outcome};

/// What the clients of a loop share. All of them are on one thread.
#[derive(Debug, Default)]
pub struct Clock {
    counting: Cell<bool>,
    over: Cell<bool>,
    microseconds: RefCell<Vec<f32>>,
}

impl Clock {
    pub fn is_over(&self) -> bool {
        self.over.get()
    }

    /// One thing is done that began then.
    pub fn done(&self, begun: Instant) {
        if self.counting.get() {
            self.microseconds.borrow_mut().push(begun.elapsed().as_secs_f32() * 1e6);
        }
    }
}

/// Runs the clients; what is done while it warms up does not count.
pub async fn closed_loop<C, F>(connections: usize, warm_up: f64, seconds: f64, client: C) -> Result<Outcome, Error>
where
    C: Fn(Rc<Clock>) -> F,
    F: Future<Output = Result<(), Error>> + 'static,
{
    let clock = Rc::new(Clock::default());
    let tasks = LocalSet::new();
    let clients: Vec<_> = (0..connections).map(|_| tasks.spawn_local(client(Rc::clone(&clock)))).collect();
    let measure = async {
        tokio::time::sleep(Duration::from_secs_f64(warm_up)).await;
        clock.counting.set(true);
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
        clock.counting.set(false);
        clock.over.set(true);
        begun.elapsed().as_secs_f64()
    };
    let elapsed = tasks.run_until(measure).await;
    for client in clients {
        if client.is_finished() {
            client.await??;
        } else {
            client.abort();
        }
    }
    let mut times = clock.microseconds.take();
    if times.is_empty() {
        return Err("nothing was answered".into());
    }
    times.sort_unstable_by(f32::total_cmp);
    let at = |part: f64| times.get((times.len() as f64 * part) as usize).map(|&time| f64::from(time));
    Ok(Outcome { per_second: times.len() as f64 / elapsed, count: times.len() as u64, seconds: elapsed, p50: at(0.5), p99: at(0.99) })
}
