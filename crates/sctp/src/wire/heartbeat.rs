//! HEARTBEAT and HEARTBEAT ACK: are you there, and how far (RFC 9260 §3.3.5, §3.3.6).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 4, 5  |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |    parameter type = 1         |       parameter length        |
//! +-------------------------------+-------------------------------+
//! |          whatever the asker wants to read again ...           |
//! ```
use super::{ChunkType, Malformed, Param, Params, put_chunk};

const INFO: u16 = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat<'a> {
    /// Opaque to the one who answers.
    pub info: &'a [u8],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeartbeatAck<'a> {
    pub info: &'a [u8],
}

fn info(value: &[u8]) -> Result<&[u8], Malformed> {
    match Params::new(value).next() {
        Some(Ok(Param { kind: INFO, value })) => Ok(value),
        _ => Err(Malformed("HEARTBEAT without its parameter")),
    }
}

impl<'a> Heartbeat<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        info(value).map(|info| Self { info })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::HEARTBEAT, 0, |out| Param { kind: INFO, value: self.info }.write(out));
    }
}

impl<'a> HeartbeatAck<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        info(value).map(|info| Self { info })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::HEARTBEAT_ACK, 0, |out| Param { kind: INFO, value: self.info }.write(out));
    }
}
