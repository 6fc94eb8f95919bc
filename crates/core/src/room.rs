//! A peer's end of a room: numbered messages that survive dropped sockets.
//!
//! ```text
//! Down ──socket open──> Greeting ──Opened/Joined/Resumed──> Attached
//!  ^                       │ refused, 10 s                     │ socket closed
//!  └───────────────────────┴───────────────────────────────────┘      Ended: left, or refused for good
//! ```
//!
//! A guest's session has no room of its own: it goes `Through` the one of the session that let it in
//! (`session/guests.rs`).
use crate::{
    map::Set,
    output::Closed,
    rtc::IceServer,
    time::Time,
    wire::signal::{
        Ack, Cursor, Dismiss, Join, Leave, Locator, Lock, Message, Open, PeerId, Post, Presence, Reason,
        Refused, Resume, ToPeer, ToServer,
    },
    wire::{SUITES, VERSIONS},
};
use litemap::LiteMap;
use std::{collections::VecDeque, time::Duration};

/// A server that has not greeted by then is no Beeline server, or overloaded.
const GREETING: Duration = Duration::from_secs(10);
/// Waiting between tries to connect grows from the one to the other.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// Tries before the first success; then the address is wrong or the server down.
const FIRST_TRIES: u32 = 2;
/// A room that could not be reached for so long is given up, unless the peers are connected anyway.
const GIVE_UP: Duration = Duration::from_secs(90);

/// Joiners at the same time, at most. How many are let in is the opener's business, not the server's: it locks the room.
const JOINERS: u8 = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum RoomEvent {
    Opened {
        nameplate: Option<u32>,
        ice: Vec<IceServer>,
    },
    Joined {
        ice: Vec<IceServer>,
        versions: Vec<u8>,
        suites: Vec<u8>,
    },
    PeerJoined {
        peer: PeerId,
        versions: Vec<u8>,
        suites: Vec<u8>,
    },
    Body {
        from: PeerId,
        body: Vec<u8>,
    },
    Presence {
        peer: PeerId,
        presence: Presence,
    },
    /// Fresh STUN and TURN servers.
    Ice(Vec<IceServer>),
    Ended(Closed),
}

#[derive(Debug)]
pub(crate) enum RoomOutput {
    Connect,
    Disconnect,
    Send(Vec<u8>),
    /// For the session that has the room.
    Errand(Errand),
}

/// What a guest's session asks of the one that has the room.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Errand {
    Post(Vec<u8>),
    BePatient,
    Leave,
}

#[derive(Debug)]
enum State {
    Down { retry: Option<Time> },
    Greeting { since: Time },
    Attached,
    Through,
    Ended,
}

#[derive(Debug, Default)]
struct Mailbox {
    posted: u64,
    unacknowledged: VecDeque<(u64, Vec<u8>)>,
    received: u64,
    owes_ack: bool,
}

pub(crate) struct Room {
    locator: Option<Locator>,
    is_opener: bool,
    state: State,
    token: Option<[u8; 16]>,
    mailboxes: LiteMap<PeerId, Mailbox>,
    /// Said to the server, and said again after a resume, since either may have been lost with a socket.
    locked: bool,
    dismissed: Set<PeerId>,
    /// Never give up: the two sides hear each other, and may need the room later.
    patient: bool,
    down_since: Option<Time>,
    tries: u32,
    events: VecDeque<RoomEvent>,
    outputs: VecDeque<RoomOutput>,
}

impl Room {
    pub(crate) fn open() -> Self {
        let outputs = VecDeque::from([RoomOutput::Connect]);
        Self { outputs, ..Self::new(None, true, State::Down { retry: None }) }
    }

    pub(crate) fn join(locator: Locator) -> Self {
        let outputs = VecDeque::from([RoomOutput::Connect]);
        Self { outputs, ..Self::new(Some(locator), false, State::Down { retry: None }) }
    }

