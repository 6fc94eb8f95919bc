//! The one file that knows `turn-client-proto`: addresses on TURN servers that pass on what comes for them (RFC 8656).
//!
//! ```text
//! Allocate ─> a relayed address, told as a candidate; refreshed as long as the connection lives
//! the first check to an IP address waits ─> CreatePermission ─> Send indications
//! ICE chooses a route from a relayed address ─> ChannelBind ─> ChannelData, 4 bytes more than the datagram
//! ```
//! To ICE a relayed address is one of this machine's: what leaves from it is wrapped here, what arrives is unwrapped.
use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use turn_client_proto::{
    api::{TransmitBuild, TurnConfig, TurnPeerData, TurnPollRet, TurnRecvRet},
    client::{TurnClient, TurnEvent},
    prelude::{DelayedTransmitBuild, TurnClientApi},
    stun::{Instant as Moment, agent::Transmit as Packet},
    tcp::TurnClientTcp,
    types::{TransportType, TurnCredentials},
    udp::TurnClientUdp,
};

use super::{
    servers::IceServer,
    stream::{Arrived, Stream},
};
use crate::{Route, Transmit};

/// Servers times address families; each allocation costs a server a port.
const MAX_RELAYS: usize = 8;
/// Checks that wait for a permission: a server's round trip of them.
const MAX_WAITING: usize = 64;
/// Addresses that a server refuses, remembered so that it is not asked with every check.
const MAX_REFUSED: usize = 64;
/// Messages of streams that wait to be read.
const ARRIVED: usize = 64;
/// The client may ask to be called at once, again and again.
const PAUSE: Duration = Duration::from_millis(1);

/// All relayed addresses of a connection, and those that are asked for.
pub(super) struct Relays {
    origin: Instant,
    relays: Vec<Relay>,
    /// What is wrapped next; its room stays.
    spare: Transmit,
    arrived: (Sender<Arrived>, Receiver<Arrived>),
}

struct Relay {
    client: TurnClient,
    /// Nothing: UDP, from the socket with the client's local address.
    stream: Option<Stream>,
    relayed: Option<SocketAddr>,
    /// To whom, and what, until there is a permission.
    waiting: Vec<(SocketAddr, Vec<u8>)>,
    refused: Vec<IpAddr>,
}

/// A relayed address, and the socket it is reached from.
#[derive(Debug)]
pub(super) struct Allocated {
    pub(super) relayed: SocketAddr,
    pub(super) base: SocketAddr,
}

/// What became of a datagram from a socket.
pub(super) enum Received<'a> {
    /// It is not from a TURN server.
    NotOurs,
    /// The server's own words.
    Handled,
    /// A datagram of a peer's.
    Relayed(Datagram<'a>),
}

/// What a peer sent to a relayed address.
pub(super) struct Datagram<'a> {
    pub(super) relayed: SocketAddr,
    data: TurnPeerData<&'a [u8]>,
}

impl Datagram<'_> {
    pub(super) fn peer(&self) -> SocketAddr {
        self.data.peer
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.data.data()
    }
}

impl Default for Relays {
    fn default() -> Self {
        let (origin, arrived) = (Instant::now(), channel(ARRIVED));
        Self { origin, relays: Vec::new(), spare: Transmit::default(), arrived }
    }
}

impl Relays {
    /// Asks a server for a relayed address over UDP, from the socket bound to `base`.
    pub(super) fn allocate(&mut self, base: SocketAddr, server: SocketAddr, login: &IceServer) {
        let asked = |relay: &Relay| relay.client.local_addr() == base && relay.client.remote_addr() == server;
        if !self.relays.iter().any(asked) {
            let client = TurnClientUdp::allocate(base, server, config(login)).into();
            self.add(client, None);
        }
    }

    /// The same over a stream.
    pub(super) fn allocate_over(&mut self, stream: Stream, login: &IceServer) {
        let goes_there = |other: &Stream| other.server == stream.server;
        if self.relays.iter().any(|relay| relay.stream.as_ref().is_some_and(goes_there)) {
            return;
        }
        let client = TurnClientTcp::allocate(stream.local, stream.server, config(login)).into();
        self.add(client, Some(stream));
    }

    fn add(&mut self, client: TurnClient, stream: Option<Stream>) {
        if self.relays.len() < MAX_RELAYS {
            let (waiting, refused) = (Vec::new(), Vec::new());
            self.relays.push(Relay { client, stream, relayed: None, waiting, refused });
        }
    }

