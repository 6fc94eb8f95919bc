//! A transfer that was accepted: which bytes are there, which blocks are right, written, acknowledged.
//!
//! ```text
//! a block   Filling ──all bytes──> Hashing ──right digest──> Whole ──its turn──> Writing ──> acknowledged
//!              ^                      └── wrong ── Resend ──┐
//!              └────────────────────────────────────────────┘
//! ```
use super::Outbox;
use crate::{
    digest::{BLOCK_LEN, BlockDigest, block_count, block_len},
    manifest::{EntryKind, MAX_FILE_LEN, Manifest},
    map::{Map, Set},
    meter::Meter,
    output::*,
    ranges::Ranges,
    transfer::{Broken, sending::insert_blocks},
    wire::control::{self, BlockRun, FileRoot},
};
use std::{ops::Range, sync::Arc};

/// Entries that the driver commits at the same time, at most.
const COMMITS: usize = 64;
/// Separate ranges of a block that have arrived: frames hold 2 KiB at least, so a block has five hundred.
const MAX_PIECES: usize = 1024;
/// A block that arrives damaged so often is not the network's fault (which has its own checksums).
const TRIES: u8 = 3;

#[derive(Debug)]
pub(super) struct Moving {
    pub(super) id: TransferId,
    pub(super) manifest: Arc<Manifest>,
    pub(super) order: Order,
    pub(super) window: u64,
    pub(super) granted: u64,
    /// All before it is written: an entry and a block of it.
    pub(super) low: (FileIndex, u32),
    /// Known once a stream has ended.
    pub(super) stream_len: Option<u64>,
    pub(super) files: Map<FileIndex, File>,
    pub(super) to_commit: Commits,
    pub(super) committed: Ranges,
    pub(super) acks: Vec<BlockRun>,
    pub(super) roots: Vec<FileRoot>,
    pub(super) meter: Meter,
    pub(super) complete_files: u32,
    pub(super) corrupt: Option<FileIndex>,
}

/// Which entries can be committed, and how many are being.
#[derive(Debug, Default)]
pub(super) struct Commits {
    pub(super) ready: Set<FileIndex>,
    pub(super) under_way: Set<FileIndex>,
    /// Folders of a disk come last, the deepest first, so that their times stay.
    pub(super) folders: Vec<FileIndex>,
}

#[derive(Debug, Default)]
pub(super) struct File {
    pub(super) blocks: Map<u32, Block>,
    pub(super) written: Ranges,
    /// From the sender, or from an earlier try.
    pub(super) digests: Map<u32, BlockDigest>,
    pub(super) tries: Map<u32, u8>,
    /// Of a stream: it has more than one block.
    pub(super) another_follows: bool,
}

#[derive(Debug)]
pub(super) enum Block {
    Filling(Ranges),
    /// All bytes are there; the digest is not.
    Hashing,
    /// The sender's digest is not.
    Hashed(BlockDigest),
    /// A sequential sink waits for an earlier block.
    Whole,
    Writing,
}

impl Moving {
    /// Takes over what an earlier try left; `None` where it does not fit the manifest.
    pub(super) fn hold(&mut self, held: &Held) -> Option<BlockRun> {
        let size = self.manifest.size(held.file)?;
        let end = u64::from(held.first) + held.digests.len() as u64;
        if held.digests.is_empty() || end > block_count(size) {
            return None;
        }
        let file = self.files.get_or_default(held.file);
        let new = insert_blocks(&mut file.written, u64::from(held.first)..end, size);
        self.meter.credit(new);
        file.digests.extend((held.first..).zip(held.digests.iter().copied()));
        Some(BlockRun { file: held.file.0, first: held.first, count: held.digests.len() as u32 })
    }

    /// Entries without bytes, and files that are held whole, can be committed at once.
    pub(super) fn prepare(&mut self, out: &mut Outbox) {
        let manifest = self.manifest.clone();
        for (index, entry) in (0..).map(FileIndex).zip(manifest.entries()) {
            match (entry.kind, self.order) {
                (EntryKind::Folder, Order::Any) => self.to_commit.folders.push(index),
                (EntryKind::Folder, Order::Sequential) => _ = self.to_commit.ready.insert(index),
                (EntryKind::File { size: Some(0) }, _) => _ = self.to_commit.ready.insert(index),
                (EntryKind::File { .. }, _) if self.files.contains_key(&index) => {
                    self.check_complete(index, out);
                }
                (EntryKind::File { .. }, _) => {}
            }
        }
        self.advance(out);
    }

