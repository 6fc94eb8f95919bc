//! Learns this machine's public addresses: plain STUN Binding (RFC 8489 §2) from the sockets that will carry the connection.
//!
//! ```text
//! Binding request   0x0001 | length 0 | 0x2112A442 | transaction id (12 bytes)
//! Binding success   0x0101 | length   | 0x2112A442 | transaction id | … XOR-MAPPED-ADDRESS …     big-endian
//! ```
//! The codec of ICE refuses answers without MESSAGE-INTEGRITY, which public servers do not send.
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::{Duration, Instant},
};

const COOKIE: u32 = 0x2112_A442;
const XOR_MAPPED_ADDRESS: u16 = 0x0020;
const HEADER: usize = 20;
/// From the first request; nothing waits for it.
const DEADLINE: Duration = Duration::from_secs(3);
/// RFC 8489 §6.2.1 recommends 500 ms as the first timeout, doubled each time.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// A description's servers times this machine's addresses, bounded.
const MAX_PENDING: usize = 64;

/// Questions on the way, all of one connection.
#[derive(Debug, Default)]
pub(super) struct Gatherer {
    pending: Vec<Question>,
}

#[derive(Debug)]
struct Question {
    id: [u8; 12],
    /// The local socket.
    base: SocketAddr,
    server: SocketAddr,
    asked: Instant,
    retry: Duration,
    next: Instant,
}

impl Gatherer {
    /// Asks `server` from the socket bound to `base`, if both speak the same IP version.
    pub(super) fn ask(&mut self, base: SocketAddr, server: SocketAddr, now: Instant) {
        if base.is_ipv4() == server.is_ipv4() && self.pending.len() < MAX_PENDING {
            let id = transaction_id();
            self.pending.push(Question { id, base, server, asked: now, retry: FIRST_RETRY, next: now });
        }
    }

    /// The next datagram to send: source, destination, bytes.
    pub(super) fn poll_transmit(&mut self, now: Instant) -> Option<(SocketAddr, SocketAddr, [u8; HEADER])> {
        self.pending.retain(|question| now.saturating_duration_since(question.asked) < DEADLINE);
        let question = self.pending.iter_mut().find(|question| question.next <= now)?;
        question.next = now + question.retry;
        question.retry *= 2;
        Some((question.base, question.server, request(&question.id)))
    }

    /// When [`Gatherer::poll_transmit`] has something next.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.pending.iter().map(|question| question.next.min(question.asked + DEADLINE)).min()
    }

    /// Takes a datagram that answers one of our questions. Gives the address as the server saw it and the local
    /// socket's; `Err` means that the datagram is somebody else's.
    pub(super) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
    ) -> Result<Option<(SocketAddr, SocketAddr)>, NotOurs> {
        if self.pending.is_empty() || datagram.len() < HEADER || datagram[0] != 1 {
            return Err(NotOurs);
        }
        let ours = |q: &Question| q.id == datagram[8..HEADER] && q.base == local && q.server == source;
        let index = self.pending.iter().position(ours).ok_or(NotOurs)?;
        let question = self.pending.swap_remove(index);
        Ok(mapped_address(datagram).map(|mapped| (mapped, question.base)))
    }
}

/// The datagram is no answer to a question of ours.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotOurs;

/// Hard to guess, because it is all that protects the answer (RFC 8489 §5).
fn transaction_id() -> [u8; 12] {
    let mut id = [0; 12];
    getrandom::fill(&mut id).expect("the system gives random bytes");
    id
}

fn request(id: &[u8; 12]) -> [u8; HEADER] {
    let mut request = [0; HEADER];
    request[1] = 1;
    request[4..8].copy_from_slice(&COOKIE.to_be_bytes());
    request[8..].copy_from_slice(id);
    request
}

/// The XOR-MAPPED-ADDRESS (RFC 8489 §14.2) of a Binding success.
fn mapped_address(message: &[u8]) -> Option<SocketAddr> {
    if message.get(..2)? != [1, 1] || message.get(4..8)? != COOKIE.to_be_bytes() {
        return None;
    }
    let mut rest = message.get(HEADER..)?;
    loop {
        let kind = u16::from_be_bytes([*rest.first()?, *rest.get(1)?]);
        let len = usize::from(u16::from_be_bytes([*rest.get(2)?, *rest.get(3)?]));
        let value = rest.get(4..4 + len)?;
        if kind == XOR_MAPPED_ADDRESS {
            let mask: [u8; 16] = message[4..HEADER].try_into().expect("16 bytes");
            let port = u16::from_be_bytes([*value.get(2)?, *value.get(3)?]) ^ 0x2112;
            let bytes = value.get(4..)?;
            let ip: IpAddr = match (value[1], bytes.len()) {
                (1, 4) => Ipv4Addr::from(std::array::from_fn::<u8, 4, _>(|i| bytes[i] ^ mask[i])).into(),
                (2, 16) => Ipv6Addr::from(std::array::from_fn::<u8, 16, _>(|i| bytes[i] ^ mask[i])).into(),
                _ => return None,
            };
            return Some(SocketAddr::new(ip, port));
        }
        rest = rest.get(4 + len.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.2, its attributes up to the address.
    const RESPONSE: [u8; 48] = [
        0x01, 0x01, 0x00, 0x1c, 0x21, 0x12, 0xa4, 0x42, // Binding success, 28 bytes, cookie
        0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf, 0xae, // transaction id
        0x80, 0x22, 0x00, 0x0b, // SOFTWARE, 11 bytes and one of padding
        0x74, 0x65, 0x73, 0x74, 0x20, 0x76, 0x65, 0x63, 0x74, 0x6f, 0x72, 0x20, //
        0x00, 0x20, 0x00, 0x08, 0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43, // XOR-MAPPED-ADDRESS
    ];

    #[test]
    fn the_address_of_the_rfc_is_read() {
        assert_eq!(mapped_address(&RESPONSE), Some("192.0.2.1:32853".parse().unwrap()));
    }

    #[test]
    fn damaged_answers_do_not_panic() {
        for len in 0..RESPONSE.len() {
            assert_eq!(mapped_address(&RESPONSE[..len]), None);
        }
        for at in 0..RESPONSE.len() {
            let mut damaged = RESPONSE;
            damaged[at] ^= 0xff;
            mapped_address(&damaged);
        }
    }

    #[test]
    fn only_the_server_that_was_asked_may_answer_and_only_for_three_seconds() {
        let (base, server) = ("192.0.2.2:5".parse().unwrap(), "192.0.2.3:6".parse().unwrap());
        let now = Instant::now();
        let mut gatherer = Gatherer::default();
        gatherer.ask(base, server, now);

        let (_, _, request) = gatherer.poll_transmit(now).unwrap();
        let mut answer = RESPONSE;
        answer[8..20].copy_from_slice(&request[8..20]);

        assert_eq!(gatherer.poll_transmit(now), None);
        assert_eq!(gatherer.handle_datagram(base, base, &answer), Err(NotOurs));
        assert!(gatherer.handle_datagram(server, base, &answer).unwrap().is_some());
        gatherer.ask(base, server, now);
        assert_eq!(gatherer.poll_transmit(now + DEADLINE), None);
        assert_eq!(gatherer.poll_timeout(), None);
    }

    #[test]
    fn transaction_ids_differ() {
        assert_ne!(transaction_id(), transaction_id());
    }
}
