//! What page and worker say to each other.
//!
//! ```text
//! [0, guest, value, extra]             a ToWorker or ToPage as bytes (`parts.rs`); extra: files, a port, a channel or a Blob
//! [1, guest, lane, channel, buffer]    a message of a channel that stayed with the page; the ArrayBuffer is transferred
//! ```
//!
//! `guest` is whose session it is about: a receiver's that was let in beside others, or 0, the page's own.
//!
//! Only the second kind is frequent, so only it avoids being written and read. Where the worker has the channels
//! there is none of it.
mod parts;

use beeline_core::wire::signal::PeerId;
use js_sys::{Array, ArrayBuffer, Uint8Array};
pub(crate) use parts::Part;
use parts::parts;
use wasm_bindgen::{JsCast, JsValue};

/// From the page to the worker.
#[derive(Clone, Debug)]
pub(crate) enum ToWorker {
    /// Makes a room.
    Open { name: String, lanes: u8 },
    /// Lets in several, or only the first.
    AdmitSeveral { several: bool },
    /// Lets in nobody else.
    AdmitNobody,
    /// Joins somebody's room.
    Join { name: String, code: String, lanes: u8 },
    /// Offers what was chosen; `extra` is an array with a File for each path, or null for a folder.
    Offer { paths: Vec<String> },
    /// Sends a text.
    Text { text: String },
    /// Takes what is offered. `extra` says where to: the download's port, the handle of a chosen file or folder,
    /// `"private"` for the browser's own storage, or nothing for memory.
    Accept { transfer: u32 },
    /// Does not want it.
    Decline { transfer: u32 },
    /// Stops it.
    Cancel { transfer: u32 },
    /// Lets it stand still, or go on.
    Pause { transfer: u32, paused: bool },
    /// Says goodbye.
    Close,
    /// What the first connection consists of has changed.
    Renegotiate,
    /// An offer or answer was set locally.
    Description { lane: u8, offer: bool, sdp: String },
    /// A candidate was gathered.
    Candidate { lane: u8, candidate: String },
    /// A channel that is about to open; `extra` is the RTCDataChannel itself.
    Channel { lane: u8, channel: u16 },
    /// How long a message may be on a connection's channels, in bytes.
    Limit { lane: u8, max_message: u32 },
    /// A channel that stayed with the page is open in both directions.
    ChannelOpen { lane: u8, channel: u16 },
    /// A description could not be made or applied.
    NotDescribed { lane: u8, step: Step },
    /// The candidates in use are of these types (RTCIceCandidateType).
    Nominated { lane: u8, local: String, remote: String },
    /// The connection's state changed.
    Lane { lane: u8, state: Lane },
    /// So many bytes have left this channel, which stayed with the page, since it was opened.
    Left { lane: u8, channel: u16, bytes: f64 },
}
parts! {
    enum ToWorker {
        0: Open { name, lanes },
        1: AdmitSeveral { several },
        2: AdmitNobody,
        3: Join { name, code, lanes },
        4: Offer { paths },
        5: Text { text },
        6: Accept { transfer },
        7: Decline { transfer },
        8: Cancel { transfer },
        9: Pause { transfer, paused },
        10: Close,
        11: Renegotiate,
        12: Description { lane, offer, sdp },
        13: Candidate { lane, candidate },
        14: Channel { lane, channel },
        15: Limit { lane, max_message },
        16: ChannelOpen { lane, channel },
        17: NotDescribed { lane, step },
        18: Nominated { lane, local, remote },
        19: Lane { lane, state },
        20: Left { lane, channel, bytes },
    }
}

/// The core's `Step`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    MakeOffer,
    Answer,
    ApplyAnswer,
}
parts! {
    enum Step {
        0: MakeOffer,
        1: Answer,
        2: ApplyAnswer,
    }
}

/// A connection's state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Lane {
    Connected,
    Disconnected,
    Failed,
    Closed,
}
parts! {
    enum Lane {
        0: Connected,
        1: Disconnected,
        2: Failed,
        3: Closed,
    }
}

