//! One room of a server, in its simplest form. The real one is `beeline-server`; this one can misbehave.
use beeline_core::wire::signal::*;
use std::collections::BTreeMap;

type Id = usize;

/// A room with one opener and any number of joiners.
#[derive(Debug, Default)]
pub struct Hub {
    /// Changes what one peer posts to another (sender's id, body); an evil server.
    pub tamper: Option<fn(PeerId, &mut Vec<u8>)>,
    /// Lets newcomers in although the opener has locked the room.
    pub ignores_lock: bool,
    /// Says it speaks for a newer program.
    pub versions: Option<Vec<u8>>,
    /// Messages for peers; `None` closes the socket.
    pub(crate) outbox: Vec<(Id, Option<Vec<u8>>)>,
    sockets: BTreeMap<Id, bool>,
    seats: BTreeMap<PeerId, Seat>,
    by_id: BTreeMap<Id, PeerId>,
    locked: bool,
    joiners: usize,
    lists: BTreeMap<PeerId, (Vec<u8>, Vec<u8>)>,
    opener: Option<Join>,
}

#[derive(Debug)]
struct Seat {
    id: Id,
    attached: bool,
    /// What others posted to it and it has not acknowledged: (from, seq, ack, body).
    mail: Vec<Message>,
    /// The highest seq seen from each sender.
    seen: BTreeMap<PeerId, u64>,
}

impl Hub {
    pub(crate) fn connected(&mut self, id: Id) {
        self.sockets.insert(id, true);
    }

    /// A socket closed; says whether it was open.
    pub(crate) fn gone(&mut self, id: Id) -> bool {
        let was = self.sockets.insert(id, false).unwrap_or(false);
        if let Some(peer) = self.by_id.get(&id).copied().filter(|_| was) {
            if let Some(seat) = self.seats.get_mut(&peer) {
                seat.attached = false;
            }
            self.tell_others(peer, Presence::Away);
        }
        was
    }

    fn tell_others(&mut self, peer: PeerId, presence: Presence) {
        let others: Vec<Id> =
            self.seats.iter().filter(|(p, s)| **p != peer && s.attached).map(|(_, s)| s.id).collect();
        others.into_iter().for_each(|id| self.send(id, PeerState { peer, presence }.into()));
    }

    fn send(&mut self, id: Id, message: ToPeer) {
        if self.sockets.get(&id) == Some(&true) {
            self.outbox.push((id, Some(message.encode())));
        }
    }

    fn refuse(&mut self, id: Id, reason: Reason) {
        self.send(id, Refused { reason, message: String::new(), retry_ms: None }.into());
        self.outbox.push((id, None));
        self.sockets.insert(id, false);
    }

    fn seat(&mut self, peer: PeerId, id: Id) {
        self.by_id.insert(id, peer);
        self.seats.insert(peer, Seat { id, attached: true, mail: Vec::new(), seen: BTreeMap::new() });
    }

    pub(crate) fn handle(&mut self, id: Id, message: &[u8]) {
        if self.sockets.get(&id) != Some(&true) {
            return;
        }
        let message =
            ToServer::decode(message).expect("a session speaks the protocol").expect("which is known");
        let from = self.by_id.get(&id).copied();
        match (message, from) {
            (ToServer::Open(open), None) => {
                self.joiners = usize::from(open.joiners);
                let versions = self.versions.clone().unwrap_or(open.versions);
                self.opener = Some(Join { versions, suites: open.suites, locator: Locator::Nameplate(7) });
                self.seat(0, id);
                let opened =
                    Opened { nameplate: Some(7), token: token(id), ice: vec![], build: String::new() };
                self.send(id, opened.into());
            }
            (ToServer::Join(join), None) => self.join(id, join),
            (ToServer::Resume(resume), _) => self.resume(id, resume),
            (ToServer::Post(post), Some(from)) => self.post(from, post),
            (ToServer::Ack(ack), Some(from)) => self.ack(from, ack.peer, ack.seq),
            (ToServer::Lock(_), Some(0)) => self.locked = true,
            (ToServer::Dismiss(dismiss), Some(0)) => {
                if let Some(seat) = self.seats.remove(&dismiss.peer) {
                    self.by_id.remove(&seat.id);
                    self.refuse(seat.id, Reason::Dismissed);
                }
            }
            (ToServer::Leave(_), Some(from)) => {
                self.seats.remove(&from);
                self.tell_others(from, Presence::Left);
            }
            (message, from) => panic!("{message:?} from {from:?} is out of turn"),
        }
    }

