//! Files from one side to the other: any number of transfers over one session, in either direction.
//!
//! [`Sending`] and [`Receiving`] are the two ends of one transfer; [`Transfers`] hands them the frames and
//! the lanes' room.
mod receiving;
mod sending;
pub mod throttle;

use crate::{
    manifest::{MAX_MANIFEST_LEN, Manifest},
    output::*,
    rtc::{Channel, LaneId},
    time::Time,
    wire::control::{self, CancelReason, Control, MAX_TEXT_LEN},
    wire::data::{self, DataFrame},
};
use receiving::Receiving;
use sending::Sending;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Bytes handed to a lane and not yet sent, at most: enough to keep a fast lane busy between two
/// `handle_buffered`, little enough that a cancel is quick.
const LANE_QUEUE: u64 = 1 << 20;
/// The same for control, so that half a million names do not pile up in the channel.
const CONTROL_QUEUE: u64 = 256 << 10;
/// A report goes back for every so many bytes of data frames.
const REPORT_EVERY: u64 = 256 << 10;
/// Offers of the other side that may wait for a person at the same time.
const MAX_WAITING: usize = 16;
/// Control bytes that wait for a side that does not read, at most.
const MAX_UNREAD: usize = 32 << 20;
/// What a waiting frame costs beside its bytes.
const FRAME_COST: usize = 64;
/// Characters of a message for a person that go to the other side, at most.
const MAX_WORDS: usize = 500;
/// Acknowledgements wait at most so long for company.
const FLUSH: Duration = Duration::from_millis(50);

/// The other side did something that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// Where the parts of a transfer put what they want done.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    pub(crate) outputs: VecDeque<Output>,
    control: VecDeque<Vec<u8>>,
    control_len: usize,
}

impl Outbox {
    pub(crate) fn control(&mut self, frame: impl Into<Control>) {
        let frame = frame.into().encode();
        self.control_len += frame.len() + FRAME_COST;
        self.control.push_back(frame);
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }
}

/// A lane as the transfers see it.
#[derive(Debug)]
struct Lane {
    max_frame: usize,
    /// Handed to the driver and not known to be sent.
    buffered: u64,
    received: u64,
    reported: u64,
    echo: u32,
}

/// All transfers of a session, and the lanes they share.
#[derive(Debug)]
pub(crate) struct Transfers {
    /// 0 for the opener, 1 for the joiner: the parity of the numbers it gives.
    parity: u32,
    /// Numbers given here, and seen from there: each side counts its own.
    offered: u32,
    seen: u32,
    connected: bool,
    /// What the other side takes in a data frame.
    max_frame: usize,
    lanes: BTreeMap<LaneId, Lane>,
    control_buffered: u64,
    sending: BTreeMap<TransferId, Sending>,
    receiving: BTreeMap<TransferId, Receiving>,
    texts: BTreeMap<TransferId, String>,
    flush_at: Option<Time>,
    pub(crate) outbox: Outbox,
}

impl Transfers {
    pub(crate) fn new(is_opener: bool) -> Self {
        Self {
            parity: u32::from(!is_opener),
            offered: 0,
            seen: 0,
            connected: false,
            max_frame: data::MAX_FRAME_LEN,
            lanes: BTreeMap::new(),
            control_buffered: 0,
            sending: BTreeMap::new(),
            receiving: BTreeMap::new(),
            texts: BTreeMap::new(),
            flush_at: None,
            outbox: Outbox::default(),
        }
    }

    fn next_id(&mut self) -> TransferId {
        self.offered += 1;
        TransferId((self.offered - 1) * 2 + self.parity)
    }

    pub(crate) fn offer(&mut self, manifest: Manifest, now: Time) -> TransferId {
        let id = self.next_id();
        self.sending.insert(id, Sending::new(id, Arc::new(manifest)));
        self.pump(now);
        id
    }

    pub(crate) fn send_text(&mut self, text: &str, now: Time) -> Result<TransferId, TextTooLong> {
        if text.len() > MAX_TEXT_LEN {
            return Err(TextTooLong);
        }
        let id = self.next_id();
        if self.connected {
            self.offer_text(id, text.to_owned());
        }
        self.texts.insert(id, text.to_owned());
        self.pump(now);
        Ok(id)
    }

    fn offer_text(&mut self, id: TransferId, text: String) {
        self.outbox.control(control::Offer { transfer: id.0, entries: 0, text: Some(text) });
    }

