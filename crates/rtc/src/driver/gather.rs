//! Finding candidates: our own addresses, what STUN servers see of them, and the addresses behind the other side's
//! names.
use std::{
    future::pending,
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::{task::JoinSet, time::timeout};

use super::{Notice, interfaces::Interfaces, mdns, sockets::Sockets, stun, task::Task};
use crate::{Route, Transmit};

/// A peer has a handful of names; the rest is noise.
const MAX_NAMES: usize = 16;
/// For a STUN server's name.
const LOOKUP: Duration = Duration::from_secs(3);

/// What helpers beside the task found out.
pub(super) enum Found {
    StunServer(SocketAddr),
    /// A candidate whose name was replaced by the address, and the ufrag it belongs to.
    Candidate(String, Option<String>),
}

/// What is known of addresses, and who is being asked.
pub(super) struct Gathering {
    loopback: bool,
    /// URLs that were not looked up yet.
    urls: Vec<String>,
    interfaces: Interfaces,
    stun: stun::Gatherer,
    servers: Vec<SocketAddr>,
    names: usize,
    helpers: JoinSet<Option<Found>>,
}

impl Gathering {
    pub(super) fn new(loopback: bool, urls: Vec<String>) -> Self {
        Self {
            loopback,
            urls,
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
        self.stun.poll_timeout()
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
            for url in std::mem::take(&mut self.gathering.urls) {
                match stun::parse_url(&url) {
                    Some((host, port)) => self.look_up(&host, port),
                    None => tracing::debug!("an ICE server that is not used: only stun: is"),
                }
            }
        } else {
            for server in self.gathering.servers.clone() {
                self.ask(server);
            }
        }
    }

    fn look_up(&mut self, host: &str, port: u16) {
        for v4 in [true, false] {
            if !self.sockets.locals().any(|local| local.is_ipv4() == v4) {
                continue;
            }
            let name = format!("{host}:{port}");
            self.gathering.helpers.spawn(async move {
                let found = timeout(LOOKUP, tokio::net::lookup_host(name)).await;
                let Ok(Ok(mut addresses)) = found else {
                    tracing::debug!("a STUN server's name can't be resolved");
                    return None;
                };
                addresses.find(|address| address.is_ipv4() == v4).map(Found::StunServer)
            });
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
