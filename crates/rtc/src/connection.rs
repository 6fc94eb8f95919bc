//! One connection: descriptions, candidates, datagrams and moments in; datagrams, events and moments out.
//!
//! ```text
//! offer ─> answer ─> ICE finds a route ─> DTLS, client: who answered (RFC 8842) ─> SCTP, both at once ─> channels
//!
//!   datagram, first byte (RFC 7983)   0–3 STUN ─> ICE     20–63 DTLS ─> records ─> SCTP ─> messages
//!   message ─> SCTP packets, up to 50 of one size ─> each sealed as a record ─> one Transmit
//! ```
use std::{
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use beeline_sctp::{self as sctp, Association, ChannelConfig, Entropy, SendError, Time};
use bytes::Bytes;

use crate::{
    dtls::Dtls,
    ice::{Ice, Route},
    sdp::{Fingerprint, Local, Remote, SdpError, SdpKind, Section, Setup},
};

mod flow;

/// Datagrams are tried up to what Ethernet carries, with their IP header. More is rare, and not every receiver's buffer
/// takes it.
const ETHERNET: usize = 1500;
const UDP_HEADER: usize = 8;
/// A channel's number and the length (RFC 8656 §12.4).
const CHANNEL_DATA: usize = 4;

/// What a connection is made of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Our `a=max-message-size`, bytes: a longer message ends the connection.
    pub max_message_size: usize,
    /// Channels that both sides know of (`negotiated` in a browser): stream and promises. They open with the
    /// connection, without a message.
    pub negotiated: Vec<(u16, ChannelConfig)>,
}

impl Default for Config {
    /// 256 KiB, as Chromium says; no channels.
    fn default() -> Self {
        Self { max_message_size: 256 << 10, negotiated: Vec::new() }
    }
}

/// What happened, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// There is a route, another one than before, or it works again.
    Route(Route),
    /// ICE and DTLS are done.
    Connected,
    /// A channel opened: agreed on beforehand, the other side's, or one of ours that it confirmed.
    ChannelOpened {
        /// Its SCTP stream.
        stream: u16,
        /// What it promises.
        config: ChannelConfig,
    },
    /// A message arrived, whole.
    Message {
        /// On which channel.
        stream: u16,
        /// Whether it is text (UTF-8, not verified) or bytes.
        text: bool,
        /// Its content.
        payload: Bytes,
    },
    /// Both directions of a channel are closed; its number may be used again.
    ChannelClosed {
        /// Its SCTP stream.
        stream: u16,
    },
    /// The last event: the other side ended the connection, or it can't go on.
    Closed(CloseReason),
}

/// Why a connection is over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// It said good-bye.
    #[error("closed by the other side")]
    Remote,
    /// The handshake or the protocol beneath failed; the text holds no address and no key.
    #[error("{0}")]
    Failed(String),
}

/// A connection can't be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no key and certificate can be made")]
pub struct NoCertificate;

/// The path in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// From where to where.
    pub route: Route,
    /// One of its ends is a TURN server's.
    pub relayed: bool,
    /// Our TURN server is reached over TCP.
    pub over_tcp: bool,
    /// The round trip of the last consent check (RFC 7675).
    pub round_trip: Option<Duration>,
}

/// What was agreed on with the first pair of descriptions.
#[derive(Clone, Copy, Debug)]
struct Agreed {
    fingerprint: Fingerprint,
    client: bool,
}

/// A WebRTC connection with data channels only, without I/O.
///
/// Drive it so: feed datagrams to [`handle_datagram`](Self::handle_datagram) and moments to
/// [`handle_timeout`](Self::handle_timeout); after either, and after every call of yours, take all that
/// [`poll_event`](Self::poll_event) and [`poll_transmit`](Self::poll_transmit) give, then wait until
/// [`poll_timeout`](Self::poll_timeout) or a datagram.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    ice: Ice,
    dtls: Dtls,
    sctp: Association,
    origin: Instant,
    session_id: u64,
    version: u32,
    /// Our offer waits for its answer.
    offering: bool,
    agreed: Option<Agreed>,
    /// The sections of the offer that we answered.
    sections: Vec<Section>,
    events: VecDeque<Event>,
    /// A record that did not fit the last batch.
    held: Vec<u8>,
    packet: Vec<u8>,
    /// The route whose MTU is looked for.
    measured: Option<Route>,
    /// The system may fragment datagrams.
    may_fragment: bool,
    over: bool,
}

