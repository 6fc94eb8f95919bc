//! The one file that knows `is`: finds a way to the other side, and keeps asking whether it may be used (RFC 8445,
//! RFC 7675).
//!
//! ```text
//! local and remote candidates ─> checks ─> a route: which socket, which address. Data does not pass here.
//! ```
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use aws_lc_rs::hmac;
use is::{
    Candidate, CandidateKind, IceAgent, IceAgentEvent, IceCreds, Protocol, Sha1HmacProvider,
    stun::{StunMessage, StunPacket},
};

/// Between two checks of one connection; the standard's 50 ms (RFC 8445 §14.2) is for many connections at once.
const PACE: Duration = Duration::from_millis(5);
/// Unanswered checks until a pair is given up; at 3 s each in the end, 30 s, as long as consent lasts (RFC 7675).
const CHECKS: usize = 12;
/// Addresses from which datagrams are taken, at most; a peer has a handful.
const MAX_SOURCES: usize = 64;

/// Where datagrams leave, and where they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The local socket, or the address that a TURN server gave.
    pub local: SocketAddr,
    /// The other side.
    pub remote: SocketAddr,
}

/// MESSAGE-INTEGRITY (RFC 8489 §14.5) by the crypto backend that DTLS has.
#[derive(Debug)]
struct Sha1;

impl Sha1HmacProvider for Sha1 {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
        let mut context = hmac::Context::with_key(&key);
        payloads.iter().for_each(|payload| context.update(payload));
        context.sign().as_ref().try_into().expect("SHA-1 gives 20 bytes")
    }
}

#[derive(Debug)]
pub(crate) struct Ice {
    agent: IceAgent,
    /// Credentials of an offer that waits for its answer: they count from then on.
    next: Option<IceCreds>,
    route: Option<Route>,
    /// Addresses that proved to be the other side's.
    sources: Vec<SocketAddr>,
    /// Our relayed addresses, and the other side's, to tell what a route is.
    own_relays: Vec<SocketAddr>,
    relays: Vec<SocketAddr>,
}

impl Ice {
    pub(crate) fn new() -> Self {
        let mut agent = IceAgent::with_hmac(credentials(), &Sha1);
        agent.set_timing_advance(PACE);
        agent.set_max_stun_retransmits(CHECKS);
        Self {
            agent,
            next: None,
            route: None,
            sources: Vec::new(),
            own_relays: Vec::new(),
            relays: Vec::new(),
        }
    }

    /// The first offer's author is controlling (RFC 8445 §6.1.1).
    pub(crate) fn control(&mut self) {
        self.agent.set_controlling(true);
    }

    /// User name fragment and password for our next description.
    pub(crate) fn credentials(&self) -> (&str, &str) {
        let credentials = self.next.as_ref().unwrap_or_else(|| self.agent.local_credentials());
        (&credentials.ufrag, &credentials.pass)
    }

    /// The next offer has fresh credentials (RFC 8445 §9). What was agreed on works until its answer is there.
    pub(crate) fn restart(&mut self) {
        self.next = Some(credentials());
    }

    /// An own offer is taken back.
    pub(crate) fn forget_offer(&mut self) {
        self.next = None;
    }

    /// Takes the other side's credentials; `answer`: in answer to ours.
    pub(crate) fn set_remote(&mut self, ufrag: &str, pass: &str, answer: bool) {
        let remote = IceCreds { ufrag: ufrag.to_owned(), pass: pass.to_owned() };
        let changed = self.agent.remote_credentials().is_some_and(|known| *known != remote);
        let ours = self.next.take();
        if changed {
            // An offer that restarts is answered with fresh credentials; an answer to an offer that did not restart
            // has none, but there is nothing better to do than to take it.
            let ours = ours.filter(|_| answer).unwrap_or_else(credentials);
            self.agent.ice_restart(ours, true);
            self.relays.clear();
        }
        self.agent.set_remote_credentials(remote);
    }

    /// The other side's user name fragment: another one means that its older candidates are void.
    pub(crate) fn remote_ufrag(&self) -> Option<&str> {
        self.agent.remote_credentials().map(|credentials| credentials.ufrag.as_str())
    }

    /// Adds a host candidate; gives its text for the other side.
    pub(crate) fn add_host(&mut self, local: SocketAddr) -> Option<String> {
        self.add_local(Candidate::host(local, Protocol::Udp).ok()?)
    }

    /// Adds a server-reflexive candidate; gives its text for the other side.
    pub(crate) fn add_reflexive(&mut self, mapped: SocketAddr, base: SocketAddr) -> Option<String> {
        self.add_local(Candidate::server_reflexive(mapped, base, Protocol::Udp).ok()?)
    }

    /// Adds a relayed candidate; gives its text for the other side.
    pub(crate) fn add_relayed(&mut self, relayed: SocketAddr, base: SocketAddr) -> Option<String> {
        let candidate = Candidate::relayed(relayed, base, Protocol::Udp).ok()?;
        self.own_relays.push(relayed);
        self.add_local(candidate)
    }

    fn add_local(&mut self, candidate: Candidate) -> Option<String> {
        Some(self.agent.add_local_candidate(candidate)?.to_sdp_string())
    }

    /// Our candidates so far, for a description with the credentials of [`Ice::credentials`].
    pub(crate) fn local_candidates(&self) -> Vec<String> {
        let (ufrag, _) = self.credentials();
        let with_ufrag = |mut candidate: Candidate| {
            candidate.set_ufrag(ufrag);
            candidate.to_sdp_string()
        };
        // What was learned from checks is nobody's business (RFC 8838 §9).
        let told = |candidate: &Candidate| candidate.kind() != CandidateKind::PeerReflexive;
        self.agent.local_candidates().filter(told).map(with_ufrag).collect()
    }