    /// The control channel is open: what was offered before goes out.
    pub(crate) fn handle_connected(&mut self, now: Time) {
        self.connected = true;
        let hello = control::Hello { max_frame: data::MAX_FRAME_LEN as u32, lanes: 1 };
        self.outbox.control(hello);
        for (id, text) in self.texts.clone() {
            self.offer_text(id, text);
        }
        self.pump(now);
    }

    pub(crate) fn handle_lane(&mut self, lane: LaneId, max_message: usize, now: Time) {
        let max_frame = max_message.min(data::MAX_FRAME_LEN);
        self.lanes.insert(lane, Lane { max_frame, buffered: 0, received: 0, reported: 0, echo: 0 });
        self.pump(now);
    }

    pub(crate) fn handle_buffered(&mut self, lane: LaneId, channel: Channel, buffered: u64, now: Time) {
        match channel {
            Channel::Control if lane == LaneId::FIRST => self.control_buffered = buffered,
            Channel::Control => {}
            Channel::Data => {
                if let Some(lane) = self.lanes.get_mut(&lane) {
                    lane.buffered = buffered;
                }
            }
        }
        self.pump(now);
    }

    pub(crate) fn handle_control(&mut self, frame: Control, now: Time) -> Result<(), Broken> {
        match frame {
            Control::Offer(offer) => self.offered(offer)?,
            Control::Page(f) => self.receive(f.transfer, |r, out| r.handle_page(f.entries, out))?,
            Control::Digests(f) => self.receive(f.transfer, |r, out| r.handle_digests(&f.digests, out))?,
            Control::FileEnd(f) => self.receive(f.transfer, |r, out| r.handle_end(f.file, f.len, out))?,
            Control::Accept(f) => self.send(f.transfer, |s, out| s.handle_accept(&f, now, out))?,
            Control::Grant(f) => self.send(f.transfer, |s, _| s.handle_grant(f.position))?,
            Control::Acks(f) => self.send(f.transfer, |s, _| s.handle_acks(&f.blocks, now))?,
            Control::Resend(f) => self.send(f.transfer, |s, _| s.handle_resend(f.file, f.block))?,
            Control::Complete(f) => self.send(f.transfer, |s, out| s.handle_complete(&f.files, out))?,
            Control::Decline(f) => self.declined(f.transfer, f.message)?,
            Control::Pause(f) => self.paused_there(f.transfer, f.paused)?,
            Control::Cancel(f) => self.cancelled_there(f)?,
            Control::Done(f) => self.done(f.transfer)?,
            // For a sender that throttles itself.
            Control::Hello(hello) => self.max_frame = self.max_frame.min(hello.max_frame as usize).max(1024),
            Control::Report(_) => {}
            Control::Ping(_) | Control::Pong(_) | Control::Bye(_) => {}
        }
        self.tidy(now);
        self.is_read()
    }

    /// A side that asks and asks and never reads the answers is not served for ever.
    fn is_read(&self) -> Result<(), Broken> {
        match self.outbox.control_len > MAX_UNREAD {
            true => Err(Broken("it does not read what it asks for".into())),
            false => Ok(()),
        }
    }

    fn offered(&mut self, offer: control::Offer) -> Result<(), Broken> {
        let id = TransferId(offer.transfer);
        let is_theirs = offer.transfer % 2 != self.parity;
        if !is_theirs || offer.transfer / 2 < self.seen {
            return Err(Broken(format!("transfer {} cannot be offered", id.0)));
        }
        self.seen = offer.transfer / 2 + 1;
        if let Some(text) = offer.text {
            if text.len() > MAX_TEXT_LEN {
                return Err(Broken("a text is too long".into()));
            }
            self.outbox.event(Event::Text { text });
            self.outbox.control(control::Done { transfer: id.0 });
            return Ok(());
        }
        let waiting = self.receiving.values().filter(|r| r.is_waiting());
        let (count, weight) = waiting.fold((0, 0), |(n, w), r| (n + 1, w + r.weight()));
        if count >= MAX_WAITING || weight > MAX_MANIFEST_LEN {
            let message = "too many offers are waiting".to_owned();
            self.outbox.control(control::Decline { transfer: id.0, message });
            return Ok(());
        }
        let mut receiving = Receiving::new(id, offer.entries);
        receiving.handle_page(Vec::new(), &mut self.outbox)?;
        self.receiving.insert(id, receiving);
        Ok(())
    }

