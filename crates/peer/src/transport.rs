//! Native WebRTC: data channels for a machine without a browser.
//!
//! ```text
//! RtcAction, messages ──> Transport ──> a task of beeline-rtc for each lane: ICE, DTLS, SCTP, sockets
//!                         Events   <──  RtcEvent, messages, buffered amounts, the path
//! ```
//! The words are those of [`beeline_core::rtc`], so the core drives this exactly as it drives a browser. Addresses
//! and descriptions are never logged above the level debug.
use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use beeline_core::rtc::{
    Candidate, Channel, Description, IceServer, LaneId, LaneState, RtcAction, RtcEvent, SdpKind,
};
use beeline_rtc::{ChannelConfig, Handle, Notice, PathState, Settings};
use bytes::Bytes;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

/// Longer than a lane lingers and says good-bye.
const SHUTDOWN: Duration = Duration::from_millis(2500);
/// Unread messages beyond this are the work of a peer that ignores what it was granted. They are left to SCTP, whose
/// window closes then.
const MAX_UNREAD: u64 = 32 << 20;

const CHANNELS: [Channel; 2] = [Channel::Control, Channel::Data];

/// What differs between a test and the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Offers loopback addresses beside the others. Without it they are offered only if there is nothing else.
    pub loopback: bool,
}

/// A native WebRTC stack, one for each session. Its lanes run in tasks of their own and end when it is dropped.
pub struct Transport {
    config: Config,
    lanes: BTreeMap<LaneId, Lane>,
    tasks: JoinSet<()>,
    events: UnboundedSender<(Arc<Shared>, TransportEvent)>,
}

struct Lane {
    handle: Handle,
    shared: Arc<Shared>,
}

/// What a transport reports.
#[derive(Clone, PartialEq, Eq)]
pub enum TransportEvent {
    /// In the core's own words.
    Rtc(RtcEvent),
    /// A message arrived, whole and in order.
    Message {
        /// On which connection.
        lane: LaneId,
        /// On which channel.
        channel: Channel,
        /// Its bytes.
        message: Bytes,
    },
    /// Less waits than before: told every 64 KiB, and when nothing is left.
    Buffered {
        /// On which connection.
        lane: LaneId,
        /// On which channel.
        channel: Channel,
        /// Bytes given to [`Transport::send`] that have not left (WebRTC's `bufferedAmount`), at the time this is
        /// read.
        bytes: u64,
    },
    /// The path in use: told when it changes, and every 5 s.
    Path {
        /// Of which connection.
        lane: LaneId,
        /// Straight or through a server.
        kind: PathKind,
        /// The protocol between here and the next hop: `udp`, or `tcp` to our TURN server.
        protocol: &'static str,
        /// The round trip of the last consent check (RFC 7675).
        rtt: Option<Duration>,
    },
}

/// How packets reach the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathKind {
    /// From peer to peer.
    Direct,
    /// Through a TURN server, ours or the other side's.
    Relay,
}

/// The events of a [`Transport`], in order. Messages that are not read stay in memory, up to 32 MiB a lane; beyond
/// that the other side has to wait.
#[derive(Debug)]
pub struct Events {
    queue: UnboundedReceiver<(Arc<Shared>, TransportEvent)>,
}

/// What a lane's task and its users both count.
#[derive(Debug, Default)]
struct Shared {
    /// [`RtcAction::Close`] was said: nothing more is to be heard of it.
    closed: AtomicBool,
    buffered: [AtomicU64; 2],
    unread: AtomicU64,
    peer_is_paced: AtomicBool,
}

impl Shared {
    fn buffered(&self, channel: Channel) -> &AtomicU64 {
        &self.buffered[usize::from(channel.stream())]
    }
}

impl Transport {
    /// Starts without a lane. To be called within a tokio runtime, as [`Transport::act`].
    pub fn start(config: Config) -> (Self, Events) {
        let (events, queue) = unbounded_channel();
        (Self { config, lanes: BTreeMap::new(), tasks: JoinSet::new(), events }, Events { queue })
    }

