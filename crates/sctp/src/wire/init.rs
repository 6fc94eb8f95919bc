//! INIT and INIT ACK: who I am and what I can (RFC 9260 §3.3.2, §3.3.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |  type = 1, 2  |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                          initiate tag                         |
//! +---------------------------------------------------------------+
//! |               advertised receiver window (bytes)              |
//! +-------------------------------+-------------------------------+
//! |       outbound streams        |        inbound streams        |
//! +-------------------------------+-------------------------------+
//! |                          initial TSN                          |
//! +---------------------------------------------------------------+
//! |                         parameters ...                        |
//!
//! Parameters: 7 state cookie · 8 unrecognized parameter · 0x8008 supported chunk types (RFC 5061 §4.2.7)
//!             0xC000 FORWARD TSN supported (RFC 3758 §3.1) · 0x8001 zero checksum acceptable (RFC 9653 §4)
//!             0x8B1C paced sender (private: skipped in silence by those who do not know it)
//! ```
use super::{ChunkType, Malformed, Param, Params, put_chunk, put_param, u16_at, u32_at};

const STATE_COOKIE: u16 = 7;
const UNRECOGNIZED: u16 = 8;
const ZERO_CHECKSUM: u16 = 0x8001;
const SUPPORTED_EXTENSIONS: u16 = 0x8008;
const FORWARD_TSN: u16 = 0xc000;
const PACED: u16 = 0x8b1c;

/// The error detection method "SCTP over DTLS" (RFC 9653 §4, the one registered).
pub const DTLS_ZERO_CHECKSUM: u32 = 1;

/// Chunk types in the list of supported extensions.
pub mod extension {
    pub const I_DATA: u8 = 0x40;
    pub const RECONFIG: u8 = 0x82;
    /// Private: see [`DeltaSack`](crate::wire::DeltaSack).
    pub const DELTA_SACK: u8 = 0x9c;
    pub const FORWARD_TSN: u8 = 0xc0;
    pub const I_FORWARD_TSN: u8 = 0xc2;
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Init {
    /// Never zero.
    pub tag: u32,
    /// Bytes.
    pub window: u32,
    pub outbound: u16,
    pub inbound: u16,
    pub initial_tsn: u32,
    /// In an INIT ACK: what to send back.
    pub cookie: Option<Vec<u8>>,
    pub forward_tsn: bool,
    /// See [`extension`].
    pub extensions: Vec<u8>,
    /// The method that detects errors in the stead of the checksum.
    pub zero_checksum: Option<u32>,
    /// The sender spreads its packets by a rate model: a receiver need not protect the path by a small window.
    pub paced: bool,
    /// Parameters we did not know and should report, whole.
    pub unrecognized: Vec<Vec<u8>>,
}

impl Init {
    pub fn supports(&self, extension: u8) -> bool {
        self.extensions.contains(&extension)
    }

    pub(crate) fn parse(value: &[u8]) -> Result<Self, Malformed> {
        let mut init = Self {
            tag: u32_at(value, 0)?,
            window: u32_at(value, 4)?,
            outbound: u16_at(value, 8)?,
            inbound: u16_at(value, 10)?,
            initial_tsn: u32_at(value, 12)?,
            ..Self::default()
        };
        if init.tag == 0 || init.outbound == 0 || init.inbound == 0 {
            return Err(Malformed("INIT with a zero where none may be"));
        }
        for param in Params::new(&value[16..]) {
            let param = param?;
            match param.kind {
                STATE_COOKIE => init.cookie = Some(param.value.to_vec()),
                ZERO_CHECKSUM => init.zero_checksum = Some(u32_at(param.value, 0)?),
                SUPPORTED_EXTENSIONS => init.extensions = param.value.to_vec(),
                FORWARD_TSN => init.forward_tsn = true,
                PACED => init.paced = true,
                UNRECOGNIZED | 5 | 6 | 9 | 12 => {} // addresses, cookie preservative: nothing to us
                _ => {
                    let then = param.on_unknown();
                    if then.report && init.unrecognized.len() < 8 {
                        let mut whole = Vec::new();
                        param.write(&mut whole);
                        init.unrecognized.push(whole);
                    }
                    if !then.skip {
                        break;
                    }
                }
            }
        }
        Ok(init)
    }

    pub(crate) fn write(&self, kind: ChunkType, out: &mut Vec<u8>) {
        put_chunk(out, kind, 0, |out| {
            out.extend_from_slice(&self.tag.to_be_bytes());
            out.extend_from_slice(&self.window.to_be_bytes());
            out.extend_from_slice(&self.outbound.to_be_bytes());
            out.extend_from_slice(&self.inbound.to_be_bytes());
            out.extend_from_slice(&self.initial_tsn.to_be_bytes());
            if let Some(cookie) = &self.cookie {
                Param { kind: STATE_COOKIE, value: cookie }.write(out);
            }
            if self.forward_tsn {
                Param { kind: FORWARD_TSN, value: &[] }.write(out);
            }
            if !self.extensions.is_empty() {
                Param { kind: SUPPORTED_EXTENSIONS, value: &self.extensions }.write(out);
            }
            if let Some(method) = self.zero_checksum {
                Param { kind: ZERO_CHECKSUM, value: &method.to_be_bytes() }.write(out);
            }
            if self.paced {
                Param { kind: PACED, value: &[] }.write(out);
            }
            for whole in &self.unrecognized {
                put_param(out, UNRECOGNIZED, |out| out.extend_from_slice(whole));
            }
        });
    }
}
