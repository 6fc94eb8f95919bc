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
//! it says [`Output::Wait`]. How it meets its peer is in `session/rendezvous.rs`. Nothing here blocks, reads a clock or panics on what a peer sends.
mod rendezvous;

use crate::{
    code::Code,
    digest::BlockDigest,
    link::{Link, LinkOutput},
    liveness::{Liveness, Pulse},
    manifest::Manifest,
    meeting::{Clear, Confirming, Started},
    output::*,
    room::{Room, RoomOutput},
    rtc::{Channel, IceServer, LaneId, LaneState, RtcAction, RtcEvent},
    time::Time,
    transfer::{Broken, TextTooLong, Transfers},
    wire::{
        control::{Bye, Control, Ping, Pong},
        signal::{Locator, PeerId, Presence},
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Wrong guesses that burn a code.
const GUESSES: u8 = 3;
/// From a joiner's arrival to its confirmation; machines talk, no person is waited for.
const MEETING: Duration = Duration::from_secs(20);
/// From the confirmation to open channels.
const CONNECTING: Duration = Duration::from_secs(45);
/// A peer whose socket is away before there is a connection is waited for so long.
const AWAY: Duration = Duration::from_secs(10);
/// From goodbye to the end, at most.
const CLOSING: Duration = Duration::from_secs(3);
/// Bytes of control messages that may come before this side is ready.
const MAX_EARLY: usize = 1 << 20;
/// After the other side's goodbye, so that ours still gets out.
const LINGER: Duration = Duration::from_millis(300);

/// 32 bytes from the operating system's random generator.
pub type Seed = [u8; 32];

/// What a session needs to know of its device.
#[derive(Clone)]
pub struct Config {
    /// How the device calls itself to the other side; at most 64 characters count.
    pub name: String,
    /// Everything secret is drawn from it: never use one twice.
    pub seed: Seed,
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
    Waiting { wrong: u8, arrivals: BTreeMap<PeerId, Arrival> },
    Joining { stage: Joining, deadline: Option<Time> },
    Linked(Linking),
    Connected { link: Box<Link>, liveness: Liveness },
    Closing { until: Time, closed: Closed },
    Closed,
}

/// Two peers' common work, seen from one of them.
#[derive(Debug)]
pub struct Session {
    name: String,
    random: ChaCha20Rng,
    is_opener: bool,
    code: Option<Code>,
    ice: Vec<IceServer>,
    room: Room,
    phase: Phase,
    transfers: Transfers,
    outputs: VecDeque<Output>,
}

impl Session {
    /// Makes a room and waits for somebody with the code ([`Event::Code`]).
    pub fn open(config: Config, _now: Time) -> Self {
        let phase = Phase::Waiting { wrong: 0, arrivals: BTreeMap::new() };
        Self::new(config, None, Room::open(), phase)
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
            random: ChaCha20Rng::from_seed(config.seed),
            is_opener,
            code,
            ice: Vec::new(),
            room,
            phase,
            transfers: Transfers::new(is_opener),
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

    /// Something happened to a connection.
    pub fn handle_rtc(&mut self, event: RtcEvent, now: Time) {
        match event {
            RtcEvent::Description { lane, description } => {
                let result = self.link().map_or(Ok(()), |link| link.describe(lane, description));
                self.settle(result, now);
            }
            RtcEvent::Candidate { lane, candidate } => {
                if let Some(link) = self.link() {
                    link.candidate(lane, candidate);
                }
                self.settle(Ok(()), now);
            }
            RtcEvent::ChannelOpen { lane, channel, max_message } => {
                self.channel_open(lane, channel, max_message, now);
            }
            RtcEvent::State { lane: _, state } => {
                if let Phase::Connected { liveness, .. } = &mut self.phase {
                    match state {
                        LaneState::Failed => liveness.failed(now),
                        LaneState::Closed => liveness.closed(now),
                        LaneState::Connected | LaneState::Disconnected => {}
                    }
                }
                self.pulse(now);
            }
        }
    }

    /// One whole message came on a lane. `Output::Place` refers to its bytes: poll before dropping it.
    pub fn handle_message(&mut self, lane: LaneId, channel: Channel, message: &[u8], now: Time) {
        match &mut self.phase {
            Phase::Connected { liveness, .. } => {
                if liveness.heard(now) {
                    self.outputs.push_back(Output::Event(Event::PathBack));
                }
            }
            Phase::Closing { .. } => {}
            Phase::Linked(linking) => {
                let waiting: usize = linking.early.iter().map(Vec::len).sum();
                if channel == Channel::Data || waiting + message.len() > MAX_EARLY {
                    return self.break_off(Closed::Protocol("too much, too early".into()), now);
                }
                return linking.early.push(message.to_vec());
            }
            _ => return,
        }
        let result = match channel {
            Channel::Control => self.handle_control(message, now),
            Channel::Data => self.transfers.handle_data(lane, message, now),
        };
        if let Err(Broken(what)) = result {
            self.break_off(Closed::Protocol(what), now);
        }
    }

    fn handle_control(&mut self, message: &[u8], now: Time) -> Result<(), Broken> {
        let frame = Control::decode(message).map_err(|error| Broken(error.to_string()))?;
        match frame {
            Some(Control::Ping(_)) => self.transfers.outbox.control(Pong {}),
            Some(Control::Bye(_)) => self.handle_bye(now),
            Some(frame) => self.transfers.handle_control(frame, now)?,
            None => {}
        }
        Ok(())
    }

    fn handle_bye(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Connected { .. } => {
                let closed = if self.transfers.is_idle() { Closed::Bye } else { Closed::PeerLeft };
                self.transfers.end_all(&closed);
                self.transfers.outbox.control(Bye {});
                self.phase = Phase::Closing { until: now + LINGER, closed };
            }
            Phase::Closing { closed, .. } => {
                let closed = closed.clone();
                self.finish(closed);
            }
            _ => {}
        }
    }

    /// `bufferedAmount` of a channel fell: to the low mark, and to nothing. In bytes, with all that the
    /// driver itself still holds for the channel.
    pub fn handle_buffered(&mut self, lane: LaneId, channel: Channel, buffered: u64, now: Time) {
        self.transfers.handle_buffered(lane, channel, buffered, now);
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
        self.pulse(now);
        match &mut self.phase {
            Phase::Waiting { arrivals, .. } => {
                let late: Vec<_> =
                    arrivals.iter().filter(|(_, a)| now >= a.deadline).map(|(p, _)| *p).collect();
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

    /// Cancels what runs, says goodbye, and ends within 3 s.
    pub fn close(&mut self, now: Time) {
        match &self.phase {
            Phase::Connected { .. } => {
                self.transfers.cancel_all(now);
                self.transfers.outbox.control(Bye {});
                self.phase = Phase::Closing { until: now + CLOSING, closed: Closed::Here };
            }
            Phase::Closing { .. } | Phase::Closed => {}
            Phase::Waiting { .. } | Phase::Joining { .. } | Phase::Linked(_) => {
                self.transfers.cancel_all(now);
                self.break_off(Closed::Here, now);
            }
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
            None => {}
        }
        self.outputs.pop_front().unwrap_or_else(|| Output::Wait(self.timeout()))
    }

    fn timeout(&self) -> Option<Time> {
        let phase = match &self.phase {
            Phase::Waiting { arrivals, .. } => arrivals.values().map(|a| a.deadline).min(),
            Phase::Joining { deadline, .. } => *deadline,
            Phase::Linked(linking) => {
                Some(linking.away.map_or(linking.deadline, |at| linking.deadline.min(at + AWAY)))
            }
            Phase::Connected { liveness, .. } => Some(liveness.timeout()),
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

    // ---- the connection ----

    fn link(&mut self) -> Option<&mut Link> {
        match &mut self.phase {
            Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. } => Some(link),
            _ => None,
        }
    }

    fn linked(&mut self, link: Box<Link>, now: Time) {
        let deadline = now + CONNECTING;
        let (control, data, away, early) = (false, false, None, Vec::new());
        self.phase = Phase::Linked(Linking { link, deadline, control, data, away, early });
        self.settle(Ok(()), now);
    }

    /// Carries out what the link wants; ends the session if the link found a reason to.
    fn settle(&mut self, result: Result<(), Closed>, now: Time) {
        match &mut self.phase {
            Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. } => {
                Self::settle_link(link, &mut self.room, &mut self.outputs);
            }
            _ => {}
        }
        match (result, &mut self.phase) {
            (Ok(()), _) => self.connect(now),
            // What a server makes up cannot end what goes on without it. Its room is worth nothing any more.
            (Err(Closed::Tampered), Phase::Connected { liveness, .. }) => {
                liveness.unwatched();
                self.room.leave();
            }
            (Err(closed), _) => self.break_off(closed, now),
        }
    }

    fn settle_link(link: &mut Link, room: &mut Room, outputs: &mut VecDeque<Output>) {
        for output in std::mem::take(&mut link.outputs) {
            match output {
                LinkOutput::Post(body) => room.post(link.peer, body),
                LinkOutput::Rtc(action) => outputs.push_back(Output::Rtc(action)),
                LinkOutput::Event(event) => outputs.push_back(Output::Event(event)),
            }
        }
    }

    fn channel_open(&mut self, lane: LaneId, channel: Channel, max_message: usize, now: Time) {
        let Phase::Linked(linking) = &mut self.phase else { return };
        match channel {
            Channel::Control => linking.control = true,
            Channel::Data => {
                linking.data = true;
                self.transfers.handle_lane(lane, max_message, now);
            }
        }
        self.connect(now);
    }

    /// Nothing is offered before both channels are open and the words to compare are shown.
    fn connect(&mut self, now: Time) {
        let is_ready = |l: &Linking| l.control && l.data && l.link.compared;
        if !matches!(&self.phase, Phase::Linked(linking) if is_ready(linking)) {
            return;
        }
        let Phase::Linked(linking) = std::mem::replace(&mut self.phase, Phase::Closed) else { return };
        let presence = if linking.away.is_some() { Presence::Away } else { Presence::Here };
        self.phase = Phase::Connected { link: linking.link, liveness: Liveness::new(presence, now) };
        self.room.be_patient();
        self.outputs.push_back(Output::Event(Event::Connected));
        self.transfers.handle_connected(now);
        for message in linking.early {
            self.handle_message(LaneId::FIRST, Channel::Control, &message, now);
        }
    }

    fn pulse(&mut self, now: Time) {
        while let Phase::Connected { liveness, .. } = &mut self.phase {
            match liveness.poll(now) {
                None => break,
                Some(Pulse::Ping) => self.transfers.outbox.control(Ping {}),
                Some(Pulse::Lost) => self.outputs.push_back(Output::Event(Event::PathLost)),
                // One side only, or two offers would cross.
                Some(Pulse::Restart) if self.is_opener => {
                    self.outputs.push_back(Output::Rtc(RtcAction::Restart { lane: LaneId::FIRST }));
                }
                Some(Pulse::Restart) => {}
                Some(Pulse::Gone) => self.break_off(Closed::PeerGone, now),
                Some(Pulse::GiveUp) => self.break_off(Closed::PathLost, now),
            }
        }
    }

    // ---- the end ----

    /// Ends at once, telling the other side why if it can still be told.
    fn break_off(&mut self, closed: Closed, _now: Time) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(link) = self.link() {
            if closed != Closed::PeerGone && closed != Closed::PeerLeft {
                link.abort(&closed.to_string());
            }
            let (Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. }) = &mut self.phase
            else {
                return;
            };
            Self::settle_link(link, &mut self.room, &mut self.outputs);
            // The room may be lost: the goodbye also takes the other way.
            self.transfers.outbox.control(Bye {});
        }
        self.finish(closed);
    }

    fn finish(&mut self, closed: Closed) {
        self.transfers.end_all(&closed);
        if matches!(self.phase, Phase::Linked(_) | Phase::Connected { .. } | Phase::Closing { .. }) {
            self.outputs.push_back(Output::Rtc(RtcAction::Close { lane: LaneId::FIRST }));
        }
        self.room.leave();
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::Event(Event::Closed(closed)));
    }
}
