//! One room: its seats, and the messages kept between opener and joiner.
//!
//! The opener talks with each joiner; joiners do not see each other.
use super::ConnectionId;
use crate::limits::AddressGroup;
use beeline_core::{
    time::Time,
    wire::signal::{Locator, PeerId},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// The opener's peer id.
pub(super) const OPENER: PeerId = 0;

/// Messages kept for one receiver from one sender, at most.
const KEPT_MESSAGES: usize = 256;
/// Their bytes, at most.
const KEPT_BYTES: usize = 256 << 10;
/// Bytes kept in a whole room, at most.
pub(super) const ROOM_BYTES: usize = 1 << 20;

/// How long a room with nobody attached waits for somebody to come back.
const EMPTY: Duration = Duration::from_secs(60);
/// The same, once it is locked: peers are confirmed, and a transfer may be worth resuming.
const EMPTY_LOCKED: Duration = Duration::from_secs(600);
/// How long an absent opener's code still takes joiners: a phone that shows the link in another app is back soon.
const OPENER_AWAY: Duration = Duration::from_secs(60);

/// What lets a peer attach again.
pub(super) type Token = [u8; 16];

/// A peer's place in a room.
pub(super) struct Seat {
    pub(super) token: Token,
    /// The socket, while there is one.
    pub(super) connection: Option<ConnectionId>,
    /// Since when `connection` is what it is.
    pub(super) since: Time,
}

/// What is kept of one direction between opener and joiner: seq `acked + 1 ..= accepted`.
#[derive(Default)]
pub(super) struct Queue {
    /// The highest seq taken from the sender.
    pub(super) accepted: u64,
    /// The highest seq that the receiver has.
    pub(super) acked: u64,
    kept: VecDeque<Vec<u8>>,
    pub(super) bytes: usize,
}

/// What became of a posted message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Kept; it is to be delivered.
    New,
    /// It was here before.
    Repeated,
    /// One before it is missing.
    Gap,
    /// The receiver has too much to acknowledge.
    Full,
}

impl Queue {
    pub(super) fn take(&mut self, seq: u64, body: Vec<u8>) -> Taken {
        if seq == 0 || seq > self.accepted + 1 {
            return Taken::Gap;
        }
        if seq <= self.accepted {
            return Taken::Repeated;
        }
        if self.kept.len() >= KEPT_MESSAGES || self.bytes + body.len() > KEPT_BYTES {
            return Taken::Full;
        }
        self.accepted = seq;
        self.bytes += body.len();
        self.kept.push_back(body);
        Taken::New
    }

    /// Forgets what the receiver has; true if that is news. A seq that was never sent counts as the last one.
    pub(super) fn trim(&mut self, seq: u64) -> bool {
        let seq = seq.min(self.accepted);
        if seq <= self.acked {
            return false;
        }
        for body in self.kept.drain(..(seq - self.acked) as usize) {
            self.bytes -= body.len();
        }
        self.acked = seq;
        true
    }

    /// What the receiver has not acknowledged, oldest first.
    pub(super) fn unacknowledged(&self) -> impl Iterator<Item = (u64, &Vec<u8>)> {
        (self.acked + 1..).zip(&self.kept)
    }
}

/// Whether a joiner belongs to the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// It does.
    Member,
    /// It left while the opener was away, who is still to hear so, after its messages.
    Left,
    /// It was put out while it was away, and is still to hear so, after its messages.
    Dismissed,
}

/// A joiner and what is kept between it and the opener.
pub(super) struct Joiner {
    pub(super) seat: Seat,
    pub(super) from: AddressGroup,
    pub(super) stay: Stay,
    pub(super) versions: Vec<u8>,
    pub(super) suites: Vec<u8>,
    /// Joiner to opener.
    pub(super) up: Queue,
    /// Opener to joiner.
    pub(super) down: Queue,
}

impl Joiner {
    pub(super) fn bytes(&self) -> usize {
        self.up.bytes + self.down.bytes
    }
}

