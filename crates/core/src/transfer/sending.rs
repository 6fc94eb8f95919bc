//! The sender's end of a transfer.
//!
//! ```text
//! Offering ──all pages out──> AwaitAccept ──Accept──> Moving ──Done──> Ended
//!     └───────────────┴── Decline · Cancel · error ─────┘ ───────────────^
//! ```
use super::{Broken, Outbox};
use crate::{
    digest::{BLOCK_LEN, BlockDigest, Digest, block_count, block_len},
    manifest::{EntryKind, MAX_FILE_LEN, Manifest},
    meter::Meter,
    output::*,
    ranges::Ranges,
    time::Time,
    wire::control::{self, BlockDigests, BlockRun, FileRoot},
    wire::data::{FRAME_HEADER, RUN_HEADER, Run},
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    ops::Range,
    sync::Arc,
};

/// Blocks read and not yet handed to a lane, at most. Bounds the sender's memory: 4 MiB.
const AHEAD_BYTES: u64 = 4 * BLOCK_LEN;
/// The same for small files, which are a block each.
const AHEAD_BLOCKS: usize = 64;
/// Bytes of entries in a page, about.
const PAGE_LEN: usize = 16 << 10;
/// Digests wait for company only while nothing else is to be read.
const DIGESTS_PER_FRAME: usize = 256;

#[derive(Debug)]
enum State {
    Offering { offered: bool, next: usize },
    AwaitAccept,
    Moving(Box<Moving>),
    Ended,
}

#[derive(Debug)]
pub(super) struct Sending {
    id: TransferId,
    pub(super) manifest: Arc<Manifest>,
    state: State,
    pub(super) paused_here: bool,
    pub(super) paused_there: bool,
    meter: Meter,
    files: u32,
}

#[derive(Debug)]
struct Ready {
    block: BlockRef,
    len: u32,
    sent: u32,
}

#[derive(Debug, Default)]
struct Moving {
    granted: u64,
    held: BTreeMap<FileIndex, Ranges>,
    /// The next block to read.
    next: (FileIndex, u32),
    /// Known once a stream has ended.
    stream_len: Option<u64>,
    reading: BTreeSet<BlockRef>,
    ready: VecDeque<Ready>,
    sent: Vec<BlockRef>,
    /// To be read and sent once more, before anything else.
    again: VecDeque<BlockRef>,
    rereading: BTreeSet<BlockRef>,
    /// Of files under way, for their roots; `None` where the receiver held the block.
    digests: BTreeMap<FileIndex, Vec<Option<BlockDigest>>>,
    unsent_digests: Vec<BlockDigests>,
    acked: BTreeMap<FileIndex, Ranges>,
    complete: Ranges,
}

impl Sending {
    pub(super) fn new(id: TransferId, manifest: Arc<Manifest>) -> Self {
        Self {
            id,
            manifest,
            state: State::Offering { offered: false, next: 0 },
            paused_here: false,
            paused_there: false,
            meter: Meter::default(),
            files: 0,
        }
    }

    /// Puts pages of the manifest on the way while there is room.
    pub(super) fn pages(&mut self, out: &mut Outbox) {
        let State::Offering { offered, next } = &mut self.state else { return };
        let entries = self.manifest.entries();
        if !*offered {
            let offer = control::Offer { transfer: self.id.0, entries: entries.len() as u32, text: None };
            out.control(offer);
            *offered = true;
            if self.paused_here {
                out.control(control::Pause { transfer: self.id.0, paused: true });
            }
        }
        while *next < entries.len() && out.waiting() < 8 && out.has_room() {
            let mut len = 0;
            let fits = |entry: &&crate::manifest::Entry| {
                len += entry.path.as_str().len() + 32;
                len <= PAGE_LEN + 4096
            };
            let page: Vec<_> = entries[*next..].iter().take_while(fits).map(control::Entry::from).collect();
            *next += page.len();
            out.control(control::Page { transfer: self.id.0, entries: page });
        }
        if *next == entries.len() {
            self.state = State::AwaitAccept;
        }
    }

    /// Whether the other side has heard of it.
    pub(super) fn is_offered(&self) -> bool {
        !matches!(self.state, State::Offering { offered: false, .. })
    }

