//! The one file that knows str0m: ICE, DTLS, SCTP and SDP of one connection, without any I/O.
//!
//! Another implementation takes its place by offering what [`Engine`] does: describe, take descriptions, candidates
//! and datagrams, send with a known amount on the way, and say what to do next ([`Output`]).
use std::{
    collections::VecDeque,
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use beeline_core::rtc::{self, Channel, Description, SdpKind};
use bytes::Bytes;
use str0m::{
    Candidate, CandidateKind, Event, Input, Rtc, RtcConfig, RtcError,
    change::{SdpAnswer, SdpOffer, SdpPendingOffer},
    channel::{ChannelConfig, ChannelId, Reliability},
    config::DtlsVersion,
    net::{Protocol, Receive, Transmit},
};

/// What we say that we take (RFC 8841 §6.1), as Chromium does. Frames are at most 64 KiB.
const MAX_MESSAGE: u32 = 262_144;
/// What we take in truth: str0m makes its receive window as large as the largest message, and the window bounds the
/// rate (4 MiB at 80 ms is 52 MB/s).
const RECEIVE_WINDOW: u32 = 4 << 20;
/// Bytes that SCTP may hold, unsent and unacknowledged: as much as a peer like us takes.
const SEND_WINDOW: usize = 4 << 20;
/// What is enough for a path of no length, see [`Window`].
const SMALL_WINDOW: u64 = 128 << 10;
/// Unanswered checks until a pair is given up; at 3 s each in the end, 30 s, as long as consent lasts (RFC 7675).
const CHECKS: usize = 12;
/// How often the state of the path is looked at.
const STATS: Duration = Duration::from_secs(1);

const CHANNELS: [Channel; 2] = [Channel::Control, Channel::Data];

/// One connection.
pub(super) struct Engine {
    rtc: Rtc,
    /// Our offer that waits for its answer.
    pending: Option<SdpPendingOffer>,
    channels: Option<[ChannelId; 2]>,
    outgoing: [Outgoing; 2],
    max_message: usize,
    remote_ufrag: Option<String>,
    /// Remote candidates of kind relay, to tell what a path is.
    relays: Vec<SocketAddr>,
    window: Window,
}

/// How much to have on the way: twice what the path carries within a round trip.
///
/// str0m's SCTP sorts and walks all unacknowledged chunks for each packet, so on a short path a large window is slow:
/// within one machine 128 KiB gave 54 MB/s, 512 KiB 24 and 1 MiB 7. On a long path a small one is: 128 KiB at 80 ms
/// are 1.6 MB/s.
#[derive(Debug)]
struct Window {
    size: u64,
    /// The shortest round trip of the path in use.
    path: Option<(SocketAddr, Duration)>,
    /// The current measurement: when it began, and what has been acknowledged in it.
    since: Instant,
    acknowledged: u64,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self { size: SMALL_WINDOW, path: None, since: now, acknowledged: 0 }
    }

    fn handle_path(&mut self, remote: SocketAddr, rtt: Duration) {
        self.path = match self.path {
            Some((known, least)) if known == remote => Some((remote, least.min(rtt))),
            _ => Some((remote, rtt)),
        };
    }

    /// `busy`: more would have been sent if the window were larger.
    fn handle_timeout(&mut self, now: Instant, busy: bool) {
        let Some((_, rtt)) = self.path else { return };
        let elapsed = now.saturating_duration_since(self.since);
        // Over a round trip at least, and long enough that one acknowledgement more or less does not matter.
        if elapsed < rtt.max(Duration::from_millis(100)) {
            return;
        }
        let per_round_trip = self.acknowledged as f64 * rtt.as_secs_f64() / elapsed.as_secs_f64();
        if busy {
            self.size = ((per_round_trip * 2.0) as u64).clamp(SMALL_WINDOW, SEND_WINDOW as u64);
        }
        (self.since, self.acknowledged) = (now, 0);
    }
}

