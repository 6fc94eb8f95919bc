//! `beeline send` and `beeline receive`, read as a script would read them: JSON lines and exit codes.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::{Host, PATIENCE, beeline};

/// A running `beeline … --json`; killed when dropped.
#[derive(Debug)]
pub struct Terminal {
    child: Child,
    events: UnboundedReceiver<Value>,
    seen: Vec<Value>,
    stderr: Arc<Mutex<String>>,
    started: Instant,
}

/// What is left of a process that ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Everything it said on standard output.
    pub events: Vec<Value>,
    /// Everything it said to people.
    pub stderr: String,
    /// From its start.
    pub after: Duration,
}

impl Terminal {
    /// Starts `beeline send PATH…`.
    pub fn send(server: &str, paths: &[&Path]) -> Result<Self> {
        Self::start(&mut sending(server, paths)?)
    }

    /// The same on a host of a lab.
    pub fn send_at(host: &Host, server: &str, paths: &[&Path]) -> Result<Self> {
        Self::start(&mut host.command(&sending(server, paths)?))
    }

    /// Starts `beeline receive CODE`, which takes everything into `output`.
    pub fn receive(server: &str, code: &str, output: &Path) -> Result<Self> {
        Self::start(&mut receiving(server, code, output)?)
    }

    /// The same on a host of a lab.
    pub fn receive_at(host: &Host, server: &str, code: &str, output: &Path) -> Result<Self> {
        Self::start(&mut host.command(&receiving(server, code, output)?))
    }

    /// Starts any command that prints JSON lines.
    pub fn start(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("{:?} does not start", command.get_program()))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr) = (stdout.context("piped")?, stderr.context("piped")?);
        let (sender, events) = unbounded_channel();
        let open = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                // What is not JSON shows in the test's failure instead of being lost.
                let event = serde_json::from_str(&line).unwrap_or_else(|_| Value::String(line));
                let _ = sender.send(event); // the test is over
            }
        });
        let said = Arc::new(Mutex::new(String::new()));
        let heard = said.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push_str(&line);
                heard.push('\n');
            }
            drop(open); // the events end only when both outputs have been read to their end
        });
        Ok(Self { child, events, seen: Vec::new(), stderr: said, started: Instant::now() })
    }

    /// The next event of this kind, from those not looked at yet.
    pub async fn event(&mut self, kind: &str) -> Result<Value> {
        self.event_within(kind, PATIENCE).await
    }

    /// The same with a deadline of its own.
    pub async fn event_within(&mut self, kind: &str, limit: Duration) -> Result<Value> {
        self.event_that(kind, limit, |event| event["event"] == kind).await
    }

    /// The next event that fits; `what` is for the message when none comes.
    pub async fn event_that(
        &mut self,
        what: &str,
        limit: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let found = tokio::time::timeout(limit, async {
            while let Some(event) = self.events.recv().await {
                self.seen.push(event.clone());
                if fits(&event) {
                    return Some(event);
                }
            }
            None
        });
        match found.await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => bail!("ended without {what}: {:?}\n{}", self.seen, self.stderr()),
            Err(_) => bail!("no {what} within {limit:?}: {:?}\n{}", self.seen, self.stderr()),
        }
    }

    /// The code that it shows.
    pub async fn code(&mut self) -> Result<String> {
        let event = self.event("code").await?;
        Ok(event["code"].as_str().context("a code event has a code")?.to_owned())
    }

    /// The link that it shows.
    pub async fn link(&mut self) -> Result<String> {
        let event = self.event("code").await?;
        Ok(event["link"].as_str().context("a code event has a link")?.to_owned())
    }

    /// Waits until file data has moved and more is to come.
    pub async fn midway(&mut self) -> Result<()> {
        let moving = |event: &Value| {
            let (bytes, total) = (event["bytes"].as_u64(), event["total"].as_u64());
            event["event"] == "progress"
                && bytes.is_some_and(|bytes| bytes > 0 && total.is_none_or(|total| bytes < total))
        };
        self.event_that("progress", PATIENCE, moving).await.map(drop)
    }

    /// Waits until it has ended by itself.
    pub async fn end(self) -> Result<Ended> {
        self.end_within(PATIENCE).await
    }

    /// The same with a deadline of its own.
    pub async fn end_within(mut self, limit: Duration) -> Result<Ended> {
        let deadline = Instant::now() + limit;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                while let Ok(event) = self.events.try_recv() {
                    self.seen.push(event);
                }
                bail!("still running after {limit:?}: {:?}\n{}", self.seen, self.stderr());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        let after = self.started.elapsed();
        while let Some(event) = self.events.recv().await {
            self.seen.push(event);
        }
        Ok(Ended {
            code: status.code(),
            events: std::mem::take(&mut self.seen),
            stderr: self.stderr(),
            after,
        })
    }

    /// What it has said to people so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ctrl-C.
    pub fn interrupt(&self) -> Result<()> {
        self.signal(Signal::INT)
    }

    /// Ends it without a chance to say good-bye.
    pub fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    /// Holds it still, as a laptop that sleeps; [`Terminal::thaw`] lets it go on.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("a process id")?;
        kill_process(pid, signal).context("the process has ended")
    }
}

fn sending(server: &str, paths: &[&Path]) -> Result<Command> {
    let mut command = beeline()?;
    command.arg("send").args(paths).args(["--server", server, "--json"]);
    Ok(command)
}

fn receiving(server: &str, code: &str, output: &Path) -> Result<Command> {
    let mut command = beeline()?;
    command.args(["receive", code, "--output"]).arg(output).args(["--yes", "--server", server, "--json"]);
    Ok(command)
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Fails, with everything that was said, unless it exited with this code.
    pub fn expect(self, code: i32) -> Result<Self> {
        if self.code != Some(code) {
            bail!("exit {:?} instead of {code}: {:?}\n{}", self.code, self.events, self.stderr);
        }
        Ok(self)
    }

    /// The last event of this kind.
    pub fn last(&self, kind: &str) -> Option<&Value> {
        self.events.iter().rev().find(|event| event["event"] == kind)
    }

    /// What it said went wrong: the message of its last error.
    pub fn error(&self) -> Result<&str> {
        let message = self.last("error").and_then(|error| error["message"].as_str());
        message.with_context(|| format!("no error is said: {:?}\n{}", self.events, self.stderr))
    }

    /// The BLAKE3 digest of each file, as it printed them.
    pub fn digests(&self) -> BTreeMap<String, String> {
        let files = self.events.iter().filter(|event| event["event"] == "file");
        files
            .filter_map(|file| Some((file["path"].as_str()?.into(), file["blake3"].as_str()?.into())))
            .collect()
    }
}
