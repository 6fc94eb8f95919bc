//! DELTA SACK: what arrived lately (private; sent only to peers that listed it among their extensions).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |  type = 0x9c  |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                      cumulative TSN ack                       |
//! +---------------------------------------------------------------+
//! |               advertised receiver window (bytes)              |
//! +-------------------------------+-------------------------------+
//! |  TSNs that arrived twice      |          reserved = 0         |
//! +-------------------------------+-------------------------------+
//! |                   first of block, offset                      |
//! +---------------------------------------------------------------+  times blocks, to the end of the chunk
//! |                    last of block, offset                      |
//! +---------------------------------------------------------------+
//! ```
//!
//! A SACK tells all gaps from the first on, with offsets of 16 bits. A gigabit over an ocean at 3 % loss has three
//! thousand gaps in 90,000 TSNs: the packet ends before them, the offsets too, and writing and reading them all
//! each time is most of the work. This chunk names whole blocks in any order, and says nothing of what it does not
//! name: the blocks that grew since the last few, so that losing one or two of these loses nothing, and a few of the
//! others by turns.
use super::{ChunkType, Malformed, put_chunk, u16_at, u32_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeltaSack<'a> {
    pub cumulative: u32,
    /// Bytes.
    pub window: u32,
    /// TSNs that arrived twice since the last one.
    pub duplicates: u16,
    blocks: &'a [u8],
}

impl<'a> DeltaSack<'a> {
    /// Chunk header and fields before the first block.
    pub const HEADER: usize = 16;
    /// A block.
    pub const BLOCK: usize = 8;

    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let (cumulative, window, duplicates) = (u32_at(value, 0)?, u32_at(value, 4)?, u16_at(value, 8)?);
        let blocks = value.get(12..).ok_or(Malformed("DELTA SACK too short"))?;
        if !blocks.len().is_multiple_of(Self::BLOCK) {
            return Err(Malformed("DELTA SACK with half a block"));
        }
        Ok(Self { cumulative, window, duplicates, blocks })
    }

    /// First and last TSN of each block as offsets from the cumulative one, as sent: in any order, perhaps empty.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = (u32, u32)> + use<'a> {
        let word = |b: &[u8]| u32::from_be_bytes([b[0], b[1], b[2], b[3]]);
        self.blocks.chunks_exact(Self::BLOCK).map(move |block| (word(block), word(&block[4..])))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        Self::write_from(out, self.cumulative, self.window, self.duplicates, self.blocks());
    }

    /// Appends one straight from an iterator.
    pub fn write_from(
        out: &mut Vec<u8>,
        cumulative: u32,
        window: u32,
        duplicates: u16,
        blocks: impl Iterator<Item = (u32, u32)>,
    ) {
        put_chunk(out, ChunkType::DELTA_SACK, 0, |out| {
            out.extend_from_slice(&cumulative.to_be_bytes());
            out.extend_from_slice(&window.to_be_bytes());
            out.extend_from_slice(&duplicates.to_be_bytes());
            out.extend_from_slice(&[0, 0]);
            for (first, last) in blocks {
                out.extend_from_slice(&first.to_be_bytes());
                out.extend_from_slice(&last.to_be_bytes());
            }
        });
    }
}
