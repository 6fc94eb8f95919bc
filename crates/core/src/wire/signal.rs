//! Between a peer and the server: rooms, and numbered messages through them.
//!
//! ```text
//! opener                         server                         joiner
//!   │── Open ──────────────────────>│                              │
//!   │<── Opened: nameplate, token ──│                              │
//!   │                               │<──────────────── Join ───────│
//!   │<── PeerJoined ────────────────│── Joined: token ────────────>│
//!   │── Post{seq, ack, body} ──────>│── Message ──────────────────>│
//!   │                      ✗ socket lost                           │── PeerState{away}
//!   │── Resume{token, received} ───>│                              │
//!   │<── Resumed, Messages after ───│── PeerState{here} ──────────>│
//! ```
//!
//! Peer ids: 0 is the opener, joiners count from 1. `seq` is dense from 1 for each (sender, receiver).
//! `ack` is cumulative. The server keeps what is not acknowledged and sends it again after a resume; it is
//! a cache: a peer keeps its own messages until the other peer has acknowledged them.
use super::{
    fields::{Field, Read, Reader, Writer, Written, fields, numbers},
    frames,
};
use crate::rtc::IceServer;

/// A room's peer: 0 is the opener.
pub type PeerId = u32;

/// Bytes of a socket message, at most; larger ones close the socket.
pub const MAX_SIGNAL_LEN: usize = 64 * 1024;

/// How a joiner names the room.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Locator {
    /// The public number of a code.
    Nameplate(u32),
    /// 16 bytes that two peers who met before derive from their resume key.
    Resume([u8; 16]),
}

/// `[0, [nameplate]]` or `[1, [bytes]]`.
impl Field for Locator {
    fn write(&self, to: &mut Writer<'_>) -> Written {
        to.array(2)?;
        match self {
            Self::Nameplate(number) => number.write(to.u32(0)?.array(1)?),
            Self::Resume(id) => id.write(to.u32(1)?.array(1)?),
        }
    }

    fn read(from: &mut Reader<'_>) -> Read<Self> {
        let (two, kind, parts) = (from.array()?, from.u32()?, from.array()?);
        let locator = match (two, kind) {
            (Some(2), 0) => Self::Nameplate(Field::read(from)?),
            (Some(2), 1) => Self::Resume(Field::read(from)?),
            _ => return Err(minicbor::decode::Error::message("no way to name a room")),
        };
        for _ in 1..parts.unwrap_or(1) {
            from.skip()?; // from a newer version
        }
        Ok(locator)
    }
}

/// Makes a room and attaches the sender as its opener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Protocol versions, best first.
    pub versions: Vec<u8>,
    /// Cipher suites, best first.
    pub suites: Vec<u8>,
    /// Absent: the server draws a nameplate. A resume id: re-creates that room.
    pub locator: Option<Locator>,
    /// Joiners at the same time, 1 to 16.
    pub joiners: u8,
}
fields!(Open { 0: versions, 1: suites, 2: locator, 3: joiners });

/// Attaches to somebody's room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Join {
    /// Protocol versions, best first.
    pub versions: Vec<u8>,
    /// Cipher suites, best first.
    pub suites: Vec<u8>,
    /// Which room.
    pub locator: Locator,
}
fields!(Join { 0: versions, 1: suites, 2: locator });

/// Attaches again after the socket was lost. A newer socket replaces an older one of the same token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resume {
    /// From `Opened` or `Joined`.
    pub token: [u8; 16],
    /// For each other peer, the highest seq received without a gap; peers not named: 0.
    pub received: Vec<Cursor>,
}
fields!(Resume { 0: token, 1: received });

/// How far a peer has received another's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// Whose messages.
    pub peer: PeerId,
    /// The highest seq received without a gap.
    pub seq: u64,
}
fields!(Cursor { 0: peer, 1: seq });

/// A message to another peer of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Post {
    /// To whom.
    pub to: PeerId,
    /// Dense from 1. The server drops a repetition and refuses a gap.
    pub seq: u64,
    /// The highest seq received from `to` without a gap.
    pub ack: u64,
    /// A meeting frame; opaque to the server.
    pub body: Vec<u8>,
}
fields!(Post { 0: to, 1: seq, 2: ack, 3: body });

/// Acknowledges without having anything to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Whose messages.
    pub peer: PeerId,
    /// The highest seq received without a gap.
    pub seq: u64,
}
fields!(Ack { 0: peer, 1: seq });

