//! Memory for pieces of request bodies that are on their way.
//!
//! One thread makes them and another frees them, many at a time. An allocator gives such memory back to the kernel, and every
//! page of the next body is a page fault. So what has been used is kept here, the last first, while it is in a cache.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// As much as Node reads from a socket at once.
const SIZE: usize = 64 * 1024;

/// Pieces below this size are none of ours: they would waste the rest.
const LEAST: usize = 16 * 1024;

/// How many are kept: 16 MiB, and never more than were under way at once.
const MOST: usize = 256;

static POOL: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A copy of these bytes.
pub fn copy(bytes: &[u8]) -> Vec<u8> {
    if !(LEAST..=SIZE).contains(&bytes.len()) {
        return bytes.to_vec();
    }
    let kept = POOL.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let mut chunk = kept.unwrap_or_else(|| Vec::with_capacity(SIZE));
    chunk.extend_from_slice(bytes);
    chunk
}

/// Takes pieces back that have been read.
pub fn give_back(chunks: VecDeque<Vec<u8>>) {
    let mut pool = None;
    for mut chunk in chunks {
        if chunk.capacity() != SIZE {
            continue;
        }
        chunk.clear();
        let pool = pool.get_or_insert_with(|| POOL.lock().unwrap_or_else(PoisonError::into_inner));
        if pool.len() < MOST {
            pool.push(chunk);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LEAST, MOST, POOL, SIZE, copy, give_back};

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
        assert_eq!(address(&copy(&vec![5; LEAST])), place);
    }
}
