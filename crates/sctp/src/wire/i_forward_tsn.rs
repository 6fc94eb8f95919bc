//! I-FORWARD-TSN: FORWARD TSN beside I-DATA (RFC 8260 §2.3.1).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 194   |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                     new cumulative TSN                        |
//! +-------------------------------+-----------------------------+-+
//! |            stream             |          reserved           |U|  times streams
//! +-------------------------------+-----------------------------+-+
//! |                      message identifier                       |
//! +---------------------------------------------------------------+
//! ```
use super::{ChunkType, Malformed, put_chunk, u32_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IForwardTsn<'a> {
    pub cumulative: u32,
    skipped: &'a [u8],
}

impl<'a> IForwardTsn<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self { cumulative: u32_at(value, 0)?, skipped: &value[4..] })
    }

    /// Stream, whether unordered, and the last message given up in it.
    pub fn skipped(&self) -> impl Iterator<Item = (u16, bool, u32)> + use<'a> {
        self.skipped.chunks_exact(8).map(|entry| {
            let stream = u16::from_be_bytes([entry[0], entry[1]]);
            (stream, entry[3] & 1 != 0, u32::from_be_bytes([entry[4], entry[5], entry[6], entry[7]]))
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::I_FORWARD_TSN, 0, |out| {
            out.extend_from_slice(&self.cumulative.to_be_bytes());
            out.extend_from_slice(self.skipped);
        });
    }

    pub fn write_from(out: &mut Vec<u8>, cumulative: u32, skipped: impl Iterator<Item = (u16, bool, u32)>) {
        put_chunk(out, ChunkType::I_FORWARD_TSN, 0, |out| {
            out.extend_from_slice(&cumulative.to_be_bytes());
            for (stream, unordered, mid) in skipped {
                out.extend_from_slice(&stream.to_be_bytes());
                out.extend_from_slice(&u16::from(unordered).to_be_bytes());
                out.extend_from_slice(&mid.to_be_bytes());
            }
        });
    }
}
