//! What a session tells its driver to do, and what it tells the person.
pub use crate::session::guests::{ToGuest, ToHost};
use crate::{
    code::Code,
    digest::Digest,
    manifest::Manifest,
    path::RelPath,
    rtc::{LaneId, RtcAction},
    sas::Sas,
    time::Time,
    wire::{data::Run, signal::PeerId},
};
use std::{fmt, ops::Range, sync::Arc};

/// Names a transfer within a session. Even numbers are offered by the opener, odd ones by the joiner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TransferId(pub u32);

/// A position in a manifest's list of entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileIndex(pub u32);

/// A block of a file of a transfer: bytes `index * BLOCK_LEN ..` of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockRef {
    /// Which transfer.
    pub transfer: TransferId,
    /// Which entry of its manifest.
    pub file: FileIndex,
    /// Which block, from 0.
    pub index: u32,
}

impl BlockRef {
    /// Where the block begins in its file, in bytes.
    pub const fn offset(self) -> u64 {
        self.index as u64 * crate::digest::BLOCK_LEN
    }
}

/// What the driver does next. Blocks of file bytes stay with the driver (see [`crate::blocks::Blocks`]).
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Connect a socket to the server's `/ws`, then `handle_socket_open`; or `handle_socket_closed` if that fails.
    Connect,
    /// Close the socket; no more of it is needed.
    Disconnect,
    /// Send this binary message on the socket.
    Signal(Vec<u8>),
    /// Act on the WebRTC implementation.
    Rtc(RtcAction),
    /// Send this message on the lane's control channel.
    Control {
        /// Which connection.
        lane: LaneId,
        /// The whole message.
        message: Vec<u8>,
    },
    /// Send these runs as one message on the lane's data channel: `Blocks::frame` makes its bytes.
    Data {
        /// Which connection.
        lane: LaneId,
        /// Whose file bytes.
        transfer: TransferId,
        /// The sender's clock, for the receiver to echo.
        stamp: u32,
        /// Which bytes, all of blocks that were read and not forgotten.
        runs: Vec<Run>,
    },
    /// Read a block of a file being sent, keep it, and answer `handle_read`.
    Read {
        /// Which block.
        block: BlockRef,
        /// How many bytes; for a file of unknown size the most, and less only where it ends.
        len: u32,
    },
    /// Copy this part of the message just handled to `at` within the block.
    Place {
        /// Which block of a file being received.
        block: BlockRef,
        /// Length of the whole block in bytes.
        len: u32,
        /// Where in the block, in bytes.
        at: u32,
        /// Which part of the message.
        bytes: Range<usize>,
    },
    /// The block is complete: hash its first `len` bytes and answer `handle_hashed`.
    Hash {
        /// Which block.
        block: BlockRef,
        /// Its length in bytes.
        len: u32,
        /// Whether it is all of its file: an argument of [`crate::digest::BlockDigest::of`].
        whole: bool,
    },
    /// The block is right: write its first `len` bytes to its file, drop it, and answer `handle_written`.
    Write {
        /// Which block.
        block: BlockRef,
        /// Its length in bytes.
        len: u32,
    },
    /// Drop the block's bytes: it was sent, or it is not wanted.
    Forget(BlockRef),
    /// All of this entry is written (a folder or an empty file has nothing to write): give it its final
    /// name, time and mode, and answer `handle_committed`.
    Commit {
        /// Which transfer.
        transfer: TransferId,
        /// Which entry.
        file: FileIndex,
        /// Its length in bytes (known only now where the manifest did not say).
        len: u64,
    },
    /// Every entry is committed: flush what holds them (folders, an archive's end) and answer `handle_finished`.
    Finish(TransferId),
    /// The transfer is over: drop its blocks, close its files, remove what is not committed. No answer.
    Abandon(TransferId),
    /// For the person.
    Event(Event),
    /// A receiver was let in beside others: take its session with `Session::take_guest` and drive it like any other.
    Guest(PeerId),
    /// Hand this to that guest's session: `handle_to_guest`.
    ToGuest(PeerId, ToGuest),
    /// This session is a guest's: hand this to the session that let it in, with its number: `handle_to_host`.
    ToHost(ToHost),
    /// Nothing to do before this moment, or before something happens: call `handle_timeout` then.
    Wait(Option<Time>),
}

