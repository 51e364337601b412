//! What remains of a worker that dies: the number of the request that it began last.
//!
//! Requests begin in the order of their numbers. So this number tells for each request whether the application was called. If it
//! was not called, another worker can get the request, whatever its method is. The number is in a file without a name, which both
//! processes have open. It is written before each call, and it survives when the process is killed.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

/// The file with the number.
#[derive(Debug)]
pub struct Ledger(File);

impl Ledger {
    /// A new file: no request has begun.
    pub fn new() -> io::Result<Self> {
        let file = nameless()?;
        file.write_all_at(&0u32.to_le_bytes(), 0)?;
        Ok(Self(file))
    }

    /// The file whose descriptor the peer has sent.
    pub fn from_descriptor(descriptor: OwnedFd) -> Self {
        Self(descriptor.into())
    }

    /// A descriptor for the peer.
    pub fn descriptor(&self) -> io::Result<OwnedFd> {
        Ok(self.0.try_clone()?.into())
    }

    /// Notes that the request of this number begins.
    pub fn begin(&self, id: u32) -> io::Result<()> {
        self.0.write_all_at(&id.to_le_bytes(), 0)
    }

    /// The number of the request that began last; 0 if none has begun.
    pub fn latest(&self) -> io::Result<u32> {
        let mut bytes = [0; 4];
        self.0.read_exact_at(&mut bytes, 0)?;
        Ok(u32::from_le_bytes(bytes))
    }
}

#[cfg(target_os = "linux")]
fn nameless() -> io::Result<File> {
    use rustix::fs::{MemfdFlags, memfd_create};
    Ok(memfd_create("asgi-node-ledger", MemfdFlags::CLOEXEC)?.into())
}

#[cfg(not(target_os = "linux"))]
fn nameless() -> io::Result<File> {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("asgi-node-ledger-{}-{number}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path)?;
    std::fs::remove_file(path)?;
    Ok(file)
}
