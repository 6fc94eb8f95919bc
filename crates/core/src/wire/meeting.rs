//! Between two peers through the room, before and after there is a key: the bodies of `Post` and `Message`.
//!
//! ```text
//! joiner                                  opener
//!   │── PakeJoiner ────────────────────────>│
//!   │<──────────────────────── PakeOpener ──│
//!   │── JoinerConfirm, Sealed(JoinerHello) ─>│  a wrong tag is a wrong guess: WrongGuess, and no tag in return
//!   │<─ OpenerConfirm, Sealed(OpenerHello) ──│
//!   │<═══════════════ Sealed … ═════════════>│
//! ```
use super::{fields::fields, frames};

/// The joiner's SPAKE2 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PakeJoiner {
    /// 33 bytes.
    pub message: Vec<u8>,
}
fields!(PakeJoiner { 0: message });

/// The opener's SPAKE2 message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PakeOpener {
    /// 33 bytes.
    pub message: Vec<u8>,
}
fields!(PakeOpener { 0: message });

/// The joiner's proof that it derived the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinerConfirm {
    /// A keyed BLAKE3 of the empty input.
    pub tag: [u8; 32],
}
fields!(JoinerConfirm { 0: tag });

/// The opener's proof, given only to a right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenerConfirm {
    /// A keyed BLAKE3 of the empty input.
    pub tag: [u8; 32],
}
fields!(OpenerConfirm { 0: tag });

/// The joiner's proof was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongGuess {
    /// Guesses left before the code is burnt.
    pub left: u8,
}
fields!(WrongGuess { 0: left });

/// A negotiation frame, sealed (ChaCha20-Poly1305, nonce = number as 8 bytes little-endian and 4 zero bytes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Counts the sender's sealed messages from 0.
    pub number: u64,
    /// Ciphertext and tag.
    pub bytes: Vec<u8>,
}
fields!(Sealed { 0: number, 1: bytes });

frames! {
    /// What peers post to each other.
    pub enum Meeting {
        /// First.
        0x10 => PakeJoiner,
        /// Second.
        0x11 => PakeOpener,
        /// Third.
        0x12 => JoinerConfirm,
        /// Fourth.
        0x13 => OpenerConfirm,
        /// Instead of the fourth.
        0x14 => WrongGuess,
        /// All that follows.
        0x15 => Sealed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::check;

    #[test]
    fn golden_bytes() {
        let both = |value: Meeting, golden: &str| check(value, golden, Meeting::encode, Meeting::decode);
        both(PakeJoiner { message: vec![1, 2] }.into(), "10 a1 00 42 0102");
        both(PakeOpener { message: vec![3] }.into(), "11 a1 00 41 03");
        both(JoinerConfirm { tag: [5; 32] }.into(), &format!("12 a1 00 5820 {}", "05".repeat(32)));
        both(OpenerConfirm { tag: [6; 32] }.into(), &format!("13 a1 00 5820 {}", "06".repeat(32)));
        both(WrongGuess { left: 2 }.into(), "14 a1 00 02");
        both(Sealed { number: 500, bytes: vec![9, 9] }.into(), "15 a2 00 1901f4 01 42 0909");
    }
}
