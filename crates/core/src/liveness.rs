//! Gone, or only silent?
//!
//! The peer's socket at the server closed for a while *and* control silent: its process is gone. Silence alone:
//! the path is lost, and may come back, by itself or by an ICE restart. A socket alone: it will be opened again.
use crate::{time::Time, wire::signal::Presence};
use std::{collections::VecDeque, time::Duration};

/// Between pings.
const PING: Duration = Duration::from_secs(2);
/// And while round trips are wanted, unless so many are not answered yet.
const OFTEN: (Duration, usize) = (Duration::from_millis(250), 16);
/// So long without a word is silence.
const SILENCE: Duration = Duration::from_secs(5);
/// A socket that is opened again is so within this time: a changed network takes seconds.
const AWAY: Duration = Duration::from_secs(8);
/// Without a server that would tell: longer than a path is commonly silent, within the 15 s in which a dead process
/// is missed.
const UNWATCHED: Duration = Duration::from_secs(12);
/// From silence to the first ICE restart, and between two.
const RESTART: (Duration, Duration) = (Duration::from_secs(12), Duration::from_secs(15));
/// A path that has been lost so long does not come back.
const GIVE_UP: Duration = Duration::from_secs(180);

/// What a moment of silence calls for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pulse {
    Ping,
    Lost,
    Restart,
    Gone,
    GiveUp,
}

/// Watches over the control channel of a connected session.
#[derive(Debug)]
pub(crate) struct Liveness {
    heard: Time,
    ping_at: Time,
    /// Whether round trips are wanted.
    often: bool,
    /// When the pings without an answer were sent.
    asked: VecDeque<Time>,
    has_answered: bool,
    restart_at: Option<Time>,
    away_since: Option<Time>,
    unwatched: bool,
    lost: bool,
}

impl Liveness {
    pub(crate) fn new(presence: Presence, now: Time) -> Self {
        Self {
            heard: now,
            ping_at: now, // the first one finds the line empty and so its true round trip
            often: false,
            asked: VecDeque::new(),
            has_answered: false,
            restart_at: None,
            away_since: away(presence, now),
            unwatched: false,
            lost: false,
        }
    }

    pub(crate) fn presence(&mut self, presence: Presence, now: Time) {
        self.away_since = away(presence, now).map(|now| self.away_since.unwrap_or(now));
    }

    /// The server cannot tell any more who is there: then silence alone, a longer one, has to.
    pub(crate) fn unwatched(&mut self) {
        self.unwatched = true;
    }

    /// The lane was closed from the other side without a goodbye, as when a page is closed.
    pub(crate) fn closed(&mut self, now: Time) {
        self.away_since.get_or_insert(now);
    }

    /// Something arrived; says whether the path had been lost.
    pub(crate) fn heard(&mut self, now: Time) -> bool {
        self.heard = now;
        self.restart_at = None;
        std::mem::take(&mut self.lost)
    }

    /// Round trips are wanted, or not any more.
    pub(crate) fn ask_often(&mut self, often: bool, now: Time) {
        if often && !self.often {
            self.ping_at = self.ping_at.min(now + OFTEN.0);
        }
        self.often = often;
    }

    /// A ping was answered, the oldest: the channel keeps the order. Says how long that took.
    ///
    /// The first may have waited until the other side was ready, so that a second one follows at once.
    pub(crate) fn answered(&mut self, now: Time) -> Option<Duration> {
        if !std::mem::replace(&mut self.has_answered, true) {
            self.ping_at = now;
        }
        self.asked.pop_front().map(|at| now.since(at))
    }

    /// The lane says that nothing comes any more: no need to wait for the full silence.
    pub(crate) fn failed(&mut self, now: Time) {
        self.restart_at.get_or_insert(now);
    }

    pub(crate) fn timeout(&self) -> Time {
        let mut next = self.ping_at;
        if !self.lost {
            next = next.min(self.heard + SILENCE);
        }
        if let Some(since) = self.away_since {
            next = next.min((since + AWAY).max(self.heard + SILENCE));
        }
        if self.unwatched {
            next = next.min(self.heard + UNWATCHED);
        }
        next.min(self.restart_at.unwrap_or(self.heard + RESTART.0).max(self.heard + SILENCE))
    }

