//! Messages as bytes: fields of fixed sizes, texts with their lengths, and the rest of the bytes at the end.

use std::os::fd::OwnedFd;

use asgi_node_core::Bytes;

use crate::frame::Malformed;

/// A message that can be sent.
pub trait Wire: Sized {
    /// The kind of the message, below 128.
    fn kind(&self) -> u8;

    /// The approximate number of bytes; exact for a long message.
    fn size(&self) -> usize;

    /// For a body: the kind of a piece that is not the last. It is sent in pieces of one frame each, which are messages of their own.
    fn piece_kind(&self) -> Option<u8> {
        None
    }

    /// Appends the bytes of the message up to its tail.
    fn encode(&self, out: &mut Vec<u8>);

    /// The bytes at its end. A long tail is not copied, but sent from where it is.
    fn tail(&mut self) -> Bytes {
        Bytes::new()
    }

    /// The descriptor that is sent with the message.
    fn take_descriptor(&mut self) -> Option<OwnedFd>;

    /// Whether a message of this kind is nothing but its tail.
    fn is_bare(kind: u8) -> bool;

    /// The same as [`Self::decode`] for memory that the message may keep: a long tail is not copied.
    fn adopt(kind: u8, payload: Vec<u8>, descriptor: &mut dyn FnMut() -> Option<OwnedFd>) -> Result<Self, Malformed>;

    /// Reads a message from bytes. `descriptor` returns the next descriptor that has come.
    fn decode(kind: u8, payload: &[u8], descriptor: &mut dyn FnMut() -> Option<OwnedFd>) -> Result<Self, Malformed>;
}

/// Takes fields off the front of a payload.
pub(crate) struct Fields<'a> {
    left: &'a [u8],
    /// The whole payload, if its memory may be kept.
    owner: Option<&'a Bytes>,
}

impl<'a> Fields<'a> {
    pub(crate) fn borrowed(payload: &'a [u8]) -> Self {
        Self {
            left: payload,
            owner: None,
        }
    }

    pub(crate) fn owned(payload: &'a Bytes) -> Self {
        Self {
            left: payload,
            owner: Some(payload),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.left.split_first_chunk().ok_or_else(short)?;
        self.left = rest;
        Ok(*array)
    }

    pub(crate) fn flag(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Malformed(format!("{other} is not a boolean"))),
        }
    }

    pub(crate) fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(crate) fn size(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.u64()?).map_err(|_| short())
    }

    /// Bytes with their length before them.
    pub(crate) fn bytes(&mut self) -> Result<Vec<u8>, Malformed> {
        let length = u32::from_le_bytes(self.array()?) as usize;
        let (bytes, rest) = self.left.split_at_checked(length).ok_or_else(short)?;
        self.left = rest;
        Ok(bytes.to_vec())
    }

    pub(crate) fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.bytes()?).map_err(|_| Malformed("a text is not UTF-8".into()))
    }

    /// All bytes that are left.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.left).to_vec()
    }

    /// The same without a copy, where that is possible.
    pub(crate) fn tail(&mut self) -> Bytes {
        let left = std::mem::take(&mut self.left);
        match self.owner {
            // What is left of a short one would keep the memory of the whole.
            Some(owner) if left.len() > owner.len() / 2 => owner.slice_ref(left),
            _ => Bytes::copy_from_slice(left),
        }
    }

    /// Checks that no bytes are left.
    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.left.is_empty() {
            return Ok(());
        }
        Err(Malformed(format!("{} bytes too many", self.left.len())))
    }
}

fn short() -> Malformed {
    Malformed("a message that is too short".into())
}

/// Adds bytes with their length before them.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    // Longer ones do not occur: the HTTP parser limits heads and trailers, and texts are shortened.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&bytes[..length as usize]);
}

pub(crate) fn put_size(out: &mut Vec<u8>, size: usize) {
    out.extend_from_slice(&(size as u64).to_le_bytes());
}
