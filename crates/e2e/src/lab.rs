//! Two hosts with a router between them, whose path can be cut without either host noticing.
//!
//! ```text
//! host a 10.9.1.2 ── 10.9.1.1 [ the test's own network: server, router ] 10.9.2.1 ── 10.9.2.2 host b
//! ```
//!
//! The router forwards, or does not: no packet filter and no kernel module is needed. Both hosts reach the server, which
//! listens on the router, all the time.

use std::fs;
use std::os::fd::AsFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

pub(crate) const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";

/// Two hosts and the router between them; needs a sealed network.
#[derive(Debug)]
pub struct Lab {
    /// One host.
    pub a: Host,
    /// The other.
    pub b: Host,
}

/// A network namespace with one address and a default route.
#[derive(Debug)]
pub struct Host {
    /// Holds the namespace open.
    holder: Child,
    router: String,
}

impl Lab {
    /// Builds it, with the path open.
    pub fn new() -> Result<Self> {
        let lab = Self { a: Host::new(1)?, b: Host::new(2)? };
        lab.mend()?;
        Ok(lab)
    }

    /// From now on no packet gets from host to host; both still reach the router.
    pub fn cut(&self) -> Result<()> {
        fs::write(FORWARD, "0").context("the router's forwarding")
    }

    /// Opens the path again.
    pub fn mend(&self) -> Result<()> {
        fs::write(FORWARD, "1").context("the router's forwarding")
    }
}

impl Host {
    /// One with a cable to the router, which is this process's own network: 10.9.N.1 there, 10.9.N.2 here.
    pub(crate) fn new(number: u8) -> Result<Self> {
        let holder =
            Command::new("unshare").args(["-n", "sleep", "infinity"]).stdin(Stdio::null()).spawn()?;
        let host = Self { router: format!("10.9.{number}.1"), holder };
        let (pid, router) = (host.holder.id(), &host.router);
        let own = fs::read_link("/proc/self/ns/net")?;
        let start = Instant::now();
        while fs::read_link(format!("/proc/{pid}/ns/net"))? == own {
            ensure!(start.elapsed() < Duration::from_secs(5), "unshare -n made no network");
            std::thread::sleep(Duration::from_millis(5));
        }
        sh(&format!(
            "ip link add r{number} type veth peer name eth0 netns {pid}
             ip addr add {router}/24 dev r{number}
             ip link set r{number} up"
        ))?;
        host.sh(&format!(
            "ip link set lo up; ip addr add 10.9.{number}.2/24 dev eth0; ip link set eth0 up
             ip route add default via {router}"
        ))?;
        Ok(host)
    }

    /// Runs a shell script on this host, as a part of building the network.
    pub(crate) fn sh(&self, script: &str) -> Result<()> {
        let status = self.command(Command::new("sh").args(["-ec", script])).status()?;
        ensure!(status.success(), "failed on a host: {script}");
        Ok(())
    }

    /// The process that holds the namespace open, for `ip link set … netns`.
    pub(crate) fn pid(&self) -> u32 {
        self.holder.id()
    }

    /// The address of the router, where the server listens.
    pub fn router(&self) -> &str {
        &self.router
    }

    /// Its address on the cable to the router.
    pub fn address(&self) -> String {
        let network = self.router.strip_suffix(".1").expect("the router is the first of its network");
        format!("{network}.2")
    }

    /// The same command, run on this host.
    pub fn command(&self, command: &Command) -> Command {
        let mut inside = Command::new("nsenter");
        inside
            .args(["-t", &self.holder.id().to_string(), "-n"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => inside.env(name, value),
                None => inside.env_remove(name),
            };
        }
        inside
    }

    /// Does something on this host. Sockets made there stay there, wherever they are used afterwards.
    pub fn inside<T: Send>(&self, body: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let network = fs::File::open(format!("/proc/{}/ns/net", self.holder.id()))?;
        let on_host = || {
            // Moves only this thread, which ends afterwards.
            move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
            body()
        };
        let thread = std::thread::scope(|scope| scope.spawn(on_host).join());
        thread.expect("what is done on a host does not panic")
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// The same in this process's own network.
pub(crate) fn sh(script: &str) -> Result<()> {
    ensure!(Command::new("sh").args(["-ec", script]).status()?.success(), "failed: {script}");
    Ok(())
}
