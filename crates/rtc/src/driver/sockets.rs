//! The UDP sockets of a connection: one for each address, with segmentation offload both ways.
use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    task::Poll,
};

use quinn_udp::{RecvMeta, UdpSockRef, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

use crate::transmit::Transmit;

/// Room for what arrives while the connection's task does something else: 16 ms at 1 GB/s would need more, but the
/// kernel's own limit (`net.core.rmem_max`, often 208 KiB) is lower anyway.
const SOCKET_BUFFER: usize = 4 << 20;
/// GRO joins packets to at most this.
const RECEIVE_BUFFER: usize = 1 << 16;
/// Buffers filled by one call.
const RECEIVE_BUFFERS: usize = 4;
/// A socket whose address went away errs for ever; one that errs so often in a row is given up.
const MAX_ERRORS: u32 = 32;

/// The sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: Vec<Socket>,
}

#[derive(Debug)]
struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    errors: u32,
}

/// The kernel takes no more for the moment: wait for [`Sockets::writable`].
#[derive(Debug)]
pub(super) struct Full;

/// What one call received.
pub(super) struct Inbox {
    bytes: Vec<u8>,
    metas: [RecvMeta; RECEIVE_BUFFERS],
    filled: usize,
}

impl Default for Inbox {
    fn default() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BUFFER * RECEIVE_BUFFERS],
            metas: [RecvMeta::default(); RECEIVE_BUFFERS],
            filled: 0,
        }
    }
}

impl Inbox {
    /// Each datagram with its source.
    pub(super) fn datagrams(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        let buffers = self.bytes.chunks(RECEIVE_BUFFER).zip(&self.metas).take(self.filled);
        buffers.flat_map(|(buffer, meta)| {
            let datagrams = buffer[..meta.len].chunks(meta.stride.max(1));
            datagrams.map(|datagram| (meta.addr, datagram))
        })
    }
}

impl Sockets {
    /// Opens a socket on this address, on a port of the system's choice.
    pub(super) fn bind(&mut self, ip: IpAddr) -> io::Result<SocketAddr> {
        let socket = std::net::UdpSocket::bind((ip, 0))?;
        let reference = socket2::SockRef::from(&socket);
        // As much as the system allows; less is no error.
        let _ = reference.set_recv_buffer_size(SOCKET_BUFFER);
        let _ = reference.set_send_buffer_size(SOCKET_BUFFER);
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?; // non-blocking from here on
        let local = socket.local_addr()?;
        self.sockets.push(Socket { io: UdpSocket::from_std(socket)?, state, local, errors: 0 });
        Ok(local)
    }

    /// Whether the system may fragment what one of them sends.
    pub(super) fn may_fragment(&self) -> bool {
        self.sockets.iter().any(|socket| socket.state.may_fragment())
    }

