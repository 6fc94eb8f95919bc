//! One connection's task: its engine, its sockets, and what goes on beside them.
//!
//! ```text
//! Running ──Close──> Lingering (until all is acknowledged, 1 s) ──> Closing (good-bye, 1 s) ──> the task ends
//!    └──the other side's good-bye, or an error──> Over ──Close──> the task ends
//! ```
use std::{
    future::pending,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use beeline_core::rtc::{Candidate, Channel, Description, IceServer, LaneId, LaneState, RtcEvent, SdpKind};
use bytes::Bytes;
use str0m::net::Transmit;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinSet,
    time::{sleep_until, timeout},
};

use super::{
    PathKind, Shared, TransportEvent,
    engine::{self, Engine, EngineError, Output},
    interfaces::Interfaces,
    mdns,
    sockets::{Inbox, Sockets},
    stun,
    watch::Watch,
};

/// What the transport tells a lane.
#[derive(Debug)]
pub(super) enum Command {
    SetRemote(Description),
    AddCandidate(Candidate),
    Restart,
    Send(Channel, Bytes),
    Close,
}

/// Commands taken before the network gets its turn.
const COMMANDS_AT_ONCE: usize = 64;
/// DTLS takes 30 datagrams until it is polled; further ones would be lost.
const DATAGRAMS_AT_ONCE: usize = 16;
/// How long unsent bytes keep a closed lane.
const LINGER: Duration = Duration::from_secs(1);
/// Nothing to do for so long: look again.
const IDLE: Duration = Duration::from_secs(60);
/// A change of the path is told at once, its round trip every so often.
const PATH_REPORT: Duration = Duration::from_secs(5);
/// Falls of the buffered amount are told in steps of this, and when it reaches 0.
const BUFFERED_STEP: u64 = 64 << 10;
/// Unread messages beyond this are the work of a peer that ignores what it was granted. Its packets are dropped
/// until the driver has read on; SCTP sends them again.
const MAX_UNREAD: u64 = 32 << 20;
/// A peer has a handful of names; the rest is noise.
const MAX_NAMES: usize = 16;
/// For a STUN server's name.
const LOOKUP: Duration = Duration::from_secs(3);

enum Phase {
    Running,
    Lingering { until: Instant },
    Closing { until: Instant },
    Over,
}

/// What helpers beside the lane found out.
enum Found {
    StunServer(SocketAddr),
    /// A candidate whose name was replaced by the address, and the ufrag it belongs to.
    Candidate(String, Option<String>),
}

pub(super) struct Lane {
    id: LaneId,
    shared: Arc<Shared>,
    events: UnboundedSender<(Arc<Shared>, TransportEvent)>,
    loopback: bool,
    servers: Vec<IceServer>,
    phase: Phase,
    engine: Engine,
    sockets: Sockets,
    inbox: Inbox,
    /// A packet that the kernel had no room for.
    held: Option<Transmit>,
    watch: Watch,
    interfaces: Interfaces,
    stun: stun::Gatherer,
    stun_servers: Vec<SocketAddr>,
    names: usize,
    helpers: JoinSet<Option<Found>>,
    path: Option<(SocketAddr, Instant)>,
    reported: [u64; 2],
}

impl Lane {
    pub(super) fn new(
        id: LaneId,
        shared: Arc<Shared>,
        events: UnboundedSender<(Arc<Shared>, TransportEvent)>,
        loopback: bool,
        servers: Vec<IceServer>,
    ) -> Self {
        Self {
            id,
            shared,
            events,
            loopback,
            servers,
            phase: Phase::Running,
            engine: Engine::new(Instant::now()),
            sockets: Sockets::default(),
            inbox: Inbox::default(),
            held: None,
            watch: Watch::new(),
            interfaces: Interfaces::default(),
            stun: stun::Gatherer::default(),
            stun_servers: Vec::new(),
            names: 0,
            helpers: JoinSet::new(),
            path: None,
            reported: [0; 2],
        }
    }

