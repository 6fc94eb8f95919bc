//! One session: two peers meet, connect, and move files. The only type that a driver needs.
//!
//! ```text
//! opener  Waiting ──right confirmation──> Linked ──both channels──> Connected ──Bye──> Closing ──> Closed
//! joiner  Joining ──right confirmation──────^                          │                             ^
//!            └── wrong code · refused · silent · gone ─────────────────┴─────────────────────────────┘
//! ```
//!
//! A driver is a loop: wait for a socket message, a WebRTC event, a disk completion, a wish or the time that
//! [`Output::Wait`] named; hand it to the matching `handle_*` or verb; then do what `poll_output` says until
//! it says [`Output::Wait`]. Nothing here blocks, reads a clock or panics on what a peer sends. How it meets its
//! peer is in `session/rendezvous.rs`, how it lets in several in `session/guests.rs`, what goes over the connection in
//! `session/connection.rs`, further ones are in `session/lanes.rs`, and how it ends is in `session/ending.rs`.
mod connection;
mod ending;
pub(crate) mod guests;
mod lanes;
mod rendezvous;

pub use crate::transfer::{LaneRules, SenderEngine};
use crate::{
    code::Code,
    digest::BlockDigest,
    link::Link,
    liveness::Liveness,
    manifest::Manifest,
    meeting::{Clear, Confirming, Started},
    output::*,
    random::Random,
    renegotiation::Wish,
    room::{Room, RoomOutput},
    rtc::{CandidateType, Channel, IceServer, LaneId},
    time::Time,
    transfer::{TextTooLong, Transfers},
    wire::signal::{Locator, PeerId},
};
use guests::{Admits, Guest};
use litemap::LiteMap;
use std::{collections::VecDeque, sync::Arc, time::Duration};

/// Wrong guesses that burn a code.
const GUESSES: u8 = 3;
/// From a joiner's arrival to its confirmation; machines talk, no person is waited for.
const MEETING: Duration = Duration::from_secs(20);
/// A peer whose socket is away before there is a connection is waited for so long.
const AWAY: Duration = Duration::from_secs(10);

/// 32 bytes from the operating system's random generator.
pub type Seed = [u8; 32];

/// What a session needs to know of its device.
#[derive(Clone)]
pub struct Config {
    /// How the device calls itself to the other side; at most 64 characters count.
    pub name: String,
    /// Everything secret is drawn from it: never use one twice.
    pub seed: Seed,
    /// Whether the device can take a camera's and a microphone's media sections. Offers with such are refused
    /// elsewhere.
    pub media: bool,
    /// Whether what is on the way on a lane is bounded by the throttle: for a browser's channels, which overrun the
    /// queue of an Internet path by themselves.
    pub throttled: bool,
    /// How many connections it may use, and for what.
    pub lanes: LaneRules,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Config({:?})", self.name)
    }
}

/// A joiner before its confirmation, as the opener sees it.
#[derive(Debug)]
struct Arrival {
    clear: Clear,
    confirming: Option<Confirming>,
    deadline: Time,
}

/// An opener's room, and who came. Wrong guesses count over all of them.
#[derive(Debug, Default)]
struct Waiting {
    admits: Admits,
    wrong: u8,
    arrivals: LiteMap<PeerId, Arrival>,
    guests: LiteMap<PeerId, Guest>,
    /// Guests' sessions until the driver takes them.
    new: VecDeque<Session>,
}

/// What a joiner waits for.
#[derive(Debug)]
enum Joining {
    Room,
    Pake { started: Box<Started>, clear: Clear },
    Confirmation { confirming: Confirming, link: Box<Link> },
}

/// A confirmed peer, and what is missing until files can move: both channels, and the words to compare.
#[derive(Debug)]
struct Linking {
    link: Box<Link>,
    deadline: Time,
    control: bool,
    data: bool,
    away: Option<Time>,
    /// Control messages of a side that is ready already.
    early: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum Phase {
    Waiting(Waiting),
    Joining { stage: Joining, deadline: Option<Time> },
    Linked(Linking),
    Connected { link: Box<Link>, liveness: Liveness },
    Closing { until: Time, closed: Closed },
    Closed,
}

/// Who can take a camera's and a microphone's media sections, as far as is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Media {
    NotHere,
    Here,
    Both,
}

