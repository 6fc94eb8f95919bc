//! A session's connection: arranged through the link, watched by its liveness, carrying messages.
use super::{Linking, Media, Phase, Session};
use crate::{
    link::{Carrier, Link, LinkOutput},
    liveness::{Liveness, Pulse},
    output::*,
    renegotiation::Wish,
    room::Room,
    rtc::{CandidateType, Channel, LaneId, LaneState, RtcEvent},
    time::Time,
    transfer::{Broken, Transfers},
    wire::{
        control::{Control, Negotiate, Ping, Pong, Together},
        meeting::Sealed,
        signal::Presence,
    },
};
use std::{collections::VecDeque, time::Duration};

/// From the confirmation to open channels.
const CONNECTING: Duration = Duration::from_secs(45);
/// Bytes of control messages that may come before this side is ready.
const MAX_EARLY: usize = 1 << 20;

impl Session {
    /// Something happened to a connection.
    pub fn handle_rtc(&mut self, event: RtcEvent, now: Time) {
        if event.lane() != LaneId::FIRST {
            return self.handle_lane(event, now);
        }
        match event {
            RtcEvent::Description { lane: _, description } => {
                let result = self.link().map_or(Ok(()), |link| link.describe(description, now));
                self.settle(result, now);
            }
            RtcEvent::Candidate { lane, candidate } => {
                if let Some(link) = self.link() {
                    link.candidate(lane, candidate);
                }
                self.settle(Ok(()), now);
            }
            RtcEvent::ChannelOpen { lane, channel, max_message } => {
                self.channel_open(lane, channel, max_message, now);
            }
            RtcEvent::Failed { lane: _, step } => {
                if let Some(link) = self.link() {
                    link.failed(step);
                }
                self.settle(Ok(()), now);
            }
            RtcEvent::Nominated { lane: _, local, remote } => {
                self.local = Some(local);
                self.transfers.handle_path([local, remote].contains(&CandidateType::Relayed));
            }
            RtcEvent::State { lane: _, state } => {
                match (&mut self.phase, state) {
                    (Phase::Connected { liveness, .. }, LaneState::Failed) => liveness.failed(now),
                    (Phase::Connected { liveness, .. }, LaneState::Closed) => liveness.closed(now),
                    // The other side has our goodbye, or never will.
                    (Phase::Closing { closed, .. }, LaneState::Failed | LaneState::Closed) => {
                        let closed = closed.clone();
                        self.finish(closed);
                    }
                    _ => {}
                }
                self.pulse(now);
            }
        }
    }

    /// One whole message came on a lane. `Output::Place` refers to its bytes: poll before dropping it.
    pub fn handle_message(&mut self, lane: LaneId, channel: Channel, message: &[u8], now: Time) {
        match &mut self.phase {
            // Only the first lane tells whether control passes.
            Phase::Connected { .. } if lane != LaneId::FIRST => {}
            Phase::Connected { link, liveness } => {
                if liveness.heard(now) {
                    link.carry_by(Carrier::Control);
                    self.outputs.push_back(Output::Event(Event::PathBack));
                }
            }
            Phase::Closing { .. } => {}
            Phase::Linked(linking) => {
                let waiting: usize = linking.early.iter().map(Vec::len).sum();
                if channel == Channel::Data || waiting + message.len() > MAX_EARLY {
                    return self.break_off(Closed::Protocol("too much, too early".into()), now);
                }
                return linking.early.push(message.to_vec());
            }
            _ => return,
        }
        let result = match channel {
            Channel::Control if lane != LaneId::FIRST => {
                Err(Broken("control belongs on the first lane".into()))
            }
            Channel::Control => self.handle_control(message, now),
            // Closed here while it was on its way: what it carries will come again.
            Channel::Data if lane != LaneId::FIRST && !self.has_lane(lane) => Ok(()),
            Channel::Data => self.transfers.handle_data(lane, message, now),
        };
        if let Err(Broken(what)) = result {
            self.break_off(Closed::Protocol(what), now);
        }
    }

    fn handle_control(&mut self, message: &[u8], now: Time) -> Result<(), Broken> {
        self.transfers.heard(now);
        match decode(message)? {
            Some(Control::Together(Together { frames })) => {
                for frame in frames {
                    match decode(&frame)? {
                        Some(Control::Together(_)) => return Err(Broken("frames within frames".into())),
                        Some(frame) => self.handle_frame(frame, now)?,
                        None => {}
                    }
                }
                Ok(())
            }
            Some(frame) => self.handle_frame(frame, now),
            None => Ok(()),
        }
    }

    fn handle_frame(&mut self, frame: Control, now: Time) -> Result<(), Broken> {
        if !matches!(self.phase, Phase::Connected { .. } | Phase::Closing { .. }) {
            return Ok(()); // a frame in the same message was the last
        }
        match frame {
            Control::Pong(_) => {
                if let Phase::Connected { liveness, .. } = &mut self.phase
                    && let Some(round_trip) = liveness.answered(now)
                {
                    self.transfers.handle_round_trip(round_trip, now);
                }
            }
            Control::Sealed(sealed) => self.handle_sealed(&sealed, now)?,
            Control::Ping(_) => self.transfers.outbox.control(Pong {}),
            Control::Bye(_) => self.handle_bye(now),
            Control::Negotiate(frame) => self.handle_negotiate(frame, now)?,
            frame => {
                if matches!(&frame, Control::Hello(hello) if hello.media == Some(true))
                    && self.media == Media::Here
                {
                    self.media = Media::Both;
                    self.outputs.push_back(Output::Event(Event::CanCall));
                }
                self.transfers.handle_control(frame, now)?;
            }
        }
        Ok(())
    }

