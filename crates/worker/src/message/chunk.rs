//! A piece of a request body.

use std::fmt;

use asgi_node_core::{Bytes, chunk_pool};

/// Bytes that are nobody else's, as they come; or shared by what is being sent and by what may have to be sent again.
pub struct Chunk(Kept);

enum Kept {
    Own(Vec<u8>),
    Shared(Bytes),
}

impl Chunk {
    /// How many bytes they are.
    pub fn len(&self) -> usize {
        self.as_slice().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Kept::Own(bytes) => bytes,
            Kept::Shared(bytes) => bytes,
        }
    }

    /// The same bytes, for another owner.
    pub fn share(&mut self) -> Bytes {
        match &mut self.0 {
            Kept::Own(bytes) => {
                let shared = chunk_pool::share(std::mem::take(bytes));
                self.0 = Kept::Shared(shared.clone());
                shared
            }
            Kept::Shared(bytes) => bytes.clone(),
        }
    }

    /// The bytes; copied if they are shared.
    pub fn into_vec(self) -> Vec<u8> {
        match self.0 {
            Kept::Own(bytes) => bytes,
            Kept::Shared(bytes) => bytes.to_vec(),
        }
    }
}

impl From<Vec<u8>> for Chunk {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kept::Own(bytes))
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}