    /// Where streams leave what arrives on them.
    pub(super) fn inbox(&self) -> Sender<Arrived> {
        self.arrived.0.clone()
    }

    /// The next message of a stream. Cancel safe.
    pub(super) async fn arrived(&mut self) -> Option<Arrived> {
        self.arrived.1.recv().await
    }

    /// Whether this is a relayed address that is reached over TCP.
    pub(super) fn is_over_tcp(&self, local: SocketAddr) -> bool {
        self.relays.iter().any(|relay| relay.relayed == Some(local) && relay.stream.is_some())
    }

    /// Takes a datagram of a socket.
    pub(super) fn handle_datagram<'a>(
        &mut self,
        source: SocketAddr,
        local: SocketAddr,
        datagram: &'a [u8],
        now: Instant,
    ) -> Received<'a> {
        let now = self.moment(now);
        let is_it = |relay: &&mut Relay| {
            relay.stream.is_none()
                && relay.client.remote_addr() == source
                && relay.client.local_addr() == local
        };
        match self.relays.iter_mut().find(is_it) {
            Some(relay) => relay.handle(datagram, TransportType::Udp, now),
            None => Received::NotOurs,
        }
    }

    /// Takes a message of a stream, or its end.
    pub(super) fn handle_arrived<'a>(
        &mut self,
        local: SocketAddr,
        message: Option<&'a [u8]>,
        now: Instant,
    ) -> Received<'a> {
        let now = self.moment(now);
        let is_it = |relay: &Relay| relay.stream.as_ref().is_some_and(|stream| stream.local == local);
        let Some(index) = self.relays.iter().position(is_it) else { return Received::NotOurs };
        match message {
            Some(message) => self.relays[index].handle(message, TransportType::Tcp, now),
            None => {
                self.relays.remove(index);
                Received::Handled
            }
        }
    }

    /// Turns datagrams that leave from a relayed address into what its server is sent; others stay as they are. What
    /// has to wait, or goes out on a stream, leaves an empty transmit.
    pub(super) fn wrap(&mut self, transmit: &mut Transmit, now: Instant) {
        let Some(route) = transmit.route() else { return };
        let now = self.moment(now);
        let Some(relay) = self.relays.iter_mut().find(|relay| relay.relayed == Some(route.local)) else {
            return;
        };
        self.spare.clear();
        if relay.may_send_to(route.remote.ip(), now) {
            for datagram in transmit.datagrams() {
                relay.wrap(route.remote, datagram, now, &mut self.spare);
            }
        } else if relay.waiting.len() < MAX_WAITING && !relay.refused.contains(&route.remote.ip()) {
            let datagrams = transmit.datagrams().map(|datagram| (route.remote, datagram.to_vec()));
            relay.waiting.extend(datagrams);
        }
        std::mem::swap(transmit, &mut self.spare);
    }

    /// ICE chose this route: 4 bytes around each datagram from now on, in place of 36.
    pub(super) fn bind(&mut self, route: Route, now: Instant) {
        let now = self.moment(now);
        if let Some(relay) = self.relays.iter_mut().find(|relay| relay.relayed == Some(route.local)) {
            // It may be bound already, or is just being bound.
            let _ = relay.client.bind_channel(TransportType::Udp, route.remote, now);
        }
    }

    /// Does what is due: gives new relayed addresses, and passes to `send` what goes out from sockets.
    pub(super) fn advance(&mut self, now: Instant, mut send: impl FnMut(&Transmit)) -> Vec<Allocated> {
        let mut allocated = Vec::new();
        let now = self.moment(now);
        self.relays.retain_mut(|relay| {
            let is_over = matches!(relay.client.poll(now), TurnPollRet::Closed);
            while let Some(event) = relay.client.poll_event() {
                allocated.extend(relay.handle_event(event, now, &mut send));
            }
            while let Some(packet) = relay.client.poll_transmit(now) {
                relay.send(packet.data.to_vec(), &mut send);
            }
            !is_over
        });
        allocated
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(super) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let moment = self.moment(now);
        let next = self.relays.iter_mut().filter_map(|relay| match relay.client.poll(moment) {
            TurnPollRet::WaitUntil(at) => Some(at.to_std(self.origin)),
            _ => None,
        });
        next.min().map(|at| at.max(now + PAUSE))
    }

    /// Gives the addresses back.
    pub(super) fn close(&mut self, now: Instant, mut send: impl FnMut(&Transmit)) {
        let moment = self.moment(now);
        for relay in &mut self.relays {
            if relay.relayed.is_some() && relay.client.delete(moment).is_ok() {
                while let Some(packet) = relay.client.poll_transmit(moment) {
                    relay.send(packet.data.to_vec(), &mut send);
                }
            }
        }
    }

    fn moment(&self, now: Instant) -> Moment {
        let nanos = now.saturating_duration_since(self.origin).as_nanos();
        Moment::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
    }
}

