//! BLAKE3 by blocks: each block is a subtree of the file's tree, so blocks can be hashed in any order.
//!
//! ```text
//!              root = b3sum of the file                one block or less: the block's own root hash
//!             ╱    ╲
//!           ·        ·            merged from the left, the left side always a power of two of blocks
//!          ╱ ╲      ╱ ╲
//!        b0   b1  b2   b3         chaining values of 1 MiB each (the last may be shorter)
//! ```
use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};
use std::fmt;

/// Bytes of a block: the unit of hashing, acknowledging and resuming. A power of two, as a subtree must be.
pub const BLOCK_LEN: u64 = 1 << 20;

/// The BLAKE3 of a file. Displays as 64 hexadecimal digits, as `b3sum` does.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digest(pub [u8; 32]);

/// The digest of one block: its chaining value, or the root hash where the block is the whole file.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BlockDigest(pub [u8; 32]);

impl BlockDigest {
    /// Hashes block `index` of a file; `whole` says that the file has no other block.
    pub fn of(bytes: &[u8], index: u32, whole: bool) -> Self {
        let mut hasher = BlockHasher::new(index);
        hasher.update(bytes);
        hasher.finish(whole)
    }
}

/// Hashes a block whose bytes come one after another.
#[derive(Clone, Debug)]
pub struct BlockHasher(blake3::Hasher);

impl BlockHasher {
    /// For block `index` of a file.
    pub fn new(index: u32) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(u64::from(index) * BLOCK_LEN);
        Self(hasher)
    }

    /// Adds what comes next; fastest in parts of a power of two, of 16 KiB or more. A block has at most [`BLOCK_LEN`] bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The block's digest; `whole` says that the file has no other block, so it has to be the first.
    pub fn finish(&self, whole: bool) -> BlockDigest {
        BlockDigest(match whole {
            true => *self.0.finalize().as_bytes(),
            false => self.0.finalize_non_root(),
        })
    }
}

impl Digest {
    /// The digest of the empty file.
    pub fn empty() -> Self {
        Self(*blake3::hash(b"").as_bytes())
    }

    /// Joins the digests of all blocks of a file, in order.
    pub fn join(blocks: &[BlockDigest]) -> Self {
        match blocks {
            [] => Self::empty(),
            [only] => Self(only.0),
            _ => {
                let (left, right) = blocks.split_at(left_len(blocks.len()));
                let root = merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash);
                Self(*root.as_bytes())
            }
        }
    }
}

fn subtree(blocks: &[BlockDigest]) -> [u8; 32] {
    match blocks {
        [only] => only.0,
        _ => {
            let (left, right) = blocks.split_at(left_len(blocks.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// Blocks of the left subtree: the largest power of two below `len`.
fn left_len(len: usize) -> usize {
    len.next_power_of_two() / 2
}

/// How many blocks a file of this many bytes has.
pub const fn block_count(size: u64) -> u64 {
    size.div_ceil(BLOCK_LEN)
}

/// Bytes of block `index` of a file of `size` bytes.
pub fn block_len(size: u64, index: u32) -> u32 {
    size.saturating_sub(u64::from(index) * BLOCK_LEN).min(BLOCK_LEN) as u32
}

fn hex(bytes: &[u8; 32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl fmt::Debug for BlockDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_joined_equal_the_plain_hash() {
        let block = BLOCK_LEN as usize;
        for len in [
            0,
            1,
            1024,
            block - 1,
            block,
            block + 1,
            2 * block,
            3 * block + 7,
            5 * block,
            8 * block,
            9 * block + 1,
        ] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 31 % 251) as u8).collect();
            let count = block_count(len as u64);

            let blocks: Vec<_> = bytes
                .chunks(block)
                .enumerate()
                .map(|(i, chunk)| BlockDigest::of(chunk, i as u32, count == 1))
                .collect();

            assert_eq!(blocks.len() as u64, count);
            assert_eq!(Digest::join(&blocks).0, *blake3::hash(&bytes).as_bytes(), "{len} bytes");
        }
    }

    #[test]
    fn a_block_may_come_in_parts() {
        let bytes: Vec<u8> = (0..BLOCK_LEN).map(|i| (i * 31 % 251) as u8).collect();
        for (index, whole) in [(0, true), (0, false), (7, false)] {
            for part in [1, 1000, 16 << 10, 128 << 10] {
                let bytes = &bytes[..(part * 9).min(bytes.len())];
                let mut hasher = BlockHasher::new(index);
                bytes.chunks(part).for_each(|part| hasher.update(part));
                assert_eq!(hasher.finish(whole), BlockDigest::of(bytes, index, whole), "{part}");
            }
        }
    }

    #[test]
    fn a_block_knows_its_length() {
        assert_eq!(block_len(BLOCK_LEN + 5, 0), BLOCK_LEN as u32);
        assert_eq!(block_len(BLOCK_LEN + 5, 1), 5);
        assert_eq!(block_len(BLOCK_LEN + 5, 2), 0);
    }
}
