//! How large a packet the path carries: packetization layer path MTU discovery
//! ([RFC 8899](https://www.rfc-editor.org/rfc/rfc8899), for SCTP its §6.2).
//!
//! ```text
//! HEARTBEAT (moment, size) + PAD ─────────>   one at a time, and only while there is data for larger packets
//!    <───────── HEARTBEAT ACK (moment, size)  confirmed: packets are filled to this size from now on
//!    nothing for a second, three times        too large: the next one is halfway
//! ```
//! A lost probe is no sign of congestion, and nothing waits for it: it is looked at when the next one may leave, so
//! there is no timer. Messages are cut into fragments that fit the base size, whatever the size of packets is: a fragment
//! that was sent can't be cut again (RFC 9260 §6.9), and behind a black hole it has to fit.
use std::time::Duration;

use crate::Time;

/// The least that a probe is waited for (RFC 8899 §5.1.1: never less than a second).
const PROBE_TIMER: Duration = Duration::from_secs(1);
/// RFC 8899 §5.1.2.
const MAX_PROBES: u32 = 3;
/// How long a size is believed to be the largest (RFC 8899 §5.1.1).
const RAISE_TIMER: Duration = Duration::from_secs(600);
/// The first pause after a black hole; then twice as long each time, up to the raise timer.
const PAUSE: Duration = Duration::from_secs(10);
/// Large packets are lost for as long, and none arrives: two retransmission timeouts at least.
const BLACK_HOLE: Duration = Duration::from_millis(300);
/// A suspicion that is older says nothing of now.
const SUSPICION: Duration = Duration::from_secs(10);
/// Sizes closer to each other are not told apart, bytes: a hundredth of a packet.
const STEP: usize = 16;

/// ```text
///            ┌─── 10 s, doubled each time ───┐
///            ↓                               │
///  path ─> Searching ──── black hole ────> Base
///            │   ↑                           ↑
///   no larger│   │10 min                     │black hole
///     one fits└> Complete ───────────────────┘
/// ```
#[derive(Debug)]
enum State {
    /// Nothing larger than the base is tried for a while.
    Base {
        search_at: Time,
    },
    Searching {
        /// The smallest size known not to pass.
        too_large: Option<usize>,
        probe: Option<Probe>,
    },
    Complete {
        raise_at: Time,
    },
}

/// The one in flight.
#[derive(Debug)]
struct Probe {
    size: usize,
    first_sent: Time,
    /// When it counts as lost.
    lost_at: Time,
    sent: u32,
}

#[derive(Debug)]
pub(crate) struct PathMtu {
    /// Every path carries it.
    base: usize,
    max: usize,
    size: usize,
    state: State,
    /// Large packets are lost since, and none arrived.
    suspected: Option<Time>,
    pause: Duration,
}

impl PathMtu {
    /// Sizes of SCTP packets, bytes.
    pub(crate) fn new(base: usize, max: usize) -> Self {
        Self {
            base,
            max: max & !3, // as every packet, a probe is a multiple of four
            size: base,
            state: State::Searching { too_large: None, probe: None },
            suspected: None,
            pause: PAUSE,
        }
    }

    /// The largest packet that is known to pass.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The size of the probe to send now, if it is time for one. `timeout`: when an answer would be overdue.
    pub(crate) fn poll_probe(&mut self, now: Time, timeout: Duration) -> Option<usize> {
        match self.state {
            State::Base { search_at: at } | State::Complete { raise_at: at } if at <= now => {
                self.enter(State::Searching { too_large: None, probe: None });
            }
            _ => {}
        }
        let candidate = self.candidate();
        let State::Searching { too_large, probe } = &mut self.state else { return None };
        match probe {
            Some(waiting) if now < waiting.lost_at => return None,
            Some(waiting) if waiting.sent >= MAX_PROBES => {
                *too_large = Some(waiting.size);
                *probe = None;
                return self.poll_probe(now, timeout); // once: there is no probe now
            }
            _ => {}
        }
        let Some(candidate) = candidate else {
            self.enter(State::Complete { raise_at: now + RAISE_TIMER });
            return None;
        };
        let probe = probe.get_or_insert(Probe { size: candidate, first_sent: now, lost_at: now, sent: 0 });
        probe.lost_at = now + timeout.max(PROBE_TIMER);
        probe.sent += 1;
        Some(probe.size)
    }