/// Two peers' common work, seen from one of them.
#[derive(Debug)]
pub struct Session {
    name: String,
    media: Media,
    random: Random,
    is_opener: bool,
    code: Option<Code>,
    ice: Vec<IceServer>,
    /// This side's end of the first lane's path, where the driver can tell.
    local: Option<CandidateType>,
    throttled: bool,
    lanes: LaneRules,
    room: Room,
    phase: Phase,
    transfers: Transfers,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Makes a room and waits for somebody with the code ([`Event::Code`]).
    pub fn open(config: Config, _now: Time) -> Self {
        Self::new(config, None, Room::open(), Phase::Waiting(Waiting::default()))
    }

    /// Joins somebody's room. A joiner has one guess and never retries unasked.
    pub fn join(config: Config, code: &Code, _now: Time) -> Self {
        let room = Room::join(Locator::Nameplate(code.nameplate()));
        let phase = Phase::Joining { stage: Joining::Room, deadline: None };
        Self::new(config, Some(code.clone()), room, phase)
    }

    fn new(config: Config, code: Option<Code>, room: Room, phase: Phase) -> Self {
        let is_opener = code.is_none();
        Self {
            name: config.name,
            media: if config.media { Media::Here } else { Media::NotHere },
            random: Random::from_seed(config.seed),
            is_opener,
            code,
            ice: Vec::new(),
            local: None,
            throttled: config.throttled,
            lanes: config.lanes,
            room,
            phase,
            transfers: Transfers::new(is_opener, config.throttled, config.lanes),
            outputs: VecDeque::new(),
        }
    }

    // ---- what the world did ----

    /// The socket that [`Output::Connect`] asked for is open.
    pub fn handle_socket_open(&mut self, now: Time) {
        self.room.handle_open(now);
        self.handle_room(now);
    }

    /// One binary message came on the socket.
    pub fn handle_socket_message(&mut self, message: &[u8], now: Time) {
        self.room.handle_message(message, now);
        self.handle_room(now);
    }

    /// The socket closed or could not be opened; `why` is for the person, should it be the end. The session
    /// asks for another one by itself.
    pub fn handle_socket_closed(&mut self, why: &str, now: Time) {
        self.room.handle_closed(why, now);
        self.handle_room(now);
    }

    /// `bufferedAmount` of a channel fell: to the low mark, and to nothing. In bytes, with all that the
    /// driver itself still holds for the channel.
    pub fn handle_buffered(&mut self, lane: LaneId, channel: Channel, buffered: u64, now: Time) {
        self.transfers.handle_buffered(lane, channel, buffered, now);
    }

    /// Bytes that wait in a lane's data channel at this moment. For a driver that can ask its channels: to be said of
    /// each before a control message is handed in, since that may be a report.
    pub fn handle_waiting(&mut self, lane: LaneId, bytes: u64) {
        self.transfers.handle_waiting(lane, bytes);
    }

    /// [`Output::Read`] is done.
    pub fn handle_read(&mut self, block: BlockRef, result: Result<BlockRead, DiskError>, now: Time) {
        self.transfers.handle_read(block, result, now);
    }

    /// [`Output::Hash`] is done.
    pub fn handle_hashed(&mut self, block: BlockRef, digest: BlockDigest, now: Time) {
        self.transfers.handle_hashed(block, digest, now);
    }

    /// [`Output::Write`] is done: the bytes survive the end of this process.
    pub fn handle_written(&mut self, block: BlockRef, result: Result<(), DiskError>, now: Time) {
        self.transfers.handle_written(block, result, now);
    }

    /// [`Output::Commit`] is done: the entry has its final name.
    pub fn handle_committed(
        &mut self,
        transfer: TransferId,
        file: FileIndex,
        result: Result<(), DiskError>,
        now: Time,
    ) {
        self.transfers.handle_committed(transfer, file, result, now);
    }

    /// [`Output::Finish`] is done: everything is flushed.
    pub fn handle_finished(&mut self, transfer: TransferId, result: Result<(), DiskError>, now: Time) {
        self.transfers.handle_finished(transfer, result, now);
    }

