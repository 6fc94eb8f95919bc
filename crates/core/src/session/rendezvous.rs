//! How a session meets its peer: what the room says, until there is a confirmed key.
//!
//! ```text
//! opener   PeerJoined ──> Arrival ──PakeJoiner──> confirming ──right tag──> Linked
//!                            └── silence, garbage ─> put out   └─wrong tag─> counted, put out; the third: Burnt
//! joiner   Room ──Joined──> Pake ──PakeOpener──> Confirmation ──right tag──> Linked
//! ```
use super::{Admits, Arrival, GUESSES, Joining, Linking, MEETING, Media, Phase, Session};
use crate::{
    code::Code,
    link::{Carrier, Link},
    meeting::{self, Clear, Keys, Started},
    output::{Closed, Event, Output},
    room::RoomEvent,
    rtc::IceServer,
    time::Time,
    wire::{
        SUITES, VERSIONS,
        meeting::{JoinerConfirm, Meeting, OpenerConfirm, PakeJoiner, PakeOpener, WrongGuess},
        signal::{PeerId, Presence},
    },
};
use rand_core::RngCore;

impl Session {
    pub(super) fn handle_room(&mut self, now: Time) {
        while let Some(event) = self.room.poll_event() {
            match event {
                RoomEvent::Opened { nameplate, ice } => {
                    self.ice = ice;
                    if let (Some(nameplate), None) = (nameplate, &self.code) {
                        let code = Code::draw(nameplate, &mut self.random);
                        self.code = Some(code.clone());
                        self.outputs.push_back(Output::Event(Event::Code(code)));
                    }
                }
                RoomEvent::Joined { ice, versions, suites } => self.joined(ice, versions, suites, now),
                RoomEvent::PeerJoined { peer, versions, suites } => self.arrived(peer, versions, suites, now),
                RoomEvent::Body { from, body } => self.handle_body(from, &body, now),
                RoomEvent::Presence { peer, presence } => self.handle_presence(peer, presence, now),
                RoomEvent::Ice(ice) => {
                    self.pass_on_to_all(&RoomEvent::Ice(ice.clone()));
                    self.ice = ice;
                }
                RoomEvent::Ended(closed) => self.room_ended(closed, now),
            }
        }
    }

    /// While the two sides hear each other, the server does not matter.
    fn room_ended(&mut self, closed: Closed, now: Time) {
        self.pass_on_to_all(&RoomEvent::Ended(closed.clone()));
        match &mut self.phase {
            Phase::Connected { liveness, .. } => liveness.unwatched(),
            Phase::Closing { .. } | Phase::Closed => {}
            // The proof of the words is out: whoever got it had its guess, and must not get another one.
            Phase::Joining { stage: Joining::Confirmation { .. }, .. } => {
                self.break_off(Closed::Aborted(format!("{closed}, while the code was being checked")), now);
            }
            _ => self.break_off(closed, now),
        }
    }

    fn joined(&mut self, ice: Vec<IceServer>, versions: Vec<u8>, suites: Vec<u8>, now: Time) {
        self.ice = ice;
        let (Phase::Joining { stage: stage @ Joining::Room, deadline }, Some(code)) =
            (&mut self.phase, &self.code)
        else {
            return;
        };
        if let Some(closed) = incompatible(&versions, &suites) {
            return self.break_off(closed, now);
        }
        let clear = Clear {
            opener_versions: versions,
            opener_suites: suites,
            joiner_versions: VERSIONS.to_vec(),
            joiner_suites: SUITES.to_vec(),
        };
        let started = Started::joiner(code, &mut self.random);
        self.room.post(0, Meeting::from(PakeJoiner { message: started.message().to_vec() }).encode());
        *stage = Joining::Pake { started: Box::new(started), clear };
        *deadline = Some(now + MEETING);
        self.outputs.push_back(Output::Event(Event::Joined));
    }

    fn arrived(&mut self, peer: PeerId, versions: Vec<u8>, suites: Vec<u8>, now: Time) {
        if !matches!(&self.phase, Phase::Waiting(waiting) if waiting.takes_another()) {
            return self.room.dismiss(peer);
        }
        if let Some(closed) = incompatible(&versions, &suites) {
            self.outputs.push_back(Output::Event(Event::TurnedAway(closed)));
            return self.dismiss(peer);
        }
        let Phase::Waiting(waiting) = &mut self.phase else { return };
        let clear = Clear {
            opener_versions: VERSIONS.to_vec(),
            opener_suites: SUITES.to_vec(),
            joiner_versions: versions,
            joiner_suites: suites,
        };
        waiting.arrivals.insert(peer, Arrival { clear, confirming: None, deadline: now + MEETING });
    }

    pub(super) fn dismiss(&mut self, peer: PeerId) {
        self.room.dismiss(peer);
        if let Phase::Waiting(waiting) = &mut self.phase {
            waiting.forget(peer);
        }
    }