    /// The most first, because most paths carry it; then halfway between what passed and what did not.
    fn candidate(&self) -> Option<usize> {
        let State::Searching { too_large, .. } = &self.state else { return None };
        match *too_large {
            None => (self.max > self.size).then_some(self.max),
            Some(too_large) => (too_large > self.size + STEP).then_some(self.size.midpoint(too_large) & !3),
        }
    }

    /// A probe was answered; whether packets may be larger now. What answers no probe of ours changes nothing.
    pub(crate) fn handle_answer(&mut self, size: usize, sent: Time) -> bool {
        let State::Searching { probe, .. } = &mut self.state else { return false };
        let Some(probe) = probe.take_if(|probe| probe.size == size && probe.first_sent <= sent) else {
            return false;
        };
        tracing::debug!(from = self.size, to = probe.size, "the path carries larger packets");
        self.size = probe.size;
        true
    }

    /// What became of packets larger than the base; whether they have to be smaller now (RFC 8899 §4.3).
    pub(crate) fn handle_fate(&mut self, arrived: bool, lost: bool, now: Time, rtt: Duration) -> bool {
        if arrived {
            self.suspected = None;
        }
        if arrived || !lost || self.size == self.base {
            return false;
        }
        let since = self.suspected.filter(|&since| now.since(since) < SUSPICION).unwrap_or(now);
        self.suspected = Some(since);
        if now.since(since) < rtt.max(BLACK_HOLE) {
            return false;
        }
        tracing::debug!(from = self.size, to = self.base, "large packets vanish");
        self.size = self.base;
        self.suspected = None;
        self.enter(State::Base { search_at: now + self.pause });
        self.pause = (2 * self.pause).min(RAISE_TIMER);
        true
    }

