//! Resolves the `.local` names that browsers put into candidates (RFC 6762; only the address is hidden by them).
//!
//! ```text
//! query  id 0 | flags 0 | 2 questions | 0 | 0 | 0 | name A IN | name AAAA IN      to 224.0.0.251 and ff02::fb, port 5353
//! ```
//! The system's resolver often knows no multicast DNS, so the question is asked here, on every interface. Nothing
//! waits for an answer: multicast fails silently in containers and guest networks, and the browser's own check
//! reaches this side in most of them.
use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6},
    time::Duration,
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::UdpSocket, task::JoinSet, time};

use super::interfaces::Interfaces;

const PORT: u16 = 5353;
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);
const DEADLINE: Duration = Duration::from_secs(3);
/// Pauses before the question is repeated.
const REPEATS: [Duration; 3] =
    [Duration::from_millis(100), Duration::from_millis(400), Duration::from_secs(1)];
const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const CLASS_IN: u16 = 1;

/// The address behind `name`, or nothing within 3 s.
pub(super) async fn resolve(name: String, interfaces: Interfaces) -> Option<IpAddr> {
    let query = query(&name)?;
    let mut asking = JoinSet::new();
    let v4 = interfaces.multicast_v4.iter().map(|ip| (socket_v4(*ip), SocketAddr::from((GROUP_V4, PORT))));
    let v6 = interfaces
        .multicast_v6
        .iter()
        .map(|index| (socket_v6(*index), SocketAddr::V6(SocketAddrV6::new(GROUP_V6, PORT, 0, *index))));
    for (socket, group) in v4.chain(v6) {
        match socket {
            Ok(socket) => drop(asking.spawn(ask(socket, group, name.clone(), query.clone()))),
            Err(error) => tracing::debug!(%error, "no multicast on an interface"),
        }
    }
    let first = async {
        while let Some(answer) = asking.join_next().await {
            if let Ok(Some(ip)) = answer {
                return Some(ip);
            }
        }
        None
    };
    time::timeout(DEADLINE, first).await.ok().flatten()
}

/// Asks until somebody answers; whoever calls puts an end to it.
async fn ask(socket: UdpSocket, group: SocketAddr, name: String, query: Vec<u8>) -> Option<IpAddr> {
    let mut repeats = REPEATS.iter();
    let mut buffer = vec![0; 9000]; // RFC 6762 §17
    loop {
        if let Err(error) = socket.send_to(&query, group).await {
            tracing::debug!(%error, "can't ask on an interface");
            return None;
        }
        let pause = repeats.next().copied().unwrap_or(DEADLINE);
        let answer = async {
            loop {
                let (len, _) = socket.recv_from(&mut buffer).await.ok()?;
                if let Some(ip) = answer(&buffer[..len], &name) {
                    return Some(ip);
                }
            }
        };
        if let Ok(answer) = time::timeout(pause, answer).await {
            return answer;
        }
    }
}

/// On port 5353 and in the group, because responders answer there; on any port if 5353 can't be shared, then
/// responders that follow RFC 6762 §6.7 answer directly.
fn socket_v4(interface: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = shared_socket(Domain::IPV4)?;
    if socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT).into()).is_err() {
        socket.bind(&SocketAddrV4::new(interface, 0).into())?;
    }
    socket.join_multicast_v4(&GROUP_V4, &interface)?;
    socket.set_multicast_if_v4(&interface)?;
    socket.set_multicast_ttl_v4(255)?;
    UdpSocket::from_std(socket.into())
}

/// As [`socket_v4`], on the interface with that index.
fn socket_v6(index: u32) -> io::Result<UdpSocket> {
    let socket = shared_socket(Domain::IPV6)?;
    socket.set_only_v6(true)?;
    if socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, PORT, 0, 0).into()).is_err() {
        socket.bind(&SocketAddrV6::new(Ipv6Addr::UNSPECIFIED, 0, 0, 0).into())?;
    }
    socket.join_multicast_v6(&GROUP_V6, index)?;
    socket.set_multicast_if_v6(index)?;
    socket.set_multicast_hops_v6(255)?;
    UdpSocket::from_std(socket.into())
}

