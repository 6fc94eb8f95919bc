//! Coming and going: open, join, resume, leave, dismiss.
use super::{
    ConnectionId, Output, RoomId, Rooms, SocketState,
    room::{Joiner, OPENER, Queue, Room, Seat, Stay, Token},
};
use crate::metrics::Metrics;
use beeline_core::{
    time::Time,
    wire::signal::{
        Acked, Cursor, Join, Joined, Locator, Message, Open, Opened, PeerId, PeerJoined, PeerState, Presence,
        Reason, Refused, Resume, Resumed, ToPeer,
    },
};
use std::collections::BTreeMap;

/// Joiners of a room at the same time, at most.
const MOST_JOINERS: u8 = 16;
/// Versions or suites that a peer may name.
const MOST_VERSIONS: usize = 32;
/// One text for missing, expired, locked and full.
pub(super) const NO_ROOM: &str = "no such room, or it takes nobody any more";

impl Rooms {
    pub(super) fn open(&mut self, connection: ConnectionId, open: Open, now: Time) {
        let Some(from) = self.sockets.get(&connection).map(|s| s.from) else { return };
        if !(1..=MOST_JOINERS).contains(&open.joiners) || !plausible(&open.versions, &open.suites) {
            return self.refuse(connection, Reason::BadMessage, "not a sensible room", None, now);
        }
        if let Err(wait) = self.budgets.room(from, now) {
            Metrics::count(&self.metrics.limited_rooms);
            let words = "too many rooms from this address";
            return self.refuse(connection, Reason::RateLimited, words, Some(wait), now);
        }
        let locator = match open.locator {
            Some(Locator::Nameplate(_)) => {
                return self.refuse(connection, Reason::BadMessage, "the server draws the number", None, now);
            }
            Some(resume) => {
                if let Some(&room) = self.by_locator.get(&resume) {
                    let taken = self.rooms.get(&room).is_none_or(|r| r.opener.connection.is_some());
                    if taken {
                        return self.refuse(connection, Reason::NoRoom, NO_ROOM, None, now);
                    }
                    // The opener of before is gone with all it knew; who waits here has to meet the new one.
                    self.end(room, now);
                }
                resume
            }
            None => match self.nameplates.draw(&mut *self.random) {
                Some(number) => Locator::Nameplate(number),
                None => return self.refuse(connection, Reason::Busy, "no number is free", None, now),
            },
        };

        let id = RoomId(self.next_room);
        self.next_room += 1;
        let token = self.token(id, OPENER);
        let room = Room {
            locator: Some(locator.clone()),
            opener: Seat { token, connection: Some(connection), since: now },
            joiners: BTreeMap::new(),
            next_peer: OPENER + 1,
            capacity: usize::from(open.joiners),
            versions: open.versions,
            suites: open.suites,
            locked: false,
            opened: now,
            counted_bytes: 0,
        };
        self.rooms.insert(id, room);
        let nameplate = match locator {
            Locator::Nameplate(number) => Some(number),
            Locator::Resume(_) => None,
        };
        self.by_locator.insert(locator, id);
        self.attach(connection, id, OPENER);
        let (ice, build) = (self.settings.ice.clone(), self.settings.build.clone());
        self.send(connection, Opened { nameplate, token, ice, build });
    }

    pub(super) fn join(&mut self, connection: ConnectionId, join: Join, now: Time) {
        let Some(from) = self.sockets.get(&connection).map(|s| s.from) else { return };
        if !plausible(&join.versions, &join.suites) {
            return self.refuse(connection, Reason::BadMessage, "not a sensible list of versions", None, now);
        }
        if let Err(wait) = self.budgets.may_guess(from, now) {
            Metrics::count(&self.metrics.limited_guesses);
            let words = "too many wrong codes from this address";
            return self.refuse(connection, Reason::RateLimited, words, Some(wait), now);
        }
        let ignore_lock = self.settings.hostile.ignore_lock;
        let found = self.by_locator.get(&join.locator).copied();
        let Some(id) = found.filter(|id| self.rooms.get(id).is_some_and(|r| ignore_lock || r.admits(now)))
        else {
            // A resume id is 128 bits that nobody guesses: a peer that waits for the other may ask often.
            if matches!(join.locator, Locator::Nameplate(_)) {
                self.budgets.wrong_guess(from, now);
            }
            Metrics::count(&self.metrics.no_room);
            return self.refuse(connection, Reason::NoRoom, NO_ROOM, None, now);
        };

        let room = self.rooms.get_mut(&id).expect("found above");
        let peer = room.next_peer;
        room.next_peer += 1;
        let (versions, suites, opener) = (room.versions.clone(), room.suites.clone(), room.opener.connection);
        let token = self.token(id, peer);
        let joiner = Joiner {
            seat: Seat { token, connection: Some(connection), since: now },
            from,
            stay: Stay::Member,
            versions: join.versions.clone(),
            suites: join.suites.clone(),
            up: Queue::default(),
            down: Queue::default(),
        };
        self.rooms.get_mut(&id).expect("found above").joiners.insert(peer, joiner);
        self.attach(connection, id, peer);
        let (ice, build) = (self.settings.ice.clone(), self.settings.build.clone());
        self.send(connection, Joined { peer, token, ice, build, versions, suites });
        match opener {
            Some(opener) => {
                self.send(opener, PeerJoined { peer, versions: join.versions, suites: join.suites })
            }
            None => self.send(connection, PeerState { peer: OPENER, presence: Presence::Away }),
        }
    }

