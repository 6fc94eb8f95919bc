//! Memory of large messages, used again.
//!
//! A message's memory that is given back to the system costs the first touch of every page the next time, which is
//! more than copying the message.
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// Kept at most, bytes: some that are cut into packets, some that wait for their acknowledgement.
const KEPT: usize = 4 << 20;
/// Smaller ones the allocator keeps by itself, bytes.
const LEAST: usize = 16 << 10;

/// Where the memory of messages returns to when the last of their [`Bytes`] is dropped. Clones are the same pool.
#[derive(Clone, Debug, Default)]
pub struct Pool(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    memory: Vec<Vec<u8>>,
    /// All of it.
    bytes: usize,
}

impl Pool {
    /// Empty memory for about `len` bytes; it grows when more are written.
    pub fn take(&self, len: usize) -> Vec<u8> {
        let kept = if len < LEAST { None } else { self.kept().pop() };
        kept.unwrap_or_else(|| Vec::with_capacity(len))
    }

    /// What was written, to be shared; its memory comes back here.
    pub fn lend(&self, bytes: Vec<u8>) -> Bytes {
        if bytes.capacity() < LEAST {
            return bytes.into();
        }
        Bytes::from_owner(Lent { bytes, pool: self.clone() })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// The last that came, which a processor's cache may still hold.
    fn pop(&mut self) -> Option<Vec<u8>> {
        let memory = self.memory.pop()?;
        self.bytes -= memory.capacity();
        Some(memory)
    }

    fn push(&mut self, mut memory: Vec<u8>) {
        if self.bytes + memory.capacity() <= KEPT {
            memory.clear();
            self.bytes += memory.capacity();
            self.memory.push(memory);
        }
    }
}

struct Lent {
    bytes: Vec<u8>,
    pool: Pool,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.pool.kept().push(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_last_part_of_a_message_is_gone() {
        let pool = Pool::default();
        let mut memory = pool.take(LEAST);
        memory.resize(LEAST, 7);
        let address = memory.as_ptr().addr();

        let message = pool.lend(memory);
        let part = message.slice(5..9);
        drop(message);
        assert!(pool.kept().memory.is_empty());
        assert_eq!(part, [7; 4][..]);
        drop(part);

        let again = pool.take(LEAST);
        assert_eq!((again.as_ptr().addr(), again.len(), pool.kept().bytes), (address, 0, 0));
    }

    #[test]
    fn little_is_kept_and_nothing_small_or_huge() {
        let pool = Pool::default();
        let lent: Vec<_> = (0..2 * KEPT / LEAST).map(|_| pool.lend(Vec::with_capacity(LEAST))).collect();
        drop(lent);
        let kept = std::mem::take(&mut *pool.kept());
        assert_eq!((kept.memory.len(), kept.bytes), (KEPT / LEAST, KEPT));

        drop([pool.lend(Vec::with_capacity(LEAST - 1)), pool.lend(Vec::with_capacity(KEPT + 1))]);

        assert!(pool.kept().memory.is_empty());
        assert_eq!(pool.take(100).capacity(), 100);
    }
}
