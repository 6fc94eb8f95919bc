//! The receiver's end of a transfer.
//!
//! ```text
//! Paging ──all pages──> Waiting ──accept──> Moving ──all committed──> Finishing ──> Ended
//!    └────────────────── decline · Cancel · error ──────┴───────────────┘ ───────────^
//! ```
//!
//! What happens to a block is in `receiving/moving.rs`.
mod moving;

use super::{Broken, Outbox, sending::insert_blocks};
use crate::{
    digest::{BLOCK_LEN, BlockDigest, Digest, block_count, block_len},
    manifest::{Entry, EntryKind, MAX_ENTRIES, MAX_FILE_LEN, MAX_MANIFEST_LEN, Manifest},
    map::Map,
    meter::Meter,
    output::*,
    ranges::Ranges,
    time::Time,
    wire::control::{self, BlockDigests, FileRoot},
    wire::data::Run,
};
use moving::{Block, Commits, Moving};
use std::{mem, ops::Range, sync::Arc};

/// Digests may come so far ahead of the bytes that may come: as the sender reads ahead, with room to spare.
const DIGESTS_AHEAD: u64 = 64 * BLOCK_LEN;
/// Entries that wait to be committed before the sender is held up.
const COMMITS_BEHIND: usize = 1024;
/// Acknowledgements that do not wait for company any longer.
const ACK_RUNS: usize = 64;

#[derive(Debug)]
enum State {
    Paging { expected: u32, entries: Vec<Entry>, weight: usize },
    Waiting(Arc<Manifest>),
    Moving(Box<Moving>),
    Finishing(Box<Moving>),
    Ended,
}

#[derive(Debug)]
pub(super) struct Receiving {
    id: TransferId,
    state: State,
}

