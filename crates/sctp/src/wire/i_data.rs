//! I-DATA: a fragment that may be interleaved with those of other messages (RFC 8260 §2.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |  type = 64    |  res  |I|U|B|E|            length             |
//! +---------------+-------+-+-+-+-+-------------------------------+
//! |                              TSN                              |
//! +-------------------------------+-------------------------------+
//! |           stream              |           reserved            |
//! +-------------------------------+-------------------------------+
//! |                      message identifier                       |
//! +---------------------------------------------------------------+
//! |    payload protocol identifier (B) / fragment number (not B)  |
//! +---------------------------------------------------------------+
//! |                          user data ...                        |
//! ```
use super::{ChunkType, Malformed, Placement, put_chunk, u16_at, u32_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IData<'a> {
    pub placement: Placement,
    pub tsn: u32,
    pub stream: u16,
    /// Counts the stream's messages, ordered and unordered apart.
    pub mid: u32,
    /// The payload protocol identifier in the first fragment; the number of the fragment in the others.
    pub ppid_or_fsn: u32,
    /// At least one byte.
    pub payload: &'a [u8],
}

impl<'a> IData<'a> {
    /// Chunk header and fields before the user data.
    pub const HEADER: usize = 20;

    pub(crate) fn parse(flags: u8, value: &'a [u8]) -> Result<Self, Malformed> {
        let payload = value.get(16..).filter(|payload| !payload.is_empty());
        Ok(Self {
            placement: Placement::from_flags(flags),
            tsn: u32_at(value, 0)?,
            stream: u16_at(value, 4)?,
            mid: u32_at(value, 8)?,
            ppid_or_fsn: u32_at(value, 12)?,
            payload: payload.ok_or(Malformed("I-DATA without user data"))?,
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::I_DATA, self.placement.flags(), |out| {
            let mut head = [0; 16];
            head[0..4].copy_from_slice(&self.tsn.to_be_bytes());
            head[4..6].copy_from_slice(&self.stream.to_be_bytes());
            head[8..12].copy_from_slice(&self.mid.to_be_bytes());
            head[12..16].copy_from_slice(&self.ppid_or_fsn.to_be_bytes());
            out.extend_from_slice(&head);
            out.extend_from_slice(self.payload);
        });
    }
}
