//! Two transports whose descriptions and candidates are carried by the test.
use std::time::{Duration, Instant};

use beeline_core::rtc::{Candidate, Channel, IceServer, LaneId, LaneState, RtcAction, RtcEvent};
use beeline_peer::transport::{Config, Events, Transport, TransportEvent};
use bytes::Bytes;

pub const LANE: LaneId = LaneId::FIRST;

pub struct Side {
    pub transport: Transport,
    pub events: Events,
    pub open: Vec<(Channel, usize)>,
    pub states: Vec<LaneState>,
    pub candidates: Vec<Candidate>,
    pub messages: Vec<(Channel, Bytes)>,
    pub buffered: Vec<(Channel, u64)>,
    pub paths: usize,
}

impl Side {
    pub fn new(offerer: bool, ice: &[&str]) -> Self {
        let (mut transport, events) = Transport::start(Config::default());
        let urls = ice.iter().map(|url| (*url).to_owned()).collect();
        let ice = vec![IceServer { urls, username: None, credential: None }];
        transport.act(RtcAction::Open { lane: LANE, offerer, ice });
        Self {
            transport,
            events,
            open: vec![],
            states: vec![],
            candidates: vec![],
            messages: vec![],
            buffered: vec![],
            paths: 0,
        }
    }

    pub fn send(&mut self, channel: Channel, message: impl Into<Bytes>) {
        self.transport.send(LANE, channel, message.into());
    }

    /// Notes the event; gives what the other side has to do about it.
    fn note(&mut self, event: TransportEvent) -> Option<RtcAction> {
        match event {
            TransportEvent::Rtc(RtcEvent::Description { lane, description }) => {
                return Some(RtcAction::SetRemote { lane, description });
            }
            TransportEvent::Rtc(RtcEvent::Candidate { lane, candidate }) => {
                self.candidates.push(candidate.clone());
                return Some(RtcAction::AddCandidate { lane, candidate });
            }
            TransportEvent::Rtc(RtcEvent::ChannelOpen { channel, max_message, .. }) => {
                self.open.push((channel, max_message));
            }
            TransportEvent::Rtc(RtcEvent::State { state, .. }) => self.states.push(state),
            TransportEvent::Rtc(event @ RtcEvent::Failed { .. }) => panic!("{event:?}"),
            TransportEvent::Rtc(RtcEvent::Nominated { .. }) => {}
            TransportEvent::Message { channel, message, .. } => self.messages.push((channel, message)),
            TransportEvent::Buffered { channel, bytes, .. } => self.buffered.push((channel, bytes)),
            TransportEvent::Path { .. } => self.paths += 1,
        }
        None
    }
}

pub struct Pair {
    pub a: Side,
    pub b: Side,
}

impl Pair {
    pub fn new(ice: &[&str]) -> Self {
        Self { a: Side::new(true, ice), b: Side::new(false, ice) }
    }

    /// Both channels open on both sides.
    pub async fn connected(ice: &[&str]) -> Self {
        let mut pair = Self::new(ice);
        pair.until("both channels open", 20, |p| p.a.open.len() == 2 && p.b.open.len() == 2).await;
        pair
    }

    /// Carries what the sides have to say to each other until the condition holds.
    pub async fn until(&mut self, what: &str, seconds: u64, mut done: impl FnMut(&mut Pair) -> bool) {
        let start = Instant::now();
        while !done(self) {
            let left = Duration::from_secs(seconds).checked_sub(start.elapsed());
            let left = left.unwrap_or_else(|| {
                panic!("not in {seconds} s: {what}; {:?} {:?}", self.a.states, self.b.states)
            });
            let step = async {
                tokio::select! {
                    event = self.a.events.recv() => (true, event),
                    event = self.b.events.recv() => (false, event),
                }
            };
            let step = tokio::time::timeout(left.min(Duration::from_millis(100)), step);
            let Ok((from_a, event)) = step.await else { continue };
            let event = event.expect("the transport lives");
            let (from, to) = if from_a { (&mut self.a, &mut self.b) } else { (&mut self.b, &mut self.a) };
            if let Some(action) = from.note(event) {
                to.transport.act(action);
            }
        }
    }
}
