//! Rooms under a made-up clock: no socket, nothing sleeps.
mod bounds;
mod lives;
mod messages;

use super::*;
use beeline_core::wire::signal::{Cursor, Join, Joined, Open, Opened, PeerJoined, Resume, Resumed};

/// Rooms, the time, and what each socket was sent.
struct World {
    rooms: Rooms,
    now: Time,
    next: u64,
    sent: HashMap<ConnectionId, Vec<ToPeer>>,
    closed: Vec<ConnectionId>,
    from: AddressGroup,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default(), Hostile::default())
    }

    fn with(limits: Limits, hostile: Hostile) -> Self {
        let settings = Settings { ice: Vec::new(), build: "test".into(), limits, hostile };
        let random = Box::new(|bytes: &mut [u8]| getrandom::fill(bytes).unwrap());
        Self {
            rooms: Rooms::new(settings, Arc::new(Metrics::default()), random),
            now: Time::default(),
            next: 0,
            sent: HashMap::new(),
            closed: Vec::new(),
            from: AddressGroup::of([127, 0, 0, 1].into()),
        }
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(to, frame) => {
                    assert!(!self.closed.contains(&to), "{frame:?} to a closed socket");
                    self.sent.entry(to).or_default().push(frame);
                }
                Output::Close(socket) => self.closed.push(socket),
            }
        }
    }

    fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        self.rooms.handle_connected(id, self.from, self.now).unwrap();
        id
    }

    fn say(&mut self, socket: ConnectionId, frame: impl Into<ToServer>) {
        let outputs = self.rooms.handle(socket, &frame.into().encode(), self.now);
        self.take(outputs);
    }

    fn cut(&mut self, socket: ConnectionId) {
        let outputs = self.rooms.handle_closed(socket, self.now);
        self.take(outputs);
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        let outputs = self.rooms.handle_time(self.now);
        self.take(outputs);
    }

    /// What the socket was sent since the last time.
    fn heard(&mut self, socket: ConnectionId) -> Vec<ToPeer> {
        self.sent.remove(&socket).unwrap_or_default()
    }

    fn open_with(&mut self, locator: Option<Locator>, joiners: u8) -> (ConnectionId, Opened) {
        let socket = self.connect();
        self.say(socket, Open { versions: vec![1], suites: vec![1], locator, joiners });
        match self.heard(socket).remove(0) {
            ToPeer::Opened(opened) => (socket, opened),
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self) -> (ConnectionId, Opened) {
        self.open_with(None, 1)
    }

    fn ask_to_join(&mut self, locator: Locator) -> (ConnectionId, Vec<ToPeer>) {
        let socket = self.connect();
        self.say(socket, Join { versions: vec![1, 2], suites: vec![1], locator });
        let heard = self.heard(socket);
        (socket, heard)
    }

    fn join(&mut self, opened: &Opened) -> (ConnectionId, Joined) {
        let (socket, mut heard) = self.ask_to_join(Locator::Nameplate(opened.nameplate.unwrap()));
        match heard.remove(0) {
            ToPeer::Joined(joined) => (socket, joined),
            other => panic!("{other:?}"),
        }
    }

    /// An opener and its only joiner, who have heard of each other.
    fn pair(&mut self) -> (ConnectionId, Opened, ConnectionId, Joined) {
        let (a, opened) = self.open();
        let (b, joined) = self.join(&opened);
        assert!(matches!(self.heard(a)[..], [ToPeer::PeerJoined(PeerJoined { peer: 1, .. })]));
        (a, opened, b, joined)
    }

    fn post(&mut self, socket: ConnectionId, to: PeerId, seq: u64, ack: u64) {
        self.say(socket, Post { to, seq, ack, body: vec![seq as u8] });
    }

    fn resume(&mut self, token: Token, received: &[(PeerId, u64)]) -> ConnectionId {
        let socket = self.connect();
        let received = received.iter().map(|&(peer, seq)| Cursor { peer, seq }).collect();
        self.say(socket, Resume { token, received });
        socket
    }

    fn is_refused(&mut self, socket: ConnectionId) -> Option<Reason> {
        let heard = self.heard(socket);
        let Some(ToPeer::Refused(refused)) = heard.last() else { return None };
        assert!(self.closed.contains(&socket), "refused but not closed");
        Some(refused.reason)
    }
}

fn message(from: PeerId, seq: u64, ack: u64) -> ToPeer {
    Message { from, seq, ack, body: vec![seq as u8] }.into()
}

fn state(peer: PeerId, presence: Presence) -> ToPeer {
    PeerState { peer, presence }.into()
}
