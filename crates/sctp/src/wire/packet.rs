//! The packet: a header and chunks (RFC 9260 §3.1).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |          source port          |        destination port       |
//! +-------------------------------+-------------------------------+
//! |                       verification tag                        |
//! +---------------------------------------------------------------+
//! |            checksum (CRC-32C, the one little-endian field)    |
//! +---------------------------------------------------------------+
//! |                          chunks ...                           |
//! ```
use super::{ChunkType, Malformed, Raw, u16_at, u32_at};

/// Length of the common header.
pub const COMMON_HEADER: usize = 12;

/// Ports and tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub source: u16,
    pub destination: u16,
    /// What the receiver chose in its INIT; zero in the packet that carries an INIT.
    pub tag: u32,
}

/// A packet whose checksum held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    pub header: Header,
    chunks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the header and verifies the checksum.
    ///
    /// `zero_is_fine`: a checksum of zero counts as right, because we told the peer that DTLS checks
    /// for us ([RFC 9653 §5.3](https://www.rfc-editor.org/rfc/rfc9653#section-5.3)).
    pub fn parse(bytes: &'a [u8], zero_is_fine: bool) -> Result<Self, Malformed> {
        let Some((head, chunks)) = bytes.split_first_chunk::<COMMON_HEADER>() else {
            return Err(Malformed("no room for the common header"));
        };
        let stated = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
        if !(stated == 0 && zero_is_fine) && stated != checksum(bytes) {
            return Err(Malformed("checksum"));
        }
        let header =
            Header { source: u16_at(head, 0)?, destination: u16_at(head, 2)?, tag: u32_at(head, 4)? };
        Ok(Self { header, chunks })
    }

    pub fn chunks(&self) -> Chunks<'a> {
        Chunks::of(self.chunks)
    }
}

/// Iterates over the chunks of a packet; ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    /// The chunks in bytes that follow a common header.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Chunks<'a> {
    type Item = Result<Raw<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        let Some((&[kind, flags, hi, lo], _)) = rest.split_first_chunk::<4>() else {
            return (!rest.is_empty()).then_some(Err(Malformed("trailing bytes")));
        };
        let len = usize::from(u16::from_be_bytes([hi, lo]));
        if len < 4 {
            return Some(Err(Malformed("a chunk shorter than its header")));
        }
        let Some(value) = rest.get(4..len) else {
            return Some(Err(Malformed("a chunk longer than its packet")));
        };
        // The padding of the last chunk may be missing: liberal, as others are.
        self.rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Raw { kind: ChunkType(kind), flags, value }))
    }
}

/// Appends a common header with a checksum of zero; [`seal`] closes the packet.
pub fn start(out: &mut Vec<u8>, header: Header) {
    out.extend_from_slice(&header.source.to_be_bytes());
    out.extend_from_slice(&header.destination.to_be_bytes());
    out.extend_from_slice(&header.tag.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
}

/// Writes the checksum of the packet that begins at `start` and goes to the end of `out`.
pub fn seal(out: &mut [u8], start: usize) {
    let sum = crc32c::crc32c(&out[start..]);
    out[start + 8..start + 12].copy_from_slice(&sum.to_le_bytes());
}

/// CRC-32C with the checksum field read as zero (RFC 9260 §6.8, appendix A).
fn checksum(packet: &[u8]) -> u32 {
    let sum = crc32c::crc32c(&packet[..8]);
    let sum = crc32c::crc32c_append(sum, &[0; 4]);
    crc32c::crc32c_append(sum, &packet[COMMON_HEADER..])
}