    fn enter(&mut self, state: State) {
        tracing::trace!(from = ?self.state, to = ?state, "path MTU");
        self.state = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(40);

    /// Asks every 100 ms, over a path that carries so many bytes; gives the sizes asked for.
    fn search(mtu: &mut PathMtu, carries: usize, now: &mut Time, lasts: Duration) -> Vec<usize> {
        let (mut asked, until) = (Vec::new(), *now + lasts);
        while *now < until {
            if let Some(size) = mtu.poll_probe(*now, RTT) {
                asked.push(size);
                if size <= carries {
                    mtu.handle_answer(size, *now);
                }
            }
            *now = *now + Duration::from_millis(100);
        }
        asked
    }

    #[test]
    fn one_probe_is_enough_for_a_path_that_carries_the_most() {
        let (mut mtu, mut now) = (PathMtu::new(1178, 1450), Time::ZERO);

        let asked = search(&mut mtu, 1500, &mut now, Duration::from_secs(60));

        assert_eq!(asked, [1448]);
        assert_eq!(mtu.size(), 1448);
        assert!(matches!(mtu.state, State::Complete { .. }));
    }

    #[test]
    fn a_smaller_path_is_found_to_a_hundredth_with_three_probes_for_each_size_that_fails() {
        for carries in [1178, 1200, 1258, 1300, 1378, 1447] {
            let (mut mtu, mut now) = (PathMtu::new(1178, 1450), Time::ZERO);

            let asked = search(&mut mtu, carries, &mut now, Duration::from_secs(60));

            assert!(mtu.size() <= carries && mtu.size() + STEP + 4 > carries, "{carries}: {}", mtu.size());
            for size in asked.iter().filter(|size| **size > carries) {
                assert_eq!(asked.iter().filter(|other| *other == size).count(), 3, "{carries}: {asked:?}");
            }
            assert!(asked.len() <= 16, "{carries}: {asked:?}");
        }
    }

    #[test]
    fn one_probe_is_in_flight_and_waited_for() {
        let mut mtu = PathMtu::new(1178, 1450);
        let at = |ms| Time::from_origin(Duration::from_millis(ms));

        assert_eq!(mtu.poll_probe(at(0), RTT), Some(1448));
        assert_eq!(mtu.poll_probe(at(999), RTT), None);
        assert_eq!(mtu.poll_probe(at(1000), 3 * PROBE_TIMER), Some(1448));
        assert_eq!(mtu.poll_probe(at(3999), RTT), None);

        // A late answer to the first one counts; of another size, or from before, none does.
        assert!(!mtu.handle_answer(1444, at(0)));
        assert!(mtu.handle_answer(1448, at(0)));
        assert!(!mtu.handle_answer(1448, at(0)));
    }

    #[test]
    fn an_answer_to_a_probe_of_the_path_before_says_nothing() {
        let at = Time::from_origin;
        let mut mtu = PathMtu::new(1178, 1450);
        mtu.poll_probe(at(Duration::ZERO), RTT);
        mtu = PathMtu::new(1178, 1450);
        mtu.poll_probe(at(RTT), RTT);

        assert!(!mtu.handle_answer(1448, at(Duration::ZERO)));
        assert_eq!(mtu.size(), 1178);
    }

    #[test]
    fn a_larger_size_is_looked_for_again_after_ten_minutes() {
        let (mut mtu, mut now) = (PathMtu::new(1178, 1450), Time::ZERO);
        search(&mut mtu, 1300, &mut now, Duration::from_secs(60));

        assert!(search(&mut mtu, 1500, &mut now, Duration::from_secs(500)).is_empty());
        let asked = search(&mut mtu, 1500, &mut now, Duration::from_secs(100));

        assert_eq!((asked, mtu.size()), (vec![1448], 1448));
    }

    #[test]
    fn a_black_hole_leads_back_to_the_base_and_pauses_grow() {
        let (mut mtu, mut now) = (PathMtu::new(1178, 1450), Time::ZERO);
        for pause in [10, 20, 40] {
            search(&mut mtu, 1500, &mut now, Duration::from_secs(1));
            assert_eq!(mtu.size(), 1448);

            assert!(!mtu.handle_fate(false, true, now, RTT));
            assert!(!mtu.handle_fate(false, true, now + RTT, RTT));
            assert!(mtu.handle_fate(false, true, now + BLACK_HOLE, RTT));

            assert_eq!(mtu.size(), 1178);
            assert!(search(&mut mtu, 1500, &mut now, Duration::from_secs(pause)).is_empty());
        }
    }

    #[test]
    fn losses_among_large_packets_that_arrive_are_no_black_hole() {
        let mut mtu = PathMtu::new(1178, 1450);
        let mut now = Time::ZERO;
        search(&mut mtu, 1500, &mut now, Duration::from_secs(1));

        for round in 0..1000 {
            now = now + RTT;
            assert!(!mtu.handle_fate(round % 6 == 0, true, now, RTT));
        }
        // And two with much time between them.
        now = now + SUSPICION;
        assert!(!mtu.handle_fate(false, true, now, RTT));
        now = now + SUSPICION;
        assert!(!mtu.handle_fate(false, true, now, RTT));
    }

    #[test]
    fn nothing_is_probed_where_the_base_is_the_most() {
        let (mut mtu, mut now) = (PathMtu::new(1178, 1100), Time::ZERO);

        assert!(search(&mut mtu, 1500, &mut now, Duration::from_secs(1)).is_empty());
        assert_eq!(mtu.size(), 1178);
    }
}