    fn send(
        &mut self,
        id: u32,
        act: impl FnOnce(&mut Sending, &mut Outbox) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let id = TransferId(id);
        let has_been = self.has_been(id) && id.0 % 2 == self.parity;
        match self.sending.get_mut(&id) {
            Some(sending) => act(sending, &mut self.outbox),
            None if has_been => Ok(()), // on the way when it ended
            None => Err(Broken(format!("there is no transfer {} from here", id.0))),
        }
    }

    fn receive(
        &mut self,
        id: u32,
        act: impl FnOnce(&mut Receiving, &mut Outbox) -> Result<(), Broken>,
    ) -> Result<(), Broken> {
        let id = TransferId(id);
        let has_been = self.has_been(id) && id.0 % 2 != self.parity;
        match self.receiving.get_mut(&id) {
            Some(receiving) => act(receiving, &mut self.outbox),
            None if has_been => Ok(()), // on the way when it ended
            None => Err(Broken(format!("there is no transfer {} to here", id.0))),
        }
    }

    fn declined(&mut self, id: u32, message: String) -> Result<(), Broken> {
        self.send(id, |sending, out| {
            if sending.is_moving() {
                return Err(Broken("declined after it was accepted".into()));
            }
            sending.end();
            out.push(Output::Abandon(TransferId(id)));
            out.event(Event::Declined { transfer: TransferId(id), message });
            Ok(())
        })
    }

    fn paused_there(&mut self, id: u32, paused: bool) -> Result<(), Broken> {
        let transfer = TransferId(id);
        if let Some(sending) = self.sending.get_mut(&transfer) {
            sending.paused_there = paused;
        }
        match self.knows(transfer) {
            true => self.outbox.event(Event::Paused { transfer, paused, here: false }),
            false if self.has_been(transfer) => {} // on the way when it ended
            false => return Err(Broken(format!("there is no transfer {id}"))),
        }
        Ok(())
    }

    fn cancelled_there(&mut self, cancel: control::Cancel) -> Result<(), Broken> {
        let transfer = TransferId(cancel.transfer);
        let failure = match cancel.reason {
            CancelReason::Person => TransferFailure::CancelledThere(cancel.message),
            CancelReason::Source | CancelReason::Sink | CancelReason::Corrupt => {
                TransferFailure::There(cancel.message)
            }
        };
        if !self.knows(transfer) {
            return match self.has_been(transfer) {
                true => Ok(()),
                false => Err(Broken(format!("there is no transfer {}", transfer.0))),
            };
        }
        self.fail(transfer, failure);
        Ok(())
    }

    /// Whether a number was ever given: what comes for it may have been on its way when it ended.
    fn has_been(&self, id: TransferId) -> bool {
        let given = if id.0 % 2 == self.parity { self.offered } else { self.seen };
        id.0 / 2 < given
    }

    /// Whether the other side knows a transfer, so that it can be told something of it.
    fn is_known_there(&self, id: TransferId) -> bool {
        self.connected && self.sending.get(&id).is_none_or(Sending::is_offered)
    }

    fn knows(&self, id: TransferId) -> bool {
        self.sending.contains_key(&id) || self.receiving.contains_key(&id) || self.texts.contains_key(&id)
    }

    fn done(&mut self, id: u32) -> Result<(), Broken> {
        let transfer = TransferId(id);
        if self.texts.remove(&transfer).is_some() {
            self.outbox.event(Event::Done(transfer));
            return Ok(());
        }
        self.send(id, |sending, out| sending.handle_done(out))
    }

    /// Ends a transfer here, without a word to the other side.
    fn fail(&mut self, transfer: TransferId, failure: TransferFailure) {
        if let Some(sending) = self.sending.get_mut(&transfer) {
            sending.end();
        }
        if let Some(receiving) = self.receiving.get_mut(&transfer) {
            receiving.end();
        }
        self.texts.remove(&transfer);
        self.outbox.push(Output::Abandon(transfer));
        self.outbox.event(Event::Failed { transfer, failure });
    }

    pub(crate) fn handle_data(&mut self, lane: LaneId, message: &[u8], now: Time) -> Result<(), Broken> {
        let Some(DataFrame { transfer, stamp, runs }) =
            data::decode(message).map_err(|error| Broken(error.to_string()))?
        else {
            return Ok(());
        };
        if let Some(state) = self.lanes.get_mut(&lane) {
            state.received += message.len() as u64;
            state.echo = stamp;
            if state.received - state.reported >= REPORT_EVERY {
                state.reported = state.received;
                let (bytes, clock, echo) = (state.received, stamp_of(now), state.echo);
                self.outbox.control(control::Report { lane: lane.0, bytes, clock, echo, held: 0 });
            }
        }
        self.receive(transfer.0, |receiving, out| receiving.handle_runs(&runs, out))?;
        self.tidy(now);
        Ok(())
    }

