//! What makes the event loop's selector return: an eventfd on Linux, a socket pair elsewhere.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use asgi_node_core::Waker;

#[cfg(target_os = "linux")]
type End = std::os::fd::OwnedFd;
#[cfg(not(target_os = "linux"))]
type End = std::os::unix::net::UnixStream;

/// The reading end; the event loop watches it.
#[derive(Debug)]
pub struct Alarm(End);

/// The writing end; the inbox holds it.
#[derive(Debug)]
pub struct Bell(End);

/// A new pair.
#[cfg(target_os = "linux")]
pub fn pair() -> io::Result<(Bell, Alarm)> {
    use rustix::event::{EventfdFlags, eventfd};
    let alarm = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    Ok((Bell(alarm.try_clone()?), Alarm(alarm)))
}

/// A new pair.
#[cfg(not(target_os = "linux"))]
pub fn pair() -> io::Result<(Bell, Alarm)> {
    let (alarm, bell) = End::pair()?;
    alarm.set_nonblocking(true)?;
    bell.set_nonblocking(true)?;
    Ok((Bell(bell), Alarm(alarm)))
}

impl Waker for Bell {
    fn wake(&self) {
        // If the counter or the socket is full, the loop has been woken but has not read it yet: nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
        #[cfg(not(target_os = "linux"))]
        let _ = io::Write::write(&mut &self.0, &[1]);
    }
}

impl Alarm {
    /// The descriptor to watch for reading.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Makes the descriptor unreadable until the next wake-up.
    pub fn silence(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
        #[cfg(not(target_os = "linux"))]
        let _ = io::Read::read(&mut &self.0, &mut [0u8; 64]);
    }
}
