//! Who is in which room, and what is kept for whom: a plain struct without sockets and clock.
//!
//! ```text
//! socket:  Silent ──Open, Join, Resume──> Attached ──Leave · refused · superseded · room over──> Over
//! seat:    Here <──socket closed, Resume──> Away ──Leave · dismissed · 24 h──> gone
//! room:    open ──Lock──> locked ──opener leaves · 10 min with nobody attached──> gone
//!            └── opener leaves · 1 min with nobody attached · 24 h with nobody joined ──┘
//! ```
//!
//! Every input returns what is to be sent and closed, in that order for each socket.
mod nameplates;
mod room;
mod seats;
#[cfg(test)]
mod tests;
mod timers;

use crate::{
    Hostile,
    limits::{AddressGroup, Bucket, Budgets, Limits},
    metrics::Metrics,
};
use beeline_core::{
    time::Time,
    wire::signal::{
        Ack, Acked, Dismiss, Ice, Leave, Locator, Lock, MAX_SIGNAL_LEN, Message, PeerId, PeerState, Post,
        Presence, Reason, Refused, ToPeer, ToServer,
    },
};
use nameplates::Nameplates;
use room::{OPENER, ROOM_BYTES, Room, Taken, Token};
use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

/// A posted body is this much shorter than a whole message, so that what the server puts around it always fits.
const MAX_BODY_LEN: usize = MAX_SIGNAL_LEN - 64;

/// Names one socket; never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// What is to be done with a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Send it.
    Send(ConnectionId, ToPeer),
    /// Close it, after what was sent.
    Close(ConnectionId),
}

/// Why a socket is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// There are too many.
    Full,
    /// Its address has too many.
    Address,
}

/// What every room of a server has in common.
pub(crate) struct Settings {
    /// Handed to peers.
    pub(crate) ice: Vec<Ice>,
    /// Names program and page.
    pub(crate) build: String,
    /// What one socket and one address may use.
    pub(crate) limits: Limits,
    /// For tests of the peers.
    pub(crate) hostile: Hostile,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct RoomId(u64);

struct Socket {
    from: AddressGroup,
    messages: Bucket,
    state: SocketState,
}

#[derive(Clone, Copy)]
enum SocketState {
    /// Has said nothing since it came.
    Silent(Time),
    /// Has a seat.
    Attached(RoomId, PeerId),
    /// Its seat is gone, or another socket's. Whatever comes is ignored.
    Over(Time),
}

/// Fills its argument with random bytes that nobody can guess.
pub(crate) type Random = Box<dyn FnMut(&mut [u8]) + Send>;

/// All rooms of a server.
pub(crate) struct Rooms {
    settings: Settings,
    metrics: Arc<Metrics>,
    random: Random,
    budgets: Budgets,
    nameplates: Nameplates,
    sockets: HashMap<ConnectionId, Socket>,
    rooms: HashMap<RoomId, Room>,
    by_locator: HashMap<Locator, RoomId>,
    by_token: HashMap<Token, (RoomId, PeerId)>,
    next_room: u64,
    /// Bytes of messages kept, over all rooms.
    kept_bytes: usize,
    outputs: Vec<Output>,
}

impl Rooms {
    /// No rooms yet.
    pub(crate) fn new(settings: Settings, metrics: Arc<Metrics>, random: Random) -> Self {
        Self {
            budgets: Budgets::new(settings.limits.clone()),
            settings,
            metrics,
            random,
            nameplates: Nameplates::default(),
            sockets: HashMap::new(),
            rooms: HashMap::new(),
            by_locator: HashMap::new(),
            by_token: HashMap::new(),
            next_room: 0,
            kept_bytes: 0,
            outputs: Vec::new(),
        }
    }

    /// A socket wants in. If it is admitted, [`Rooms::handle_closed`] must follow some day.
    pub(crate) fn handle_connected(
        &mut self,
        connection: ConnectionId,
        from: AddressGroup,
        now: Time,
    ) -> Result<(), NotAdmitted> {
        if self.sockets.len() >= self.settings.limits.sockets {
            Metrics::count(&self.metrics.limited_sockets);
            return Err(NotAdmitted::Full);
        }
        if !self.budgets.socket(from, now) {
            Metrics::count(&self.metrics.limited_sockets);
            return Err(NotAdmitted::Address);
        }
        let limits = &self.settings.limits;
        let messages = Bucket::full(limits.message_burst, limits.messages_per_second, now);
        self.sockets.insert(connection, Socket { from, messages, state: SocketState::Silent(now) });
        self.gauges();
        Ok(())
    }

