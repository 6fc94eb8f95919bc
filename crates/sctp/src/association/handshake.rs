//! From INIT to COOKIE ACK (RFC 9260 §5).
use super::{Association, Event, Peer, Retry, State};
use crate::{
    Config, Congestion, ReceiveWindow, Time,
    recv::Receiver,
    seq::Tsn,
    wire::{self, Chunk, CookieAck, CookieEcho, DTLS_ZERO_CHECKSUM, Init, Malformed, extension},
};

/// What an INIT said, in a cookie: so that answering an INIT keeps nothing (RFC 9260 §5.1.3).
///
/// ```text
/// nonce u64 | our tag u32 | peer's tag u32 | window u32 | initial TSN u32 | abilities u8
/// ```
///
/// DTLS names the sender, so the nonce only tells our cookies from nonsense; there is nobody to forge one.
struct Cookie {
    tag: u32,
    window: u32,
    initial_tsn: u32,
    abilities: u8,
}

/// What is offered at least to a peer that paces, and so does not fill it: on a fast short path the round trip is the
/// time until a process gets its turn, tens of milliseconds where processors are scarce, and a window of 1 MiB was what
/// bounded the rate. No more than a socket's buffer holds.
const PACED_WINDOW: usize = 4 << 20;

const FORWARD: u8 = 1;
const RECONFIG: u8 = 2;
const INTERLEAVE: u8 = 4;
const ZERO: u8 = 8;
const PACED: u8 = 16;
const DELTA: u8 = 32;

impl Cookie {
    fn of(init: &Init) -> Self {
        let interleave = init.supports(extension::I_DATA);
        let zero = init.zero_checksum == Some(DTLS_ZERO_CHECKSUM);
        let abilities = [
            (init.forward_tsn || init.supports(extension::FORWARD_TSN), FORWARD),
            (init.supports(extension::RECONFIG), RECONFIG),
            (interleave, INTERLEAVE),
            (zero, ZERO),
            (init.paced, PACED),
            (init.supports(extension::DELTA_SACK), DELTA),
        ];
        let abilities = abilities.iter().filter(|(has, _)| *has).map(|(_, bit)| bit).sum();
        Self { tag: init.tag, window: init.window, initial_tsn: init.initial_tsn, abilities }
    }

    fn to_bytes(&self, nonce: u64, own_tag: u32) -> Vec<u8> {
        let mut out = nonce.to_be_bytes().to_vec();
        for word in [own_tag, self.tag, self.window, self.initial_tsn] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        out.push(self.abilities);
        out
    }

    fn parse(bytes: &[u8], nonce: u64, own_tag: u32) -> Result<Self, Malformed> {
        if bytes.len() != 25 || bytes[..8] != nonce.to_be_bytes() || wire::u32_at(bytes, 8)? != own_tag {
            return Err(Malformed("a cookie that is not ours"));
        }
        Ok(Self {
            tag: wire::u32_at(bytes, 12)?,
            window: wire::u32_at(bytes, 16)?,
            initial_tsn: wire::u32_at(bytes, 20)?,
            abilities: bytes[24],
        })
    }
}

/// What we say of ourselves.
pub(super) fn our_init(config: &Config, tag: u32, initial: Tsn) -> Init {
    let mut extensions = vec![extension::RECONFIG, extension::FORWARD_TSN];
    if config.interleaving {
        extensions.extend([extension::I_DATA, extension::I_FORWARD_TSN]);
    }
    if config.delta_sacks {
        extensions.push(extension::DELTA_SACK);
    }
    let window = match config.receive_window {
        ReceiveWindow::Fixed(size) => size,
        // A browser's slow start ends at what we say here, whatever happens later; its first packets are few, and the
        // first SACK names what is really offered.
        ReceiveWindow::Adaptive { max, .. } => max,
    };
    Init {
        tag,
        window: u32::try_from(window).unwrap_or(u32::MAX),
        outbound: u16::MAX,
        inbound: u16::MAX,
        initial_tsn: initial.wire(),
        cookie: None,
        forward_tsn: true,
        extensions,
        zero_checksum: config.zero_checksum.then_some(DTLS_ZERO_CHECKSUM),
        paced: config.paced && config.congestion != Congestion::NewReno,
        unrecognized: Vec::new(),
    }
}

