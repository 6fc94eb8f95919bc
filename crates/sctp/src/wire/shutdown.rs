//! SHUTDOWN, SHUTDOWN ACK and SHUTDOWN COMPLETE: the orderly end (RFC 9260 §3.3.8, §3.3.9, §3.3.13).
//!
//! ```text
//! +---------------+-------------+-+-------------------------------+
//! | type = 7,8,14 |     res     |T|       length = 8, 4, 4        |
//! +---------------+-------------+-+-------------------------------+
//! |               cumulative TSN ack (SHUTDOWN only)              |
//! +---------------------------------------------------------------+
//! ```
use super::{ChunkType, Malformed, put_chunk, u32_at};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown {
    pub cumulative: u32,
}

impl Shutdown {
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Malformed> {
        Ok(Self { cumulative: u32_at(value, 0)? })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::SHUTDOWN, 0, |out| out.extend_from_slice(&self.cumulative.to_be_bytes()));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownAck;

impl ShutdownAck {
    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::SHUTDOWN_ACK, 0, |_| {});
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownComplete;

impl ShutdownComplete {
    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::SHUTDOWN_COMPLETE, 0, |_| {});
    }
}
