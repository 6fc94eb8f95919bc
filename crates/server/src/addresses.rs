//! Ports, and the addresses that a person can type.
use socket2::{Domain, Protocol, Socket, Type};
use std::{
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
};
use tokio::net::TcpListener;
use url::Url;

/// A port that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// What was asked for.
    pub address: SocketAddr,
    /// What the system said.
    pub source: io::Error,
}

/// Connections that wait for us to accept them.
const BACKLOG: i32 = 1024;

/// Takes a port. `[::]` takes IPv4 too; on a machine without IPv6 it means `0.0.0.0`.
pub(crate) fn listen(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), BindError> {
    let any = wanted.is_ipv6() && wanted.ip().is_unspecified();
    let bound = match bind(wanted) {
        // In use is in use; what else goes wrong with `[::]` is that there is no IPv6.
        Err(error) if any && error.kind() != io::ErrorKind::AddrInUse => {
            bind((Ipv4Addr::UNSPECIFIED, wanted.port()).into()).map_err(|_| error)
        }
        bound => bound,
    };
    bound.map_err(|source| BindError { address: wanted, source })
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?; // systems differ in their default
    }
    #[cfg(unix)]
    socket.set_reuse_address(true)?; // a restarted server need not wait for its old connections
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let listener = TcpListener::from_std(socket.into())?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// See [`crate::Server::urls`].
pub(crate) fn urls(addresses: &[SocketAddr], public: Option<&Url>) -> Vec<String> {
    let interfaces: Vec<IpAddr> =
        if_addrs::get_if_addrs().unwrap_or_default().iter().map(if_addrs::Interface::ip).collect();
    urls_of(addresses, public, interfaces, default_route())
}

fn urls_of(
    addresses: &[SocketAddr],
    public: Option<&Url>,
    mut interfaces: Vec<IpAddr>,
    preferred: Option<IpAddr>,
) -> Vec<String> {
    interfaces.retain(|ip| is_typeable(*ip));
    interfaces.sort_by_key(|ip| (Some(*ip) != preferred, ip.is_ipv6()));
    let mut urls: Vec<String> =
        public.into_iter().map(|u| format!("{}/", u.as_str().trim_end_matches('/'))).collect();
    let mut add = |host: String, port: u16| {
        let url = if port == 80 { format!("http://{host}/") } else { format!("http://{host}:{port}/") };
        if !urls.contains(&url) {
            urls.push(url);
        }
    };
    for address in addresses {
        let (ip, port) = (address.ip(), address.port());
        if ip.is_unspecified() {
            add("localhost".into(), port);
            interfaces.iter().filter(|i| i.is_ipv4() || ip.is_ipv6()).for_each(|i| add(host(*i), port));
        } else if ip == Ipv4Addr::LOCALHOST {
            add("localhost".into(), port);
        } else {
            add(host(ip), port);
        }
    }
    urls
}

fn host(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => format!("[{v6}]"),
    }
}

/// Not loopback; and not link-local, which IPv6 URLs cannot name and IPv4 machines only have when DHCP failed.
fn is_typeable(ip: IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    !ip.is_loopback() && !ip.is_unspecified() && !link_local
}

/// This machine's address on the way to the rest of the world. Connecting a UDP socket sends nothing; it only asks
/// the routing table. 192.0.2.1 is nobody (RFC 5737).
fn default_route() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(of: &[&str]) -> Vec<SocketAddr> {
        of.iter().map(|a| a.parse().unwrap()).collect()
    }

    fn interfaces() -> Vec<IpAddr> {
        ["127.0.0.1", "::1", "fe80::1", "fd00::5", "172.17.0.1", "192.168.1.5", "169.254.3.4"]
            .map(|a| a.parse().unwrap())
            .to_vec()
    }

    #[test]
    fn a_person_sees_this_machine_first_then_the_network() {
        let urls = urls_of(&addresses(&["[::]:8080"]), None, interfaces(), "192.168.1.5".parse().ok());

        assert_eq!(
            urls,
            [
                "http://localhost:8080/",
                "http://192.168.1.5:8080/",
                "http://172.17.0.1:8080/",
                "http://[fd00::5]:8080/"
            ]
        );
    }

    #[test]
    fn only_what_listens_is_named() {
        let urls = |of: &[&str]| urls_of(&addresses(of), None, interfaces(), None);
        assert_eq!(urls(&["127.0.0.1:80"]), ["http://localhost/"]);
        assert_eq!(urls(&["[::1]:8080"]), ["http://[::1]:8080/"]);
        assert_eq!(urls(&["0.0.0.0:8080"]).len(), 3);
    }

    #[test]
    fn the_public_address_comes_first_and_ends_in_a_slash() {
        let public = "https://example.org/beeline".parse().unwrap();
        let urls = urls_of(&addresses(&["127.0.0.1:8080"]), Some(&public), vec![], None);
        assert_eq!(urls, ["https://example.org/beeline/", "http://localhost:8080/"]);
    }
}
