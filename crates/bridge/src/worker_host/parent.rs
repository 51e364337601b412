//! Watches whether Node is still there.
//!
//! A worker must end with Node, whatever the reason, and whatever Python is doing: it may be in a C function that keeps the GIL,
//! in an import, or in `atexit`. So a separate thread only waits for Node's end. It sees the end of the socket. On Linux it also
//! has a pidfd, because a process that Python has forked inside Node keeps the socket open. (`PR_SET_PDEATHSIG` would react
//! to the end of the thread that started this process, and would kill at once. But the application must have its shutdown.)

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use std::{io, thread};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, getpgrp, getpid, kill_process, kill_process_group};

use super::link_inbox::{LinkInbox, LinkMessage};
use crate::interpreter;

/// Milliseconds that requests may still take after Node has gone.
pub(super) const ORPHAN_REQUESTS: u64 = 200;
/// The time until the process ends after Node has gone.
const ORPHAN: Duration = Duration::from_millis(900);

/// Starts to watch Node.
pub(super) fn watch(socket: &UnixStream, node: u32, inbox: Arc<LinkInbox>) -> io::Result<()> {
    let socket = socket.try_clone()?;
    let process = process(node);
    let thread = thread::Builder::new()
        .name("asgi-node-orphan".into())
        .stack_size(64 << 10);
    thread.spawn(move || {
        let mut watched = vec![PollFd::from_borrowed_fd(socket.as_fd(), gone())];
        watched.extend(process.as_ref().map(|process| PollFd::new(process, PollFlags::IN)));
        while let Ok(0) | Err(rustix::io::Errno::INTR) = poll(&mut watched, None) {}
        inbox.post(LinkMessage::Orphaned);
        thread::sleep(ORPHAN);
        die();
    })?;
    Ok(())
}

/// A descriptor that becomes readable when this process has ended; `None` if the system does not support it.
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

/// Waits for the end of the socket. Data does not wake it.
#[cfg(target_os = "linux")]
fn gone() -> PollFlags {
    PollFlags::RDHUP
}

#[cfg(not(target_os = "linux"))]
fn gone() -> PollFlags {
    PollFlags::empty()
}

/// Ends this process because Node and it do not understand each other. The exit code and the last line on stderr say so.
pub(super) fn give_up(why: &str) {
    // EX_PROTOCOL of sysexits.h.
    const PROTOCOL: i32 = 76;
    // Perhaps nobody reads stderr any more.
    drop(writeln!(
        io::stderr(),
        "asgi-node: the connection to Node cannot go on: {why}"
    ));
    interpreter::leave(PROTOCOL);
}

/// Ends this process at once, whatever Python does, together with its children that are still in its process group.
pub(super) fn die() {
    kill_group();
    // A process may always signal itself.
    let _ = kill_process(getpid(), Signal::KILL);
}

/// Kills this process and its children, if they are a process group of their own, as they are under Node.
pub(super) fn kill_group() {
    let own = getpid();
    if getpgrp() == own {
        let _ = kill_process_group(own, Signal::KILL);
    }
}
