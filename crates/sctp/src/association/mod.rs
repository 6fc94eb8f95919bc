//! One association: the handshake, and the two halves it leads to.
//!
//! ```text
//!   one side                         the other
//!      │ INIT ───────────────────────────> │     WebRTC starts on both sides at once: both send INIT, each
//!      │ <─────────────────────── INIT ACK │     answers the other's with its own tag, and whichever
//!      │ COOKIE ECHO ────────────────────> │     COOKIE ECHO comes first establishes (RFC 9260 §5.2.1)
//!      │ <───────────────────── COOKIE ACK │
//!      │ DATA, SACK, HEARTBEAT, ... <────> │
//!      │ SHUTDOWN ───────────────────────> │     or ABORT at any time
//!      │ <─────────────────── SHUTDOWN ACK │
//!      │ SHUTDOWN COMPLETE ──────────────> │
//! ```
mod channels;
mod handshake;
mod inbound;
mod outbound;
mod reset;

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;
use channels::Channels;
use reset::Resets;

use crate::{ChannelConfig, Config, Reliability, Time, recv::Receiver, send::Sender, seq::Tsn};

/// ```text
/// Idle ─connect─> CookieWait ─INIT ACK─> CookieEchoed ─COOKIE ACK─> Established
///   └──────────────────┴─────── COOKIE ECHO ───┴────────────────────────> │
///                                                                         │
///        Closed <─SHUTDOWN ACK─ ShutdownSent <─all acknowledged─ ShutdownPending   (we began)
///        Closed <─COMPLETE─ ShutdownAckSent <─all acknowledged─ ShutdownReceived   (the peer began)
/// any ── ABORT · too many timeouts · a rule broken ──> Closed
/// ```
#[derive(Debug)]
enum State {
    Idle,
    CookieWait { retry: Retry },
    CookieEchoed { cookie: Vec<u8>, retry: Retry },
    Established,
    ShutdownPending,
    ShutdownSent { retry: Retry },
    ShutdownReceived,
    ShutdownAckSent { retry: Retry },
    Closed,
}

/// Something sent again until it is answered.
#[derive(Debug, Clone, Copy)]
struct Retry {
    /// When it is due.
    at: Time,
    first_sent: Option<Time>,
    attempts: u32,
}

impl Retry {
    const fn now(now: Time) -> Self {
        Self { at: now, first_sent: None, attempts: 0 }
    }

    /// It is sent: the next time is after `timeout`, doubled each time.
    fn sent(&mut self, timeout: Duration, now: Time) {
        self.first_sent.get_or_insert(now);
        self.at = now + timeout * (1 << self.attempts.min(6));
        self.attempts += 1;
    }
}

/// Why an association is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    #[error("shut down")]
    Shutdown,
    #[error("aborted by the peer: {0}")]
    PeerAborted(String),
    #[error("aborted")]
    Aborted,
    #[error("the peer does not answer")]
    TimedOut,
    #[error("the peer broke the protocol: {0}")]
    Violation(String),
}

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Both sides are ready.
    Established,
    /// A channel opened: the peer's, or one of ours that the peer confirmed.
    ChannelOpened { stream: u16, config: ChannelConfig },
    /// A message on a channel.
    Message { stream: u16, text: bool, payload: Bytes },
    /// Both directions of a channel are closed; its number may be used again.
    ChannelClosed { stream: u16 },
    /// The last event.
    Closed(CloseReason),
}

/// A message or a channel that can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("a message of {len} bytes, but the peer takes at most {max}")]
    TooLarge { len: usize, max: usize },
    #[error("channel {0} is not open")]
    NoChannel(u16),
    #[error("the association is over")]
    Closed,
}

/// Random numbers for one association, from the caller.
#[derive(Debug, Clone, Copy)]
pub struct Entropy(pub [u8; 16]);

/// What the peer said of itself.
#[derive(Debug, Clone, Copy)]
struct Peer {
    tag: u32,
    zero_checksum: bool,
    reconfig: bool,
    forward_tsn: bool,
    paced: bool,
}

