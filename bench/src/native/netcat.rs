//! OpenBSD's netcat: no encryption, no digest, no flush.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Joined;

/// Carries a file from host a to host b.
pub(crate) fn carry(joined: &Joined, file: &Path, to: &Path) -> Result<()> {
    let address = Joined::B.to_string();
    let mut listener = joined
        .b
        .command(Command::new("nc").args(["-l", &address, "4700"]))
        .stdin(Stdio::null())
        .stdout(File::create(to)?)
        .spawn()
        .context("nc (netcat-openbsd)")?;
    let start = Instant::now();
    // It says nothing when it listens: try until somebody answers.
    loop {
        let mut send = joined.a.command(Command::new("nc").args(["-N", &address, "4700"]));
        if send.stdin(File::open(file)?).stderr(Stdio::null()).status()?.success() {
            break;
        }
        ensure!(start.elapsed() < Duration::from_secs(5), "nc does not listen");
        std::thread::sleep(Duration::from_millis(2));
    }
    ensure!(listener.wait()?.success(), "nc did not receive");
    Ok(())
}
