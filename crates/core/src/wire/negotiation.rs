//! Between two peers, sealed: who they are, and how their connections come about.
use super::{fields::fields, frames};

/// The joiner's first sealed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinerHello {
    /// How the device calls itself.
    pub name: String,
    /// Hash of the nonce that `Reveal` will show.
    pub commitment: [u8; 32],
}
fields!(JoinerHello { 0: name, 1: commitment });

/// The opener's first sealed message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenerHello {
    /// How the device calls itself.
    pub name: String,
}
fields!(OpenerHello { 0: name });

/// The opener's part of the SAS; comes after the joiner's first answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Nonce {
    /// 32 random bytes.
    pub nonce: [u8; 32],
}
fields!(Nonce { 0: nonce });

/// The joiner's part of the SAS; comes after the opener's nonce.
#[derive(Clone, PartialEq, Eq)]
pub struct Reveal {
    /// What the commitment was of.
    pub nonce: [u8; 32],
}
fields!(Reveal { 0: nonce });

/// An offer.
#[derive(Clone, PartialEq, Eq)]
pub struct Offer {
    /// Which connection.
    pub lane: u8,
    /// The session description (RFC 8866).
    pub sdp: String,
    /// How many offers this side has made before on this connection; absent in the first.
    pub round: Option<u32>,
}
fields!(Offer { 0: lane, 1: sdp, 2: round });

/// An answer.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which connection.
    pub lane: u8,
    /// The session description (RFC 8866).
    pub sdp: String,
    /// Which offer this is for; absent for the first.
    pub round: Option<u32>,
}
fields!(Answer { 0: lane, 1: sdp, 2: round });

/// An offer is not answered: the connection stays as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which connection.
    pub lane: u8,
    /// Which offer; absent for the first.
    pub round: Option<u32>,
    /// In words, for a person.
    pub message: String,
}
fields!(Refusal { 0: lane, 1: round, 2: message });

/// An ICE candidate.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Which connection.
    pub lane: u8,
    /// `candidate:…` (RFC 8839 §5.1).
    pub candidate: String,
}
fields!(Candidate { 0: lane, 1: candidate });

/// The sender closes a further connection, or agrees to its end: each side says so once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Close {
    /// Which connection; never 0.
    pub lane: u8,
}
fields!(Close { 0: lane });

/// The sender ends the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Abort {
    /// In words, for a person.
    pub message: String,
}
fields!(Abort { 0: message });

macro_rules! without_addresses {
    ($($name:ident)*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}(lane {}, …)", stringify!($name), self.lane)
            }
        })*
    };
}
without_addresses!(Offer Answer Candidate);

macro_rules! secret {
    ($($name:ident)*) => {
        $(impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}(…)", stringify!($name))
            }
        })*
    };
}
secret!(Nonce Reveal);

frames! {
    /// What is sealed.
    pub enum Negotiation {
        /// Who joins.
        0x20 => JoinerHello,
        /// Who opened.
        0x21 => OpenerHello,
        /// The committed nonce.
        0x22 => Reveal,
        /// SDP, first half.
        0x23 => Offer,
        /// SDP, second half.
        0x24 => Answer,
        /// ICE.
        0x25 => Candidate,
        /// The end.
        0x26 => Abort,
        /// The opener's nonce.
        0x27 => Nonce,
        /// The end of a further connection.
        0x28 => Close,
        /// In place of an answer.
        0x29 => Refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::check;

    #[test]
    fn golden_bytes() {
        let both =
            |value: Negotiation, golden: &str| check(value, golden, Negotiation::encode, Negotiation::decode);
        let ones = "01".repeat(32);
        both(
            JoinerHello { name: "ab".into(), commitment: [1; 32] }.into(),
            &format!("20 a2 00 62 6162 01 5820 {ones}"),
        );
        both(OpenerHello { name: "c".into() }.into(), "21 a1 00 61 63");
        both(Nonce { nonce: [1; 32] }.into(), &format!("27 a1 00 5820 {ones}"));
        both(Reveal { nonce: [1; 32] }.into(), &format!("22 a1 00 5820 {ones}"));
        both(Offer { lane: 0, sdp: "v=0".into(), round: None }.into(), "23 a2 00 00 01 63 763d30");
        both(Offer { lane: 0, sdp: "v=0".into(), round: Some(2) }.into(), "23 a3 00 00 01 63 763d30 02 02");
        both(Answer { lane: 1, sdp: "v=0".into(), round: None }.into(), "24 a2 00 01 01 63 763d30");
        both(
            Refusal { lane: 0, round: Some(1), message: "no".into() }.into(),
            "29 a3 00 00 01 01 02 62 6e6f",
        );
        both(Candidate { lane: 0, candidate: "c".into() }.into(), "25 a2 00 00 01 61 63");
        both(Close { lane: 2 }.into(), "28 a1 00 02");
        both(Abort { message: "no".into() }.into(), "26 a1 00 62 6e6f");
    }
}
