//! Resetting streams: how channels close (RFC 6525 §5, RFC 8831 §6.7).
use super::{Association, Event, Retry};
use crate::{
    Time,
    seq::Tsn,
    wire::{Reconfig, ReconfigParam, ResetResult},
};

/// One request may be open in each direction (RFC 6525 §5.1.1).
#[derive(Debug)]
pub(super) struct Resets {
    next_request: u32,
    /// The number the peer's next request must have; known once its INIT was read.
    expected: u32,
    /// Streams of ours that wait to be reset.
    wanted: Vec<u16>,
    open: Option<Open>,
    /// The peer's request waits until all it sent before has arrived.
    deferred: Option<Deferred>,
    last_result: ResetResult,
}

#[derive(Debug)]
struct Open {
    request: u32,
    streams: Vec<u16>,
    last_tsn: u32,
    retry: Retry,
}

#[derive(Debug)]
struct Deferred {
    last_tsn: Tsn,
    streams: Vec<u16>,
}

impl Resets {
    pub(super) const fn new(initial_tsn: u32) -> Self {
        Self {
            next_request: initial_tsn,
            expected: 0,
            wanted: Vec::new(),
            open: None,
            deferred: None,
            last_result: ResetResult::NOTHING_TO_DO,
        }
    }

    pub(super) fn peer_starts_at(&mut self, initial_tsn: u32) {
        self.expected = initial_tsn;
    }

    pub(super) fn want(&mut self, stream: u16) {
        self.wanted.push(stream);
    }

    /// Streams wait, and no request is open.
    pub(super) fn is_wanted(&self) -> bool {
        self.open.is_none() && !self.wanted.is_empty()
    }

    pub(super) fn poll_timeout(&self) -> Option<Time> {
        self.open.as_ref().map(|open| open.retry.at)
    }
}

impl Association {
    /// Queues a request that became possible, or is due again.
    pub(super) fn write_resets(&mut self, now: Time) {
        let Some(peer) = self.peer.filter(|_| self.is_established()) else { return };
        if self.resets.open.is_none() && !self.resets.wanted.is_empty() {
            // A stream is reset once all of it has left (RFC 6525 §5.1.2); 128 fit a packet well.
            let streams = &self.sender.streams;
            let done = self.resets.wanted.extract_if(.., |&mut stream| streams.buffered(stream) == 0);
            let done: Vec<u16> = done.take(128).collect();
            if done.is_empty() {
                return;
            }
            if !peer.reconfig {
                // A peer without RE-CONFIG: our side is all there is.
                for stream in done {
                    self.channels.handle_incoming_reset(stream);
                    self.finish_reset(stream);
                }
                return;
            }
            let request = self.resets.next_request;
            self.resets.next_request = request.wrapping_add(1);
            let last_tsn = self.sender.last_sent().wire();
            self.resets.open = Some(Open { request, streams: done, last_tsn, retry: Retry::now(now) });
        }
        let response = self.resets.expected.wrapping_sub(1);
        let timeout = self.sender.rtt.timeout();
        if let Some(open) = self.resets.open.as_mut().filter(|open| open.retry.at <= now) {
            let mut chunk = Vec::new();
            Reconfig::write_outgoing(&mut chunk, open.request, response, open.last_tsn, &open.streams);
            open.retry.sent(timeout, now);
            self.outbox.push_back((peer.tag, chunk));
        }
    }

    fn finish_reset(&mut self, stream: u16) {
        self.sender.streams.reset(stream);
        if self.channels.handle_outgoing_reset(stream) {
            self.events.push_back(Event::ChannelClosed { stream });
        }
    }

    pub(super) fn handle_reconfig(&mut self, reconfig: &Reconfig<'_>, now: Time) {
        let (Some(peer), Some(receiver)) = (self.peer, self.receiver.as_ref()) else { return };
        let cumulative = receiver.cumulative();
        for param in reconfig.params() {
            let (request, result) = match param {
                ReconfigParam::Outgoing { request, last_tsn, reset, .. } => {
                    let mut streams: Vec<u16> = reset.streams().collect();
                    if streams.is_empty() {
                        streams = self.channels.ids().collect();
                    }
                    (request, self.judge(request, Deferred { last_tsn: cumulative.near(last_tsn), streams }))
                }
                // Nobody in WebRTC asks so; our own channels close by our own request.
                ReconfigParam::Incoming { request, .. } | ReconfigParam::Other { request, .. } => {
                    (request, ResetResult::DENIED)
                }
                ReconfigParam::Response { request, result } => {
                    self.handle_response(request, result, now);
                    continue;
                }
            };
            let mut chunk = Vec::new();
            Reconfig::write_response(&mut chunk, request, result);
            self.outbox.push_back((peer.tag, chunk));
        }
        self.perform_deferred();
    }

    fn judge(&mut self, request: u32, deferred: Deferred) -> ResetResult {
        let resets = &mut self.resets;
        if request == resets.expected.wrapping_sub(1) {
            // Asked again: our answer was lost, or it was "in progress".
            return if resets.deferred.is_some() { ResetResult::IN_PROGRESS } else { resets.last_result };
        }
        if request != resets.expected || resets.deferred.is_some() {
            return ResetResult::BAD_SEQUENCE;
        }
        resets.expected = request.wrapping_add(1);
        resets.last_result = ResetResult::PERFORMED;
        let here = self.receiver.as_ref().is_some_and(|receiver| receiver.cumulative() >= deferred.last_tsn);
        resets.deferred = Some(deferred);
        if here { ResetResult::PERFORMED } else { ResetResult::IN_PROGRESS }
    }

    /// Performs the peer's reset once all it sent before has arrived.
    pub(super) fn perform_deferred(&mut self) {
        let Some(receiver) = self.receiver.as_mut() else { return };
        let here = |deferred: &mut Deferred| receiver.cumulative() >= deferred.last_tsn;
        let Some(Deferred { streams, .. }) = self.resets.deferred.take_if(here) else { return };
        for stream in streams {
            if let Some(receiver) = self.receiver.as_mut() {
                receiver.reset(stream);
            }
            let (reset_ours, gone) = self.channels.handle_incoming_reset(stream);
            if reset_ours {
                self.resets.want(stream);
            }
            if gone {
                self.events.push_back(Event::ChannelClosed { stream });
            }
        }
    }

    fn handle_response(&mut self, request: u32, result: ResetResult, now: Time) {
        let timeout = self.sender.rtt.timeout();
        let Some(open) = self.resets.open.as_mut().filter(|open| open.request == request) else { return };
        if result == ResetResult::IN_PROGRESS {
            open.retry.sent(timeout, now); // ask again later (RFC 6525 §5.2.7)
            return;
        }
        let done = self.resets.open.take().map(|open| open.streams).unwrap_or_default();
        for stream in done {
            self.finish_reset(stream);
        }
    }
}
