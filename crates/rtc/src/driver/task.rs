//! The task: what its connection, its sockets and its user want, in turn.
//!
//! ```text
//! Running ──close──> Lingering (until all is acknowledged, 1 s) ──> Closing (good-bye sent) ──> the task ends
//!    └──the other side's good-bye, or an error──> Over ──close──> the task ends
//! ```
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{sync::mpsc::UnboundedReceiver, time::sleep_until};

use super::{
    Command, LINGER, Listener, Notice, PathState, Settings,
    gather::{Found, Gathering},
    relay::{Received, Relays},
    sockets::{Inbox, Sockets},
    stream::Arrived,
    watch::Watch,
};
use crate::{CloseReason, Connection, Event, Route, SdpKind, SendError, Transmit, candidates};

/// Commands taken before the network gets its turn.
const COMMANDS_AT_ONCE: usize = 64;
/// Nothing to do for so long: look again.
const IDLE: Duration = Duration::from_secs(60);
/// A change of the path is told at once, its round trip every so often.
const PATH_REPORT: Duration = Duration::from_secs(5);
/// Sent bytes are told in steps of this, and when nothing waits.
const SENT_STEP: u64 = 64 << 10;
/// When a full listener is asked again.
const FULL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy)]
enum Phase {
    Running,
    Lingering { until: Instant },
    Closing,
    Over,
}

pub(super) struct Task {
    pub(super) listener: Box<dyn Listener>,
    pub(super) connection: Connection,
    pub(super) sockets: Sockets,
    pub(super) gathering: Gathering,
    pub(super) relays: Relays,
    pub(super) watch: Watch,
    phase: Phase,
    /// Empty only while it is being read.
    inbox: Option<Inbox>,
    /// What is being sent; full when the kernel had no room.
    transmit: Transmit,
    blocked: bool,
    flows: BTreeMap<u16, Flow>,
    path: Option<(Route, Option<Instant>)>,
    /// The listener is full.
    waiting: bool,
}

/// What was given for one channel, and what of it was told to have left.
#[derive(Default)]
struct Flow {
    given: u64,
    told: u64,
}

/// Starts with an offer if asked to, ends after [`Command::Close`] or when all senders are gone.
pub(super) async fn run(
    settings: Settings,
    offerer: bool,
    mut listener: Box<dyn Listener>,
    mut commands: UnboundedReceiver<Command>,
) {
    let Ok(connection) = Connection::new(settings.connection, Instant::now()) else {
        listener.handle(Notice::State(PathState::Failed));
        return;
    };
    let mut task = Task {
        listener,
        connection,
        sockets: Sockets::default(),
        gathering: Gathering::new(settings.loopback, settings.ice_servers),
        relays: Relays::default(),
        watch: Watch::new(),
        phase: Phase::Running,
        inbox: Some(Inbox::default()),
        transmit: Transmit::default(),
        blocked: false,
        flows: BTreeMap::new(),
        path: None,
        waiting: false,
    };
    if offerer {
        task.offer();
    }
    loop {
        let Some(wake) = task.drive() else { return };
        let listening = matches!(task.phase, Phase::Running | Phase::Over);
        let full = task.transmit.route().filter(|_| task.blocked);
        tokio::select! {
            command = commands.recv(), if listening => {
                task.handle_command(command.unwrap_or(Command::Close));
                for _ in 1..COMMANDS_AT_ONCE {
                    let Ok(command) = commands.try_recv() else { break };
                    task.handle_command(command);
                }
            }
            () = task.sockets.readable() => task.receive(),
            () = writable(&task.sockets, full.map(|route| route.local)), if full.is_some() => task.blocked = false,
            found = task.gathering.found() => task.handle_found(found),
            arrived = task.relays.arrived() => task.handle_arrived(arrived),
            () = sleep_until(wake.into()) => {}
        }
    }
}

async fn writable(sockets: &Sockets, local: Option<SocketAddr>) {
    if let Some(local) = local {
        sockets.writable(local).await;
    }
}