/// An SCTP association over DTLS, without I/O.
///
/// Drive it so: feed packets to [`handle_packet`](Self::handle_packet) and moments to
/// [`handle_timeout`](Self::handle_timeout); after either, and after every call of yours, take all
/// [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event) give, then wait until
/// [`poll_timeout`](Self::poll_timeout) or a packet.
#[derive(Debug)]
pub struct Association {
    config: Config,
    state: State,
    tag: u32,
    initial: Tsn,
    /// Proves that a cookie is ours.
    nonce: u64,
    peer: Option<Peer>,
    sender: Sender,
    receiver: Option<Receiver>,
    channels: Channels,
    resets: Resets,
    events: VecDeque<Event>,
    /// Chunks that go alone, with the tag of their packet.
    outbox: VecDeque<(u32, Vec<u8>)>,
    heartbeat_at: Option<Time>,
}

impl Association {
    pub fn new(config: Config, entropy: Entropy) -> Self {
        let [a, b, c, d, e, f, g, h, nonce @ ..] = entropy.0;
        let initial = Tsn::initial(u32::from_be_bytes([e, f, g, h]));
        Self {
            sender: Sender::new(&config, initial),
            config,
            state: State::Idle,
            tag: u32::from_be_bytes([a, b, c, d]).max(1),
            initial,
            nonce: u64::from_be_bytes(nonce),
            peer: None,
            receiver: None,
            channels: Channels::default(),
            resets: Resets::new(initial.wire()),
            events: VecDeque::new(),
            outbox: VecDeque::new(),
            heartbeat_at: None,
        }
    }

    /// Starts the handshake. In WebRTC both sides do.
    pub fn connect(&mut self, now: Time) {
        if matches!(self.state, State::Idle) {
            self.enter(State::CookieWait { retry: Retry::now(now) });
        }
    }

    /// Opens a channel and tells the peer (RFC 8832). `stream`: even for the DTLS client, odd for the server.
    pub fn open_channel(&mut self, stream: u16, config: ChannelConfig, now: Time) -> Result<(), SendError> {
        self.check_open()?;
        self.channels.open(stream, config, &mut self.sender.streams, now);
        Ok(())
    }

    /// Opens a channel both sides know of: nothing is sent for it.
    pub fn open_negotiated(&mut self, stream: u16, config: ChannelConfig) -> Result<(), SendError> {
        self.check_open()?;
        self.channels.open_negotiated(stream, config);
        Ok(())
    }

    /// Closes a channel once what it sent has left (RFC 8831 §6.7); [`Event::ChannelClosed`] follows.
    pub fn close_channel(&mut self, stream: u16) {
        if self.channels.close(stream) {
            self.resets.want(stream);
        }
    }

    /// Queues a message on a channel. The queue has no bound of its own: watch [`buffered`](Self::buffered).
    pub fn send(&mut self, stream: u16, text: bool, payload: Bytes, now: Time) -> Result<(), SendError> {
        self.check_open()?;
        self.check_len(payload.len())?;
        let message = self.channels.message(stream, text, payload).ok_or(SendError::NoChannel(stream))?;
        let (ppid, payload, unordered, reliability) = message;
        self.sender.streams.push(stream, ppid, payload, unordered, reliability, now);
        Ok(())
    }

    /// Queues a message on a stream, whether or not a channel is there. An empty one can't be sent as such
    /// (RFC 8831 §6.6) and is dropped.
    pub fn send_raw(
        &mut self,
        stream: u16,
        ppid: u32,
        payload: Bytes,
        unordered: bool,
        reliability: Reliability,
        now: Time,
    ) -> Result<(), SendError> {
        self.check_open()?;
        self.check_len(payload.len())?;
        if !payload.is_empty() {
            self.sender.streams.push(stream, ppid, payload, unordered, reliability, now);
        }
        Ok(())
    }