    pub(super) fn handle_accept(
        &mut self,
        accept: &control::Accept,
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Broken> {
        if !matches!(self.state, State::AwaitAccept) {
            return Err(Broken("an Accept out of turn".into()));
        }
        let mut moving = Box::new(Moving { granted: accept.grant, ..Moving::default() });
        for run in &accept.held {
            let size = self.manifest.size(run.index()).ok_or_else(|| no_file(run.file))?;
            let end = u64::from(run.first) + u64::from(run.count);
            if end > block_count(size) {
                return Err(Broken(format!("file {} has no block {}", run.file, end - 1)));
            }
            let held = moving.held.entry(run.index()).or_default();
            let bytes = insert_blocks(held, u64::from(run.first)..end, size);
            self.meter.credit(bytes);
        }
        self.state = State::Moving(moving);
        self.meter.start(now);
        out.event(Event::Accepted(self.id));
        Ok(())
    }

    pub(super) fn handle_grant(&mut self, position: u64) -> Result<(), Broken> {
        match &mut self.state {
            State::Moving(moving) if position >= moving.granted => moving.granted = position,
            State::Moving(_) => return Err(Broken("a grant was taken back".into())),
            State::Ended => {}
            State::Offering { .. } | State::AwaitAccept => return Err(Broken("a Grant out of turn".into())),
        }
        Ok(())
    }

    pub(super) fn handle_acks(&mut self, blocks: &[BlockRun], now: Time) -> Result<(), Broken> {
        let State::Moving(moving) = &mut self.state else { return self.out_of_turn("an acknowledgement") };
        for run in blocks {
            let count = match self.manifest.size(run.index()) {
                Some(size) => block_count(size),
                // Of a stream: what was read so far.
                None => moving.digests.get(&run.index()).map_or(0, |d| d.len() as u64),
            };
            let range = u64::from(run.first)..u64::from(run.first) + u64::from(run.count);
            if self.manifest.entry(run.index()).is_none() || range.end > count {
                return Err(no_file(run.file));
            }
            let size = self.manifest.size(run.index()).or(moving.stream_len).unwrap_or(MAX_FILE_LEN);
            let acked = moving.acked.entry(run.index()).or_default();
            self.meter.add(insert_blocks(acked, range, size), now);
        }
        Ok(())
    }

    fn out_of_turn(&self, what: &str) -> Result<(), Broken> {
        match self.state {
            State::Ended => Ok(()),
            _ => Err(Broken(format!("{what} out of turn"))),
        }
    }

    pub(super) fn handle_resend(&mut self, file: u32, block: u32) -> Result<(), Broken> {
        let State::Moving(moving) = &mut self.state else { return self.out_of_turn("a Resend") };
        let file = FileIndex(file);
        let size = self.manifest.size(file).or(moving.stream_len);
        // A stream cannot be read again: its blocks are gone when they are sent.
        let again = size.filter(|_| self.manifest.size(file).is_some());
        match again {
            Some(size) if u64::from(block) < block_count(size) => {
                let block = BlockRef { transfer: self.id, file, index: block };
                if moving.is_under_way(block) {
                    return Ok(()); // it will be sent anyway
                }
                if moving.again.len() >= AHEAD_BLOCKS {
                    return Err(Broken("too many blocks are asked for again".into()));
                }
                moving.again.push_back(block);
                Ok(())
            }
            _ => Err(Broken(format!("block {block} of file {} cannot be sent again", file.0))),
        }
    }

    pub(super) fn handle_complete(&mut self, files: &[FileRoot], out: &mut Outbox) -> Result<(), Broken> {
        let State::Moving(moving) = &mut self.state else { return self.out_of_turn("a Complete") };
        for FileRoot { file, root } in files {
            let index = FileIndex(*file);
            let is_file = matches!(self.manifest.entry(index), Some(e) if e.kind != EntryKind::Folder);
            if !is_file || moving.complete.insert(u64::from(*file)..u64::from(*file) + 1) == 0 {
                return Err(no_file(*file));
            }
            moving.acked.remove(&index);
            let digest = Digest(*root);
            let digests = moving.digests.remove(&index).unwrap_or_default();
            let ours: Option<Vec<BlockDigest>> = digests.into_iter().collect();
            let count = block_count(self.manifest.size(index).or(moving.stream_len).unwrap_or(u64::MAX));
            let held = moving.held.get(&index).map_or(0, Ranges::len);
            let read = ours.as_ref().map_or(0, Vec::len) as u64;
            if held == 0 && (read != count || Digest::join(&ours.unwrap_or_default()) != digest) {
                return Err(Broken(format!("file {file} has another digest there")));
            }
            self.files += 1;
            out.event(Event::FileDone { transfer: self.id, file: index, digest });
        }
        Ok(())
    }

    pub(super) fn handle_done(&mut self, out: &mut Outbox) -> Result<(), Broken> {
        let State::Moving(moving) = &self.state else { return self.out_of_turn("a Done") };
        if moving.complete.len() != u64::from(self.manifest.files()) {
            return Err(Broken("done, but not all files are complete".into()));
        }
        self.state = State::Ended;
        out.push(Output::Abandon(self.id)); // nothing is left; a driver may close its files
        out.event(Event::Done(self.id));
        Ok(())
    }

    /// Asks the driver for the next blocks, within the grant and the memory bound.
    pub(super) fn read_ahead(&mut self, out: &mut Outbox) {
        let paused = self.paused_here || self.paused_there;
        let State::Moving(moving) = &mut self.state else { return };
        // One more than the bound, if need be: the receiver may wait for nothing else.
        if !paused
            && moving.rereading.is_empty()
            && let Some(block) = moving.again.pop_front()
        {
            moving.rereading.insert(block);
            moving.reading.insert(block);
            out.push(Output::Read { block, len: expected_len(&self.manifest, block) as u32 });
        }
        while !paused && moving.reading.len() + moving.ready.len() < AHEAD_BLOCKS {
            let kept = moving.ready.iter().map(|r| u64::from(r.len)).sum::<u64>()
                + moving.reading.iter().map(|b| expected_len(&self.manifest, *b)).sum::<u64>();
            if kept >= AHEAD_BYTES {
                break;
            }
            let Some(block) = moving.next_block(self.id, &self.manifest) else { break };
            moving.reading.insert(block);
            out.push(Output::Read { block, len: expected_len(&self.manifest, block) as u32 });
        }
    }

    pub(super) fn handle_read(&mut self, block: BlockRef, read: BlockRead, out: &mut Outbox) {
        let State::Moving(moving) = &mut self.state else { return out.push(Output::Forget(block)) };
        if !moving.reading.remove(&block) {
            return out.push(Output::Forget(block));
        }
        if self.manifest.size(block.file).is_none() && (read.last || u64::from(read.len) < BLOCK_LEN) {
            let len = block.offset() + u64::from(read.len);
            moving.stream_len = Some(len);
            out.control(control::FileEnd { transfer: self.id.0, file: block.file.0, len });
        }
        if read.len == 0 {
            return out.push(Output::Forget(block));
        }
        let digests = moving.digests.entry(block.file).or_default();
        let index = block.index as usize;
        if digests.len() <= index {
            digests.resize(index + 1, None);
        }
        digests[index] = Some(read.digest);
        moving.tell_digest(block, read.digest);
        let enough = moving.unsent_digests.len() >= DIGESTS_PER_FRAME || moving.reading.is_empty();
        if enough || u64::from(read.len) == BLOCK_LEN {
            moving.flush_digests(self.id, out);
        }
        let ready = Ready { block, len: read.len, sent: 0 };
        match moving.rereading.remove(&block) {
            true => moving.ready.push_front(ready),
            false => moving.ready.push_back(ready),
        }
    }

    /// The next data frame, at most `max_frame` bytes, within the grant.
    pub(super) fn frame(&mut self, max_frame: usize, out: &mut Outbox) -> Option<Vec<Run>> {
        let paused = self.paused_here || self.paused_there;
        let State::Moving(moving) = &mut self.state else { return None };
        let mut room = max_frame.checked_sub(FRAME_HEADER)?;
        let mut runs = Vec::new();
        while !paused && room > RUN_HEADER {
            let Some(ready) = moving.ready.front_mut() else { break };
            let offset = ready.block.offset() + u64::from(ready.sent);
            let allowed = moving.granted.saturating_sub(self.manifest.start(ready.block.file) + offset);
            let len = u64::from(ready.len - ready.sent).min((room - RUN_HEADER) as u64).min(allowed);
            if len == 0 {
                break; // the receiver's memory is full
            }
            runs.push(Run { file: ready.block.file, offset, len: len as u16 });
            ready.sent += len as u32;
            room -= RUN_HEADER + len as usize;
            if ready.sent == ready.len {
                moving.sent.push(ready.block);
                moving.ready.pop_front();
            }
        }
        if runs.is_empty() {
            return None;
        }
        moving.flush_digests(self.id, out);
        Some(runs)
    }

    /// Blocks whose last byte is in a frame need not be kept.
    pub(super) fn forget_sent(&mut self, out: &mut Outbox) {
        if let State::Moving(moving) = &mut self.state {
            mem::take(&mut moving.sent).into_iter().for_each(|block| out.push(Output::Forget(block)));
        }
    }

    pub(super) fn end(&mut self) {
        self.state = State::Ended;
    }

    pub(super) fn is_moving(&self) -> bool {
        matches!(self.state, State::Moving(_))
    }

    pub(super) fn has_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    pub(super) fn progress(&self, now: Time) -> Progress {
        let stream_len = match &self.state {
            State::Moving(moving) => moving.stream_len,
            _ => None,
        };
        self.meter.progress(self.manifest.bytes().or(stream_len), self.files, now)
    }
}

impl Moving {
    /// Whether a block is yet to be sent.
    fn is_under_way(&self, block: BlockRef) -> bool {
        (block.file, block.index) >= self.next
            || self.again.contains(&block)
            || self.reading.contains(&block)
            || self.ready.iter().any(|ready| ready.block == block)
    }

