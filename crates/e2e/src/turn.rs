//! Debian's coturn: a TURN server by others.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::Result;
use tempfile::TempDir;

use crate::Process;

/// A running TURN server with one user; stopped when dropped.
#[derive(Debug)]
pub struct Turn {
    address: String,
    process: Process,
    _dir: TempDir,
}

impl Turn {
    /// Starts it on this address, which is also the one it relays from, on STUN's usual port for UDP and TCP.
    pub fn start(address: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        // Else it reads the system's.
        let config = dir.path().join("turnserver.conf");
        fs::write(&config, "")?;
        let mut command = Command::new("turnserver");
        command.arg("-c").arg(&config).arg("--pidfile").arg(dir.path().join("pid"));
        command.arg("--userdb").arg(dir.path().join("users"));
        command.args(["--listening-ip", address, "--relay-ip", address]);
        command.args(["--lt-cred-mech", "--user", "bee:line", "--realm", "example.org"]);
        command.args(["--no-cli", "--no-tls", "--no-dtls", "--log-file", "stdout", "--verbose"]);
        let ready = |line: &str| line.contains("listener opened on").then_some(());
        let (process, ()) = Process::start(&mut command, ready)?;
        Ok(Self { address: address.to_owned(), process, _dir: dir })
    }

    /// For `beeline serve --ice`; `query` is empty or chooses how it is reached, `?transport=tcp`.
    pub fn url(&self, query: &str) -> String {
        format!("turn:bee:line@{}:3478{query}", self.address)
    }

    /// How many addresses it has given out.
    pub fn allocations(&self) -> usize {
        self.process.said().iter().filter(|line| line.contains("ALLOCATE processed, success")).count()
    }

    /// How many of them were given back, or ended with the connection they were asked for on.
    pub fn ended(&self) -> usize {
        let said = self.process.said();
        let ended = said.iter().filter(|line| line.contains(", lifetime=0") || line.contains(": delete: "));
        let sessions = ended.filter_map(|line| line.split("session ").nth(1)?.split(':').next());
        sessions.collect::<BTreeSet<_>>().len()
    }

    /// What it has said so far, line by line.
    pub fn said(&self) -> Vec<String> {
        self.process.said()
    }
}