    /// Does what the core asks for; never blocks. What belongs to a lane that does not exist is ignored.
    pub fn act(&mut self, action: RtcAction) {
        match action {
            RtcAction::Open { lane, offerer, ice } => self.open(lane, offerer, ice),
            RtcAction::SetRemote { lane, description } => {
                let kind = match description.kind {
                    SdpKind::Offer => beeline_rtc::SdpKind::Offer,
                    SdpKind::Answer => beeline_rtc::SdpKind::Answer,
                };
                self.tell(lane, |handle| handle.set_remote(kind, description.sdp));
            }
            RtcAction::AddCandidate { lane, candidate } => {
                self.tell(lane, |handle| handle.add_candidate(candidate.0));
            }
            RtcAction::Restart { lane } => self.tell(lane, Handle::restart),
            // Of a call, which a terminal never begins: it says that it takes no media.
            RtcAction::Offer { .. } | RtcAction::Rollback { .. } => {}
            RtcAction::Close { lane } => self.close(lane),
        }
    }

    /// Queues a message, at most `max_message` bytes of [`RtcEvent::ChannelOpen`] (a longer one ends the lane as
    /// failed). The queue has no limit: the caller watches [`TransportEvent::Buffered`], and enough for a fast path
    /// is 1 MiB.
    pub fn send(&mut self, lane: LaneId, channel: Channel, message: Bytes) {
        if let Some(Lane { handle, shared }) = self.lanes.get(&lane) {
            shared.buffered(channel).fetch_add(message.len() as u64, Relaxed);
            handle.send(channel.stream(), false, message);
        }
    }

    /// Bytes given to [`Transport::send`] that have not left.
    pub fn buffered(&self, lane: LaneId, channel: Channel) -> u64 {
        self.lanes.get(&lane).map_or(0, |lane| lane.shared.buffered(channel).load(Relaxed))
    }

    /// Whether the other side's engine paces what it sends, as ours does, and so both ways are shared well without the
    /// sender holding back. Known when the lane's channels open.
    pub fn peer_is_paced(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|lane| lane.shared.peer_is_paced.load(Relaxed))
    }

    /// Closes all lanes and waits until the good-byes are sent, at most 2.5 s.
    pub async fn shutdown(mut self) {
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|lane| self.close(lane));
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SHUTDOWN, all).await;
    }

    fn open(&mut self, lane: LaneId, offerer: bool, ice: Vec<IceServer>) {
        self.close(lane);
        while self.tasks.try_join_next().is_some() {}
        let negotiated = lane.channels().iter().map(|channel| {
            (channel.stream(), ChannelConfig { label: channel.label().into(), ..ChannelConfig::default() })
        });
        let settings = Settings {
            connection: beeline_rtc::Config {
                negotiated: negotiated.collect(),
                ..beeline_rtc::Config::default()
            },
            loopback: self.config.loopback,
            ice_servers: ice.into_iter().flat_map(ice_servers).collect(),
        };
        let shared = Arc::new(Shared::default());
        let listener = Listener { lane, shared: shared.clone(), events: self.events.clone() };
        let (handle, task) = beeline_rtc::start(settings, offerer, listener);
        self.tasks.spawn(task);
        self.lanes.insert(lane, Lane { handle, shared });
    }

    fn close(&mut self, lane: LaneId) {
        if let Some(Lane { handle, shared }) = self.lanes.remove(&lane) {
            shared.closed.store(true, Relaxed);
            handle.close();
        }
    }

    fn tell(&self, lane: LaneId, what: impl FnOnce(&Handle)) {
        if let Some(lane) = self.lanes.get(&lane) {
            what(&lane.handle);
        }
    }
}

/// Turns what a lane's task tells into the core's words.
struct Listener {
    lane: LaneId,
    shared: Arc<Shared>,
    events: UnboundedSender<(Arc<Shared>, TransportEvent)>,
}