    /// The first block at or after the cursor that the receiver does not hold.
    fn next_block(&mut self, transfer: TransferId, manifest: &Manifest) -> Option<BlockRef> {
        loop {
            let (file, index) = self.next;
            let entry = manifest.entry(file)?;
            let count = match entry.kind {
                EntryKind::File { size: Some(size) } => block_count(size),
                // One at a time: only what was read tells whether there is more.
                EntryKind::File { size: None } if !self.reading.is_empty() => return None,
                EntryKind::File { size: None } => self.stream_len.map_or(u64::MAX, |_| 0),
                EntryKind::Folder => 0,
            };
            if u64::from(index) >= count {
                self.next = (FileIndex(file.0 + 1), 0);
                continue;
            }
            self.next.1 += 1;
            let at = u64::from(index);
            if !self.held.get(&file).is_some_and(|held| held.contains(at..at + 1)) {
                return Some(BlockRef { transfer, file, index });
            }
        }
    }

    fn tell_digest(&mut self, block: BlockRef, digest: BlockDigest) {
        match self.unsent_digests.last_mut() {
            Some(last)
                if last.file == block.file.0
                    && u64::from(last.first) + last.digests.len() as u64 / 32 == u64::from(block.index) =>
            {
                last.digests.extend(digest.0);
            }
            _ => self.unsent_digests.push(BlockDigests {
                file: block.file.0,
                first: block.index,
                digests: digest.0.to_vec(),
            }),
        }
    }

    fn flush_digests(&mut self, transfer: TransferId, out: &mut Outbox) {
        if !self.unsent_digests.is_empty() {
            let digests = mem::take(&mut self.unsent_digests);
            out.control(control::Digests { transfer: transfer.0, digests });
        }
    }
}

/// Adds blocks of a file of `size` bytes to a set; returns the bytes of those that were not in it.
pub(super) fn insert_blocks(set: &mut Ranges, blocks: Range<u64>, size: u64) -> u64 {
    let count = block_count(size);
    let tail = |set: &Ranges| count > 0 && set.contains(count - 1..count);
    let had_tail = tail(set);
    let new = set.insert(blocks);
    let missing = if tail(set) && !had_tail { count * BLOCK_LEN - size } else { 0 };
    (new * BLOCK_LEN).saturating_sub(missing)
}

fn expected_len(manifest: &Manifest, block: BlockRef) -> u64 {
    manifest.size(block.file).map_or(BLOCK_LEN, |size| u64::from(block_len(size, block.index)))
}

fn no_file(file: u32) -> Broken {
    Broken(format!("there is no such file or block: file {file}"))
}