impl Association {
    pub(super) fn handle_init(&mut self, init: &Init) {
        // A second association is not for us: DTLS would begin anew as well. One that is sent again is answered.
        let other = self.peer.is_some_and(|peer| peer.tag != init.tag);
        if self.is_closed() || other {
            return;
        }
        // RFC 9260 §5.2.1: our own tag and TSN, also while our INIT is on its way.
        let mut answer = our_init(&self.config, self.tag, self.initial);
        answer.cookie = Some(Cookie::of(init).to_bytes(self.nonce, self.tag));
        answer.unrecognized.clone_from(&init.unrecognized);
        let mut chunk = Vec::new();
        Chunk::InitAck(answer).write(&mut chunk);
        self.outbox.push_back((init.tag, chunk));
    }

    pub(super) fn handle_init_ack(&mut self, mut ack: Init, now: Time) {
        let State::CookieWait { retry } = &self.state else { return };
        let Some(cookie) = ack.cookie.take() else { return self.violation("INIT ACK without a cookie") };
        if let (Some(sent), 1) = (retry.first_sent, retry.attempts) {
            self.sender.handle_round_trip(now.since(sent), now);
        }
        self.meet(&Cookie::of(&ack));
        self.enter(State::CookieEchoed { cookie, retry: Retry::now(now) });
    }

    pub(super) fn handle_cookie_echo(&mut self, echo: &CookieEcho<'_>, now: Time) {
        let Ok(cookie) = Cookie::parse(echo.cookie, self.nonce, self.tag) else { return };
        if self.peer.is_some_and(|peer| peer.tag != cookie.tag) {
            // The peer of our INIT ACK is another one than that of its INIT: it began anew.
            if !matches!(self.state, State::CookieEchoed { .. }) {
                return;
            }
            self.peer = None;
        }
        match self.state {
            State::Idle | State::CookieWait { .. } | State::CookieEchoed { .. } => {
                if self.peer.is_none() {
                    self.meet(&cookie);
                }
                self.establish(now);
            }
            State::Closed => return,
            _ => {} // our COOKIE ACK was lost
        }
        let mut chunk = Vec::new();
        CookieAck.write(&mut chunk);
        self.outbox.push_back((cookie.tag, chunk));
    }

    pub(super) fn handle_cookie_ack(&mut self, now: Time) {
        if let State::CookieEchoed { retry, .. } = &self.state {
            if let (Some(sent), 1) = (retry.first_sent, retry.attempts) {
                self.sender.handle_round_trip(now.since(sent), now);
            }
            self.establish(now);
        }
    }

    fn meet(&mut self, cookie: &Cookie) {
        let has = |ability: u8| cookie.abilities & ability != 0;
        let interleave = has(INTERLEAVE) && self.config.interleaving;
        let initial = Tsn::initial(cookie.initial_tsn);
        self.peer = Some(Peer {
            tag: cookie.tag,
            zero_checksum: has(ZERO) && self.config.zero_checksum,
            reconfig: has(RECONFIG),
            forward_tsn: has(FORWARD),
            paced: has(PACED),
        });
        self.sender.set_peer_window(cookie.window);
        let delta_sacks = has(DELTA) && self.config.delta_sacks;
        self.sender.interleave = interleave;
        self.sender.expect_delta_sacks(delta_sacks);
        self.resets.peer_starts_at(cookie.initial_tsn);
        let mut config = self.config.clone();
        if let (true, ReceiveWindow::Adaptive { initial, max }) = (has(PACED), &mut config.receive_window) {
            *initial = PACED_WINDOW.min(*max).max(*initial);
        }
        let mut receiver = Receiver::new(&config, initial, interleave, has(PACED));
        receiver.write_delta_sacks(delta_sacks);
        self.receiver = Some(receiver);
    }

    fn establish(&mut self, now: Time) {
        self.enter(State::Established);
        self.events.push_back(Event::Established);
        // At once: whoever only receives has no other way to learn of the round trip.
        self.heartbeat_at = Some(now);
    }
}
