//! Reads and writes DTLS 1.3 records that carry data, each in one pass (RFC 9147 §4).
//!
//! ```text
//!  0 1 2 3 4 5 6 7
//! +-+-+-+-+-+-+-+-+
//! |0|0|1|C|S|L|E E|   C: a connection id follows (not here); S: 16 bits of the number; L: a length; E: epoch, low bits
//! +-+-+-+-+-+-+-+-+
//! | number, 16    |   masked; nonce = iv xor the whole number
//! | length, 16    |   of what follows: content | its type, 23 for data | zeros | tag
//! ```
//! `dimpl` copies each record twice, allocates three times for it, and remembers only 64 numbers, while batches of 50
//! may overtake each other. So it opens the first record of each epoch, everything that is no data, and one record in
//! some thousands, to keep its clock of numbers; the rest is read here, with what its cipher noted ([`Note`]).
//!
//! It copies what it writes four times. So it writes a record with next to nothing in it, whose number, nonce and key
//! are noted and not used; with these the record is written here, in place. Numbers, epochs and limits stay `dimpl`'s,
//! each of its nonces encrypts one record, and so none can be used twice.
use std::sync::Arc;

use aws_lc_rs::{
    aead::{Aad, LessSafeKey, Nonce},
    error::Unspecified,
};

use super::provider::{MaskKey, Note};

/// Bytes before a record's content.
pub(super) const HEADER: usize = 5;
pub(super) const TAG: usize = 16;
/// `dimpl` must see a record before 2^15 others passed it by: it completes 16 bits of a number by the last it saw.
const SHOW_EVERY: u64 = 1 << 12;
/// Epochs of which records may still be on the way.
const EPOCHS: usize = 2;
const DATA: u8 = 23;

/// Makes a record of what `out` holds from `start` on: [`HEADER`] bytes of room, then content. The note is spent.
pub(super) fn seal(note: Note, start: usize, out: &mut Vec<u8>) -> Result<(), Unspecified> {
    out.push(DATA);
    let len = u16::try_from(out.len() - start - HEADER + TAG).map_err(|_| Unspecified)?;
    let ([high, low], [len_high, len_low]) = (note.number.to_be_bytes(), len.to_be_bytes());
    let aad = Aad::from([note.flags, high, low, len_high, len_low]);
    let nonce = Nonce::assume_unique_for_key(note.nonce);
    let tag = note.key.seal_in_place_separate_tag(nonce, aad, &mut out[start + HEADER..])?;
    out.extend_from_slice(tag.as_ref());
    let (header, sealed) = out[start..].split_at_mut(HEADER);
    let mask = note.mask.mask(sealed.first_chunk().ok_or(Unspecified)?);
    header.copy_from_slice(&[note.flags, high ^ mask[0], low ^ mask[1], len_high, len_low]);
    Ok(())
}

/// The keys of the other side's latest epochs.
#[derive(Default)]
pub(super) struct Openers {
    openers: Vec<Opener>,
}

struct Opener {
    key: Arc<LessSafeKey>,
    mask: Arc<MaskKey>,
    iv: [u8; 12],
    /// The two bits of the epoch.
    epoch: u8,
    window: Window,
    /// The last number that `dimpl` saw.
    shown: u64,
}

impl Openers {
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.openers.len()
    }

    /// Learns from what `dimpl` decrypted.
    pub(super) fn learn(&mut self, note: Note) {
        let known = self.openers.iter_mut().find(|opener| Arc::ptr_eq(&opener.key, &note.key));
        if let Some(opener) = known {
            let number = number_of(&opener.iv, &note.nonce);
            opener.window.add(number);
            opener.shown = opener.shown.max(number);
            return;
        }
        // The first of its epoch, of whose number 16 bits are all there is: `dimpl` could not have read it otherwise.
        let number = u64::from(note.number);
        let iv = nonce(&note.nonce, number);
        let mut opener = Opener {
            key: note.key,
            mask: note.mask,
            iv,
            epoch: note.flags & 3,
            window: Window::default(),
            shown: number,
        };
        opener.window.add(number);
        self.openers.retain(|older| older.epoch != opener.epoch);
        self.openers.truncate(EPOCHS - 1);
        self.openers.insert(0, opener);
    }

    /// Reads a datagram that is one record of data; nothing if `dimpl` has to see it. An empty slice: nothing for
    /// anybody, it was read before.
    pub(super) fn open<'a>(&mut self, datagram: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
        let (header, sealed) = datagram.split_first_chunk::<HEADER>()?;
        let &[flags, high, low, len_high, len_low] = header;
        if flags & !3 != 0b0010_1100
            || sealed.len() != usize::from(u16::from_be_bytes([len_high, len_low]))
            || sealed.len() <= TAG
        {
            return None;
        }
        let opener = self.openers.iter_mut().find(|opener| opener.epoch == flags & 3)?;
        let mask = opener.mask.mask(sealed.first_chunk()?);
        let [high, low] = [high ^ mask[0], low ^ mask[1]];
        let number = opener.window.complete(u16::from_be_bytes([high, low]));
        if number >= opener.shown + SHOW_EVERY {
            return None;
        }
        if !opener.window.is_new(number) {
            return Some(&[]);
        }
        let (content, tag) = sealed.split_at(sealed.len() - TAG);
        let plain = out.get_mut(..content.len())?;
        let nonce = Nonce::assume_unique_for_key(nonce(&opener.iv, number));
        let aad = Aad::from([flags, high, low, len_high, len_low]);
        opener.key.open_separate_gather(nonce, aad, content, tag, plain).ok()?;
        let end = plain.iter().rposition(|&byte| byte != 0)?;
        if plain[end] != DATA {
            return None;
        }
        opener.window.add(number);
        Some(&plain[..end])
    }
}

