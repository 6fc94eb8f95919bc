//! The receiver's end of a transfer.
//!
//! ```text
//! Paging ──all pages──> Waiting ──accept──> Moving ──all committed──> Finishing ──> Ended
//!    └────────────────── decline · Cancel · error ──────┴───────────────┘ ───────────^
//!
//! a block   Filling ──all bytes──> Hashing ──right digest──> Whole ──its turn──> Writing ──> acknowledged
//!              ^                      └── wrong ── Resend ──┐
//!              └────────────────────────────────────────────┘
//! ```
use super::{Broken, Outbox, sending::insert_blocks};
use crate::{
    digest::{BLOCK_LEN, BlockDigest, Digest, block_count, block_len},
    manifest::{Entry, EntryKind, MAX_ENTRIES, MAX_FILE_LEN, MAX_MANIFEST_LEN, Manifest},
    meter::Meter,
    output::*,
    ranges::Ranges,
    time::Time,
    wire::control::{self, BlockDigests, BlockRun, FileRoot},
    wire::data::Run,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    ops::Range,
    sync::Arc,
};

/// Entries that the driver commits at the same time, at most.
const COMMITS: usize = 64;
/// A block that arrives damaged so often is not the network's fault (which has its own checksums).
const TRIES: u8 = 3;
/// Digests may come so far ahead of the bytes that may come: as the sender reads ahead, with room to spare.
const DIGESTS_AHEAD: u64 = 64 * BLOCK_LEN;
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

#[derive(Debug)]
struct Moving {
    id: TransferId,
    manifest: Arc<Manifest>,
    order: Order,
    window: u64,
    granted: u64,
    /// All before it is written: an entry and a block of it.
    low: (FileIndex, u32),
    /// Known once a stream has ended.
    stream_len: Option<u64>,
    files: BTreeMap<FileIndex, File>,
    to_commit: Commits,
    committed: Ranges,
    acks: Vec<BlockRun>,
    roots: Vec<FileRoot>,
    meter: Meter,
    complete_files: u32,
    corrupt: Option<FileIndex>,
}

/// Which entries can be committed, and how many are being.
#[derive(Debug, Default)]
struct Commits {
    ready: BTreeSet<FileIndex>,
    under_way: BTreeSet<FileIndex>,
    /// Folders of a disk come last, the deepest first, so that their times stay.
    folders: Vec<FileIndex>,
}

#[derive(Debug, Default)]
struct File {
    blocks: BTreeMap<u32, Block>,
    written: Ranges,
    /// From the sender, or from an earlier try.
    digests: BTreeMap<u32, BlockDigest>,
    tries: BTreeMap<u32, u8>,
}

#[derive(Debug)]
enum Block {
    Filling(Ranges),
    /// All bytes are there; the digest is not.
    Hashing,
    /// The sender's digest is not.
    Hashed(BlockDigest),
    /// A sequential sink waits for an earlier block.
    Whole,
    Writing,
}

