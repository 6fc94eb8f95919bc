//! Every byte that Beeline itself puts on a wire.
//!
//! ```text
//! frame   type u8 | CBOR map with integer keys (RFC 8949)      to the end of the message
//! ```
//!
//! A message on the room's socket, in a sealed envelope or on the control channel is one frame. Unknown
//! keys are ignored and unknown types from 0x80 on may be skipped; any other unknown type is an error.
//! So old and new versions understand each other. File bytes are not CBOR: see [`data`].
//!
//! | module | who to whom | types |
//! |---|---|---|
//! | [`signal`] | peer ↔ server | 0x01–0x1f, 0x41–0x5f |
//! | [`meeting`] | peer ↔ peer, before there is a key | 0x10–0x1f |
//! | [`negotiation`] | peer ↔ peer, sealed | 0x20–0x2f |
//! | [`control`] | peer ↔ peer, control channel | 0x01–0x3f |
//! | [`data`] | peer ↔ peer, data channels | 0x01 |

pub mod control;
pub mod data;
mod fields;
pub mod meeting;
pub mod negotiation;
pub mod signal;

use fields::Field;

/// Protocol versions that this build speaks, best first.
pub const VERSIONS: &[u8] = &[1];

/// Cipher suites that this build speaks, best first.
///
/// 1 = SPAKE2 over Ed25519, BLAKE3 as key derivation, ChaCha20-Poly1305 (RFC 8439).
pub const SUITES: &[u8] = &[1];

/// Bytes of any frame, at most.
pub const MAX_LEN: usize = 64 * 1024;

/// The first frame type that a receiver may skip when it does not know it.
pub const SKIPPABLE: u8 = 0x80;

/// Bytes that are not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// No bytes at all.
    #[error("empty message")]
    Empty,
    /// Over [`MAX_LEN`].
    #[error("a frame of {0} bytes")]
    TooLong(usize),
    /// A type below [`SKIPPABLE`] that this version does not know.
    #[error("unknown frame type 0x{0:02x}")]
    UnknownType(u8),
    /// The map is not what the type calls for.
    #[error("malformed frame of type 0x{kind:02x}: {reason}")]
    Malformed {
        /// The frame's type.
        kind: u8,
        /// What the CBOR reader found.
        reason: &'static str,
    },
    /// The frame is over before the message is.
    #[error("{0} bytes after the frame")]
    Trailing(usize),
    /// A data frame whose runs do not add up.
    #[error("malformed data frame: {0}")]
    Data(&'static str),
}

/// Declares an enum of frames with its `encode` and `decode`.
macro_rules! frames {
    ($(#[$doc:meta])* pub enum $name:ident { $($(#[$var_doc:meta])* $kind:literal => $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $name {
            $($(#[$var_doc])* $variant($variant),)*
        }

        impl $name {
            /// The frame's bytes.
            pub fn encode(&self) -> Vec<u8> {
                match self {
                    $($name::$variant(body) => $crate::wire::encode($kind, body),)*
                }
            }

            /// Reads one frame. `None` is a type from 0x80 on that this version does not know.
            pub fn decode(message: &[u8]) -> Result<Option<Self>, $crate::wire::WireError> {
                if message.len() > $crate::wire::MAX_LEN {
                    return Err($crate::wire::WireError::TooLong(message.len()));
                }
                let (&kind, body) = message.split_first().ok_or($crate::wire::WireError::Empty)?;
                match kind {
                    $($kind => Ok(Some($name::$variant($crate::wire::decode(kind, body)?))),)*
                    $crate::wire::SKIPPABLE.. => Ok(None),
                    _ => Err($crate::wire::WireError::UnknownType(kind)),
                }
            }
        }

        $(impl From<$variant> for $name {
            fn from(body: $variant) -> Self {
                $name::$variant(body)
            }
        })*
    };
}
use frames;

fn encode<T: Field>(kind: u8, body: &T) -> Vec<u8> {
    let mut out = vec![kind];
    body.write(&mut minicbor::Encoder::new(&mut out)).expect("writing to a Vec does not fail");
    out
}

fn decode<T: Field>(kind: u8, body: &[u8]) -> Result<T, WireError> {
    let mut decoder = minicbor::Decoder::new(body);
    let value = T::read(&mut decoder)
        .map_err(|error| WireError::Malformed { kind, reason: fields::reason(&error) })?;
    match body.len() - decoder.position() {
        0 => Ok(value),
        rest => Err(WireError::Trailing(rest)),
    }
}

/// What every family of frames is tested for.
#[cfg(test)]
pub(crate) mod testing {
    use super::WireError;
    use std::fmt::Debug;

    /// Golden bytes, round trip, and every damage of one byte or one cut: an error or another frame, never a panic.
    pub(crate) fn check<T: Debug + PartialEq>(
        value: T,
        golden: &str,
        encode: impl Fn(&T) -> Vec<u8>,
        decode: impl Fn(&[u8]) -> Result<Option<T>, WireError>,
    ) {
        let bytes = encode(&value);
        assert_eq!(hex(&bytes), golden.split_whitespace().collect::<String>(), "golden bytes of {value:?}");
        assert_eq!(decode(&bytes), Ok(Some(value)));
        for cut in 0..bytes.len() {
            let _ = decode(&bytes[..cut]);
        }
        for at in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes.clone();
                damaged[at] ^= 1 << bit;
                let _ = decode(&damaged);
            }
        }
        let mut longer = bytes;
        longer.push(0);
        assert_eq!(decode(&longer), Err(WireError::Trailing(1)));
    }

    pub(crate) fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|b| format!("{b:02x}")).collect()
    }
}