/// What a person should know. Progress is read with `Session::progress`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The opener's code is ready to be told.
    Code(Code),
    /// The joiner found the room.
    Joined,
    /// Somebody joined with a wrong code; this many guesses are left.
    WrongGuess {
        /// Guesses left before the code is burnt.
        left: u8,
    },
    /// Somebody tried to join and could not, without a guess; the session goes on waiting.
    TurnedAway(Closed),
    /// The other side proved that it knows the code.
    Peer {
        /// How it calls itself; from the peer, to be shown escaped.
        name: String,
    },
    /// What both people may compare.
    Sas(Sas),
    /// Both channels are open.
    Connected,
    /// Both sides can take a camera and a microphone: `Session::renegotiate` may be called from now on.
    CanCall,
    /// What this side changed about the connection did not reach the other, or was not wanted there. The transfers go
    /// on.
    NotNegotiated(NotNegotiated),
    /// Nothing has been heard for seconds; the session keeps trying.
    PathLost,
    /// The other side is heard again.
    PathBack,
    /// The other side offers files: `accept` or `decline`.
    Offered {
        /// Which transfer.
        transfer: TransferId,
        /// What is offered.
        manifest: Arc<Manifest>,
    },
    /// The other side sent a text; nothing needs to be answered.
    Text {
        /// From the peer, to be shown escaped.
        text: String,
    },
    /// The other side accepted.
    Accepted(TransferId),
    /// The other side declined.
    Declined {
        /// Which transfer.
        transfer: TransferId,
        /// Why, from the peer.
        message: String,
    },
    /// The transfer stands still by somebody's wish, or goes on.
    Paused {
        /// Which transfer.
        transfer: TransferId,
        /// Whether it stands still.
        paused: bool,
        /// Whether this side wished so: only the side that stopped it can let it go on.
        here: bool,
    },
    /// A file is complete and verified on the receiver's disk.
    FileDone {
        /// Which transfer.
        transfer: TransferId,
        /// Which entry.
        file: FileIndex,
        /// Its BLAKE3, as `b3sum` prints it.
        digest: Digest,
    },
    /// All of it is there, and both sides know.
    Done(TransferId),
    /// The transfer ended; the session lives on.
    Failed {
        /// Which transfer.
        transfer: TransferId,
        /// What happened.
        failure: TransferFailure,
    },
    /// The session is over. Nothing follows but `Output::Wait(None)`.
    Closed(Closed),
}