/// One direction of one channel. Bytes are counted over its life.
#[derive(Default)]
struct Outgoing {
    open: bool,
    queue: VecDeque<Bytes>,
    written: u64,
    acknowledged: u64,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Output {
    Transmit(Transmit),
    /// ICE and DTLS are done.
    Established,
    /// A pair works, or works again.
    Paired,
    Open(Channel),
    Message(Channel, Bytes),
    /// The path in use.
    Path {
        remote: SocketAddr,
        relay: bool,
        rtt: Option<Duration>,
    },
    /// The other side closed.
    Closed,
    /// Nothing until then.
    Wait(Instant),
}

/// Why a connection can't go on, or a description can't be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum EngineError {
    /// What str0m says; its text may hold addresses.
    #[error("the connection failed")]
    Rtc(#[from] RtcError),
    #[error("the session description can't be read")]
    Sdp,
    #[error("a message of {len} bytes is more than the {max} that the other side takes")]
    TooLong { len: usize, max: usize },
}

impl Engine {
    pub(super) fn new(now: Instant) -> Self {
        let mut config = RtcConfig::new()
            .clear_codecs()
            .set_dtls_version(DtlsVersion::Auto)
            .set_fingerprint_verification(true)
            .set_sctp_max_buffered_amount(SEND_WINDOW)
            .set_sctp_max_message_size(RECEIVE_WINDOW)
            .set_stats_interval(Some(STATS));
        config.set_max_stun_retransmits(CHECKS);
        Self {
            rtc: config.build(now),
            pending: None,
            channels: None,
            outgoing: Default::default(),
            max_message: 65_536,
            remote_ufrag: None,
            relays: Vec::new(),
            window: Window::new(now),
        }
    }

    /// The largest message that the other side takes.
    pub(super) fn max_message(&self) -> usize {
        self.max_message
    }

    /// The other side's ICE user name fragment: another one means that its older candidates are void.
    pub(super) fn remote_ufrag(&self) -> Option<&str> {
        self.remote_ufrag.as_deref()
    }

    /// Writes an offer: the first, or one with fresh ICE credentials.
    pub(super) fn offer(&mut self) -> Option<Description> {
        let mut api = self.rtc.sdp_api();
        if self.channels.is_none() {
            self.channels =
                Some(CHANNELS.map(|channel| api.add_channel_with_config(channel_config(channel))));
        } else {
            api.ice_restart(true);
        }
        let (offer, pending) = api.apply()?;
        self.pending = Some(pending);
        Some(description(SdpKind::Offer, &offer.to_sdp_string()))
    }

    /// Takes the other side's description; an offer gives our answer. Its candidates are left to the caller.
    pub(super) fn accept(&mut self, remote: &Description) -> Result<Option<Description>, EngineError> {
        let sdp = without_candidates(&remote.sdp);
        let answer = match remote.kind {
            SdpKind::Offer => {
                let offer = SdpOffer::from_sdp_string(&sdp).map_err(|_| EngineError::Sdp)?;
                self.pending = None; // str0m takes ours back
                let answer = self.rtc.sdp_api().accept_offer(offer)?;
                if self.channels.is_none() {
                    let mut api = self.rtc.direct_api();
                    self.channels =
                        Some(CHANNELS.map(|channel| api.create_data_channel(channel_config(channel))));
                }
                Some(description(SdpKind::Answer, &answer.to_sdp_string()))
            }
            SdpKind::Answer => {
                let answer = SdpAnswer::from_sdp_string(&sdp).map_err(|_| EngineError::Sdp)?;
                let Some(pending) = self.pending.take() else {
                    tracing::debug!("an answer without an offer");
                    return Ok(None);
                };
                self.rtc.sdp_api().accept_answer(pending, answer)?;
                None
            }
        };
        self.max_message = max_message(&sdp);
        let ufrag = attribute(&sdp, "ice-ufrag").map(str::to_owned);
        if ufrag != self.remote_ufrag {
            self.relays.clear();
            self.remote_ufrag = ufrag;
        }
        Ok(answer)
    }

    /// Adds a host candidate; gives its text for the other side.
    pub(super) fn add_host(&mut self, local: SocketAddr) -> Option<rtc::Candidate> {
        self.add_local(Candidate::host(local, Protocol::Udp).ok()?)
    }

    /// Adds a server-reflexive candidate; gives its text for the other side.
    pub(super) fn add_reflexive(&mut self, mapped: SocketAddr, base: SocketAddr) -> Option<rtc::Candidate> {
        self.add_local(Candidate::server_reflexive(mapped, base, Protocol::Udp).ok()?)
    }

    fn add_local(&mut self, candidate: Candidate) -> Option<rtc::Candidate> {
        Some(rtc::Candidate(self.rtc.add_local_candidate(candidate)?.to_sdp_string()))
    }

    /// Adds a candidate of the other side; false: it can't be used.
    pub(super) fn add_remote(&mut self, candidate: &str) -> bool {
        let Ok(candidate) = Candidate::from_sdp_string(candidate) else { return false };
        if candidate.proto() != Protocol::Udp {
            return false;
        }
        if candidate.kind() == CandidateKind::Relayed {
            self.relays.push(candidate.addr());
        }
        self.rtc.add_remote_candidate(candidate);
        true
    }