    pub(crate) fn handle_read(&mut self, block: BlockRef, result: Result<BlockRead, DiskError>, now: Time) {
        let Some(sending) = self.sending.get_mut(&block.transfer) else {
            return self.outbox.push(Output::Forget(block));
        };
        match result {
            Ok(read) => sending.handle_read(block, read, &mut self.outbox),
            Err(error) => self.fail_here(block.transfer, CancelReason::Source, error),
        }
        self.tidy(now);
    }

    pub(crate) fn handle_hashed(&mut self, block: BlockRef, digest: crate::digest::BlockDigest, now: Time) {
        match self.receiving.get_mut(&block.transfer) {
            Some(receiving) => receiving.handle_hashed(block, digest, &mut self.outbox),
            None => self.outbox.push(Output::Forget(block)),
        }
        self.tidy(now);
    }

    pub(crate) fn handle_written(&mut self, block: BlockRef, result: Result<(), DiskError>, now: Time) {
        match (self.receiving.get_mut(&block.transfer), result) {
            (Some(receiving), Ok(())) => receiving.handle_written(block, now, &mut self.outbox),
            (Some(_), Err(error)) => self.fail_here(block.transfer, CancelReason::Sink, error),
            (None, _) => {}
        }
        self.tidy(now);
    }

    pub(crate) fn handle_committed(
        &mut self,
        transfer: TransferId,
        file: FileIndex,
        result: Result<(), DiskError>,
        now: Time,
    ) {
        match (self.receiving.get_mut(&transfer), result) {
            (Some(receiving), Ok(())) => receiving.handle_committed(file, &mut self.outbox),
            (Some(_), Err(error)) => self.fail_here(transfer, CancelReason::Sink, error),
            (None, _) => {}
        }
        self.tidy(now);
    }

    pub(crate) fn handle_finished(&mut self, transfer: TransferId, result: Result<(), DiskError>, now: Time) {
        match (self.receiving.get_mut(&transfer), result) {
            (Some(receiving), Ok(())) => receiving.handle_finished(&mut self.outbox),
            (Some(_), Err(error)) => self.fail_here(transfer, CancelReason::Sink, error),
            (None, _) => {}
        }
        self.tidy(now);
    }

    fn fail_here(&mut self, transfer: TransferId, reason: CancelReason, error: DiskError) {
        let message = error.to_string();
        self.outbox.control(control::Cancel { transfer: transfer.0, reason, message: words(&message) });
        let failure = match reason {
            CancelReason::Source => TransferFailure::Source(message),
            CancelReason::Person | CancelReason::Sink | CancelReason::Corrupt => {
                TransferFailure::Sink(message)
            }
        };
        self.fail(transfer, failure);
    }

    pub(crate) fn accept(&mut self, transfer: TransferId, how: Acceptance, now: Time) {
        if let Some(receiving) = self.receiving.get_mut(&transfer) {
            receiving.accept(how, now, &mut self.outbox);
        }
        self.tidy(now);
    }

    pub(crate) fn decline(&mut self, transfer: TransferId, message: &str, now: Time) {
        if let Some(receiving) = self.receiving.get_mut(&transfer).filter(|r| r.is_waiting()) {
            receiving.end();
            self.outbox.control(control::Decline { transfer: transfer.0, message: words(message) });
        }
        self.tidy(now);
    }

    pub(crate) fn cancel(&mut self, transfer: TransferId, message: &str, now: Time) {
        if self.knows(transfer) {
            if self.is_known_there(transfer) {
                let (reason, message) = (CancelReason::Person, words(message));
                self.outbox.control(control::Cancel { transfer: transfer.0, reason, message });
            }
            self.fail(transfer, TransferFailure::CancelledHere);
        }
        self.tidy(now);
    }

    pub(crate) fn pause(&mut self, transfer: TransferId, paused: bool, now: Time) {
        if self.knows(transfer) {
            if let Some(sending) = self.sending.get_mut(&transfer) {
                sending.paused_here = paused;
            }
            if self.is_known_there(transfer) {
                self.outbox.control(control::Pause { transfer: transfer.0, paused });
            }
            self.outbox.event(Event::Paused { transfer, paused, here: true });
        }
        self.pump(now);
    }

    /// The session is over: whatever runs has failed.
    pub(crate) fn end_all(&mut self, why: &Closed) {
        let running: Vec<_> =
            self.sending.keys().chain(self.receiving.keys()).chain(self.texts.keys()).copied().collect();
        for transfer in running {
            self.fail(transfer, TransferFailure::Session(why.clone()));
        }
        self.forget_ended();
    }

