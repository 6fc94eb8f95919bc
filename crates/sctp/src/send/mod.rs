//! The sending half: what waits, what is out, how fast it goes, what was lost.
mod pacer;
mod rtt;
mod scoreboard;
mod streams;

use std::time::Duration;

use pacer::Pacer;
pub(crate) use rtt::Rtt;
use scoreboard::{Fragment, Outcome, Scoreboard};
pub use streams::Reliability;
pub(crate) use streams::Streams;

use crate::{
    Config, Recovery, Time,
    congestion::{self, Ack, CongestionControl, Loss, RateSample},
    path_mtu::PathMtu,
    seq::Tsn,
    wire::{COMMON_HEADER, Data, DeltaSack, ForwardTsn, IData, IForwardTsn, Sack},
};

/// Rather than a smaller fragment, a packet ends.
const LEAST_FRAGMENT: usize = 128;
/// As many bytes wait at least when a path is probed for larger packets: some forty packets.
const WORTH_A_PROBE: usize = 48 << 10;
/// TSNs between the cumulative one and the last sent, at most.
const MAX_SPAN: usize = 65_000;
/// The same for a peer whose acknowledgements reach further.
const MAX_SPAN_WIDE: usize = 1 << 18;

#[derive(Debug)]
pub(crate) struct Sender {
    pub(crate) streams: Streams,
    pub(crate) rtt: Rtt,
    board: Scoreboard,
    control: Box<dyn CongestionControl>,
    pacer: Pacer,
    path_mtu: PathMtu,
    /// What a packet that every path carries has room for: the most that a fragment takes.
    base_room: usize,
    recovery: Recovery,
    max_burst: Option<u32>,
    /// Packets that may leave before the next SACK, for senders without pacing.
    burst_left: u32,
    /// What the peer has room for beyond what is in flight.
    peer_window: usize,
    pub(crate) interleave: bool,
    /// TSNs between the cumulative one and the last sent, at most.
    max_span: usize,
    /// Reordering seen: multiplies the window of the time-based detection (RFC 8985 §6.2 step 4).
    reordering: u32,
    /// When that last changed.
    reordering_since: Time,
    /// When to look for lost packets again.
    look_again: Option<Time>,
    probe_at: Option<Time>,
    probed: bool,
    timeout_at: Option<Time>,
    /// Since a timeout, until something is acknowledged: one packet at a time.
    stalled: bool,
    stalled_sent: bool,
    /// One packet may leave whatever the window: a fast retransmission (RFC 9260 §7.2.4 rule 3), or a tail-loss probe
    /// (RFC 8985 §7.3).
    retransmit_now: bool,
    forward_due: bool,
    given_up: Vec<u64>,
}

impl Sender {
    pub(crate) fn new(config: &Config, initial: Tsn) -> Self {
        Self {
            streams: Streams::default(),
            rtt: Rtt::new(config),
            board: Scoreboard::new(initial),
            control: congestion::new(config, initial.wire()),
            pacer: Pacer::new(),
            path_mtu: PathMtu::new(config.packet_size, config.max_packet_size),
            base_room: config.packet_size.saturating_sub(COMMON_HEADER).max(LEAST_FRAGMENT) & !3,
            recovery: config.recovery,
            max_burst: config.max_burst,
            burst_left: u32::MAX,
            peer_window: 0,
            interleave: false,
            max_span: MAX_SPAN,
            reordering: 0,
            reordering_since: Time::ZERO,
            look_again: None,
            probe_at: None,
            probed: false,
            timeout_at: None,
            stalled: false,
            stalled_sent: false,
            retransmit_now: false,
            forward_due: false,
            given_up: Vec::new(),
        }
    }

    pub(crate) fn set_peer_window(&mut self, window: u32) {
        self.peer_window = window as usize;
        self.control.handle_peer_window(window.into());
    }

    /// Packets take another path from now on.
    pub(crate) fn handle_path(&mut self, packet_size: usize, max_packet_size: usize) {
        self.path_mtu = PathMtu::new(packet_size, max_packet_size);
        self.control.handle_packet_size(packet_size as u64);
    }