fn shared_socket(domain: Domain) -> io::Result<Socket> {
    let socket = Socket::new(domain, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Whether a candidate's address is a name to ask for.
pub(super) fn is_local_name(host: &str) -> bool {
    let labels = || host.split('.');
    let plain = |label: &str| {
        (1..=63).contains(&label.len()) && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-')
    };
    host.len() <= 253 && labels().count() >= 2 && labels().all(plain) && ends_in_local(host)
}

fn ends_in_local(host: &str) -> bool {
    host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("local"))
}

fn query(name: &str) -> Option<Vec<u8>> {
    if !is_local_name(name) {
        return None;
    }
    let mut query = vec![0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0];
    for kind in [TYPE_A, TYPE_AAAA] {
        for label in name.split('.') {
            query.push(u8::try_from(label.len()).expect("a label has at most 63 bytes"));
            query.extend_from_slice(label.as_bytes());
        }
        query.push(0);
        query.extend_from_slice(&kind.to_be_bytes());
        query.extend_from_slice(&CLASS_IN.to_be_bytes());
    }
    Some(query)
}

/// The first usable address that a response gives for `name`.
fn answer(message: &[u8], name: &str) -> Option<IpAddr> {
    let u16_at = |at: usize| Some(u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]));
    if *message.get(2)? & 0x80 == 0 {
        return None; // a query, perhaps our own
    }
    let (questions, answers) = (u16_at(4)?, u16_at(6)?);
    let mut at = 12;
    for _ in 0..questions {
        at = read_name(message, at)?.1 + 4;
    }
    for _ in 0..answers {
        let (owner, rest) = read_name(message, at)?;
        let (kind, class, len) = (u16_at(rest)?, u16_at(rest + 2)?, usize::from(u16_at(rest + 8)?));
        let data = message.get(rest + 10..rest + 10 + len)?;
        at = rest + 10 + len;
        // The top bit of the class says that the answer replaces older ones (RFC 6762 §10.2).
        if class & 0x7fff != CLASS_IN || !owner.eq_ignore_ascii_case(name) {
            continue;
        }
        let ip: IpAddr = match (kind, len) {
            (TYPE_A, 4) => <[u8; 4]>::try_from(data).ok()?.into(),
            (TYPE_AAAA, 16) => <[u8; 16]>::try_from(data).ok()?.into(),
            _ => continue,
        };
        if !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()) {
            return Some(ip);
        }
    }
    None
}

/// A name (RFC 1035 §4.1.4) and where the bytes after it begin.
fn read_name(message: &[u8], start: usize) -> Option<(String, usize)> {
    let (mut name, mut at, mut end) = (String::new(), start, None);
    // Each pointer must lead backwards, so this ends; 128 labels are more than a name can have.
    for _ in 0..128 {
        let len = usize::from(*message.get(at)?);
        match len {
            0 => return Some((name, end.unwrap_or(at + 1))),
            0xc0.. => {
                let to = (len & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
                end.get_or_insert(at + 2);
                if to >= at {
                    return None;
                }
                at = to;
            }
            1..=63 => {
                let label = message.get(at + 1..at + 1 + len)?;
                if !name.is_empty() {
                    name.push('.');
                }
                name.push_str(std::str::from_utf8(label).ok()?);
                at += 1 + len;
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "0a1b.local";

    fn response() -> Vec<u8> {
        let mut message = vec![0, 0, 0x84, 0, 0, 1, 0, 2, 0, 0, 0, 0];
        message.extend(b"\x040a1b\x05local\0\0\x01\0\x01"); // the question again
        message.extend(b"\xc0\x0c\0\x1c\x80\x01\0\0\0\x78\0\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01"); // fe80::1
        message.extend(b"\xc0\x0c\0\x01\x80\x01\0\0\0\x78\0\x04\xc0\0\x02\x07"); // 192.0.2.7
        message
    }

    #[test]
    fn an_answer_gives_its_address_and_link_local_ones_are_skipped() {
        assert_eq!(answer(&response(), "0A1B.local"), Some("192.0.2.7".parse().unwrap()));
        assert_eq!(answer(&response(), "other.local"), None);
    }

    #[test]
    fn our_own_query_is_no_answer() {
        assert_eq!(answer(&query(NAME).unwrap(), NAME), None);
    }

    #[test]
    fn damaged_answers_do_not_panic() {
        let whole = response();
        for len in 0..whole.len() {
            answer(&whole[..len], NAME);
        }
        for at in 0..whole.len() {
            for bits in [0x01, 0x80, 0xc0, 0xff] {
                let mut damaged = whole.clone();
                damaged[at] ^= bits;
                answer(&damaged, NAME);
            }
        }
    }

    #[test]
    fn only_plain_local_names_are_asked_for() {
        assert!(is_local_name("1f4712db-ea17-4bcf-a596-105139dfd8bf.local"));
        for bad in ["local", ".local", "a.b", "example.org", "a..local", "a b.local", "192.0.2.1"] {
            assert!(!is_local_name(bad), "{bad}");
        }
    }
}
