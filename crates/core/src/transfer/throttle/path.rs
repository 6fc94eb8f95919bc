//! What the reports tell of a path: smallest round trip, delay beyond the smallest, delivery rate.
use crate::{time::Time, wire::control::Report};
use std::{collections::VecDeque, time::Duration};

/// The smallest of the last five to ten seconds: clocks drift, paths change.
#[derive(Clone, Copy, Debug, Default)]
struct Smallest {
    current: Option<f64>,
    previous: Option<f64>,
    since: Time,
}

const BUCKET: Duration = Duration::from_secs(5);

impl Smallest {
    fn add(&mut self, value: f64, now: Time) {
        if now.since(self.since) >= BUCKET {
            self.previous = self.current.take();
            self.since = now;
        }
        self.current = Some(self.current.map_or(value, |v| v.min(value)));
    }

    fn value(&self) -> Option<f64> {
        [self.current, self.previous].into_iter().flatten().reduce(f64::min)
    }
}

/// One report, understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    /// Bytes that arrived since the report before.
    pub(super) bytes: u64,
    /// From the sender's clock to the receiver's, beyond an unknown constant; seconds.
    pub(super) delay: f64,
    /// The receiver's clock, seconds since the first report.
    pub(super) clock: f64,
    /// From the sender to the receiver and back, without what the receiver waited; seconds.
    rtt: f64,
}

/// Times are in seconds, amounts in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PathModel {
    /// The first report's clock and delay: the clocks of the two sides have different origins.
    origin: Option<(u32, u32)>,
    delay: Smallest,
    rtt: Smallest,
    /// When the delay was last about the smallest.
    fresh: Time,
    pub(super) received: u64,
    is_near: bool,
    /// Delays have told nothing since.
    blind: Option<Time>,
    last_rtt: f64,
    /// How much one round trip differs from the one before, smoothed (as in RFC 3550 §6.4.1).
    jitter: f64,
    /// Its largest, slowly forgotten.
    held: f64,
}

/// A round trip below this is a LAN's, in seconds.
pub(super) const NEAR: f64 = 0.004;
/// On a path shorter than this a browser recovers within seconds, whatever it overran: the search goes faster there;
/// in seconds.
pub(super) const SHORT: f64 = 0.03;
/// Shorter than this, the throttle steps aside where programs are loud.
const SHORTER: f64 = 0.015;
/// Noise that hides any queue worth hiding on a short path, in seconds, and how long it has to last.
const LOUD: f64 = 0.01;
const BLIND: Duration = Duration::from_millis(500);
/// Delays this near to the smallest are the smallest.
const SAME: f64 = 0.001;

impl PathModel {
    /// `stamp` is the sender's clock now, as on the wire. None for a report that says nothing new.
    pub(super) fn report(&mut self, report: &Report, stamp: u32, now: Time) -> Option<Sample> {
        let bytes = report.bytes.checked_sub(self.received).filter(|new| *new > 0)?;
        let first = self.origin.is_none();
        let delay = report.clock.wrapping_sub(report.echo);
        let (clock0, delay0) = *self.origin.get_or_insert((report.clock, delay));
        if first {
            (self.delay.since, self.rtt.since, self.fresh) = (now, now, now);
        }
        self.received = report.bytes;
        let delay = seconds(delay.wrapping_sub(delay0));
        let clock = f64::from(report.clock.wrapping_sub(clock0)) / 10_000.0;
        let rtt = seconds(stamp.wrapping_sub(report.echo).wrapping_sub(report.held)).max(0.0001);
        self.delay.add(delay, now);
        self.rtt.add(rtt, now);
        self.is_near |= rtt < NEAR;
        self.see_noise(now);
        if first {
            self.last_rtt = rtt;
        }
        if delay <= self.base() + SAME {
            self.fresh = now;
        }
        Some(Sample { bytes, delay, clock, rtt })
    }

    /// A round trip that tells of the programs on both sides. What a lost packet held back does not.
    pub(super) fn see_jitter(&mut self, sample: &Sample) {
        let differs = (sample.rtt - self.last_rtt).abs().min(0.02);
        self.jitter += (differs - self.jitter) / 16.0;
        self.held = self.jitter.max(self.held * 0.99);
        self.last_rtt = sample.rtt;
    }

    /// A round trip of a LAN's was seen: later ones may be longer for the load on the programs, or for a queue.
    pub(super) fn is_near(&self) -> bool {
        self.is_near
    }

    /// A short path whose delays tell nothing is given its way: what none does harm there for a second or two.
    fn see_noise(&mut self, now: Time) {
        match self.noise() > LOUD && self.rtt().is_some_and(|rtt| rtt < SHORTER) {
            true => self.is_near |= now.since(*self.blind.get_or_insert(now)) > BLIND,
            false => self.blind = None,
        }
    }

    /// What busy programs add to a round trip, beyond what bursts of frames do by themselves.
    pub(super) fn noise(&self) -> f64 {
        (3.0 * (self.held - 0.002)).clamp(0.0, 0.06)
    }

    fn base(&self) -> f64 {
        self.delay.value().unwrap_or(0.0)
    }

    /// How much longer a delay is than the smallest.
    pub(super) fn beyond(&self, delay: f64) -> f64 {
        (delay - self.base()).max(0.0)
    }

    /// The smallest round trip.
    pub(super) fn rtt(&self) -> Option<f64> {
        self.rtt.value()
    }

    /// The smallest delay was looked for, whatever was found.
    pub(super) fn refreshed(&mut self, now: Time) {
        self.fresh = now;
    }

    /// How long ago the delay was about the smallest.
    pub(super) fn age(&self, now: Time) -> Duration {
        now.since(self.fresh)
    }
}

/// What came lately: receiver's clock, bytes so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Recent(VecDeque<(f64, u64)>, f64);

impl Recent {
    /// Keeps about `span` seconds.
    pub(super) fn add(&mut self, clock: f64, received: u64, span: f64) {
        self.0.push_back((clock, received));
        self.1 = span;
        while self.0.get(1).is_some_and(|(at, _)| *at <= clock - span) {
            self.0.pop_front();
        }
    }

    /// Bytes a second, unless what came is too little to tell.
    pub(super) fn rate(&self) -> Option<f64> {
        let ((from, before), (until, after)) = (self.0.front()?, self.0.back()?);
        (until > from).then(|| (after - before) as f64 / (until - from).max(self.1 / 2.0))
    }
}

/// A difference of two clocks, which may be negative.
fn seconds(difference: u32) -> f64 {
    f64::from(difference as i32) / 10_000.0
}
