//! The socket between Node and one worker.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream as StdStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

use crate::incoming::Incoming;
use crate::outgoing::Outgoing;
use crate::wire::Wire;

/// The most descriptors that may come with one read. Each is sent by itself.
const DESCRIPTORS: usize = 8;

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Bytes have come, and there may be more.
    Some,
    /// Bytes have come, and these were all.
    All,
    /// Nothing has come.
    Nothing,
    /// The peer has gone.
    End,
}

/// One end of the socket, on a tokio runtime.
#[derive(Debug)]
pub struct Connection(UnixStream);

impl Connection {
    /// Takes over a socket. Must be called on the runtime.
    pub fn new(stream: StdStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self(UnixStream::from_std(stream)?))
    }

    /// Returns when something can be read.
    pub async fn readable(&self) -> io::Result<()> {
        self.0.readable().await
    }

    /// Returns when something can be written.
    pub async fn writable(&self) -> io::Result<()> {
        self.0.writable().await
    }

    /// Reads what has come, up to the free room.
    pub fn read<M: Wire>(&self, incoming: &mut Incoming<M>) -> io::Result<Read> {
        let mut read = Ok(Read::Nothing);
        let _ = self.0.try_io(Interest::READABLE, || {
            read = found(receive(self.0.as_fd(), incoming));
            match read {
                // The runtime need not ask the system once more to know it.
                Ok(Read::All | Read::Nothing) => Err(io::ErrorKind::WouldBlock.into()),
                _ => Ok(()),
            }
        });
        read
    }

    /// The same when the peer has ended. It asks the system, because the runtime may not know yet that the last bytes have come.
    pub fn read_rest<M: Wire>(&self, incoming: &mut Incoming<M>) -> io::Result<Read> {
        let read = found(receive(self.0.as_fd(), incoming))?;
        Ok(if read == Read::All { Read::Some } else { read })
    }

    /// Writes as much as the socket takes. Returns true when nothing is left.
    pub fn write(&self, outgoing: &mut Outgoing) -> io::Result<bool> {
        while !outgoing.is_empty() {
            let written = {
                let (parts, descriptor) = outgoing.next_write();
                let descriptor = descriptor.map(AsFd::as_fd);
                self.0
                    .try_io(Interest::WRITABLE, || send(self.0.as_fd(), &parts, descriptor))
            };
            match written {
                Ok(written) => outgoing.wrote(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

fn found(received: io::Result<Received>) -> io::Result<Read> {
    match received {
        Ok(Received { bytes: 0, .. }) => Ok(Read::End),
        Ok(Received { is_all: true, .. }) => Ok(Read::All),
        Ok(_) => Ok(Read::Some),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Read::Nothing),
        Err(error) if is_end(&error) => Ok(Read::End),
        Err(error) => Err(error),
    }
}

/// Whether an error means that the peer has gone.
pub fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe)
}

/// What one call of the system has read.
#[derive(Debug, Clone, Copy)]
pub struct Received {
    /// 0 at the end.
    pub bytes: usize,
    /// There was room for more. (A read also stops behind a descriptor.)
    is_all: bool,
}

/// One read of bytes and descriptors.
pub fn receive<M: Wire>(socket: BorrowedFd<'_>, incoming: &mut Incoming<M>) -> io::Result<Received> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = received_flags();
    let mut room = incoming.room().map(IoSliceMut::new);
    let most = room.iter().map(|part| part.len()).sum();
    let received = recvmsg(socket, &mut room, &mut control, flags)?;
    let mut is_all = received.bytes < most && !received.flags.contains(ReturnFlags::CTRUNC);
    for message in control.drain() {
        is_all = false;
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            for descriptor in descriptors {
                #[cfg(not(target_os = "linux"))]
                rustix::io::fcntl_setfd(&descriptor, rustix::io::FdFlags::CLOEXEC)?;
                let added = incoming.add_descriptor(descriptor);
                added.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            }
        }
    }
    incoming.add(received.bytes);
    Ok(Received {
        bytes: received.bytes,
        is_all,
    })
}

#[cfg(target_os = "linux")]
fn received_flags() -> RecvFlags {
    RecvFlags::CMSG_CLOEXEC
}

#[cfg(not(target_os = "linux"))]
fn received_flags() -> RecvFlags {
    RecvFlags::empty()
}

fn send(socket: BorrowedFd<'_>, parts: &[IoSlice<'_>], descriptor: Option<BorrowedFd<'_>>) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = descriptor.map(|one| [one]);
    if let Some(descriptors) = &descriptors {
        control.push(SendAncillaryMessage::ScmRights(descriptors));
    }
    let sent = sendmsg(socket, parts, &mut control, send_flags())?;
    Ok(sent)
}

#[cfg(target_os = "linux")]
fn send_flags() -> SendFlags {
    SendFlags::NOSIGNAL
}

#[cfg(not(target_os = "linux"))]
fn send_flags() -> SendFlags {
    SendFlags::empty()
}
