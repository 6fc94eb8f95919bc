//! The local network without any server set up: one of our own, announced by mDNS, and the search for one.
//!
//! What is announced (RFC 6763) is a name, addresses and a port: nothing secret. Whoever finds the server
//! still needs the code.
use crate::outcome::Failure;
use beeline_peer::ServerAddress;
use mdns_sd::{Receiver, ServiceDaemon, ServiceEvent, ServiceInfo};
use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};
use tokio::time::{Instant, timeout, timeout_at};

const SERVICE: &str = "_beeline._tcp.local.";

/// The port of `beeline serve`: people can guess it. Any other if it is taken.
const PORT: u16 = 8080;

/// How long the search goes on.
const SEARCH: Duration = Duration::from_secs(3);

/// For the server to let its sockets go, at most.
const STOP: Duration = Duration::from_secs(1);

/// A server for this one transfer.
pub(crate) struct Lan {
    handle: beeline_server::Handle,
    task: tokio::task::JoinHandle<()>,
    urls: Vec<String>,
    port: u16,
    announcement: Option<ServiceDaemon>,
}

impl Lan {
    pub(crate) async fn start(name: &str) -> Result<Lan, Failure> {
        let server = match bind(PORT).await {
            Ok(server) => server,
            Err(_) => bind(0).await.map_err(|error| Failure::new("listen", error.to_string()))?,
        };
        let urls = server.urls().to_vec();
        let port = server.addresses().first().map_or(PORT, SocketAddr::port);
        let handle = server.handle();
        let task = tokio::spawn(server.run());
        // Nothing is lost without it but the short form of the command.
        let announcement = announce(name, port)
            .inspect_err(|error| tracing::warn!(%error, "the local network is not told by mDNS"))
            .ok();
        Ok(Lan { handle, task, urls, port, announcement })
    }

    /// All addresses of it.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }

    /// The address that others reach: the first that is not this machine's own.
    pub(crate) fn base(&self) -> &str {
        let other = self.urls.iter().find(|url| !url.starts_with("http://localhost"));
        other.or(self.urls.first()).map_or("http://localhost/", String::as_str)
    }

    /// How we reach it ourselves.
    pub(crate) fn address(&self) -> ServerAddress {
        format!("http://127.0.0.1:{}", self.port).parse().expect("an address and a port")
    }

    pub(crate) async fn stop(self) {
        if let Some(daemon) = self.announcement {
            // Says goodbye, so that nobody finds us any more.
            if let Ok(stopped) = daemon.shutdown() {
                let _ = timeout(STOP, stopped.recv_async()).await;
            }
        }
        self.handle.shutdown();
        let _ = timeout(STOP, self.task).await;
    }
}

async fn bind(port: u16) -> Result<beeline_server::Server, beeline_server::BindError> {
    let mut config = beeline_server::Config::default();
    config.listen = vec![SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))];
    config.grace = STOP;
    beeline_server::Server::bind(config).await
}

fn announce(name: &str, port: u16) -> mdns_sd::Result<ServiceDaemon> {
    let daemon = ServiceDaemon::new()?;
    // Labels are 63 bytes at most (RFC 1035 §2.3.4); dots would make two of one.
    let mut label = name.replace(|c: char| c.is_control() || c == '.', "-");
    while label.len() > 40 {
        label.pop();
    }
    let instance = format!("{label} {}", std::process::id());
    let host = format!("beeline-{}-{port}.local.", std::process::id());
    let none: &[(&str, &str)] = &[];
    let service = ServiceInfo::new(SERVICE, &instance, &host, "", port, none)?.enable_addr_auto();
    daemon.register(service)?;
    Ok(daemon)
}

/// Servers that others announce.
pub(crate) struct Search {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
    seen: BTreeSet<String>,
    deadline: Instant,
}

impl Search {
    pub(crate) fn start() -> Result<Search, Failure> {
        let failed = |error: mdns_sd::Error| {
            Failure::new("no-server", format!("the local network cannot be searched: {error}"))
                .hint("paste the whole link that the sender shows, or use --server")
        };
        let daemon = ServiceDaemon::new().map_err(failed)?;
        let events = daemon.browse(SERVICE).map_err(failed)?;
        Ok(Search { daemon, events, seen: BTreeSet::new(), deadline: Instant::now() + SEARCH })
    }

    /// The next server; `None` when the search is over.
    pub(crate) async fn next(&mut self) -> Option<ServerAddress> {
        loop {
            let event = timeout_at(self.deadline, self.events.recv_async()).await.ok()?.ok()?;
            let ServiceEvent::ServiceResolved(service) = event else { continue };
            let mut addresses: Vec<IpAddr> =
                service.get_addresses().iter().map(mdns_sd::ScopedIp::to_ip_addr).collect();
            addresses.retain(is_plain);
            addresses.sort_by_key(IpAddr::is_ipv6);
            // A service is told again with every address that is found: the first usable one counts.
            if let Some(address) = addresses.first()
                && self.seen.insert(service.get_fullname().to_owned())
            {
                let socket = SocketAddr::new(*address, service.get_port());
                return format!("http://{socket}").parse().ok();
            }
        }
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        let _ = self.daemon.shutdown();
    }
}

/// Usable in a URL: link-local IPv6 addresses need a zone, which URLs do not have.
fn is_plain(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    }
}
