//! A browser's association, packet by packet, by the public rules of its engine.
//!
//! ```text
//! send ─> streams ─> Sender: window, timers ─> Packet ══> Receiver: gaps, SACKs ─> whole messages, in order
//! ```
//! Both ends have both halves. What makes the collapse is in [`sender`]: a fast recovery lasts until all that was
//! outstanding at the loss is acknowledged, the window does not grow within it, and a timeout within it leaves one
//! packet a round trip.
mod receiver;
mod sender;

use beeline_core::time::Time;
use receiver::Receiver;
use sender::Sender;
use std::{sync::Arc, time::Duration};

/// An SCTP packet of a browser, in bytes.
pub(super) const PACKET: usize = 1191;
/// Common header, and that of a DATA chunk (RFC 9260 §3).
const HEADER: usize = 12;
const CHUNK_HEADER: usize = 16;
/// IP, UDP and a DTLS record around a packet.
pub(super) const AROUND: usize = 53;
/// Bytes that a browser takes before its application reads.
const RECEIVE_WINDOW: usize = 5 << 20;
/// Gap blocks in a SACK, at most.
const GAP_BLOCKS: usize = 20;
/// Channels of an association here: control and data.
pub(super) const STREAMS: usize = 2;

/// Part of a message.
#[derive(Clone, Debug)]
struct Chunk {
    tsn: u64,
    stream: u8,
    /// Which part of its stream, counted over all messages.
    order: u64,
    len: usize,
    /// With the last part comes the message.
    message: Option<Arc<[u8]>>,
}

impl Chunk {
    fn size(&self) -> usize {
        CHUNK_HEADER + self.len.next_multiple_of(4)
    }
}

#[derive(Clone, Debug)]
struct Sack {
    cumulative: u64,
    /// First and last TSN of each.
    blocks: Vec<(u64, u64)>,
    window: usize,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Packet {
    sack: Option<Sack>,
    chunks: Vec<Chunk>,
}

impl Packet {
    /// Bytes on the line.
    pub(super) fn len(&self) -> usize {
        let sack = self.sack.as_ref().map_or(0, |sack| 16 + 4 * sack.blocks.len());
        AROUND + HEADER + sack + self.chunks.iter().map(Chunk::size).sum::<usize>()
    }
}

/// One end.
#[derive(Debug)]
pub(super) struct Browser {
    sender: Sender,
    receiver: Receiver,
    /// Packets that are to go out now.
    out: Vec<Packet>,
}

impl Browser {
    pub(super) fn new() -> Self {
        Self { sender: Sender::new(), receiver: Receiver::default(), out: Vec::new() }
    }

    /// Queues a message of `len` bytes on the line; `content` is what the other end gets to see.
    pub(super) fn send(&mut self, stream: u8, len: usize, content: Arc<[u8]>, now: Time) {
        self.sender.queue(stream, len, content);
        self.transmit(now);
    }

    /// `bufferedAmount` of a channel: given, and never sent yet.
    pub(super) fn buffered(&self, stream: u8) -> u64 {
        self.sender.buffered(stream)
    }

    /// The congestion window, in bytes.
    pub(super) fn window(&self) -> usize {
        self.sender.window()
    }

    /// Whole messages come back, with their stream.
    pub(super) fn handle_packet(&mut self, packet: Packet, now: Time) -> Vec<(u8, Arc<[u8]>)> {
        let mut messages = Vec::new();
        if let Some(sack) = &packet.sack {
            self.sender.handle_sack(sack, now);
            let fast = self.sender.fast_retransmit(now);
            if !fast.is_empty() {
                self.out.push(Packet { sack: None, chunks: fast });
            }
        }
        if !packet.chunks.is_empty() {
            messages = self.receiver.handle_chunks(packet.chunks);
        }
        self.transmit(now);
        messages
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        self.sender.timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.sender.handle_timeout(now);
        self.transmit(now);
    }

    /// At most four packets on each occasion.
    fn transmit(&mut self, now: Time) {
        const BURST: usize = 4;
        for _ in 0..BURST {
            let sack = self.receiver.sack();
            let room = PACKET - HEADER - sack.as_ref().map_or(0, |s| 16 + 4 * s.blocks.len());
            let chunks = self.sender.chunks(room, now);
            if sack.is_none() && chunks.is_empty() {
                break;
            }
            self.out.push(Packet { sack, chunks });
        }
    }

    pub(super) fn take_packets(&mut self) -> Vec<Packet> {
        std::mem::take(&mut self.out)
    }
}

const RTO_INITIAL: Duration = Duration::from_millis(500);
const RTO_MIN: Duration = Duration::from_millis(400);
const RTO_MAX: Duration = Duration::from_secs(60);
