//! How two peers prove to each other that they know the same words, before anything else is said.
//!
//! ```text
//! joiner                                        opener
//!   │── SPAKE2 message A ──────────────────────────>│
//!   │<───────────────────────── SPAKE2 message B ───│
//!   │  key ── tag_j ───────────────────────────────>│  wrong: counted, answered with WrongGuess, nothing else
//!   │<────────────────────────────────── tag_o ─────│  right: the code is spent
//! ```
//!
//! Message B alone lets nobody test words: only a right `tag_j` makes the opener show anything that depends
//! on them. So an attacker has one guess a join, and the opener counts.
use crate::{
    code::Code,
    key::{
        Comparing, ConfirmJoiner, ConfirmOpener, Key, LanesJoiner, LanesOpener, Master, Resume, Seal,
        SealJoiner, SealOpener, Secret,
    },
    random::Random,
};
use spake2::{Ed25519Group, Identity, Password, Spake2};
use subtle::ConstantTimeEq;

/// What both sides said in clear; bound into the key, so that a server that changed it is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Clear {
    pub(crate) opener_versions: Vec<u8>,
    pub(crate) opener_suites: Vec<u8>,
    pub(crate) joiner_versions: Vec<u8>,
    pub(crate) joiner_suites: Vec<u8>,
}

/// The keys of a confirmed meeting.
#[derive(Debug)]
pub(crate) struct Keys {
    pub(crate) seal_joiner: Seal,
    pub(crate) seal_opener: Seal,
    /// The same for what goes over the control channel: the two ways have no common order.
    pub(crate) lanes_joiner: Seal,
    pub(crate) lanes_opener: Seal,
    pub(crate) comparing: Key<Comparing>,
    /// For meeting again; the drivers do not ask for it yet.
    #[allow(dead_code)]
    pub(crate) resume: Key<Resume>,
}

/// One PAKE run in its first half; `finish` makes it a [`Confirming`].
pub(crate) struct Started {
    spake: Spake2<Ed25519Group>,
    message: Vec<u8>,
    nameplate: u32,
    is_joiner: bool,
}

impl std::fmt::Debug for Started {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Started(…)")
    }
}

/// Both messages are known: tags can be made and compared.
#[derive(Debug)]
pub(crate) struct Confirming {
    master: Key<Master>,
}

/// The bytes are no SPAKE2 message of the other role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPake;

impl Started {
    pub(crate) fn joiner(code: &Code, random: &mut Random) -> Self {
        Self::start(code, true, random)
    }

    pub(crate) fn opener(code: &Code, random: &mut Random) -> Self {
        Self::start(code, false, random)
    }

    fn start(code: &Code, is_joiner: bool, random: &mut Random) -> Self {
        let secret = code.secret();
        let password = Password::new(secret.expose());
        let (joiner, opener) = (Identity::new(b"beeline joiner"), Identity::new(b"beeline opener"));
        let (spake, message) = match is_joiner {
            true => Spake2::start_a_with_rng(&password, &joiner, &opener, random),
            false => Spake2::start_b_with_rng(&password, &joiner, &opener, random),
        };
        Self { spake, message, nameplate: code.nameplate(), is_joiner }
    }

    /// What the other side needs.
    pub(crate) fn message(&self) -> &[u8] {
        &self.message
    }

    /// Takes the other side's message.
    pub(crate) fn finish(self, theirs: &[u8], clear: &Clear) -> Result<Confirming, BadPake> {
        let shared = Secret::new(self.spake.finish(theirs).map_err(|_| BadPake)?);
        let (joiner, opener) = match self.is_joiner {
            true => (self.message.as_slice(), theirs),
            false => (theirs, self.message.as_slice()),
        };
        let transcript: [&[u8]; 7] = [
            &clear.opener_versions,
            &clear.opener_suites,
            &clear.joiner_versions,
            &clear.joiner_suites,
            &self.nameplate.to_le_bytes(),
            joiner,
            opener,
        ];
        Ok(Confirming { master: Key::new(&shared, &transcript) })
    }
}

impl Confirming {
    pub(crate) fn joiner_tag(&self) -> [u8; 32] {
        self.master.derive::<ConfirmJoiner>().mac(&[])
    }

    pub(crate) fn opener_tag(&self) -> [u8; 32] {
        self.master.derive::<ConfirmOpener>().mac(&[])
    }

    /// The keys; to be used only after the other side's tag was right (the joiner seals its hello before).
    pub(crate) fn keys(&self) -> Keys {
        Keys {
            seal_joiner: Seal::new(self.master.derive::<SealJoiner>()),
            seal_opener: Seal::new(self.master.derive::<SealOpener>()),
            lanes_joiner: Seal::new(self.master.derive::<LanesJoiner>()),
            lanes_opener: Seal::new(self.master.derive::<LanesOpener>()),
            comparing: self.master.derive(),
            resume: self.master.derive(),
        }
    }
}

/// Compares tags without telling by its time where they differ.
pub(crate) fn equal(a: &[u8; 32], b: &[u8; 32]) -> bool {
    a.ct_eq(b).into()
}

/// The best version and suite that both speak.
pub(crate) fn common(ours: &[u8], theirs: &[u8]) -> Option<u8> {
    ours.iter().filter(|v| theirs.contains(v)).max().copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear() -> Clear {
        let one = || vec![1];
        Clear { opener_versions: one(), opener_suites: one(), joiner_versions: one(), joiner_suites: one() }
    }

    fn meet(
        opener: &str,
        joiner: &str,
        opener_clear: Clear,
        joiner_clear: Clear,
    ) -> (Confirming, Confirming) {
        let mut random = Random::from_seed([7; 32]);
        let opener = Started::opener(&Code::parse(opener).unwrap(), &mut random);
        let joiner = Started::joiner(&Code::parse(joiner).unwrap(), &mut random);
        let (a, b) = (joiner.message().to_vec(), opener.message().to_vec());
        (opener.finish(&a, &opener_clear).unwrap(), joiner.finish(&b, &joiner_clear).unwrap())
    }

    #[test]
    fn the_same_code_gives_the_same_tags_and_another_does_not() {
        let (opener, joiner) = meet("7-guitar-sunset", "7-guitar-sunset", clear(), clear());
        assert_eq!(opener.joiner_tag(), joiner.joiner_tag());
        assert_eq!(opener.opener_tag(), joiner.opener_tag());
        assert_ne!(opener.opener_tag(), opener.joiner_tag());

        let (opener, joiner) = meet("7-guitar-sunset", "7-guitar-sun", clear(), clear());
        assert_ne!(opener.joiner_tag(), joiner.joiner_tag());
    }

    #[test]
    fn a_server_that_changes_the_version_lists_is_noticed() {
        let lied = Clear { joiner_versions: vec![2, 1], ..clear() };
        let (opener, joiner) = meet("7-guitar-sunset", "7-guitar-sunset", clear(), lied);
        assert_ne!(opener.joiner_tag(), joiner.joiner_tag());
    }

    #[test]
    fn garbage_is_no_pake_message() {
        let mut random = Random::from_seed([7; 32]);
        let code = Code::parse("7-guitar-sunset").unwrap();
        for garbage in [&b""[..], b"x", &[0; 33], &[255; 33], &[0x41; 32], &[0x41; 34]] {
            let opener = Started::opener(&code, &mut random);
            let _ = opener.finish(garbage, &clear());
        }
        let opener = Started::opener(&code, &mut random);
        let reflected = opener.message().to_vec();
        assert!(opener.finish(&reflected, &clear()).is_err(), "its own message is not the joiner's");
    }
}
