//! What passes through a connection: datagrams and moments in, datagrams, events and moments out.
use std::{net::SocketAddr, time::Instant};

use beeline_sctp::{self as sctp, Association, Time};

use super::{CloseReason, Connection, Event};
use crate::{
    ChannelConfig,
    dtls::{DtlsError, GAP},
    transmit::Transmit,
};

impl Connection {
    /// Takes a datagram; true: it came from the other side, so the path lives.
    pub fn handle_datagram(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &[u8],
        now: Instant,
    ) -> bool {
        match datagram.first() {
            Some(0..=3) => {
                let accepted = self.ice.handle_datagram(source, local, datagram, now);
                self.follow_route(now);
                accepted
            }
            // Anybody may send anything to a port; only ICE knows who the other side is.
            Some(20..=63) if !self.over && self.ice.knows(source) => {
                let (time, sctp) = (self.time(now), &mut self.sctp);
                let result =
                    self.dtls.handle_datagram(datagram, now, |packet| sctp.handle_packet(packet, time));
                self.after_dtls(result, now);
                true
            }
            _ => false,
        }
    }

    /// Does what is due. Calling it early or late does no harm.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.over {
            return;
        }
        self.ice.handle_timeout(now);
        self.follow_route(now);
        let result = self.dtls.handle_timeout(now);
        self.after_dtls(result, now);
        let time = self.time(now);
        self.sctp.handle_timeout(time);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_transmit`](Self::poll_transmit) next.
    pub fn poll_timeout(&mut self) -> Option<Instant> {
        if self.over {
            return None;
        }
        let sctp = self.sctp.poll_timeout().filter(|_| self.dtls.is_connected());
        let sctp = sctp.map(|at| self.origin + at.since_origin());
        [self.ice.poll_timeout(), self.dtls.poll_timeout(), sctp].into_iter().flatten().min()
    }

    /// The next thing that happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        if let Some(event) = self.events.pop_front() {
            return Some(event);
        }
        let event = loop {
            match self.sctp.poll_event()? {
                sctp::Event::Established => {
                    let open = |(stream, config): &(u16, ChannelConfig)| Event::ChannelOpened {
                        stream: *stream,
                        config: config.clone(),
                    };
                    self.events.extend(self.config.negotiated.iter().map(open));
                    if let Some(event) = self.events.pop_front() {
                        break event;
                    }
                }
                sctp::Event::ChannelOpened { stream, config } => {
                    break Event::ChannelOpened { stream, config };
                }
                sctp::Event::Message { stream, text, payload } => {
                    break Event::Message { stream, text, payload };
                }
                sctp::Event::ChannelClosed { stream } => break Event::ChannelClosed { stream },
                sctp::Event::Closed(reason) => {
                    if self.over {
                        return None;
                    }
                    self.over = true;
                    break Event::Closed(match reason {
                        sctp::CloseReason::Shutdown | sctp::CloseReason::PeerAborted(_) => {
                            CloseReason::Remote
                        }
                        reason => CloseReason::Failed(reason.to_string()),
                    });
                }
            }
        };
        Some(event)
    }

    /// Fills `transmit` with what is to be sent next; false if there is nothing now. Call until false, or until the
    /// system takes no more.
    pub fn poll_transmit(&mut self, now: Instant, transmit: &mut Transmit) -> bool {
        transmit.clear();
        if let Some((route, datagram)) = self.ice.poll_transmit() {
            transmit.put(route, &datagram);
            return true;
        }
        let Some(route) = self.ice.route() else { return false };
        if let Some(datagram) = self.dtls.poll_transmit() {
            transmit.put(route, &datagram);
            return true;
        }
        if !self.dtls.is_connected() {
            return false;
        }
        if !self.held.is_empty() {
            transmit.put(route, &self.held);
            self.held.clear();
        } else if self.append(Association::poll_probe, now, transmit) {
            // A probe leaves alone: the system refuses one that is too large, with all that is in the same call.
            transmit.route = (transmit.segments > 0).then_some(route);
            return transmit.route.is_some();
        }
        while self.held.is_empty() && (transmit.segments == 0 || transmit.has_room()) {
            if !self.append(Association::poll_transmit, now, transmit) {
                break;
            }
        }
        transmit.route = (transmit.segments > 0).then_some(route);
        transmit.route.is_some()
    }

    /// Appends what `poll` gives: the packet is written where it leaves, and sealed there. False if there is none.
    fn append(
        &mut self,
        poll: impl FnOnce(&mut Association, Time, &mut Vec<u8>) -> bool,
        now: Instant,
        transmit: &mut Transmit,
    ) -> bool {
        let (time, start) = (self.time(now), transmit.bytes.len());
        transmit.bytes.resize(start + GAP, 0);
        if !poll(&mut self.sctp, time, &mut transmit.bytes) {
            transmit.bytes.truncate(start);
            return false;
        }
        if let Err(error) = self.dtls.seal(start, now, &mut transmit.bytes) {
            transmit.bytes.truncate(start);
            self.after_dtls(Err(error), now);
            return false;
        }
        if transmit.bytes.len() > start {
            transmit.appended(start, &mut self.held);
        }
        true
    }

    /// ICE found something: the first route is where DTLS begins.
    fn follow_route(&mut self, now: Instant) {
        let Some(route) = self.ice.poll_route() else { return };
        self.events.push_back(Event::Route(route));
        self.measure_path();
        if let (true, Some(agreed)) = (self.dtls.is_waiting(), self.agreed) {
            let result = self.dtls.start(agreed.client, agreed.fingerprint, now);
            self.after_dtls(result, now);
        }
    }

    fn after_dtls(&mut self, result: Result<(), DtlsError>, now: Instant) {
        if self.over {
            return;
        }
        let reason = match result {
            Err(error) => CloseReason::Failed(error.to_string()),
            Ok(()) if self.dtls.is_closed() => CloseReason::Remote,
            Ok(()) => {
                if self.dtls.take_connected() {
                    self.events.push_back(Event::Connected);
                    self.measure_path();
                    let time = self.time(now);
                    self.sctp.connect(time);
                }
                return;
            }
        };
        // What arrived before the good-bye is delivered before its event.
        while let Some(event) = self.sctp.poll_event() {
            if let sctp::Event::Message { stream, text, payload } = event {
                self.events.push_back(Event::Message { stream, text, payload });
            }
        }
        self.over = true;
        self.events.push_back(Event::Closed(reason));
    }
}
