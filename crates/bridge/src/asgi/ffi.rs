//! The unsafe code of this folder: descriptors that an app lends.

/// A file of our own for a descriptor of the app's, which closes its one when it likes.
pub(crate) fn duplicate(descriptor: std::os::fd::RawFd) -> std::io::Result<std::fs::File> {
    if descriptor < 0 {
        return Err(std::io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: the descriptor is borrowed for this call only, in which the kernel checks that it is open; -1, the one value
    // that a BorrowedFd must not have, was refused.
    unsafe { std::os::fd::BorrowedFd::borrow_raw(descriptor) }
        .try_clone_to_owned()
        .map(Into::into)
}
