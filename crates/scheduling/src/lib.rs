//! How the system shares the processors between threads.
//!
//! A thread that only carries messages is woken for each of them. The system lets a thread that has slept run at once, in the
//! place of the one that runs: of the application, or of JavaScript. Where no processor is free, that is two switches for a message.
//! [`wait_for_turn`] ends this: the thread runs when a processor is free, or when the turn of another one is over, and finds more
//! messages then. Figures: benches/PROFILE.md.

#[cfg(target_os = "linux")]
mod ffi;

#[cfg(target_os = "linux")]
thread_local! {
    /// Whether this thread waits for its turn because it has said so here.
    static WAITS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// The calling thread does not interrupt others any more when it is woken.
///
/// On Linux it gets the policy `SCHED_BATCH` (sched(7)), unless whoever started the process has chosen another one than the usual.
/// On other systems, and where the system refuses it, nothing changes.
pub fn wait_for_turn() {
    #[cfg(target_os = "linux")]
    WAITS.set(ffi::policy() == Some(ffi::USUAL) && ffi::set_policy(ffi::BATCH));
}

/// Starts a thread or a process that runs at once when it is woken. Otherwise it would inherit that the calling thread does not.
pub fn at_once<T>(start: impl FnOnce() -> T) -> T {
    #[cfg(target_os = "linux")]
    if WAITS.get() {
        ffi::set_policy(ffi::USUAL);
        let started = start();
        ffi::set_policy(ffi::BATCH);
        return started;
    }
    start()
}
