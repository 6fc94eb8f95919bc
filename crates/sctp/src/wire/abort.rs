//! ABORT: it is over, now (RFC 9260 §3.3.7).
//!
//! ```text
//! +---------------+-------------+-+-------------------------------+
//! |   type = 6    |     res     |T|            length             |
//! +---------------+-------------+-+-------------------------------+
//! |                     error causes ...                          |
//! ```
use super::{Cause, ChunkType, Params, put_chunk};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abort<'a> {
    /// T: the tag in the header is the receiver's own, sent back by somebody without an association.
    pub reflected: bool,
    /// The causes, as written.
    pub bytes: &'a [u8],
}

impl<'a> Abort<'a> {
    pub(crate) const fn parse(flags: u8, value: &'a [u8]) -> Self {
        Self { reflected: flags & 1 != 0, bytes: value }
    }

    /// Ends at the first malformed cause.
    pub fn causes(&self) -> impl Iterator<Item = Cause<'a>> + use<'a> {
        Params::new(self.bytes).map_while(Result::ok)
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::ABORT, self.reflected.into(), |out| out.extend_from_slice(self.bytes));
    }
}