    /// No server can have touched it: whoever sends something wrong here is the other side.
    fn handle_negotiate(&mut self, frame: Negotiate, now: Time) -> Result<(), Broken> {
        let sealed = Sealed { number: frame.number, bytes: frame.bytes };
        let result = self.link().map_or(Ok(()), |link| link.handle_sealed(&sealed, Carrier::Control));
        if result == Err(Closed::Tampered) {
            return Err(Broken("a sealed message does not open".into()));
        }
        self.settle(result, now);
        Ok(())
    }

    pub(super) fn link(&mut self) -> Option<&mut Link> {
        match &mut self.phase {
            Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. } => Some(link),
            _ => None,
        }
    }

    pub(super) fn linked(&mut self, link: Box<Link>, now: Time) {
        let deadline = now + CONNECTING;
        let (control, data, away, early) = (false, false, None, Vec::new());
        self.phase = Phase::Linked(Linking { link, deadline, control, data, away, early });
        self.settle(Ok(()), now);
    }

    /// Carries out what the link wants; ends the session if the link found a reason to.
    pub(super) fn settle(&mut self, result: Result<(), Closed>, now: Time) {
        match &mut self.phase {
            Phase::Linked(Linking { link, .. }) | Phase::Connected { link, .. } => {
                Self::settle_link(link, &mut self.room, &mut self.transfers, &mut self.outputs);
            }
            _ => {}
        }
        match (result, &mut self.phase) {
            (Ok(()), _) => self.connect(now),
            // What a server makes up cannot end what goes on without it. Its room is worth nothing any more.
            (Err(Closed::Tampered), Phase::Connected { liveness, .. }) => {
                liveness.unwatched();
                self.room.leave();
            }
            (Err(closed), _) => self.break_off(closed, now),
        }
    }

    pub(super) fn settle_link(
        link: &mut Link,
        room: &mut Room,
        transfers: &mut Transfers,
        outputs: &mut VecDeque<Output>,
    ) {
        for output in std::mem::take(&mut link.outputs) {
            match output {
                LinkOutput::Post(body) => room.post(link.peer, body),
                LinkOutput::Control(frame) => transfers.outbox.control(frame),
                LinkOutput::Rtc(action) => outputs.push_back(Output::Rtc(action)),
                LinkOutput::Event(event) => outputs.push_back(Output::Event(event)),
            }
        }
    }

    fn channel_open(&mut self, lane: LaneId, channel: Channel, max_message: usize, now: Time) {
        let Phase::Linked(linking) = &mut self.phase else { return };
        match channel {
            Channel::Control => linking.control = true,
            Channel::Data => {
                linking.data = true;
                self.transfers.handle_lane(lane, max_message, now);
            }
        }
        self.connect(now);
    }

    /// Nothing is offered before both channels are open and the words to compare are shown.
    fn connect(&mut self, now: Time) {
        let is_ready = |l: &Linking| l.control && l.data && l.link.compared;
        if !matches!(&self.phase, Phase::Linked(linking) if is_ready(linking)) {
            return;
        }
        let Phase::Linked(mut linking) = std::mem::replace(&mut self.phase, Phase::Closed) else { return };
        linking.link.carry_by(Carrier::Control);
        let presence = if linking.away.is_some() { Presence::Away } else { Presence::Here };
        self.phase = Phase::Connected { link: linking.link, liveness: Liveness::new(presence, now) };
        self.room.be_patient();
        self.outputs.push_back(Output::Event(Event::Connected));
        self.transfers.handle_connected(self.media != Media::NotHere, now);
        for message in linking.early {
            self.handle_message(LaneId::FIRST, Channel::Control, &message, now);
        }
    }

    pub(super) fn pulse(&mut self, now: Time) {
        let often = self.transfers.wants_round_trips();
        while let Phase::Connected { link, liveness } = &mut self.phase {
            liveness.ask_often(often, now);
            match liveness.poll(now) {
                None => break,
                Some(Pulse::Ping) => self.transfers.outbox.control(Ping {}),
                Some(Pulse::Lost) => {
                    link.carry_by(Carrier::Room);
                    self.outputs.push_back(Output::Event(Event::PathLost));
                }
                // One side only, or two offers would cross.
                Some(Pulse::Restart) if self.is_opener => {
                    link.renegotiate(Wish::Restart);
                    self.settle(Ok(()), now);
                }
                Some(Pulse::Restart) => {}
                Some(Pulse::Gone) => self.break_off(Closed::PeerGone, now),
                Some(Pulse::GiveUp) => self.break_off(Closed::PathLost, now),
            }
        }
    }
}

fn decode(frame: &[u8]) -> Result<Option<Control>, Broken> {
    Control::decode(frame).map_err(|error| Broken(error.to_string()))
}