impl Task {
    fn handle_command(&mut self, command: Command) {
        let now = Instant::now();
        match (self.phase, command) {
            (Phase::Running, Command::SetRemote(kind, sdp)) => self.set_remote(kind, &sdp, now),
            (Phase::Running, Command::AddCandidate(candidate)) => self.add_candidate(&candidate),
            (Phase::Running, Command::Restart) => {
                self.watch.restart(now);
                self.offer();
            }
            (Phase::Running, Command::Send { stream, text, payload }) => {
                let len = payload.len() as u64;
                match self.connection.send(stream, text, payload, now) {
                    Ok(()) => self.flows.entry(stream).or_default().given += len,
                    Err(error @ SendError::TooLarge { .. }) => self.fail(&error.to_string()),
                    Err(error) => tracing::debug!(%error, "a message was dropped"),
                }
            }
            (Phase::Running, Command::Open(stream, config)) => {
                if let Err(error) = self.connection.open_channel(stream, config, now) {
                    tracing::debug!(%error, "a channel can't be opened");
                }
            }
            (Phase::Running, Command::CloseChannel(stream)) => self.connection.close_channel(stream),
            (Phase::Running, Command::Close) => self.phase = Phase::Lingering { until: now + LINGER },
            (Phase::Over, Command::Close) => self.phase = Phase::Closing,
            _ => {}
        }
    }

    fn offer(&mut self) {
        let sdp = self.connection.offer();
        self.listener.handle(Notice::Description { kind: SdpKind::Offer, sdp });
        self.gather();
    }

    fn set_remote(&mut self, kind: SdpKind, sdp: &str, now: Instant) {
        match self.connection.set_remote(kind, sdp, now) {
            Ok(answer) => {
                if kind == SdpKind::Offer {
                    self.watch.restart(now);
                }
                self.watch.handle_progress(now);
                self.gathering.search(now);
                if let Some(sdp) = answer {
                    self.listener.handle(Notice::Description { kind: SdpKind::Answer, sdp });
                    self.gather();
                }
                for candidate in candidates(sdp) {
                    self.add_candidate(candidate);
                }
            }
            Err(crate::SdpError::Unexpected) => tracing::debug!("an answer without an offer"),
            Err(error) => self.fail(&error.to_string()),
        }
    }

    fn handle_found(&mut self, found: Option<Found>) {
        match found {
            Some(Found::StunServer(server)) => self.ask_stun_server(server),
            Some(Found::TurnServer(server, login)) => self.ask_turn_server(server, &login),
            Some(Found::TurnStream(stream, login)) => self.relays.allocate_over(stream, &login),
            Some(Found::Candidate(candidate, ufrag))
                if ufrag.as_deref() == self.connection.remote_ufrag() =>
            {
                self.add_resolved(&candidate);
            }
            _ => {}
        }
    }

    /// Takes what the sockets have, each once, so that the rest gets its turn.
    fn receive(&mut self) {
        let mut inbox = self.inbox.take().unwrap_or_default();
        for index in (0..self.sockets.len()).rev() {
            let Some(local) = self.sockets.receive(index, &mut inbox) else { continue };
            let now = Instant::now();
            for (source, datagram) in inbox.datagrams() {
                self.handle_datagram(source, local, datagram, now);
            }
            self.advance(now);
        }
        self.inbox = Some(inbox);
    }

    fn handle_datagram(&mut self, source: SocketAddr, local: SocketAddr, datagram: &[u8], now: Instant) {
        if let Some((mapped, base)) = self.gathering.handle_datagram(source, local, datagram) {
            if mapped != base
                && let Some(candidate) = self.connection.add_reflexive_candidate(mapped, base)
            {
                self.listener.handle(Notice::Candidate(candidate));
            }
            return;
        }
        match self.relays.handle_datagram(source, local, datagram, now) {
            Received::NotOurs => self.hand_in(source, local, datagram, now),
            Received::Relayed(relayed) => {
                self.hand_in(relayed.peer(), relayed.relayed, relayed.bytes(), now);
            }
            Received::Handled => {}
        }
    }

    fn hand_in(&mut self, source: SocketAddr, local: SocketAddr, datagram: &[u8], now: Instant) {
        if self.connection.handle_datagram(source, local, datagram, now) {
            self.watch.handle_heard(now);
        }
    }

    /// Takes what came on the connection to a TURN server.
    fn handle_arrived(&mut self, arrived: Option<Arrived>) {
        let Some((local, message)) = arrived else { return };
        let now = Instant::now();
        let received = self.relays.handle_arrived(local, message.as_deref(), now);
        if let Received::Relayed(relayed) = received {
            self.hand_in(relayed.peer(), relayed.relayed, relayed.bytes(), now);
        }
    }

