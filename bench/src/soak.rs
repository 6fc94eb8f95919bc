//! Memory while files grow: of two terminals, of the two pages, and of a bare data channel. Then pages and terminals carry
//! a file to each other: 1 GiB, or the last size that is given.

mod interop;

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Browser, Server, Terminal, high_water_mark, random_file, usage};
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::options::Options;
use crate::page::{Transfer, browsers};

/// How often memory is looked at; reading smaps_rollup takes a millisecond or two.
const SAMPLE: Duration = Duration::from_millis(200);

/// The size between pages and terminals, MiB.
const INTEROP: u64 = 1024;

const PATIENCE: Duration = Duration::from_secs(3600);

pub(crate) async fn run(options: &Options) -> Result<()> {
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
        let pages = pages(&file, &digest).await.with_context(|| format!("{mib} MiB between pages"))?;
        for (what, [sender, receiver]) in [("pages", pages.ours), ("bare channel", pages.bare)] {
            options.say(&format!("{mib:5} MiB  {what:12}  sender {sender:+4} MiB, receiver {receiver:+4} MiB over the idle page"));
        }
        rows.push(json!({
            "mib": mib,
            "terminal_resident_mib": { "sender": sender, "receiver": receiver },
            "page_over_idle_mib": side(pages.ours),
            "bare_channel_over_idle_mib": side(pages.bare),
        }));
    }
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("interop.bin");
    let digest = random_file(&file, options.mib.last().copied().unwrap_or(INTEROP) << 20, 1)?;
    let interop = interop::run(options, &file, &digest).await?;
    options.result(&json!({ "sizes": rows, "interop": interop }));
    Ok(())
}

fn side([sender, receiver]: [i64; 2]) -> Value {
    json!({ "sender": sender, "receiver": receiver })
}

/// The most resident memory of sender and receiver, in MiB.
async fn terminals(file: &std::path::Path) -> Result<[u64; 2]> {
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

/// What pages take beyond an idle page, in MiB: sender and receiver.
struct Pages {
    ours: [i64; 2],
    bare: [i64; 2],
}

async fn pages(file: &std::path::Path, digest: &str) -> Result<Pages> {
    let server = Server::start()?;
    let (sender, receiver) = browsers().await?;
    let both = [&sender, &receiver];

    let transfer = Transfer::offer(&server, &sender, &receiver, file).await?;
    let idle = settled(both).await;
    let (saved, most) = peak(both, transfer.accept(PATIENCE)).await?;
    transfer.finish(&saved, digest).await?;
    let ours = over(most, idle);

    // In browsers of its own: a page that has carried a file before is no idle page.
    drop((sender, receiver));
    let (sender, receiver) = browsers().await?;
    let both = [&sender, &receiver];
    let bare = Bare::open(&server.url, &sender, &receiver).await?;
    let idle = settled(both).await;
    let ((), most) = peak(both, bare.carry(std::fs::metadata(file)?.len())).await?;
    bare.close().await?;
    Ok(Pages { ours, bare: over(most, idle) })
}

fn over(most: [u64; 2], idle: [u64; 2]) -> [i64; 2] {
    [0, 1].map(|side| (most[side] as i64 - idle[side] as i64) >> 10)
}

/// The page's memory once the collector has had time to run.
async fn settled(both: [&Browser; 2]) -> [u64; 2] {
    tokio::time::sleep(Duration::from_secs(3)).await;
    both.map(renderer)
}

/// Does it, and takes the most memory that each page had meanwhile.
async fn peak<T>(both: [&Browser; 2], body: impl Future<Output = Result<T>>) -> Result<(T, [u64; 2])> {
    let most = [Cell::new(0), Cell::new(0)];
    let watch = watch(async || {
        for (browser, most) in both.iter().zip(&most) {
            most.set(renderer(browser).max(most.get()));
        }
    });
    let done = tokio::select! {
        done = body => done?,
        never = watch => never,
    };
    Ok((done, most.map(Cell::into_inner)))
}

async fn watch<T>(mut look: impl AsyncFnMut()) -> T {
    loop {
        look().await;
        tokio::time::sleep(SAMPLE).await;
    }
}

/// Proportional set size in KiB of the page's own process: of several renderers (spare, built-in pages) the busiest.
fn renderer(browser: &Browser) -> u64 {
    let renderers = usage(browser.pid()).into_iter().filter(|usage| usage.role == "renderer");
    renderers.max_by_key(|usage| usage.ticks).map_or(0, |usage| usage.pss_kib)
}
