//! The messages that open a channel (RFC 8832 §5).
//!
//! ```text
//! OPEN   3 u8 | channel type u8 | priority u16 | reliability u32 | label len u16 | protocol len u16 | label | protocol
//! ACK    2 u8
//! ```
use std::time::Duration;

use crate::{Reliability, wire::Malformed};

/// Payload protocol identifiers of WebRTC (RFC 8831 §8).
pub mod ppid {
    pub const DCEP: u32 = 50;
    pub const STRING: u32 = 51;
    pub const BINARY: u32 = 53;
    pub const STRING_EMPTY: u32 = 56;
    pub const BINARY_EMPTY: u32 = 57;
    /// Fragments by identifier, an abandoned way (RFC 8831 §6.6): read as whole messages.
    pub const BINARY_PARTIAL: u32 = 52;
    pub const STRING_PARTIAL: u32 = 54;
}

/// What a channel promises.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelConfig {
    pub unordered: bool,
    pub reliability: Reliability,
    pub label: String,
    pub protocol: String,
    /// RFC 8831 §6.4; carried, not acted upon.
    pub priority: u16,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Dcep {
    Open(ChannelConfig),
    Ack,
}

const OPEN: u8 = 3;
const ACK: u8 = 2;
const UNORDERED: u8 = 0x80;

impl Dcep {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Malformed> {
        match bytes {
            [ACK, ..] => Ok(Self::Ack),
            &[OPEN, kind, p0, p1, r0, r1, r2, r3, l0, l1, q0, q1, ref rest @ ..] => {
                let value = u32::from_be_bytes([r0, r1, r2, r3]);
                let reliability = match kind & !UNORDERED {
                    0 => Reliability::Reliable,
                    1 => Reliability::MaxRetransmissions(value.min(u16::MAX.into()) as u16),
                    2 => Reliability::MaxLifetime(Duration::from_millis(value.into())),
                    _ => return Err(Malformed("an unknown channel type")),
                };
                let label = usize::from(u16::from_be_bytes([l0, l1]));
                let protocol = usize::from(u16::from_be_bytes([q0, q1]));
                let text = |range| {
                    let bytes: Option<&[u8]> = rest.get::<std::ops::Range<usize>>(range);
                    let bytes = bytes.ok_or(Malformed("an OPEN shorter than its texts"))?;
                    String::from_utf8(bytes.to_vec()).map_err(|_| Malformed("a label that is not UTF-8"))
                };
                Ok(Self::Open(ChannelConfig {
                    unordered: kind & UNORDERED != 0,
                    reliability,
                    priority: u16::from_be_bytes([p0, p1]),
                    label: text(0..label)?,
                    protocol: text(label..label + protocol)?,
                }))
            }
            _ => Err(Malformed("an unknown DCEP message")),
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let config = match self {
            Self::Ack => return vec![ACK],
            Self::Open(config) => config,
        };
        let (kind, value) = match config.reliability {
            Reliability::Reliable => (0, 0),
            Reliability::MaxRetransmissions(max) => (1, max.into()),
            Reliability::MaxLifetime(lifetime) => {
                (2, u32::try_from(lifetime.as_millis()).unwrap_or(u32::MAX))
            }
        };
        // WebIDL bounds both to 65,535 bytes; a longer one is cut at a character.
        let cut = |text: &str| {
            let end = (0..=text.len().min(65_535)).rev().find(|&end| text.is_char_boundary(end));
            text[..end.unwrap_or(0)].to_owned()
        };
        let (label, protocol) = (cut(&config.label), cut(&config.protocol));
        let mut out = vec![OPEN, kind | if config.unordered { UNORDERED } else { 0 }];
        out.extend_from_slice(&config.priority.to_be_bytes());
        out.extend_from_slice(&value.to_be_bytes());
        out.extend_from_slice(&(label.len() as u16).to_be_bytes());
        out.extend_from_slice(&(protocol.len() as u16).to_be_bytes());
        out.extend_from_slice(label.as_bytes());
        out.extend_from_slice(protocol.as_bytes());
        out
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_open_is_read_and_written() {
        // OPEN, unordered with 3 retransmissions, priority 256, label "ab", protocol "c"
        let bytes = b"\x03\x81\x01\x00\x00\x00\x00\x03\x00\x02\x00\x01abc";

        let open = Dcep::parse(bytes).unwrap();

        let Dcep::Open(config) = &open else { panic!() };
        assert!(config.unordered);
        assert_eq!(config.reliability, Reliability::MaxRetransmissions(3));
        assert_eq!((config.label.as_str(), config.protocol.as_str(), config.priority), ("ab", "c", 256));
        assert_eq!(open.to_bytes(), bytes);
        assert_eq!(Dcep::parse(&[2]), Ok(Dcep::Ack));
        assert!(Dcep::parse(&bytes[..13]).is_err());
        assert!(Dcep::parse(&[]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            _ = Dcep::parse(&bytes);
        }
    }
}