    /// The size of a file, or the most it can be; 0 for what has no bytes.
    pub(super) fn len_limit(&self, file: FileIndex) -> u64 {
        match self.manifest.entry(file).map(|e| e.kind) {
            Some(EntryKind::File { size: Some(size) }) => size,
            Some(EntryKind::File { size: None }) => self.stream_len.unwrap_or(MAX_FILE_LEN),
            Some(EntryKind::Folder) | None => 0,
        }
    }

    /// Whether bytes of this block are missing.
    pub(super) fn wants(&self, block: BlockRef) -> bool {
        let at = u64::from(block.file.0);
        if self.committed.contains(at..at + 1) || self.to_commit.under_way.contains(&block.file) {
            return false;
        }
        let Some(file) = self.files.get(&block.file) else { return true };
        let index = u64::from(block.index);
        let is_missing = matches!(file.blocks.get(&block.index), None | Some(Block::Filling(_)));
        is_missing && !file.written.contains(index..index + 1)
    }

    /// Counts bytes of a block as arrived; hashes it when they are all there.
    pub(super) fn fill(
        &mut self,
        block: BlockRef,
        bytes: Range<u64>,
        out: &mut Outbox,
    ) -> Result<(), Broken> {
        let is_stream = self.manifest.size(block.file).is_none();
        let limit = self.len_limit(block.file);
        let len = block_len(limit, block.index);
        let file = self.files.get_or_default(block.file);
        let state = file.blocks.get_or_insert_with(block.index, || Block::Filling(Ranges::default()));
        let Block::Filling(there) = state else { return Ok(()) };
        self.meter.arrived(block, there.insert(bytes) as u32, len);
        if there.iter().count() > MAX_PIECES {
            return Err(Broken("a block comes in too many pieces".into()));
        }
        if there.iter().any(|r| r.end > u64::from(len)) {
            return Err(Broken(format!("file {} is longer than it said", block.file.0)));
        }
        if there.len() < u64::from(len) {
            return Ok(());
        }
        // The first block of a stream is hashed differently if it is all: wait until that is known.
        let another = file.another_follows;
        let is_known = !is_stream || self.stream_len.is_some() || block.index > 0 || another;
        if let Some(state) = file.blocks.get_mut(&block.index).filter(|_| is_known) {
            *state = Block::Hashing;
            let whole = block_count(limit) == 1;
            out.push(Output::Hash { block, len, whole });
        }
        Ok(())
    }

    /// A block of a stream is seen: if it is not the first, then the first is not all.
    pub(super) fn another_follows(&mut self, block: BlockRef, out: &mut Outbox) -> Result<(), Broken> {
        let is_news = block.index > 0
            && self.manifest.size(block.file).is_none()
            && self
                .files
                .get_mut(&block.file)
                .is_some_and(|f| !std::mem::replace(&mut f.another_follows, true));
        let first = BlockRef { index: 0, ..block };
        match is_news && self.files.get(&block.file).is_some_and(|f| f.blocks.contains_key(&0)) {
            true => self.fill(first, 0..0, out),
            false => Ok(()),
        }
    }

    pub(super) fn compare(&mut self, block: BlockRef, ours: BlockDigest, out: &mut Outbox) {
        let Some(file) = self.files.get_mut(&block.file) else { return };
        let Some(theirs) = file.digests.get(&block.index) else { return }; // it is still on its way
        if *theirs == ours {
            return match self.order {
                Order::Any => {
                    file.blocks.insert(block.index, Block::Writing);
                    self.write(block.file, block.index, out);
                }
                Order::Sequential => {
                    file.blocks.insert(block.index, Block::Whole);
                    self.advance(out);
                }
            };
        }
        out.push(Output::Forget(block));
        self.meter.forget(block);
        file.blocks.remove(&block.index);
        file.digests.remove(&block.index); // the next reading may find another
        let tries = file.tries.get_or_default(block.index);
        *tries += 1;
        if *tries >= TRIES || self.manifest.size(block.file).is_none() {
            self.corrupt = Some(block.file);
        } else {
            let (transfer, file, block) = (block.transfer.0, block.file.0, block.index);
            out.control(control::Resend { transfer, file, block });
        }
    }

