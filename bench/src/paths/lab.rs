//! Two browsers on two hosts, a line between them, and what can be sent over it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::{Browser, Joined, Kind, Options, Seat, Server, Settings, Tcp, Terminal, sparse_file};

use super::arrivals::{Arrivals, Event};
use super::cell::{Cell, End};
use crate::bare::Bare;
use crate::page::AWAKE;

/// The longest run on the fastest line does not come to the end of this file.
const ENDLESS: u64 = 1 << 30;

/// Browsers that tell their addresses instead of names for them. Such names are resolved by multicast on one LAN, once a
/// second: of four connections opened at once Firefox found one or two here. On the Internet nobody resolves them, and the
/// addresses come from a STUN server.
const BY_ADDRESS: Options = Options {
    chromium: &[
        AWAKE.chromium[0],
        AWAKE.chromium[1],
        AWAKE.chromium[2],
        "--disable-features=WebRtcHideLocalIpsWithMdns",
    ],
    firefox: &[("media.peerconnection.ice.obfuscate_host_addresses", false)],
    ..AWAKE
};

/// What carries bytes from host a to host b.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Carrier {
    /// TCP under CUBIC: what a line gives to whoever gets it right.
    Tcp,
    /// A data channel of the same two browsers, kept full.
    Bare,
    Beeline,
}

/// Everything that a run needs; browsers are kept from run to run.
#[derive(Debug)]
pub(crate) struct Lab {
    pub joined: Joined,
    server: Server,
    sender: Option<Browser>,
    receiver: Option<Browser>,
    file: PathBuf,
    _dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) fn new() -> Result<Self> {
        let joined = Joined::by_line(Cell::new(20, 50, 1.0, 0.0).line())?;
        let server = Server::start_on(Joined::SERVER)?;
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("endless.bin");
        sparse_file(&file, ENDLESS)?;
        Ok(Self { joined, server, sender: None, receiver: None, file, _dir: dir })
    }

    /// Waits until nothing of the last run is on the line, changes it, and counts from zero.
    pub(crate) async fn prepare(&self, settings: Settings) -> Result<()> {
        let line = self.joined.line();
        let start = Instant::now();
        while !line.is_empty() && start.elapsed() < Duration::from_secs(10) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        line.mend();
        line.set(settings);
        line.measure_anew();
        Ok(())
    }

    /// Lets it carry for so long, from the click (or the call) that starts it; `events` happen meanwhile.
    pub(crate) async fn carry(
        &mut self,
        carrier: Carrier,
        cell: &Cell,
        length: Duration,
        events: Vec<Event>,
    ) -> Result<Arrivals> {
        match (carrier, cell.to) {
            (Carrier::Tcp, _) => {
                let flow = Tcp::start(&self.joined, "cubic", None)?;
                Arrivals::watch(self.joined.line(), length, events, false, async || Ok(flow.received())).await
            }
            (Carrier::Bare, End::Page(to)) => {
                self.bare(cell.from, to, length, events).await.context("bare channel")
            }
            (Carrier::Beeline, End::Page(to)) => {
                self.pages(cell.from, to, length, events).await.context("pages")
            }
            (_, End::Terminal) => {
                self.page_to_terminal(cell.from, length, events).await.context("to a terminal")
            }
        }
    }

    async fn bare(&mut self, from: Kind, to: Kind, length: Duration, events: Vec<Event>) -> Result<Arrivals> {
        self.browsers(from, Some(to)).await?;
        let (sender, receiver) = (self.sender()?, self.receiver()?);
        let bare = Bare::open(&self.server.lan_url, sender, receiver).await?;
        bare.keep_sending().await?;
        let arrivals =
            Arrivals::watch(self.joined.line(), length, events, false, async || bare.received().await)
                .await?;
        bare.close().await?;
        Ok(arrivals)
    }

    async fn pages(
        &mut self,
        from: Kind,
        to: Kind,
        length: Duration,
        events: Vec<Event>,
    ) -> Result<Arrivals> {
        self.browsers(from, Some(to)).await?;
        let (sender, receiver) = (self.sender()?, self.receiver()?);
        let url = &self.server.lan_url;
        tokio::try_join!(sender.open(url), receiver.open(url))?;
        receiver.driver.execute(include_str!("count.js"), vec![]).await?;
        let code = sender.send_files(&[&self.file]).await?;
        receiver.join(&code).await?;
        receiver.until_state("incoming").await?;
        receiver.click("#accept").await?;
        let arrivals = Arrivals::watch(self.joined.line(), length, events, false, async || {
            receiver.eval("brought()", vec![]).await?.as_u64().context("a number of bytes")
        })
        .await?;
        self.leave().await?;
        Ok(arrivals)
    }

    async fn page_to_terminal(
        &mut self,
        from: Kind,
        length: Duration,
        events: Vec<Event>,
    ) -> Result<Arrivals> {
        self.browsers(from, None).await?;
        let (sender, to) = (self.sender()?, tempfile::tempdir()?);
        sender.open(&self.server.lan_url).await?;
        let code = sender.send_files(&[&self.file]).await?;
        let mut receiver = Terminal::receive_at(&self.joined.b, &self.server.lan_url, &code, to.path())?;
        receiver.event("offer").await?;
        let mut bytes = 0;
        let arrivals = Arrivals::watch(self.joined.line(), length, events, true, async || {
            while let Some(event) = receiver.heard("progress") {
                bytes = event["bytes"].as_u64().unwrap_or(bytes);
            }
            Ok(bytes)
        });
        let arrivals = arrivals.await?;
        drop(receiver);
        self.leave().await?;
        Ok(arrivals)
    }

    /// Ends what the pages do, and takes away what the receiver has saved of it.
    async fn leave(&self) -> Result<()> {
        for browser in [&self.sender, &self.receiver].into_iter().flatten() {
            // An empty page asks nobody whether to leave; the transfer's would.
            browser.run::<()>("document.querySelector('#cancel')?.click()").await?;
            browser.driver.goto("about:blank").await?;
            for saved in browser.saved() {
                let _ = fs::remove_file(saved); // the browser may be faster
            }
        }
        Ok(())
    }

    /// Sees to it that browsers of these kinds run on the two hosts.
    async fn browsers(&mut self, from: Kind, to: Option<Kind>) -> Result<()> {
        let seat = |host| Seat { host, secure: &self.server.lan_url };
        if self.sender.as_ref().is_none_or(|browser| browser.kind != from) {
            if let Some(other) = self.sender.take() {
                other.kill()?; // all its processes: they would want the machine
            }
            self.sender = Some(Browser::start_at(seat(&self.joined.a), from, BY_ADDRESS).await?);
        }
        if let Some(to) = to
            && self.receiver.as_ref().is_none_or(|browser| browser.kind != to)
        {
            if let Some(other) = self.receiver.take() {
                other.kill()?; // all its processes: they would want the machine
            }
            self.receiver = Some(Browser::start_at(seat(&self.joined.b), to, BY_ADDRESS).await?);
        }
        Ok(())
    }

    fn sender(&self) -> Result<&Browser> {
        self.sender.as_ref().context("a sending browser")
    }

    fn receiver(&self) -> Result<&Browser> {
        self.receiver.as_ref().context("a receiving browser")
    }
}
