//! Memory for pieces of bodies that are on their way.
//!
//! One thread makes them and another frees them, many at a time. An allocator gives such memory back to the kernel, and every
//! page of the next body is a page fault. So what has been used is kept here, the last first, while it is in a cache.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

/// As much as Node reads from a socket at once.
const SIZE: usize = 64 * 1024;

/// Pieces below this size are none of ours: they would waste the rest.
const LEAST: usize = 16 * 1024;

/// How many are kept: 16 MiB, and never more than were under way at once.
const MOST: usize = 256;

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A chunk that is used again, if there is one. It has bytes of its last use in it.
fn used() -> Vec<u8> {
    let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
    kept.unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// A copy of these bytes.
pub fn copy(bytes: &[u8]) -> Vec<u8> {
    if !(LEAST..=SIZE).contains(&bytes.len()) {
        return bytes.to_vec();
    }
    let mut chunk = used();
    chunk.clear();
    chunk.extend_from_slice(bytes);
    chunk
}

/// So many bytes to be written over. What is in them may come from another request: none of it must be read.
pub fn take(length: usize) -> Vec<u8> {
    if !(LEAST..=SIZE).contains(&length) {
        return vec![0; length];
    }
    let mut chunk = used();
    // Mostly it had the same length, and no zeros are written.
    chunk.resize(length, 0);
    chunk
}

/// A chunk that comes back when nobody has it any more.
struct Shared(Option<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(chunk) = self.0.take() {
            let mut pool = POOL.lock().unwrap_or_else(PoisonError::into_inner);
            if pool.len() < MOST {
                pool.push(chunk);
            }
        }
    }
}

/// The same bytes for several owners. The last one gives the chunk back.
pub fn share(chunk: Vec<u8>) -> Bytes {
    if chunk.capacity() == SIZE {
        Bytes::from_owner(Shared(Some(chunk)))
    } else {
        chunk.into()
    }
}

/// Takes pieces back that have been read.
pub fn give_back(chunks: VecDeque<Vec<u8>>) {
    let mut pool = None;
    for chunk in chunks {
        if chunk.capacity() != SIZE {
            continue;
        }
        let pool = pool.get_or_insert_with(|| POOL.lock().unwrap_or_else(PoisonError::into_inner));
        if pool.len() < MOST {
            pool.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST, MOST, POOL, SIZE, copy, give_back, share, take};

    #[test]
    fn large_pieces_are_used_again_and_nothing_of_the_last_use_is_left() {
        for length in [0, 1, LEAST - 1, LEAST, SIZE, SIZE + 1] {
            give_back([copy(&vec![1; length])].into());
            let other = vec![2; length.min(LEAST)];
            assert_eq!(copy(&other), other);
        }
        give_back((0..2 * MOST).map(|_| copy(&vec![3; SIZE])).collect());
        assert_eq!(POOL.lock().expect("no panic").len(), MOST);
        let address = |bytes: &[u8]| bytes.as_ptr();
        let first = copy(&vec![4; SIZE]);
        let place = address(&first);
        give_back([first, Vec::new(), vec![0; 7]].into());
        let second = copy(&vec![5; LEAST]);
        assert_eq!((address(&second), second.len()), (place, LEAST));
        let shared = share(second);
        drop(shared.clone());
        assert_eq!(shared, vec![5; LEAST]);
        drop(shared);
        let third = take(SIZE);
        assert_eq!((address(&third), third.len()), (place, SIZE));
        assert_eq!([share(vec![6; 7]), share(Vec::new())].concat(), [6; 7]);
        assert_eq!([take(7), take(0)].concat(), [0; 7]);
    }
}
