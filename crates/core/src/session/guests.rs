//! How one opener serves several receivers: it goes on waiting, and each that is let in gets a session of its own.
//!
//! ```text
//! host    Waiting ──right confirmation──> Output::Guest: a new session, linked from its first moment
//!            │ <── ToHost: a message for the room, or that it is over ── guest
//!            │ ──> ToGuest: what the room says of its peer ────────────> guest
//!            └── admits nobody any more ── last guest is over ──> Closed
//! ```
//!
//! Only the host has the room and the words, so that guesses are counted in one place, and no guest knows of another.
//! A guest has its own keys, words to compare, connections and transfers, and is driven like any other session.
use super::{Config, Phase, Session, Waiting};
use crate::{
    meeting::Keys,
    output::{Closed, Output},
    room::{Errand, Room, RoomEvent},
    time::Time,
    wire::signal::{PeerId, Presence},
};
use rand_core::RngCore;
use std::time::Duration;

/// Joiners in the middle of their proof, at most.
const MAX_ARRIVALS: usize = 16;
/// A peer whose session is over leaves the room by itself; one that does not is put out after this.
const LEAVING: Duration = Duration::from_secs(10);

/// For a guest's session, from the session that has the room.
#[derive(Clone, Debug, PartialEq)]
pub struct ToGuest(RoomEvent);

/// For the session that has the room, from a guest's session.
#[derive(Clone, Debug, PartialEq)]
pub struct ToHost(pub(super) Errand);

/// Whom the opener lets in.
#[derive(Clone, Debug, Default)]
pub(super) enum Admits {
    /// The first with the right words, who gets this very session.
    #[default]
    One,
    /// Everybody with the right words; each gets a session.
    Several,
    /// Nobody any more; so it ends with its last guest.
    Nobody(Closed),
}

/// A receiver that was let in beside others.
#[derive(Clone, Copy, Debug)]
pub(super) enum Guest {
    /// Its session runs.
    Here,
    /// Its session runs, but its peer has left the room.
    Gone,
    /// Its session is over; its peer is put out then, if it has not left.
    Leaving(Time),
}

impl Waiting {
    pub(super) fn takes_another(&self) -> bool {
        !matches!(self.admits, Admits::Nobody(_)) && self.arrivals.len() < MAX_ARRIVALS
    }

    pub(super) fn has_guests(&self) -> bool {
        self.guests.values().any(|guest| !matches!(guest, Guest::Leaving(_)))
    }

    /// Who should be through with its proof, or out of the room.
    pub(super) fn late(&self, now: Time) -> Vec<PeerId> {
        let arrivals = self.arrivals.iter().filter(|(_, arrival)| now >= arrival.deadline);
        let guests =
            self.guests.iter().filter(|(_, guest)| matches!(guest, Guest::Leaving(at) if now >= *at));
        arrivals.map(|(peer, _)| *peer).chain(guests.map(|(peer, _)| *peer)).collect()
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        let leaving = self.guests.values().filter_map(|guest| match guest {
            Guest::Leaving(at) => Some(*at),
            _ => None,
        });
        self.arrivals.values().map(|arrival| arrival.deadline).chain(leaving).min()
    }

    pub(super) fn forget(&mut self, peer: PeerId) {
        self.arrivals.remove(&peer);
        self.guests.remove(&peer);
    }
}

impl Session {
    /// Whether everybody with the code is let in, each with a session of its own ([`Output::Guest`]), or only the first,
    /// who gets this one: so it is unless told otherwise, and as long as nobody is in.
    pub fn admit_several(&mut self, several: bool) {
        if let Phase::Waiting(waiting) = &mut self.phase
            && !matches!(waiting.admits, Admits::Nobody(_))
            && (several || waiting.guests.is_empty())
        {
            waiting.admits = if several { Admits::Several } else { Admits::One };
        }
    }

    /// Lets nobody else in. The guests go on, and this session ends with the last of them.
    pub fn admit_nobody(&mut self, now: Time) {
        self.admit_nobody_but(Closed::Bye, now);
    }

