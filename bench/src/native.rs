//! Terminal to terminal, beside `nc`: the same file, the same two folders, the same network.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{LAN_ADDRESS, Server, Terminal, random_file};

use crate::options::Options;
use crate::stats::{Pairs, Run};

const NAME: &str = "bench.bin";

pub(crate) async fn run(options: &Options) -> Result<()> {
    let bytes = options.one_size(1024) << 20;
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join(NAME);
    let digest = random_file(&file, bytes, 42)?;
    let server = Server::start()?;
    let mut pairs = Pairs::default();

    for pair in 0..options.runs.unwrap_or(3) {
        for ours in [pair % 2 == 0, pair % 2 == 1] {
            let (start, before) = (Instant::now(), children_cpu()?);
            if ours {
                beeline(&server, &file, to.path(), &digest).await?;
            } else {
                netcat(&file, &to.path().join(NAME))?;
            }
            let run = Run { bytes, wall: start.elapsed(), cpu: children_cpu()? - before };
            ensure!(fs::metadata(to.path().join(NAME))?.len() == bytes, "not everything arrived");
            fs::remove_file(to.path().join(NAME))?;
            let who = if ours { "beeline" } else { "nc" };
            if ours { &mut pairs.ours } else { &mut pairs.control }.push(run);
            let (pair, speed, cost) = (pair + 1, run.speed(), run.cost());
            options.say(&format!("pair {pair}  {who:8} {speed:7.1} MB/s {cost:6.1} CPU s/GiB"));
        }
    }
    options.say(&pairs.summary("nc"));
    options.result(&pairs.json("nc"));
    Ok(())
}

/// With everything that belongs to it: meeting, digests, the flush to disk.
async fn beeline(server: &Server, file: &Path, to: &Path, digest: &str) -> Result<()> {
    let limit = Duration::from_secs(1800);
    let mut sender = Terminal::send(&server.lan_url, &[file])?;
    let receiver = Terminal::receive(&server.lan_url, &sender.code().await?, to)?;
    let receiver = receiver.end_within(limit).await?.expect(0).context("the receiver")?;
    sender.end_within(limit).await?.expect(0).context("the sender")?;
    ensure!(receiver.digests().get(NAME).is_some_and(|shown| shown == digest), "another digest");
    Ok(())
}

/// OpenBSD's netcat: no encryption, no digest, no flush.
fn netcat(file: &Path, to: &Path) -> Result<()> {
    let mut listener = Command::new("nc")
        .args(["-l", LAN_ADDRESS, "4700"])
        .stdin(Stdio::null())
        .stdout(File::create(to)?)
        .spawn()
        .context("nc (netcat-openbsd)")?;
    let start = Instant::now();
    // It says nothing when it listens: try until somebody answers.
    loop {
        let sent = Command::new("nc").args(["-N", LAN_ADDRESS, "4700"]).stdin(File::open(file)?).status()?;
        if sent.success() {
            break;
        }
        ensure!(start.elapsed() < Duration::from_secs(5), "nc does not listen");
        std::thread::sleep(Duration::from_millis(2));
    }
    ensure!(listener.wait()?.success(), "nc did not receive");
    Ok(())
}

/// User and system time of all children that have ended: fields 16 and 17 of /proc/self/stat (proc_pid_stat(5)).
fn children_cpu() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<_> = stat.rsplit_once(')').context("a stat line")?.1.split_whitespace().collect();
    let ticks: u64 = fields[13].parse::<u64>()? + fields[14].parse::<u64>()?;
    Ok(Duration::from_millis(ticks * 10))
}