    /// The moment that [`Output::Wait`] named has come; calling it early or often does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        self.room.handle_timeout(now);
        self.handle_room(now);
        self.transfers.handle_timeout(now);
        self.tend_lanes(now);
        self.pulse(now);
        match &mut self.phase {
            Phase::Waiting(waiting) => {
                let late = waiting.late(now);
                late.into_iter().for_each(|peer| self.dismiss(peer));
            }
            Phase::Joining { deadline: Some(at), .. } if now >= *at => self.break_off(Closed::Silent, now),
            Phase::Linked(linking) => {
                if linking.away.is_some_and(|since| now >= since + AWAY) {
                    self.break_off(Closed::PeerGone, now);
                } else if now >= linking.deadline {
                    self.break_off(Closed::NoPath, now);
                }
            }
            Phase::Connected { link, .. } => {
                link.handle_timeout(now);
                self.settle(Ok(()), now);
            }
            Phase::Closing { until, closed } if now >= *until => {
                let closed = closed.clone();
                self.finish(closed);
            }
            _ => {}
        }
    }

    // ---- what the person wants ----

    /// Offers files; before the other side is there, they are offered when it is.
    pub fn offer(&mut self, manifest: Manifest, now: Time) -> TransferId {
        self.transfers.offer(manifest, now)
    }

    /// Sends a text of at most [`MAX_TEXT_LEN`](crate::wire::control::MAX_TEXT_LEN) bytes.
    pub fn send_text(&mut self, text: &str, now: Time) -> Result<TransferId, TextTooLong> {
        self.transfers.send_text(text, now)
    }

    /// Takes what is offered.
    pub fn accept(&mut self, transfer: TransferId, how: Acceptance, now: Time) {
        self.transfers.accept(transfer, how, now);
    }

    /// Does not take what is offered; the other side is told why.
    pub fn decline(&mut self, transfer: TransferId, message: &str, now: Time) {
        self.transfers.decline(transfer, message, now);
    }

    /// Ends a transfer in either direction; the session lives on.
    pub fn cancel(&mut self, transfer: TransferId, message: &str, now: Time) {
        self.transfers.cancel(transfer, message, now);
    }

    /// Lets a transfer stand still, or go on.
    pub fn pause(&mut self, transfer: TransferId, paused: bool, now: Time) {
        self.transfers.pause(transfer, paused, now);
    }

    /// Tells the other side what connection 0 consists of now: a camera's or microphone's track was added to it, or
    /// removed. What comes of it is an [`RtcAction`] at the right moment, so call it as often as something changes.
    ///
    /// Nothing happens before [`Event::CanCall`]. If it does not come about, [`Event::NotNegotiated`] says so.
    ///
    /// [`RtcAction`]: crate::rtc::RtcAction
    pub fn renegotiate(&mut self, now: Time) {
        if let (Phase::Connected { link, .. }, Media::Both) = (&mut self.phase, self.media) {
            link.renegotiate(Wish::Offer);
            self.settle(Ok(()), now);
        }
    }

    // ---- what to do next ----

    /// The next thing to do; [`Output::Wait`] when there is nothing.
    pub fn poll_output(&mut self) -> Output {
        if let Some(output) = self.transfers.poll_output() {
            return output;
        }
        match self.room.poll_output() {
            Some(RoomOutput::Connect) => return Output::Connect,
            Some(RoomOutput::Disconnect) => return Output::Disconnect,
            Some(RoomOutput::Send(message)) => return Output::Signal(message),
            Some(RoomOutput::Errand(errand)) => return Output::ToHost(guests::ToHost(errand)),
            None => {}
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.timeout()))
    }

    fn timeout(&self) -> Option<Time> {
        let phase = match &self.phase {
            Phase::Waiting(waiting) => waiting.timeout(),
            Phase::Joining { deadline, .. } => *deadline,
            Phase::Linked(linking) => {
                Some(linking.away.map_or(linking.deadline, |at| linking.deadline.min(at + AWAY)))
            }
            Phase::Connected { link, liveness } => {
                link.timeout().into_iter().chain([liveness.timeout()]).min()
            }
            Phase::Closing { until, .. } => Some(*until),
            Phase::Closed => return None,
        };
        [phase, self.room.timeout(), self.transfers.timeout()].into_iter().flatten().min()
    }

    /// How far a transfer is; `None` before it is accepted (for the receiver) and after it ended.
    pub fn progress(&self, transfer: TransferId, now: Time) -> Option<Progress> {
        self.transfers.progress(transfer, now)
    }

    /// What a running transfer consists of.
    pub fn manifest(&self, transfer: TransferId) -> Option<Arc<Manifest>> {
        self.transfers.manifest(transfer)
    }

    /// Whether the session is over.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }
}