    /// The session of the guest that [`Output::Guest`] told of.
    pub fn take_guest(&mut self) -> Option<Session> {
        match &mut self.phase {
            Phase::Waiting(waiting) => waiting.new.pop_front(),
            _ => None,
        }
    }

    /// [`Output::ToGuest`], handed to the guest's session.
    pub fn handle_to_guest(&mut self, news: ToGuest, now: Time) {
        self.room.handle_passed_on(news.0);
        self.handle_room(now);
    }

    /// [`Output::ToHost`], handed to the session that let the guest in.
    pub fn handle_to_host(&mut self, guest: PeerId, said: ToHost, now: Time) {
        let Phase::Waiting(waiting) = &mut self.phase else { return };
        let Some(state) = waiting.guests.get_mut(&guest) else { return };
        match (said.0, &state) {
            (Errand::BePatient, _) => self.room.be_patient(),
            (Errand::Post(body), Guest::Here) => self.room.post(guest, body),
            (Errand::Leave, Guest::Here) => *state = Guest::Leaving(now + LEAVING),
            (Errand::Leave, Guest::Gone) => waiting.forget(guest),
            // For somebody who has left the room.
            (Errand::Post(_) | Errand::Leave, _) => {}
        }
        self.end_without_guests(now);
    }

    /// Its words are right: it gets a session.
    pub(super) fn admit_guest(&mut self, peer: PeerId, keys: Keys, now: Time) {
        let mut seed = [0; 32];
        self.random.fill_bytes(&mut seed);
        let (name, throttled, lanes) = (self.name.clone(), self.throttled, self.lanes);
        // A call is between two.
        let config = Config { name, seed, media: false, throttled, lanes };
        let mut guest = Self::new(config, None, Room::through(), Phase::Closed);
        guest.ice = self.ice.clone();
        let link = guest.greet(peer, true, keys);
        guest.linked(link, now);
        if let Phase::Waiting(waiting) = &mut self.phase {
            waiting.guests.insert(peer, Guest::Here);
            waiting.new.push_back(guest);
            self.outputs.push_back(Output::Guest(peer));
        }
    }

    /// The room takes nobody else, and who is not through with its proof has to go.
    pub(super) fn lock_out(&mut self) {
        self.room.lock();
        if let Phase::Waiting(waiting) = &mut self.phase {
            let arrivals = std::mem::take(&mut waiting.arrivals);
            arrivals.keys().for_each(|peer| self.room.dismiss(*peer));
        }
    }

    pub(super) fn admit_nobody_but(&mut self, closed: Closed, now: Time) {
        self.lock_out();
        if let Phase::Waiting(waiting) = &mut self.phase {
            waiting.admits = Admits::Nobody(closed);
            self.end_without_guests(now);
        }
    }

    fn end_without_guests(&mut self, now: Time) {
        if let Phase::Waiting(waiting) = &self.phase
            && let Admits::Nobody(closed) = &waiting.admits
            && !waiting.has_guests()
        {
            self.break_off(closed.clone(), now);
        }
    }

    /// What the room says of a guest's peer.
    pub(super) fn pass_on(&mut self, guest: PeerId, event: RoomEvent) {
        self.outputs.push_back(Output::ToGuest(guest, ToGuest(event)));
    }

    /// What the room says of itself.
    pub(super) fn pass_on_to_all(&mut self, event: &RoomEvent) {
        let Phase::Waiting(waiting) = &self.phase else { return };
        let guests: Vec<PeerId> = waiting.guests.keys().copied().collect();
        guests.into_iter().for_each(|guest| self.pass_on(guest, event.clone()));
    }

    pub(super) fn guest_presence(&mut self, peer: PeerId, presence: Presence) {
        self.pass_on(peer, RoomEvent::Presence { peer, presence });
        let Phase::Waiting(waiting) = &mut self.phase else { return };
        match waiting.guests.get_mut(&peer) {
            Some(guest @ Guest::Here) if presence == Presence::Left => *guest = Guest::Gone,
            Some(Guest::Leaving(_)) if presence == Presence::Left => waiting.forget(peer),
            _ => {}
        }
    }
}
