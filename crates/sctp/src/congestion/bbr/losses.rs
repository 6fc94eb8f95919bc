//! What losses mean: a full path, or one that merely loses.
//!
//! A radio or an ocean loses packets without being full; a queue loses them when it overflows, and then the packets
//! around them have waited in it. So losses count against what was lost while no queue stood, and only in rounds
//! that saw a queue:
//!
//! ```text
//! lost, share of a round  >  the path's own loss + 2 % + noise,   and a queue         congested
//!                         >  the path's own loss + 0.2 % + noise, and a queue that
//!                            stands though we do not feed it                          shared with somebody who yields
//!                         >  the path's own loss + 13 %                               congested, whatever the delay
//! ```
//!
//! The draft takes 2 % alone (§5.5.10), and starves at 3 %.
use std::time::Duration;

const THRESHOLD: f64 = 0.02;
const SHARED: f64 = 0.002;
const CERTAIN: f64 = 0.13;
/// Losses are judged over as many packets at least: at 3 %, one round of twenty in seven loses two or more.
const SAMPLE_PACKETS: u64 = 100;
/// The path's own loss is an average over about as many packets.
const OWN_PACKETS: f64 = 4000.0;
const OWN_MOST: f64 = 0.1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Too few packets to tell.
    Open,
    /// Nothing but the path's own loss.
    Clear { queue: bool },
    Congested,
}

/// Losses since the last verdict.
#[derive(Debug, Default)]
pub(super) struct Losses {
    delivered_before: u64,
    lost: u64,
    min_rtt: Option<Duration>,
    /// Packets lost and sent while no queue stood.
    own_lost: f64,
    own_sent: f64,
}

impl Losses {
    pub(super) fn add(&mut self, lost: u64, rtt: Option<Duration>) {
        self.lost += lost;
        if let Some(rtt) = rtt {
            self.min_rtt = Some(self.min_rtt.map_or(rtt, |min| min.min(rtt)));
        }
    }

    /// What was lost so far says nothing of what follows.
    pub(super) fn restart(&mut self, delivered: u64) {
        (self.delivered_before, self.lost, self.min_rtt) = (delivered, 0, None);
    }

    fn own(&self) -> f64 {
        (self.own_lost / self.own_sent.max(SAMPLE_PACKETS as f64)).min(OWN_MOST)
    }

    /// Judges the sample that ends now. `feeding`: we send more than the path delivers, so that a queue is ours.
    pub(super) fn judge(
        &mut self,
        delivered: u64,
        packet: u64,
        min_rtt: Option<Duration>,
        feeding: bool,
    ) -> Verdict {
        let (lost, arrived) = (self.lost as f64, (delivered - self.delivered_before) as f64);
        let packets = (lost + arrived) / packet as f64;
        if packets < SAMPLE_PACKETS as f64 {
            return Verdict::Open;
        }
        let share = lost / (lost + arrived);
        let (queue, long) = match (self.min_rtt, min_rtt) {
            (Some(round), Some(min)) => {
                (round > min + min / 10 + Duration::from_micros(200), round > min + min / 4)
            }
            _ => (true, false),
        };
        self.restart(delivered);
        let own = self.own();
        let noise = 2.0 * (own * (1.0 - own) / packets).sqrt();
        let above = |excess: f64| share > own + noise + excess;
        if above(CERTAIN) || (queue && above(THRESHOLD)) || (long && !feeding && above(SHARED)) {
            return Verdict::Congested;
        }
        if !queue {
            self.own_lost += share * packets;
            self.own_sent += packets;
            if self.own_sent > OWN_PACKETS {
                (self.own_lost, self.own_sent) = (self.own_lost / 2.0, self.own_sent / 2.0);
            }
        }
        Verdict::Clear { queue }
    }
}
