//! Finding candidates: our own addresses, what STUN servers see of them, relayed ones where nothing else works, and the
//! addresses behind the other side's names.
use std::{
    future::pending,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};

use super::{
    Notice,
    interfaces::Interfaces,
    mdns,
    servers::{IceServer, Server},
    sockets::Sockets,
    stream::Stream,
    stun,
    task::Task,
};
use crate::{Route, Transmit};

/// A peer has a handful of names; the rest is noise.
const MAX_NAMES: usize = 16;
/// For a server's name.
const LOOKUP: Duration = Duration::from_secs(3);

/// A path without a TURN server has so long from both descriptions on: three round trips around the world. A relay costs
/// its server all that passes, so it is asked for only then.
const BEFORE_RELAYS: Duration = Duration::from_millis(500);

/// What helpers beside the task found out.
pub(super) enum Found {
    StunServer(SocketAddr),
    /// A TURN server's address, for datagrams.
    TurnServer(SocketAddr, IceServer),
    /// A connection to one.
    TurnStream(Stream, IceServer),
    /// A candidate whose name was replaced by the address, and the ufrag it belongs to.
    Candidate(String, Option<String>),
}

/// What is known of addresses, and who is being asked.
pub(super) struct Gathering {
    loopback: bool,
    /// As they were given.
    ice_servers: Vec<IceServer>,
    /// When relays are asked for, unless there is a path by then.
    relays_due: Option<Instant>,
    interfaces: Interfaces,
    stun: stun::Gatherer,
    servers: Vec<SocketAddr>,
    names: usize,
    helpers: JoinSet<Option<Found>>,
}

impl Gathering {
    pub(super) fn new(loopback: bool, ice_servers: Vec<IceServer>) -> Self {
        Self {
            loopback,
            ice_servers,
            relays_due: None,
            interfaces: Interfaces::default(),
            stun: stun::Gatherer::default(),
            servers: Vec::new(),
            names: 0,
            helpers: JoinSet::new(),
        }
    }

    /// The next result of the helpers; never, while there are none. Cancel safe.
    pub(super) async fn found(&mut self) -> Option<Found> {
        match self.helpers.join_next().await {
            Some(found) => found.ok().flatten(),
            None => pending().await,
        }
    }

    /// An answer of a STUN server: the address as it saw it, and the local socket's.
    pub(super) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
    ) -> Option<(SocketAddr, SocketAddr)> {
        // One that can't be read counts as heard: nothing comes of it.
        self.stun.handle_datagram(source, local, datagram).ok().map(|found| found.unwrap_or((local, local)))
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        [self.stun.poll_timeout(), self.relays_due].into_iter().flatten().min()
    }

    /// Both descriptions are known: the search begins.
    pub(super) fn search(&mut self, now: Instant) {
        self.relays_due = Some(now + BEFORE_RELAYS);
    }

    /// There is a path.
    pub(super) fn handle_path(&mut self) {
        self.relays_due = None;
    }

    /// Asks who is due.
    pub(super) fn send(&mut self, sockets: &mut Sockets, now: Instant) {
        while let Some((local, remote, request)) = self.stun.poll_transmit(now) {
            let mut transmit = Transmit::default();
            transmit.put(Route { local, remote }, &request);
            if sockets.send(&transmit).is_err() {
                break; // asked again later
            }
        }
    }
}

impl Task {
    /// Opens a socket on every address that has none yet, and asks STUN servers from all of them.
    pub(super) fn gather(&mut self) {
        let first = self.gathering.interfaces.addresses.is_empty();
        self.gathering.interfaces = Interfaces::list(self.gathering.loopback);
        for ip in self.gathering.interfaces.addresses.clone() {
            if self.sockets.locals().any(|local| local.ip() == ip) {
                continue;
            }
            match self.sockets.bind(ip) {
                Ok(local) => {
                    if let Some(candidate) = self.connection.add_host_candidate(local) {
                        self.listener.handle(Notice::Candidate(candidate));
                    }
                }
                Err(error) => tracing::debug!(error = ?error.kind(), "an address can't be used"),
            }
        }
        if self.sockets.may_fragment() {
            self.connection.forbid_probing();
        }
        if self.sockets.len() == 0 {
            tracing::warn!("no network address can be used");
        }
        if first {
            for server in self.gathering.ice_servers.clone() {
                match server.parse() {
                    Some(Server::Stun { host, port }) => self.look_up(&host, port, Found::StunServer),
                    Some(Server::Turn { .. }) => {} // once it is needed
                    None => tracing::debug!("an ICE server that can't be used"),
                }
            }
        } else {
            for server in self.gathering.servers.clone() {
                self.ask(server);
            }
        }
    }