    pub(super) fn resume(&mut self, connection: ConnectionId, resume: Resume, now: Time) {
        let seat = self.by_token.get(&resume.token).copied();
        let Some((id, peer)) = seat.filter(|(id, _)| self.rooms.contains_key(id)) else {
            Metrics::count(&self.metrics.resumes_unknown);
            return self.refuse(connection, Reason::NoRoom, NO_ROOM, None, now);
        };
        Metrics::count(&self.metrics.resumes);
        let room = self.rooms.get_mut(&id).expect("filtered above");
        let Some(seat) = room.seat(peer) else { return };
        let older = seat.connection.replace(connection);
        seat.since = now;
        self.attach(connection, id, peer);
        if let Some(older) = older {
            self.over(older, now);
            let message = "another socket of this peer took over".into();
            self.send(older, Refused { reason: Reason::Superseded, message, retry_ms: None });
            self.outputs.push(Output::Close(older));
        }

        // First all cursors, so that `accepted` and what follows it are of one moment.
        let others = self.partners(id, peer);
        for other in &others {
            let received =
                resume.received.iter().filter(|c| c.peer == *other).map(|c| c.seq).max().unwrap_or(0);
            if self.queues(id, peer, *other).is_some_and(|(_, incoming)| incoming.trim(received)) {
                self.acknowledged(id, peer, *other);
            }
        }
        let accepted = others
            .iter()
            .filter_map(|&other| {
                let (outgoing, _) = self.queues(id, peer, other)?;
                Some(Cursor { peer: other, seq: outgoing.accepted })
            })
            .collect();
        let ice = self.settings.ice.clone();
        self.send(connection, Resumed { accepted, ice });
        for other in &others {
            self.catch_up(connection, id, peer, *other);
        }
        if peer == OPENER {
            for gone in resume.received.iter().map(|c| c.peer).filter(|p| !others.contains(p)) {
                self.send(connection, PeerState { peer: gone, presence: Presence::Left });
            }
        }
        if self.stay(id, peer) == Stay::Dismissed {
            self.put_out(id, peer, now);
        } else if older.is_none() {
            self.tell_others(id, peer, Presence::Here);
        }
    }

    /// Sends what a peer may have missed of another: that it came, its presence, its messages, its acknowledgements.
    fn catch_up(&mut self, connection: ConnectionId, id: RoomId, peer: PeerId, other: PeerId) {
        let left = other != OPENER && self.stay(id, other) == Stay::Left;
        let presence = match self.connection_of(id, other) {
            Some(_) => Presence::Here,
            None => Presence::Away,
        };
        let Some(room) = self.rooms.get_mut(&id) else { return };
        let mut missed: Vec<ToPeer> = Vec::new();
        if peer == OPENER
            && let Some(joiner) = room.joiners.get(&other)
        {
            let (versions, suites) = (joiner.versions.clone(), joiner.suites.clone());
            missed.push(PeerJoined { peer: other, versions, suites }.into());
        }
        if !left {
            missed.push(PeerState { peer: other, presence }.into());
        }
        let Some((outgoing, incoming)) = room.queues(peer, other) else { return };
        let acked = outgoing.acked;
        for (seq, body) in incoming.unacknowledged() {
            missed.push(Message { from: other, seq, ack: acked, body: body.clone() }.into());
        }
        if acked > 0 {
            missed.push(Acked { peer: other, seq: acked }.into());
        }
        if left {
            missed.push(PeerState { peer: other, presence: Presence::Left }.into()); // after its last words
        }
        for frame in missed {
            self.send(connection, frame);
        }
        if left {
            self.remove_joiner(id, other);
        }
    }

    /// A socket of a seat is gone.
    pub(super) fn detach(&mut self, id: RoomId, peer: PeerId, now: Time) {
        let Some(seat) = self.rooms.get_mut(&id).and_then(|r| r.seat(peer)) else { return };
        seat.connection = None;
        seat.since = now;
        self.tell_others(id, peer, Presence::Away);
    }

