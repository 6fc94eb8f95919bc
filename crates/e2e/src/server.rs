//! `beeline serve`, on ports of its own.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::{LAN_ADDRESS, Process, beeline};

/// The real server with its embedded page; stopped when dropped.
#[derive(Debug)]
pub struct Server {
    /// `http://localhost:…`, without a slash at the end: a secure context.
    pub url: String,
    /// On the other address; for a browser not a secure context.
    pub lan_url: String,
    process: Process,
}

impl Server {
    /// Starts it on loopback and on the sealed network's address.
    pub fn start() -> Result<Self> {
        Self::start_on(LAN_ADDRESS)
    }

    /// Starts it on loopback and on this address, and waits until it listens.
    pub fn start_on(address: &str) -> Result<Self> {
        Self::start_with(address, &[])
    }

    /// The same with further arguments.
    pub fn start_with(address: &str, arguments: &[&str]) -> Result<Self> {
        let mut command = beeline()?;
        command.args(["serve", "--listen", "127.0.0.1:0", "--listen", &format!("{address}:0"), "--json"]);
        command.args(arguments);
        let (process, urls) = Process::start(&mut command, listening)?;
        let url = |hosts: &[&str]| {
            let of = |url: &&String| hosts.iter().any(|host| url.contains(&format!("//{host}:")));
            let found = urls.iter().find(of).with_context(|| format!("none of {hosts:?} in {urls:?}"))?;
            Ok::<_, anyhow::Error>(found.trim_end_matches('/').to_owned())
        };
        Ok(Self { url: url(&["localhost", "127.0.0.1"])?, lan_url: url(&[address])?, process })
    }

    /// Ends it without a chance to say good-bye.
    pub fn kill(&mut self) {
        self.process.kill();
    }
}

fn listening(line: &str) -> Option<Vec<String>> {
    let event: Value = serde_json::from_str(line).ok()?;
    let urls = event["event"].as_str().filter(|event| *event == "listening").and(event["urls"].as_array())?;
    Some(urls.iter().filter_map(|url| url.as_str().map(str::to_owned)).collect())
}