    /// A guest's way through another session's room.
    pub(crate) fn through() -> Self {
        Self::new(None, true, State::Through)
    }

    fn new(locator: Option<Locator>, is_opener: bool, state: State) -> Self {
        Self {
            locator,
            is_opener,
            state,
            token: None,
            mailboxes: LiteMap::new(),
            locked: false,
            dismissed: Set::default(),
            patient: false,
            down_since: None,
            tries: 0,
            events: VecDeque::new(),
            outputs: VecDeque::new(),
        }
    }

    pub(crate) fn handle_open(&mut self, now: Time) {
        if matches!(self.state, State::Ended | State::Through) {
            return;
        }
        self.state = State::Greeting { since: now };
        let (versions, suites) = (VERSIONS.to_vec(), SUITES.to_vec());
        let hello = match (&self.token, &self.locator) {
            (Some(token), _) => ToServer::Resume(Resume { token: *token, received: self.cursors() }),
            (None, Some(locator)) if !self.is_opener => {
                Join { versions, suites, locator: locator.clone() }.into()
            }
            (None, locator) => Open { versions, suites, locator: locator.clone(), joiners: JOINERS }.into(),
        };
        self.send(hello);
    }

    fn cursors(&self) -> Vec<Cursor> {
        self.mailboxes.iter().map(|(peer, m)| Cursor { peer: *peer, seq: m.received }).collect()
    }

    /// `why` is for the person, should it be the last straw.
    pub(crate) fn handle_closed(&mut self, why: &str, now: Time) {
        // After a refusal the wait is settled already.
        if matches!(self.state, State::Ended | State::Through | State::Down { retry: Some(_) }) {
            return;
        }
        self.down(why, Duration::ZERO, now);
    }

    /// Tries again, after `wait` at least, or gives up.
    fn down(&mut self, why: &str, wait: Duration, now: Time) {
        self.tries += 1;
        let since = *self.down_since.get_or_insert(now);
        let is_hopeless = self.token.is_none() && self.tries >= FIRST_TRIES;
        if !self.patient && (is_hopeless || now.since(since) > GIVE_UP) {
            return self.end(Closed::Server(why.to_owned()));
        }
        let backoff = RETRY.0.saturating_mul(1 << self.tries.min(6)).min(RETRY.1);
        self.state = State::Down { retry: Some(now + backoff.max(wait)) };
    }

    /// From now on the room is kept, or opened again, for as long as the session lives.
    pub(crate) fn be_patient(&mut self) {
        self.patient = true;
        if matches!(self.state, State::Through) {
            self.outputs.push_back(RoomOutput::Errand(Errand::BePatient));
        }
    }

    /// The session that has the room passes on what it says of this session's peer.
    pub(crate) fn handle_passed_on(&mut self, event: RoomEvent) {
        if matches!(self.state, State::Through) {
            self.events.push_back(event);
        }
    }

    pub(crate) fn handle_message(&mut self, message: &[u8], now: Time) {
        if matches!(self.state, State::Ended | State::Through) {
            return;
        }
        match ToPeer::decode(message) {
            Ok(Some(message)) => self.handle(message, now),
            Ok(None) => {}
            Err(error) => self.end(Closed::Server(format!("this is no Beeline server: {error}"))),
        }
    }

