//! Two connected peers arrange further connections, sealed, over the control channel.
//!
//! ```text
//! who opens it                            the other
//!   │── Offer, Candidate … ─────────────────>│
//!   │<───────────────── Answer, Candidate … ─│
//!   │══ file bytes, both ways ══════════════>│
//!   │── Close ──────────────────────────────>│   from either side; the other answers with its own
//!   │<──────────────────────────────── Close ─│   now the number is free
//! ```
//!
//! The opener gives even numbers, the joiner odd ones, so that both may open one at the same moment. Whatever
//! comes for a connection that this side has closed was on its way and is ignored.
use super::{LinkOutput, MAX_CANDIDATES};
use crate::{
    key::Seal,
    map::Map,
    renegotiation::has_media,
    rtc::{Candidate, Description, IceServer, LaneId, RtcAction, SdpKind},
    sas,
    time::Time,
    transfer::Broken,
    wire::{
        meeting::Sealed,
        negotiation::{self, Close, Negotiation},
    },
};
use std::time::Duration;

/// Connections of a session at the same time, the first one included.
pub(crate) const MAX_LANES: u8 = 16;
/// Connections that one side may open one after another: a burst, and then one every so often. Each costs the
/// other side sockets and a handshake.
const OPENINGS: (u64, Duration) = (64, Duration::from_secs(2));

/// What is known of a further connection.
#[derive(Debug, Default)]
struct Further {
    /// Offer and answer are there.
    described: bool,
    closed_here: bool,
    candidates: usize,
    early: Vec<Candidate>,
}

/// All further connections of a session.
#[derive(Debug)]
pub(crate) struct FurtherLanes {
    is_opener: bool,
    outgoing: Seal,
    incoming: Seal,
    lanes: Map<LaneId, Further>,
    last: u8,
    /// Opened by the other side, ever, and since when they are counted.
    opened: u64,
    since: Option<Time>,
    pub(crate) outputs: Vec<LinkOutput>,
}

impl FurtherLanes {
    pub(crate) fn new(is_opener: bool, outgoing: Seal, incoming: Seal) -> Self {
        Self {
            is_opener,
            outgoing,
            incoming,
            lanes: Map::new(),
            last: 0,
            opened: 0,
            since: None,
            outputs: Vec::new(),
        }
    }

    /// Opens a connection; `None` if as many are open as this side may open.
    pub(crate) fn open(&mut self, ice: Vec<IceServer>) -> Option<LaneId> {
        let is_ours = |lane: &LaneId| lane.0.is_multiple_of(2) == self.is_opener;
        if self.open_lanes().filter(is_ours).count() >= usize::from(MAX_LANES) - 1 {
            return None;
        }
        // Round and round, so that what a driver still reports of a closed one does not hit its successor.
        let after = |last: u8| match (last, self.is_opener) {
            (254, true) => 2,
            (255 | 0, false) => 1,
            (last, _) => last + 2,
        };
        let numbers = std::iter::successors(Some(after(self.last)), |last| Some(after(*last))).take(127);
        let lane = numbers.map(LaneId).find(|lane| !self.lanes.contains_key(lane))?;
        self.last = lane.0;
        self.lanes.insert(lane, Further::default());
        self.outputs.push(LinkOutput::Rtc(RtcAction::Open { lane, offerer: true, ice }));
        Some(lane)
    }

    /// Closes a connection, and tells the other side.
    pub(crate) fn close(&mut self, lane: LaneId) {
        if let Some(further) = self.lanes.get_mut(&lane).filter(|further| !further.closed_here) {
            further.closed_here = true;
            self.outputs.push(LinkOutput::Rtc(RtcAction::Close { lane }));
            self.say(Close { lane: lane.0 }.into());
        }
    }

    /// The connections that this side has not closed.
    pub(crate) fn open_lanes(&self) -> impl Iterator<Item = LaneId> {
        self.lanes.iter().filter(|(_, further)| !further.closed_here).map(|(lane, _)| *lane)
    }

    pub(crate) fn is_open(&self, lane: LaneId) -> bool {
        self.lanes.get(&lane).is_some_and(|further| !further.closed_here)
    }

    /// This side's offer or answer; the driver may still be at it when the connection is closed.
    pub(crate) fn describe(&mut self, lane: LaneId, description: Description) {
        if self.is_open(lane) {
            let (lane, sdp, round) = (lane.0, description.sdp, None);
            self.say(match description.kind {
                SdpKind::Offer => negotiation::Offer { lane, sdp, round }.into(),
                SdpKind::Answer => negotiation::Answer { lane, sdp, round }.into(),
            });
        }
    }

    pub(crate) fn candidate(&mut self, lane: LaneId, candidate: Candidate) {
        if self.is_open(lane) {
            self.say(negotiation::Candidate { lane: lane.0, candidate: candidate.0 }.into());
        }
    }

