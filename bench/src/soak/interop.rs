//! Pages and terminals carry a long file to each other: two implementations of everything, for gigabytes.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{
    Browser, Ended, Kind, Server, Terminal, digest_of, high_water_mark, random_file, ticks_since, usage,
};
use serde_json::{Value, json};

use super::{PATIENCE, watch};
use crate::browser::TICK;
use crate::options::Options;
use crate::page::{AWAKE, Transfer};

/// MiB by default.
const SIZE: u64 = 1024;

/// Both browsers, both ways, beside two pages of each; each says its line. Who sends opens the room, and so makes the
/// offer: the terminal is offerer as well as answerer.
pub(super) async fn run(options: &Options) -> Result<Value> {
    let bytes = options.mib.last().copied().unwrap_or(SIZE) << 20;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("interop.bin");
    let digest = random_file(&file, bytes, 1)?;
    let mut rows = Vec::new();
    for kind in [Chromium, Firefox] {
        let name = format!("{kind:?}");
        let between = pages(kind, &file, &digest).await.with_context(|| format!("two {name}"))?;
        let between = bytes as f64 / 1e6 / between.as_secs_f64();
        options.say(&format!(
            "{:5} MiB  {:20}  {between:6.1} MB/s",
            bytes >> 20,
            format!("{name} to {name}")
        ));
        rows.push(json!({ "from": name, "to": name, "mb_per_s": between }));
        for to_page in [false, true] {
            let (from, to) = if to_page { ("terminal", &name[..]) } else { (&name[..], "terminal") };
            let what = format!("{from} to {to}");
            let carry = carry(kind, to_page, &file, &digest);
            let Carried { took, mib, cpu, all } =
                carry.await.with_context(|| format!("{} MiB, {what}", bytes >> 20))?;
            let speed = bytes as f64 / 1e6 / took.as_secs_f64();
            let (ratio, share) = (speed / between, cpu as f64 / all as f64);
            options.say(&format!(
                "{:5} MiB  {what:20}  {speed:6.1} MB/s, {ratio:.2} of what two pages make; terminal {:.1} CPU s, \
                 {share:.2} of all, and {mib:4} MiB resident at most",
                bytes >> 20,
                cpu as f64 * TICK.as_secs_f64(),
            ));
            rows.push(json!({
                "from": from,
                "to": to,
                "mb_per_s": speed,
                "of_two_pages": ratio,
                "terminal_cpu_s": cpu as f64 * TICK.as_secs_f64(),
                "terminal_share_of_cpu": share,
                "terminal_resident_mib": mib,
            }));
        }
    }
    Ok(json!(rows))
}

/// How long two pages of this browser take, from the accepted offer to the file on disk.
async fn pages(kind: Kind, file: &Path, digest: &str) -> Result<Duration> {
    let server = Server::start()?;
    let start = || Browser::start_with(kind, AWAKE);
    let (sender, receiver) = tokio::try_join!(start(), start())?;
    let transfer = Transfer::offer(&server, &sender, &receiver, file).await?;
    let start = Instant::now();
    let saved = transfer.accept(PATIENCE).await?;
    let took = start.elapsed();
    transfer.finish(&saved, digest).await?;
    [sender, receiver].iter().try_for_each(Browser::kill)?; // all their processes: they would want the machine
    Ok(took)
}

#[derive(Debug)]
struct Carried {
    /// From the accepted offer to the end.
    took: Duration,
    /// The most resident memory of the terminal.
    mib: u64,
    /// Processor time of the terminal in clock ticks, and that of the browser and the terminal.
    cpu: u64,
    all: u64,
}

async fn carry(kind: Kind, to_page: bool, file: &Path, digest: &str) -> Result<Carried> {
    let (server, to) = (Server::start()?, tempfile::tempdir()?);
    let page = Browser::start_with(kind, AWAKE).await?;
    page.open(&server.url).await?;
    let name = file.file_name().and_then(|name| name.to_str()).context("a file's name")?;
    let is_whole = |ended: &Ended| ended.digests().get(name).is_some_and(|shown| shown == digest);

    let terminal = if to_page {
        let mut sender = Terminal::send(&server.url, &[file])?;
        page.join(&sender.code().await?).await?;
        page.until_state("incoming").await?;
        sender
    } else {
        let code = page.send_files(&[file]).await?;
        Terminal::receive(&server.url, &code, to.path())?
    };
    let start = Instant::now();
    let (pid, most, cpu) = (terminal.pid(), Cell::new(0), Cell::new(0));
    let before = usage(page.pid());
    let transfer = async {
        if to_page {
            page.click("#accept").await?;
            page.downloaded_within(name, std::fs::metadata(file)?.len(), PATIENCE).await?;
        }
        let ended = terminal.end_within(PATIENCE).await?.expect(0).context("the terminal")?;
        ensure!(is_whole(&ended), "the terminal shows another digest");
        Ok(start.elapsed())
    };
    // The kernel keeps the mark only as long as the process lives.
    let look = watch(async || {
        most.set(high_water_mark(pid).unwrap_or(0).max(most.get()));
        cpu.set(ticks_since(&[], &usage(pid)).max(cpu.get()));
    });
    let took = tokio::select! {
        took = transfer => took?,
        never = look => never,
    };
    let all = cpu.get() + ticks_since(&before, &usage(page.pid()));
    let shown = page.finish().await.context("the page")?;
    ensure!(shown.get(name).is_some_and(|shown| shown == digest), "the page shows {shown:?}");
    let saved = if to_page { page.downloads.join(name) } else { to.path().join(name) };
    ensure!(digest_of(&saved)? == digest, "{} is not what was sent", saved.display());
    page.kill()?; // all its processes, which still hold the file
    Ok(Carried { took, mib: most.get() >> 10, cpu: cpu.get(), all })
}
