//! The sender's end of a transfer.
//!
//! ```text
//! Offering ──all pages out──> AwaitAccept ──Accept──> Moving ──Done──> Ended
//!     └───────────────┴── Decline · Cancel · error ─────┘ ───────────────^
//! ```
//!
//! What is read, and which bytes of it go next, is in `sending/moving.rs`.
mod moving;

use super::{Broken, Outbox};
use crate::{
    digest::{BLOCK_LEN, BlockDigest, Digest, block_count, block_len},
    manifest::{EntryKind, MAX_FILE_LEN, Manifest},
    meter::Meter,
    output::*,
    ranges::Ranges,
    rtc::LaneId,
    time::Time,
    wire::control::{self, BlockRun, FileRoot},
    wire::data::Run,
};
use moving::Moving;
use std::{mem, ops::Range, sync::Arc};

/// Bytes of entries in a page, about.
const PAGE_LEN: usize = 16 << 10;

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
        let mut moving = Box::new(Moving::new(self.id, self.manifest.clone(), accept.grant));
        for run in &accept.held {
            let size = self.manifest.size(run.index()).ok_or_else(|| no_file(run.file))?;
            let end = u64::from(run.first) + u64::from(run.count);
            if end > block_count(size) {
                return Err(Broken(format!("file {} has no block {}", run.file, end - 1)));
            }
            let held = moving.held.get_or_default(run.index());
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

    pub(super) fn handle_acks(
        &mut self,
        blocks: &[BlockRun],
        now: Time,
        out: &mut Outbox,
    ) -> Result<(), Broken> {
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
            let acked = moving.acked.get_or_default(run.index());
            let first = BlockRef { transfer: self.id, file: run.index(), index: run.first };
            self.meter.written(first, u64::from(run.count), insert_blocks(acked, range.clone(), size));
            moving.release(run.index(), range, out);
        }
        self.meter.look(now);
        Ok(())
    }

    /// Runs are reported to have arrived.
    pub(super) fn arrived(&mut self, runs: &[Run], now: Time) {
        let State::Moving(moving) = &mut self.state else { return };
        for run in runs.iter().filter(|run| moving.is_wanted(run.file, run.offset)) {
            let block =
                BlockRef { transfer: self.id, file: run.file, index: (run.offset / BLOCK_LEN) as u32 };
            let size = self.manifest.size(run.file).or(moving.stream_len).unwrap_or(MAX_FILE_LEN);
            self.meter.arrived(block, run.len, block_len(size, block.index));
        }
        self.meter.look(now);
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
                self.meter.forget(block);
                moving.resend(block)
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
        if let State::Moving(moving) = &mut self.state
            && !paused
        {
            moving.read_ahead(out);
        }
    }

    pub(super) fn handle_read(&mut self, block: BlockRef, read: BlockRead, out: &mut Outbox) {
        match &mut self.state {
            State::Moving(moving) => moving.handle_read(block, read, out),
            _ => out.push(Output::Forget(block)),
        }
    }

    /// The next data frame for a lane, at most `max_frame` bytes, within the grant; `carries` knows the other lanes that
    /// get on with what they began.
    pub(super) fn frame(
        &mut self,
        lane: LaneId,
        max_frame: usize,
        carries: impl Fn(LaneId) -> bool,
        out: &mut Outbox,
    ) -> Option<Vec<Run>> {
        let paused = self.paused_here || self.paused_there;
        match &mut self.state {
            State::Moving(moving) if !paused => moving.frame(lane, max_frame, carries, out),
            _ => None,
        }
    }

    /// Whether there is something for some lane with room.
    pub(super) fn has_frame(&self) -> bool {
        let paused = self.paused_here || self.paused_there;
        matches!(&self.state, State::Moving(moving) if !paused && moving.has_frame())
    }

    /// Blocks whose last byte is in a frame need not be kept.
    pub(super) fn forget_sent(&mut self, out: &mut Outbox) {
        if let State::Moving(moving) = &mut self.state {
            mem::take(&mut moving.sent).into_iter().for_each(|block| out.push(Output::Forget(block)));
        }
    }

    /// Runs that may not have arrived go on another lane.
    pub(super) fn send_again(&mut self, runs: &[Run]) {
        if let State::Moving(moving) = &mut self.state {
            runs.iter().for_each(|run| moving.send_again(run));
        }
    }

    pub(super) fn end(&mut self) {
        self.state = State::Ended;
    }

    /// Whether it was accepted, so that it cannot be declined any more.
    pub(super) fn is_accepted(&self) -> bool {
        matches!(self.state, State::Moving(_))
    }

    /// Whether its bytes are to move now.
    pub(super) fn is_moving(&self) -> bool {
        self.is_accepted() && !self.paused_here && !self.paused_there
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

/// Adds blocks of a file of `size` bytes to a set; returns the bytes of those that were not in it.
pub(super) fn insert_blocks(set: &mut Ranges, blocks: Range<u64>, size: u64) -> u64 {
    let count = block_count(size);
    let tail = |set: &Ranges| count > 0 && set.contains(count - 1..count);
    let had_tail = tail(set);
    let new = set.insert(blocks);
    let missing = if tail(set) && !had_tail { count * BLOCK_LEN - size } else { 0 };
    (new * BLOCK_LEN).saturating_sub(missing)
}

fn no_file(file: u32) -> Broken {
    Broken(format!("there is no such file or block: file {file}"))
}
