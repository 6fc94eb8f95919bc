//! A TURN server made by hand, on made-up time.
use aws_lc_rs::hmac;

use super::*;

/// MD5 of `bee:example.org:line` (RFC 8489 §9.2.2).
const KEY: [u8; 16] =
    [0x4a, 0xaa, 0xd9, 0xa1, 0x24, 0x6e, 0xc2, 0x6d, 0xbe, 0xbf, 0xfb, 0x83, 0xb2, 0xcb, 0xcb, 0xcb];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

const ALLOCATE: u8 = 3;
const REFRESH: u8 = 4;
const CREATE_PERMISSION: u8 = 8;
const CHANNEL_BIND: u8 = 9;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = kind.to_be_bytes().to_vec();
    bytes.extend((value.len() as u16).to_be_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// XOR-RELAYED-ADDRESS, XOR-PEER-ADDRESS: port and IPv4 address under the cookie.
fn xor(address: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address.ip() else { panic!("IPv4 in this test") };
    let mut value = vec![0, 1];
    value.extend((address.port() ^ 0x2112).to_be_bytes());
    value.extend(ip.octets().iter().zip(COOKIE).map(|(a, b)| a ^ b));
    value
}

/// An answer to the request; after the server's nonce all have MESSAGE-INTEGRITY.
fn answer(request: &[u8], class: u16, signed: bool, attributes: &[u8]) -> Vec<u8> {
    let mut bytes = (u16::from(request[1]) | class).to_be_bytes().to_vec();
    bytes.extend(((attributes.len() + if signed { 24 } else { 0 }) as u16).to_be_bytes());
    bytes.extend(&request[4..20]);
    bytes.extend(attributes);
    if signed {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &KEY);
        bytes.extend(attribute(0x0008, hmac::sign(&key, &bytes).as_ref()));
    }
    bytes
}

fn unauthorized(request: &[u8]) -> Vec<u8> {
    let attributes = [
        attribute(0x0009, &[0, 0, 4, 1]), // ERROR-CODE 401
        attribute(0x0014, b"example.org"),
        attribute(0x0015, b"nonce"),
    ];
    answer(request, 0x0110, false, &attributes.concat())
}

struct Lab {
    relays: Relays,
    now: Instant,
    allocated: Vec<Allocated>,
}

impl Lab {
    fn new() -> Self {
        let mut relays = Relays::default();
        let login = IceServer { url: String::new(), username: "bee".into(), password: "line".into() };
        relays.allocate(base(), server(), &login);
        Self { relays, now: Instant::now(), allocated: Vec::new() }
    }

    /// What goes out within a second.
    fn sent(&mut self) -> Vec<Vec<u8>> {
        let mut sent = Vec::new();
        for _ in 0..20 {
            self.now += Duration::from_millis(50);
            let allocated = self.relays.advance(self.now, |transmit| {
                assert_eq!(transmit.route(), Some(Route { local: base(), remote: server() }));
                sent.extend(transmit.datagrams().map(<[u8]>::to_vec));
            });
            self.allocated.extend(allocated);
            if !sent.is_empty() {
                break;
            }
        }
        sent
    }

    fn request(&mut self, method: u8) -> Vec<u8> {
        let sent = self.sent();
        assert_eq!(sent.len(), 1);
        assert_eq!(sent[0][..2], [0, method]);
        sent[0].clone()
    }

    fn hear(&mut self, datagram: &[u8]) -> Option<(SocketAddr, SocketAddr, Vec<u8>)> {
        match self.relays.handle_datagram(server(), base(), datagram, self.now) {
            Received::Relayed(relayed) => Some((relayed.peer(), relayed.relayed, relayed.bytes().to_vec())),
            _ => None,
        }
    }

    /// Until there is a relayed address.
    fn allocated() -> Self {
        let mut lab = Self::new();
        let first = lab.request(ALLOCATE);
        lab.hear(&unauthorized(&first));
        let second = lab.request(ALLOCATE);
        let attributes = [
            attribute(0x0016, &xor(relayed())),
            attribute(0x0020, &xor(base())),
            attribute(0x000d, &600u32.to_be_bytes()), // LIFETIME
        ];
        lab.hear(&answer(&second, 0x0100, true, &attributes.concat()));
        assert_eq!(lab.sent(), Vec::<Vec<u8>>::new());
        lab
    }

    fn wrap(&mut self, datagrams: &[&[u8]]) -> Transmit {
        let mut transmit = Transmit {
            route: Some(Route { local: relayed(), remote: peer() }),
            bytes: datagrams.concat(),
            segment: datagrams[0].len(),
            segments: datagrams.len(),
        };
        self.relays.wrap(&mut transmit, self.now);
        transmit
    }
}

fn base() -> SocketAddr {
    address("192.0.2.2:4000")
}

fn server() -> SocketAddr {
    address("192.0.2.3:3478")
}

fn relayed() -> SocketAddr {
    address("192.0.2.3:50000")
}

fn peer() -> SocketAddr {
    address("198.51.100.7:1234")
}

#[test]
fn an_address_is_asked_for_with_credentials_and_told() {
    let lab = Lab::allocated();

    let told = lab.allocated.first().unwrap();
    assert_eq!((told.relayed, told.base), (relayed(), base()));
}

