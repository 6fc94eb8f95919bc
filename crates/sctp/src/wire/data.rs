//! DATA: a message or a fragment of one (RFC 9260 §3.3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |   type = 0    |  res  |I|U|B|E|            length             |
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |                              TSN                              |
//! +-------------------------------+-------------------------------+
//! |           stream              |   stream sequence number      |
//! +-------------------------------+-------------------------------+
//! |                  payload protocol identifier                  |
//! +---------------------------------------------------------------+
//! |                          user data ...                        |
//! ```
use super::{ChunkType, Malformed, put_chunk, u16_at, u32_at};

/// The flags of DATA and I-DATA: which part of a message this is, and how to treat it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Placement {
    /// I: acknowledge at once ([RFC 9260 §3.3.1](https://www.rfc-editor.org/rfc/rfc9260#section-3.3.1)).
    pub immediate: bool,
    /// U: deliver without waiting for earlier messages of the stream.
    pub unordered: bool,
    /// B: the first fragment.
    pub first: bool,
    /// E: the last fragment.
    pub last: bool,
}

impl Placement {
    pub(crate) const fn from_flags(flags: u8) -> Self {
        Self {
            immediate: flags & 8 != 0,
            unordered: flags & 4 != 0,
            first: flags & 2 != 0,
            last: flags & 1 != 0,
        }
    }

    pub(crate) const fn flags(self) -> u8 {
        (self.immediate as u8) << 3 | (self.unordered as u8) << 2 | (self.first as u8) << 1 | self.last as u8
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Data<'a> {
    pub placement: Placement,
    pub tsn: u32,
    pub stream: u16,
    /// Counts the ordered messages of the stream.
    pub ssn: u16,
    pub ppid: u32,
    /// At least one byte: RFC 9260 §3.3.1 forbids less.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// Chunk header and fields before the user data.
    pub const HEADER: usize = 16;

    pub(crate) fn parse(flags: u8, value: &'a [u8]) -> Result<Self, Malformed> {
        let payload = value.get(12..).filter(|payload| !payload.is_empty());
        Ok(Self {
            placement: Placement::from_flags(flags),
            tsn: u32_at(value, 0)?,
            stream: u16_at(value, 4)?,
            ssn: u16_at(value, 6)?,
            ppid: u32_at(value, 8)?,
            payload: payload.ok_or(Malformed("DATA without user data"))?,
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::DATA, self.placement.flags(), |out| {
            let mut head = [0; 12];
            head[0..4].copy_from_slice(&self.tsn.to_be_bytes());
            head[4..6].copy_from_slice(&self.stream.to_be_bytes());
            head[6..8].copy_from_slice(&self.ssn.to_be_bytes());
            head[8..12].copy_from_slice(&self.ppid.to_be_bytes());
            out.extend_from_slice(&head);
            out.extend_from_slice(self.payload);
        });
    }
}
