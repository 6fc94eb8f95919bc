//! The connections beside the first one: opened and closed as the transfers wish, or the other side.
use super::{Phase, Session};
use crate::{
    link::{FurtherLanes, LinkOutput},
    output::Output,
    rtc::{CandidateType, Channel, IceServer, LaneId, LaneState, RtcAction, RtcEvent},
    time::Time,
    transfer::{Broken, Wish},
    wire::meeting::Sealed,
};

impl Session {
    fn further(&mut self) -> Option<&mut FurtherLanes> {
        match &mut self.phase {
            Phase::Connected { link, .. } => Some(&mut link.further),
            _ => None,
        }
    }

    /// Whether a lane beside the first is arranged, and not closed here.
    pub(super) fn has_lane(&mut self, lane: LaneId) -> bool {
        self.further().is_some_and(|further| further.is_open(lane))
    }

    /// Opens and closes lanes, if it is time to look after them.
    pub(super) fn tend_lanes(&mut self, now: Time) {
        if !matches!(self.phase, Phase::Connected { .. }) {
            return;
        }
        for wish in self.transfers.wishes(now) {
            match wish {
                Wish::Open => {
                    let ice = self.lane_ice();
                    let lane = self.further().and_then(|further| further.open(ice));
                    self.transfers.lane_opening(lane, now);
                }
                Wish::Close(lane) => self.close_lane(lane, now),
            }
        }
        self.settle_lanes();
    }

    /// Something happened to a lane beside the first.
    pub(super) fn handle_lane(&mut self, event: RtcEvent, now: Time) {
        let Some(further) = self.further() else { return };
        match event {
            RtcEvent::Description { lane, description } => further.describe(lane, description),
            RtcEvent::Candidate { lane, candidate } => further.candidate(lane, candidate),
            RtcEvent::ChannelOpen { lane, channel: Channel::Data, max_message } => {
                if further.is_open(lane) {
                    self.transfers.handle_lane(lane, max_message, now);
                }
            }
            RtcEvent::State { lane, state } => match state {
                LaneState::Connected => self.transfers.handle_lane_state(lane, true, now),
                LaneState::Disconnected => self.transfers.handle_lane_state(lane, false, now),
                // It is not restarted: a fresh one is as quick.
                LaneState::Failed | LaneState::Closed => self.close_lane(lane, now),
            },
            // Nor is it described again.
            RtcEvent::Failed { lane, .. } => self.close_lane(lane, now),
            RtcEvent::ChannelOpen { channel: Channel::Control, .. } | RtcEvent::Nominated { .. } => {}
        }
        self.settle_lanes();
    }

    /// The other side says something about a lane beside the first.
    pub(super) fn handle_sealed(&mut self, sealed: &Sealed, now: Time) -> Result<(), Broken> {
        let ice = self.lane_ice();
        let Some(further) = self.further() else { return Ok(()) };
        let closed = further.handle_sealed(sealed, &ice, now)?;
        if let Some(lane) = closed {
            self.transfers.handle_lane_closed(lane, now);
        }
        self.settle_lanes();
        Ok(())
    }

    /// The session ends: what is left to say goes over the first lane.
    pub(super) fn drop_lanes(&mut self) {
        let open: Vec<LaneId> = self.further().map_or(Vec::new(), |further| further.open_lanes().collect());
        for lane in open {
            self.outputs.push_back(Output::Rtc(RtcAction::Close { lane }));
        }
    }

    fn close_lane(&mut self, lane: LaneId, now: Time) {
        if let Some(further) = self.further() {
            further.close(lane);
            self.transfers.handle_lane_closed(lane, now);
        }
    }

    fn settle_lanes(&mut self) {
        let outputs = self.further().map(|further| std::mem::take(&mut further.outputs));
        for output in outputs.into_iter().flatten() {
            match output {
                LinkOutput::Control(frame) => self.transfers.outbox.control(frame),
                LinkOutput::Rtc(action) => self.outputs.push_back(Output::Rtc(action)),
                LinkOutput::Event(event) => self.outputs.push_back(Output::Event(event)),
                LinkOutput::Post(_) => {} // further lanes are not arranged through the room
            }
        }
    }

    /// The servers for a further lane: only those that this side's end of the first lane's path needed, which
    /// saves the others the work. If that failed, all of them.
    fn lane_ice(&self) -> Vec<IceServer> {
        let wanted: &[&str] = match self.local {
            _ if self.transfers.lane_has_failed() => return self.ice.clone(),
            None => return self.ice.clone(),
            Some(CandidateType::Host) => &[],
            Some(CandidateType::Reflexive) => &["stun:", "stuns:"],
            Some(CandidateType::Relayed) => &["turn:", "turns:"],
        };
        let is_wanted = |url: &&String| wanted.iter().any(|scheme| url.starts_with(scheme));
        let servers = self.ice.iter().map(|server| IceServer {
            urls: server.urls.iter().filter(is_wanted).cloned().collect(),
            ..server.clone()
        });
        servers.filter(|server| !server.urls.is_empty()).collect()
    }
}