/// Why a change to the connection did not come about.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNegotiated {
    /// The other side does not want it, or does not understand it; in its words, escaped.
    #[error("the other side refused: {0}")]
    Refused(String),
    /// There is no answer yet; the session keeps trying.
    #[error("the other side does not answer")]
    Unanswered,
    /// This side's WebRTC could not do it.
    #[error("the connection could not be changed")]
    Failed,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// One side said goodbye after it was satisfied.
    #[error("closed")]
    Bye,
    /// This side closed.
    #[error("closed by this side")]
    Here,
    /// The other side closed before anything was transferred or while something was.
    #[error("the other side left")]
    PeerLeft,
    /// The other side's process is gone.
    #[error("the other side is gone")]
    PeerGone,
    /// No such room, expired, locked or full.
    #[error("nobody is waiting under this code")]
    NoRoom,
    /// The joiner's words are not the opener's.
    #[error("wrong code")]
    WrongCode {
        /// Guesses left for everybody; 0: the code is burnt.
        left: u8,
    },
    /// Three wrong guesses.
    #[error("the code is burnt: three wrong guesses")]
    Burnt,
    /// No common protocol version or suite.
    #[error("no common protocol version: this side speaks {ours:?}, the other {theirs:?}; update {}", if *.update_here { "this side" } else { "the other side" })]
    Version {
        /// Ours.
        ours: Vec<u8>,
        /// Theirs.
        theirs: Vec<u8>,
        /// Whether this side is the older one.
        update_here: bool,
    },
    /// What came through the server is not what the other side sealed.
    #[error("the messages were tampered with between the two sides")]
    Tampered,
    /// The other side does not speak the protocol.
    #[error("the other side broke the protocol: {0}")]
    Protocol(String),
    /// The other side found a reason to end.
    #[error("the other side ended: {0}")]
    Aborted(String),
    /// The server cannot be reached, or refuses.
    #[error("{0}")]
    Server(String),
    /// The meeting took too long.
    #[error("the other side does not answer")]
    Silent,
    /// No direct path or relay was found in time.
    #[error("no network path to the other side was found")]
    NoPath,
    /// The path was lost and did not come back.
    #[error("the network path to the other side was lost")]
    PathLost,
}

/// How a transfer ended without success.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransferFailure {
    /// The person here cancelled.
    #[error("cancelled")]
    CancelledHere,
    /// The person there cancelled.
    #[error("cancelled by the other side{}", said(.0))]
    CancelledThere(String),
    /// A file could not be read or changed while it was read; it says which and how.
    #[error("{0}")]
    Source(String),
    /// A file could not be written; it says which and how.
    #[error("{0}")]
    Sink(String),
    /// The same on the other side.
    #[error("the other side failed: {0}")]
    There(String),
    /// A block stayed wrong after several tries.
    #[error("a block of file {} arrived damaged again and again", .0.0)]
    Corrupt(FileIndex),
    /// The session ended under it.
    #[error("{0}")]
    Session(Closed),
}

fn said(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

/// The order in which a sink takes blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// At any offset of any file: a disk.
    Any,
    /// From the first byte of the first entry to the last: a stream.
    Sequential,
}

/// How the receiver accepts.
#[derive(Clone, Debug, PartialEq)]
pub struct Acceptance {
    /// What its sink can take.
    pub order: Order,
    /// Bytes that may be on the way or in memory, at least two blocks.
    pub window: u64,
    /// What is there already, from an earlier try.
    pub held: Vec<Held>,
}

/// Consecutive blocks of a file that the receiver has written before.
#[derive(Clone, PartialEq)]
pub struct Held {
    /// Which entry.
    pub file: FileIndex,
    /// The first block.
    pub first: u32,
    /// The digest of each, as `handle_hashed` takes it.
    pub digests: Vec<crate::digest::BlockDigest>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Held({:?}, {} + {})", self.file, self.first, self.digests.len())
    }
}

/// What a driver read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRead {
    /// Bytes read.
    pub len: u32,
    /// Of these bytes; of a stream's first block, `whole` is what `last` says.
    pub digest: crate::digest::BlockDigest,
    /// For a file of unknown size: nothing follows this block. Elsewhere it does not matter.
    pub last: bool,
}

/// A driver could not read or write.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The source is not what it was when it was offered: it vanished, shrank, grew or was written to.
    #[error("{path} changed while it was being sent")]
    Changed {
        /// Which file.
        path: RelPath,
    },
    /// Anything else, in words that name the file.
    #[error("{0}")]
    Other(String),
}

/// How far a transfer is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Bytes that the receiver has. A damaged block is taken back; [`Event::FileDone`] says that a file is verified and
    /// written.
    pub bytes: u64,
    /// All bytes, where known.
    pub total: Option<u64>,
    /// Files complete on the receiver's disk.
    pub files: u32,
    /// Over the last few seconds.
    pub bytes_per_s: f64,
    /// At that speed, in seconds.
    pub eta_s: Option<f64>,
}
