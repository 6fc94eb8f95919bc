//! A line between two peers, as a reliable ordered channel sees it.
use beeline_core::{
    rtc::{Channel, LaneId},
    time::Time,
};
use rand_chacha::ChaCha20Rng;
use rand_core::RngCore;
use std::{collections::BTreeMap, time::Duration};

/// Rate, delay, loss and cuts, the same in both directions.
///
/// Below a data channel a lost packet is sent again, and what follows on the channel waits for it: a loss is a
/// round trip of delay for the channel, not a hole. A cut delays everything to its end.
#[derive(Debug)]
pub struct Link {
    /// Bytes a second.
    pub rate: u64,
    /// One way.
    pub delay: Duration,
    /// Messages that need another round trip, in a thousand.
    pub loss: u32,
    /// Nothing passes before.
    pub cut_until: Time,
    /// What one connection carries at most, in bytes a second: a window over a round trip.
    pub lane_rate: Option<u64>,
    /// The same for some of them.
    pub slow: BTreeMap<LaneId, u64>,
    busy: BTreeMap<usize, Time>,
    lane_busy: BTreeMap<(usize, LaneId), Time>,
    last: BTreeMap<(usize, LaneId, Channel), Time>,
}

impl Link {
    /// A line without loss.
    pub fn new(rate: u64, delay: Duration) -> Self {
        Self {
            rate,
            delay,
            loss: 0,
            cut_until: Time::default(),
            lane_rate: None,
            slow: BTreeMap::new(),
            busy: BTreeMap::new(),
            lane_busy: BTreeMap::new(),
            last: BTreeMap::new(),
        }
    }

    /// 10 MB/s, 10 ms.
    pub fn home() -> Self {
        Self::new(10_000_000, Duration::from_millis(10))
    }

    /// When a message is out, and when it arrives.
    pub(crate) fn carry(
        &mut self,
        from: usize,
        (lane, channel): (LaneId, Channel),
        len: usize,
        now: Time,
        random: &mut ChaCha20Rng,
    ) -> (Time, Time) {
        let busy = self.busy.entry(from).or_default();
        let start = (*busy).max(now).max(self.cut_until);
        let takes = |rate: u64| Duration::from_nanos(len as u64 * 1_000_000_000 / rate);
        let mut sent = start + takes(self.rate);
        *busy = sent;
        // The line is shared; a connection that is slower by itself does not hold up the others.
        if let Some(rate) = self.slow.get(&lane).copied().or(self.lane_rate) {
            let busy = self.lane_busy.entry((from, lane)).or_default();
            sent = sent.max((*busy).max(now) + takes(rate));
            *busy = sent;
        }
        let mut arrives = sent + self.delay;
        if random.next_u32() % 1000 < self.loss {
            arrives = arrives + self.delay * 2;
        }
        let last = self.last.entry((from, lane, channel)).or_default();
        arrives = arrives.max(*last);
        *last = arrives;
        (sent, arrives)
    }
}