    /// Local addresses, one for each socket.
    pub(super) fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|socket| socket.local)
    }

    /// Hands datagrams to the kernel. What it refuses for another reason than being full is lost, as datagrams are.
    pub(super) fn send(&mut self, transmit: &Transmit) -> Result<(), Full> {
        let Some(route) = transmit.route() else { return Ok(()) };
        let Some(socket) = self.find(route.local) else { return Ok(()) };
        let whole = transmit.contents().len() <= transmit.segment();
        let refused = match socket.state.max_gso_segments() {
            1 if !whole => true,
            _ => match socket.send(route.remote, transmit.contents(), Some(transmit.segment())) {
                Ok(()) => false,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(Full),
                Err(error) => {
                    tracing::debug!(error = ?error.kind(), whole, "datagrams could not be sent");
                    !whole
                }
            },
        };
        // Some systems have no segmentation, and some drivers refuse it; the datagrams are still ours to send. When
        // the kernel is full in the middle of them the rest is lost: it can't be told how far it went.
        if refused {
            for datagram in transmit.datagrams() {
                let _ = socket.send(route.remote, datagram, None);
            }
        }
        Ok(())
    }

    /// Reads what one call gives from the socket with this index; false: nothing there.
    pub(super) fn receive(&mut self, index: usize, inbox: &mut Inbox) -> Option<SocketAddr> {
        let socket = self.sockets.get_mut(index)?;
        let Inbox { bytes, metas, filled } = inbox;
        let mut buffers = bytes.chunks_mut(RECEIVE_BUFFER).map(IoSliceMut::new);
        let mut buffers: [_; RECEIVE_BUFFERS] =
            std::array::from_fn(|_| buffers.next().expect("the inbox has that many buffers"));
        *filled = 0;
        let received = socket.io.try_io(Interest::READABLE, || {
            socket.state.recv(UdpSockRef::from(&socket.io), &mut buffers, metas)
        });
        match received {
            Ok(count) => {
                (*filled, socket.errors) = (count, 0);
                Some(socket.local)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => {
                tracing::debug!(error = ?error.kind(), "a socket can't receive");
                socket.errors += 1;
                if socket.errors > MAX_ERRORS {
                    self.sockets.remove(index);
                }
                None
            }
        }
    }

    /// How many sockets there are.
    pub(super) fn len(&self) -> usize {
        self.sockets.len()
    }

    /// Waits until one of the sockets has something to read.
    pub(super) async fn readable(&self) {
        poll_fn(|cx| match self.sockets.iter().any(|s| s.io.poll_recv_ready(cx).is_ready()) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
        .await;
    }

    /// Waits until this socket takes more.
    pub(super) async fn writable(&self, local: SocketAddr) {
        if let Some(socket) = self.find(local) {
            let _ = socket.io.writable().await;
        }
    }

    fn find(&self, local: SocketAddr) -> Option<&Socket> {
        self.sockets.iter().find(|socket| socket.local == local)
    }
}

impl Socket {
    fn send(&self, to: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit =
            quinn_udp::Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        self.io.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.io), &transmit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice::Route;

    #[tokio::test]
    async fn datagrams_arrive_one_by_one_whatever_was_batched() {
        let mut sockets = Sockets::default();
        let local = sockets.bind("127.0.0.1".parse().unwrap()).unwrap();
        let remote = sockets.bind("127.0.0.1".parse().unwrap()).unwrap();
        let sent: Vec<Vec<u8>> = [1200, 1200, 700].iter().map(|len| vec![*len as u8; *len]).collect();
        let transmit = Transmit {
            route: Some(Route { local, remote }),
            bytes: sent.concat(),
            segment: 1200,
            segments: 3,
        };

        while sockets.send(&transmit).is_err() {
            sockets.writable(local).await;
        }
        let mut received = Vec::new();
        let mut inbox = Inbox::default();
        while received.len() < sent.len() {
            sockets.readable().await;
            for index in 0..sockets.len() {
                if sockets.receive(index, &mut inbox).is_some() {
                    received.extend(inbox.datagrams().map(|(source, datagram)| (source, datagram.to_vec())));
                }
            }
        }

        assert_eq!(received, sent.into_iter().map(|datagram| (local, datagram)).collect::<Vec<_>>());
    }

    /// As a probe that the path's first link does not carry.
    #[tokio::test]
    async fn a_datagram_that_is_too_large_is_lost_and_the_next_ones_are_not() {
        let mut sockets = Sockets::default();
        let local = sockets.bind("127.0.0.1".parse().unwrap()).unwrap();
        let remote = sockets.bind("127.0.0.1".parse().unwrap()).unwrap();
        let route = Some(Route { local, remote });
        let segments = sockets.sockets[0].state.max_gso_segments();
        let alone = |len| Transmit { route, bytes: vec![7; len], segment: len, segments: 1 };
        let batch = Transmit { route, bytes: vec![8; 4000], segment: 1000, segments: 4 };

        // UDP's own limit is 65,507 bytes; loopback's is beyond.
        for transmit in [alone(65_600), batch, alone(100)] {
            while sockets.send(&transmit).is_err() {
                sockets.writable(local).await;
            }
        }
        let (mut lens, mut inbox) = (Vec::new(), Inbox::default());
        while lens.len() < 5 {
            sockets.readable().await;
            for index in 0..sockets.len() {
                if sockets.receive(index, &mut inbox).is_some() {
                    lens.extend(inbox.datagrams().map(|(_, datagram)| datagram.len()));
                }
            }
        }

        assert_eq!(lens, [1000, 1000, 1000, 1000, 100]);
        assert_eq!(sockets.sockets[0].state.max_gso_segments(), segments);
        #[cfg(target_os = "linux")]
        assert!(!sockets.may_fragment());
    }
}
