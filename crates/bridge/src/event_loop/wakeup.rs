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
pub struct WakeReader(End);

/// The writing end; the inbox holds it.
#[derive(Debug)]
pub struct WakeWriter(End);

/// A new pair.
#[cfg(target_os = "linux")]
pub fn pair() -> io::Result<(WakeWriter, WakeReader)> {
    use rustix::event::{EventfdFlags, eventfd};
    let reader = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
    Ok((WakeWriter(reader.try_clone()?), WakeReader(reader)))
}

/// A new pair.
#[cfg(not(target_os = "linux"))]
pub fn pair() -> io::Result<(WakeWriter, WakeReader)> {
    let (reader, writer) = End::pair()?;
    reader.set_nonblocking(true)?;
    writer.set_nonblocking(true)?;
    Ok((WakeWriter(writer), WakeReader(reader)))
}

impl Waker for WakeWriter {
    fn wake(&self) {
        // If the counter or the socket is full, the loop has been woken but has not read it yet: nothing is lost.
        #[cfg(target_os = "linux")]
        let _ = rustix::io::write(&self.0, &1u64.to_ne_bytes());
        #[cfg(not(target_os = "linux"))]
        let _ = io::Write::write(&mut &self.0, &[1]);
    }
}

impl WakeReader {
    /// The descriptor to watch for reading.
    pub fn fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// Makes the descriptor unreadable until the next wake-up.
    pub fn clear(&self) {
        #[cfg(target_os = "linux")]
        let _ = rustix::io::read(&self.0, &mut [0u8; 8]);
        #[cfg(not(target_os = "linux"))]
        let _ = io::Read::read(&mut &self.0, &mut [0u8; 64]);
    }
}
