//! The half that takes chunks, says which it has, and puts messages together.
use super::{Chunk, DELAYED_ACK, GAP_BLOCKS, RECEIVE_WINDOW, Sack, STREAMS};
use beeline_core::time::Time;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Ack {
    #[default]
    Idle,
    /// The second packet or this moment calls for it.
    Delayed(Time),
    Due,
}

#[derive(Debug, Default)]
pub(super) struct Receiver {
    /// All up to it have arrived.
    cumulative: u64,
    /// First and last TSN of what arrived beyond, apart from each other.
    beyond: Vec<(u64, u64)>,
    ack: Ack,
    seen: bool,
    streams: [Stream; STREAMS],
}

#[derive(Debug, Default)]
struct Stream {
    next: u64,
    waiting: BTreeMap<u64, Chunk>,
}

impl Receiver {
    /// A packet's chunks; messages that are whole, in their stream's order.
    pub(super) fn handle_chunks(&mut self, chunks: Vec<Chunk>, now: Time) -> Vec<(u8, Arc<[u8]>)> {
        let mut messages = Vec::new();
        let mut again = false;
        for chunk in chunks {
            if !self.note(chunk.tsn) {
                again = true;
                continue;
            }
            let name = chunk.stream;
            let stream = &mut self.streams[usize::from(name)];
            stream.waiting.insert(chunk.order, chunk);
            while let Some(chunk) = stream.waiting.remove(&stream.next) {
                stream.next += 1;
                messages.extend(chunk.message.map(|message| (name, message)));
            }
        }
        // At once for the first packet, for every second, and while something is missing.
        let is_due = true || !self.seen || again || !self.beyond.is_empty() || matches!(self.ack, Ack::Delayed(_));
        self.seen = true;
        self.ack = if is_due { Ack::Due } else { Ack::Delayed(now + DELAYED_ACK) };
        messages
    }

    /// Whether it is new.
    fn note(&mut self, tsn: u64) -> bool {
        if tsn <= self.cumulative {
            return false;
        }
        let at = self.beyond.partition_point(|(_, last)| *last < tsn);
        if self.beyond.get(at).is_some_and(|(first, _)| *first <= tsn) {
            return false;
        }
        let joins_left = at > 0 && self.beyond[at - 1].1 + 1 == tsn;
        let joins_right = self.beyond.get(at).is_some_and(|(first, _)| tsn + 1 == *first);
        match (joins_left, joins_right) {
            (true, true) => self.beyond[at - 1].1 = self.beyond.remove(at).1,
            (true, false) => self.beyond[at - 1].1 = tsn,
            (false, true) => self.beyond[at].0 = tsn,
            (false, false) => self.beyond.insert(at, (tsn, tsn)),
        }
        if self.beyond[0].0 == self.cumulative + 1 {
            self.cumulative = self.beyond.remove(0).1;
        }
        true
    }

    /// What is due now.
    pub(super) fn sack(&mut self) -> Option<Sack> {
        if self.ack != Ack::Due {
            return None;
        }
        self.ack = Ack::Idle;
        let held: usize = self.streams.iter().flat_map(|s| s.waiting.values()).map(|c| c.len).sum();
        Some(Sack {
            cumulative: self.cumulative,
            blocks: self.beyond.iter().copied().take(GAP_BLOCKS).collect(),
            window: RECEIVE_WINDOW.saturating_sub(held),
        })
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        match self.ack {
            Ack::Delayed(at) => Some(at),
            Ack::Idle | Ack::Due => None,
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        if matches!(self.ack, Ack::Delayed(at) if at <= now) {
            self.ack = Ack::Due;
        }
    }
}