/// A STUN or TURN server.
#[derive(Clone, Debug)]
pub(crate) struct Ice {
    pub(crate) urls: Vec<String>,
    pub(crate) username: Option<String>,
    pub(crate) credential: Option<String>,
}
parts!(struct Ice { urls, username, credential });

/// From the worker to the page.
#[derive(Clone, Debug)]
pub(crate) enum ToPage {
    /// The worker runs.
    Ready,
    /// Make a connection.
    LaneOpen { lane: u8, offerer: bool, ice: Vec<Ice> },
    /// Apply the other side's offer or answer.
    SetRemote { lane: u8, offer: bool, sdp: String },
    /// Add a candidate.
    AddCandidate { lane: u8, candidate: String },
    /// Make an offer of what the connection consists of.
    Describe { lane: u8 },
    /// Make an offer with fresh ICE credentials.
    Restart { lane: u8 },
    /// Take back an offer.
    Rollback { lane: u8 },
    /// Forget a connection.
    LaneClose { lane: u8 },
    /// The room's code.
    Code { code: String },
    /// The room was found.
    Joined,
    /// Somebody guessed wrong.
    WrongGuess { left: u8 },
    /// Somebody could not join, without having guessed.
    TurnedAway(Ended),
    /// The other side knows the code.
    Peer { name: String },
    /// Two words to compare.
    Sas { words: String },
    /// Both channels are open.
    Connected,
    /// The other side can take a call.
    CanCall,
    /// What was changed about the connection did not come about.
    NotNegotiated(NotNegotiated),
    /// Silence.
    PathLost,
    /// Heard again.
    PathBack,
    /// The other side offers files.
    Offered(Offer),
    /// What was chosen here is offered as this transfer.
    Offering(Offer),
    /// What was chosen here cannot be offered.
    NotOffered { why: String },
    /// A text from the other side.
    Text { text: String },
    /// The other side accepted.
    Accepted { transfer: u32 },
    /// The other side does not want it.
    Declined { transfer: u32, message: String },
    /// It stands still, or goes on, by this side's wish or the other's.
    Paused { transfer: u32, paused: bool, here: bool },
    /// Once or twice a second while something moves.
    Progress(Progress),
    /// A file is complete.
    FileDone { transfer: u32, path: String, digest: String },
    /// What was received is in `extra`, a Blob: to be saved under this name.
    Saved { name: String },
    /// All is there.
    Done { transfer: u32 },
    /// A transfer ended without success.
    Failed { transfer: u32, failure: Failure },
    /// The session is over.
    Closed(Ended),
    /// A download runs: the service worker must not fall asleep.
    KeepAlive,
}
parts! {
    enum ToPage {
        0: Ready,
        1: LaneOpen { lane, offerer, ice },
        2: SetRemote { lane, offer, sdp },
        3: AddCandidate { lane, candidate },
        4: Describe { lane },
        5: Restart { lane },
        6: Rollback { lane },
        7: LaneClose { lane },
        8: Code { code },
        9: Joined,
        10: WrongGuess { left },
        11: TurnedAway(value),
        12: Peer { name },
        13: Sas { words },
        14: Connected,
        15: CanCall,
        16: NotNegotiated(value),
        17: PathLost,
        18: PathBack,
        19: Offered(value),
        20: Offering(value),
        21: NotOffered { why },
        22: Text { text },
        23: Accepted { transfer },
        24: Declined { transfer, message },
        25: Paused { transfer, paused, here },
        26: Progress(value),
        27: FileDone { transfer, path, digest },
        28: Saved { name },
        29: Done { transfer },
        30: Failed { transfer, failure },
        31: Closed(value),
        32: KeepAlive,
    }
}

/// What is offered, cut to what a page can show.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) transfer: u32,
    pub(crate) files: u32,
    pub(crate) folders: u32,
    /// All bytes, where known.
    pub(crate) bytes: Option<u64>,
    /// The first [`SHOWN`] entries.
    pub(crate) entries: Vec<Entry>,
    /// What the download will be called.
    pub(crate) save_as: String,
    /// Whether that is an archive.
    pub(crate) archive: bool,
    /// Whether this is a text.
    pub(crate) text: bool,
}
parts!(struct Offer { transfer, files, folders, bytes, entries, save_as, archive, text });

