//! Node's part in lending bytes, played by the test: SAFETY.md, 14. Here and not beside what it tests, because the crates that
//! know Node or Python do not link without them.
#![allow(clippy::unwrap_used, reason = "a test")]

#[path = "../../addon/src/lent/ffi.rs"]
mod lent;

use std::ffi::c_void;
use std::sync::Arc;

use lent::{Answer, give_back, lend};

fn bytes() -> Vec<u8> {
    vec![b'x'; 1 << 20]
}

#[test]
fn bytes_that_are_taken_live_until_they_are_given_back() {
    let mut borrowed = None;
    let lent = lend(bytes(), |data, length, share| {
        borrowed = Some((data.cast::<u8>(), length, share));
        Answer::Taken
    });
    assert!(lent.is_ok());
    let (data, length, share) = borrowed.unwrap();
    // SAFETY: the share has not been given back: the bytes are there, and are the borrower's to change.
    unsafe {
        *data.add(length - 1) = b'y';
        let borrowed = std::slice::from_raw_parts(data, length);
        assert_eq!((borrowed[0], borrowed[length - 1]), (b'x', b'y'));
        give_back::<Vec<u8>>(share);
    }
}

/// What Node 20 does with a body above 4 GiB: it calls the finaliser, and then it says that it failed.
#[test]
fn field_3_bytes_outlive_a_refusal_that_gave_them_back() {
    let refused = lend(bytes(), |_, _, share| {
        // SAFETY: once.
        unsafe { give_back::<Vec<u8>>(share) };
        Answer::Refused
    });
    let owner = refused.unwrap_err();
    assert_eq!(Arc::strong_count(&owner), 1);
    assert_eq!(*owner, bytes());
}

#[test]
fn field_3_bytes_may_be_given_back_after_a_refusal() {
    let mut later: *mut c_void = std::ptr::null_mut();
    let refused = lend(bytes(), |_, _, share| {
        later = share;
        Answer::Refused
    });
    let owner = refused.unwrap_err();
    assert_eq!(Arc::strong_count(&owner), 2);
    assert_eq!(*owner, bytes());
    // SAFETY: once.
    unsafe { give_back::<Vec<u8>>(later) };
    assert_eq!(Arc::strong_count(&owner), 1);
}

#[test]
fn bytes_come_back_from_a_borrower_that_borrows_nothing() {
    let refused = lend(bytes(), |_, _, _| Answer::Unsupported);
    let owner = refused.unwrap_err();
    assert_eq!(Arc::strong_count(&owner), 1);
    assert_eq!(*owner, bytes());
}