    fn handle(&mut self, message: ToPeer, now: Time) {
        match (&self.state, message) {
            (State::Greeting { .. }, ToPeer::Opened(m)) if self.is_opener && self.token.is_none() => {
                self.attached(Some(m.token));
                let ice = m.ice.into_iter().map(IceServer::from).collect();
                self.events.push_back(RoomEvent::Opened { nameplate: m.nameplate, ice });
            }
            // Once only: a server that could repeat it would have the joiner prove its words again and again.
            (State::Greeting { .. }, ToPeer::Joined(m)) if !self.is_opener && self.token.is_none() => {
                self.attached(Some(m.token));
                let ice = m.ice.into_iter().map(IceServer::from).collect();
                self.events.push_back(RoomEvent::Joined { ice, versions: m.versions, suites: m.suites });
            }
            (State::Greeting { .. }, ToPeer::Resumed(m)) if self.token.is_some() => {
                self.attached(None);
                self.events.push_back(RoomEvent::Ice(m.ice.into_iter().map(IceServer::from).collect()));
                self.repeat(&m.accepted);
            }
            (State::Attached, ToPeer::PeerJoined(m)) if self.is_opener => {
                if self.mailboxes.contains_key(&m.peer) || self.dismissed.contains(&m.peer) {
                    return; // said again after a resume
                }
                self.mailboxes.insert(m.peer, Mailbox::default());
                let (peer, versions, suites) = (m.peer, m.versions, m.suites);
                self.events.push_back(RoomEvent::PeerJoined { peer, versions, suites });
            }
            (State::Attached, ToPeer::Message(m)) => self.deliver(m),
            (State::Attached, ToPeer::Acked(m)) => self.trim(m.peer, m.seq),
            (State::Attached, ToPeer::PeerState(m)) => {
                if m.presence == Presence::Left {
                    self.mailboxes.remove(&m.peer);
                }
                self.events.push_back(RoomEvent::Presence { peer: m.peer, presence: m.presence });
            }
            (_, ToPeer::Refused(refused)) => self.refused(refused, now),
            // A server that says the wrong thing at the wrong time gains nothing by it.
            (_, _) => tracing::debug!("the server said something out of turn"),
        }
    }

    fn attached(&mut self, token: Option<[u8; 16]>) {
        self.token = token.or(self.token);
        self.state = State::Attached;
        self.down_since = None;
        self.tries = 0;
    }

    fn repeat(&mut self, accepted: &[Cursor]) {
        let mut again = Vec::new();
        for (peer, mailbox) in &self.mailboxes {
            let there = accepted.iter().find(|c| c.peer == *peer).map_or(0, |c| c.seq);
            for (seq, body) in mailbox.unacknowledged.iter().filter(|(seq, _)| *seq > there) {
                let post = Post { to: *peer, seq: *seq, ack: mailbox.received, body: body.clone() };
                again.push(ToServer::from(post));
            }
        }
        again.into_iter().for_each(|post| self.send(post));
        if self.locked {
            self.send(Lock {}.into());
        }
        for peer in self.dismissed.clone().iter().copied() {
            self.send(Dismiss { peer }.into());
        }
    }

    fn deliver(&mut self, message: Message) {
        if self.dismissed.contains(&message.from) {
            return;
        }
        let mailbox = self.mailboxes.entry(message.from).or_default();
        mailbox.owes_ack = true;
        let is_next = message.seq == mailbox.received + 1;
        if is_next {
            mailbox.received = message.seq;
        }
        self.trim(message.from, message.ack);
        // Lower: a repetition. Higher: something was lost on the way, and will be repeated after a resume.
        if is_next {
            self.events.push_back(RoomEvent::Body { from: message.from, body: message.body });
        }
    }

    fn trim(&mut self, peer: PeerId, seq: u64) {
        if let Some(mailbox) = self.mailboxes.get_mut(&peer) {
            while mailbox.unacknowledged.front().is_some_and(|(s, _)| *s <= seq) {
                mailbox.unacknowledged.pop_front();
            }
        }
    }

    fn refused(&mut self, refused: Refused, now: Time) {
        let closed = match refused.reason {
            Reason::Draining | Reason::Busy if refused.retry_ms.is_some() => {
                let wait = Duration::from_millis(u64::from(refused.retry_ms.unwrap_or(1000)).min(10_000));
                self.outputs.push_back(RoomOutput::Disconnect);
                return self.down("the server is busy or restarting", wait, now);
            }
            // A wrong guess is told by the opener before; put out without that means too slow, or too late.
            Reason::NoRoom | Reason::Dismissed => Closed::NoRoom,
            Reason::RateLimited => {
                let wait = refused.retry_ms.unwrap_or(60_000).div_ceil(1000);
                Closed::Server(format!("too many tries from this address; try again in {wait} s"))
            }
            Reason::BadMessage | Reason::Superseded | Reason::Busy | Reason::Draining | Reason::Version => {
                Closed::Server(format!("the server refused: {}", crate::quote::quote(&refused.message)))
            }
        };
        self.end(closed);
    }

