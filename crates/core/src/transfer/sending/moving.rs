//! A transfer that was accepted: which blocks are read, and which bytes of them go next.
//!
//! ```text
//! a block   to read ──> reading ──> ready ──all in frames──> sent (forgotten), or kept if it cannot be read again
//!              ^                      ^                                  │
//!              └──────────────────────┴── bytes lost with a lane, late, damaged
//! ```
use super::Outbox;
use crate::{
    digest::{BLOCK_LEN, BlockDigest, block_count, block_len},
    manifest::{EntryKind, Manifest},
    map::{Map, Set},
    output::*,
    ranges::Ranges,
    rtc::LaneId,
    transfer::Broken,
    wire::control::{self, BlockDigests},
    wire::data::{FRAME_HEADER, LAN_FRAME, RUN_HEADER, Run},
};
use std::{collections::VecDeque, mem, ops::Range, sync::Arc};

/// Blocks read and not yet handed to a lane, at most. Bounds the sender's memory: 4 MiB.
const AHEAD_BYTES: u64 = 4 * BLOCK_LEN;
/// The same for small files, which are a block each.
const AHEAD_BLOCKS: usize = 64;
/// Digests wait for company only while nothing else is to be read.
const DIGESTS_PER_FRAME: usize = 256;

/// What of a block is to be sent.
#[derive(Clone, Debug)]
enum Part {
    Whole,
    /// Bytes within the block.
    Of(Ranges),
}

/// A block that is in memory.
#[derive(Debug)]
struct Ready {
    block: BlockRef,
    len: u32,
    /// Bytes within the block that are in no frame yet.
    left: Ranges,
    /// Some of it is on a lane that may end.
    may_be_lost: bool,
    /// The lane that it began on.
    lane: Option<LaneId>,
}

#[derive(Debug)]
pub(super) struct Moving {
    id: TransferId,
    manifest: Arc<Manifest>,
    pub(super) granted: u64,
    pub(super) held: Map<FileIndex, Ranges>,
    /// The next block to read.
    next: (FileIndex, u32),
    /// Known once a stream has ended.
    pub(super) stream_len: Option<u64>,
    reading: Map<BlockRef, Part>,
    ready: VecDeque<Ready>,
    pub(super) sent: Vec<BlockRef>,
    /// Blocks of a stream, with their lengths, until they are acknowledged: they cannot be read again.
    kept: Map<BlockRef, u32>,
    /// To be read and sent once more, before anything else.
    again: Map<BlockRef, Part>,
    rereading: Set<BlockRef>,
    /// Of files under way, for their roots; `None` where the receiver held the block.
    pub(super) digests: Map<FileIndex, Vec<Option<BlockDigest>>>,
    unsent_digests: Vec<BlockDigests>,
    pub(super) acked: Map<FileIndex, Ranges>,
    pub(super) complete: Ranges,
}

impl Moving {
    pub(super) fn new(id: TransferId, manifest: Arc<Manifest>, granted: u64) -> Self {
        Self {
            id,
            manifest,
            granted,
            held: Map::new(),
            next: (FileIndex(0), 0),
            stream_len: None,
            reading: Map::new(),
            ready: VecDeque::new(),
            sent: Vec::new(),
            kept: Map::new(),
            again: Map::new(),
            rereading: Set::default(),
            digests: Map::new(),
            unsent_digests: Vec::new(),
            acked: Map::new(),
            complete: Ranges::default(),
        }
    }

    pub(super) fn read_ahead(&mut self, out: &mut Outbox) {
        loop {
            let is_full = self.reading.len() + self.ready.len() >= AHEAD_BLOCKS
                || self.ready.iter().map(|r| u64::from(r.len)).sum::<u64>()
                    + self.reading.keys().map(|b| self.expected_len(*b)).sum::<u64>()
                    >= AHEAD_BYTES;
            // One more than the bound, if need be: the receiver may wait for nothing else.
            if (!is_full || self.rereading.is_empty())
                && let Some((block, part)) = self.again.pop_first()
            {
                if self.is_wanted(block.file, block.offset()) {
                    self.rereading.insert(block);
                    self.read(block, part, out);
                }
                continue;
            }
            if is_full {
                break;
            }
            let Some(block) = self.next_block() else { break };
            self.read(block, Part::Whole, out);
        }
    }

