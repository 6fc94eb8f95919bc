//! Memory of blocks that are done with, for the next ones.
use beeline_core::digest::BLOCK_LEN;

/// Kept at most: as many as are usually between the driver and the disk.
const KEPT: usize = 8;

/// Memory for blocks. A fresh one costs its first touch of every page, which is more than copying a block into it.
#[derive(Debug, Default)]
pub(crate) struct Spare(Vec<Vec<u8>>);

impl Spare {
    /// Keeps the memory of a block that nobody wants any more, if it is of a usual size.
    pub(crate) fn keep(&mut self, bytes: Vec<u8>) {
        if self.0.len() < KEPT && bytes.capacity() as u64 >= BLOCK_LEN {
            self.0.push(bytes);
        }
    }

    /// Memory for a block, with bytes of an older one in it, or none.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_whole_blocks_are_kept_and_small_ones_never() {
        let mut spare = Spare::default();
        spare.keep(vec![1; 100]);
        assert!(spare.take().is_empty());

        (0..2 * KEPT).for_each(|_| spare.keep(vec![1; BLOCK_LEN as usize]));

        assert_eq!((0..2 * KEPT).filter(|_| !spare.take().is_empty()).count(), KEPT);
    }
}
