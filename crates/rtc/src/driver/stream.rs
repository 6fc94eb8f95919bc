//! A TURN server reached over TCP, where UDP does not get out: datagrams in a stream (RFC 8656 §12.5, RFC 8489 §6.2.2).
//!
//! ```text
//! STUN message   type 00… u16 | length u16 | 16 bytes | attributes, length bytes, a multiple of 4      big-endian
//! ChannelData    number 01… u16 | length u16 | length bytes | padding to a multiple of 4
//! ```
use std::{io, net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc::{Receiver, Sender, channel},
    time::timeout,
};

/// Until the server answers.
const CONNECT: Duration = Duration::from_secs(3);
/// A server that takes nothing for so long is gone.
const STUCK: Duration = Duration::from_secs(30);
/// Datagrams that wait for the stream; more are dropped, as a full socket's buffer drops them.
const QUEUE: usize = 256;
/// Read at once.
const READ: usize = 1 << 16;

/// A connection to a TURN server; when dropped it is closed, after what was queued.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) local: SocketAddr,
    pub(super) server: SocketAddr,
    outgoing: Sender<Vec<u8>>,
}

/// What a stream brought: its local address, and a message of the server's; nothing at its end.
pub(super) type Arrived = (SocketAddr, Option<Vec<u8>>);

impl Stream {
    /// Connects; what comes goes to `arrived`.
    pub(super) async fn connect(server: SocketAddr, arrived: Sender<Arrived>) -> io::Result<Self> {
        let socket = timeout(CONNECT, TcpStream::connect(server)).await??;
        socket.set_nodelay(true)?;
        let local = socket.local_addr()?;
        let (outgoing, queue) = channel(QUEUE);
        tokio::spawn(async move {
            let end = carry(socket, local, queue, &arrived).await;
            tracing::debug!(error = ?end.err().map(|error| error.kind()), "a TURN server's connection ended");
            let _ = arrived.send((local, None)).await; // nobody asks any more
        });
        Ok(Self { local, server, outgoing })
    }

    /// Queues a message of STUN or TURN; it is lost if too many wait.
    pub(super) fn send(&self, mut message: Vec<u8>) {
        message.resize(message.len().next_multiple_of(4), 0);
        let _ = self.outgoing.try_send(message);
    }
}

async fn carry(
    mut socket: TcpStream,
    local: SocketAddr,
    mut queue: Receiver<Vec<u8>>,
    arrived: &Sender<Arrived>,
) -> io::Result<()> {
    let (mut reader, mut writer) = socket.split();
    let write = async {
        while let Some(message) = queue.recv().await {
            timeout(STUCK, writer.write_all(&message)).await??;
        }
        Ok(())
    };
    let read = async {
        let mut frames = Frames::default();
        let mut bytes = vec![0; READ];
        loop {
            let len = reader.read(&mut bytes).await?;
            if len == 0 {
                return Ok(());
            }
            frames.push(&bytes[..len]);
            while let Some(message) = frames.take().map_err(|NotTurn| io::ErrorKind::InvalidData)? {
                if arrived.send((local, Some(message))).await.is_err() {
                    return Ok(());
                }
            }
        }
    };
    tokio::select! {
        end = write => end,
        end = read => end,
    }
}

/// Cuts a stream into messages.
#[derive(Debug, Default)]
struct Frames {
    bytes: Vec<u8>,
    /// Taken already.
    start: usize,
}

/// What came is neither STUN nor ChannelData: there is no finding back.
#[derive(Debug, PartialEq, Eq)]
struct NotTurn;

impl Frames {
    fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message without its padding, if all of it is there.
    fn take(&mut self) -> Result<Option<Vec<u8>>, NotTurn> {
        let rest = &self.bytes[self.start..];
        let [a, _, c, d, ..] = *rest else { return Ok(None) };
        let len = usize::from(u16::from_be_bytes([c, d]));
        let (len, padded) = match a >> 6 {
            0 if len % 4 == 0 => (20 + len, 20 + len),
            1 => (4 + len, 4 + len.next_multiple_of(4)),
            _ => return Err(NotTurn),
        };
        if rest.len() < padded {
            return Ok(None);
        }
        let message = rest[..len].to_vec();
        self.start += padded;
        Ok(Some(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A STUN message without attributes, and ChannelData of five bytes with three of padding.
    fn stream() -> Vec<u8> {
        let mut bytes = vec![0x01, 0x01, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        bytes.extend([0x40, 0x00, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0]);
        bytes
    }

    #[test]
    fn a_stream_is_cut_wherever_its_packets_end() {
        for cut in 0..stream().len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();

            for part in [&stream()[..cut], &stream()[cut..]] {
                frames.push(part);
                while let Some(message) = frames.take().unwrap() {
                    found.push(message);
                }
            }

            assert_eq!(found, [&stream()[..20], &[0x40, 0x00, 0, 5, 1, 2, 3, 4, 5]]);
        }
    }

    #[test]
    fn a_damaged_stream_ends_or_waits() {
        for at in 0..stream().len() {
            let mut damaged = stream();
            damaged[at] ^= 0xff;
            let mut frames = Frames::default();

            frames.push(&damaged);

            while let Ok(Some(message)) = frames.take() {
                assert!(message.len() <= damaged.len());
            }
        }
        let mut frames = Frames::default();
        frames.push(&[0xc0, 0, 0, 0]); // a first byte of neither (RFC 7983)
        assert_eq!(frames.take(), Err(NotTurn));
    }
}
