//! The unsafe code of this folder: descriptors that an app lends, and `bytes` that are written once.

use std::mem::MaybeUninit;
use std::ptr;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

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

/// The chunks as one `bytes`. `PyBytes::new_with` writes zeros into its memory first, which costs a third of the copy.
pub(super) fn joined<'py>(py: Python<'py>, chunks: &[&[u8]]) -> PyResult<Bound<'py, PyBytes>> {
    let length: usize = chunks.iter().map(|chunk| chunk.len()).sum();
    // SAFETY: the thread is attached. Without bytes to copy, CPython makes an object with memory for `length` of them, or
    // raises. Nobody else has the object: its memory may be written until it is handed out. All of it is, because `length` is
    // the sum of the chunks.
    unsafe {
        let object = pyo3::ffi::PyBytes_FromStringAndSize(ptr::null(), length.cast_signed());
        let bytes = Bound::from_owned_ptr_or_err(py, object)?.cast_into_unchecked::<PyBytes>();
        let memory = pyo3::ffi::PyBytes_AsString(object).cast::<MaybeUninit<u8>>();
        let mut room = std::slice::from_raw_parts_mut(memory, length);
        for chunk in chunks {
            let (head, tail) = room.split_at_mut(chunk.len());
            ptr::copy_nonoverlapping(chunk.as_ptr(), head.as_mut_ptr().cast::<u8>(), chunk.len());
            room = tail;
        }
        Ok(bytes)
    }
}