impl Connection {
    /// With a key and a certificate of its own.
    pub fn new(config: Config, now: Instant) -> Result<Self, NoCertificate> {
        let mut random = [0; 24];
        getrandom::fill(&mut random).expect("the system gives random bytes");
        let [entropy @ .., a, b, c, d, e, f, g, h] = random;
        let settings = sctp::Config { max_message_size: config.max_message_size, ..sctp::Config::default() };
        let mut sctp = Association::new(settings, Entropy(entropy));
        for (stream, channel) in &config.negotiated {
            sctp.open_negotiated(*stream, channel.clone()).expect("it was just made");
        }
        Ok(Self {
            config,
            ice: Ice::new(),
            dtls: Dtls::new(now).map_err(|_| NoCertificate)?,
            sctp,
            origin: now,
            // RFC 8829 §5.2.1: 64 bits, the highest zero.
            session_id: u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1,
            version: 0,
            offering: false,
            agreed: None,
            sections: Vec::new(),
            events: VecDeque::new(),
            held: Vec::new(),
            packet: Vec::with_capacity(2048),
            measured: None,
            may_fragment: false,
            over: false,
        })
    }

    /// Writes an offer: the first, or one with fresh ICE credentials (RFC 8445 §9).
    pub fn offer(&mut self) -> String {
        match self.agreed {
            None => self.ice.control(),
            Some(_) => self.ice.restart(),
        }
        self.offering = true;
        self.sections.clear();
        self.describe(Setup::ActPass)
    }

    /// Takes the other side's description; an offer gives our answer. Candidates in it are left to the caller, who
    /// may have to look names up: [`candidates`](crate::candidates).
    pub fn set_remote(&mut self, kind: SdpKind, sdp: &str, now: Instant) -> Result<Option<String>, SdpError> {
        let remote = Remote::parse(sdp)?;
        let answer = kind == SdpKind::Answer;
        if answer && !std::mem::take(&mut self.offering) {
            return Err(SdpError::Unexpected);
        }
        if let Some(agreed) = self.agreed {
            // DTLS goes on below another way; a new certificate would need a new connection.
            if agreed.fingerprint != remote.fingerprint {
                return Err(SdpError::Attribute("fingerprint"));
            }
        } else {
            // RFC 8842 §5.3: whoever answers chooses, and is the client if it may be.
            let client = match (answer, remote.setup) {
                (true, Setup::Active) | (false, Setup::Active) => false,
                (true, Setup::Passive) | (false, Setup::Passive | Setup::ActPass) => true,
                (true, Setup::ActPass) => return Err(SdpError::Attribute("setup")),
            };
            self.agreed = Some(Agreed { fingerprint: remote.fingerprint, client });
        }
        self.sctp.set_remote_port(remote.sctp_port);
        self.sctp.set_peer_max_message_size(remote.max_message_size);
        if !answer {
            // Two offers at once: the caller decided for theirs.
            self.offering = false;
            self.ice.forget_offer();
        }
        self.ice.set_remote(&remote.ufrag, &remote.pwd, answer);
        self.ice.handle_timeout(now);
        if answer {
            return Ok(None);
        }
        self.sections = remote.sections;
        let client = self.agreed.is_some_and(|agreed| agreed.client);
        Ok(Some(self.describe(if client { Setup::Active } else { Setup::Passive })))
    }

    fn describe(&mut self, setup: Setup) -> String {
        self.version += 1;
        let (ufrag, pwd) = self.ice.credentials();
        let local = Local {
            session_id: self.session_id,
            version: self.version,
            ufrag,
            pwd,
            fingerprint: self.dtls.fingerprint(),
            setup,
            max_message_size: self.config.max_message_size,
            candidates: self.ice.local_candidates(),
        };
        local.write(&self.sections)
    }

    /// Adds an address of this machine; gives the candidate's text for the other side, if it is a new one.
    pub fn add_host_candidate(&mut self, local: SocketAddr) -> Option<String> {
        self.ice.add_host(local)
    }

    /// Adds what a STUN server saw of the socket bound to `base`; gives the candidate's text for the other side.
    pub fn add_reflexive_candidate(&mut self, mapped: SocketAddr, base: SocketAddr) -> Option<String> {
        self.ice.add_reflexive(mapped, base)
    }