    /// A message came. Bad ones close their socket.
    pub(crate) fn handle(&mut self, connection: ConnectionId, message: &[u8], now: Time) -> Vec<Output> {
        let Some(socket) = self.sockets.get_mut(&connection) else { return Vec::new() };
        if matches!(socket.state, SocketState::Over(_)) {
            return Vec::new();
        }
        Metrics::count(&self.metrics.messages_in);
        if let Err(wait) = socket.messages.take(now) {
            Metrics::count(&self.metrics.limited_messages);
            self.refuse(connection, Reason::RateLimited, "too many messages at once", Some(wait), now);
        } else if message.len() > MAX_SIGNAL_LEN {
            self.refuse(connection, Reason::BadMessage, "the message is longer than 64 KiB", None, now);
        } else {
            match ToServer::decode(message) {
                Ok(Some(frame)) => self.dispatch(connection, frame, now),
                Ok(None) => {} // a later version's, which may be skipped
                Err(error) => self.refuse(connection, Reason::BadMessage, &error.to_string(), None, now),
            }
        }
        self.take_outputs()
    }

    /// Something came that is no binary message.
    pub(crate) fn handle_not_binary(&mut self, connection: ConnectionId, now: Time) -> Vec<Output> {
        self.refuse(connection, Reason::BadMessage, "messages are binary", None, now);
        self.take_outputs()
    }

    /// A socket is gone; its seat waits.
    pub(crate) fn handle_closed(&mut self, connection: ConnectionId, now: Time) -> Vec<Output> {
        if let Some(socket) = self.sockets.remove(&connection) {
            self.budgets.socket_closed(socket.from);
            if let SocketState::Attached(room, peer) = socket.state {
                self.detach(room, peer, now);
            }
        }
        self.take_outputs()
    }

    fn dispatch(&mut self, connection: ConnectionId, frame: ToServer, now: Time) {
        let Some(socket) = self.sockets.get(&connection) else { return };
        match (socket.state, frame) {
            (SocketState::Silent(_), ToServer::Open(open)) => self.open(connection, open, now),
            (SocketState::Silent(_), ToServer::Join(join)) => self.join(connection, join, now),
            (SocketState::Silent(_), ToServer::Resume(resume)) => self.resume(connection, resume, now),
            (SocketState::Attached(room, peer), ToServer::Post(post)) => {
                self.post(connection, room, peer, post, now)
            }
            (SocketState::Attached(room, peer), ToServer::Ack(Ack { peer: other, seq })) => {
                // Of somebody who has left meanwhile: no mistake.
                let queues = self.rooms.get_mut(&room).and_then(|r| r.queues(peer, other));
                if queues.is_some_and(|(_, incoming)| incoming.trim(seq)) {
                    self.acknowledged(room, peer, other);
                }
            }
            (SocketState::Attached(room, OPENER), ToServer::Lock(Lock {})) => {
                if let Some(room) = self.rooms.get_mut(&room) {
                    room.locked = true;
                }
            }
            (SocketState::Attached(room, OPENER), ToServer::Dismiss(Dismiss { peer })) => {
                self.dismiss(connection, room, peer, now)
            }
            (SocketState::Attached(room, peer), ToServer::Leave(Leave {})) => {
                self.over(connection, now);
                self.leave(room, peer, now);
                self.outputs.push(Output::Close(connection));
            }
            _ => self.refuse(connection, Reason::BadMessage, "this message makes no sense now", None, now),
        }
    }

