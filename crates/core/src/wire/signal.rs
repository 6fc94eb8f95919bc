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
use super::frames;
use crate::rtc::IceServer;
use minicbor::{Decode, Encode};

/// A room's peer: 0 is the opener.
pub type PeerId = u32;

/// Bytes of a socket message, at most; larger ones close the socket.
pub const MAX_SIGNAL_LEN: usize = 64 * 1024;

/// How a joiner names the room.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Locator {
    /// The public number of a code.
    #[n(0)]
    Nameplate(#[n(0)] u32),
    /// 16 bytes that two peers who met before derive from their resume key.
    #[n(1)]
    Resume(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]),
}

/// Makes a room and attaches the sender as its opener.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Open {
    /// Protocol versions, best first.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub versions: Vec<u8>,
    /// Cipher suites, best first.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub suites: Vec<u8>,
    /// Absent: the server draws a nameplate. A resume id: re-creates that room.
    #[n(2)]
    pub locator: Option<Locator>,
    /// Joiners at the same time, 1 to 16.
    #[n(3)]
    pub joiners: u8,
}

/// Attaches to somebody's room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Join {
    /// Protocol versions, best first.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub versions: Vec<u8>,
    /// Cipher suites, best first.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub suites: Vec<u8>,
    /// Which room.
    #[n(2)]
    pub locator: Locator,
}

/// Attaches again after the socket was lost. A newer socket replaces an older one of the same token.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Resume {
    /// From `Opened` or `Joined`.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub token: [u8; 16],
    /// For each other peer, the highest seq received without a gap; peers not named: 0.
    #[n(1)]
    pub received: Vec<Cursor>,
}

/// How far a peer has received another's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Cursor {
    /// Whose messages.
    #[n(0)]
    pub peer: PeerId,
    /// The highest seq received without a gap.
    #[n(1)]
    pub seq: u64,
}

/// A message to another peer of the room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Post {
    /// To whom.
    #[n(0)]
    pub to: PeerId,
    /// Dense from 1. The server drops a repetition and refuses a gap.
    #[n(1)]
    pub seq: u64,
    /// The highest seq received from `to` without a gap.
    #[n(2)]
    pub ack: u64,
    /// A meeting frame; opaque to the server.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// Acknowledges without having anything to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ack {
    /// Whose messages.
    #[n(0)]
    pub peer: PeerId,
    /// The highest seq received without a gap.
    #[n(1)]
    pub seq: u64,
}

/// From the opener: nobody else may join (the code is spent, or burnt). Attached peers stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Lock {}

/// The sender leaves for good. From the opener it ends the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Leave {}

/// From the opener: that joiner is to be put out (its guess was wrong). It receives what was posted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Dismiss {
    /// Which joiner.
    #[n(0)]
    pub peer: PeerId,
}

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
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Ice {
    /// `stun:…`, `turn:…`, `turns:…`.
    #[n(0)]
    pub urls: Vec<String>,
    /// TURN user name.
    #[n(1)]
    pub username: Option<String>,
    /// TURN password.
    #[n(2)]
    pub credential: Option<String>,
}

impl From<Ice> for IceServer {
    fn from(ice: Ice) -> Self {
        IceServer { urls: ice.urls, username: ice.username, credential: ice.credential }
    }
}

/// The room is made.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Opened {
    /// The drawn number; absent for a room with a resume id.
    #[n(0)]
    pub nameplate: Option<u32>,
    /// For [`Resume`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub token: [u8; 16],
    /// STUN and TURN servers.
    #[n(2)]
    pub ice: Vec<Ice>,
    /// Of the server program: a page of another build reloads before it starts anything.
    #[n(3)]
    pub build: String,
}

/// The room is joined.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Joined {
    /// This joiner's id, 1 or more.
    #[n(0)]
    pub peer: PeerId,
    /// For [`Resume`].
    #[cbor(n(1), with = "minicbor::bytes")]
    pub token: [u8; 16],
    /// STUN and TURN servers.
    #[n(2)]
    pub ice: Vec<Ice>,
    /// Of the server program.
    #[n(3)]
    pub build: String,
    /// The opener's protocol versions.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub versions: Vec<u8>,
    /// The opener's cipher suites.
    #[cbor(n(5), with = "minicbor::bytes")]
    pub suites: Vec<u8>,
}

/// Somebody joined the opener's room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PeerJoined {
    /// The joiner's id.
    #[n(0)]
    pub peer: PeerId,
    /// The joiner's protocol versions.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub versions: Vec<u8>,
    /// The joiner's cipher suites.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub suites: Vec<u8>,
}

/// The answer to a [`Resume`]. What may have been missed follows: for the opener `PeerJoined` of every joiner
/// in the room, for everybody `PeerState` of every other peer, then the unacknowledged messages.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Resumed {
    /// For each other peer of the room, the highest seq of ours that the server has: repeat what is above.
    #[n(0)]
    pub accepted: Vec<Cursor>,
    /// Fresh STUN and TURN servers.
    #[n(1)]
    pub ice: Vec<Ice>,
}

/// A message from another peer of the room.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Message {
    /// From whom.
    #[n(0)]
    pub from: PeerId,
    /// Dense from 1.
    #[n(1)]
    pub seq: u64,
    /// What `from` has received of ours.
    #[n(2)]
    pub ack: u64,
    /// A meeting frame.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub body: Vec<u8>,
}

/// Another peer of the room has acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Acked {
    /// Who.
    #[n(0)]
    pub peer: PeerId,
    /// The highest seq of ours that it has.
    #[n(1)]
    pub seq: u64,
}

/// Another peer's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Presence {
    /// Attached.
    #[n(0)]
    Here,
    /// Its socket closed without a word; it may come back.
    #[n(1)]
    Away,
    /// It left for good.
    #[n(2)]
    Left,
}

/// Another peer's socket came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct PeerState {
    /// Who.
    #[n(0)]
    pub peer: PeerId,
    /// What became of its socket.
    #[n(1)]
    pub presence: Presence,
}

/// Why the server refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Reason {
    /// No such room, expired, locked or full: all alike, so that nobody can probe for waiting codes.
    #[n(0)]
    NoRoom,
    /// Too many tries from this address; wait.
    #[n(1)]
    RateLimited,
    /// Not a frame, or one that makes no sense now.
    #[n(2)]
    BadMessage,
    /// A newer socket of the same peer took over.
    #[n(3)]
    Superseded,
    /// The server is stopping; connect again after `retry_ms`.
    #[n(4)]
    Draining,
    /// No capacity left.
    #[n(5)]
    Busy,
    /// The opener put this joiner out.
    #[n(6)]
    Dismissed,
    /// The other side speaks no common version or suite.
    #[n(7)]
    Version,
}

/// The server closes this socket after it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub struct Refused {
    /// Why.
    #[n(0)]
    pub reason: Reason,
    /// In words, for a person.
    #[n(1)]
    pub message: String,
    /// Wait this long before another try, in milliseconds; absent: another try is useless.
    #[n(2)]
    pub retry_ms: Option<u32>,
}

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