    /// The size of a probe of the path's MTU, if one is due.
    pub(crate) fn poll_probe(&mut self, now: Time) -> Option<usize> {
        // Without much to send, larger packets are of no use.
        if self.streams.total() < WORTH_A_PROBE {
            return None;
        }
        self.path_mtu.poll_probe(now, self.rtt.timeout())
    }

    pub(crate) fn handle_probe_answer(&mut self, size: usize, sent: Time) {
        if self.path_mtu.handle_answer(size, sent) {
            self.control.handle_packet_size(size as u64);
        }
    }

    /// Nothing is waiting and nothing is out.
    pub(crate) fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.board.is_empty()
    }

    pub(crate) fn last_sent(&self) -> Tsn {
        self.board.next_tsn().previous()
    }

    pub(crate) fn in_flight(&self) -> u64 {
        self.board.in_flight()
    }

    /// Acknowledgements come as DELTA SACK, without the bounds of SACK.
    pub(crate) fn expect_delta_sacks(&mut self, expect: bool) {
        self.max_span = if expect { MAX_SPAN_WIDE } else { MAX_SPAN };
    }

    /// The handshake took a round trip.
    pub(crate) fn handle_round_trip(&mut self, rtt: Duration, now: Time) {
        self.rtt.sample(rtt, now);
        self.control.handle_round_trip(self.rtt.smoothed().unwrap_or(rtt));
    }

    pub(crate) fn handle_sack(&mut self, sack: &Sack<'_>, now: Time) {
        let in_flight_before = self.board.in_flight();
        let outcome = self.board.handle_sack(sack, now, self.rtt.min());
        self.acknowledged(outcome, sack.window, sack.duplicates().len(), in_flight_before, now);
    }

    pub(crate) fn handle_delta_sack(&mut self, sack: &DeltaSack<'_>, now: Time) {
        let in_flight_before = self.board.in_flight();
        let outcome = self.board.handle_delta_sack(sack, now, self.rtt.min());
        self.acknowledged(outcome, sack.window, sack.duplicates.into(), in_flight_before, now);
    }

    fn acknowledged(
        &mut self,
        outcome: Option<Outcome>,
        window: u32,
        duplicates: usize,
        in_flight_before: u64,
        now: Time,
    ) {
        let Some(mut outcome) = outcome else { return };
        let news = outcome.acked > 0 || outcome.cumulative_moved;
        let rtt = outcome.newest.filter(|newest| !newest.again).map(|newest| now.since(newest.sent_at));
        if let Some(rtt) = rtt {
            self.rtt.sample(rtt, now);
        }
        if news {
            self.rtt.heard();
            (self.probed, self.stalled) = (false, false);
        }
        self.measure_reordering(duplicates > 0 || outcome.spurious > 0, now);
        self.burst_left = self.max_burst.unwrap_or(u32::MAX);
        match self.recovery {
            Recovery::Time => {
                self.look_again = self.board.detect_by_time(now, self.reordering_window(), &mut outcome)
            }
            Recovery::Counting => {
                let in_recovery = self.control.in_recovery();
                self.board.detect_by_counting(in_recovery, &mut outcome);
                self.retransmit_now |= outcome.lost > 0 && !in_recovery;
            }
        }
        self.tell_control(&outcome, rtt, in_flight_before, now);
        self.watch_large(&outcome, now);
        self.peer_window = (window as usize).saturating_sub(self.board.payload_in_flight());
        self.give_up(now);
        self.forward_due |= self.board.forward_point().is_some();
        if news || outcome.lost > 0 {
            let running = self.timeout_at;
            self.set_timers(now);
            // RFC 9260 §6.3.2 R3: who counts resends a TSN once and has only this timer for the second time, so it
            // runs on until the earliest TSN is acknowledged. By time, each loss is found again.
            if self.recovery == Recovery::Counting && !outcome.cumulative_moved && self.timeout_at.is_some() {
                self.timeout_at = running.or(self.timeout_at);
            }
        }
    }

    /// Large packets that vanish while small ones arrive, or nothing does.
    fn watch_large(&mut self, outcome: &Outcome, now: Time) {
        let rtt = self.rtt.smoothed().unwrap_or_default();
        if self.path_mtu.handle_fate(outcome.large_acked, outcome.large_lost, now, rtt) {
            self.control.handle_packet_size(self.path_mtu.size() as u64);
        }
    }

    fn tell_control(&mut self, outcome: &Outcome, rtt: Option<Duration>, in_flight_before: u64, now: Time) {
        if let Some(lost) = outcome.lost_newest {
            self.control.handle_loss(&Loss {
                now,
                sent_at: lost.sent_at,
                in_flight: lost.in_flight,
                last_sent: self.board.next_tsn().previous(),
            });
        }
        if outcome.acked == 0 && outcome.lost == 0 {
            return;
        }
        let sample = outcome.newest.map(|sent| {
            let sending = sent.sent_at.since(sent.first_sent_at);
            let interval = sending.max(now.since(sent.delivered_at));
            let delivered = self.board.delivered - sent.delivered;
            // Shorter than a round trip is an artefact (delivery-rate-estimation §3.3).
            let valid = !interval.is_zero() && self.rtt.min().is_none_or(|min| interval >= min);
            let rate = if valid { (delivered as f64 / interval.as_secs_f64()) as u64 } else { 0 };
            RateSample { rate, prior_delivered: sent.delivered, app_limited: sent.app_limited }
        });
        self.control.handle_ack(&Ack {
            now,
            acked: outcome.acked,
            lost: outcome.lost,
            delivered: self.board.delivered,
            in_flight_before,
            in_flight: self.board.in_flight(),
            cumulative: self.board.cumulative(),
            cumulative_moved: outcome.cumulative_moved,
            rtt,
            smoothed_rtt: self.rtt.smoothed().unwrap_or(Duration::from_millis(100)),
            sample,
        });
    }

    /// Widens the window once a round trip while packets overtake each other or are sent again for nothing, and
    /// narrows it again when for sixteen none did.
    fn measure_reordering(&mut self, seen: bool, now: Time) {
        let smoothed = self.rtt.smoothed().unwrap_or_default();
        let since = now.since(self.reordering_since);
        match (seen, self.reordering) {
            (true, reordering) if reordering == 0 || (reordering < 8 && since > smoothed) => {
                self.reordering += 1;
            }
            (true, _) => {}
            (false, reordering) if reordering > 0 && since > 16 * smoothed => self.reordering -= 1,
            _ => return,
        }
        self.reordering_since = now;
    }

    /// Hardly anything until packets were seen to overtake each other, then a quarter of the smallest round trip and
    /// more (RFC 8985 §6.2 step 4).
    fn reordering_window(&self) -> Duration {
        let min = self.rtt.min().unwrap_or(Duration::from_millis(10));
        let window = if self.reordering == 0 { min / 32 } else { min / 4 * self.reordering };
        window.min(self.rtt.smoothed().unwrap_or(min)).max(Duration::from_micros(200))
    }

    fn give_up(&mut self, now: Time) {
        self.board.abandon(now, &mut self.given_up);
        for message in self.given_up.drain(..) {
            if let Some(rest) = self.streams.give_up(message) {
                self.board.abandon_unsent(rest);
            }
            self.forward_due = true;
        }
    }

    fn set_timers(&mut self, now: Time) {
        if self.board.in_flight() == 0 {
            self.probe_at = None;
            // Something abandoned may wait for its FORWARD TSN to arrive.
            self.timeout_at = (!self.board.is_empty()).then(|| now + self.rtt.timeout());
            return;
        }
        self.timeout_at = Some(now + self.rtt.timeout());
        let smoothed = self.rtt.smoothed();
        self.probe_at = match (self.recovery, self.probed, smoothed) {
            // RFC 8985 §7.2: two round trips after the last sending. The I bit spares us the peer's delay.
            (Recovery::Time, false, Some(smoothed)) => {
                let from = self.board.newest_sent_at().unwrap_or(now).max(now);
                Some(from + 2 * smoothed + Duration::from_millis(2))
            }
            _ => None,
        };
    }

    pub(crate) fn handle_timeout(&mut self, now: Time) -> bool {
        let mut outcome = Outcome::default();
        let in_flight_before = self.board.in_flight();
        if self.look_again.is_some_and(|at| at <= now) {
            self.look_again = self.board.detect_by_time(now, self.reordering_window(), &mut outcome);
            self.tell_control(&outcome, None, in_flight_before, now);
            self.watch_large(&outcome, now);
            outcome = Outcome::default();
            self.give_up(now);
        }
        if self.timeout_at.is_some_and(|at| at <= now) {
            // RFC 9260 §6.3.3.
            self.rtt.back_off();
            // What a peer reported and did not keep shows in a second timeout in a row.
            self.board.lose_all(self.rtt.backoffs() > 1, &mut outcome);
            self.control.handle_timeout(now);
            self.watch_large(&outcome, now);
            (self.stalled, self.stalled_sent) = (true, false);
            self.burst_left = self.max_burst.unwrap_or(u32::MAX);
            (self.probe_at, self.look_again) = (None, None);
            self.timeout_at = Some(now + self.rtt.timeout());
            self.give_up(now);
            self.forward_due |= self.board.forward_point().is_some();
            return true;
        }
        if self.probe_at.is_some_and(|at| at <= now) {
            (self.probe_at, self.probed) = (None, true);
            self.retransmit_now |= self.board.probe_tail();
            self.give_up(now);
            self.forward_due |= self.board.forward_point().is_some();
            self.set_timers(now);
        }
        false
    }

    pub(crate) fn poll_timeout(&self) -> Option<Time> {
        [self.look_again, self.probe_at, self.timeout_at, self.pacer.deadline()].into_iter().flatten().min()
    }

    /// Appends a FORWARD TSN if one is due.
    pub(crate) fn write_forward(&mut self, out: &mut Vec<u8>, now: Time) {
        if !std::mem::take(&mut self.forward_due) {
            return;
        }
        let Some((point, skipped)) = self.board.forward_point() else { return };
        if self.interleave {
            IForwardTsn::write_from(out, point.wire(), skipped.into_iter());
        } else {
            let ordered = skipped.into_iter().filter(|&(_, unordered, _)| !unordered);
            ForwardTsn::write_from(out, point.wire(), ordered.map(|(stream, _, ssn)| (stream, ssn as u16)));
        }
        self.timeout_at.get_or_insert(now + self.rtt.timeout());
    }

    /// Fills the packet that begins at `start` with fragments.
    pub(crate) fn write_data(&mut self, out: &mut Vec<u8>, start: usize, now: Time) {
        self.streams.drop_expired(now);
        if !self.may_send(now) {
            return;
        }
        let header = if self.interleave { IData::HEADER } else { Data::HEADER };
        let end = start + self.path_mtu.size();
        let room = end.saturating_sub(out.len()) & !3;
        // As few fragments as fit a small packet each, and of one size, so that they fill any large one.
        let fragments = room.div_ceil(self.base_room).max(1);
        let most = room.div_ceil(fragments).next_multiple_of(4).min(self.base_room);
        let before = self.board.in_flight();
        // What does not fill a packet is no measure of the path, not even the first after a silence.
        let has_little = self.streams.total() < room && before < self.control.window();
        if has_little && self.board.peek_lost().is_none() {
            self.board.app_limited();
        }
        let (mut wrote, mut written) = (0, 0);
        loop {
            let left = end.saturating_sub(out.len()) & !3;
            if left <= header {
                break;
            }
            if let Some((tsn, fragment)) = self.board.peek_lost() {
                let size = (header + fragment.payload.len()).next_multiple_of(4);
                if size > left || (wrote > 0 && self.stalled) {
                    break;
                }
                Self::write_fragment(out, fragment, tsn, self.interleave, self.probed || self.stalled);
                self.board.resend(tsn, size as u32, now);
                wrote += size;
                written += 1;
                continue;
            }
            let least = if wrote == 0 && room >= LEAST_FRAGMENT + 512 { 1 } else { LEAST_FRAGMENT };
            let payload_room = left.min(most) - header;
            if self.streams.is_empty() || !self.streams.fits(payload_room, least) || self.stalled && wrote > 0
            {
                break;
            }
            // Gap blocks reach 65,535 TSNs ahead (RFC 9260 §3.3.4); beyond, nothing could be acknowledged.
            if self.board.span() >= self.max_span {
                break;
            }
            // A full peer gets one packet at a time, to learn of its window (RFC 9260 §6.1 A).
            if self.peer_window < payload_room.min(self.streams.total()) && self.board.in_flight() > 0 {
                break;
            }
            let fragment = self.streams.cut(payload_room, self.interleave).expect("a stream is ready");
            let size = (header + fragment.payload.len()).next_multiple_of(4);
            self.peer_window = self.peer_window.saturating_sub(fragment.payload.len());
            let tsn = self.board.next_tsn();
            // The last for now: tell the receiver not to wait (RFC 7053).
            let immediate = self.streams.is_empty() || self.peer_window < 2 * room;
            Self::write_fragment(out, &fragment, tsn, self.interleave, immediate);
            self.board.send_new(fragment, size as u32, now);
            wrote += size;
            written += 1;
        }
        if wrote == 0 {
            return;
        }
        if out.len() - start > self.base_room + COMMON_HEADER {
            self.board.mark_large(written);
        }
        if let Some(rate) = self.control.pacing_rate() {
            self.pacer.sent(wrote as u64, rate);
        }
        self.burst_left = self.burst_left.saturating_sub(1);
        self.stalled_sent = true;
        let app_limited = self.streams.is_empty();
        if app_limited && self.board.in_flight() < self.control.window() {
            self.board.app_limited();
        }
        self.control.handle_sent(now, before, app_limited);
        if self.timeout_at.is_none()
            || before == 0
            || (self.recovery == Recovery::Time && self.probe_at.is_none() && !self.probed)
        {
            self.set_timers(now);
        }
    }

    fn write_fragment(out: &mut Vec<u8>, fragment: &Fragment, tsn: Tsn, interleave: bool, immediate: bool) {
        let mut placement = fragment.placement;
        placement.immediate = immediate;
        let (stream, payload) = (fragment.stream, &fragment.payload[..]);
        if interleave {
            let ppid_or_fsn = if placement.first { fragment.ppid } else { fragment.fsn };
            IData { placement, tsn: tsn.wire(), stream, mid: fragment.mid, ppid_or_fsn, payload }.write(out);
        } else {
            Data {
                placement,
                tsn: tsn.wire(),
                stream,
                ssn: fragment.mid as u16,
                ppid: fragment.ppid,
                payload,
            }
            .write(out);
        }
    }

    fn may_send(&mut self, now: Time) -> bool {
        let waiting = !self.streams.is_empty() || self.board.peek_lost().is_some();
        if !waiting {
            self.pacer.unblock();
            return false;
        }
        if self.stalled {
            self.pacer.unblock();
            return !self.stalled_sent;
        }
        if std::mem::take(&mut self.retransmit_now) && self.board.peek_lost().is_some() {
            return true;
        }
        if self.board.in_flight() == 0 {
            self.burst_left = self.max_burst.unwrap_or(u32::MAX);
        }
        if self.burst_left == 0
            || (self.board.in_flight() >= self.control.window() && self.board.in_flight() > 0)
        {
            self.pacer.unblock(); // a SACK wakes us, not the clock
            return false;
        }
        if self.control.pacing_rate().is_none() {
            return true;
        }
        // A sixteenth of the round trip, so that a queue of a third of it takes the burst.
        let burst = self.rtt.min().unwrap_or(Duration::from_millis(16)) / 16;
        self.pacer.ready(now, burst.min(Duration::from_millis(1)))
    }
}