    /// Queues a message.
    pub(super) fn send(&mut self, channel: Channel, message: Bytes) {
        self.outgoing[index(channel)].queue.push_back(message);
    }

    /// Bytes of a channel that the other side acknowledged since the last call.
    pub(super) fn take_acknowledged(&mut self, channel: Channel) -> u64 {
        let Some(ids) = self.channels else { return 0 };
        // A channel that is closing says nothing about its bytes any more: then none count as delivered.
        let Some(mut handle) = self.rtc.channel(ids[index(channel)]) else { return 0 };
        let buffered = handle.buffered_amount() as u64;
        let outgoing = &mut self.outgoing[index(channel)];
        let acknowledged = outgoing.written.saturating_sub(buffered);
        let more = acknowledged.saturating_sub(outgoing.acknowledged);
        outgoing.acknowledged += more;
        self.window.acknowledged += more;
        more
    }

    /// Whether everything queued has reached the other side.
    pub(super) fn is_drained(&self) -> bool {
        self.outgoing.iter().all(|o| o.queue.is_empty() && o.acknowledged == o.written)
    }

    /// Gives SCTP what it takes; true: it took something.
    pub(super) fn pump(&mut self) -> Result<bool, EngineError> {
        let Some(ids) = self.channels else { return Ok(false) };
        let mut wrote = false;
        let mut on_the_way: u64 = self.outgoing.iter().map(|o| o.written - o.acknowledged).sum();
        for (id, outgoing) in ids.into_iter().zip(&mut self.outgoing) {
            while outgoing.open
                && on_the_way < self.window.size
                && let Some(message) = outgoing.queue.front()
                && let Some(mut channel) = self.rtc.channel(id)
            {
                if message.len() > self.max_message {
                    return Err(EngineError::TooLong { len: message.len(), max: self.max_message });
                }
                if !channel.write(true, message)? {
                    break;
                }
                on_the_way += message.len() as u64;
                outgoing.written += message.len() as u64;
                outgoing.queue.pop_front();
                wrote = true;
            }
        }
        Ok(wrote)
    }

    /// Feeds a datagram; true: it came from the other side.
    pub(super) fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        let Ok(receive) = Receive::new(Protocol::Udp, source, local, datagram) else { return false };
        let input = Input::Receive(now, receive);
        let accepted = self.rtc.accepts(&input);
        // Anybody may send anything to a port, so a datagram that str0m can't use is no failure of the connection;
        // if it was one, the next poll says so.
        if let Err(error) = self.rtc.handle_input(input) {
            tracing::debug!(?error, "a datagram was refused");
        }
        accepted
    }

    /// Tells the time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Result<(), EngineError> {
        let busy = self.outgoing.iter().any(|outgoing| !outgoing.queue.is_empty());
        self.window.handle_timeout(now, busy);
        Ok(self.rtc.handle_input(Input::Timeout(now))?)
    }

    /// What to do next; to be called until it says [`Output::Wait`].
    pub(super) fn poll_output(&mut self) -> Result<Output, EngineError> {
        loop {
            let event = match self.rtc.poll_output()? {
                str0m::Output::Transmit(transmit) => return Ok(Output::Transmit(transmit)),
                str0m::Output::Timeout(at) => return Ok(Output::Wait(at)),
                str0m::Output::Event(event) => event,
            };
            match event {
                Event::Connected => return Ok(Output::Established),
                Event::IceConnectionStateChange(state) if state.is_connected() => return Ok(Output::Paired),
                Event::ChannelOpen(id, _) => {
                    if let Some(channel) = self.channel(id) {
                        self.outgoing[index(channel)].open = true;
                        return Ok(Output::Open(channel));
                    }
                }
                Event::ChannelData(data) => {
                    if let Some(channel) = self.channel(data.id) {
                        return Ok(Output::Message(channel, data.data.into()));
                    }
                }
                // Both channels live as long as the connection.
                Event::ChannelClose(id) if self.channel(id).is_some() => {
                    self.rtc.close()?;
                    return Ok(Output::Closed);
                }
                Event::Closed => return Ok(Output::Closed),
                Event::PeerStats(stats) => {
                    if let Some(pair) = stats.selected_candidate_pair {
                        let remote = pair.remote.addr;
                        let relay = self.relays.contains(&remote);
                        if let Some(rtt) = pair.current_round_trip_time {
                            self.window.handle_path(remote, rtt);
                        }
                        return Ok(Output::Path { remote, relay, rtt: pair.current_round_trip_time });
                    }
                }
                _ => {}
            }
        }
    }

    /// Says good-bye; [`Engine::poll_output`] still gives the last packets.
    pub(super) fn close(&mut self) {
        if let Err(error) = self.rtc.close() {
            tracing::debug!(?error, "closing without a good-bye");
            self.rtc.disconnect();
        }
    }

    /// Whether there is still something to do.
    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    fn channel(&self, id: ChannelId) -> Option<Channel> {
        let at = self.channels?.iter().position(|known| *known == id)?;
        Some(CHANNELS[at])
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("max_message", &self.max_message).finish_non_exhaustive()
    }
}

