//! Which addresses of this machine to offer as host candidates.
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use if_addrs::{IfOperStatus, Interface};

/// More than a laptop with containers and a VPN has; each costs a socket, and pairs grow with the product.
const MAX_ADDRESSES: usize = 16;

/// The addresses to bind, and where to ask multicast questions.
#[derive(Clone, Debug, Default)]
pub(super) struct Interfaces {
    /// Addresses for host candidates: global, private and unique local ones.
    pub(super) addresses: Vec<IpAddr>,
    /// IPv4 addresses of interfaces on which a multicast question can be asked.
    pub(super) multicast_v4: Vec<Ipv4Addr>,
    /// Indices of interfaces on which IPv6 multicast works.
    pub(super) multicast_v6: Vec<u32>,
}

impl Interfaces {
    /// Asks the system. `loopback`: offer loopback beside the others; it is offered anyway if there is nothing else.
    pub(super) fn list(loopback: bool) -> Self {
        let all = if_addrs::get_if_addrs().unwrap_or_else(|error| {
            tracing::warn!(%error, "can't list network interfaces");
            Vec::new()
        });
        Self::choose(&all, loopback)
    }

    fn choose(all: &[Interface], loopback: bool) -> Self {
        let mut chosen = Self::default();
        let up = |i: &&Interface| !matches!(i.oper_status, IfOperStatus::Down | IfOperStatus::LowerLayerDown);
        for interface in all.iter().filter(up) {
            match interface.ip() {
                ip if ip.is_loopback() => continue,
                IpAddr::V4(ip) => chosen.multicast_v4.push(ip),
                IpAddr::V6(_) => chosen.multicast_v6.extend(interface.index),
            }
            if usable(interface.ip()) && !chosen.addresses.contains(&interface.ip()) {
                chosen.addresses.push(interface.ip());
            }
        }
        chosen.multicast_v6.sort_unstable();
        chosen.multicast_v6.dedup();
        if loopback || chosen.addresses.is_empty() {
            chosen.addresses.extend(all.iter().map(Interface::ip).filter(IpAddr::is_loopback));
        }
        chosen.addresses.truncate(MAX_ADDRESSES);
        chosen
    }
}

/// Not link-local: such an IPv4 address leads nowhere, such an IPv6 address means nothing without its scope.
fn usable(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_link_local() && !ip.is_unspecified() && !ip.is_multicast(),
        IpAddr::V6(ip) => usable_v6(ip),
    }
}

fn usable_v6(ip: Ipv6Addr) -> bool {
    !ip.is_unicast_link_local() && !ip.is_unspecified() && !ip.is_multicast() && ip.to_ipv4_mapped().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use if_addrs::{IfAddr, Ifv4Addr, Ifv6Addr};

    fn interface(ip: &str, oper_status: IfOperStatus) -> Interface {
        let addr = match ip.parse().unwrap() {
            IpAddr::V4(ip) => {
                IfAddr::V4(Ifv4Addr { ip, netmask: Ipv4Addr::BROADCAST, prefixlen: 32, broadcast: None })
            }
            IpAddr::V6(ip) => {
                IfAddr::V6(Ifv6Addr { ip, netmask: Ipv6Addr::LOCALHOST, prefixlen: 128, broadcast: None })
            }
        };
        Interface { name: "x".into(), addr, index: Some(1), oper_status, is_p2p: false }
    }

    #[test]
    fn loopback_is_offered_only_when_asked_for_or_alone() {
        let lo = interface("127.0.0.1", IfOperStatus::Unknown);
        let lan = interface("192.0.2.2", IfOperStatus::Up);

        let offered = |all: &[Interface], loopback| Interfaces::choose(all, loopback).addresses.len();
        assert_eq!(offered(&[lo.clone(), lan.clone()], false), 1);
        assert_eq!(offered(&[lo.clone(), lan], true), 2);
        assert_eq!(offered(&[lo], false), 1);
    }

    #[test]
    fn link_local_and_down_are_left_out() {
        let all = [
            interface("169.254.1.1", IfOperStatus::Up),
            interface("fe80::1", IfOperStatus::Up),
            interface("192.0.2.9", IfOperStatus::Down),
            interface("fd00::1", IfOperStatus::Up),
            interface("2001:db8::1", IfOperStatus::Unknown),
        ];

        let chosen = Interfaces::choose(&all, false);

        let expected: Vec<IpAddr> = vec!["fd00::1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(chosen.addresses, expected);
    }
}