/// iv xor number, and so either from the other.
fn nonce(iv: &[u8; 12], number: u64) -> [u8; 12] {
    let mut nonce = *iv;
    nonce[4..].iter_mut().zip(number.to_be_bytes()).for_each(|(byte, bits)| *byte ^= bits);
    nonce
}

fn number_of(iv: &[u8; 12], nonce: &[u8; 12]) -> u64 {
    let bytes = std::array::from_fn(|at| iv[4 + at] ^ nonce[4 + at]);
    u64::from_be_bytes(bytes)
}

/// Numbers that were read (RFC 9147 §4.5.1): those of the last 1,024.
#[derive(Default)]
struct Window {
    /// One more than the highest.
    next: u64,
    bits: [u64; WORDS as usize],
}

const WORDS: u64 = 17;
/// The word of the highest number is shared with numbers so far below.
const SPAN: u64 = (WORDS - 1) * 64;

impl Window {
    /// The number nearest to the next one that ends in these 16 bits (RFC 9147 §4.2.2).
    fn complete(&self, low: u16) -> u64 {
        let candidate = (self.next & !0xffff) | u64::from(low);
        if candidate + 0x8000 < self.next {
            candidate + 0x1_0000
        } else if candidate > self.next + 0x8000 && candidate >= 0x1_0000 {
            candidate - 0x1_0000
        } else {
            candidate
        }
    }

    fn is_new(&self, number: u64) -> bool {
        number >= self.next || (number + SPAN >= self.next && self.bits[word(number)] & bit(number) == 0)
    }

    fn add(&mut self, number: u64) {
        if number >= self.next {
            // The words between begin anew.
            let (first, last) = (self.next.div_ceil(64), number / 64);
            for at in first.max(last.saturating_sub(WORDS - 1))..=last {
                self.bits[(at % WORDS) as usize] = 0;
            }
            self.next = number + 1;
        } else if number + SPAN < self.next {
            return;
        }
        self.bits[word(number)] |= bit(number);
    }
}

const fn word(number: u64) -> usize {
    (number / 64 % WORDS) as usize
}

const fn bit(number: u64) -> u64 {
    1 << (number % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_new_once_and_old_ones_never() {
        let mut window = Window::default();

        for number in [0, 1, 5, 63, 64, 700, 2000, 1990, 1500] {
            assert!(window.is_new(number), "{number}");
            window.add(number);
            assert!(!window.is_new(number), "{number}");
        }
        assert!(window.is_new(1999) && window.is_new(1100) && window.is_new(2001));
        assert!(!window.is_new(900) && !window.is_new(0));
        window.add(1 << 20);
        assert!(!window.is_new(2001));
        assert!((1..1000).all(|back| window.is_new((1 << 20) - back)));
    }

    #[test]
    fn a_window_agrees_with_a_set() {
        let (mut window, mut set) = (Window::default(), std::collections::BTreeSet::new());
        let mut state = 1u64;
        let mut at = 0u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            at += state >> 62;
            let number = at.saturating_sub((state >> 40) % 900);
            assert_eq!(window.is_new(number), set.insert(number), "{number}");
            window.add(number);
        }
    }

    #[test]
    fn numbers_are_completed_around_the_next_one() {
        let mut window = Window::default();
        assert_eq!(window.complete(3), 3);
        assert_eq!(window.complete(0xffff), 0xffff);
        window.add(0x1_fff0);
        assert_eq!(window.complete(0xfff1), 0x1_fff1);
        assert_eq!(window.complete(2), 0x2_0002);
        window.add(0x2_0003);
        assert_eq!(window.complete(0xfff5), 0x1_fff5);
    }

    #[test]
    fn a_nonce_gives_its_number_back() {
        let iv = [7; 12];
        assert_eq!(number_of(&iv, &nonce(&iv, 0x0001_0203_0405_0607)), 0x0001_0203_0405_0607);
    }
}
