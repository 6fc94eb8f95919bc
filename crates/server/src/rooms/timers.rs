//! What happens because nothing happened, and the end of the server.
use super::{
    ConnectionId, Output, RoomId, Rooms, SocketState,
    room::{OPENER, Room},
    seats::NO_ROOM,
};
use beeline_core::{
    time::Time,
    wire::signal::{PeerId, Presence, Reason},
};
use std::time::Duration;

/// A code lives this long at most, and an empty seat as long.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// A socket whose seat is gone is closed after this, if its peer does not do so.
const OVER: Duration = Duration::from_secs(10);
/// When a stopped server's peers may come again: between these, so that they do not all come at once.
const RETRY_MS: std::ops::Range<u32> = 500..5_000;

impl Rooms {
    /// Time has passed. To be called about once a second.
    pub(crate) fn handle_time(&mut self, now: Time) -> Vec<Output> {
        self.close_idle_sockets(now);
        let rooms: Vec<RoomId> = self.rooms.keys().copied().collect();
        for id in rooms {
            let Some(room) = self.rooms.get(&id) else { continue };
            if room.is_abandoned(now) || gone_for_good(room, now) {
                self.end(id, now);
                continue;
            }
            let is_expired = now.since(room.opened) >= LONGEST;
            let opener = room.opener.connection.filter(|_| room.joiners.is_empty());
            for joiner in empty_seats(room, now) {
                self.tell_others(id, joiner, Presence::Left);
                self.remove_joiner(id, joiner);
            }
            if is_expired {
                self.expire(id);
                if let Some(room) = self.rooms.get_mut(&id) {
                    room.locked = true;
                }
            }
            // At once, or when the last of those who came in time has left.
            if is_expired && let Some(opener) = opener {
                self.refuse(opener, Reason::NoRoom, NO_ROOM, None, now);
                self.end(id, now);
            }
        }
        self.budgets.forget_idle(now);
        self.take_outputs()
    }

    /// The server stops: tells every socket when to come again, and closes it.
    pub(crate) fn drain(&mut self, now: Time) -> Vec<Output> {
        let mut sockets: Vec<ConnectionId> = self.sockets.keys().copied().collect();
        sockets.sort();
        for connection in sockets {
            let mut bytes = [0; 4];
            (self.random)(&mut bytes);
            let wait = RETRY_MS.start + u32::from_le_bytes(bytes) % (RETRY_MS.end - RETRY_MS.start);
            let wait = Duration::from_millis(wait.into());
            self.refuse(connection, Reason::Draining, "the server is stopping", Some(wait), now);
        }
        self.take_outputs()
    }

    fn close_idle_sockets(&mut self, now: Time) {
        let hello_within = self.settings.limits.hello_within;
        let states: Vec<_> = self.sockets.iter().map(|(&id, s)| (id, s.state)).collect();
        for (connection, state) in states {
            match state {
                SocketState::Silent(since) if now.since(since) >= hello_within => {
                    self.refuse(connection, Reason::BadMessage, "said nothing for too long", None, now);
                }
                SocketState::Over(since) if now.since(since) >= OVER => {
                    self.outputs.push(Output::Close(connection));
                }
                _ => {}
            }
        }
    }
}

fn gone_for_good(room: &Room, now: Time) -> bool {
    room.opener.connection.is_none() && now.since(room.opener.since) >= LONGEST
}

fn empty_seats(room: &Room, now: Time) -> Vec<PeerId> {
    debug_assert!(!room.joiners.contains_key(&OPENER));
    room.joiners
        .iter()
        .filter(|(_, j)| j.seat.connection.is_none() && now.since(j.seat.since) >= LONGEST)
        .map(|(&peer, _)| peer)
        .collect()
}