const fn index(channel: Channel) -> usize {
    channel.stream() as usize
}

fn channel_config(channel: Channel) -> ChannelConfig {
    ChannelConfig {
        label: channel.label().into(),
        ordered: true,
        reliability: Reliability::Reliable,
        negotiated: Some(channel.stream()),
        protocol: String::new(),
    }
}

/// Our description with the message size that we mean (see [`RECEIVE_WINDOW`]).
fn description(kind: SdpKind, sdp: &str) -> Description {
    let (from, to) =
        (format!("a=max-message-size:{RECEIVE_WINDOW}"), format!("a=max-message-size:{MAX_MESSAGE}"));
    Description { kind, sdp: sdp.replace(&from, &to) }
}

/// The description without its candidates: names and TCP in them are for the caller to judge.
fn without_candidates(sdp: &str) -> String {
    let lines =
        sdp.lines().filter(|line| !line.starts_with("a=candidate:") && *line != "a=end-of-candidates");
    lines.flat_map(|line| [line, "\r\n"]).collect()
}

/// The candidates within a description.
pub(super) fn candidates(sdp: &str) -> impl Iterator<Item = &str> {
    sdp.lines().filter_map(|line| line.strip_prefix("a=")).filter(|line| line.starts_with("candidate:"))
}

/// RFC 8841 §6.1: 65,536 where nothing is said, 0 for no limit.
fn max_message(sdp: &str) -> usize {
    match attribute(sdp, "max-message-size").and_then(|value| value.parse::<u32>().ok()) {
        None => 65_536,
        Some(0) => u32::MAX as usize,
        Some(bytes) => bytes as usize,
    }
}

fn attribute<'a>(sdp: &'a str, name: &str) -> Option<&'a str> {
    let mut attributes = sdp.lines().filter_map(|line| line.strip_prefix("a=")?.split_once(':'));
    attributes.find(|(key, _)| *key == name).map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_description_means_64_kib_and_zero_no_limit() {
        assert_eq!(max_message("v=0\r\n"), 65_536);
        assert_eq!(max_message("a=max-message-size:0\r\n"), u32::MAX as usize);
        assert_eq!(max_message("a=max-message-size:262144\r\n"), 262_144);
    }

    #[test]
    fn the_window_follows_the_path() {
        let start = Instant::now();
        let mut window = Window::new(start);
        let remote = "192.0.2.1:1".parse().unwrap();
        window.handle_path(remote, Duration::from_millis(200));
        window.handle_path(remote, Duration::from_millis(100));

        window.acknowledged = 1 << 20;
        window.handle_timeout(start + Duration::from_millis(99), true);
        assert_eq!(window.size, SMALL_WINDOW);
        window.handle_timeout(start + Duration::from_millis(100), true);
        assert_eq!(window.size, 2 << 20);
        window.handle_timeout(start + Duration::from_millis(200), false);
        assert_eq!(window.size, 2 << 20);
        window.handle_timeout(start + Duration::from_millis(300), true);
        assert_eq!(window.size, SMALL_WINDOW);
    }

    #[test]
    fn an_offer_says_what_we_take_and_no_address() {
        let mut engine = Engine::new(Instant::now());

        let offer = engine.offer().unwrap();

        assert!(offer.sdp.contains("a=max-message-size:262144\r\n"), "{}", offer.sdp);
        assert_eq!(candidates(&offer.sdp).count(), 0);
        assert!(!format!("{engine:?} {offer:?}").contains("ufrag"));
    }

    #[test]
    fn damaged_descriptions_are_refused() {
        let offer = Engine::new(Instant::now()).offer().unwrap();
        for len in 0..offer.sdp.len() {
            if let Some(sdp) = offer.sdp.get(..len) {
                let cut = Description { kind: SdpKind::Offer, sdp: sdp.into() };
                let _ = Engine::new(Instant::now()).accept(&cut);
            }
        }
        let answer = Description { kind: SdpKind::Answer, sdp: offer.sdp };
        assert!(matches!(Engine::new(Instant::now()).accept(&answer), Ok(None)));
    }
}