    /// Adds an address on a TURN server that passes on what comes for it; gives the candidate's text. The caller wraps
    /// what leaves from it as the server wants it, and unwraps what arrives.
    pub fn add_relayed_candidate(&mut self, relayed: SocketAddr, base: SocketAddr) -> Option<String> {
        self.ice.add_relayed(relayed, base)
    }

    /// Adds a candidate of the other side (`candidate:…`); false: it can't be used. A name in place of the address
    /// has to be replaced before.
    pub fn add_remote_candidate(&mut self, candidate: &str) -> bool {
        self.ice.add_remote(candidate)
    }

    /// The system does not keep datagrams from being fragmented: whether a large one arrives says nothing, so none is
    /// tried.
    pub fn forbid_probing(&mut self) {
        self.may_fragment = true;
    }

    /// The other side's ICE user name fragment: another one means that its older candidates are void.
    pub fn remote_ufrag(&self) -> Option<&str> {
        self.ice.remote_ufrag()
    }

    /// Opens a channel and tells the other side (RFC 8832), once connected. `stream` is free and even for the client
    /// ([`is_client`](Self::is_client)), odd for the server.
    pub fn open_channel(
        &mut self,
        stream: u16,
        config: ChannelConfig,
        now: Instant,
    ) -> Result<(), SendError> {
        let now = self.time(now);
        self.sctp.open_channel(stream, config, now)
    }

    /// Closes a channel once what it sent has left; [`Event::ChannelClosed`] follows.
    pub fn close_channel(&mut self, stream: u16) {
        self.sctp.close_channel(stream);
    }

    /// Queues a message. The queue has no bound of its own: watch [`buffered`](Self::buffered).
    pub fn send(&mut self, stream: u16, text: bool, payload: Bytes, now: Instant) -> Result<(), SendError> {
        let now = self.time(now);
        self.sctp.send(stream, text, payload, now)
    }

    /// Bytes of a channel that no packet carried yet: WebRTC's `bufferedAmount`.
    pub fn buffered(&self, stream: u16) -> usize {
        self.sctp.buffered(stream)
    }

    /// Whether everything sent was acknowledged.
    pub fn is_drained(&self) -> bool {
        self.sctp.is_drained()
    }

    /// The largest message that the other side takes, bytes.
    pub fn max_message_size(&self) -> usize {
        self.sctp.peer_max_message_size()
    }

    /// Whether this is DTLS's client; known with the first pair of descriptions.
    pub fn is_client(&self) -> Option<bool> {
        self.agreed.map(|agreed| agreed.client)
    }

    /// Whether the other side's sender is an engine as this one is, which paces: known when channels open.
    pub fn peer_is_paced(&self) -> bool {
        self.sctp.peer_is_paced()
    }

    /// The path in use.
    pub fn path(&self) -> Option<Path> {
        let route = self.ice.route()?;
        let round_trip = self.ice.round_trip();
        Some(Path { route, relayed: self.ice.is_relayed(route), over_tcp: false, round_trip })
    }

    /// Says good-bye; [`poll_transmit`](Self::poll_transmit) still gives the last datagrams. What was not acknowledged
    /// is lost.
    pub fn close(&mut self, now: Instant) {
        if self.over {
            return;
        }
        self.sctp.abort();
        if self.dtls.is_connected() {
            self.packet.clear();
            let time = self.time(now);
            while self.sctp.poll_transmit(time, &mut self.packet) {
                if self.dtls.seal_apart(&self.packet, now).is_err() {
                    break;
                }
                self.packet.clear();
            }
        }
        self.dtls.close();
        self.over = true;
    }

    /// Whether the connection is over; there may be datagrams to send.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// Another path may carry larger packets, or only smaller ones.
    fn measure_path(&mut self) {
        let unmeasured = self.ice.route().filter(|&route| self.measured != Some(route));
        let Some(route) = unmeasured.filter(|_| self.dtls.is_connected()) else { return };
        self.measured = Some(route);
        let ip = if route.remote.is_ipv4() { 20 } else { 40 };
        let relay = if self.ice.is_ours_relayed(route) { CHANNEL_DATA } else { 0 };
        let around = ip + UDP_HEADER + relay + self.dtls.overhead();
        self.sctp.handle_path(if self.may_fragment { 0 } else { ETHERNET - around });
    }

    fn time(&self, now: Instant) -> Time {
        Time::from_origin(now.saturating_duration_since(self.origin))
    }
}
