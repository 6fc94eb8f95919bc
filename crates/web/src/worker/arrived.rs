//! The browser's own memory of what arrived, for a sink that can take it as it is.
//!
//! A download wants bytes in the browser's memory, where they have come from. So the messages are kept until the block that
//! they bring is checked, and are handed on then; it is hashed while it comes, and never put together here. That takes parts
//! that come in order, each in a message of its own: what comes otherwise is put together after all.
//!
//! ```text
//! message ──in order, long──> kept and hashed ──checked──> handed on
//!    └────────else──────────> blocks (with what was kept of it) ──checked──> copied
//! ```
use beeline_core::{
    blocks::Blocks,
    digest::{BlockDigest, BlockHasher},
    map::Map,
    output::{BlockRef, TransferId},
};
use js_sys::{ArrayBuffer, Uint8Array};
use std::ops::Range;

/// Shorter messages than this, in bytes, cost more to keep than to copy.
const SHORT: usize = 32 << 10;

/// What arrived of blocks that are not written yet; nothing of those of which some came otherwise.
#[derive(Default)]
pub(super) struct Arrived(Map<BlockRef, Option<Kept>>);

/// A block as far as it came: parts, each right behind the one before.
struct Kept {
    parts: Vec<Uint8Array>,
    len: u32,
    hasher: BlockHasher,
}

/// A part of a message for a block of `len` bytes, at `at` in it.
pub(super) struct Part<'a> {
    pub(super) block: BlockRef,
    pub(super) len: u32,
    pub(super) at: u32,
    pub(super) message: &'a ArrayBuffer,
    pub(super) range: Range<usize>,
    pub(super) bytes: &'a [u8],
}

impl Part<'_> {
    /// Its bytes in the browser's memory.
    fn view(&self) -> Uint8Array {
        let (start, len) = (self.range.start as u32, self.range.len() as u32);
        Uint8Array::new_with_byte_offset_and_length(self.message, start, len)
    }
}

impl Arrived {
    /// Keeps a part; or else says how many bytes of messages were kept in vain, and what was kept of its block has moved
    /// to `blocks`.
    pub(super) fn keep(&mut self, part: &Part<'_>, blocks: &mut Blocks) -> Result<(), u32> {
        let Part { block, len, at, bytes, message, .. } = *part;
        let fresh = || Some(Kept { parts: Vec::new(), len: 0, hasher: BlockHasher::new(block.index) });
        let of = self.0.get_or_insert_with(block, fresh);
        // Whoever takes a message takes all of it: it has to be this block's alone.
        let is_alone = bytes.len() >= SHORT && 2 * bytes.len() > message.byte_length() as usize;
        let fits = |kept: &Kept| at == kept.len && at as usize + bytes.len() <= len as usize;
        if let Some(kept) = of.as_mut().filter(|kept| is_alone && fits(kept)) {
            kept.parts.push(part.view());
            kept.len += bytes.len() as u32;
            kept.hasher.update(bytes);
            return Ok(());
        }
        let (mut start, mut left) = (0, 0);
        for before in of.take().into_iter().flat_map(|kept| kept.parts) {
            blocks.place(block, len, start, &before.to_vec());
            start += before.length();
            left += before.buffer().byte_length();
        }
        Err(left)
    }

    /// The digest of a block of `len` bytes, if all of it was kept.
    pub(super) fn digest(&self, block: BlockRef, len: u32, whole: bool) -> Option<BlockDigest> {
        let kept = self.0.get(&block)?.as_ref().filter(|kept| kept.len == len)?;
        Some(kept.hasher.finish(whole))
    }

    /// All of a block of `len` bytes, if it was kept.
    pub(super) fn take(&mut self, block: BlockRef, len: u32) -> Option<Vec<Uint8Array>> {
        self.0.remove(&block)?.filter(|kept| kept.len == len).map(|kept| kept.parts)
    }

    /// Drops what there is of a block.
    pub(super) fn forget(&mut self, block: BlockRef) {
        self.0.remove(&block);
    }

    /// Drops what there is of a transfer.
    pub(super) fn abandon(&mut self, transfer: TransferId) {
        self.0.retain(|block, _| block.transfer != transfer);
    }
}
