//! What is on the wire: packets, the chunks in them, the parameters in those.
//!
//! One file a chunk type, with its picture. Everything is big-endian; every chunk and parameter is
//! padded with zeros to four bytes, and the length field counts the header but not the padding.
//! Reading borrows from the packet; writing appends to the caller's buffer.

mod abort;
mod chunk;
mod cookie;
mod data;
mod delta_sack;
mod error;
mod forward_tsn;
mod heartbeat;
mod i_data;
mod i_forward_tsn;
mod init;
mod packet;
mod pad;
mod param;
mod reconfig;
mod sack;
mod shutdown;
#[cfg(test)]
mod tests;

pub use abort::Abort;
pub use chunk::{Chunk, ChunkType, OnUnknown, Raw};
pub use cookie::{CookieAck, CookieEcho};
pub use data::{Data, Placement};
pub use delta_sack::DeltaSack;
pub use error::{Cause, Error, cause};
pub use forward_tsn::ForwardTsn;
pub use heartbeat::{Heartbeat, HeartbeatAck};
pub use i_data::IData;
pub use i_forward_tsn::IForwardTsn;
pub use init::{DTLS_ZERO_CHECKSUM, Init, extension};
pub use packet::{COMMON_HEADER, Chunks, Header, Packet, seal, start};
pub use pad::Pad;
pub use param::{Param, Params};
pub use reconfig::{Reconfig, ReconfigParam, Reset, ResetResult};
pub use sack::{GapBlock, Sack};
pub use shutdown::{Shutdown, ShutdownAck, ShutdownComplete};

/// Bytes that are not what their type promises. The text names the rule broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed SCTP: {0}")]
pub struct Malformed(pub &'static str);

/// The `N` bytes at `at`, as an array.
pub(crate) fn array<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Malformed> {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk::<N>());
    bytes.copied().ok_or(Malformed("too short"))
}

pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Result<u16, Malformed> {
    array(bytes, at).map(u16::from_be_bytes)
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Result<u32, Malformed> {
    array(bytes, at).map(u32::from_be_bytes)
}

/// Appends a type-length-value with a one-byte type and flags (a chunk), padded.
pub(crate) fn put_chunk(out: &mut Vec<u8>, kind: ChunkType, flags: u8, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[kind.0, flags, 0, 0]);
    body(out);
    close_length(out, start);
}

/// Appends a type-length-value with a two-byte type (a parameter or an error cause), padded.
pub(crate) fn put_param(out: &mut Vec<u8>, kind: u16, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    body(out);
    close_length(out, start);
}

fn close_length(out: &mut Vec<u8>, start: usize) {
    let len = out.len() - start;
    let field = u16::try_from(len).expect("what we write fits a packet");
    out[start + 2..start + 4].copy_from_slice(&field.to_be_bytes());
    out.resize(start + len.next_multiple_of(4), 0);
}
