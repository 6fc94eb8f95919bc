//! Native WebRTC: data channels for a machine without a browser.
//!
//! ```text
//! RtcAction, messages ──> Transport ──> a task for each lane: engine (ICE, DTLS, SCTP) · sockets · STUN · mDNS
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

use beeline_core::rtc::{Channel, LaneId, RtcAction, RtcEvent};
use bytes::Bytes;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
};

mod engine;
mod interfaces;
mod lane;
mod mdns;
mod sockets;
mod stun;
mod watch;

use lane::{Command, Lane};

/// Longer than a lane lingers and says good-bye.
const SHUTDOWN: Duration = Duration::from_millis(2500);

/// What differs between a test and the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct Config {
    /// Offers loopback addresses beside the others. Without it they are offered only if there is nothing else.
    pub loopback: bool,
}

/// A native WebRTC stack, one for each session. Its lanes run in tasks of their own and end when it is dropped.
pub struct Transport {
    config: Config,
    lanes: BTreeMap<LaneId, Handle>,
    tasks: JoinSet<()>,
    events: UnboundedSender<(Arc<Shared>, TransportEvent)>,
}

struct Handle {
    commands: UnboundedSender<Command>,
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
    /// Less is on the way than before: told every 64 KiB, and when nothing is left.
    Buffered {
        /// On which connection.
        lane: LaneId,
        /// On which channel.
        channel: Channel,
        /// Bytes given to [`Transport::send`] that the other side has not acknowledged, at the time this is read.
        bytes: u64,
    },
    /// The path in use: told when it changes, and every 5 s.
    Path {
        /// Of which connection.
        lane: LaneId,
        /// Straight or through a server.
        kind: PathKind,
        /// The protocol between here and the next hop; `udp` for now.
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
/// that the other side's packets are dropped.
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
}

impl Shared {
    fn unread(&self) -> u64 {
        self.unread.load(Relaxed)
    }

    fn add_unread(&self, bytes: usize) {
        self.unread.fetch_add(bytes as u64, Relaxed);
    }

    fn buffered(&self, channel: Channel) -> &AtomicU64 {
        &self.buffered[usize::from(channel.stream())]
    }

    /// What is left.
    fn subtract_buffered(&self, channel: Channel, bytes: u64) -> u64 {
        self.buffered(channel).fetch_sub(bytes, Relaxed) - bytes
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
            RtcAction::SetRemote { lane, description } => self.tell(lane, Command::SetRemote(description)),
            RtcAction::AddCandidate { lane, candidate } => self.tell(lane, Command::AddCandidate(candidate)),
            RtcAction::Restart { lane } => self.tell(lane, Command::Restart),
            // Of a call, which a terminal never begins: it says that it takes no media.
            RtcAction::Offer { .. } | RtcAction::Rollback { .. } => {}
            RtcAction::Close { lane } => self.close(lane),
        }
    }

    /// Queues a message, at most `max_message` bytes of [`RtcEvent::ChannelOpen`] (a longer one ends the lane as
    /// failed). The queue has no limit: the caller watches [`TransportEvent::Buffered`], and enough for a fast path
    /// is 1 MiB. An empty message is not sent: the engine has no form for it, and no frame is empty.
    pub fn send(&mut self, lane: LaneId, channel: Channel, message: Bytes) {
        if let Some(handle) = self.lanes.get(&lane).filter(|_| !message.is_empty()) {
            handle.shared.buffered(channel).fetch_add(message.len() as u64, Relaxed);
            let _ = handle.commands.send(Command::Send(channel, message));
        }
    }

    /// Bytes given to [`Transport::send`] that the other side has not acknowledged.
    pub fn buffered(&self, lane: LaneId, channel: Channel) -> u64 {
        self.lanes.get(&lane).map_or(0, |handle| handle.shared.buffered(channel).load(Relaxed))
    }

    /// Closes all lanes and waits until the good-byes are sent, at most 2.5 s.
    pub async fn shutdown(mut self) {
        let lanes: Vec<LaneId> = self.lanes.keys().copied().collect();
        lanes.into_iter().for_each(|lane| self.close(lane));
        let all = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(SHUTDOWN, all).await;
    }

    fn open(&mut self, lane: LaneId, offerer: bool, ice: Vec<beeline_core::rtc::IceServer>) {
        self.close(lane);
        while self.tasks.try_join_next().is_some() {}
        let (commands, queue) = lane::commands();
        let shared = Arc::new(Shared::default());
        let task = Lane::new(lane, shared.clone(), self.events.clone(), self.config.loopback, ice);
        self.tasks.spawn(task.run(offerer, queue));
        self.lanes.insert(lane, Handle { commands, shared });
    }

    fn close(&mut self, lane: LaneId) {
        if let Some(handle) = self.lanes.remove(&lane) {
            handle.shared.closed.store(true, Relaxed);
            let _ = handle.commands.send(Command::Close);
        }
    }

    fn tell(&self, lane: LaneId, command: Command) {
        if let Some(handle) = self.lanes.get(&lane) {
            let _ = handle.commands.send(command); // its task ended: nothing to tell
        }
    }
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