    /// Ends in order: what is queued is delivered first.
    pub fn shutdown(&mut self) {
        match self.state {
            State::Established => self.enter(State::ShutdownPending),
            State::Idle | State::CookieWait { .. } | State::CookieEchoed { .. } => {
                self.close(CloseReason::Shutdown)
            }
            _ => {}
        }
    }

    /// Ends at once, and tells the peer.
    pub fn abort(&mut self) {
        self.abort_because(crate::wire::cause::USER_ABORT, "", CloseReason::Aborted);
    }

    /// Bytes of `stream` that no packet carried yet: WebRTC's `bufferedAmount`.
    pub fn buffered(&self, stream: u16) -> usize {
        self.sender.streams.buffered(stream)
    }

    /// Bytes of all streams that no packet carried yet.
    pub fn buffered_total(&self) -> usize {
        self.sender.streams.total()
    }

    /// Largest message the peer takes, bytes.
    pub fn peer_max_message_size(&self) -> usize {
        self.config.peer_max_message_size
    }

    /// What the peer's description said it takes (`a=max-message-size`), if it came after this was made.
    pub fn set_peer_max_message_size(&mut self, bytes: usize) {
        self.config.peer_max_message_size = bytes;
    }

    /// The peer's SCTP port, if it is known only after this was made.
    pub fn set_remote_port(&mut self, port: u16) {
        self.config.remote_port = port;
    }

    /// Whether the peer says that its sender paces: an engine like this one, that needs no help to share a path.
    pub fn peer_is_paced(&self) -> bool {
        self.peer.is_some_and(|peer| peer.paced)
    }

    /// Whether everything sent was acknowledged.
    pub fn is_drained(&self) -> bool {
        self.sender.is_idle()
    }

    /// Bytes sent and neither acknowledged nor deemed lost.
    pub fn in_flight(&self) -> u64 {
        self.sender.in_flight()
    }

    /// The smoothed round trip, once measured.
    pub fn round_trip(&self) -> Option<Duration> {
        self.sender.rtt.smoothed()
    }

    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established)
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        loop {
            // What came before the end is delivered before it.
            let closing = matches!(self.events.front(), Some(Event::Closed(_) | Event::ChannelClosed { .. }));
            if let Some(event) = self.events.pop_front_if(|_| !closing) {
                return Some(event);
            }
            let Some(message) = self.receiver.as_mut().and_then(Receiver::take_message) else {
                return self.events.pop_front();
            };
            if let Some(event) = self.channels.handle_message(message, &mut self.sender.streams) {
                return Some(event);
            }
        }
    }

    fn check_open(&self) -> Result<(), SendError> {
        match self.state {
            State::Idle | State::CookieWait { .. } | State::CookieEchoed { .. } | State::Established => {
                Ok(())
            }
            _ => Err(SendError::Closed),
        }
    }

    const fn check_len(&self, len: usize) -> Result<(), SendError> {
        let max = self.config.peer_max_message_size;
        if len > max { Err(SendError::TooLarge { len, max }) } else { Ok(()) }
    }

    fn enter(&mut self, state: State) {
        tracing::debug!(from = ?self.state, to = ?state, "association");
        self.state = state;
    }

    fn close(&mut self, reason: CloseReason) {
        if !self.is_closed() {
            self.enter(State::Closed);
            self.events.push_back(Event::Closed(reason));
        }
    }

    fn abort_because(&mut self, code: u16, text: &str, reason: CloseReason) {
        if let Some(peer) = self.peer.filter(|_| !self.is_closed()) {
            let (mut causes, mut chunk) = (Vec::new(), Vec::new());
            crate::wire::Cause { kind: code, value: text.as_bytes() }.write(&mut causes);
            crate::wire::Abort { reflected: false, bytes: &causes }.write(&mut chunk);
            self.outbox.clear();
            self.outbox.push_back((peer.tag, chunk));
        }
        self.close(reason);
    }

    fn violation(&mut self, what: &str) {
        let reason = CloseReason::Violation(what.to_owned());
        self.abort_because(crate::wire::cause::PROTOCOL_VIOLATION, what, reason);
    }
}
