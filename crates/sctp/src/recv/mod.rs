//! The receiving half: what arrived, what of it is owed an acknowledgement, how much more may come.
mod delta;
mod reassembly;
mod window;

use std::{collections::VecDeque, time::Duration};

use delta::Delta;
pub use reassembly::Message;
use reassembly::{Piece, Reassembly, Violation, data_key, i_data_key};
use window::Window;

use crate::{
    Config, Time,
    ranges::Ranges,
    seq::Tsn,
    wire::{Data, DeltaSack, ForwardTsn, GapBlock, IData, IForwardTsn, Sack},
};

/// Duplicates named in a SACK, at most.
const MAX_DUPLICATES: usize = 16;
/// Gaps kept, at most: a hostile peer can't make us keep more.
const MAX_RANGES: usize = 1 << 15;
/// A SACK's offsets have 16 bits: what is further ahead could not be acknowledged.
const MAX_AHEAD: u64 = u16::MAX as u64;
/// The same with offsets of 32 bits: three gigabits over 300 ms.
const MAX_AHEAD_WIDE: u64 = (1 << 18) + 1024;
/// Messages of the largest size that may be under construction beside the window.
const MESSAGES: usize = 16;
/// What may be on its way when a window shrinks.
const SLACK: usize = 64 << 10;

#[derive(Debug)]
pub(crate) struct Receiver {
    /// Everything up to here arrived.
    cumulative: Tsn,
    beyond: Ranges,
    delta: Option<Delta>,
    max_ahead: u64,
    duplicates: Vec<u32>,
    reassembly: Reassembly,
    window: Window,
    /// Whole messages that the application has not taken.
    pub(crate) messages: VecDeque<Message>,
    message_bytes: usize,
    /// Packets with data since the last SACK.
    unacknowledged: u32,
    ack_now: bool,
    ack_at: Option<Time>,
    ack_delay: Duration,
    max_gap_blocks: usize,
    /// What the last SACK offered.
    offered: usize,
    /// Memory for messages under construction, beside the window.
    allowance: usize,
}

impl Receiver {
    pub(crate) fn new(config: &Config, initial: Tsn, interleaved: bool, peer_paced: bool) -> Self {
        let mut window = Window::new(config.receive_window);
        if peer_paced {
            window.peer_is_paced();
        }
        Self {
            cumulative: initial.previous(),
            beyond: Ranges::default(),
            delta: None,
            max_ahead: MAX_AHEAD,
            duplicates: Vec::new(),
            reassembly: Reassembly::new(config.max_message_size, interleaved),
            offered: window.size(),
            allowance: MESSAGES * config.max_message_size.min(1 << 20),
            window,
            messages: VecDeque::new(),
            message_bytes: 0,
            unacknowledged: 0,
            ack_now: false,
            ack_at: None,
            ack_delay: config.ack_delay,
            max_gap_blocks: config.max_gap_blocks,
        }
    }

    /// The peer understands acknowledgements of what changed.
    pub(crate) fn write_delta_sacks(&mut self, understood: bool) {
        if understood {
            self.delta = Some(Delta::default());
            self.max_ahead = MAX_AHEAD_WIDE;
        }
    }

    pub(crate) fn cumulative(&self) -> Tsn {
        self.cumulative
    }

    pub(crate) fn handle_data(
        &mut self,
        data: &Data<'_>,
        min_rtt: Option<Duration>,
        now: Time,
    ) -> Result<(), Violation> {
        let Some(tsn) = self.register(data.tsn, data.placement.immediate, data.payload.len(), min_rtt, now)
        else {
            return Ok(());
        };
        let piece = Piece {
            key: data_key(tsn),
            placement: data.placement,
            stream: data.stream,
            mid: data.ssn.into(),
            ppid: data.ppid,
            payload: data.payload,
        };
        self.insert(piece)
    }

    pub(crate) fn handle_i_data(
        &mut self,
        data: &IData<'_>,
        min_rtt: Option<Duration>,
        now: Time,
    ) -> Result<(), Violation> {
        if self.register(data.tsn, data.placement.immediate, data.payload.len(), min_rtt, now).is_none() {
            return Ok(());
        }
        let fsn = if data.placement.first { 0 } else { data.ppid_or_fsn };
        let piece = Piece {
            key: i_data_key(data.stream, data.placement.unordered, data.mid, fsn),
            placement: data.placement,
            stream: data.stream,
            mid: data.mid,
            ppid: data.ppid_or_fsn,
            payload: data.payload,
        };
        self.insert(piece)
    }

    fn insert(&mut self, piece: Piece<'_>) -> Result<(), Violation> {
        // In order it is always taken, so that messages can end; but never without bound.
        if self.held() > 2 * (self.window.size() + self.allowance) + SLACK {
            return Err(Violation::TooMuch);
        }
        let Self { reassembly, messages, message_bytes, .. } = self;
        reassembly.insert(piece, &mut |message| {
            *message_bytes += message.payload.len();
            messages.push_back(message);
        })
    }