    fn read(&mut self, block: BlockRef, part: Part, out: &mut Outbox) {
        self.reading.insert(block, part);
        out.push(Output::Read { block, len: self.expected_len(block) as u32 });
    }

    /// The first block at or after the cursor that the receiver does not hold.
    fn next_block(&mut self) -> Option<BlockRef> {
        loop {
            let (file, index) = self.next;
            let entry = self.manifest.entry(file)?;
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
                return Some(BlockRef { transfer: self.id, file, index });
            }
        }
    }

    fn expected_len(&self, block: BlockRef) -> u64 {
        self.manifest.size(block.file).map_or(BLOCK_LEN, |size| u64::from(block_len(size, block.index)))
    }

    fn is_stream(&self, file: FileIndex) -> bool {
        self.manifest.size(file).is_none()
    }

    pub(super) fn handle_read(&mut self, block: BlockRef, read: BlockRead, out: &mut Outbox) {
        let is_again = self.rereading.remove(&block);
        let part = self.reading.remove(&block);
        let Some(part) = part.filter(|_| self.is_wanted(block.file, block.offset())) else {
            return out.push(Output::Forget(block));
        };
        if self.is_stream(block.file) && (read.last || u64::from(read.len) < BLOCK_LEN) {
            let len = block.offset() + u64::from(read.len);
            self.stream_len = Some(len);
            out.control(control::FileEnd { transfer: self.id.0, file: block.file.0, len });
        }
        if read.len == 0 {
            return out.push(Output::Forget(block));
        }
        let digests = self.digests.get_or_default(block.file);
        let index = block.index as usize;
        if digests.len() <= index {
            digests.resize(index + 1, None);
        }
        digests[index] = Some(read.digest);
        self.tell_digest(block, read.digest);
        let enough = self.unsent_digests.len() >= DIGESTS_PER_FRAME || self.reading.is_empty();
        if enough || u64::from(read.len) == BLOCK_LEN {
            self.flush_digests(out);
        }
        let left = match part {
            Part::Whole => Ranges::from(0..u64::from(read.len)),
            Part::Of(ranges) => ranges,
        };
        let ready = Ready { block, len: read.len, left, may_be_lost: false, lane: None };
        match is_again {
            true => self.ready.push_front(ready),
            false => self.ready.push_back(ready),
        }
    }

    /// How many of a block's next bytes may be sent.
    fn allowed(&self, ready: &Ready) -> u64 {
        let next = ready.left.iter().next().map_or(0, |range| range.start);
        let position = self.manifest.start(ready.block.file) + ready.block.offset() + next;
        self.granted.saturating_sub(position)
    }

    pub(super) fn has_frame(&self) -> bool {
        self.ready.iter().any(|ready| self.allowed(ready) > 0)
    }

    /// Where the next bytes for a lane are: the first that may go, which leaves out bytes to be sent again behind a block
    /// that the receiver has no memory for yet, and what another lane `finishes`.
    fn next_ready(&self, finishes: impl Fn(LaneId) -> bool) -> Option<usize> {
        let takes = |ready: &Ready| !ready.lane.is_some_and(&finishes) && self.allowed(ready) > 0;
        self.ready.iter().position(takes)
    }

    /// See [`Sending::frame`](super::Sending::frame).
    pub(super) fn frame(
        &mut self,
        lane: LaneId,
        max_frame: usize,
        carries: impl Fn(LaneId) -> bool,
        out: &mut Outbox,
    ) -> Option<Vec<Run>> {
        let may_lose = lane != LaneId::FIRST;
        // Of a LAN's long frames, that come in order, the receiver of a download need not put its blocks together.
        let is_near = max_frame > LAN_FRAME;
        let finishes = |other| is_near && other != lane && carries(other);
        let mut room = max_frame.checked_sub(FRAME_HEADER)?;
        let mut runs = Vec::new();
        while room > RUN_HEADER {
            let Some(at) = self.next_ready(finishes) else { break };
            let room_here = (room - RUN_HEADER) as u64;
            let left = self.ready[at].left.len();
            // The frames of a block are of one size, and a block that needs several begins with one of its own.
            if left > room_here && !runs.is_empty() {
                break;
            }
            let most = left.div_ceil(left.div_ceil(room_here).max(1)).min(self.allowed(&self.ready[at]));
            let ready = &mut self.ready[at];
            let Some(bytes) = ready.left.take_first(most) else { break };
            let len = bytes.end - bytes.start;
            let offset = ready.block.offset() + bytes.start;
            runs.push(Run { file: ready.block.file, offset, len: len as u32 });
            room -= RUN_HEADER + len as usize;
            ready.may_be_lost |= may_lose;
            ready.lane.get_or_insert(lane);
            if ready.left.len() == 0
                && let Some(ready) = self.ready.remove(at)
            {
                match ready.may_be_lost && self.is_stream(ready.block.file) {
                    true => _ = self.kept.insert(ready.block, ready.len),
                    false => self.sent.push(ready.block),
                }
            }
        }
        if runs.is_empty() {
            return None;
        }
        self.flush_digests(out);
        Some(runs)
    }

    /// Bytes of a frame may not have arrived: they are sent again, unless their block is acknowledged.
    pub(super) fn send_again(&mut self, run: &Run) {
        let index = (run.offset / BLOCK_LEN) as u32;
        let block = BlockRef { transfer: self.id, file: run.file, index };
        let at = run.offset % BLOCK_LEN;
        if self.is_wanted(run.file, run.offset) {
            self.once_more(block, Part::Of(Ranges::from(at..at + u64::from(run.len))));
        }
    }

    /// The receiver found a block damaged.
    pub(super) fn resend(&mut self, block: BlockRef) -> Result<(), Broken> {
        if (block.file, block.index) >= self.next {
            return Ok(()); // it will be sent anyway
        }
        let asked = self.again.values().filter(|part| matches!(part, Part::Whole)).count();
        if asked >= AHEAD_BLOCKS {
            return Err(Broken("too many blocks are asked for again".into()));
        }
        // The receiver forgot the digest with the bytes; it is told again here, or when the block is read.
        let is_here = self.kept.contains_key(&block) || self.ready.iter().any(|ready| ready.block == block);
        let digests = self.digests.get(&block.file);
        if let Some(Some(digest)) = digests.and_then(|of| of.get(block.index as usize)).filter(|_| is_here) {
            self.tell_digest(block, *digest);
        }
        self.once_more(block, Part::Whole);
        Ok(())
    }

    fn once_more(&mut self, block: BlockRef, part: Part) {
        let bytes = |len: u32| match &part {
            Part::Whole => Ranges::from(0..u64::from(len)),
            Part::Of(ranges) => ranges.clone(),
        };
        if let Some(ready) = self.ready.iter_mut().find(|ready| ready.block == block) {
            let more = bytes(ready.len);
            more.iter().for_each(|range| _ = ready.left.insert(range.clone()));
        } else if let Some(reading) = self.reading.get_mut(&block) {
            reading.add(part);
        } else if let Some(len) = self.kept.remove(&block) {
            self.ready.push_front(Ready { block, len, left: bytes(len), may_be_lost: true, lane: None });
        } else if !self.is_stream(block.file) {
            // A stream's block that is not kept went over the first lane, which ends with the session.
            self.again.get_or_insert_with(block, || Part::Of(Ranges::default())).add(part);
        }
    }

    /// Whether the block at this offset of a file is not acknowledged.
    pub(super) fn is_wanted(&self, file: FileIndex, offset: u64) -> bool {
        let (index, at) = (u64::from(file.0), offset / BLOCK_LEN);
        !self.complete.contains(index..index + 1)
            && !self.acked.get(&file).is_some_and(|acked| acked.contains(at..at + 1))
    }

    /// Acknowledged blocks need not be kept.
    pub(super) fn release(&mut self, file: FileIndex, blocks: Range<u64>, out: &mut Outbox) {
        if self.kept.is_empty() {
            return;
        }
        let is_acked = |b: &BlockRef| b.file == file && blocks.contains(&u64::from(b.index));
        self.kept.retain(|block, _| {
            let acked = is_acked(block);
            if acked {
                out.push(Output::Forget(*block));
            }
            !acked
        });
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

    fn flush_digests(&mut self, out: &mut Outbox) {
        if !self.unsent_digests.is_empty() {
            let digests = mem::take(&mut self.unsent_digests);
            out.control(control::Digests { transfer: self.id.0, digests });
        }
    }
}

impl Part {
    fn add(&mut self, other: Part) {
        match (&mut *self, other) {
            (Part::Whole, _) => {}
            (_, Part::Whole) => *self = Part::Whole,
            (Part::Of(ours), Part::Of(theirs)) => {
                theirs.iter().for_each(|range| _ = ours.insert(range.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
