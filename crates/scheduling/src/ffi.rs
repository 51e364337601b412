//! The unsafe code of this crate: two system calls, for which musl has only functions that fail.

use libc::{SYS_sched_getscheduler, SYS_sched_setscheduler, c_int, c_long, syscall};

pub(crate) const USUAL: c_int = libc::SCHED_OTHER;
pub(crate) const BATCH: c_int = libc::SCHED_BATCH;

const THIS_THREAD: c_long = 0;

/// `struct sched_param` of the kernel. That of musl has more fields.
#[repr(C)]
struct Parameters {
    priority: c_int,
}

/// The policy of the calling thread.
pub(crate) fn policy() -> Option<c_int> {
    // SAFETY: the call takes a number and reads no memory.
    let policy = unsafe { syscall(SYS_sched_getscheduler, THIS_THREAD) };
    c_int::try_from(policy).ok().filter(|policy| *policy >= 0)
}

/// Returns false where the system refuses it.
pub(crate) fn set_policy(policy: c_int) -> bool {
    let parameters = Parameters { priority: 0 };
    // SAFETY: the kernel reads one `int` behind the pointer, which is valid during the call, and writes nothing.
    unsafe {
        syscall(
            SYS_sched_setscheduler,
            THIS_THREAD,
            c_long::from(policy),
            &raw const parameters,
        ) == 0
    }
}
