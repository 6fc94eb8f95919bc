//! The UDP sockets of a lane: one for each address, with segmentation offload both ways.
//!
//! A UDP packet costs some 6 µs to send and 3 µs to receive whatever the call; only packets that go through the
//! kernel in one piece (GSO, GRO) are cheaper. So equal packets to one destination are gathered in a [`Batch`].
use std::{
    future::poll_fn,
    io::{self, IoSliceMut},
    net::{IpAddr, SocketAddr},
    task::Poll,
};

use quinn_udp::{RecvMeta, Transmit, UdpSockRef, UdpSocketState};
use tokio::{io::Interest, net::UdpSocket};

/// Room for what arrives while the lane's task does something else: 16 ms at 1 GB/s would need more, but the
/// kernel's own limit (`net.core.rmem_max`, often 208 KiB) is lower anyway.
const SOCKET_BUFFER: usize = 4 << 20;
/// GRO joins packets to at most this.
const RECEIVE_BUFFER: usize = 1 << 16;
/// Buffers filled by one call.
const RECEIVE_BUFFERS: usize = 4;
/// A message of more than 65,507 bytes is refused whatever its segments.
const BATCH_BYTES: usize = 60_000;
const BATCH_SEGMENTS: usize = 50;
/// A socket whose address went away errs for ever; one that errs so often in a row is given up.
const MAX_ERRORS: u32 = 32;

/// The sockets, and the packets gathered for the next call.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    sockets: Vec<Socket>,
    batch: Batch,
}

#[derive(Debug)]
struct Socket {
    io: UdpSocket,
    state: UdpSocketState,
    local: SocketAddr,
    errors: u32,
}

/// Packets of one size (the last may be shorter) for one destination.
#[derive(Debug, Default)]
struct Batch {
    route: Option<(SocketAddr, SocketAddr)>,
    bytes: Vec<u8>,
    segment: usize,
    segments: usize,
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

    /// Local addresses, one for each socket.
    pub(super) fn locals(&self) -> impl Iterator<Item = SocketAddr> {
        self.sockets.iter().map(|socket| socket.local)
    }

    /// Puts a packet beside others for the same destination; the last ones go with [`Sockets::flush`].
    pub(super) fn queue(&mut self, from: SocketAddr, to: SocketAddr, packet: &[u8]) -> Result<(), Full> {
        let limit = self.find(from).map_or(1, |s| s.state.max_gso_segments()).min(BATCH_SEGMENTS);
        let batch = &self.batch;
        let ends_short = batch.bytes.len() < batch.segments * batch.segment;
        let fits = batch.route == Some((from, to))
            && packet.len() <= batch.segment
            && !ends_short
            && batch.segments < limit
            && batch.bytes.len() + packet.len() <= BATCH_BYTES;
        if !fits {
            self.flush()?;
            self.batch.route = Some((from, to));
            self.batch.segment = packet.len();
        }
        self.batch.bytes.extend_from_slice(packet);
        self.batch.segments += 1;
        Ok(())
    }

    /// Hands the gathered packets to the kernel. What it refuses for another reason than being full is lost, as
    /// packets are.
    pub(super) fn flush(&mut self) -> Result<(), Full> {
        let Some((from, to)) = self.batch.route else { return Ok(()) };
        let batch = &self.batch;
        if let Some(socket) = self.find(from)
            && let Err(error) = socket.send(to, &batch.bytes, Some(batch.segment))
        {
            if error.kind() == io::ErrorKind::WouldBlock {
                return Err(Full);
            }
            // Some drivers refuse segments; the packets are still ours to send one by one.
            if batch.segments > 1 {
                for packet in batch.bytes.chunks(batch.segment) {
                    let _ = socket.send(to, packet, None);
                }
            } else {
                tracing::debug!(error = ?error.kind(), "a packet could not be sent");
            }
        }
        self.batch.route = None;
        self.batch.bytes.clear();
        self.batch.segments = 0;
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

    /// Whether packets wait for [`Sockets::writable`].
    pub(super) fn is_full(&self) -> bool {
        self.batch.route.is_some()
    }

    /// Waits until the gathered packets can be sent.
    pub(super) async fn writable(&self) {
        let socket = self.batch.route.and_then(|(from, _)| self.find(from));
        if let Some(socket) = socket {
            let _ = socket.io.writable().await;
        }
    }

    fn find(&self, local: SocketAddr) -> Option<&Socket> {
        self.sockets.iter().find(|socket| socket.local == local)
    }
}

impl Socket {
    fn send(&self, to: SocketAddr, contents: &[u8], segment_size: Option<usize>) -> io::Result<()> {
        let transmit = Transmit { destination: to, ecn: None, contents, segment_size, src_ip: None };
        self.io.try_io(Interest::WRITABLE, || self.state.try_send(UdpSockRef::from(&self.io), &transmit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_arrive_one_by_one_whatever_was_batched() {
        let mut sockets = Sockets::default();
        let from = sockets.bind("127.0.0.1".parse().unwrap()).unwrap();
        let to = sockets.bind("127.0.0.1".parse().unwrap()).unwrap();
        let sent: Vec<Vec<u8>> =
            [1200, 1200, 700, 700, 1200, 30].iter().map(|len| vec![*len as u8; *len]).collect();

        for packet in &sent {
            while sockets.queue(from, to, packet).is_err() {
                sockets.writable().await;
            }
        }
        while sockets.flush().is_err() {
            sockets.writable().await;
        }
        let mut received = Vec::new();
        let mut inbox = Inbox::default();
        while received.len() < sent.len() {
            sockets.readable().await;
            for index in 0..sockets.len() {
                if sockets.receive(index, &mut inbox).is_some() {
                    received.extend(inbox.datagrams().map(|(source, packet)| (source, packet.to_vec())));
                }
            }
        }

        assert_eq!(received, sent.into_iter().map(|packet| (from, packet)).collect::<Vec<_>>());
    }
}