    fn handle_body(&mut self, from: PeerId, body: &[u8], now: Time) {
        let message = Meeting::decode(body);
        match &mut self.phase {
            Phase::Waiting(waiting) if waiting.guests.contains_key(&from) => {
                self.pass_on(from, RoomEvent::Body { from, body: body.to_vec() });
            }
            Phase::Waiting(_) => match message {
                Ok(Some(message)) => self.handle_arrival(from, message, now),
                // Somebody without the code gains nothing by garbage, and costs the opener nothing.
                _ => self.dismiss(from),
            },
            Phase::Joining { .. } => match message {
                Ok(Some(message)) => self.handle_joining(message, now),
                Ok(None) => {}
                Err(error) => self.break_off(Closed::Protocol(error.to_string()), now),
            },
            Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. } if from == link.peer => {
                let result = match message {
                    Ok(Some(Meeting::Sealed(sealed))) => link.handle_sealed(&sealed, Carrier::Room),
                    Ok(_) => Ok(()), // late parts of the meeting, repeated
                    // Who has the key speaks the protocol: somebody in between does not.
                    Err(_) => Err(Closed::Tampered),
                };
                self.settle(result, now);
            }
            _ => {}
        }
    }

    fn handle_arrival(&mut self, peer: PeerId, message: Meeting, now: Time) {
        let (Phase::Waiting(waiting), Some(code)) = (&mut self.phase, &self.code) else { return };
        let Some(arrival) = waiting.arrivals.get_mut(&peer) else { return };
        match (message, &arrival.confirming) {
            (Meeting::PakeJoiner(pake), None) => {
                let started = Started::opener(code, &mut self.random);
                let answer = PakeOpener { message: started.message().to_vec() };
                match started.finish(&pake.message, &arrival.clear) {
                    Ok(confirming) => {
                        arrival.confirming = Some(confirming);
                        self.room.post(peer, Meeting::from(answer).encode());
                    }
                    Err(_) => self.dismiss(peer),
                }
            }
            (Meeting::JoinerConfirm(theirs), Some(confirming)) => {
                if meeting::equal(&theirs.tag, &confirming.joiner_tag()) {
                    let (tag, keys) = (confirming.opener_tag(), confirming.keys());
                    let several = matches!(waiting.admits, Admits::Several);
                    waiting.arrivals.remove(&peer);
                    self.room.post(peer, Meeting::from(OpenerConfirm { tag }).encode());
                    if several {
                        return self.admit_guest(peer, keys, now);
                    }
                    self.lock_out();
                    let link = self.greet(peer, true, keys);
                    self.linked(link, now);
                } else {
                    waiting.wrong += 1;
                    let left = GUESSES.saturating_sub(waiting.wrong);
                    self.room.post(peer, Meeting::from(WrongGuess { left }).encode());
                    self.dismiss(peer);
                    self.outputs.push_back(Output::Event(Event::WrongGuess { left }));
                    if left == 0 {
                        self.admit_nobody_but(Closed::Burnt, now);
                    }
                }
            }
            // A second try within one join, or nonsense.
            _ => self.dismiss(peer),
        }
    }

    /// The link to a peer whose words were right, or may be: it says who this is.
    pub(super) fn greet(&mut self, peer: PeerId, is_opener: bool, keys: Keys) -> Box<Link> {
        let mut nonce = [0; 32];
        self.random.fill_bytes(&mut nonce);
        let (takes_media, ice) = (self.media != Media::NotHere, self.ice.clone());
        let mut link = Box::new(Link::new(peer, is_opener, keys, nonce, &self.name, takes_media, ice));
        link.greet();
        link
    }

    fn handle_joining(&mut self, message: Meeting, now: Time) {
        let Phase::Joining { stage, .. } = &mut self.phase else { return };
        match (std::mem::replace(stage, Joining::Room), message) {
            (Joining::Pake { started, clear }, Meeting::PakeOpener(pake)) => {
                let Ok(confirming) = started.finish(&pake.message, &clear) else {
                    return self.break_off(Closed::Tampered, now);
                };
                let tag = confirming.joiner_tag();
                self.room.post(0, Meeting::from(JoinerConfirm { tag }).encode());
                let mut link = self.greet(0, false, confirming.keys());
                Self::settle_link(&mut link, &mut self.room, &mut self.transfers, &mut self.outputs);
                if let Phase::Joining { stage, .. } = &mut self.phase {
                    *stage = Joining::Confirmation { confirming, link };
                }
            }
            (Joining::Confirmation { confirming, link }, Meeting::OpenerConfirm(theirs)) => {
                if !meeting::equal(&theirs.tag, &confirming.opener_tag()) {
                    return self.break_off(Closed::Tampered, now);
                }
                self.linked(link, now);
            }
            (Joining::Confirmation { .. }, Meeting::WrongGuess(WrongGuess { left })) => {
                self.break_off(Closed::WrongCode { left }, now);
            }
            _ => self.break_off(Closed::Protocol("the meeting is out of order".into()), now),
        }
    }

    fn handle_presence(&mut self, peer: PeerId, presence: Presence, now: Time) {
        match &mut self.phase {
            // One that is only away may come back before its deadline.
            Phase::Waiting(waiting) => {
                if waiting.guests.contains_key(&peer) {
                    self.guest_presence(peer, presence);
                } else if presence == Presence::Left && waiting.arrivals.contains_key(&peer) {
                    self.dismiss(peer);
                }
            }
            Phase::Joining { .. } if presence == Presence::Left => self.break_off(Closed::PeerLeft, now),
            Phase::Linked(linking) if linking.link.peer == peer => match presence {
                Presence::Here => linking.away = None,
                Presence::Away => _ = linking.away.get_or_insert(now),
                Presence::Left => self.break_off(Closed::PeerLeft, now),
            },
            Phase::Connected { link, liveness } if link.peer == peer => {
                liveness.presence(presence, now);
                self.pulse(now);
            }
            _ => {}
        }
    }
}

/// Why the other side's lists and ours have nothing in common, if so.
fn incompatible(versions: &[u8], suites: &[u8]) -> Option<Closed> {
    let (ours, theirs) = match meeting::common(VERSIONS, versions) {
        None => (VERSIONS, versions),
        Some(_) => match meeting::common(SUITES, suites) {
            None => (SUITES, suites),
            Some(_) => return None,
        },
    };
    let update_here = ours.iter().max() < theirs.iter().max();
    Some(Closed::Version { ours: ours.to_vec(), theirs: theirs.to_vec(), update_here })
}