    pub(crate) fn poll(&mut self, now: Time) -> Option<Pulse> {
        let silence = now.since(self.heard);
        if silence >= SILENCE && self.away_since.is_some_and(|since| now.since(since) >= AWAY) {
            return Some(Pulse::Gone);
        }
        if silence >= UNWATCHED && self.unwatched {
            return Some(Pulse::Gone);
        }
        if silence >= GIVE_UP {
            return Some(Pulse::GiveUp);
        }
        if silence >= SILENCE && !self.lost {
            self.lost = true;
            return Some(Pulse::Lost);
        }
        if silence >= SILENCE && now >= self.restart_at.unwrap_or(self.heard + RESTART.0) {
            self.restart_at = Some(now + RESTART.1);
            return Some(Pulse::Restart);
        }
        if now >= self.ping_at {
            let often = self.often && self.asked.len() < OFTEN.1;
            self.ping_at = now + if often { OFTEN.0 } else { PING };
            self.asked.push_back(now);
            return Some(Pulse::Ping);
        }
        None
    }
}

fn away(presence: Presence, now: Time) -> Option<Time> {
    (presence != Presence::Here).then_some(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_origin(Duration::from_secs(seconds))
    }

    fn pulses(liveness: &mut Liveness, seconds: std::ops::Range<u64>) -> Vec<(u64, Pulse)> {
        let mut all = Vec::new();
        for second in seconds {
            while let Some(pulse) = liveness.poll(at(second)) {
                if pulse != Pulse::Ping {
                    all.push((second, pulse));
                }
                if matches!(pulse, Pulse::Gone | Pulse::GiveUp) {
                    return all;
                }
            }
        }
        all
    }

    #[test]
    fn silence_alone_is_a_lost_path_that_is_restarted_and_given_up_after_minutes() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        let seen = pulses(&mut liveness, 0..1000);
        assert_eq!(seen[0], (5, Pulse::Lost));
        assert_eq!(seen[1], (12, Pulse::Restart));
        assert_eq!(seen[2], (27, Pulse::Restart));
        assert_eq!(seen.last(), Some(&(180, Pulse::GiveUp)));
    }

    #[test]
    fn silence_and_a_closed_socket_mean_gone_after_eight_seconds() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        liveness.presence(Presence::Away, at(0));
        assert_eq!(pulses(&mut liveness, 0..100), [(5, Pulse::Lost), (8, Pulse::Gone)]);
    }

    #[test]
    fn a_socket_that_drops_during_a_long_silence_has_time_to_come_back() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        pulses(&mut liveness, 0..20);
        liveness.presence(Presence::Away, at(20));
        assert_eq!(pulses(&mut liveness, 20..27), []);
        liveness.presence(Presence::Here, at(27));
        assert!(pulses(&mut liveness, 27..60).iter().all(|(_, pulse)| *pulse == Pulse::Restart));
    }

    #[test]
    fn an_answer_is_that_to_the_oldest_ping() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        assert_eq!(liveness.answered(at(0)), None);
        assert_eq!(liveness.poll(at(0)), Some(Pulse::Ping));
        assert_eq!(liveness.answered(at(1)), Some(Duration::from_secs(1)));
        assert_eq!(liveness.poll(at(2)), Some(Pulse::Ping));
        assert_eq!(liveness.poll(at(4)), Some(Pulse::Ping));
        assert_eq!(liveness.answered(at(4)), Some(Duration::from_secs(2)));
        assert_eq!(liveness.answered(at(4)), Some(Duration::ZERO));
        assert_eq!(liveness.answered(at(4)), None, "nobody asked");
    }

    #[test]
    fn where_round_trips_are_wanted_it_asks_often_but_not_into_silence() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        liveness.ask_often(true, at(0));
        let asked = |liveness: &mut Liveness| {
            let times = (0..80).map(|step| at(0) + Duration::from_millis(50 * step));
            times.filter(|now| liveness.poll(*now) == Some(Pulse::Ping)).count()
        };
        assert_eq!(asked(&mut liveness), 16);

        let mut liveness = Liveness::new(Presence::Here, at(0));
        assert_eq!(asked(&mut liveness), 2, "in four seconds");
    }

    #[test]
    fn the_first_answer_is_followed_by_another_ping_at_once() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        assert_eq!(liveness.poll(at(0)), Some(Pulse::Ping));
        assert_eq!(liveness.answered(at(1)), Some(Duration::from_secs(1)));
        assert_eq!(liveness.timeout(), at(1));
        assert_eq!(liveness.poll(at(1)), Some(Pulse::Ping));
        assert_eq!(liveness.poll(at(1)), None);
        assert_eq!(liveness.answered(at(1)), Some(Duration::ZERO));
        assert_eq!(liveness.poll(at(2)), None);
    }

    #[test]
    fn a_word_heals() {
        let mut liveness = Liveness::new(Presence::Here, at(0));
        assert_eq!(pulses(&mut liveness, 0..10), [(5, Pulse::Lost)]);
        assert!(liveness.heard(at(10)));
        assert!(!liveness.heard(at(10)));
        assert_eq!(pulses(&mut liveness, 10..15), []);
    }
}