    /// Notes that a TSN arrived; `None` if its bytes are not wanted.
    fn register(
        &mut self,
        wire: u32,
        immediate: bool,
        len: usize,
        min_rtt: Option<Duration>,
        now: Time,
    ) -> Option<Tsn> {
        self.ack_now |= immediate;
        let tsn = self.cumulative.near(wire);
        if tsn <= self.cumulative {
            self.duplicate(wire);
            return None;
        }
        let in_order = tsn == self.cumulative.next();
        // Beyond what was offered, only what fills the gap is taken: it is what frees memory.
        let full = self.held() > self.offered.max(self.window.size()) + self.allowance + SLACK;
        if tsn.0 - self.cumulative.0 > self.max_ahead || (!in_order && (full || self.beyond.len() >= MAX_RANGES)) {
            self.ack_now = true;
            return None;
        }
        if in_order {
            self.cumulative = tsn;
            if !self.beyond.is_empty() {
                self.absorb();
                self.ack_now = true;
            }
        } else {
            let gaps = self.beyond.len();
            if !self.beyond.insert(tsn.0) {
                self.duplicate(wire);
                return None;
            }
            if let Some(delta) = &mut self.delta {
                delta.arrived(tsn.0);
            }
            // RFC 9260 §6.7: at once when a gap appears; later packets of the same gap wait for a second one.
            self.ack_now |= self.beyond.len() != gaps;
        }
        self.window.arrived(len, min_rtt, now);
        Some(tsn)
    }

    fn duplicate(&mut self, wire: u32) {
        // RFC 9260 §6.2: acknowledge without delay, the SACK was perhaps lost.
        self.ack_now = true;
        if self.duplicates.len() < MAX_DUPLICATES {
            self.duplicates.push(wire);
        }
    }

    /// The cumulative TSN moves over what arrived beyond it.
    fn absorb(&mut self) {
        if let Some((first, last)) = self.beyond.first()
            && first <= self.cumulative.0 + 1
        {
            self.cumulative = Tsn(last.max(self.cumulative.0));
        }
        self.beyond.remove_to(self.cumulative.0);
    }

    /// A packet with data was read to its end (RFC 9260 §6.2: every second one is acknowledged).
    pub(crate) fn packet_ended(&mut self, now: Time) {
        self.unacknowledged += 1;
        if self.unacknowledged >= 2 {
            self.ack_now = true;
        }
        self.ack_at.get_or_insert(now + self.ack_delay);
    }

    pub(crate) fn handle_forward(&mut self, forward: &ForwardTsn<'_>) {
        let skipped = forward.skipped().map(|(stream, ssn)| (stream, false, ssn.into()));
        self.skip(forward.cumulative, skipped);
    }

    pub(crate) fn handle_i_forward(&mut self, forward: &IForwardTsn<'_>) {
        self.skip(forward.cumulative, forward.skipped());
    }

    fn skip(&mut self, wire: u32, skipped: impl Iterator<Item = (u16, bool, u32)>) {
        self.ack_now = true;
        let to = self.cumulative.near(wire);
        if to <= self.cumulative || to.0 - self.cumulative.0 > self.max_ahead {
            return;
        }
        self.cumulative = to;
        self.beyond.remove_to(to.0);
        self.absorb();
        let Self { reassembly, messages, message_bytes, .. } = self;
        reassembly.skip(to, skipped, &mut |message| {
            *message_bytes += message.payload.len();
            messages.push_back(message);
        });
    }

    pub(crate) fn take_message(&mut self) -> Option<Message> {
        let message = self.messages.pop_front()?;
        self.message_bytes -= message.payload.len();
        // The peer waits at a closed window: tell it that there is room again (RFC 9260 §6.2).
        let room = self.room();
        if self.offered < 4096 && room > self.window.size() / 4 {
            self.ack_now = true;
        }
        Some(message)
    }

    pub(crate) fn reset(&mut self, stream: u16) {
        self.reassembly.reset(stream);
    }

    fn held(&self) -> usize {
        self.reassembly.held() + self.message_bytes
    }

    /// What may come. Messages under construction have room of their own: counted here, a window smaller than a
    /// message would close each time one is half there.
    fn room(&self) -> usize {
        let waiting = self.reassembly.held().saturating_sub(self.allowance);
        self.window.size().saturating_sub(waiting + self.message_bytes)
    }

    pub(crate) fn ack_due(&self, now: Time) -> bool {
        self.ack_now || self.ack_at.is_some_and(|at| at <= now)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        self.ack_at
    }

    /// Appends a SACK of `room` bytes at most.
    pub(crate) fn write_sack(&mut self, out: &mut Vec<u8>, room: usize) {
        self.offered = self.room();
        if let Some(delta) = &mut self.delta {
            let blocks = room.saturating_sub(DeltaSack::HEADER) / DeltaSack::BLOCK;
            let cumulative = self.cumulative.0;
            let offset = |(first, last): (u64, u64)| ((first - cumulative) as u32, (last - cumulative) as u32);
            let chosen = delta.choose(&self.beyond, blocks).iter().map(|&range| offset(range));
            let twice = self.duplicates.drain(..).len() as u16;
            let window = u32::try_from(self.offered).unwrap_or(u32::MAX);
            DeltaSack::write_from(out, self.cumulative.wire(), window, twice, chosen);
            (self.unacknowledged, self.ack_now, self.ack_at) = (0, false, None);
            return;
        }
        let blocks = room.saturating_sub(Sack::HEADER + 4 * self.duplicates.len()) / 4;
        let blocks = blocks.min(self.max_gap_blocks).min(self.beyond.len());
        let cumulative = self.cumulative.0;
        let offset = |tsn: u64| (tsn - cumulative) as u16;
        let gaps = self.beyond.iter().take(blocks);
        let gaps = gaps.map(|(first, last)| GapBlock { first: offset(first), last: offset(last) });
        let window = u32::try_from(self.offered).unwrap_or(u32::MAX);
        Sack::write_from(out, self.cumulative.wire(), window, gaps, self.duplicates.drain(..));
        (self.unacknowledged, self.ack_now, self.ack_at) = (0, false, None);
    }
}
