//! Frames: how messages are cut up, so that a large one holds up no other.

/// Bytes in front of each payload: its length, the kind, the number of the request.
pub const HEADER: usize = 9;

/// The most bytes of a payload.
pub const LARGEST: usize = 64 * 1024;

/// In the kind: the message goes on in the next frame of this number.
const MORE: u8 = 0x80;

/// The peer has sent what no peer of this version sends.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed frame: {0}")]
pub struct Malformed(pub String);

/// One frame, its payload still in the buffer that it was received into.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// What the message is.
    pub kind: u8,
    /// Which request it belongs to; 0 for none.
    pub id: u32,
    /// Whether the message goes on.
    pub more: bool,
    /// A piece of the message.
    pub payload: &'a [u8],
}

/// Writes the bytes in front of a payload of `length` bytes.
pub(crate) fn header(kind: u8, id: u32, more: bool, length: usize) -> [u8; HEADER] {
    debug_assert!(length <= LARGEST && kind & MORE == 0, "of our own making");
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    let id = id.to_le_bytes();
    let kind = if more { kind | MORE } else { kind };
    [
        length[0], length[1], length[2], length[3], kind, id[0], id[1], id[2], id[3],
    ]
}

/// The first frame in `bytes`, with its whole length; none while some of it is missing.
pub fn first(bytes: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Malformed> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEADER>() else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if length > LARGEST {
        return Err(Malformed(format!("{length} bytes, and the most are {LARGEST}")));
    }
    let Some(payload) = rest.get(..length) else {
        return Ok(None);
    };
    let frame = Frame {
        kind: head[4] & !MORE,
        id: u32::from_le_bytes([head[5], head[6], head[7], head[8]]),
        more: head[4] & MORE != 0,
        payload,
    };
    Ok(Some((frame, HEADER + length)))
}