impl Receiving {
    pub(super) fn new(id: TransferId, expected: u32) -> Self {
        Self { id, state: State::Paging { expected, entries: Vec::new(), weight: 0 } }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Paging { .. } | State::Waiting(_))
    }

    /// What the names of an offer that waits for a person cost, in bytes.
    pub(super) fn weight(&self) -> usize {
        match &self.state {
            State::Paging { weight, .. } => *weight,
            State::Waiting(manifest) => manifest.weight(),
            _ => 0,
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub(super) fn end(&mut self) {
        self.state = State::Ended;
    }

    /// Says no by itself: what is offered can't be taken, and asking a person would not help.
    fn refuse(&mut self, message: String, out: &mut Outbox) {
        self.state = State::Ended;
        out.control(control::Decline { transfer: self.id.0, message: message.clone() });
        out.event(Event::Failed { transfer: self.id, failure: TransferFailure::There(message) });
    }

    pub(super) fn handle_page(&mut self, page: Vec<control::Entry>, out: &mut Outbox) -> Result<(), Broken> {
        let State::Paging { expected, entries, weight } = &mut self.state else {
            return Err(Broken("a page out of turn".into()));
        };
        if *expected as usize > MAX_ENTRIES {
            let message = format!("{expected} files and folders are offered, {MAX_ENTRIES} can be taken");
            self.refuse(message, out);
            return Ok(());
        }
        if entries.len() + page.len() > *expected as usize {
            return Err(Broken("more entries than announced".into()));
        }
        for entry in page {
            *weight += 32 + entry.path.len();
            match Entry::try_from(entry) {
                Ok(entry) if *weight <= MAX_MANIFEST_LEN => entries.push(entry),
                Ok(_) => {
                    self.refuse("the names are too long altogether".into(), out);
                    return Ok(());
                }
                Err(error) => {
                    self.refuse(error.to_string(), out);
                    return Ok(());
                }
            }
        }
        if entries.len() < *expected as usize {
            return Ok(());
        }
        match Manifest::new(mem::take(entries)) {
            Ok(manifest) => {
                let manifest = Arc::new(manifest);
                self.state = State::Waiting(manifest.clone());
                out.event(Event::Offered { transfer: self.id, manifest });
            }
            Err(error) => self.refuse(error.to_string(), out),
        }
        Ok(())
    }

    pub(super) fn accept(&mut self, how: Acceptance, now: Time, out: &mut Outbox) {
        let State::Waiting(manifest) = &self.state else { return };
        let mut moving = Box::new(Moving {
            id: self.id,
            manifest: manifest.clone(),
            order: how.order,
            window: how.window.max(2 * BLOCK_LEN),
            granted: 0,
            low: (FileIndex(0), 0),
            stream_len: None,
            files: Map::new(),
            to_commit: Commits::default(),
            committed: Ranges::default(),
            acks: Vec::new(),
            roots: Vec::new(),
            meter: Meter::default(),
            complete_files: 0,
            corrupt: None,
        });
        let held: Vec<_> = how.held.iter().filter_map(|held| moving.hold(held)).collect();
        moving.meter.start(now);
        moving.prepare(out);
        let position = moving.position();
        moving.granted = position + moving.window;
        let sequential = how.order == Order::Sequential;
        out.control(control::Accept { transfer: self.id.0, sequential, grant: moving.granted, held });
        moving.commit(out);
        self.state = State::Moving(moving);
    }

    fn moving(&mut self) -> Option<&mut Moving> {
        match &mut self.state {
            State::Moving(moving) => Some(moving),
            _ => None,
        }
    }

    pub(super) fn handle_digests(
        &mut self,
        digests: &[BlockDigests],
        out: &mut Outbox,
    ) -> Result<(), Broken> {
        let id = self.id;
        let Some(moving) = self.moving() else { return self.not_moving("digests") };
        for run in digests {
            let file = FileIndex(run.file);
            let count = block_count(moving.len_limit(file));
            let (digests, rest) = run.digests.as_chunks::<32>();
            if !rest.is_empty() || u64::from(run.first) + digests.len() as u64 > count {
                return Err(no_block(run.file, u64::from(run.first)));
            }
            if moving.committed.contains(u64::from(file.0)..u64::from(file.0) + 1) {
                continue;
            }
            let ahead = moving.manifest.start(file).saturating_add(u64::from(run.first) * BLOCK_LEN);
            if ahead > moving.granted + DIGESTS_AHEAD {
                return Err(Broken("digests far ahead of the grant".into()));
            }
            for (index, digest) in (run.first..).zip(digests) {
                let state = moving.files.get_or_default(file);
                let is_settled = state.written.contains(u64::from(index)..u64::from(index) + 1)
                    || matches!(state.blocks.get(&index), Some(Block::Whole | Block::Writing));
                if is_settled {
                    continue;
                }
                state.digests.insert(index, BlockDigest(*digest));
                let block = BlockRef { transfer: id, file, index };
                if let Some(Block::Hashed(ours)) = state.blocks.get(&index) {
                    let ours = *ours;
                    moving.compare(block, ours, out);
                }
                moving.another_follows(block, out)?;
            }
        }
        Ok(())
    }

    fn not_moving(&self, what: &str) -> Result<(), Broken> {
        match self.state {
            State::Ended | State::Finishing(_) => Ok(()),
            _ => Err(Broken(format!("{what} before the offer was accepted"))),
        }
    }

    pub(super) fn handle_end(&mut self, file: u32, len: u64, out: &mut Outbox) -> Result<(), Broken> {
        let id = self.id;
        let Some(moving) = self.moving() else { return self.not_moving("a file's end") };
        let index = FileIndex(file);
        let is_stream =
            matches!(moving.manifest.entry(index), Some(e) if e.kind == EntryKind::File { size: None });
        let beyond = moving.files.get(&index).is_some_and(|f| {
            let last = f.blocks.keys().last().map(|last| u64::from(*last) + 1);
            last.max(f.written.iter().last().map(|r| r.end)).is_some_and(|end| end > block_count(len))
        });
        if !is_stream || moving.stream_len.is_some() || len > MAX_FILE_LEN || beyond {
            return Err(Broken(format!("file {file} cannot end at {len}")));
        }
        moving.stream_len = Some(len);
        let waiting: Vec<u32> =
            moving.files.get(&index).map_or(Vec::new(), |f| f.blocks.keys().copied().collect());
        for block in waiting {
            moving.fill(BlockRef { transfer: id, file: index, index: block }, 0..0, out)?;
        }
        moving.check_complete(index, out);
        Ok(())
    }

    pub(super) fn handle_runs(
        &mut self,
        runs: &[(Run, Range<usize>)],
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Broken> {
        let id = self.id;
        let Some(moving) = self.moving() else { return self.not_moving("file bytes") };
        for (run, bytes) in runs {
            let limit = moving.len_limit(run.file);
            let end = run.offset + u64::from(run.len);
            if end > limit {
                return Err(Broken(format!("file {} has no byte {}", run.file.0, end - 1)));
            }
            if moving.manifest.start(run.file).saturating_add(end) > moving.granted {
                return Err(Broken("more bytes than were granted".into()));
            }
            let block = BlockRef { transfer: id, file: run.file, index: (run.offset / BLOCK_LEN) as u32 };
            let at = (run.offset % BLOCK_LEN) as u32;
            if moving.wants(block) {
                let len = block_len(limit.min(block.offset() + BLOCK_LEN), block.index);
                out.push(Output::Place { block, len, at, bytes: bytes.clone() });
                moving.fill(block, u64::from(at)..u64::from(at) + u64::from(run.len), out)?;
                moving.another_follows(block, out)?;
            }
        }
        moving.meter.look(now);
        Ok(())
    }

    pub(super) fn handle_hashed(&mut self, block: BlockRef, digest: BlockDigest, out: &mut Outbox) {
        let state = self.moving().and_then(|m| m.files.get_mut(&block.file)?.blocks.get_mut(&block.index));
        let Some(state @ Block::Hashing) = state else {
            return out.push(Output::Forget(block)); // nobody wants it any more
        };
        *state = Block::Hashed(digest);
        if let Some(moving) = self.moving() {
            moving.compare(block, digest, out);
        }
    }

    pub(super) fn handle_written(&mut self, block: BlockRef, now: Time, out: &mut Outbox) {
        let Some(moving) = self.moving() else { return };
        let size = moving.len_limit(block.file);
        let Some(file) = moving.files.get_mut(&block.file) else { return };
        if !matches!(file.blocks.remove(&block.index), Some(Block::Writing)) {
            return;
        }
        let at = u64::from(block.index);
        let bytes = insert_blocks(&mut file.written, at..at + 1, size);
        moving.meter.written(block, 1, bytes);
        moving.meter.look(now);
        moving.acknowledge(block);
        moving.check_complete(block.file, out);
        moving.advance(out);
    }

    pub(super) fn handle_committed(&mut self, file: FileIndex, out: &mut Outbox) {
        let id = self.id;
        let Some(moving) = self.moving() else { return };
        if !moving.to_commit.under_way.remove(&file) {
            return;
        }
        moving.committed.insert(u64::from(file.0)..u64::from(file.0) + 1);
        let is_file = matches!(moving.manifest.entry(file), Some(e) if e.kind != EntryKind::Folder);
        let state = moving.files.remove(&file).unwrap_or_default();
        if is_file {
            let digests: Vec<_> = state.digests.values().copied().collect();
            let digest = Digest::join(&digests);
            moving.complete_files += 1;
            moving.roots.push(FileRoot { file: file.0, root: digest.0 });
            out.event(Event::FileDone { transfer: id, file, digest });
        }
        moving.commit(out);
        moving.advance(out);
        if moving.committed.len() == moving.manifest.entries().len() as u64 {
            let State::Moving(moving) = mem::replace(&mut self.state, State::Ended) else { return };
            self.state = State::Finishing(moving);
            self.flush(true, out);
            out.push(Output::Finish(id));
        }
    }

    pub(super) fn handle_finished(&mut self, out: &mut Outbox) {
        if matches!(self.state, State::Finishing(_)) {
            self.state = State::Ended;
            out.control(control::Done { transfer: self.id.0 });
            out.event(Event::Done(self.id));
        }
    }

    /// Sends acknowledgements, grants and digests of whole files; says whether some still wait.
    pub(super) fn flush(&mut self, now: bool, out: &mut Outbox) -> bool {
        let (State::Moving(moving) | State::Finishing(moving)) = &mut self.state else { return false };
        let transfer = self.id.0;
        let position = moving.position() + moving.window;
        // What is written and not yet committed costs memory, too: many small files may outrun a slow disk.
        let is_behind = moving.to_commit.ready.len() > COMMITS_BEHIND;
        let is_due = position >= moving.granted + moving.window / 4 || (now && position > moving.granted);
        if is_due && !is_behind {
            moving.granted = position;
            out.control(control::Grant { transfer, position });
        }
        if !moving.acks.is_empty() && (now || moving.acks.len() >= ACK_RUNS) {
            out.control(control::Acks { transfer, blocks: mem::take(&mut moving.acks) });
        }
        if !moving.roots.is_empty() && (now || moving.roots.len() >= ACK_RUNS) {
            for files in mem::take(&mut moving.roots).chunks(1024) {
                out.control(control::Complete { transfer, files: files.to_vec() });
            }
        }
        !moving.acks.is_empty() || !moving.roots.is_empty()
    }

    /// A file with a block that stays damaged.
    pub(super) fn corrupt(&mut self) -> Option<FileIndex> {
        self.moving()?.corrupt.take()
    }

    pub(super) fn progress(&self, now: Time) -> Option<Progress> {
        let (State::Moving(moving) | State::Finishing(moving)) = &self.state else { return None };
        let total = moving.manifest.bytes().or(moving.stream_len);
        Some(moving.meter.progress(total, moving.complete_files, now))
    }

    pub(super) fn manifest(&self) -> Option<Arc<Manifest>> {
        match &self.state {
            State::Waiting(manifest) => Some(manifest.clone()),
            State::Moving(moving) | State::Finishing(moving) => Some(moving.manifest.clone()),
            State::Paging { .. } | State::Ended => None,
        }
    }
}

fn no_block(file: u32, block: u64) -> Broken {
    Broken(format!("file {file} has no block {block}"))
}