/// From the opener: nobody else may join (the code is spent, or burnt). Attached peers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lock {}
fields!(Lock {});

/// The sender leaves for good. From the opener it ends the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leave {}
fields!(Leave {});

/// From the opener: that joiner is to be put out (its guess was wrong). It receives what was posted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dismiss {
    /// Which joiner.
    pub peer: PeerId,
}
fields!(Dismiss { 0: peer });

frames! {
    /// From a peer to the server.
    pub enum ToServer {
        /// Makes a room.
        0x01 => Open,
        /// Attaches to a room.
        0x02 => Join,
        /// Attaches again.
        0x03 => Resume,
        /// A message to another peer.
        0x04 => Post,
        /// A bare acknowledgement.
        0x05 => Ack,
        /// Closes the room to newcomers.
        0x06 => Lock,
        /// Leaves for good.
        0x07 => Leave,
        /// Puts a joiner out.
        0x08 => Dismiss,
    }
}

/// A STUN or TURN server, as the server hands it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ice {
    /// `stun:…`, `turn:…`, `turns:…`.
    pub urls: Vec<String>,
    /// TURN user name.
    pub username: Option<String>,
    /// TURN password.
    pub credential: Option<String>,
}
fields!(Ice { 0: urls, 1: username, 2: credential });

impl From<Ice> for IceServer {
    fn from(ice: Ice) -> Self {
        IceServer { urls: ice.urls, username: ice.username, credential: ice.credential }
    }
}

/// The room is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// The drawn number; absent for a room with a resume id.
    pub nameplate: Option<u32>,
    /// For [`Resume`].
    pub token: [u8; 16],
    /// STUN and TURN servers.
    pub ice: Vec<Ice>,
    /// Of the server program: a page of another build reloads before it starts anything.
    pub build: String,
}
fields!(Opened { 0: nameplate, 1: token, 2: ice, 3: build });

/// The room is joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// This joiner's id, 1 or more.
    pub peer: PeerId,
    /// For [`Resume`].
    pub token: [u8; 16],
    /// STUN and TURN servers.
    pub ice: Vec<Ice>,
    /// Of the server program.
    pub build: String,
    /// The opener's protocol versions.
    pub versions: Vec<u8>,
    /// The opener's cipher suites.
    pub suites: Vec<u8>,
}
fields!(Joined { 0: peer, 1: token, 2: ice, 3: build, 4: versions, 5: suites });

/// Somebody joined the opener's room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerJoined {
    /// The joiner's id.
    pub peer: PeerId,
    /// The joiner's protocol versions.
    pub versions: Vec<u8>,
    /// The joiner's cipher suites.
    pub suites: Vec<u8>,
}
fields!(PeerJoined { 0: peer, 1: versions, 2: suites });

/// The answer to a [`Resume`]. What may have been missed follows: for the opener `PeerJoined` of every joiner
/// in the room, for everybody `PeerState` of every other peer, then the unacknowledged messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// For each other peer of the room, the highest seq of ours that the server has: repeat what is above.
    pub accepted: Vec<Cursor>,
    /// Fresh STUN and TURN servers.
    pub ice: Vec<Ice>,
}
fields!(Resumed { 0: accepted, 1: ice });

/// A message from another peer of the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// From whom.
    pub from: PeerId,
    /// Dense from 1.
    pub seq: u64,
    /// What `from` has received of ours.
    pub ack: u64,
    /// A meeting frame.
    pub body: Vec<u8>,
}
fields!(Message { 0: from, 1: seq, 2: ack, 3: body });

/// Another peer of the room has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acked {
    /// Who.
    pub peer: PeerId,
    /// The highest seq of ours that it has.
    pub seq: u64,
}
fields!(Acked { 0: peer, 1: seq });

/// Another peer's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Attached.
    Here,
    /// Its socket closed without a word; it may come back.
    Away,
    /// It left for good.
    Left,
}
numbers!(Presence { 0: Here, 1: Away, 2: Left });

/// Another peer's socket came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerState {
    /// Who.
    pub peer: PeerId,
    /// What became of its socket.
    pub presence: Presence,
}
fields!(PeerState { 0: peer, 1: presence });