/// A room.
pub(super) struct Room {
    /// `None` once the code has expired.
    pub(super) locator: Option<Locator>,
    pub(super) opener: Seat,
    pub(super) joiners: BTreeMap<PeerId, Joiner>,
    pub(super) next_peer: PeerId,
    /// Joiners at the same time.
    pub(super) capacity: usize,
    pub(super) versions: Vec<u8>,
    pub(super) suites: Vec<u8>,
    pub(super) locked: bool,
    pub(super) opened: Time,
    /// What [`Room::bytes`] was when the server's sum was last brought up to date.
    pub(super) counted_bytes: usize,
}

impl Room {
    /// Whether somebody new may join.
    pub(super) fn admits(&self, now: Time) -> bool {
        let taken = self.joiners.values().filter(|j| j.stay != Stay::Dismissed).count();
        let opener_there = self.opener.connection.is_some() || now.since(self.opener.since) <= OPENER_AWAY;
        !self.locked && taken < self.capacity && opener_there
    }

    /// Whether nobody has been attached for so long that nobody will be.
    pub(super) fn is_abandoned(&self, now: Time) -> bool {
        let limit = if self.locked { EMPTY_LOCKED } else { EMPTY };
        let seats = || std::iter::once(&self.opener).chain(self.joiners.values().map(|j| &j.seat));
        seats().all(|s| s.connection.is_none())
            && seats().map(|s| s.since).max().is_some_and(|last| now.since(last) >= limit)
    }

    pub(super) fn seat(&mut self, peer: PeerId) -> Option<&mut Seat> {
        match peer {
            OPENER => Some(&mut self.opener),
            joiner => self.joiners.get_mut(&joiner).map(|j| &mut j.seat),
        }
    }

    /// The sockets of those who talk with `peer`.
    pub(super) fn others(&self, peer: PeerId) -> Vec<ConnectionId> {
        match peer {
            OPENER => self.joiners.values().filter_map(|j| j.seat.connection).collect(),
            _ => self.opener.connection.into_iter().collect(),
        }
    }

    /// Between a peer and another: what is kept from it, and what is kept for it.
    pub(super) fn queues(&mut self, peer: PeerId, other: PeerId) -> Option<(&mut Queue, &mut Queue)> {
        let joiner = match (peer, other) {
            (OPENER, OPENER) => None,
            (OPENER, joiner) | (joiner, OPENER) => self.joiners.get_mut(&joiner),
            _ => None,
        }?;
        Some(if peer == OPENER {
            (&mut joiner.down, &mut joiner.up)
        } else {
            (&mut joiner.up, &mut joiner.down)
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.joiners.values().map(Joiner::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_takes_each_seq_once_and_in_turn() {
        let mut queue = Queue::default();

        assert_eq!(queue.take(2, vec![]), Taken::Gap);
        assert_eq!(queue.take(1, vec![1]), Taken::New);
        assert_eq!(queue.take(1, vec![1]), Taken::Repeated);
        assert_eq!(queue.take(3, vec![3]), Taken::Gap);
        assert_eq!(queue.take(0, vec![]), Taken::Gap);
        assert_eq!(queue.take(u64::MAX, vec![]), Taken::Gap);
        assert_eq!(queue.take(2, vec![2]), Taken::New);
        assert_eq!(queue.unacknowledged().map(|(seq, _)| seq).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn acknowledgements_make_room_and_never_go_back() {
        let mut queue = Queue::default();
        for seq in 1..=4 {
            assert_eq!(queue.take(seq, vec![0; KEPT_BYTES / 4]), Taken::New);
        }
        assert_eq!(queue.take(5, vec![0]), Taken::Full);

        assert!(queue.trim(3));
        assert!(!queue.trim(2));

        assert_eq!(queue.take(5, vec![0]), Taken::New);
        assert_eq!(queue.unacknowledged().map(|(seq, _)| seq).collect::<Vec<_>>(), [4, 5]);
        assert!(queue.trim(u64::MAX), "more than was sent counts as all of it");
        assert_eq!((queue.acked, queue.bytes), (5, 0));
    }

    #[test]
    fn a_queue_is_bounded_in_messages_too() {
        let mut queue = Queue::default();
        for seq in 1..=KEPT_MESSAGES as u64 {
            assert_eq!(queue.take(seq, vec![]), Taken::New);
        }
        assert_eq!(queue.take(257, vec![]), Taken::Full);
    }
}