fn config(login: &IceServer) -> TurnConfig {
    TurnConfig::new(TurnCredentials::new(&login.username, &login.password))
}

impl Relay {
    fn handle<'a>(&mut self, message: &'a [u8], transport: TransportType, now: Moment) -> Received<'a> {
        let (server, local) = (self.client.remote_addr(), self.client.local_addr());
        match (self.client.recv(Packet::new(message, transport, server, local), now), self.relayed) {
            (TurnRecvRet::PeerData(data), Some(relayed)) => Received::Relayed(Datagram { relayed, data }),
            (TurnRecvRet::Ignored(_), _) => Received::NotOurs,
            _ => Received::Handled,
        }
    }

    fn handle_event(
        &mut self,
        event: TurnEvent,
        now: Moment,
        send: &mut impl FnMut(&Transmit),
    ) -> Option<Allocated> {
        match event {
            TurnEvent::AllocationCreated(_, relayed) => {
                self.relayed = Some(relayed);
                return Some(Allocated { relayed, base: self.client.local_addr() });
            }
            TurnEvent::AllocationCreateFailed(_) => {
                tracing::warn!("a TURN server gives no address: it is not there, or refuses the credentials");
            }
            TurnEvent::PermissionCreated(_, ip) => {
                let (ready, waiting) =
                    std::mem::take(&mut self.waiting).into_iter().partition(|(peer, _)| peer.ip() == ip);
                self.waiting = waiting;
                let ready: Vec<(SocketAddr, Vec<u8>)> = ready;
                for (peer, datagram) in ready {
                    let mut transmit = Transmit::default();
                    self.wrap(peer, &datagram, now, &mut transmit);
                    send(&transmit);
                }
            }
            TurnEvent::PermissionCreateFailed(_, ip) => {
                tracing::debug!("a TURN server passes nothing on to an address of the other side");
                self.waiting.retain(|(peer, _)| peer.ip() != ip);
                if self.refused.len() < MAX_REFUSED {
                    self.refused.push(ip);
                }
            }
            _ => {}
        }
        None
    }

    /// Whether the server passes on what goes there; it is asked, if not.
    fn may_send_to(&mut self, peer: IpAddr, now: Moment) -> bool {
        if self.client.have_permission(TransportType::Udp, peer) {
            return true;
        }
        if !self.refused.contains(&peer) {
            // It may have been asked already.
            let _ = self.client.create_permission(TransportType::Udp, peer, now);
        }
        false
    }

    /// Wraps one datagram: at the end of `transmit`, or on to the stream.
    fn wrap(&mut self, peer: SocketAddr, datagram: &[u8], now: Moment, transmit: &mut Transmit) {
        let Ok(Some(wrapped)) = self.client.send_to(TransportType::Udp, peer, datagram, now) else { return };
        let TransmitBuild { data, from: local, to: remote, .. } = wrapped;
        if let Some(stream) = &self.stream {
            stream.send(data.build());
            return;
        }
        let start = transmit.bytes.len();
        transmit.bytes.resize(start + data.len(), 0);
        data.write_into(&mut transmit.bytes[start..]);
        if transmit.segments == 0 {
            transmit.segment = transmit.bytes.len();
        }
        transmit.segments += 1;
        transmit.route = Some(Route { local, remote });
    }

    /// A message of the client's own.
    fn send(&self, message: Vec<u8>, send: &mut impl FnMut(&Transmit)) {
        match &self.stream {
            Some(stream) => stream.send(message),
            None => {
                let mut transmit = Transmit::default();
                let (local, remote) = (self.client.local_addr(), self.client.remote_addr());
                transmit.put(Route { local, remote }, &message);
                send(&transmit);
            }
        }
    }
}

#[cfg(test)]
mod tests;
