//! Keys by purpose, and sealing.
//!
//! ```text
//! SPAKE2 output ─ BLAKE3 derive_key ┬─ Key<Confirming>  proves to the other that this side has it
//!   + transcript                    ├─ Key<Sealing> × 4 one a direction and a way (room, control channel):
//!                                   │                   ChaCha20-Poly1305, nonce = counter
//!                                   ├─ Key<Comparing>   the SAS
//!                                   └─ Key<Resume>      meeting again after a restart
//! ```
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, aead::Aead};
use std::{fmt, marker::PhantomData};
use zeroize::Zeroizing;

/// Bytes that are wiped when dropped and never shown.
#[derive(Clone)]
pub(crate) struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What a key is for; its context string separates it from all others (BLAKE3 `derive_key`).
pub(crate) trait Purpose {
    /// Unique, and never changed.
    const CONTEXT: &'static str;
}

macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident = $context:literal;)*) => {
        $($(#[$doc])* #[derive(Debug, Clone, Copy)] pub(crate) enum $name {}
        impl Purpose for $name { const CONTEXT: &'static str = $context; })*
    };
}

purposes! {
    /// The SPAKE2 output bound to everything both sides said before.
    Master = "beeline 1 2026-11 master";
    /// The joiner's proof.
    ConfirmJoiner = "beeline 1 2026-11 confirm joiner";
    /// The opener's proof.
    ConfirmOpener = "beeline 1 2026-11 confirm opener";
    /// What the joiner seals.
    SealJoiner = "beeline 1 2026-11 seal joiner";
    /// What the opener seals.
    SealOpener = "beeline 1 2026-11 seal opener";
    /// What the joiner seals for the control channel.
    LanesJoiner = "beeline 1 2026-11 lanes joiner";
    /// What the opener seals for the control channel.
    LanesOpener = "beeline 1 2026-11 lanes opener";
    /// What two people compare.
    Comparing = "beeline 1 2026-11 compare";
    /// Meeting again.
    Resume = "beeline 1 2026-11 resume";
}

/// 32 bytes that serve one purpose.
pub(crate) struct Key<P: Purpose> {
    bytes: Zeroizing<[u8; 32]>,
    purpose: PhantomData<P>,
}

impl<P: Purpose> Key<P> {
    fn derive_from(material: &[u8]) -> Self {
        Self { bytes: Zeroizing::new(blake3::derive_key(P::CONTEXT, material)), purpose: PhantomData }
    }

    /// A keyed hash of parts, each with its length before it.
    pub(crate) fn mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_keyed(&self.bytes);
        feed(&mut hasher, parts);
        *hasher.finalize().as_bytes()
    }
}

impl Key<Master> {
    pub(crate) fn new(shared: &Secret, transcript: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new();
        feed(&mut hasher, transcript);
        let material = Zeroizing::new([shared.expose(), hasher.finalize().as_bytes()].concat());
        Self::derive_from(&material)
    }

    pub(crate) fn derive<Q: Purpose>(&self) -> Key<Q> {
        Key::derive_from(self.bytes.as_slice())
    }
}

/// Length-prefixed, so that no two lists of parts hash alike.
fn feed(hasher: &mut blake3::Hasher, parts: &[&[u8]]) {
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
}

impl<P: Purpose> fmt::Debug for Key<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// Numbers that may have been overtaken and not have come yet, at most.
const MAX_MISSING: u64 = 64;

/// One direction of sealed messages: numbered from 0, each once.
#[derive(Debug)]
pub(crate) struct Seal {
    key: Secret,
    next: u64,
    /// Numbers below `next` that have not come.
    missing: Vec<u64>,
}

/// A sealed message was changed, repeated, reordered or lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tampered;

/// The keys that seal.
pub(crate) trait Sealing: Purpose {}
impl Sealing for SealJoiner {}
impl Sealing for SealOpener {}
impl Sealing for LanesJoiner {}
impl Sealing for LanesOpener {}

impl Seal {
    pub(crate) fn new<P: Sealing>(key: Key<P>) -> Self {
        Self { key: Secret::new(key.bytes.to_vec()), next: 0, missing: Vec::new() }
    }

    fn cipher(&self) -> ChaCha20Poly1305 {
        ChaCha20Poly1305::new_from_slice(self.key.expose()).expect("a key has 32 bytes")
    }

    /// Seals the next message; its number goes beside it.
    pub(crate) fn seal(&mut self, plain: &[u8]) -> (u64, Vec<u8>) {
        let number = self.next;
        let sealed = self.cipher().encrypt((&nonce(number)).into(), plain);
        self.next += 1;
        (number, sealed.expect("a message under 256 GiB can be sealed"))
    }

    /// Opens the next message, and no other.
    pub(crate) fn open(&mut self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Tampered> {
        if number != self.next {
            return Err(Tampered);
        }
        self.open_any(number, sealed)
    }

    /// Opens a message that may have overtaken some, or been overtaken.
    pub(crate) fn open_any(&mut self, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Tampered> {
        let overtaken = self.missing.iter().position(|missing| *missing == number);
        let skipped = number.checked_sub(self.next);
        if overtaken.is_none() && skipped.is_none_or(|n| n + self.missing.len() as u64 > MAX_MISSING) {
            return Err(Tampered);
        }
        let plain = self.cipher().decrypt((&nonce(number)).into(), sealed).map_err(|_| Tampered)?;
        match overtaken {
            Some(at) => _ = self.missing.swap_remove(at),
            None => {
                self.missing.extend(self.next..number);
                self.next = number + 1;
            }
        }
        Ok(plain)
    }
}

fn nonce(number: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (Seal, Seal) {
        let master = || Key::<Master>::new(&Secret::new(vec![1; 32]), &[b"a", b"b"]);
        let seal = || Seal::new(master().derive::<SealOpener>());
        (seal(), seal())
    }

    #[test]
    fn sealed_messages_open_in_order_and_once() {
        let (mut a, mut b) = pair();
        let (first, second) = (a.seal(b"one"), a.seal(b"two"));

        assert_eq!(b.open(second.0, &second.1), Err(Tampered), "out of order");
        assert_eq!(b.open(first.0, &first.1).as_deref(), Ok(&b"one"[..]));
        assert_eq!(b.open(first.0, &first.1), Err(Tampered), "twice");
        assert_eq!(b.open(second.0, &second.1).as_deref(), Ok(&b"two"[..]));
    }

    #[test]
    fn sealed_messages_that_overtake_each_other_open_once_each_and_only_so_many_can_be_missing() {
        let (mut a, mut b) = pair();
        let sealed: Vec<_> = (0..200).map(|_| a.seal(b"one")).collect();
        let mut open = |at: usize| b.open_any(sealed[at].0, &sealed[at].1).is_ok();

        assert!(open(2) && open(0) && open(1) && open(3));
        assert!(!open(0) && !open(2) && !open(3), "twice");
        assert!(!open(4 + 65), "too far ahead");
        assert!(open(4 + 64) && open(4) && !open(100) && open(70), "63 of 64 are missing still");
        assert_eq!(b.open_any(u64::MAX, b"far"), Err(Tampered));
    }

    #[test]
    fn a_changed_bit_is_noticed() {
        let (mut a, mut b) = pair();
        let (number, sealed) = a.seal(b"message");
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(b.open(number, &changed), Err(Tampered));
        }
        assert!(b.open(number, &sealed).is_ok());
    }

    #[test]
    fn keys_of_different_purposes_and_transcripts_differ() {
        let shared = Secret::new(vec![1; 32]);
        let master = Key::<Master>::new(&shared, &[b"ab", b"c"]);
        let other = Key::<Master>::new(&shared, &[b"a", b"bc"]);

        assert_ne!(master.derive::<SealJoiner>().mac(&[]), master.derive::<SealOpener>().mac(&[]));
        assert_ne!(master.derive::<Resume>().mac(&[]), other.derive::<Resume>().mac(&[]));
    }
}
