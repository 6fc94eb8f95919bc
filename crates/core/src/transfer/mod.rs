//! Files from one side to the other: any number of transfers over one session, in either direction.
//!
//! ```text
//! control frames ─> frames ─┐                ┌─> outbox ─> the driver
//! disk           ─> disk ───┼─> Sending, Receiving
//! the person     ─> here ───┘                └─> pump: frames of file bytes, as the lanes have room
//! ```
mod disk;
mod frames;
mod lanes;
mod outbox;
mod pump;
mod receiving;
mod sending;
pub mod throttle;

use crate::{
    manifest::Manifest,
    output::*,
    rtc::LaneId,
    time::Time,
    wire::control::{self, CancelReason, MAX_TEXT_LEN},
};
use lanes::Lanes;
pub(crate) use lanes::Wish;
pub use lanes::{LaneRules, SenderEngine};
use litemap::LiteMap;
use outbox::Outbox;
use receiving::Receiving;
use sending::Sending;
use std::{sync::Arc, time::Duration};

/// Characters of a message for a person that go to the other side, at most.
const MAX_WORDS: usize = 500;
/// Acknowledgements wait at most so long for company.
const FLUSH: Duration = Duration::from_millis(100);

/// The other side did something that the protocol does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

/// All transfers of a session, and the lanes they share.
#[derive(Debug)]
pub(crate) struct Transfers {
    /// 0 for the opener, 1 for the joiner: the parity of the numbers it gives.
    parity: u32,
    /// Numbers given here, and seen from there: each side counts its own.
    offered: u32,
    seen: u32,
    connected: bool,
    lanes: Lanes,
    sending: LiteMap<TransferId, Sending>,
    receiving: LiteMap<TransferId, Receiving>,
    texts: LiteMap<TransferId, String>,
    flush_at: Option<Time>,
    pub(crate) outbox: Outbox,
}

impl Transfers {
    pub(crate) fn new(is_opener: bool, throttled: bool, rules: LaneRules) -> Self {
        Self {
            parity: u32::from(!is_opener),
            offered: 0,
            seen: 0,
            connected: false,
            lanes: Lanes::new(throttled, rules),
            sending: LiteMap::new(),
            receiving: LiteMap::new(),
            texts: LiteMap::new(),
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

    pub(crate) fn timeout(&self) -> Option<Time> {
        self.flush_at.into_iter().chain(self.lanes.timeout()).min()
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        let flushes = self.flush_at.take_if(|at| now >= *at).is_some();
        if flushes {
            for (_, receiving) in &mut self.receiving {
                receiving.flush(true, &mut self.outbox);
            }
        }
        for report in self.lanes.due_reports(flushes, now) {
            self.outbox.control(report);
        }
        self.lanes.handle_timeout(now);
        self.pump(now);
    }

    /// The other side is heard on the control channel.
    pub(crate) fn heard(&mut self, now: Time) {
        self.lanes.heard(now);
    }

    /// A round trip of the control channel.
    pub(crate) fn handle_round_trip(&mut self, round_trip: Duration, now: Time) {
        self.lanes.handle_round_trip(round_trip, now);
    }

    /// Whether round trips of control should be measured more often.
    pub(crate) fn wants_round_trips(&self) -> bool {
        self.lanes.wants_round_trips()
    }

    /// The first lane's path leads over a relay, or not.
    pub(crate) fn handle_path(&mut self, is_relayed: bool) {
        self.lanes.handle_path(is_relayed);
    }

    /// What a wish for another lane became: its number, or nothing.
    pub(crate) fn lane_opening(&mut self, lane: Option<LaneId>, now: Time) {
        self.lanes.opening(lane, now);
    }

    /// Whether the last lane that was wished for did not open.
    pub(crate) fn lane_has_failed(&self) -> bool {
        self.lanes.has_failed()
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

/// A text over [`MAX_TEXT_LEN`] bytes; send it as a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a text has at most {MAX_TEXT_LEN} bytes; send a longer one as a file")]
pub struct TextTooLong;