    /// Asks for relayed addresses if it is time: no path was found without.
    pub(super) fn seek_relays(&mut self, now: Instant) {
        if self.gathering.relays_due.is_none_or(|due| now < due) {
            return;
        }
        self.gathering.relays_due = None;
        for login in self.gathering.ice_servers.clone() {
            match login.parse() {
                Some(Server::Turn { host, port, tcp: false }) => {
                    self.look_up(&host, port, move |address| Found::TurnServer(address, login.clone()));
                }
                Some(Server::Turn { host, port, tcp: true }) => self.connect(format!("{host}:{port}"), login),
                _ => {}
            }
        }
    }

    /// Of each IP version that there are sockets for, the name's first address.
    fn look_up(
        &mut self,
        host: &str,
        port: u16,
        found: impl Fn(SocketAddr) -> Found + Clone + Send + 'static,
    ) {
        for v4 in [true, false] {
            if !self.sockets.locals().any(|local| local.is_ipv4() == v4) {
                continue;
            }
            let (name, found) = (format!("{host}:{port}"), found.clone());
            self.gathering.helpers.spawn(async move {
                let addresses = timeout(LOOKUP, tokio::net::lookup_host(name)).await;
                let Ok(Ok(mut addresses)) = addresses else {
                    tracing::debug!("a server's name can't be resolved");
                    return None;
                };
                addresses.find(|address| address.is_ipv4() == v4).map(found)
            });
        }
    }

    fn connect(&mut self, name: String, login: IceServer) {
        let arrived = self.relays.inbox();
        self.gathering.helpers.spawn(async move {
            let addresses = timeout(LOOKUP, tokio::net::lookup_host(name)).await.ok()?.ok()?;
            for address in addresses {
                if let Ok(stream) = Stream::connect(address, arrived.clone()).await {
                    return Some(Found::TurnStream(stream, login));
                }
            }
            tracing::debug!("a TURN server can't be reached over TCP");
            None
        });
    }

    /// Asks from the socket that the system itself would use: one address for each server is enough.
    pub(super) fn ask_turn_server(&mut self, server: SocketAddr, login: &IceServer) {
        let usual = usual_source(server);
        let bases = self.sockets.locals().filter(|base| base.is_ipv4() == server.is_ipv4());
        let bases: Vec<SocketAddr> = bases.collect();
        let base = bases.iter().find(|base| Some(base.ip()) == usual).or(bases.first());
        if let Some(&base) = base {
            self.relays.allocate(base, server, login);
        }
    }

    pub(super) fn ask_stun_server(&mut self, server: SocketAddr) {
        self.gathering.servers.push(server);
        self.ask(server);
    }

    fn ask(&mut self, server: SocketAddr) {
        let now = Instant::now();
        for base in self.sockets.locals() {
            // From a public server no answer reaches loopback, and the other way round.
            if base.ip().is_loopback() == server.ip().is_loopback() {
                self.gathering.stun.ask(base, server, now);
            }
        }
    }

    /// Lets the relays work, and tells of new ones.
    pub(super) fn relay(&mut self, now: Instant) {
        let sockets = &mut self.sockets;
        // What does not fit into a socket is lost; the client asks again.
        let allocated = self.relays.advance(now, |transmit| drop(sockets.send(transmit)));
        for relay in allocated {
            if let Some(candidate) = self.connection.add_relayed_candidate(relay.relayed, relay.base) {
                self.watch.handle_progress(now);
                self.listener.handle(Notice::Candidate(candidate));
            }
        }
    }

    /// Takes a candidate of the other side; one with a name in place of the address is looked up first.
    pub(super) fn add_candidate(&mut self, candidate: &str) {
        // candidate:foundation component protocol priority address port typ …
        let mut fields: Vec<&str> = candidate.split(' ').collect();
        let Some(host) = fields.get(4).copied() else { return };
        if host.parse::<IpAddr>().is_ok() {
            self.add_resolved(candidate);
        } else if mdns::is_local_name(host)
            && fields[2].eq_ignore_ascii_case("udp")
            && self.gathering.names < MAX_NAMES
        {
            self.gathering.names += 1;
            let name = host.to_owned();
            fields[4] = "\0";
            let template = fields.join(" ");
            let interfaces = self.gathering.interfaces.clone();
            let ufrag = self.connection.remote_ufrag().map(str::to_owned);
            self.gathering.helpers.spawn(async move {
                let ip = mdns::resolve(name, interfaces).await?;
                Some(Found::Candidate(template.replace('\0', &ip.to_string()), ufrag))
            });
        }
    }

    pub(super) fn add_resolved(&mut self, candidate: &str) {
        if self.connection.add_remote_candidate(candidate) {
            self.watch.handle_progress(Instant::now());
        } else {
            tracing::debug!("a candidate that can't be used");
        }
    }
}

/// The address that the system sends from to this one. Connecting a UDP socket sends nothing.
fn usual_source(server: SocketAddr) -> Option<IpAddr> {
    let any: IpAddr =
        if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let socket = std::net::UdpSocket::bind((any, 0)).ok()?;
    socket.connect(server).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
