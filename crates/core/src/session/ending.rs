//! How a session ends: by a goodbye, or at once.
use super::{Linking, Phase, Session};
use crate::{
    output::*,
    rtc::{LaneId, RtcAction},
    time::Time,
    wire::control::Bye,
};
use std::time::Duration;

/// From goodbye to the end, at most.
const CLOSING: Duration = Duration::from_secs(3);
/// After the other side's goodbye, so that ours still gets out.
const LINGER: Duration = Duration::from_millis(300);

impl Session {
    /// Cancels what runs, says goodbye, and ends within 3 s. One that let in guests ends with the last of them, which are
    /// closed like any other session.
    pub fn close(&mut self, now: Time) {
        match &self.phase {
            Phase::Connected { .. } => {
                self.transfers.cancel_all(now);
                self.drop_lanes();
                self.transfers.outbox.control(Bye {});
                self.phase = Phase::Closing { until: now + CLOSING, closed: Closed::Here };
            }
            Phase::Closing { .. } | Phase::Closed => {}
            Phase::Waiting(waiting) if waiting.has_guests() => self.admit_nobody_but(Closed::Here, now),
            Phase::Waiting(_) | Phase::Joining { .. } | Phase::Linked(_) => {
                self.transfers.cancel_all(now);
                self.break_off(Closed::Here, now);
            }
        }
    }

    pub(super) fn handle_bye(&mut self, now: Time) {
        match &mut self.phase {
            Phase::Connected { .. } => {
                let closed = if self.transfers.is_idle() { Closed::Bye } else { Closed::PeerLeft };
                self.transfers.end_all(&closed);
                self.drop_lanes();
                self.transfers.outbox.control(Bye {});
                self.phase = Phase::Closing { until: now + LINGER, closed };
            }
            Phase::Closing { closed, .. } => {
                let closed = closed.clone();
                self.finish(closed);
            }
            _ => {}
        }
    }

    /// Ends at once, telling the other side why if it can still be told.
    pub(super) fn break_off(&mut self, closed: Closed, _now: Time) {
        if matches!(self.phase, Phase::Closed) {
            return;
        }
        if let Some(link) = self.link() {
            if closed != Closed::PeerGone && closed != Closed::PeerLeft {
                link.abort(&closed.to_string());
            }
            let (Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. }) = &mut self.phase
            else {
                return;
            };
            Self::settle_link(link, &mut self.room, &mut self.transfers, &mut self.outputs);
            // The room may be lost: the goodbye also takes the other way.
            self.transfers.outbox.control(Bye {});
        }
        self.finish(closed);
    }

    pub(super) fn finish(&mut self, closed: Closed) {
        self.transfers.end_all(&closed);
        if matches!(self.phase, Phase::Linked(_) | Phase::Connected { .. } | Phase::Closing { .. }) {
            self.drop_lanes();
            self.outputs.push_back(Output::Rtc(RtcAction::Close { lane: LaneId::FIRST }));
        }
        self.room.leave();
        self.phase = Phase::Closed;
        self.outputs.push_back(Output::Event(Event::Closed(closed)));
    }
}