    /// What the other side sealed; names the connection that it closed, if that is what it says. `ice` is for
    /// a connection that it opens.
    pub(crate) fn handle_sealed(
        &mut self,
        sealed: &Sealed,
        ice: &[IceServer],
        now: Time,
    ) -> Result<Option<LaneId>, Broken> {
        let plain = self.incoming.open(sealed.number, &sealed.bytes);
        let plain = plain.map_err(|_| Broken("a message about a lane was not sealed as agreed".into()))?;
        let message = Negotiation::decode(&plain).map_err(|error| Broken(error.to_string()))?;
        match message {
            Some(Negotiation::Offer(offer)) => self.offered(offer, ice, now)?,
            Some(Negotiation::Answer(answer)) => {
                let (lane, is_ours) = self.lane(answer.lane)?;
                let further = self.lanes.get(&lane).filter(|_| is_ours);
                if further.is_none_or(|further| further.described) {
                    return Err(Broken(format!("an answer for lane {} out of turn", lane.0)));
                }
                self.described(lane, Description { kind: SdpKind::Answer, sdp: answer.sdp })?;
            }
            Some(Negotiation::Candidate(candidate)) => self.add(candidate)?,
            Some(Negotiation::Close(close)) => return Ok(Some(self.closed(close.lane)?)),
            Some(_) => return Err(Broken("that is not how a further lane is arranged".into())),
            None => {}
        }
        Ok(None)
    }

    fn offered(&mut self, offer: negotiation::Offer, ice: &[IceServer], now: Time) -> Result<(), Broken> {
        let lane = LaneId(offer.lane);
        let is_theirs = lane != LaneId::FIRST && lane.0.is_multiple_of(2) != self.is_opener;
        if !is_theirs || self.lanes.contains_key(&lane) {
            return Err(Broken(format!("lane {} cannot be offered", lane.0)));
        }
        self.opened += 1;
        let spent = now.since(*self.since.get_or_insert(now)).as_secs() / OPENINGS.1.as_secs();
        let is_theirs = |lane: &&LaneId| lane.0.is_multiple_of(2) != self.is_opener;
        let open = self.lanes.keys().filter(is_theirs).count();
        if open >= usize::from(MAX_LANES) - 1 || self.opened > OPENINGS.0 + spent {
            return Err(Broken("more lanes than were agreed on".into()));
        }
        self.lanes.insert(lane, Further::default());
        self.outputs.push(LinkOutput::Rtc(RtcAction::Open { lane, offerer: false, ice: ice.to_vec() }));
        self.described(lane, Description { kind: SdpKind::Offer, sdp: offer.sdp })
    }

    fn add(&mut self, candidate: negotiation::Candidate) -> Result<(), Broken> {
        let (lane, _) = self.lane(candidate.lane)?;
        let Some(further) = self.lanes.get_mut(&lane) else { return Ok(()) };
        further.candidates += 1;
        if further.candidates > MAX_CANDIDATES {
            return Err(Broken(format!("too many candidates for lane {}", lane.0)));
        }
        let candidate = Candidate(candidate.candidate);
        if further.closed_here {
            return Ok(());
        }
        match further.described {
            true => self.outputs.push(LinkOutput::Rtc(RtcAction::AddCandidate { lane, candidate })),
            false => further.early.push(candidate),
        }
        Ok(())
    }

    fn closed(&mut self, number: u8) -> Result<LaneId, Broken> {
        let (lane, _) = self.lane(number)?;
        self.close(lane);
        self.lanes.remove(&lane);
        Ok(lane)
    }

    /// A connection that both sides know, and whether this side opened it.
    fn lane(&self, number: u8) -> Result<(LaneId, bool), Broken> {
        let lane = LaneId(number);
        match self.lanes.contains_key(&lane) {
            true => Ok((lane, number.is_multiple_of(2) == self.is_opener)),
            false => Err(Broken(format!("there is no lane {number}"))),
        }
    }

    fn described(&mut self, lane: LaneId, description: Description) -> Result<(), Broken> {
        let Some(further) = self.lanes.get_mut(&lane).filter(|further| !further.closed_here) else {
            return Ok(());
        };
        if sas::fingerprint(&description.sdp).is_none() {
            return Err(Broken("a description without one fingerprint".into()));
        }
        if has_media(&description.sdp).map_err(|error| Broken(error.to_string()))? {
            return Err(Broken("a call belongs on the first lane".into()));
        }
        further.described = true;
        self.outputs.push(LinkOutput::Rtc(RtcAction::SetRemote { lane, description }));
        for candidate in std::mem::take(&mut further.early) {
            self.outputs.push(LinkOutput::Rtc(RtcAction::AddCandidate { lane, candidate }));
        }
        Ok(())
    }

    fn say(&mut self, message: Negotiation) {
        let (number, bytes) = self.outgoing.seal(&message.encode());
        self.outputs.push(LinkOutput::Control(Sealed { number, bytes }.into()));
    }
}

#[cfg(test)]
mod tests;
