//! Frames: messages are cut up, so that a large one does not delay the others.

/// Bytes before each payload: its length, the kind, the number of the request.
pub const HEADER: usize = 9;

/// The most bytes of a payload.
pub const LARGEST: usize = 64 * 1024;

/// A bit of the kind: the message continues in the next frame of this number.
const MORE: u8 = 0x80;

/// The peer has broken the protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed frame: {0}")]
pub struct Malformed(pub String);

/// One frame. Its payload is still in the receive buffer.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The kind of the message.
    pub kind: u8,
    /// The number of the request that it belongs to; 0 for none.
    pub id: u32,
    /// Whether the message continues in another frame.
    pub more: bool,
    /// A piece of the message.
    pub payload: &'a [u8],
}

/// The bytes before a payload of `length` bytes.
pub(crate) fn header(kind: u8, id: u32, more: bool, length: usize) -> [u8; HEADER] {
    debug_assert!(length <= LARGEST && kind & MORE == 0, "our own frames are valid");
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let id = id.to_le_bytes();
    let kind = if more { kind | MORE } else { kind };
    [
        length[0], length[1], length[2], length[3], kind, id[0], id[1], id[2], id[3],
    ]
}

/// The header of a frame.
pub(crate) struct Head {
    pub(crate) length: usize,
    pub(crate) kind: u8,
    pub(crate) id: u32,
    pub(crate) more: bool,
}

/// The header of the first frame in `bytes`; `None` while a part of it is missing.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let Some(head) = bytes.first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if length > LARGEST {
        return Err(Malformed(format!("a frame of {length} bytes; the limit is {LARGEST}")));
    }
    Ok(Some(Head {
        length,
        kind: head[4] & !MORE,
        id: u32::from_le_bytes([head[5], head[6], head[7], head[8]]),
        more: head[4] & MORE != 0,
    }))
}

/// The first frame in `bytes`, with its whole length; `None` while a part of it is missing.
pub fn first(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Malformed> {
    let Some(Head { length, kind, id, more }) = head(bytes)? else {
        return Ok(None);
    };
    let Some(payload) = bytes.get(HEADER..HEADER + length) else {
        return Ok(None);
    };
    let frame = Frame {
        kind,
        id,
        more,
        payload,
    };
    Ok(Some((frame, HEADER + length)))
}