/// Why the server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No such room, expired, locked or full: all alike, so that nobody can probe for waiting codes.
    NoRoom,
    /// Too many tries from this address; wait.
    RateLimited,
    /// Not a frame, or one that makes no sense now.
    BadMessage,
    /// A newer socket of the same peer took over.
    Superseded,
    /// The server is stopping; connect again after `retry_ms`.
    Draining,
    /// No capacity left.
    Busy,
    /// The opener put this joiner out.
    Dismissed,
    /// The other side speaks no common version or suite.
    Version,
}
numbers!(Reason {
    0: NoRoom,
    1: RateLimited,
    2: BadMessage,
    3: Superseded,
    4: Draining,
    5: Busy,
    6: Dismissed,
    7: Version
});

/// The server closes this socket after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// In words, for a person.
    pub message: String,
    /// Wait this long before another try, in milliseconds; absent: another try is useless.
    pub retry_ms: Option<u32>,
}
fields!(Refused { 0: reason, 1: message, 2: retry_ms });

frames! {
    /// From the server to a peer.
    pub enum ToPeer {
        /// The room is made.
        0x41 => Opened,
        /// The room is joined.
        0x42 => Joined,
        /// Somebody joined.
        0x43 => PeerJoined,
        /// The answer to a resume.
        0x44 => Resumed,
        /// A message from another peer.
        0x45 => Message,
        /// A bare acknowledgement from another peer.
        0x46 => Acked,
        /// Another peer's socket came or went.
        0x47 => PeerState,
        /// The server closes this socket.
        0x48 => Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::check;

    #[test]
    fn golden_bytes_to_the_server() {
        let both = |value: ToServer, golden: &str| check(value, golden, ToServer::encode, ToServer::decode);
        let open = Open { versions: vec![1], suites: vec![1], locator: None, joiners: 1 };
        both(open.into(), "01 a3 00 41 01 01 41 01 03 01");
        let join = Join { versions: vec![2, 1], suites: vec![1], locator: Locator::Nameplate(7) };
        both(join.into(), "02 a3 00 42 0201 01 41 01 02 82 00 81 07");
        let join = Join { versions: vec![1], suites: vec![1], locator: Locator::Resume([3; 16]) };
        both(join.into(), &format!("02 a3 00 41 01 01 41 01 02 82 01 81 50 {}", "03".repeat(16)));
        let cursor = Cursor { peer: 1, seq: 300 };
        both(
            Resume { token: [4; 16], received: vec![cursor] }.into(),
            &format!("03 a2 00 50 {} 01 81 a2 00 01 01 19012c", "04".repeat(16)),
        );
        both(Post { to: 0, seq: 1, ack: 2, body: vec![8] }.into(), "04 a4 00 00 01 01 02 02 03 41 08");
        both(Ack { peer: 1, seq: 9 }.into(), "05 a2 00 01 01 09");
        both(Lock {}.into(), "06 a0");
        both(Leave {}.into(), "07 a0");
        both(Dismiss { peer: 2 }.into(), "08 a1 00 02");
    }

    #[test]
    fn golden_bytes_to_a_peer() {
        let both = |value: ToPeer, golden: &str| check(value, golden, ToPeer::encode, ToPeer::decode);
        let token = "05".repeat(16);
        let ice = Ice { urls: vec!["stun:h".into()], username: None, credential: None };
        both(
            Opened { nameplate: Some(7), token: [5; 16], ice: vec![ice], build: "b".into() }.into(),
            &format!("41 a4 00 07 01 50 {token} 02 81 a1 00 81 66 7374756e3a68 03 61 62"),
        );
        both(
            Joined {
                peer: 1,
                token: [5; 16],
                ice: vec![],
                build: "b".into(),
                versions: vec![1],
                suites: vec![1],
            }
            .into(),
            &format!("42 a6 00 01 01 50 {token} 02 80 03 61 62 04 41 01 05 41 01"),
        );
        both(
            PeerJoined { peer: 1, versions: vec![1], suites: vec![1] }.into(),
            "43 a3 00 01 01 41 01 02 41 01",
        );
        let accepted = vec![Cursor { peer: 0, seq: 2 }];
        both(Resumed { accepted, ice: vec![] }.into(), "44 a2 00 81 a2 00 00 01 02 01 80");
        both(Message { from: 1, seq: 1, ack: 0, body: vec![8] }.into(), "45 a4 00 01 01 01 02 00 03 41 08");
        both(Acked { peer: 1, seq: 9 }.into(), "46 a2 00 01 01 09");
        both(PeerState { peer: 1, presence: Presence::Away }.into(), "47 a2 00 01 01 01");
        both(
            Refused { reason: Reason::NoRoom, message: "no".into(), retry_ms: Some(10) }.into(),
            "48 a3 00 00 01 62 6e6f 02 0a",
        );
    }
}
