//! Random numbers from the seed that a session is given.
use chacha20::{
    ChaCha20,
    cipher::{KeyIvInit as _, StreamCipher as _},
};
use core::fmt;
use rand_core::{CryptoRng, Error, RngCore};

/// ChaCha20's key stream (RFC 8439 §2.4, nonce zero). The page has that cipher for its messages anyway; a random
/// generator of its own would be a hundredth of it.
///
/// Good for 256 GiB; a session takes a few hundred bytes.
pub(crate) struct Random(ChaCha20);

impl Random {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(ChaCha20::new(&seed.into(), &[0; 12].into()))
    }

    fn draw<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill_bytes(&mut bytes);
        bytes
    }
}

impl RngCore for Random {
    fn next_u32(&mut self) -> u32 {
        u32::from_le_bytes(self.draw())
    }

    fn next_u64(&mut self) -> u64 {
        u64::from_le_bytes(self.draw())
    }

    fn fill_bytes(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
        self.0.apply_keystream(bytes);
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(bytes);
        Ok(())
    }
}

impl CryptoRng for Random {}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(_)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::SeedableRng as _;

    #[test]
    fn draws_what_another_implementation_draws() {
        let mut other = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
        let mut random = Random::from_seed([7; 32]);
        assert_eq!(random.next_u32(), other.next_u32());
        assert_eq!(random.next_u32(), other.next_u32());
        assert_eq!(random.next_u64(), other.next_u64());
        let (mut bytes, mut others) = ([1; 200], [0; 200]);
        random.fill_bytes(&mut bytes);
        other.fill_bytes(&mut others);
        assert_eq!(bytes, others);
    }
}