    /// Sends a body, now or after the socket is back.
    pub(crate) fn post(&mut self, to: PeerId, body: Vec<u8>) {
        if matches!(self.state, State::Through) {
            return self.outputs.push_back(RoomOutput::Errand(Errand::Post(body)));
        }
        let mailbox = self.mailboxes.entry(to).or_default();
        mailbox.posted += 1;
        mailbox.owes_ack = false;
        let post = Post { to, seq: mailbox.posted, ack: mailbox.received, body };
        mailbox.unacknowledged.push_back((post.seq, post.body.clone()));
        if matches!(self.state, State::Attached) {
            self.send(post.into());
        }
    }

    /// Puts a joiner out. What it has sent and not been answered is forgotten.
    pub(crate) fn dismiss(&mut self, peer: PeerId) {
        self.mailboxes.remove(&peer);
        self.dismissed.insert(peer);
        if matches!(self.state, State::Attached) {
            self.send(Dismiss { peer }.into());
        }
    }

    /// Lets nobody else in.
    pub(crate) fn lock(&mut self) {
        self.locked = true;
        if matches!(self.state, State::Attached) {
            self.send(Lock {}.into());
        }
    }

    /// Leaves for good.
    pub(crate) fn leave(&mut self) {
        match self.state {
            State::Attached => self.send(Leave {}.into()),
            State::Ended => return,
            State::Through => {
                self.state = State::Ended;
                return self.outputs.push_back(RoomOutput::Errand(Errand::Leave));
            }
            State::Down { .. } | State::Greeting { .. } => {}
        }
        self.state = State::Ended;
        self.outputs.push_back(RoomOutput::Disconnect);
    }

    pub(crate) fn is_attached(&self) -> bool {
        matches!(self.state, State::Attached)
    }

    fn end(&mut self, closed: Closed) {
        self.state = State::Ended;
        self.outputs.push_back(RoomOutput::Disconnect);
        self.events.push_back(RoomEvent::Ended(closed));
    }

    fn send(&mut self, message: ToServer) {
        self.outputs.push_back(RoomOutput::Send(message.encode()));
    }

    pub(crate) fn poll_event(&mut self) -> Option<RoomEvent> {
        self.events.pop_front()
    }

    pub(crate) fn poll_output(&mut self) -> Option<RoomOutput> {
        if self.outputs.is_empty() && self.is_attached() {
            let owing = self.mailboxes.iter_mut().find(|(_, m)| m.owes_ack);
            let ack = owing.map(|(peer, mailbox)| {
                mailbox.owes_ack = false;
                Ack { peer: *peer, seq: mailbox.received }
            });
            ack.into_iter().for_each(|ack| self.send(ack.into()));
        }
        self.outputs.pop_front()
    }

    pub(crate) fn timeout(&self) -> Option<Time> {
        match self.state {
            State::Down { retry } => retry,
            State::Greeting { since } => Some(since + GREETING),
            State::Attached | State::Through | State::Ended => None,
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) {
        match self.state {
            State::Down { retry: Some(retry) } if now >= retry => {
                self.state = State::Down { retry: None };
                self.outputs.push_back(RoomOutput::Connect);
            }
            State::Greeting { since } if now >= since + GREETING => {
                self.outputs.push_back(RoomOutput::Disconnect);
                self.handle_closed("the server does not answer", now);
            }
            _ => {}
        }
    }
}

impl std::fmt::Debug for Room {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Room").field("state", &self.state).field("tries", &self.tries).finish_non_exhaustive()
    }
}