    /// Everything that can be done now. Gives the time to look again, or nothing when the task is over.
    fn drive(&mut self) -> Option<Instant> {
        let now = Instant::now();
        self.connection.handle_timeout(now);
        self.advance(now);
        if let Phase::Lingering { until } = self.phase
            && (self.connection.is_drained() || self.connection.is_over() || until <= now)
        {
            self.phase = Phase::Closing;
        }
        if matches!(self.phase, Phase::Closing) {
            self.connection.close(now);
            self.blocked = false;
            self.advance(now);
            let sockets = &mut self.sockets;
            self.relays.close(now, |transmit| drop(sockets.send(transmit)));
            return None;
        }
        self.relay(now);
        let mut wake = now + IDLE;
        wake = wake.min(self.relays.poll_timeout(now).unwrap_or(wake));
        if !self.blocked {
            wake = wake.min(self.connection.poll_timeout().unwrap_or(wake));
        }
        if self.waiting {
            wake = wake.min(now + FULL);
        }
        match self.phase {
            Phase::Lingering { until } => wake = wake.min(until),
            Phase::Running => {
                self.gathering.send(&mut self.sockets, now);
                self.seek_relays(now);
                self.report_path(now);
                if let Some(state) = self.watch.poll(now) {
                    self.listener.handle(Notice::State(state));
                }
                let timeouts = [self.gathering.poll_timeout(), self.watch.poll_timeout()];
                wake = timeouts.into_iter().flatten().fold(wake, Instant::min);
            }
            _ => {}
        }
        Some(wake)
    }

    /// Lets the connection work until it waits or the kernel takes no more.
    fn advance(&mut self, now: Instant) {
        self.hear();
        while !self.blocked {
            if self.transmit.route().is_none() {
                if !self.connection.poll_transmit(now, &mut self.transmit) {
                    break;
                }
                self.relays.wrap(&mut self.transmit, now);
            }
            self.blocked = self.sockets.send(&self.transmit).is_err();
            if !self.blocked {
                self.transmit.clear();
            }
        }
        self.hear();
        self.report_sent();
    }

    /// Hands over what happened.
    fn hear(&mut self) {
        loop {
            self.waiting = self.listener.is_full();
            if self.waiting {
                return;
            }
            let Some(event) = self.connection.poll_event() else { return };
            self.handle_event(event);
        }
    }

    fn handle_event(&mut self, event: Event) {
        let now = Instant::now();
        match event {
            Event::Route(route) => {
                self.watch.handle_progress(now);
                self.gathering.handle_path();
                self.relays.bind(route, now);
            }
            Event::Connected => {
                self.watch.handle_established(now);
                if let Some(state) = self.watch.poll(now) {
                    self.listener.handle(Notice::State(state));
                }
            }
            Event::ChannelOpened { stream, config } => self.listener.handle(Notice::ChannelOpened {
                stream,
                config,
                max_message: self.connection.max_message_size(),
                peer_is_paced: self.connection.peer_is_paced(),
            }),
            Event::ChannelClosed { stream } => {
                self.flows.remove(&stream);
                self.listener.handle(Notice::ChannelClosed { stream });
            }
            Event::Message { stream, text, payload } => {
                self.listener.handle(Notice::Message { stream, text, payload });
            }
            Event::Closed(CloseReason::Remote) => self.end(PathState::Closed),
            Event::Closed(CloseReason::Failed(reason)) => self.fail(&reason),
        }
    }

    /// Tells what has left.
    fn report_sent(&mut self) {
        for (&stream, flow) in &mut self.flows {
            let waiting = self.connection.buffered(stream) as u64;
            let sent = flow.given.saturating_sub(waiting);
            let bytes = sent.saturating_sub(flow.told);
            if bytes >= SENT_STEP || (bytes > 0 && waiting == 0) {
                flow.told = sent;
                self.listener.handle(Notice::Sent { stream, bytes });
            }
        }
    }

    fn report_path(&mut self, now: Instant) {
        let Some(mut path) = self.connection.path() else { return };
        path.over_tcp = self.relays.is_over_tcp(path.route.local);
        let route = path.route;
        // A path is told again as soon as its round trip is known.
        let due = |(known, told): (Route, Option<Instant>)| {
            known != route || told.map_or(path.round_trip.is_some(), |told| now - told >= PATH_REPORT)
        };
        if self.path.is_none_or(due) {
            self.path = Some((route, path.round_trip.map(|_| now)));
            self.listener.handle(Notice::Path(path));
        }
    }

    fn fail(&mut self, reason: &str) {
        tracing::debug!(reason, "failed");
        self.end(PathState::Failed);
    }

    /// No more of this connection: the last word is said once.
    fn end(&mut self, state: PathState) {
        if matches!(self.phase, Phase::Running) {
            self.phase = Phase::Over;
            self.listener.handle(Notice::State(state));
        }
        self.connection.close(Instant::now());
    }
}