    fn post(&mut self, connection: ConnectionId, room_id: RoomId, peer: PeerId, post: Post, now: Time) {
        let Post { to, seq, ack, mut body } = post;
        let Some(room) = self.rooms.get_mut(&room_id) else { return };
        let (next_peer, room_bytes) = (room.next_peer, room.bytes());
        let Some((outgoing, incoming)) = room.queues(peer, to) else {
            // Somebody who has left meanwhile is no mistake; somebody who was never there is.
            if peer != OPENER || to == OPENER || to >= next_peer {
                self.refuse(connection, Reason::BadMessage, "no such peer", None, now);
            }
            return;
        };
        let news = incoming.trim(ack);
        if let Some(tamper) = &self.settings.hostile.tamper {
            body = tamper(peer, to, body);
        }
        let no_space = room_bytes + body.len() > ROOM_BYTES
            || self.kept_bytes + body.len() > self.settings.limits.kept_bytes;
        let taken = match body.len() {
            len if len > MAX_BODY_LEN => {
                return self.refuse(connection, Reason::BadMessage, "the body is too long", None, now);
            }
            _ if no_space && seq == outgoing.accepted + 1 => Taken::Full,
            _ => outgoing.take(seq, body.clone()),
        };
        let message = ToPeer::from(Message { from: peer, seq, ack: incoming.acked, body });
        match taken {
            Taken::New => {
                if let Some(receiver) = self.connection_of(room_id, to) {
                    self.outputs.push(Output::Send(receiver, message));
                }
            }
            Taken::Repeated if news => self.acknowledged(room_id, peer, to),
            Taken::Repeated => {}
            Taken::Gap => {
                self.refuse(connection, Reason::BadMessage, "a message before it is missing", None, now)
            }
            Taken::Full => {
                let wait = Some(Duration::from_secs(1));
                self.refuse(connection, Reason::Busy, "the other side has not read what was sent", wait, now);
            }
        }
        self.recount(room_id);
    }

    /// Tells `other` how far `peer` has its messages.
    fn acknowledged(&mut self, room: RoomId, peer: PeerId, other: PeerId) {
        let Some((_, incoming)) = self.rooms.get_mut(&room).and_then(|r| r.queues(peer, other)) else {
            return;
        };
        let acked = Acked { peer, seq: incoming.acked };
        if let Some(connection) = self.connection_of(room, other) {
            self.outputs.push(Output::Send(connection, acked.into()));
        }
        self.recount(room);
    }

    fn connection_of(&mut self, room: RoomId, peer: PeerId) -> Option<ConnectionId> {
        self.rooms.get_mut(&room)?.seat(peer)?.connection
    }

    fn send(&mut self, connection: ConnectionId, frame: impl Into<ToPeer>) {
        self.outputs.push(Output::Send(connection, frame.into()));
    }

    fn tell_others(&mut self, room: RoomId, peer: PeerId, presence: Presence) {
        let Some(room) = self.rooms.get(&room) else { return };
        for other in room.others(peer) {
            self.outputs.push(Output::Send(other, PeerState { peer, presence }.into()));
        }
    }

    /// Says why and closes. The seat, if there is one, waits.
    fn refuse(
        &mut self,
        connection: ConnectionId,
        reason: Reason,
        message: &str,
        wait: Option<Duration>,
        now: Time,
    ) {
        let Some(socket) = self.sockets.get(&connection) else { return };
        let state = socket.state;
        if matches!(state, SocketState::Over(_)) {
            return;
        }
        self.over(connection, now);
        let retry_ms = wait.map(|w| u32::try_from(w.as_millis()).unwrap_or(u32::MAX).max(1));
        self.send(connection, Refused { reason, message: message.into(), retry_ms });
        self.outputs.push(Output::Close(connection));
        if let SocketState::Attached(room, peer) = state {
            self.detach(room, peer, now);
        }
    }

    fn over(&mut self, connection: ConnectionId, now: Time) {
        if let Some(socket) = self.sockets.get_mut(&connection) {
            socket.state = SocketState::Over(now);
        }
    }

    /// Brings [`Rooms::kept_bytes`] up to date after something in `room` changed.
    fn recount(&mut self, room: RoomId) {
        let Some(room) = self.rooms.get_mut(&room) else { return };
        let bytes = room.bytes();
        self.kept_bytes = self.kept_bytes - room.counted_bytes + bytes;
        room.counted_bytes = bytes;
    }

    fn gauges(&self) {
        Metrics::set(&self.metrics.connections, self.sockets.len());
        Metrics::set(&self.metrics.rooms, self.rooms.len());
        Metrics::set(&self.metrics.kept_bytes, self.kept_bytes);
    }

    fn take_outputs(&mut self) -> Vec<Output> {
        self.gauges();
        let sent = self.outputs.iter().filter(|o| matches!(o, Output::Send(..))).count();
        Metrics::add(&self.metrics.messages_out, sent);
        std::mem::take(&mut self.outputs)
    }
}

/// Tokens and codes stay out of it.
impl fmt::Debug for Rooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rooms")
            .field("rooms", &self.rooms.len())
            .field("sockets", &self.sockets.len())
            .finish_non_exhaustive()
    }
}
