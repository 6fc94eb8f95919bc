//! From how many lanes are wanted to which are opened and closed.
use super::{Look, Manager, REPLACE, Wish};
use crate::rtc::LaneId;

impl Manager {
    /// Whether one further lane is to carry all.
    pub(in crate::transfer::lanes) fn wants_one(&self) -> bool {
        self.target <= 1
    }

    /// Opens what is missing and closes what is too much.
    pub(super) fn adjust(&mut self, well: usize, look: &Look) -> Vec<Wish> {
        let now = look.now;
        // Those that do not open are closed; `gone` counts them as failed.
        let stuck = self.opening.iter().filter(|(_, until)| now >= **until);
        let mut wishes: Vec<Wish> = stuck.map(|(lane, _)| Wish::Close(*lane)).collect();
        let further = || look.lanes.iter().filter(|lane| lane.id != LaneId::FIRST);
        let crawling = further().filter(|lane| self.has_collapsed(lane.id)).map(|lane| lane.id);
        let crawling: Vec<LaneId> = crawling.collect();
        let coming = well + self.opening.len();
        if coming >= self.target {
            if well >= self.target {
                wishes.extend(crawling.into_iter().map(Wish::Close));
            }
            // Of this side's, the slowest go first, and of those the newest; the other side's are its own affair.
            let is_well = |lane: LaneId| !self.has_collapsed(lane) && further().any(|open| open.id == lane);
            let open = self.ours.iter().rev().filter(|lane| is_well(**lane));
            let mut open: Vec<LaneId> = open.copied().collect();
            for _ in self.target..open.len() {
                let rate = |at: &usize| self.rate(open[*at]);
                let Some(slowest) = (0..open.len()).min_by(|a, b| rate(a).total_cmp(&rate(b))) else { break };
                wishes.push(Wish::Close(open.remove(slowest)));
            }
            return wishes;
        }
        let is_replacing = !crawling.is_empty() || (well == 0 && self.has_collapsed(LaneId::FIRST));
        if now < self.open_at || (is_replacing && now < self.replace_at) {
            return wishes;
        }
        let missing = self.target - coming;
        let mut room = self.most_further().saturating_sub(further().count() + self.opening.len());
        if is_replacing {
            // Where there is no room for a fresh one, the one that crawls makes it.
            let crowded = missing.saturating_sub(room).min(crawling.len());
            wishes.extend(crawling.into_iter().take(crowded).map(Wish::Close));
            room += crowded;
            let is_rare = now.since(self.replace_at) > REPLACE.1;
            self.replaced = if is_rare { REPLACE.0 } else { (self.replaced * 2).min(REPLACE.1) };
            self.replace_at = now + self.replaced;
        }
        wishes.extend(std::iter::repeat_n(Wish::Open, missing.min(room)));
        wishes
    }
}