    fn join(&mut self, id: Id, join: Join) {
        let Some(opener) = self.opener.clone().filter(|_| self.seats.contains_key(&0)) else {
            return self.refuse(id, Reason::NoRoom);
        };
        if join.locator != opener.locator
            || (!self.ignores_lock && (self.locked || self.seats.len() > self.joiners))
        {
            return self.refuse(id, Reason::NoRoom);
        }
        let peer = id as PeerId; // world ids grow, as peer ids do; the opener is added first
        self.seat(peer, id);
        let Join { versions, suites, .. } = opener;
        let joined = Joined { peer, token: token(id), ice: vec![], build: String::new(), versions, suites };
        self.send(id, joined.into());
        self.lists.insert(peer, (join.versions.clone(), join.suites.clone()));
        let opener = self.seats[&0].id;
        self.send(opener, PeerJoined { peer, versions: join.versions, suites: join.suites }.into());
    }

    fn resume(&mut self, id: Id, resume: Resume) {
        let Some(peer) = (0..64).find(|peer| token(*peer) == resume.token).and_then(|id| self.by_id.get(&id))
        else {
            return self.refuse(id, Reason::NoRoom);
        };
        let peer = *peer;
        let Some(seat) = self.seats.get_mut(&peer) else { return self.refuse(id, Reason::NoRoom) };
        seat.attached = true;
        let accepted: Vec<Cursor> = self
            .seats
            .iter()
            .filter_map(|(other, seat)| seat.seen.get(&peer).map(|seq| Cursor { peer: *other, seq: *seq }))
            .collect();
        self.send(id, Resumed { accepted, ice: vec![] }.into());
        for cursor in resume.received {
            self.ack(peer, cursor.peer, cursor.seq);
        }
        let others: Vec<(PeerId, bool)> =
            self.seats.iter().filter(|(p, _)| **p != peer).map(|(p, s)| (*p, s.attached)).collect();
        for (other, attached) in others {
            if let Some((versions, suites)) = self.lists.get(&other).cloned().filter(|_| peer == 0) {
                self.send(id, PeerJoined { peer: other, versions, suites }.into());
            }
            let presence = if attached { Presence::Here } else { Presence::Away };
            self.send(id, PeerState { peer: other, presence }.into());
        }
        let mail = self.seats[&peer].mail.clone();
        mail.into_iter().for_each(|message| self.send(id, message.into()));
        self.tell_others(peer, Presence::Here);
    }

    fn post(&mut self, from: PeerId, post: Post) {
        self.ack(from, post.to, post.ack);
        let tamper = self.tamper;
        let Some(seat) = self.seats.get_mut(&post.to) else { return };
        let seen = seat.seen.entry(from).or_default();
        if post.seq != *seen + 1 {
            return;
        }
        *seen = post.seq;
        let mut message = Message { from, seq: post.seq, ack: post.ack, body: post.body };
        if let Some(tamper) = tamper {
            tamper(from, &mut message.body);
        }
        seat.mail.push(message.clone());
        if seat.attached {
            let id = seat.id;
            self.send(id, message.into());
        }
    }

    fn ack(&mut self, by: PeerId, of: PeerId, seq: u64) {
        if let Some(seat) = self.seats.get_mut(&by) {
            seat.mail.retain(|m| m.from != of || m.seq > seq);
        }
        if let Some(id) = self.seats.get(&of).filter(|s| s.attached).map(|s| s.id) {
            self.send(id, Acked { peer: by, seq }.into());
        }
    }
}

fn token(id: Id) -> [u8; 16] {
    [id as u8 + 1; 16]
}
