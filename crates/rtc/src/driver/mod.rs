//! A connection with sockets, a clock and names, as one task of tokio.
//!
//! ```text
//! Handle ──Command──> task: Connection · sockets · STUN, TURN · mDNS ──Notice──> Listener
//! ```
//! Addresses and descriptions are never logged above the level debug.
use std::{fmt, time::Duration};

use bytes::Bytes;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

pub use servers::IceServer;

use crate::{ChannelConfig, Config, Path, SdpKind};

mod gather;
mod interfaces;
mod mdns;
mod relay;
mod servers;
mod sockets;
mod stream;
mod stun;
mod task;
mod watch;

/// What a task needs to know.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Of the connection itself.
    pub connection: Config,
    /// Offers loopback addresses beside the others. Without it they are offered only if there is nothing else.
    pub loopback: bool,
    /// STUN servers, and TURN servers for when there is no path without.
    pub ice_servers: Vec<IceServer>,
}

/// What a task has to tell.
#[derive(Clone, PartialEq, Eq)]
pub enum Notice {
    /// Our offer or answer.
    Description {
        /// Which half of the negotiation.
        kind: SdpKind,
        /// The text.
        sdp: String,
    },
    /// A candidate of ours, as `candidate:…`.
    Candidate(String),
    /// The state of the connection changed.
    State(PathState),
    /// A channel is open in both directions.
    ChannelOpened {
        /// Its SCTP stream.
        stream: u16,
        /// What it promises.
        config: ChannelConfig,
        /// The largest message that may be sent, bytes.
        max_message: usize,
        /// Whether the other side's sender is an engine as this one is, which paces.
        peer_is_paced: bool,
    },
    /// Both directions of a channel are closed.
    ChannelClosed {
        /// Its SCTP stream.
        stream: u16,
    },
    /// A message arrived, whole.
    Message {
        /// On which channel.
        stream: u16,
        /// Text or bytes.
        text: bool,
        /// Its content.
        payload: Bytes,
    },
    /// So many more bytes of a channel have left: told every 64 KiB, and when nothing waits.
    Sent {
        /// Which channel.
        stream: u16,
        /// Bytes, of messages given to [`Handle::send`].
        bytes: u64,
    },
    /// The path in use: told when it changes, and every 5 s.
    Path(Path),
}

/// The state of a connection, as `RTCPeerConnectionState` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathState {
    /// ICE and DTLS are done.
    Connected,
    /// Nothing is heard for a few seconds; it may come back by itself.
    Disconnected,
    /// It does not come back without an ICE restart.
    Failed,
    /// The other side closed it.
    Closed,
}

/// Who hears what a task tells, in its own words.
pub trait Listener: Send + 'static {
    /// Called in the task, so it must not block.
    fn handle(&mut self, notice: Notice);

    /// Whether messages wait that nobody reads. Then no more are handed over, the window offered to the other side
    /// closes, and this is asked again every few milliseconds.
    fn is_full(&self) -> bool {
        false
    }
}

impl<F: FnMut(Notice) + Send + 'static> Listener for F {
    fn handle(&mut self, notice: Notice) {
        self(notice);
    }
}

/// What is asked of a task.
#[derive(Debug)]
enum Command {
    SetRemote(SdpKind, String),
    AddCandidate(String),
    Restart,
    Open(u16, ChannelConfig),
    CloseChannel(u16),
    Send { stream: u16, text: bool, payload: Bytes },
    Close,
}

/// Asks things of a connection's task; never blocks. What comes after its end is ignored. When it is dropped the task
/// says good-bye and ends.
#[derive(Clone, Debug)]
pub struct Handle {
    commands: UnboundedSender<Command>,
}

impl Handle {
    /// Applies what the other side wrote. After an offer, the answer follows as [`Notice::Description`].
    pub fn set_remote(&self, kind: SdpKind, sdp: String) {
        self.tell(Command::SetRemote(kind, sdp));
    }

    /// Adds a candidate of the other side; one that can't be used is ignored, one with a `.local` name looked up.
    pub fn add_candidate(&self, candidate: String) {
        self.tell(Command::AddCandidate(candidate));
    }

    /// Makes a new offer with fresh ICE credentials (RFC 8445 §9).
    pub fn restart(&self) {
        self.tell(Command::Restart);
    }

    /// Opens a channel and tells the other side; once connected, on a free stream: even for the DTLS client, odd for
    /// the server.
    pub fn open_channel(&self, stream: u16, config: ChannelConfig) {
        self.tell(Command::Open(stream, config));
    }

    /// Closes a channel once what it sent has left.
    pub fn close_channel(&self, stream: u16) {
        self.tell(Command::CloseChannel(stream));
    }

    /// Queues a message. One that is longer than the other side takes ends the connection as failed; one for a channel
    /// that is not open is dropped. The queue has no limit: the caller counts with [`Notice::Sent`], and enough for a
    /// fast path is 1 MiB.
    pub fn send(&self, stream: u16, text: bool, payload: Bytes) {
        self.tell(Command::Send { stream, text, payload });
    }

    /// Delivers what is queued, for a second at most, says good-bye and ends.
    pub fn close(&self) {
        self.tell(Command::Close);
    }

    fn tell(&self, command: Command) {
        let _ = self.commands.send(command); // the task ended: nothing to tell
    }
}

/// Makes a connection and the task that drives it, to be spawned by the caller. `offerer`: it begins with an offer;
/// otherwise it waits for one.
pub fn start(
    settings: Settings,
    offerer: bool,
    listener: impl Listener,
) -> (Handle, impl Future<Output = ()> + Send) {
    let (commands, queue): (_, UnboundedReceiver<Command>) = unbounded_channel();
    (Handle { commands }, task::run(settings, offerer, Box::new(listener), queue))
}

/// How long unsent bytes keep a closed connection, and then its good-bye.
const LINGER: Duration = Duration::from_secs(1);

impl fmt::Debug for Notice {
    /// Without the bytes of a message and without addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Description { kind, sdp } => write!(f, "Description({kind:?}, {} bytes)", sdp.len()),
            Self::Candidate(_) => f.write_str("Candidate(…)"),
            Self::State(state) => write!(f, "State({state:?})"),
            Self::ChannelOpened { stream, max_message, .. } => {
                write!(f, "ChannelOpened({stream}, {max_message})")
            }
            Self::ChannelClosed { stream } => write!(f, "ChannelClosed({stream})"),
            Self::Message { stream, payload, .. } => write!(f, "Message({stream}, {} bytes)", payload.len()),
            Self::Sent { stream, bytes } => write!(f, "Sent({stream}, {bytes})"),
            Self::Path(path) => write!(f, "Path({:?})", path.round_trip),
        }
    }
}
