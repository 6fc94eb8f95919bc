//! SACK: what arrived (RFC 9260 §3.3.4).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |   type = 3    |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                      cumulative TSN ack                       |
//! +---------------------------------------------------------------+
//! |               advertised receiver window (bytes)              |
//! +-------------------------------+-------------------------------+
//! |     number of gap blocks      |    number of duplicate TSNs   |
//! +-------------------------------+-------------------------------+
//! |    first of block, offset     |     last of block, offset     |  times gap blocks
//! +-------------------------------+-------------------------------+
//! |                         duplicate TSN                         |  times duplicates
//! ```
use super::{ChunkType, Malformed, put_chunk, u16_at, u32_at};

/// TSNs that arrived beyond a gap, both ends included, as offsets from the cumulative TSN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GapBlock {
    pub first: u16,
    pub last: u16,
}

/// Gap blocks and duplicates stay as bytes: hundreds may come with each packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sack<'a> {
    pub cumulative: u32,
    /// Bytes.
    pub window: u32,
    gaps: &'a [u8],
    duplicates: &'a [u8],
}

impl<'a> Sack<'a> {
    /// Chunk header and fields before the first gap block.
    pub const HEADER: usize = 16;

    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let gaps = usize::from(u16_at(value, 8)?) * 4;
        let duplicates = usize::from(u16_at(value, 10)?) * 4;
        let lists = value.get(12..12 + gaps + duplicates).ok_or(Malformed("SACK shorter than its lists"))?;
        let (gaps, duplicates) = lists.split_at(gaps);
        Ok(Self { cumulative: u32_at(value, 0)?, window: u32_at(value, 4)?, gaps, duplicates })
    }

    /// Blocks as sent: a peer may send them empty, overlapping or in any order.
    pub fn gaps(&self) -> impl ExactSizeIterator<Item = GapBlock> + use<'a> {
        self.gaps.chunks_exact(4).map(|block| GapBlock {
            first: u16::from_be_bytes([block[0], block[1]]),
            last: u16::from_be_bytes([block[2], block[3]]),
        })
    }

    /// TSNs that arrived twice since the last SACK.
    pub fn duplicates(&self) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        self.duplicates.chunks_exact(4).map(|tsn| u32::from_be_bytes([tsn[0], tsn[1], tsn[2], tsn[3]]))
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::SACK, 0, |out| {
            out.extend_from_slice(&self.cumulative.to_be_bytes());
            out.extend_from_slice(&self.window.to_be_bytes());
            out.extend_from_slice(&((self.gaps.len() / 4) as u16).to_be_bytes());
            out.extend_from_slice(&((self.duplicates.len() / 4) as u16).to_be_bytes());
            out.extend_from_slice(self.gaps);
            out.extend_from_slice(self.duplicates);
        });
    }

    /// Appends a SACK straight from iterators, without a list in between.
    pub fn write_from(
        out: &mut Vec<u8>,
        cumulative: u32,
        window: u32,
        gaps: impl ExactSizeIterator<Item = GapBlock>,
        duplicates: impl ExactSizeIterator<Item = u32>,
    ) {
        put_chunk(out, ChunkType::SACK, 0, |out| {
            out.extend_from_slice(&cumulative.to_be_bytes());
            out.extend_from_slice(&window.to_be_bytes());
            out.extend_from_slice(&(gaps.len() as u16).to_be_bytes());
            out.extend_from_slice(&(duplicates.len() as u16).to_be_bytes());
            for gap in gaps {
                out.extend_from_slice(&gap.first.to_be_bytes());
                out.extend_from_slice(&gap.last.to_be_bytes());
            }
            for tsn in duplicates {
                out.extend_from_slice(&tsn.to_be_bytes());
            }
        });
    }
}
