//! The browser's own memory of what arrived, for a sink that can take it as it is.
//!
//! Every byte is copied to where it is checked. A download wants it in the browser's memory, where it has come from: so
//! the messages are kept until the block they bring is checked, and are handed on instead of a second copy.
use beeline_core::{
    map::Map,
    output::{BlockRef, TransferId},
};
use js_sys::{ArrayBuffer, Uint8Array};
use std::ops::Range;

/// Shorter messages than this, in bytes, cost more to keep than to copy.
const SHORT: usize = 32 << 10;

/// What arrived of blocks that are not written yet.
#[derive(Default)]
pub(super) struct Arrived(Map<BlockRef, Parts>);

/// Parts of a block, each right behind the one before; what did not come so is not kept.
#[derive(Default)]
struct Parts {
    parts: Vec<Uint8Array>,
    len: u32,
    is_torn: bool,
}

impl Arrived {
    /// The bytes at `at` of a block came in this part of a message.
    pub(super) fn keep(&mut self, block: BlockRef, at: u32, message: &ArrayBuffer, part: Range<usize>) {
        let of = self.0.get_or_default(block);
        let len = part.len();
        // Whoever takes a message takes all of it: it has to be this block's alone.
        of.is_torn |= at != of.len || len < SHORT || 2 * len <= message.byte_length() as usize;
        if of.is_torn {
            return of.parts.clear();
        }
        let part = Uint8Array::new_with_byte_offset_and_length(message, part.start as u32, len as u32);
        of.parts.push(part);
        of.len += len as u32;
    }

    /// All of a block of `len` bytes, if it was kept.
    pub(super) fn take(&mut self, block: BlockRef, len: u32) -> Option<Vec<Uint8Array>> {
        let of = self.0.remove(&block)?;
        (of.len == len && !of.is_torn).then_some(of.parts)
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
