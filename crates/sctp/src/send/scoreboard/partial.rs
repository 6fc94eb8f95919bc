//! Messages that are given up (RFC 3758).
use bytes::Bytes;

use super::{Entry, Fate, Fragment, Scoreboard};
use crate::{Time, seq::Tsn};

/// Stream, unordered, message: given up to there.
type Skipped = (u16, bool, u32);

impl Scoreboard {
    /// Gives up messages whose lost fragments are past their limit; returns the messages.
    pub(crate) fn abandon(&mut self, now: Time, given_up: &mut Vec<u64>) {
        let mut at = 0;
        while let Some(&tsn) = self.lost.get(at) {
            at += 1;
            if tsn < self.base {
                continue;
            }
            let entry = self.entry(tsn);
            let over = entry.fragment.max_retransmissions.is_some_and(|max| entry.transmissions > max)
                || entry.fragment.expires.is_some_and(|end| end <= now);
            if entry.fate != Fate::Lost || !over {
                continue;
            }
            let message = entry.fragment.message;
            given_up.push(message);
            self.abandon_message(message);
        }
    }

    /// Abandons every fragment of `message` that was sent.
    fn abandon_message(&mut self, message: u64) {
        for at in 0..self.entries.len() {
            let entry = &self.entries[at];
            if entry.fragment.message != message {
                continue;
            }
            match entry.fate {
                Fate::InFlight { number } => {
                    self.drop_from_flight((number - self.log_base) as usize);
                }
                Fate::Lost => {}
                Fate::Acked | Fate::Abandoned => continue,
            }
            self.entries[at].fate = Fate::Abandoned;
            self.entries[at].fragment.payload = Bytes::new();
            self.abandoned += 1;
        }
        self.trim_log();
    }

    /// Takes what no packet carried yet of a message given up, under a TSN that is never sent. Should the fragments
    /// that were sent all arrive after all, nothing else would tell the peer that the rest does not come.
    pub(crate) fn abandon_unsent(&mut self, rest: Fragment) {
        self.entries.push_back(Entry {
            fragment: rest,
            fate: Fate::Abandoned,
            transmissions: 0,
            misses: 0,
            counted: false,
        });
        self.abandoned += 1;
    }

    /// The TSN up to which nothing will be sent again, and what is skipped: stream, unordered, message
    /// ([RFC 3758 §3.5](https://www.rfc-editor.org/rfc/rfc3758#section-3.5), rule C1 to C3).
    pub(crate) fn forward_point(&self) -> Option<(Tsn, Vec<Skipped>)> {
        if self.abandoned == 0 || self.entries.front()?.fate != Fate::Abandoned {
            return None;
        }
        let mut skipped: Vec<Skipped> = Vec::new();
        let mut point = self.base.previous();
        for entry in &self.entries {
            match entry.fate {
                Fate::Abandoned => {
                    let fragment = &entry.fragment;
                    let (stream, unordered) = (fragment.stream, fragment.placement.unordered);
                    match skipped.iter().position(|known| (known.0, known.1) == (stream, unordered)) {
                        Some(at) => skipped[at].2 = fragment.mid,
                        None if skipped.len() == 64 => break,
                        None => skipped.push((stream, unordered, fragment.mid)),
                    }
                }
                Fate::Acked => {}
                Fate::InFlight { .. } | Fate::Lost => break,
            }
            point = point.next();
        }
        Some((point, skipped))
    }
}