impl Receiving {
    pub(super) fn new(id: TransferId, expected: u32) -> Self {
        Self { id, state: State::Paging { expected, entries: Vec::new(), weight: 0 } }
    }

    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Paging { .. } | State::Waiting(_))
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
            files: BTreeMap::new(),
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
                let state = moving.files.entry(file).or_default();
                let is_settled = state.written.contains(u64::from(index)..u64::from(index) + 1)
                    || matches!(state.blocks.get(&index), Some(Block::Whole | Block::Writing));
                if is_settled {
                    continue;
                }
                state.digests.insert(index, BlockDigest(*digest));
                if let Some(Block::Hashed(ours)) = state.blocks.get(&index) {
                    let ours = *ours;
                    moving.compare(BlockRef { transfer: id, file, index }, ours, out);
                }
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
        let beyond = moving
            .files
            .get(&index)
            .is_some_and(|f| f.blocks.keys().last().is_some_and(|last| u64::from(*last) >= block_count(len)));
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
            }
        }
        Ok(())
    }

    pub(super) fn handle_hashed(&mut self, block: BlockRef, digest: BlockDigest, out: &mut Outbox) {
        let Some(moving) = self.moving() else { return };
        let Some(file) = moving.files.get_mut(&block.file) else { return };
        if let Some(state @ Block::Hashing) = file.blocks.get_mut(&block.index) {
            *state = Block::Hashed(digest);
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
        moving.meter.add(bytes, now);
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
            let digests: Vec<_> = state.digests.into_values().collect();
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
        if position >= moving.granted + moving.window / 8 || (now && position > moving.granted) {
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

impl Moving {
    /// Takes over what an earlier try left; `None` where it does not fit the manifest.
    fn hold(&mut self, held: &Held) -> Option<BlockRun> {
        let size = self.manifest.size(held.file)?;
        let end = u64::from(held.first) + held.digests.len() as u64;
        if held.digests.is_empty() || end > block_count(size) {
            return None;
        }
        let file = self.files.entry(held.file).or_default();
        let new = insert_blocks(&mut file.written, u64::from(held.first)..end, size);
        self.meter.credit(new);
        file.digests.extend((held.first..).zip(held.digests.iter().copied()));
        Some(BlockRun { file: held.file.0, first: held.first, count: held.digests.len() as u32 })
    }

    /// Entries without bytes, and files that are held whole, can be committed at once.
    fn prepare(&mut self, out: &mut Outbox) {
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
    fn len_limit(&self, file: FileIndex) -> u64 {
        match self.manifest.entry(file).map(|e| e.kind) {
            Some(EntryKind::File { size: Some(size) }) => size,
            Some(EntryKind::File { size: None }) => self.stream_len.unwrap_or(MAX_FILE_LEN),
            Some(EntryKind::Folder) | None => 0,
        }
    }

    /// Whether bytes of this block are missing.
    fn wants(&self, block: BlockRef) -> bool {
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
    fn fill(&mut self, block: BlockRef, bytes: Range<u64>, out: &mut Outbox) -> Result<(), Broken> {
        let is_stream = self.manifest.size(block.file).is_none();
        let limit = self.len_limit(block.file);
        let len = block_len(limit, block.index);
        let file = self.files.entry(block.file).or_default();
        let state = file.blocks.entry(block.index).or_insert_with(|| Block::Filling(Ranges::default()));
        let Block::Filling(there) = state else { return Ok(()) };
        there.insert(bytes);
        if there.iter().any(|r| r.end > u64::from(len)) {
            return Err(Broken(format!("file {} is longer than it said", block.file.0)));
        }
        if there.len() < u64::from(len) {
            return Ok(());
        }
        // The first block of a stream is hashed differently if it is all: wait until that is known.
        let is_known = !is_stream || self.stream_len.is_some() || block.index > 0;
        if is_known {
            *state = Block::Hashing;
            let whole = block_count(limit) == 1;
            out.push(Output::Hash { block, len, whole });
        }
        Ok(())
    }

    fn compare(&mut self, block: BlockRef, ours: BlockDigest, out: &mut Outbox) {
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
        file.blocks.remove(&block.index);
        file.digests.remove(&block.index); // the next reading may find another
        let tries = file.tries.entry(block.index).or_default();
        *tries += 1;
        if *tries >= TRIES || self.manifest.size(block.file).is_none() {
            self.corrupt = Some(block.file);
        } else {
            let (transfer, file, block) = (block.transfer.0, block.file.0, block.index);
            out.control(control::Resend { transfer, file, block });
        }
    }

    /// Writes what can be written, and moves the mark below which all is.
    fn advance(&mut self, out: &mut Outbox) {
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
    fn write_in_turn(&mut self, out: &mut Outbox) {
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

    fn write(&mut self, file: FileIndex, index: u32, out: &mut Outbox) {
        let len = block_len(self.len_limit(file), index);
        let block = BlockRef { transfer: self.id, file, index };
        out.push(Output::Write { block, len });
    }

    fn acknowledge(&mut self, block: BlockRef) {
        match self.acks.last_mut() {
            Some(last) if last.file == block.file.0 && last.first + last.count == block.index => {
                last.count += 1
            }
            _ => self.acks.push(BlockRun { file: block.file.0, first: block.index, count: 1 }),
        }
    }

    /// A file whose blocks are all written can be committed.
    fn check_complete(&mut self, file: FileIndex, out: &mut Outbox) {
        let is_stream = self.manifest.size(file).is_none();
        if is_stream && self.stream_len.is_none() {
            return;
        }
        let count = block_count(self.len_limit(file));
        let written = self.files.get(&file).map_or(0, |f| f.written.len());
        let at = u64::from(file.0);
        let is_new = !self.committed.contains(at..at + 1) && !self.to_commit.under_way.contains(&file);
        if written == count && is_new && self.to_commit.ready.insert(file) {
            self.commit(out);
        }
    }

    fn commit(&mut self, out: &mut Outbox) {
        while self.to_commit.under_way.len() < COMMITS {
            let next = match self.order {
                Order::Any => self.to_commit.ready.pop_first(),
                // In the manifest's order: only what directly follows all that is committed or being so.
                Order::Sequential => {
                    let done = self.committed.len() + self.to_commit.under_way.len() as u64;
                    let next = FileIndex(done as u32);
                    self.to_commit.ready.take(&next)
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
    fn position(&self) -> u64 {
        let (file, index) = self.low;
        self.manifest.start(file.min(FileIndex(self.manifest.entries().len() as u32)))
            + u64::from(index) * BLOCK_LEN
    }
}

fn no_block(file: u32, block: u64) -> Broken {
    Broken(format!("file {file} has no block {block}"))
}
