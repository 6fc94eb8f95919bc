//! A driver's store of blocks: file bytes between a disk and a channel.
use crate::{
    map::Map,
    output::{BlockRef, TransferId},
    wire::data::{self, Run},
};

/// Blocks that were read and are being sent, or that are being put together and not yet written.
///
/// The session decides what is in it (`Output::Read`, `Place`, `Write`, `Forget`, `Abandon`); its grants
/// and its read-ahead bound how much that is.
#[derive(Debug, Default)]
pub struct Blocks(Map<BlockRef, Vec<u8>>);

impl Blocks {
    /// Keeps a block that was read.
    pub fn insert(&mut self, block: BlockRef, bytes: Vec<u8>) {
        self.0.insert(block, bytes);
    }

    /// Copies part of a message to its place in a block of `len` bytes.
    pub fn place(&mut self, block: BlockRef, len: u32, at: u32, bytes: &[u8]) {
        let (len, at) = (len as usize, at as usize);
        let buffer = self.0.get_or_insert_with(block, || Vec::with_capacity(len));
        if at == buffer.len() && at + bytes.len() <= len {
            return buffer.extend_from_slice(bytes);
        }
        buffer.resize(len.max(buffer.len()), 0); // out of order, or once more
        if let Some(room) = buffer.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    /// A block's bytes.
    pub fn get(&self, block: BlockRef) -> Option<&[u8]> {
        self.0.get(&block).map(Vec::as_slice)
    }

    /// Takes a block out, to write it.
    pub fn take(&mut self, block: BlockRef) -> Option<Vec<u8>> {
        self.0.remove(&block)
    }

    /// Drops a block.
    pub fn forget(&mut self, block: BlockRef) {
        self.0.remove(&block);
    }

    /// Drops all blocks of a transfer.
    pub fn abandon(&mut self, transfer: TransferId) {
        self.0.retain(|block, _| block.transfer != transfer);
    }

    /// The data frame for `Output::Data`, written into empty `memory` for so many bytes. `None` if a block is missing,
    /// which is the driver's mistake.
    pub fn frame(
        &self,
        transfer: TransferId,
        stamp: u32,
        runs: &[Run],
        memory: impl FnOnce(usize) -> Vec<u8>,
    ) -> Option<Vec<u8>> {
        let len = runs.iter().map(|r| data::RUN_HEADER + r.len as usize).sum::<usize>();
        let mut frame = memory(data::FRAME_HEADER + len);
        data::start(transfer, stamp, &mut frame);
        for run in runs {
            let index = (run.offset / crate::digest::BLOCK_LEN) as u32;
            let block = self.0.get(&BlockRef { transfer, file: run.file, index })?;
            let at = (run.offset % crate::digest::BLOCK_LEN) as usize;
            data::run(run, block.get(at..at + run.len as usize)?, &mut frame);
        }
        Some(frame)
    }

    /// Bytes held.
    pub fn bytes(&self) -> usize {
        self.0.values().map(Vec::capacity).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::FileIndex;

    #[test]
    fn parts_in_any_order_and_twice_become_the_block() {
        let block = BlockRef { transfer: TransferId(1), file: FileIndex(0), index: 0 };
        for order in [[0, 1, 2, 1], [2, 0, 1, 0], [1, 2, 2, 0]] {
            let mut blocks = Blocks::default();
            for part in order {
                blocks.place(
                    block,
                    7,
                    part * 3,
                    &b"abcdefg"[part as usize * 3..][..(7 - part as usize * 3).min(3)],
                );
            }
            assert_eq!(blocks.take(block).as_deref(), Some(&b"abcdefg"[..]), "{order:?}");
        }
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let block = BlockRef { transfer: TransferId(1), file: FileIndex(0), index: 0 };
        let mut blocks = Blocks::default();
        blocks.place(block, 3, 2, b"xy");
        blocks.place(block, 3, u32::MAX, b"z");
        assert_eq!(blocks.take(block).as_deref(), Some(&[0, 0, 0][..]));
    }
}