#[test]
fn the_first_datagram_waits_for_a_permission_and_a_bound_channel_costs_four_bytes() {
    let mut lab = Lab::allocated();

    // The first waits.
    assert_eq!(lab.wrap(&[b"check"]).route(), None);
    let request = lab.request(CREATE_PERMISSION);
    lab.hear(&answer(&request, 0x0100, true, &[]));
    let sent = lab.sent();
    // A Send indication: 0x0016, XOR-PEER-ADDRESS, DATA of five bytes.
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0][..2], [0, 0x16]);
    let address = attribute(0x0012, &xor(peer()));
    assert!(sent[0].windows(address.len()).any(|window| window == address));
    assert!(sent[0].ends_with(b"\x00\x13\x00\x05check\0\0\0"));

    lab.relays.bind(Route { local: relayed(), remote: peer() }, lab.now);
    let request = lab.request(CHANNEL_BIND);
    lab.hear(&answer(&request, 0x0100, true, &[]));
    let wrapped = lab.wrap(&[b"first", b"again", b"end"]);

    assert_eq!(wrapped.route(), Some(Route { local: base(), remote: server() }));
    // The first channel's number, the length, the datagram.
    let datagrams: Vec<&[u8]> = wrapped.datagrams().collect();
    let expected: [&[u8]; 3] = [b"\x40\x00\x00\x05first", b"\x40\x00\x00\x05again", b"\x40\x00\x00\x03end"];
    assert_eq!(datagrams, expected);
    assert_eq!(lab.hear(b"\x40\x00\x00\x04back"), Some((peer(), relayed(), b"back".to_vec())));
    // Another socket's datagram is nobody's.
    let other = lab.relays.handle_datagram(peer(), base(), b"\x40\x00\x00\x04back", lab.now);
    assert!(matches!(other, Received::NotOurs));
}

/// Lifetimes: the address 600 s, a permission 300 s, a channel 600 s (RFC 8656 §7.2, §9, §12).
#[test]
fn an_address_lasts_as_long_as_it_is_wanted_and_costs_few_wakeups() {
    let mut lab = Lab::allocated();
    lab.wrap(&[b"check"]);
    let request = lab.request(CREATE_PERMISSION);
    lab.hear(&answer(&request, 0x0100, true, &[]));
    lab.sent();
    lab.relays.bind(Route { local: relayed(), remote: peer() }, lab.now);
    let request = lab.request(CHANNEL_BIND);
    lab.hear(&answer(&request, 0x0100, true, &[]));
    let (start, mut wakeups, mut asked) = (lab.now, 0, [0; 16]);

    while lab.now - start < Duration::from_secs(3600) {
        wakeups += 1;
        let mut requests = Vec::new();
        lab.relays.advance(lab.now, |transmit| requests.push(transmit.contents().to_vec()));
        for request in requests {
            asked[usize::from(request[1])] += 1;
            let lifetime = attribute(0x000d, &600u32.to_be_bytes());
            let attributes = if request[1] == REFRESH { lifetime } else { Vec::new() };
            lab.hear(&answer(&request, 0x0100, true, &attributes));
        }
        lab.now = lab.relays.poll_timeout(lab.now).unwrap();
    }

    let wrapped = lab.wrap(&[b"later"]);
    assert_eq!(wrapped.contents(), b"\x40\x00\x00\x05later");
    let often = |method: u8| asked[usize::from(method)];
    assert!(often(REFRESH) >= 6 && often(CREATE_PERMISSION) >= 12 && often(CHANNEL_BIND) >= 6, "{asked:?}");
    assert!(wakeups < 200, "{wakeups}");
}

#[test]
fn a_refused_peer_is_asked_for_once() {
    let mut lab = Lab::allocated();

    lab.wrap(&[b"check"]);
    let request = lab.request(CREATE_PERMISSION);
    lab.hear(&answer(&request, 0x0110, true, &attribute(0x0009, &[0, 0, 4, 3]))); // Forbidden
    let after = lab.sent();
    assert_eq!(lab.wrap(&[b"check"]).route(), None);

    assert_eq!((after, lab.sent()), (vec![], vec![]));
}

#[test]
fn a_server_that_does_not_answer_is_given_up() {
    let mut lab = Lab::new();

    for _ in 0..100 {
        lab.now += Duration::from_secs(1);
        lab.relays.advance(lab.now, |_| {});
    }

    assert!(lab.relays.relays.is_empty());
    assert_eq!(lab.relays.poll_timeout(lab.now), None);
}

#[test]
fn damaged_words_of_a_server_do_not_panic() {
    let mut lab = Lab::new();
    let first = lab.request(ALLOCATE);
    let whole = unauthorized(&first);
    for at in 0..whole.len() {
        for mask in [0x01, 0x80, 0xff] {
            let mut lab = Lab::new();
            let mut damaged = unauthorized(&lab.request(ALLOCATE));
            damaged[at] ^= mask;
            lab.hear(&damaged);
            lab.hear(&damaged[..at]);
            lab.sent();
        }
    }
    let mut lab = Lab::allocated();
    lab.wrap(&[b"check"]);
    let request = lab.request(CREATE_PERMISSION);
    let whole = answer(&request, 0x0100, true, &[]);
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        lab.hear(&damaged);
        lab.hear(&whole[..at]);
    }
    for len in 0..8 {
        lab.hear(&b"\x40\x00\xff\xffback"[..len]);
    }
}
