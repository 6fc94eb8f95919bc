//! The crypto backend of `dimpl`, with two additions for DTLS 1.3.
//!
//! - The mask of record numbers (RFC 9147 §4.2.3) comes from a key that is kept: expanding it anew for each record costs
//!   more than encrypting the record.
//! - Whatever `dimpl` decrypts leaves a note ([`take_note`]): the key, the nonce and the mask key. With it
//!   [`Openers`](super::records::Openers) reads the records that follow, without `dimpl`'s copies.
//! - A record that `dimpl` writes while it is asked to ([`granted`]) is not encrypted and leaves the same note instead:
//!   its number is another record's, which [`seal`](super::records::seal) writes without `dimpl`'s copies.
use std::{
    cell::RefCell,
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{Arc, LazyLock},
};

use aws_lc_rs::{
    aead::{self, LessSafeKey, UnboundKey, quic},
    cipher::{self, EncryptingKey, UnboundCipherKey},
};
use dimpl::{
    CryptoError,
    crypto::{
        Aad, Buf, Cipher, CryptoProvider, Dtls13CipherSuite, HashAlgorithm, Nonce,
        SupportedDtls13CipherSuite, TmpBuf, aws_lc_rs as backend,
    },
};

use super::records::TAG;

/// A machine in one process has a few connections, each with two directions.
const MASKS: usize = 16;

thread_local! {
    static MASK_KEYS: RefCell<Vec<Arc<MaskKey>>> = const { RefCell::new(Vec::new()) };
    static NOTE: RefCell<Option<Note>> = const { RefCell::new(None) };
    static GRANT: RefCell<Grant> = const { RefCell::new(Grant::None) };
}

/// ```text
/// None ──granted──> Asked ──a record is to be encrypted──> Numbered ──its number is to be masked──> Given
///   └──────────────────────────────────── granted returns <──────────────────────────────────────────┘
/// ```
enum Grant {
    None,
    Asked,
    Numbered { key: Arc<LessSafeKey>, flags: u8, number: u16, nonce: [u8; 12] },
    Given(Note),
}

/// The key that hides record numbers.
pub(super) struct MaskKey {
    bytes: Vec<u8>,
    key: MaskCipher,
}

enum MaskCipher {
    Aes(EncryptingKey),
    /// QUIC hides its packet numbers as DTLS 1.3 does (RFC 9001 §5.4.4).
    ChaCha20(quic::HeaderProtectionKey),
}

impl MaskKey {
    fn new(aead: &aead::Algorithm, bytes: &[u8]) -> Self {
        let aes = |algorithm| {
            let key = UnboundCipherKey::new(algorithm, bytes).and_then(EncryptingKey::ecb);
            MaskCipher::Aes(key.expect("the suite's own length"))
        };
        let key = match bytes.len() {
            16 => aes(&cipher::AES_128),
            _ if *aead == aead::AES_256_GCM => aes(&cipher::AES_256),
            _ => MaskCipher::ChaCha20(
                quic::HeaderProtectionKey::new(&quic::CHACHA20, bytes).expect("the suite's own length"),
            ),
        };
        Self { bytes: bytes.to_vec(), key }
    }

    /// What to add to a record number; `sample` is what the record's content begins with.
    pub(super) fn mask(&self, sample: &[u8; 16]) -> [u8; 16] {
        let mut mask = [0; 16];
        match &self.key {
            MaskCipher::Aes(key) => {
                mask = *sample;
                key.encrypt(&mut mask).expect("16 bytes are a block");
            }
            MaskCipher::ChaCha20(key) => {
                mask[..5].copy_from_slice(&key.new_mask(sample).expect("a sample has 16 bytes"));
            }
        }
        mask
    }
}

/// What one decryption by `dimpl` showed, or what it would have encrypted with.
pub(super) struct Note {
    pub(super) key: Arc<LessSafeKey>,
    pub(super) mask: Arc<MaskKey>,
    /// The first byte of the record's header, and the low bits of its number.
    pub(super) flags: u8,
    pub(super) number: u16,
    pub(super) nonce: [u8; 12],
}

/// The note of the last record that was decrypted on this thread since the last call.
pub(super) fn take_note() -> Option<Note> {
    NOTE.with_borrow_mut(Option::take)
}

/// Runs `write`, in which `dimpl` writes one record of data; gives what it did not encrypt that record with. The nonce
/// is the caller's, to be used once. None: `dimpl` wrote nothing.
pub(super) fn granted<T>(write: impl FnOnce() -> T) -> (T, Option<Note>) {
    GRANT.set(Grant::Asked);
    let result = write();
    match GRANT.replace(Grant::None) {
        Grant::Given(note) => (result, Some(note)),
        _ => (result, None),
    }
}

/// aws-lc-rs, with the additions, and of DTLS 1.3's suites those that have them.
pub(super) fn provider() -> CryptoProvider {
    static SUITES: LazyLock<Vec<&'static dyn SupportedDtls13CipherSuite>> = LazyLock::new(|| {
        let suites = backend::default_provider().dtls13_cipher_suites.iter();
        let noted = suites.filter_map(|suite| -> Option<&'static dyn SupportedDtls13CipherSuite> {
            match suite.suite() {
                Dtls13CipherSuite::AES_128_GCM_SHA256 => Some(&AES_128),
                Dtls13CipherSuite::AES_256_GCM_SHA384 => Some(&AES_256),
                Dtls13CipherSuite::CHACHA20_POLY1305_SHA256 => Some(&CHACHA20),
                _ => None,
            }
        });
        noted.collect()
    });
    CryptoProvider { dtls13_cipher_suites: &SUITES, ..backend::default_provider() }
}

