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
    dtls::{Dtls, DtlsError},
    ice::{Ice, Route},
    sdp::{Fingerprint, Local, Remote, SdpError, SdpKind, Section, Setup},
    transmit::Transmit,
};

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
    /// The other side's end is a TURN server's.
    pub relayed: bool,
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

    /// Adds a candidate of the other side (`candidate:…`); false: it can't be used. A name in place of the address
    /// has to be replaced before.
    pub fn add_remote_candidate(&mut self, candidate: &str) -> bool {
        self.ice.add_remote(candidate)
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
        Some(Path { route, relayed: self.ice.is_relayed(route.remote), round_trip })
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

    /// Takes a datagram; true: it came from the other side, so the path lives.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        match datagram.first() {
            Some(0..=3) => {
                let accepted = self.ice.handle_datagram(source, local, datagram, now);
                self.follow_route(now);
                accepted
            }
            // Anybody may send anything to a port; only ICE knows who the other side is.
            Some(20..=63) if !self.over && self.ice.knows(source) => {
                let (time, sctp) = (self.time(now), &mut self.sctp);
                let result =
                    self.dtls.handle_datagram(datagram, now, |packet| sctp.handle_packet(packet, time));
                self.after_dtls(result, now);
                true
            }
            _ => false,
        }
    }

    /// Does what is due. Calling it early or late does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.ice.handle_timeout(now);
        self.follow_route(now);
        if !self.over {
            let result = self.dtls.handle_timeout(now);
            self.after_dtls(result, now);
        }
        let time = self.time(now);
        self.sctp.handle_timeout(time);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_transmit`](Self::poll_transmit) next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        let sctp = self.sctp.poll_timeout().filter(|_| self.dtls.is_connected());
        let sctp = sctp.map(|at| self.origin + at.since_origin());
        [self.ice.poll_timeout(), self.dtls.poll_timeout(), sctp].into_iter().flatten().min()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let event = loop {
            match self.sctp.poll_event()? {
                sctp::Event::Established => {
                    let open = |(stream, config): &(u16, ChannelConfig)| Event::ChannelOpened {
                        stream: *stream,
                        config: config.clone(),
                    };
                    self.events.extend(self.config.negotiated.iter().map(open));
                    if let Some(event) = self.events.pop_front() {
                        break event;
                    }
                }
                sctp::Event::ChannelOpened { stream, config } => {
                    break Event::ChannelOpened { stream, config };
                }
                sctp::Event::Message { stream, text, payload } => {
                    break Event::Message { stream, text, payload };
                }
                sctp::Event::ChannelClosed { stream } => break Event::ChannelClosed { stream },
                sctp::Event::Closed(reason) => {
                    if self.over {
                        return None;
                    }
                    self.over = true;
                    break Event::Closed(match reason {
                        sctp::CloseReason::Shutdown | sctp::CloseReason::PeerAborted(_) => {
                            CloseReason::Remote
                        }
                        reason => CloseReason::Failed(reason.to_string()),
                    });
                }
            }
        };
        Some(event)
    }

    /// Fills `transmit` with what is to be sent next; false if there is nothing now. Call until false, or until the
    /// system takes no more.
    pub fn poll_transmit(&mut self, now: Instant, transmit: &mut Transmit) -> bool {
        transmit.clear();
        if let Some((route, datagram)) = self.ice.poll_transmit() {
            transmit.put(route, &datagram);
            return true;
        }
        let Some(route) = self.ice.route() else { return false };
        if let Some(datagram) = self.dtls.poll_transmit() {
            transmit.put(route, &datagram);
            return true;
        }
        if !self.dtls.is_connected() {
            return false;
        }
        if !self.held.is_empty() {
            transmit.put(route, &self.held);
            self.held.clear();
        }
        let time = self.time(now);
        while self.held.is_empty() && (transmit.segments == 0 || transmit.has_room()) {
            self.packet.clear();
            if !self.sctp.poll_transmit(time, &mut self.packet) {
                break;
            }
            let start = transmit.bytes.len();
            if let Err(error) = self.dtls.seal(&self.packet, now, &mut transmit.bytes) {
                self.after_dtls(Err(error), now);
                break;
            }
            transmit.appended(start, &mut self.held);
        }
        transmit.route = (transmit.segments > 0).then_some(route);
        transmit.route.is_some()
    }

    /// ICE found something: the first route is where DTLS begins.
    fn follow_route(&mut self, now: Instant) {
        let Some(route) = self.ice.poll_route() else { return };
        self.events.push_back(Event::Route(route));
        if let (true, Some(agreed)) = (self.dtls.is_waiting(), self.agreed) {
            let result = self.dtls.start(agreed.client, agreed.fingerprint, now);
            self.after_dtls(result, now);
        }
    }

    fn after_dtls(&mut self, result: Result<(), DtlsError>, now: Instant) {
        if self.over {
            return;
        }
        let reason = match result {
            Err(error) => CloseReason::Failed(error.to_string()),
            Ok(()) if self.dtls.is_closed() => CloseReason::Remote,
            Ok(()) => {
                if self.dtls.take_connected() {
                    self.events.push_back(Event::Connected);
                    let time = self.time(now);
                    self.sctp.connect(time);
                }
                return;
            }
        };
        // What arrived before the good-bye is delivered before its event.
        while let Some(event) = self.sctp.poll_event() {
            if let sctp::Event::Message { stream, text, payload } = event {
                self.events.push_back(Event::Message { stream, text, payload });
            }
        }
        self.over = true;
        self.events.push_back(Event::Closed(reason));
    }

    fn time(&self, now: Instant) -> Time {
        Time::from_origin(now.saturating_duration_since(self.origin))
    }
}
