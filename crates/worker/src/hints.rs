//! How many early hints one response may have.
//!
//! No window counts them, because `send()` of them does not wait. So both ends have this limit: the worker drops further hints, which
//! a response may lack, and Node takes them for a violation.

/// The most bytes.
const MOST: usize = 1024 * 1024;

/// What each hint costs beside its bytes.
const OVERHEAD: usize = 64;

/// The early hints of one response so far.
#[derive(Debug, Default)]
pub struct Hints(usize);

impl Hints {
    /// Counts a hint. Returns false if it is too much.
    pub fn admit(&mut self, links: &[u8]) -> bool {
        self.0 = self.0.saturating_add(links.len()).saturating_add(OVERHEAD);
        self.0 <= MOST
    }
}