/// Entries shown of one offer, at most.
pub(crate) const SHOWN: usize = 1000;

/// A file or a folder.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) path: String,
    /// Bytes; absent for a folder or where unknown.
    pub(crate) size: Option<u64>,
    pub(crate) folder: bool,
}
parts!(struct Entry { path, size, folder });

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Progress {
    pub(crate) transfer: u32,
    pub(crate) bytes: u64,
    pub(crate) total: Option<u64>,
    pub(crate) files: u32,
    pub(crate) bytes_per_s: f64,
    pub(crate) eta_s: Option<f64>,
}
parts!(struct Progress { transfer, bytes, total, files, bytes_per_s, eta_s });

/// The core's `NotNegotiated`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum NotNegotiated {
    Refused,
    Unanswered,
    Failed,
}
parts! {
    enum NotNegotiated {
        0: Refused,
        1: Unanswered,
        2: Failed,
    }
}

/// How a session ended; the core's `Closed` without what only a program wants.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ended {
    Bye,
    Here,
    PeerLeft,
    PeerGone,
    NoRoom,
    WrongCode { left: u8 },
    Burnt,
    Version { update_here: bool },
    Tampered,
    Protocol { said: String },
    Aborted { said: String },
    Server { said: String },
    Silent,
    NoPath,
    PathLost,
}
parts! {
    enum Ended {
        0: Bye,
        1: Here,
        2: PeerLeft,
        3: PeerGone,
        4: NoRoom,
        5: WrongCode { left },
        6: Burnt,
        7: Version { update_here },
        8: Tampered,
        9: Protocol { said },
        10: Aborted { said },
        11: Server { said },
        12: Silent,
        13: NoPath,
        14: PathLost,
    }
}

/// How a transfer ended without success; the core's `TransferFailure`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Failure {
    CancelledHere,
    CancelledThere { said: String },
    Source { said: String },
    Sink { said: String },
    There { said: String },
    Corrupt { path: String },
    Session { ended: Ended },
}
parts! {
    enum Failure {
        0: CancelledHere,
        1: CancelledThere { said },
        2: Source { said },
        3: Sink { said },
        4: There { said },
        5: Corrupt { path },
        6: Session { ended },
    }
}

/// A message taken apart.
pub(crate) enum Message<T> {
    Control { guest: PeerId, value: T, extra: JsValue },
    Data { guest: PeerId, lane: u8, channel: u16, bytes: ArrayBuffer },
}

/// The array for a value.
pub(crate) fn control<T: Part>(guest: PeerId, value: &T, extra: &JsValue) -> Array {
    let mut bytes = Vec::new();
    value.put(&mut bytes);
    Array::of4(&0.into(), &guest.into(), &Uint8Array::from(&bytes[..]), extra)
}

/// The array for a data-channel message.
pub(crate) fn data(guest: PeerId, lane: u8, channel: u16, bytes: &ArrayBuffer) -> Array {
    Array::of5(&1.into(), &guest.into(), &lane.into(), &channel.into(), bytes)
}

/// Takes an array apart. Both ends are this very wasm, so what is not understood is our mistake.
pub(crate) fn parse<T: Part>(message: JsValue) -> Message<T> {
    let parts: Array = message.unchecked_into();
    let number = |at: u32| parts.get(at).as_f64().unwrap_or_default();
    let guest = number(1) as PeerId;
    if number(0) == 0.0 {
        let value = Uint8Array::new(&parts.get(2)).to_vec();
        let value = T::take(&mut &value[..]).expect("our own messages parse");
        Message::Control { guest, value, extra: parts.get(3) }
    } else {
        Message::Data {
            guest,
            lane: number(2) as u8,
            channel: number(3) as u16,
            bytes: parts.get(4).unchecked_into(),
        }
    }
}
