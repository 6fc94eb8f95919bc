//! FORWARD TSN: don't wait for what I gave up (RFC 3758 §3.2).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 192   |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                     new cumulative TSN                        |
//! +-------------------------------+-------------------------------+
//! |            stream             |    stream sequence number     |  times ordered streams
//! +-------------------------------+-------------------------------+
//! ```
use super::{ChunkType, Malformed, put_chunk, u32_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForwardTsn<'a> {
    pub cumulative: u32,
    skipped: &'a [u8],
}

impl<'a> ForwardTsn<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        Ok(Self { cumulative: u32_at(value, 0)?, skipped: &value[4..] })
    }

    /// Stream and the last sequence number given up in it.
    pub fn skipped(&self) -> impl Iterator<Item = (u16, u16)> + use<'a> {
        let pair =
            |pair: &[u8]| (u16::from_be_bytes([pair[0], pair[1]]), u16::from_be_bytes([pair[2], pair[3]]));
        self.skipped.chunks_exact(4).map(pair)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::FORWARD_TSN, 0, |out| {
            out.extend_from_slice(&self.cumulative.to_be_bytes());
            out.extend_from_slice(self.skipped);
        });
    }

    pub fn write_from(out: &mut Vec<u8>, cumulative: u32, skipped: impl Iterator<Item = (u16, u16)>) {
        put_chunk(out, ChunkType::FORWARD_TSN, 0, |out| {
            out.extend_from_slice(&cumulative.to_be_bytes());
            for (stream, ssn) in skipped {
                out.extend_from_slice(&stream.to_be_bytes());
                out.extend_from_slice(&ssn.to_be_bytes());
            }
        });
    }
}