    /// The task: starts with an offer if asked to, ends after [`Command::Close`] or when all senders are gone.
    pub(super) async fn run(mut self, offerer: bool, mut commands: UnboundedReceiver<Command>) {
        if offerer {
            self.offer();
        }
        loop {
            let Some(wake) = self.drive() else { return };
            let listening = matches!(self.phase, Phase::Running | Phase::Over);
            tokio::select! {
                command = commands.recv(), if listening => {
                    self.handle_command(command.unwrap_or(Command::Close));
                    for _ in 1..COMMANDS_AT_ONCE {
                        let Ok(command) = commands.try_recv() else { break };
                        self.handle_command(command);
                    }
                }
                () = self.sockets.readable() => self.receive(),
                () = self.sockets.writable(), if self.sockets.is_full() => {}
                found = next(&mut self.helpers) => self.handle_found(found),
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match (&self.phase, command) {
            (Phase::Running, Command::SetRemote(description)) => self.set_remote(&description),
            (Phase::Running, Command::AddCandidate(candidate)) => self.add_candidate(&candidate.0),
            (Phase::Running, Command::Restart) => {
                self.watch.restart(now);
                self.offer();
            }
            (Phase::Running, Command::Send(channel, message)) => self.engine.send(channel, message),
            (Phase::Running, Command::Close) => self.phase = Phase::Lingering { until: now + LINGER },
            (Phase::Over, Command::Close) => self.phase = Phase::Closing { until: now },
            _ => {}
        }
    }

    fn offer(&mut self) {
        match self.engine.offer() {
            Some(description) => {
                self.emit(RtcEvent::Description { lane: self.id, description });
                self.gather();
            }
            None => tracing::debug!("no offer to make"),
        }
    }

    fn set_remote(&mut self, remote: &Description) {
        let now = Instant::now();
        match self.engine.accept(remote) {
            Ok(answer) => {
                if remote.kind == SdpKind::Offer {
                    self.watch.restart(now);
                }
                self.watch.handle_progress(now);
                if let Some(description) = answer {
                    self.emit(RtcEvent::Description { lane: self.id, description });
                    self.gather();
                }
                for candidate in engine::candidates(&remote.sdp) {
                    self.add_candidate(candidate);
                }
            }
            Err(error) => self.fail(&error),
        }
    }

    /// Opens a socket on every address that has none yet, and asks STUN servers from all of them.
    fn gather(&mut self) {
        let first = self.interfaces.addresses.is_empty();
        self.interfaces = Interfaces::list(self.loopback);
        for ip in self.interfaces.addresses.clone() {
            if self.sockets.locals().any(|local| local.ip() == ip) {
                continue;
            }
            match self.sockets.bind(ip) {
                Ok(local) => {
                    if let Some(candidate) = self.engine.add_host(local) {
                        self.emit(RtcEvent::Candidate { lane: self.id, candidate });
                    }
                }
                Err(error) => tracing::debug!(error = ?error.kind(), "an address can't be used"),
            }
        }
        if self.sockets.len() == 0 {
            tracing::warn!("no network address can be used");
        }
        if first {
            for server in std::mem::take(&mut self.servers) {
                for url in server.urls {
                    match stun::parse_url(&url) {
                        Some((host, port)) => self.look_up(host, port),
                        None => tracing::debug!("an ICE server that is not used: only stun: is"),
                    }
                }
            }
        } else {
            for server in self.stun_servers.clone() {
                self.ask(server);
            }
        }
    }

    fn look_up(&mut self, host: String, port: u16) {
        let id = self.id;
        let spawn = |helpers: &mut JoinSet<_>, v4: bool| {
            let name = format!("{host}:{port}");
            helpers.spawn(async move {
                let found = timeout(LOOKUP, tokio::net::lookup_host(name)).await;
                let Ok(Ok(mut addresses)) = found else {
                    tracing::debug!(lane = id.0, "a STUN server's name can't be resolved");
                    return None;
                };
                addresses.find(|address| address.is_ipv4() == v4).map(Found::StunServer)
            });
        };
        for v4 in [true, false] {
            if self.sockets.locals().any(|local| local.is_ipv4() == v4) {
                spawn(&mut self.helpers, v4);
            }
        }
    }

    fn ask(&mut self, server: SocketAddr) {
        let now = Instant::now();
        for base in self.sockets.locals() {
            // From a public server no answer reaches loopback, and the other way round.
            if base.ip().is_loopback() == server.ip().is_loopback() {
                self.stun.ask(base, server, now);
            }
        }
    }

    fn handle_found(&mut self, found: Option<Found>) {
        match found {
            Some(Found::StunServer(server)) => {
                self.stun_servers.push(server);
                self.ask(server);
            }
            Some(Found::Candidate(candidate, ufrag)) if ufrag.as_deref() == self.engine.remote_ufrag() => {
                self.add_resolved(&candidate);
            }
            _ => {}
        }
    }

    /// Takes a candidate of the other side; one with a name in place of the address is looked up first.
    fn add_candidate(&mut self, candidate: &str) {
        // candidate:foundation component protocol priority address port typ …
        let mut fields: Vec<&str> = candidate.split(' ').collect();
        let Some(host) = fields.get(4).copied() else { return };
        if host.parse::<IpAddr>().is_ok() {
            self.add_resolved(candidate);
        } else if mdns::is_local_name(host) && fields[2].eq_ignore_ascii_case("udp") && self.names < MAX_NAMES
        {
            self.names += 1;
            let name = host.to_owned();
            fields[4] = "\0";
            let template = fields.join(" ");
            let (interfaces, ufrag) =
                (self.interfaces.clone(), self.engine.remote_ufrag().map(str::to_owned));
            self.helpers.spawn(async move {
                let ip = mdns::resolve(name, interfaces).await?;
                Some(Found::Candidate(template.replace('\0', &ip.to_string()), ufrag))
            });
        }
    }

    fn add_resolved(&mut self, candidate: &str) {
        if self.engine.add_remote(candidate) {
            self.watch.handle_progress(Instant::now());
        } else {
            tracing::debug!("a candidate that can't be used");
        }
    }

    /// Takes what the sockets have, each once, so that the rest of the lane gets its turn.
    fn receive(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        for index in (0..self.sockets.len()).rev() {
            let Some(local) = self.sockets.receive(index, &mut inbox) else { continue };
            let now = Instant::now();
            for (count, (source, datagram)) in inbox.datagrams().enumerate() {
                if count % DATAGRAMS_AT_ONCE == DATAGRAMS_AT_ONCE - 1 {
                    self.advance(now);
                }
                self.handle_datagram(source, local, datagram, now);
            }
            self.advance(now);
        }
        self.inbox = inbox;
    }

    fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, datagram: &[u8], now: Instant) {
        if let Ok(found) = self.stun.handle_datagram(source, local, datagram) {
            if let Some((mapped, base)) = found
                && mapped != base
                && let Some(candidate) = self.engine.add_reflexive(mapped, base)
            {
                self.emit(RtcEvent::Candidate { lane: self.id, candidate });
            }
            return;
        }
        // RFC 7983: 20 to 63 is DTLS.
        let is_dtls = matches!(datagram.first(), Some(20..64));
        if is_dtls && self.shared.unread() > MAX_UNREAD {
            return;
        }
        if self.engine.handle_datagram(source, local, datagram, now) {
            self.watch.handle_heard(now);
        }
    }

    /// Everything that can be done now. Gives the time to look again, or nothing when the lane is over.
    fn drive(&mut self) -> Option<Instant> {
        let now = Instant::now();
        match self.phase {
            Phase::Lingering { until } if self.engine.is_drained() || until <= now => {
                self.engine.close();
                self.phase = Phase::Closing { until: now + LINGER };
            }
            Phase::Closing { until } if !self.engine.is_alive() || until <= now => {
                let _ = self.sockets.flush();
                return None;
            }
            _ => {}
        }
        if !matches!(self.phase, Phase::Over)
            && let Err(error) = self.engine.handle_timeout(now)
        {
            self.fail(&error);
        }
        let mut wake = self.advance(now).unwrap_or(now + IDLE).min(now + IDLE);
        if let Phase::Lingering { until } | Phase::Closing { until } = self.phase {
            wake = wake.min(until);
        }
        if matches!(self.phase, Phase::Running) {
            while let Some((from, to, request)) = self.stun.poll_transmit(now) {
                if self.sockets.queue(from, to, &request).is_err() {
                    break; // asked again later
                }
            }
            let _ = self.sockets.flush();
            if let Some(state) = self.watch.poll(now) {
                self.emit(RtcEvent::State { lane: self.id, state });
            }
            wake = [self.stun.poll_timeout(), self.watch.poll_timeout()]
                .into_iter()
                .flatten()
                .fold(wake, Instant::min);
        }
        if matches!(self.phase, Phase::Closing { .. }) && !self.engine.is_alive() {
            let _ = self.sockets.flush();
            return None;
        }
        Some(wake)
    }

    /// Lets the engine work until it waits or the kernel takes no more. Gives the time to come back.
    fn advance(&mut self, now: Instant) -> Option<Instant> {
        let wake = loop {
            if matches!(self.phase, Phase::Over) && !self.engine.is_alive() {
                break None;
            }
            if let Some(packet) = self.held.take()
                && self.sockets.queue(packet.source, packet.destination, &packet.contents).is_err()
            {
                self.held = Some(packet);
                break None; // until writable
            }
            match self.engine.poll_output() {
                // What was acknowledged makes room for more.
                Ok(Output::Wait(at)) => {
                    self.report_acknowledged();
                    match self.engine.pump() {
                        Ok(true) => {}
                        Ok(false) => break Some(at),
                        Err(error) => {
                            self.fail(&error);
                            break None;
                        }
                    }
                }
                Ok(Output::Transmit(packet)) => self.held = Some(packet),
                Ok(output) => self.handle_output(output, now),
                Err(error) => {
                    self.fail(&error);
                    break None;
                }
            }
        };
        let _ = self.sockets.flush(); // if the kernel is full, it goes when the sockets are writable
        wake
    }

    fn handle_output(&mut self, output: Output, now: Instant) {
        match output {
            Output::Established => {
                self.watch.handle_established(now);
                if let Some(state) = self.watch.poll(now) {
                    self.emit(RtcEvent::State { lane: self.id, state });
                }
            }
            Output::Paired => self.watch.handle_progress(now),
            Output::Open(channel) => {
                let max_message = self.engine.max_message();
                self.emit(RtcEvent::ChannelOpen { lane: self.id, channel, max_message });
            }
            Output::Message(channel, message) => {
                self.shared.add_unread(message.len());
                self.tell(TransportEvent::Message { lane: self.id, channel, message });
            }
            Output::Path { remote, relay, rtt } => {
                let due = |(known, told): (SocketAddr, Instant)| known != remote || now - told >= PATH_REPORT;
                if self.path.is_none_or(due) {
                    self.path = Some((remote, now));
                    let kind = if relay { PathKind::Relay } else { PathKind::Direct };
                    self.tell(TransportEvent::Path { lane: self.id, kind, protocol: "udp", rtt });
                }
            }
            Output::Closed => self.end(LaneState::Closed),
            Output::Transmit(_) | Output::Wait(_) => {}
        }
    }

    /// Tells the driver that bytes are delivered.
    fn report_acknowledged(&mut self) {
        for channel in [Channel::Control, Channel::Data] {
            let at = usize::from(channel.stream());
            let delivered = self.engine.take_acknowledged(channel);
            if delivered == 0 {
                continue;
            }
            let left = self.shared.subtract_buffered(channel, delivered);
            self.reported[at] += delivered;
            if self.reported[at] >= BUFFERED_STEP || left == 0 {
                self.reported[at] = 0;
                self.tell(TransportEvent::Buffered { lane: self.id, channel, bytes: left });
            }
        }
    }

    fn fail(&mut self, error: &EngineError) {
        tracing::debug!(lane = self.id.0, ?error, "failed");
        self.end(LaneState::Failed);
    }

    /// No more of this lane: the last word is said once.
    fn end(&mut self, state: LaneState) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Over;
            self.emit(RtcEvent::State { lane: self.id, state });
        }
    }

    fn emit(&self, event: RtcEvent) {
        self.tell(TransportEvent::Rtc(event));
    }

    fn tell(&self, event: TransportEvent) {
        // Nobody listens: then the senders of commands go too, and the lane ends.
        let _ = self.events.send((self.shared.clone(), event));
    }
}

/// The next result of the helpers; never, while there are none.
async fn next(helpers: &mut JoinSet<Option<Found>>) -> Option<Found> {
    match helpers.join_next().await {
        Some(found) => found.ok().flatten(),
        None => pending().await,
    }
}

/// The two ends of a lane's command queue.
pub(super) fn commands() -> (UnboundedSender<Command>, UnboundedReceiver<Command>) {
    unbounded_channel()
}
