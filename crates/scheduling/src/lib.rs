//! How the system shares the processors between threads.
//!
//! A thread that only carries messages is woken for each of them. The system lets a thread that has slept run at once, in the
//! place of the one that runs. With one request under way that is what keeps it short. With many, the one that runs is the application
//! or JavaScript, and each message costs two switches: then the thread had better wait until a processor is free, or the turn of another
//! thread is over, and find more messages. Figures: benches/PROFILE.md.

#[cfg(target_os = "linux")]
mod ffi;

/// From so many requests under way on a thread waits for its turn.
#[cfg(target_os = "linux")]
const MANY: usize = 16;

/// With so few it does not any more.
#[cfg(target_os = "linux")]
const FEW: usize = 4;

/// What the calling thread does when it is woken.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy)]
enum Woken {
    Interrupts,
    WaitsForItsTurn,
    /// It is not ours to decide: whoever has started the process has chosen a policy, or the system refuses another.
    AsChosen,
}

#[cfg(target_os = "linux")]
thread_local! {
    static WOKEN: std::cell::Cell<Woken> = const { std::cell::Cell::new(Woken::Interrupts) };
}

/// Says how many requests are under way whose messages the calling thread carries. That decides whether it interrupts others when it is
/// woken.
///
/// On Linux a thread that waits for its turn has the policy `SCHED_BATCH` (sched(7)), and gets it only in place of the usual one. On
/// other systems, and where the system refuses it, nothing changes.
pub fn under_way(requests: usize) {
    #[cfg(target_os = "linux")]
    match WOKEN.get() {
        Woken::Interrupts if requests >= MANY => {
            let waits = ffi::policy() == Some(ffi::USUAL) && ffi::set_policy(ffi::BATCH);
            WOKEN.set(if waits { Woken::WaitsForItsTurn } else { Woken::AsChosen });
        }
        Woken::WaitsForItsTurn if requests <= FEW => {
            let interrupts = ffi::set_policy(ffi::USUAL);
            WOKEN.set(if interrupts { Woken::Interrupts } else { Woken::AsChosen });
        }
        _ => {}
    }
    #[cfg(not(target_os = "linux"))]
    let _ = requests;
}

/// Starts a thread or a process that interrupts others, as usual. It would inherit it if the calling thread does not.
pub fn at_once<T>(start: impl FnOnce() -> T) -> T {
    under_way(0);
    start()
}
