//! PAD: bytes that make a packet longer and mean nothing (RFC 4820 §3).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 0x84  |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                      zeros, never looked at ...               |
//! ```
use super::{ChunkType, put_chunk};

/// The high bits of its type let those who do not know it skip it in silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pad {
    /// Bytes after the chunk's header.
    pub len: usize,
}

impl Pad {
    /// Bytes before the padding.
    pub const HEADER: usize = 4;

    pub(crate) const fn parse(value: &[u8]) -> Self {
        Self { len: value.len() }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::PAD, 0, |out| out.resize(out.len() + self.len, 0));
    }
}
