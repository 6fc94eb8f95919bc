//! libwebrtc, by npm's `@roamhq/wrtc`: one channel, kept full, from file to file.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Host, Joined, node_modules};

use super::{LIMIT, children_cpu};
use crate::stats::Run;

/// Carries a file from host a to host b; nothing if the package is not here (`cargo xtask bench native` installs it).
pub(crate) async fn carry(joined: &Joined, file: &Path, to: &Path) -> Result<Option<Run>> {
    let Some(modules) = node_modules() else { return Ok(None) };
    let bytes = fs::metadata(file)?.len();
    let (start, before) = (Instant::now(), children_cpu()?);
    let mut receiver = End::start(&joined.b, &modules, "receive", to, bytes)?;
    let mut sender = End::start(&joined.a, &modules, "send", file, bytes)?;
    relay(sender.says.take().context("piped")?, receiver.hears.take().context("piped")?);
    relay(receiver.says.take().context("piped")?, sender.hears.take().context("piped")?);
    for (who, end) in [("sender", &mut sender), ("receiver", &mut receiver)] {
        while end.child.try_wait()?.is_none() {
            ensure!(start.elapsed() < LIMIT, "libwebrtc's {who} does not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    let run = Run { bytes, wall: start.elapsed(), cpu: children_cpu()? - before };
    ensure!(fs::metadata(to)?.len() == bytes, "libwebrtc did not bring everything");
    fs::remove_file(to)?;
    Ok(Some(run))
}

struct End {
    child: Child,
    says: Option<ChildStdout>,
    hears: Option<ChildStdin>,
}

impl End {
    fn start(host: &Host, modules: &Path, role: &str, file: &Path, bytes: u64) -> Result<Self> {
        let mut command = Command::new("node");
        command.args(["-e", include_str!("libwebrtc.js"), "--", role]).arg(file).arg(bytes.to_string());
        command.env("NODE_PATH", modules);
        let mut command = host.command(&command);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("node")?;
        Ok(Self { says: child.stdout.take(), hears: child.stdin.take(), child })
    }
}

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Descriptions and candidates from one end to the other, line by line, until one of them ends.
fn relay(from: ChildStdout, mut to: ChildStdin) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if writeln!(to, "{line}").is_err() {
                break;
            }
        }
    });
}
