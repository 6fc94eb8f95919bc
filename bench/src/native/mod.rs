//! Terminal to terminal between two hosts on one cable (veth, MTU 1500), beside `nc` and libwebrtc.
//!
//! `nc` neither encrypts nor checks nor flushes: what the budget allows at most. libwebrtc is the browsers' own stack as a
//! native library, by npm's `@roamhq/wrtc`, which ships its binary; it is measured with a smaller file, because it is slow.

mod libwebrtc;
mod netcat;

use std::cell::Cell;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Joined, Server, Terminal, high_water_mark, random_file};
use serde_json::json;

use crate::memory::touch_memory;
use crate::options::Options;
use crate::stats::{Pairs, Run, median};

const NAME: &str = "bench.bin";

/// No transfer takes longer.
const LIMIT: Duration = Duration::from_secs(1800);

/// libwebrtc carries this part of the file.
const PART: u64 = 8;

/// How often a transfer's memory is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Set-up times that are measured.
const SET_UPS: usize = 7;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let bytes = options.one_size(1024) << 20;
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join(NAME);
    let digest = random_file(&file, bytes, 42)?;
    let joined = Joined::by_cable()?;
    let server = Server::start_on(Joined::SERVER)?;
    let mut pairs = Pairs::default();
    let mut peak = [0; 2];

    for pair in 0..options.runs.unwrap_or(3) {
        for ours in [pair % 2 == 0, pair % 2 == 1] {
            touch_memory(to.path(), bytes)?;
            let (start, before) = (Instant::now(), children_cpu()?);
            if ours {
                let used = beeline(&joined, &server, &file, to.path(), &digest).await?;
                peak = [0, 1].map(|side| peak[side].max(used[side]));
            } else {
                netcat::carry(&joined, &file, &to.path().join(NAME))?;
            }
            let run = Run { bytes, wall: start.elapsed(), cpu: children_cpu()? - before };
            ensure!(fs::metadata(to.path().join(NAME))?.len() == bytes, "not everything arrived");
            fs::remove_file(to.path().join(NAME))?;
            let who = if ours { "beeline" } else { "nc" };
            if ours { &mut pairs.ours } else { &mut pairs.control }.push(run);
            let (pair, speed, cost) = (pair + 1, run.speed(), run.cost() / GIB_PER_GB);
            options.say(&format!("pair {pair}  {who:8} {speed:7.1} MB/s {cost:6.1} CPU s/GB, both ends"));
        }
    }
    options.say(&pairs.summary("nc"));
    options.say(&format!("memory beeline at most {} MiB sending, {} MiB receiving", peak[0], peak[1]));
    let set_up = set_up(&joined, &server).await?;
    options.say(&format!(
        "set-up a file of 1 KiB, from the start to both exits: {:.3} s (median of {SET_UPS})",
        set_up
    ));

    let mut result = pairs.json("nc");
    result["peak_mib"] = json!({ "sender": peak[0], "receiver": peak[1] });
    result["set_up_s"] = json!(set_up);
    let part = from.path().join("part.bin");
    random_file(&part, bytes / PART, 42)?;
    match libwebrtc::carry(&joined, &part, &to.path().join(NAME)).await? {
        Some(run) => {
            let ratio = median(pairs.ours.iter().map(Run::speed).collect()) / run.speed();
            options.say(&format!(
                "libwebrtc {:.1} MB/s {:.1} CPU s/GB: beeline is {ratio:.1} times as fast",
                run.speed(),
                run.cost() / GIB_PER_GB
            ));
            result["libwebrtc"] =
                json!({ "mb_per_s": run.speed(), "cpu_s_per_gb": run.cost() / GIB_PER_GB, "ratio": ratio });
        }
        None => options.say("libwebrtc skipped: npm can't install @roamhq/wrtc (it said why above)"),
    }
    options.result(&result);
    Ok(())
}

/// CPU s/GiB to CPU s/GB.
const GIB_PER_GB: f64 = (1 << 30) as f64 / 1e9;

/// With everything that belongs to it: meeting, digests, the flush to disk. The most memory of sender and receiver, MiB.
async fn beeline(joined: &Joined, server: &Server, file: &Path, to: &Path, digest: &str) -> Result<[u64; 2]> {
    let mut sender = Terminal::send_at(&joined.a, &server.lan_url, &[file])?;
    let receiver = Terminal::receive_at(&joined.b, &server.lan_url, &sender.code().await?, to)?;
    let pids = [sender.pid(), receiver.pid()];
    let most = [Cell::new(0), Cell::new(0)];
    // The kernel keeps the mark only as long as the process lives.
    let watch = async {
        loop {
            for (pid, most) in pids.iter().zip(&most) {
                most.set(high_water_mark(*pid).unwrap_or(0).max(most.get()));
            }
            tokio::time::sleep(LOOK).await;
        }
    };
    let ends = async {
        let receiver = receiver.end_within(LIMIT).await?.expect(0).context("the receiver")?;
        sender.end_within(LIMIT).await?.expect(0).context("the sender")?;
        Ok::<_, anyhow::Error>(receiver)
    };
    let ended = tokio::select! {
        ended = ends => ended?,
        never = watch => never,
    };
    ensure!(ended.digests().values().any(|shown| shown == digest), "another digest");
    Ok(most.map(|kib| kib.get() >> 10))
}

/// Seconds from the start of the sender to both exits, for a file that takes no time itself.
async fn set_up(joined: &Joined, server: &Server) -> Result<f64> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("small.bin");
    let digest = random_file(&file, 1 << 10, 1)?;
    let mut times = Vec::new();
    for _ in 0..SET_UPS {
        let to = tempfile::tempdir()?;
        let start = Instant::now();
        beeline(joined, server, &file, to.path(), &digest).await?;
        times.push(start.elapsed().as_secs_f64());
    }
    Ok(median(times))
}

/// User and system time of all children that have ended: fields 16 and 17 of /proc/self/stat (proc_pid_stat(5)).
fn children_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