    /// A peer leaves for good; its socket is over already.
    pub(super) fn leave(&mut self, id: RoomId, peer: PeerId, now: Time) {
        if peer == OPENER {
            return self.end(id, now);
        }
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if room.opener.connection.is_some() {
            self.tell_others(id, peer, Presence::Left);
            return self.remove_joiner(id, peer);
        }
        if let Some(joiner) = room.joiners.get_mut(&peer) {
            joiner.stay = Stay::Left;
            joiner.seat.connection = None;
            joiner.seat.since = now;
            self.by_token.remove(&joiner.seat.token);
        }
    }

    pub(super) fn dismiss(&mut self, connection: ConnectionId, id: RoomId, peer: PeerId, now: Time) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if peer == OPENER || peer >= room.next_peer {
            return self.refuse(connection, Reason::BadMessage, "no such peer", None, now);
        }
        let Some(joiner) = room.joiners.get_mut(&peer).filter(|j| j.stay == Stay::Member) else { return };
        // A number that was right with words that were wrong is a wrong code.
        let from = joiner.from;
        let there = joiner.seat.connection.is_some();
        joiner.stay = Stay::Dismissed;
        let waiting: Vec<_> =
            room.joiners.iter().filter(|(_, j)| j.stay == Stay::Dismissed).map(|(&p, _)| p).collect();
        self.budgets.wrong_guess(from, now);
        if there {
            self.put_out(id, peer, now);
        } else if waiting.len() > usize::from(MOST_JOINERS) {
            self.remove_joiner(id, waiting[0]);
        }
    }

    /// Tells a dismissed joiner, whose messages are sent, and forgets it.
    fn put_out(&mut self, id: RoomId, peer: PeerId, now: Time) {
        if let Some(connection) = self.connection_of(id, peer) {
            self.over(connection, now);
            let message = "the other side ended the meeting".into();
            self.send(connection, Refused { reason: Reason::Dismissed, message, retry_ms: None });
            self.outputs.push(Output::Close(connection));
        }
        self.remove_joiner(id, peer);
    }

    pub(super) fn remove_joiner(&mut self, id: RoomId, peer: PeerId) {
        let Some(room) = self.rooms.get_mut(&id) else { return };
        if let Some(joiner) = room.joiners.remove(&peer) {
            self.by_token.remove(&joiner.seat.token);
        }
        self.recount(id);
    }

    /// Ends a room: whoever is still attached hears that the opener left.
    pub(super) fn end(&mut self, id: RoomId, now: Time) {
        self.tell_others(id, OPENER, Presence::Left);
        self.expire(id);
        let Some(room) = self.rooms.remove(&id) else { return };
        self.kept_bytes -= room.counted_bytes;
        self.by_token.remove(&room.opener.token);
        for joiner in room.joiners.values() {
            self.by_token.remove(&joiner.seat.token);
            if let Some(connection) = joiner.seat.connection {
                self.over(connection, now);
            }
        }
    }

    /// Takes a room's number or resume id away.
    pub(super) fn expire(&mut self, id: RoomId) {
        let Some(locator) = self.rooms.get_mut(&id).and_then(|r| r.locator.take()) else { return };
        self.by_locator.remove(&locator);
        if let Locator::Nameplate(number) = locator {
            self.nameplates.free(number);
        }
    }

    fn attach(&mut self, connection: ConnectionId, room: RoomId, peer: PeerId) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.state = SocketState::Attached(room, peer);
        }
    }

    fn token(&mut self, room: RoomId, peer: PeerId) -> Token {
        let mut token = Token::default();
        (self.random)(&mut token);
        self.by_token.insert(token, (room, peer));
        token
    }

    fn stay(&self, id: RoomId, peer: PeerId) -> Stay {
        self.rooms.get(&id).and_then(|r| r.joiners.get(&peer)).map_or(Stay::Member, |j| j.stay)
    }

    fn queues(&mut self, id: RoomId, peer: PeerId, other: PeerId) -> Option<(&mut Queue, &mut Queue)> {
        self.rooms.get_mut(&id)?.queues(peer, other)
    }

    /// Who talks with `peer`.
    fn partners(&self, id: RoomId, peer: PeerId) -> Vec<PeerId> {
        let Some(room) = self.rooms.get(&id) else { return Vec::new() };
        match peer {
            OPENER => {
                room.joiners.iter().filter(|(_, j)| j.stay != Stay::Dismissed).map(|(&p, _)| p).collect()
            }
            _ => vec![OPENER],
        }
    }
}

fn plausible(versions: &[u8], suites: &[u8]) -> bool {
    [versions, suites].iter().all(|list| (1..=MOST_VERSIONS).contains(&list.len()))
}