static AES_128: Suite = Suite {
    suite: Dtls13CipherSuite::AES_128_GCM_SHA256,
    hash: HashAlgorithm::SHA256,
    aead: &aead::AES_128_GCM,
};
static AES_256: Suite = Suite {
    suite: Dtls13CipherSuite::AES_256_GCM_SHA384,
    hash: HashAlgorithm::SHA384,
    aead: &aead::AES_256_GCM,
};
static CHACHA20: Suite = Suite {
    suite: Dtls13CipherSuite::CHACHA20_POLY1305_SHA256,
    hash: HashAlgorithm::SHA256,
    aead: &aead::CHACHA20_POLY1305,
};

struct Suite {
    suite: Dtls13CipherSuite,
    hash: HashAlgorithm,
    aead: &'static aead::Algorithm,
}

impl Suite {
    fn mask_key(&self, bytes: &[u8]) -> Arc<MaskKey> {
        MASK_KEYS.with_borrow_mut(|keys| {
            if let Some(at) = keys.iter().position(|key| key.bytes == bytes) {
                return keys[at].clone();
            }
            let key = Arc::new(MaskKey::new(self.aead, bytes));
            if keys.len() == MASKS {
                keys.remove(0);
            }
            keys.push(key.clone());
            key
        })
    }
}

impl SupportedDtls13CipherSuite for Suite {
    fn suite(&self) -> Dtls13CipherSuite {
        self.suite
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        self.hash
    }

    fn key_len(&self) -> usize {
        self.aead.key_len()
    }

    fn iv_len(&self) -> usize {
        self.aead.nonce_len()
    }

    fn tag_len(&self) -> usize {
        self.aead.tag_len()
    }

    fn create_cipher(&self, key: &[u8]) -> Result<Box<dyn Cipher>, CryptoError> {
        let key = UnboundKey::new(self.aead, key)
            .map_err(|_| CryptoError::OperationFailed(dimpl::CryptoOperation::CreateCipher))?;
        Ok(Box::new(Noting { key: Arc::new(LessSafeKey::new(key)) }))
    }

    fn encrypt_sn(&self, sn_key: &[u8], sample: &[u8; 16]) -> [u8; 16] {
        let key = self.mask_key(sn_key);
        let given = GRANT.with_borrow_mut(|grant| match std::mem::replace(grant, Grant::None) {
            Grant::Numbered { key: cipher, flags, number, nonce } => {
                *grant = Grant::Given(Note { key: cipher, mask: key.clone(), flags, number, nonce });
                true
            }
            other => {
                *grant = other;
                false
            }
        });
        if given {
            return [0; 16];
        }
        let mask = key.mask(sample);
        LAST_MASK.with_borrow_mut(|last| *last = Some(key));
        mask
    }
}

thread_local! {
    /// Of a record that is read the number is unmasked first, then its content is decrypted.
    static LAST_MASK: RefCell<Option<Arc<MaskKey>>> = const { RefCell::new(None) };
}

/// A cipher that notes what it decrypts, and what it is asked not to encrypt.
struct Noting {
    key: Arc<LessSafeKey>,
}

impl UnwindSafe for Noting {}
impl RefUnwindSafe for Noting {}

impl Cipher for Noting {
    fn encrypt(&mut self, plaintext: &mut Buf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let granted = GRANT.with_borrow_mut(|grant| match (&*grant, &aad[..]) {
            (Grant::Asked, &[flags, high, low, ..]) => {
                let number = u16::from_be_bytes([high, low]);
                *grant = Grant::Numbered { key: self.key.clone(), flags, number, nonce: nonce.0 };
                true
            }
            _ => false,
        });
        if granted {
            plaintext.extend_from_slice(&[0; TAG]);
            return Ok(());
        }
        self.key
            .seal_in_place_append_tag(
                aead::Nonce::assume_unique_for_key(nonce.0),
                aead::Aad::from(&aad[..]),
                plaintext,
            )
            .map_err(|_| CryptoError::OperationFailed(dimpl::CryptoOperation::Encrypt))
    }

    fn decrypt(&mut self, ciphertext: &mut TmpBuf, aad: Aad, nonce: Nonce) -> Result<(), CryptoError> {
        let nonce_again = aead::Nonce::assume_unique_for_key(nonce.0);
        let len = self
            .key
            .open_in_place(nonce_again, aead::Aad::from(&aad[..]), ciphertext.as_mut())
            .map_err(|_| CryptoError::OperationFailed(dimpl::CryptoOperation::Decrypt))?
            .len();
        ciphertext.truncate(len);
        if let (&[flags, high, low, ..], Some(mask)) = (&aad[..], LAST_MASK.with_borrow(Clone::clone)) {
            let (key, number) = (self.key.clone(), u16::from_be_bytes([high, low]));
            NOTE.set(Some(Note { key, mask, flags, number, nonce: nonce.0 }));
        }
        Ok(())
    }
}

impl fmt::Debug for Noting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Noting(…)")
    }
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.suite.fmt(f)
    }
}
