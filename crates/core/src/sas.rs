//! The short authentication string: what two people compare when somebody else may have the code.
//!
//! ```text
//! joiner                              opener
//!   │── H(nonce_j) ────────────────────>│
//!   │<──────────────────────── offer ───│
//!   │── answer ────────────────────────>│    now the joiner is bound: nonce and fingerprint
//!   │<────────────────────── nonce_o ───│    now the opener is, too
//!   │── nonce_j ───────────────────────>│
//! words = 22 bits of MAC(key, nonce_j, nonce_o, both DTLS fingerprints of connection 0)
//! ```
//!
//! Whoever sits in between has to settle everything that it may choose before it sees the last nonce of the
//! honest side, so it cannot try values until the words fit: neither its nonce nor its certificate.
use crate::{
    code::two_words,
    key::{Comparing, Key},
};
use std::fmt;

pub(crate) type Nonce = [u8; 32];

/// Two words that are the same on both devices if nobody sits between them: 22 bits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sas([&'static str; 2]);

impl Sas {
    /// `offer` and `answer` are the fingerprints in the descriptions as both sides applied them.
    pub(crate) fn new(
        key: &Key<Comparing>,
        joiner: &Nonce,
        opener: &Nonce,
        offer: &str,
        answer: &str,
    ) -> Self {
        let mac = key.mac(&[joiner, opener, offer.as_bytes(), answer.as_bytes()]);
        Self(two_words(u32::from_le_bytes([mac[0], mac[1], mac[2], mac[3]])))
    }
}

/// What the joiner sends ahead of its nonce.
pub(crate) fn commitment(nonce: &Nonce) -> [u8; 32] {
    blake3::derive_key("beeline 1 2026-11 commitment", nonce)
}

/// The fingerprint of a description (RFC 8122 §5) in upper case. `None` where there is none, or several
/// different ones: such a description is worthless.
pub(crate) fn fingerprint(sdp: &str) -> Option<String> {
    let lines = sdp.lines().filter_map(|line| line.trim().strip_prefix("a=fingerprint:"));
    let mut found = lines.map(|value| value.trim().to_ascii_uppercase());
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

impl fmt::Display for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0[0], self.0[1])
    }
}

impl fmt::Debug for Sas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sas({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_found_wherever_it_stands() {
        let chromium =
            "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=fingerprint:sha-256 aB:cd\r\n";
        let firefox =
            "v=0\r\na=fingerprint:SHA-256 AB:CD\r\nm=application 9\r\na=fingerprint:sha-256 ab:cd\r\n";
        assert_eq!(fingerprint(chromium).as_deref(), Some("SHA-256 AB:CD"));
        assert_eq!(fingerprint(firefox), fingerprint(chromium));
        assert_eq!(fingerprint("v=0\r\n"), None);
        assert_eq!(
            fingerprint("a=fingerprint:sha-256 AB\r\na=fingerprint:sha-256 CD\r\n"),
            None,
            "which one?"
        );
    }
}
