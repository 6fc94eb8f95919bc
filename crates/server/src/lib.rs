//! Who meets whom: the page, the rooms, and the signaling between peers.
//!
//! ```text
//! TCP ─ listen ─┬─ GET /…  page     embedded files, security headers
//!               └─ /ws     socket ─ rooms ─ nameplates, limits
//! metrics listener ─ /metrics /healthz /readyz
//! ```
//!
//! ```no_run
//! # async fn example() -> Result<(), beeline_server::BindError> {
//! let server = beeline_server::Server::bind(beeline_server::Config::default()).await?;
//! println!("{}", server.urls()[0]);
//! let handle = server.handle(); // `handle.shutdown()` ends `run`
//! server.run().await;
//! # Ok(())
//! # }
//! ```
mod addresses;
mod config;
mod http;
mod limits;
mod listen;
mod metrics;
mod origin;
mod page;
mod rooms;
mod socket;

pub use addresses::BindError;
pub use config::{Config, IceUrlError, parse_ice};
#[doc(hidden)]
pub use config::{Hostile, Tamper};
pub use limits::Limits;

use http::App;
use listen::Service;
use metrics::Metrics;
use rooms::{Rooms, Settings};
use socket::Hub;
use std::{fmt, io, net::SocketAddr, path::Path, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Between two looks at what has expired.
const TICK: Duration = Duration::from_secs(1);

/// A server that has its ports and does not answer yet.
pub struct Server {
    listeners: Vec<TcpListener>,
    metrics_listener: Option<TcpListener>,
    addresses: Vec<SocketAddr>,
    urls: Vec<String>,
    app: Arc<App>,
    connections: usize,
    grace: Duration,
    stop: CancellationToken,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("addresses", &self.addresses).finish_non_exhaustive()
    }
}

/// Stops a server from elsewhere.
#[derive(Clone, Debug)]
pub struct Handle(CancellationToken);

impl Handle {
    /// Peers are told to come again, sockets get [`Config::grace`] to close, then [`Server::run`] returns.
    pub fn shutdown(&self) {
        self.0.cancel();
    }
}

impl Server {
    /// Takes the ports. Connections wait until [`Server::run`].
    ///
    /// Raises the process's limit of open files as far as it may, and takes 80 % of it for sockets.
    pub async fn bind(config: Config) -> Result<Self, BindError> {
        let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
        for wanted in &config.listen {
            let (listener, address) = addresses::listen(*wanted)?;
            listeners.push(listener);
            addresses.push(address);
        }
        let metrics_listener = match config.metrics {
            Some(wanted) => Some(addresses::listen(wanted)?.0),
            None => None,
        };
        let urls = addresses::urls(&addresses, config.public_url.as_ref());

        // Some descriptors for files, listeners, and connections that only fetch the page.
        let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or(1024);
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let mut limits = config.limits;
        limits.sockets = limits.sockets.min(descriptors / 10 * 8);

        let metrics = Arc::new(Metrics::default());
        let settings = Settings {
            ice: config.ice,
            build: page::BUILD.to_owned(),
            limits: limits.clone(),
            hostile: config.hostile,
        };
        let random = |bytes: &mut [u8]| getrandom::fill(bytes).expect("the system has random bytes");
        let rooms = Rooms::new(settings, metrics.clone(), Box::new(random));
        let hub = Arc::new(Hub::new(rooms, limits));
        let app = Arc::new(App::new(hub, metrics, config.public_url, config.trusted_proxies));
        Ok(Self {
            listeners,
            metrics_listener,
            addresses,
            urls,
            app,
            connections: descriptors / 10 * 9,
            grace: config.grace,
            stop: CancellationToken::new(),
        })
    }

    /// Where page and signaling answer, in the order of [`Config::listen`], with the ports that were free.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where the metrics answer.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_listener.as_ref().and_then(|l| l.local_addr().ok())
    }

    /// Addresses that a person can use, each ending in a slash: the public one, this machine's own
    /// (`http://localhost:…/`), then those that others on the network reach, IPv4 first and the one of the default
    /// route before all.
    pub fn urls(&self) -> &[String] {
        &self.urls
    }

    /// Stops the server later.
    pub fn handle(&self) -> Handle {
        Handle(self.stop.clone())
    }

    /// Answers until [`Handle::shutdown`]. Dropping the future stops everything at once.
    pub async fn run(self) {
        let _stops_with_us = self.stop.clone().drop_guard();
        // Not `stop`: metrics answer, and sockets close in peace, while the rest drains.
        let end = CancellationToken::new();
        let _ends_with_us = end.clone().drop_guard();
        let tasks = TaskTracker::new();
        let acceptors = TaskTracker::new();

        let public = Service::new(http::public(self.app.clone(), tasks.clone()), self.connections);
        for listener in self.listeners {
            acceptors.spawn(listen::accept(listener, public.clone(), self.stop.clone(), tasks.clone()));
        }
        if let Some(listener) = self.metrics_listener {
            let private = Service::new(http::private(self.app.clone()), 64);
            acceptors.spawn(listen::accept(listener, private, end.clone(), TaskTracker::new()));
        }
        let hub = self.app.hub.clone();
        acceptors.spawn({
            let (hub, end) = (hub.clone(), end.clone());
            async move {
                while end.run_until_cancelled(tokio::time::sleep(TICK)).await.is_some() {
                    hub.handle_time();
                }
            }
        });
        tracing::info!(build = page::BUILD, "listening");

        self.stop.cancelled().await;

        tracing::info!("stopping");
        hub.drain();
        tasks.close();
        if tokio::time::timeout(self.grace, tasks.wait()).await.is_err() {
            tracing::warn!(connections = tasks.len(), "some connections did not close in time");
        }
    }
}

/// Writes the files of the embedded page into a folder, for a package or another web server.
pub fn write_page(dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    page::FILES.iter().try_for_each(|file| std::fs::write(dir.join(file.name), file.plain))
}
