//! COOKIE ECHO and COOKIE ACK: the end of the handshake (RFC 9260 §3.3.11, §3.3.12).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! | type = 10, 11 |   flags = 0   |     length (4 in the ACK)     |
//! +---------------+---------------+-------------------------------+
//! |                 the cookie, as it came (ECHO) ...             |
//! ```
use super::{ChunkType, put_chunk};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieEcho<'a> {
    pub cookie: &'a [u8],
}

impl<'a> CookieEcho<'a> {
    pub(crate) const fn parse(value: &'a [u8]) -> Self {
        Self { cookie: value }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::COOKIE_ECHO, 0, |out| out.extend_from_slice(self.cookie));
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieAck;

impl CookieAck {
    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::COOKIE_ACK, 0, |_| {});
    }
}
