//! Node, as its worker sees it: whether it is there.
//!
//! A worker ends with Node, whatever ends that and whatever Python is at: it may be in a C function that keeps the GIL, in an
//! import, or in `atexit`. So a thread that nothing else depends on waits for nothing but Node's end. It is told by the end of the socket,
//! and on Linux by a pidfd: a process that Python has forked inside of Node keeps the socket open. (`PR_SET_PDEATHSIG` would
//! tell of the end of the thread that has started this process, and kill at once: the application is to have its shutdown.)

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};

use super::news::{News, Note};

/// What an application has to end when Node has gone: requests first, then all of it.
pub(super) const ORPHAN_REQUESTS: u64 = 200;
const ORPHAN: Duration = Duration::from_millis(900);

/// Watches Node from now on.
pub(super) fn watch(socket: &UnixStream, node: u32, news: Arc<News>) -> io::Result<()> {
    let socket = socket.try_clone()?;
    let process = process(node);
    let thread = thread::Builder::new()
        .name("asgi-node-orphan".into())
        .stack_size(64 << 10);
    thread.spawn(move || {
        let mut watched = vec![PollFd::from_borrowed_fd(socket.as_fd(), gone())];
        watched.extend(process.as_ref().map(|process| PollFd::new(process, PollFlags::IN)));
        while let Ok(0) | Err(rustix::io::Errno::INTR) = poll(&mut watched, None) {}
        news.post(Note::Orphaned);
        thread::sleep(ORPHAN);
        die();
    })?;
    Ok(())
}

/// A descriptor that can be read when this process has ended; none where the system has no such thing.
#[cfg(target_os = "linux")]
fn process(pid: u32) -> Option<std::os::fd::OwnedFd> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let pid = Pid::from_raw(i32::try_from(pid).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

#[cfg(not(target_os = "linux"))]
fn process(_: u32) -> Option<std::os::fd::OwnedFd> {
    None
}

/// The end of the socket; data does not wake.
#[cfg(target_os = "linux")]
fn gone() -> PollFlags {
    PollFlags::RDHUP
}

#[cfg(not(target_os = "linux"))]
fn gone() -> PollFlags {
    PollFlags::empty()
}

/// Ends this process, whatever Python does, with those that it has started and that are in its group still.
pub(super) fn die() {
    let own = getpid();
    // Of a process by itself: nothing refuses that.
    let _ = if getpgrp() == own {
        kill_process_group(own, Signal::KILL)
    } else {
        kill_process(own, Signal::KILL)
    };
}
