//! Bytes that are lent to Node without a copy.
//!
//! Knows nothing of Node-API, so that a test can stand in Node's place and refuse in each of the ways that there are: by a
//! status before it looks at anything, and by an error for which it has called the finaliser, or calls it later.

use std::ffi::c_void;
use std::sync::Arc;

/// What the borrower says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It has the bytes, and gives its share back once.
    Taken,
    /// It borrows nothing at all, and has looked at nothing.
    Unsupported,
    /// It does not take these. Node gives the share back then, too: before it answers or later.
    Refused,
}

/// Who owns bytes that can be lent. They stay where they are while it moves.
pub(crate) trait Owner {
    /// The bytes, for the borrower. Whether it may write into them, owner and borrower agree on.
    fn address(&mut self) -> *mut u8;

    /// How many they are.
    fn length(&self) -> usize;
}

#[cfg(test)]
impl Owner for Vec<u8> {
    fn address(&mut self) -> *mut u8 {
        self.as_mut_ptr()
    }

    fn length(&self) -> usize {
        self.len()
    }
}

/// Lends `data`. `ask` gets its address, its length and a share of it, which must come back by [`give_back`]. Where the borrower
/// does not take it, the bytes come back.
pub(crate) fn lend<T: Owner>(
    mut data: T,
    ask: impl FnOnce(*mut c_void, usize, *mut c_void) -> Answer,
) -> Result<(), Arc<T>> {
    let (bytes, length) = (data.address().cast(), data.length());
    let owner = Arc::new(data);
    let share = Arc::into_raw(Arc::clone(&owner)).cast_mut().cast::<c_void>();
    match ask(bytes, length, share) {
        Answer::Taken => Ok(()),
        Answer::Unsupported => {
            // SAFETY: the share is the one that was made above, and this borrower does not give it back.
            unsafe { give_back::<T>(share) };
            Err(owner)
        }
        // Not to be given back here, too. A borrower that does not do it costs memory, not a crash.
        Answer::Refused => Err(owner),
    }
}

/// Takes a share back.
///
/// # Safety
///
/// `share` is one that [`lend`] has handed out for a `T`, and comes back once.
pub(crate) unsafe fn give_back<T: Owner>(share: *mut c_void) {
    // SAFETY: it is the pointer of `Arc::into_raw`, and comes back once (the caller's duty).
    drop(unsafe { Arc::from_raw(share.cast::<T>()) });
}

/// Each way in which Node answers. `make test` compiles this file alone, because the addon has its other half in Node.
#[cfg(test)]
mod tests {
    use super::{Answer, give_back, lend};
    use std::ffi::c_void;
    use std::ptr;
    use std::sync::Arc;

    const BYTES: &[u8] = b"a body that Node does not hold";

    fn read(bytes: *mut c_void, length: usize) -> Vec<u8> {
        // SAFETY: `lend` has said that so many bytes are there.
        unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), length) }.to_vec()
    }

    #[test]
    fn field_3_bytes_that_are_refused_are_whole_when_the_finaliser_ran_before_the_answer() {
        let left = lend(BYTES.to_vec(), |bytes, length, share| {
            assert_eq!(read(bytes, length), BYTES);
            // SAFETY: the share has just been handed out.
            unsafe { give_back::<Vec<u8>>(share) };
            Answer::Refused
        });
        let bytes = left.expect_err("refused");
        assert_eq!((bytes.as_slice(), Arc::strong_count(&bytes)), (BYTES, 1));
    }

    #[test]
    fn field_3_bytes_that_are_refused_are_whole_until_a_finaliser_that_runs_later() {
        let mut later = ptr::null_mut();
        let left = lend(BYTES.to_vec(), |_, _, share| {
            later = share;
            Answer::Refused
        });
        let bytes = left.expect_err("refused");
        assert_eq!((bytes.as_slice(), Arc::strong_count(&bytes)), (BYTES, 2));
        // SAFETY: the share was handed out, and comes back here only.
        unsafe { give_back::<Vec<u8>>(later) };
        assert_eq!((bytes.as_slice(), Arc::strong_count(&bytes)), (BYTES, 1));
    }

    #[test]
    fn field_3_a_borrower_without_external_buffers_calls_no_finaliser_and_nothing_is_kept() {
        let left = lend(BYTES.to_vec(), |_, _, _| Answer::Unsupported);
        let bytes = left.expect_err("refused");
        assert_eq!((bytes.as_slice(), Arc::strong_count(&bytes)), (BYTES, 1));
    }

    #[test]
    fn field_3_bytes_that_are_taken_stay_until_they_come_back() {
        let mut taken = (ptr::null_mut(), 0, ptr::null_mut());
        let left = lend(BYTES.to_vec(), |bytes, length, share| {
            taken = (bytes, length, share);
            Answer::Taken
        });
        assert!(left.is_ok());
        assert_eq!(read(taken.0, taken.1), BYTES);
        // SAFETY: the share was handed out, and comes back here only.
        unsafe { give_back::<Vec<u8>>(taken.2) };
    }
}