    /// Writes what can be written, and moves the mark below which all is.
    pub(super) fn advance(&mut self, out: &mut Outbox) {
        loop {
            let (file, index) = self.low;
            let Some(entry) = self.manifest.entry(file) else { break };
            let count = match entry.kind {
                EntryKind::File { size: Some(size) } => block_count(size),
                EntryKind::File { size: None } => self.stream_len.map_or(u64::MAX, block_count),
                EntryKind::Folder => 0,
            };
            let at = u64::from(file.0);
            let state = self.files.get(&file);
            let is_written =
                |i: u32| state.is_some_and(|f| f.written.contains(u64::from(i)..u64::from(i) + 1));
            if u64::from(index) >= count || self.committed.contains(at..at + 1) {
                self.low = (FileIndex(file.0 + 1), 0);
            } else if is_written(index) {
                self.low.1 += 1;
            } else {
                break;
            }
        }
        if self.order == Order::Sequential {
            self.write_in_turn(out);
        }
    }

    /// For a sequential sink: the next whole blocks of the file whose turn it is, after all entries before it
    /// are committed or being so. They need not be written one by one: the driver keeps their order.
    pub(super) fn write_in_turn(&mut self, out: &mut Outbox) {
        let (file, mut index) = self.low;
        if u64::from(file.0) > self.committed.len() + self.to_commit.under_way.len() as u64 {
            return;
        }
        while let Some(state) = self.files.get_mut(&file).and_then(|f| f.blocks.get_mut(&index)) {
            match state {
                Block::Writing => {}
                Block::Whole => {
                    *state = Block::Writing;
                    self.write(file, index, out);
                }
                Block::Filling(_) | Block::Hashing | Block::Hashed(_) => break,
            }
            index += 1;
        }
    }

    pub(super) fn write(&mut self, file: FileIndex, index: u32, out: &mut Outbox) {
        let len = block_len(self.len_limit(file), index);
        let block = BlockRef { transfer: self.id, file, index };
        out.push(Output::Write { block, len });
    }

    pub(super) fn acknowledge(&mut self, block: BlockRef) {
        match self.acks.last_mut() {
            Some(last) if last.file == block.file.0 && last.first + last.count == block.index => {
                last.count += 1
            }
            _ => self.acks.push(BlockRun { file: block.file.0, first: block.index, count: 1 }),
        }
    }

    /// A file whose blocks are all written can be committed.
    pub(super) fn check_complete(&mut self, file: FileIndex, out: &mut Outbox) {
        let is_stream = self.manifest.size(file).is_none();
        if is_stream && self.stream_len.is_none() {
            return;
        }
        let count = block_count(self.len_limit(file));
        let written = self.files.get(&file).map_or(0, |f| f.written.len());
        let at = u64::from(file.0);
        let is_new = !self.committed.contains(at..at + 1) && !self.to_commit.under_way.contains(&file);
        let is_whole = written == count
            && (count == 0 || self.files.get(&file).is_some_and(|f| f.written.contains(0..count)));
        if is_whole && is_new && self.to_commit.ready.insert(file) {
            self.commit(out);
        }
    }

    pub(super) fn commit(&mut self, out: &mut Outbox) {
        while self.to_commit.under_way.len() < COMMITS {
            let next = match self.order {
                Order::Any => self.to_commit.ready.pop_first(),
                // In the manifest's order: only what directly follows all that is committed or being so.
                Order::Sequential => {
                    let done = self.committed.len() + self.to_commit.under_way.len() as u64;
                    let next = FileIndex(done as u32);
                    self.to_commit.ready.remove(&next).then_some(next)
                }
            };
            let files_left =
                self.order == Order::Any && self.committed.len() < u64::from(self.manifest.files());
            let next = match next {
                Some(file) => file,
                None if files_left => break,
                None => match self.to_commit.folders.pop() {
                    Some(folder) => folder,
                    None => break,
                },
            };
            self.to_commit.under_way.insert(next);
            out.push(Output::Commit { transfer: self.id, file: next, len: self.len_limit(next) });
        }
    }

    /// All bytes of the transfer's stream below it are written.
    pub(super) fn position(&self) -> u64 {
        let (file, index) = self.low;
        self.manifest.start(file.min(FileIndex(self.manifest.entries().len() as u32)))
            + u64::from(index) * BLOCK_LEN
    }
}
