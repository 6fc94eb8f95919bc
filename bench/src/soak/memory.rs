//! Memory while a file grows: of two terminals, of two pages, and of a bare data channel.

use std::cell::Cell;
use std::path::Path;

use anyhow::{Context, Result};
use e2e::Kind::Chromium;
use e2e::{Server, Terminal, high_water_mark, random_file};
use serde_json::{Value, json};

use super::{Bars, PATIENCE, Taken, observe, over, settled, side, watch};
use crate::options::Options;
use crate::page::{Transfer, browsers};

/// So many MiB take long enough to show whether a page grows.
const LONG: u64 = 1024;

/// Every size between terminals and between pages; each says its lines.
pub(super) async fn run(options: &Options, bars: &mut Bars) -> Result<Value> {
    let sizes = if options.mib.is_empty() { vec![256, 1024, 2048] } else { options.mib.clone() };
    let mut rows = Vec::new();
    for mib in sizes {
        let dir = tempfile::tempdir()?;
        let file = dir.path().join("soak.bin");
        let digest = random_file(&file, mib << 20, mib)?;
        let [sender, receiver] =
            terminals(&file).await.with_context(|| format!("{mib} MiB between terminals"))?;
        options.say(&format!(
            "{mib:5} MiB  terminals     sender {sender:4} MiB, receiver {receiver:4} MiB resident at most"
        ));
        let (ours, growth) =
            pages(&file, &digest).await.with_context(|| format!("{mib} MiB between pages"))?;
        let bare = bars.bare(Chromium, mib).await.with_context(|| format!("{mib} MiB, bare channel"))?;
        for (what, [sender, receiver]) in [("pages", ours), ("bare channel", bare)] {
            options.say(&format!(
                "{mib:5} MiB  {what:12}  sender {sender:+4} MiB, receiver {receiver:+4} MiB over the idle page"
            ));
        }
        bars.compare(&format!("{mib} MiB between pages"), ours, bare);
        if mib >= LONG {
            options.say(&format!(
                "{mib:5} MiB  pages         sender {:+.1} %, receiver {:+.1} % from the second quarter to the last",
                100.0 * growth[0],
                100.0 * growth[1],
            ));
            bars.compare_growth(&format!("{mib} MiB between pages"), growth);
        }
        rows.push(json!({
            "mib": mib,
            "terminal_resident_mib": { "sender": sender, "receiver": receiver },
            "page_over_idle_mib": side(ours),
            "page_growth": { "sender": growth[0], "receiver": growth[1] },
            "bare_channel_over_idle_mib": side(bare),
        }));
    }
    Ok(json!(rows))
}

/// The most resident memory of sender and receiver, in MiB.
async fn terminals(file: &Path) -> Result<[u64; 2]> {
    let to = tempfile::tempdir()?;
    let server = Server::start()?;
    let mut sender = Terminal::send(&server.url, &[file])?;
    let receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
    let pids = [sender.pid(), receiver.pid()];
    let most = [Cell::new(0), Cell::new(0)];
    let ends = async {
        receiver.end_within(PATIENCE).await?.expect(0).context("the receiver")?;
        sender.end_within(PATIENCE).await?.expect(0).context("the sender")
    };
    // The kernel keeps the mark only as long as the process lives.
    let watch = watch(async || {
        for (pid, most) in pids.iter().zip(&most) {
            most.set(high_water_mark(*pid).unwrap_or(0).max(most.get()));
        }
    });
    tokio::select! {
        ended = ends => drop(ended?),
        never = watch => never,
    }
    Ok(most.map(|kib| kib.get() >> 10))
}

/// What pages take beyond an idle page, in MiB, and how much they grow meanwhile: sender and receiver.
async fn pages(file: &Path, digest: &str) -> Result<([i64; 2], [f64; 2])> {
    let server = Server::start()?;
    let (sender, receiver) = browsers().await?;
    let both = [&sender, &receiver];

    let transfer = Transfer::offer(&server, &sender, &receiver, file).await?;
    let idle = settled(both).await;
    let (saved, taken) = observe(both, transfer.accept(PATIENCE)).await?;
    transfer.finish(&saved, digest).await?;
    both.iter().try_for_each(|browser| browser.kill())?;
    let growth = taken.each_ref().map(Taken::growth);
    Ok((over(&taken, idle).map(|memory| memory.page), growth))
}