    /// Cancels whatever runs, by this person's wish.
    pub(crate) fn cancel_all(&mut self, now: Time) {
        let running: Vec<_> =
            self.sending.keys().chain(self.receiving.keys()).chain(self.texts.keys()).copied().collect();
        running.into_iter().for_each(|transfer| self.cancel(transfer, "", now));
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.sending.is_empty() && self.receiving.is_empty() && self.texts.is_empty()
    }

    /// After the state of a transfer changed: flush what waits, send what may be sent, forget what ended.
    fn tidy(&mut self, now: Time) {
        let mut corrupt = Vec::new();
        let mut waiting = false;
        for (id, receiving) in &mut self.receiving {
            waiting |= receiving.flush(false, &mut self.outbox);
            corrupt.extend(receiving.corrupt().map(|file| (*id, file)));
        }
        for (transfer, file) in corrupt {
            let (reason, failure) = (CancelReason::Corrupt, TransferFailure::Corrupt(file));
            let message = words(&failure.to_string());
            self.outbox.control(control::Cancel { transfer: transfer.0, reason, message });
            self.fail(transfer, failure);
        }
        if waiting && self.flush_at.is_none() {
            self.flush_at = Some(now + FLUSH);
        }
        self.pump(now);
        self.forget_ended();
    }

    fn forget_ended(&mut self) {
        self.sending.retain(|_, s| !s.has_ended());
        self.receiving.retain(|_, r| !r.has_ended());
    }

    /// Gives every lane with room something to carry.
    fn pump(&mut self, now: Time) {
        if !self.connected {
            return;
        }
        let stamp = stamp_of(now);
        for (id, sending) in &mut self.sending {
            sending.pages(|| self.control_buffered < CONTROL_QUEUE, &mut self.outbox);
            sending.read_ahead(&mut self.outbox);
            for (lane, state) in &mut self.lanes {
                while state.buffered < LANE_QUEUE {
                    let Some(runs) = sending.frame(state.max_frame.min(self.max_frame), &mut self.outbox)
                    else {
                        break;
                    };
                    let bytes: usize = runs.iter().map(|r| data::RUN_HEADER + usize::from(r.len)).sum();
                    state.buffered += (data::FRAME_HEADER + bytes) as u64;
                    self.outbox.push(Output::Data { lane: *lane, transfer: *id, stamp, runs });
                    sending.forget_sent(&mut self.outbox);
                    sending.read_ahead(&mut self.outbox);
                }
            }
        }
    }

    /// Control frames come first: a digest should not wait behind the data it is for.
    pub(crate) fn poll_output(&mut self) -> Option<Output> {
        if self.connected
            && self.control_buffered < CONTROL_QUEUE
            && let Some(message) = self.outbox.control.pop_front()
        {
            self.control_buffered += message.len() as u64;
            self.outbox.control_len -= message.len() + FRAME_COST;
            return Some(Output::Control { lane: LaneId::FIRST, message });
        }
        self.outbox.outputs.pop_front()
    }

    pub(crate) fn timeout(&self) -> Option<Time> {
        self.flush_at
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        if self.flush_at.is_some_and(|at| now >= at) {
            self.flush_at = None;
            for receiving in self.receiving.values_mut() {
                receiving.flush(true, &mut self.outbox);
            }
        }
    }

    pub(crate) fn progress(&self, transfer: TransferId, now: Time) -> Option<Progress> {
        let sending = self.sending.get(&transfer).map(|s| s.progress(now));
        sending.or_else(|| self.receiving.get(&transfer)?.progress(now))
    }

    pub(crate) fn manifest(&self, transfer: TransferId) -> Option<Arc<Manifest>> {
        let sending = self.sending.get(&transfer).map(|s| s.manifest.clone());
        sending.or_else(|| self.receiving.get(&transfer)?.manifest())
    }
}

/// What goes to the other side of a message for a person.
fn words(message: &str) -> String {
    message.chars().take(MAX_WORDS).collect()
}

/// The clock as it goes on the wire: 0.1 ms, modulo 2^32.
pub(crate) fn stamp_of(now: Time) -> u32 {
    (now.since_origin().as_micros() / 100) as u32
}

/// A text over [`MAX_TEXT_LEN`] bytes; send it as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text has at most {MAX_TEXT_LEN} bytes; send a longer one as a file")]
pub struct TextTooLong;
