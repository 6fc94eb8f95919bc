//! ERROR: something of yours I could not use (RFC 9260 §3.3.10).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |   type = 9    |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |          cause code           |         cause length          |  times causes
//! +-------------------------------+-------------------------------+
//! |                     cause-specific value ...                  |
//! ```
use super::{ChunkType, Param, Params, put_chunk};

/// An error cause is shaped like a parameter; its `kind` is the cause code.
pub type Cause<'a> = Param<'a>;

/// Cause codes.
pub mod cause {
    pub const INVALID_STREAM: u16 = 1;
    pub const STALE_COOKIE: u16 = 3;
    pub const UNRECOGNIZED_CHUNK: u16 = 6;
    pub const NO_USER_DATA: u16 = 9;
    pub const USER_ABORT: u16 = 12;
    pub const PROTOCOL_VIOLATION: u16 = 13;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error<'a> {
    /// The causes, as written.
    pub bytes: &'a [u8],
}

impl<'a> Error<'a> {
    pub(crate) const fn parse(value: &'a [u8]) -> Self {
        Self { bytes: value }
    }

    /// Ends at the first malformed cause.
    pub fn causes(&self) -> impl Iterator<Item = Cause<'a>> + use<'a> {
        Params::new(self.bytes).map_while(Result::ok)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::ERROR, 0, |out| out.extend_from_slice(self.bytes));
    }
}