    /// Adds a candidate of the other side; false: it can't be used.
    pub(crate) fn add_remote(&mut self, candidate: &str) -> bool {
        let Ok(candidate) = Candidate::from_sdp_string(candidate) else { return false };
        // TCP is not spoken; port 9 is how an active TCP candidate disguises itself.
        if candidate.proto() != Protocol::Udp || candidate.addr().port() == 9 {
            return false;
        }
        if candidate.kind() == CandidateKind::Relayed && self.relays.len() < MAX_SOURCES {
            self.relays.push(candidate.addr());
        }
        self.agent.add_remote_candidate(candidate);
        true
    }

    /// Takes a STUN datagram; true: it came from the other side.
    pub(crate) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        let Ok(message) = StunMessage::parse(datagram) else { return false };
        let packet = StunPacket { proto: Protocol::Udp, source, destination: local, message };
        let accepted = self.agent.handle_packet(now, packet);
        // Without it the controlled side waits 250 ms before it looks at the nomination.
        self.agent.handle_timeout(now);
        accepted
    }

    /// Whether datagrams from this address may be taken: it answered, or asked rightly.
    pub(crate) fn knows(&self, source: SocketAddr) -> bool {
        self.sources.contains(&source)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.agent.handle_timeout(now);
    }

    pub(crate) fn poll_timeout(&mut self) -> Option<Instant> {
        self.agent.poll_timeout()
    }

    /// The next check or answer to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<(Route, Vec<u8>)> {
        let transmit = self.agent.poll_transmit()?;
        let route = Route { local: transmit.source, remote: transmit.destination };
        Some((route, transmit.contents.into()))
    }

    /// The route, if there is another one than at the last call or it works again.
    pub(crate) fn poll_route(&mut self) -> Option<Route> {
        let mut news = None;
        while let Some(event) = self.agent.poll_event() {
            match event {
                IceAgentEvent::NominatedSend { source, destination, .. } => {
                    self.route = Some(Route { local: source, remote: destination });
                    self.remember(destination);
                    news = self.route;
                }
                IceAgentEvent::DiscoveredRecv { source, .. } => self.remember(source),
                IceAgentEvent::IceConnectionStateChange(state) => {
                    tracing::debug!(?state, "ICE");
                    if state.is_connected() {
                        news = self.route;
                    }
                }
                IceAgentEvent::IceRestart(_) => {}
            }
        }
        news
    }

    fn remember(&mut self, source: SocketAddr) {
        if !self.sources.contains(&source) {
            if self.sources.len() == MAX_SOURCES {
                self.sources.remove(0);
            }
            self.sources.push(source);
        }
    }

    pub(crate) fn route(&self) -> Option<Route> {
        self.route
    }

    /// The round trip of the last check on the route.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        self.agent.nominated_pair_rtt()
    }

    /// Whether an end of the route is a TURN server's.
    pub(crate) fn is_relayed(&self, route: Route) -> bool {
        self.is_ours_relayed(route) || self.relays.contains(&route.remote)
    }

    /// Whether our end is.
    pub(crate) fn is_ours_relayed(&self, route: Route) -> bool {
        self.own_relays.contains(&route.local)
    }
}

/// `is` draws its own from a generator that is not made for secrets; 96 and 132 bits here (RFC 8839 §5.4 wants 24 and
/// 128).
fn credentials() -> IceCreds {
    IceCreds { ufrag: ice_chars::<16>(), pass: ice_chars::<22>() }
}

fn ice_chars<const N: usize>() -> String {
    const CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut random = [0; N];
    getrandom::fill(&mut random).expect("the system gives random bytes");
    random.iter().map(|byte| char::from(CHARS[usize::from(byte % 64)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrity_is_hmac_sha1() {
        // RFC 2202 §3, case 2.
        let tag = Sha1.sha1_hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"]);

        assert_eq!(tag[..6], [0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb]);
    }

    #[test]
    fn tcp_and_names_are_no_candidates_for_the_agent() {
        let mut ice = Ice::new();

        assert!(
            ice.add_remote("candidate:1 1 udp 2113937151 192.0.2.1 37026 typ host generation 0 ufrag QNu1")
        );
        assert!(!ice.add_remote("candidate:1 1 tcp 2113937151 192.0.2.1 9 typ host tcptype active"));
        assert!(!ice.add_remote("candidate:1 1 udp 2113937151 192.0.2.1 9 typ host"));
        assert!(!ice.add_remote("candidate:1 1 udp 2113937151 0a1b.local 37026 typ host"));
        assert!(!ice.add_remote(""));
    }

    #[test]
    fn a_restart_counts_from_its_answer_on() {
        let mut ice = Ice::new();
        let local: SocketAddr = "192.0.2.2:4000".parse().unwrap();
        ice.add_host(local);
        ice.set_remote("abcd", "0123456789012345678901", true);
        let first = ice.credentials().0.to_owned();

        ice.restart();

        let second = ice.credentials().0.to_owned();
        assert_ne!(first, second);
        assert_eq!(ice.agent.local_credentials().ufrag, first);
        assert!(ice.local_candidates()[0].ends_with(&format!("ufrag {second}")));
        ice.set_remote("efgh", "0123456789012345678901", true);
        assert_eq!(ice.agent.local_credentials().ufrag, second);
        ice.set_remote("ijkl", "0123456789012345678901", false);
        assert_ne!(ice.agent.local_credentials().ufrag, second);
    }
}
