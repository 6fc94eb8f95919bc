//! Two hosts joined by an emulated line, and a server that both reach by another way.
//!
//! ```text
//!                  [ the test's own network: server 10.9.0.1 ]
//!            10.9.1.1 │                             │ 10.9.2.1
//!       eth0 10.9.1.2 │        does not forward     │ 10.9.2.2 eth0
//!                  host a ═ 10.8.0.1 ══ line ══ 10.8.0.2 ═ host b
//!                              the default route of both
//! ```
//!
//! Only what the two say to each other is on the line: the page and the signaling have their own cables. The default
//! route decides which address a browser offers, so it is the line's.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use netlab::{Line, Settings};

use crate::lab::{FORWARD, Host, sh};

/// Two hosts and what joins them; needs a sealed network.
#[derive(Debug)]
pub struct Joined {
    /// One host.
    pub a: Host,
    /// The other.
    pub b: Host,
    line: Option<Line>,
}

impl Joined {
    /// Where a server listens that both hosts are to reach, beside the line.
    pub const SERVER: &str = "10.9.0.1";

    /// Host a's address on the line.
    pub const A: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);

    /// Host b's address on the line.
    pub const B: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 2);

    /// Joined by an emulated line, alike in both directions.
    pub fn by_line(settings: Settings) -> Result<Self> {
        let line = Line::new("line-a", "line-b", settings).context("an emulated line")?;
        let joined = Self { line: Some(line), ..Self::apart()? };
        for (host, device) in [(&joined.a, "line-a"), (&joined.b, "line-b")] {
            sh(&format!("ip link set {device} netns {} name line0", host.pid()))?;
        }
        joined.connect()?;
        Ok(joined)
    }

    /// Joined by a cable: a veth pair with an MTU of 1500 bytes, as fast as the machine is.
    pub fn by_cable() -> Result<Self> {
        let joined = Self::apart()?;
        let (a, b) = (joined.a.pid(), joined.b.pid());
        sh(&format!("ip link add line0 mtu 1500 netns {a} type veth peer name line0 mtu 1500 netns {b}"))?;
        joined.connect()?;
        Ok(joined)
    }

    /// The emulated line; a cable has none.
    pub fn line(&self) -> &Line {
        self.line.as_ref().expect("they are joined by an emulated line")
    }

    /// Two hosts whose only way to each other would be the router, which does not forward.
    fn apart() -> Result<Self> {
        fs::write(FORWARD, "0").context("the router's forwarding")?;
        sh(&format!("ip addr add {}/32 dev lo", Self::SERVER))?;
        Ok(Self { a: Host::new(1)?, b: Host::new(2)?, line: None })
    }

    fn connect(&self) -> Result<()> {
        for (host, own, other) in [(&self.a, Self::A, Self::B), (&self.b, Self::B, Self::A)] {
            host.sh(&format!(
                "ip addr add {own} peer {other} dev line0; ip link set line0 up
                 ip route replace default dev line0 src {own}
                 ip route add {}/32 via {}",
                Self::SERVER,
                host.router()
            ))?;
        }
        Ok(())
    }
}
