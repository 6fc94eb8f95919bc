//! Browser to browser: our page, from disk to disk with digests, beside a bare data channel that only counts.
//!
//! Each run has browsers of its own, as when somebody opens a link: the service worker is then in the page's process. With
//! `--reuse` all runs share two browsers, and from the second on a service worker that still runs for the page before is in
//! that page's process: Chromium then takes every byte over one border more, which costs about a tenth. The same is to be
//! expected in a second tab. Before each run, of either, memory is touched (`memory.rs`), since only our runs write a file.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::{Browser, Server, Usage, random_file, ticks_by_role, ticks_since, usage};

use crate::bare::Bare;
use crate::memory::touch_memory;
use crate::options::Options;
use crate::page::{Transfer, browsers};
use crate::stats::{Pairs, Run};

/// A clock tick (`getconf CLK_TCK`).
pub(crate) const TICK: Duration = Duration::from_millis(10);

pub(crate) async fn run(options: &Options) -> Result<()> {
    let bytes = options.one_size(256) << 20;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("bench.bin");
    let digest = random_file(&file, bytes, 42)?;
    let server = Server::start()?;
    let mut pairs = Pairs::default();
    let mut kept = None;

    for pair in 0..options.runs.unwrap_or(7) {
        // Each goes first every second time: what warms up or tires favours neither.
        for ours in [pair % 2 == 0, pair % 2 == 1] {
            let (sender, receiver) = match kept.take() {
                Some(browsers) => browsers,
                None => browsers().await?,
            };
            let both = [&sender, &receiver];
            let (run, roles) = if ours {
                let transfer = Transfer::offer(&server, &sender, &receiver, &file).await?;
                touch_memory(dir.path(), bytes)?;
                let meter = Meter::start(both);
                let saved = transfer.accept(Duration::from_secs(600)).await?;
                let (run, roles) = meter.stop(bytes);
                transfer.finish(&saved, &digest).await?;
                pairs.ours.push(run);
                (run, roles)
            } else {
                let bare = Bare::open(&server.url, &sender, &receiver).await?;
                touch_memory(dir.path(), bytes)?;
                let meter = Meter::start(both);
                bare.carry(bytes).await?;
                let (run, roles) = meter.stop(bytes);
                bare.close().await?;
                pairs.control.push(run);
                (run, roles)
            };
            let who = if ours { "beeline" } else { "bare channel" };
            let (pair, speed, cost) = (pair + 1, run.speed(), run.cost());
            options.say(&format!("pair {pair}  {who:13} {speed:6.1} MB/s {cost:6.1} CPU s/GiB  {roles}"));
            kept = options.reuse.then_some((sender, receiver));
        }
    }
    options.say(&pairs.summary("bare channel"));
    options.result(&pairs.json("bare_channel"));
    Ok(())
}

/// Wall and CPU time of two browsers.
struct Meter<'a> {
    browsers: [&'a Browser; 2],
    before: [Vec<Usage>; 2],
    datagrams: [u64; 2],
    start: Instant,
}

impl<'a> Meter<'a> {
    fn start(browsers: [&'a Browser; 2]) -> Self {
        let before = browsers.map(|browser| usage(browser.pid()));
        Self { before, browsers, datagrams: datagrams(), start: Instant::now() }
    }

    /// What was used, and by whom: sender's and receiver's processes, in CPU s/GiB; and how many datagrams it took.
    fn stop(self, bytes: u64) -> (Run, String) {
        let wall = self.start.elapsed();
        let [mut arrived, dropped] = datagrams();
        arrived -= self.datagrams[0];
        let per_mib = (arrived << 20) / bytes;
        let mut ticks = 0;
        let mut roles = Vec::new();
        for (browser, before) in self.browsers.iter().zip(&self.before) {
            let after = usage(browser.pid());
            ticks += ticks_since(before, &after);
            let gib = bytes as f64 / f64::from(1 << 30);
            let costs = ticks_by_role(before, &after).into_iter().take(3);
            let costs: Vec<_> =
                costs.map(|(role, n)| format!("{role} {:.0}", n as f64 / 100.0 / gib)).collect();
            roles.push(costs.join(" "));
        }
        let roles = format!(
            "{}; {per_mib} datagrams/MiB, {} dropped",
            roles.join(" → "),
            dropped - self.datagrams[1]
        );
        (Run { bytes, wall, cpu: TICK * u32::try_from(ticks).unwrap_or(u32::MAX) }, roles)
    }
}

/// UDP datagrams that arrived in this network, and those for which a socket had no room (RFC 4113, `/proc/net/snmp`).
fn datagrams() -> [u64; 2] {
    let snmp = std::fs::read_to_string("/proc/net/snmp").unwrap_or_default();
    let numbers = snmp.lines().filter(|line| line.starts_with("Udp:")).nth(1).unwrap_or_default();
    let number = |at| numbers.split(' ').nth(at).and_then(|number| number.parse().ok()).unwrap_or(0);
    [number(1), number(5)]
}