impl Listener {
    fn event(&self, notice: Notice) -> Option<TransportEvent> {
        let lane = self.lane;
        let event = match notice {
            Notice::Description { kind, sdp } => {
                let kind = match kind {
                    beeline_rtc::SdpKind::Offer => SdpKind::Offer,
                    beeline_rtc::SdpKind::Answer => SdpKind::Answer,
                };
                RtcEvent::Description { lane, description: Description { kind, sdp } }
            }
            Notice::Candidate(candidate) => RtcEvent::Candidate { lane, candidate: Candidate(candidate) },
            Notice::State(state) => {
                let state = match state {
                    PathState::Connected => LaneState::Connected,
                    PathState::Disconnected => LaneState::Disconnected,
                    PathState::Failed => LaneState::Failed,
                    PathState::Closed => LaneState::Closed,
                };
                RtcEvent::State { lane, state }
            }
            Notice::ChannelOpened { stream, max_message, peer_is_paced, .. } => {
                self.shared.peer_is_paced.store(peer_is_paced, Relaxed);
                RtcEvent::ChannelOpen { lane, channel: channel(stream)?, max_message }
            }
            // Channels live as long as their lane.
            Notice::ChannelClosed { stream } => {
                channel(stream)?;
                RtcEvent::State { lane, state: LaneState::Closed }
            }
            Notice::Message { stream, payload, .. } => {
                let channel = channel(stream)?;
                self.shared.unread.fetch_add(payload.len() as u64, Relaxed);
                return Some(TransportEvent::Message { lane, channel, message: payload });
            }
            Notice::Sent { stream, bytes } => {
                let channel = channel(stream)?;
                let before = self.shared.buffered(channel).fetch_sub(bytes, Relaxed);
                return Some(TransportEvent::Buffered { lane, channel, bytes: before - bytes });
            }
            Notice::Path(path) => {
                let kind = if path.relayed { PathKind::Relay } else { PathKind::Direct };
                let protocol = if path.over_tcp { "tcp" } else { "udp" };
                return Some(TransportEvent::Path { lane, kind, protocol, rtt: path.round_trip });
            }
        };
        Some(TransportEvent::Rtc(event))
    }
}

impl beeline_rtc::Listener for Listener {
    fn handle(&mut self, notice: Notice) {
        if let Some(event) = self.event(notice) {
            // Nobody listens: then the handles go too, and the lane ends.
            let _ = self.events.send((self.shared.clone(), event));
        }
    }

    fn is_full(&self) -> bool {
        self.shared.unread.load(Relaxed) > MAX_UNREAD
    }
}

fn ice_servers(server: IceServer) -> impl Iterator<Item = beeline_rtc::IceServer> {
    let (username, password) = (server.username.unwrap_or_default(), server.credential.unwrap_or_default());
    server.urls.into_iter().map(move |url| beeline_rtc::IceServer {
        url,
        username: username.clone(),
        password: password.clone(),
    })
}

fn channel(stream: u16) -> Option<Channel> {
    CHANNELS.into_iter().find(|channel| channel.stream() == stream)
}

impl Drop for Transport {
    /// Lanes say good-bye by themselves as long as the runtime lives.
    fn drop(&mut self) {
        self.tasks.detach_all();
    }
}

impl Events {
    /// The next event; none when the transport and all its lanes are gone. Cancel safe.
    pub async fn recv(&mut self) -> Option<TransportEvent> {
        loop {
            let (shared, event) = self.queue.recv().await?;
            if let Some(event) = read(&shared, event) {
                return Some(event);
            }
        }
    }

    /// The next event, if it is there already.
    pub fn try_recv(&mut self) -> Option<TransportEvent> {
        loop {
            let (shared, event) = self.queue.try_recv().ok()?;
            if let Some(event) = read(&shared, event) {
                return Some(event);
            }
        }
    }
}

/// The event as it is now; none if its lane was closed meanwhile.
fn read(shared: &Shared, mut event: TransportEvent) -> Option<TransportEvent> {
    match &mut event {
        TransportEvent::Message { message, .. } => {
            shared.unread.fetch_sub(message.len() as u64, Relaxed);
        }
        // The caller may have sent more since the lane wrote this.
        TransportEvent::Buffered { channel, bytes, .. } => *bytes = shared.buffered(*channel).load(Relaxed),
        _ => {}
    }
    (!shared.closed.load(Relaxed)).then_some(event)
}

impl fmt::Debug for TransportEvent {
    /// Without the bytes of a message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rtc(event) => f.debug_tuple("Rtc").field(event).finish(),
            Self::Message { lane, channel, message } => {
                write!(f, "Message({}, {channel:?}, {} bytes)", lane.0, message.len())
            }
            Self::Buffered { lane, channel, bytes } => {
                write!(f, "Buffered({}, {channel:?}, {bytes})", lane.0)
            }
            Self::Path { lane, kind, protocol, rtt } => {
                write!(f, "Path({}, {kind:?}, {protocol}, {rtt:?})", lane.0)
            }
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport").field("config", &self.config).field("lanes", &self.lanes.keys()).finish()
    }
}
