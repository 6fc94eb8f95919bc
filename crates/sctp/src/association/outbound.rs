//! What leaves, and when to wake.
use super::{Association, CloseReason, State, handshake};
use crate::{
    Time,
    wire::{self, COMMON_HEADER, Chunk, ChunkType, CookieEcho, Header, Heartbeat, Pad},
};

/// What a probe's HEARTBEAT carries and its answer repeats: the moment in nanoseconds, u64 | the packet's size, u16.
fn probe_info(now: Time, size: usize) -> [u8; 10] {
    let mut info = [0; 10];
    info[..8].copy_from_slice(&now.nanos().to_be_bytes());
    info[8..].copy_from_slice(&(size as u16).to_be_bytes());
    info
}

/// Answers that wait at most: a peer that asks without reading gets no more.
const OUTBOX: usize = 256;

impl Association {
    /// Appends the next packet to `out`; false if there is none now.
    ///
    /// Data packets are full as long as there is data, so that several after another make one batch of equal
    /// segments; SACKs and control chunks go in packets of their own. Call until false.
    pub fn poll_transmit(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        if !self.outbox.is_empty() || !matches!(self.state, State::Established) || self.control_due(now) {
            self.write_control(now);
            if let Some((tag, chunk)) = self.outbox.pop_front() {
                self.outbox.truncate(OUTBOX);
                self.start_packet(out, tag);
                out.extend_from_slice(&chunk);
                self.seal_packet(out, start, Some(ChunkType(chunk[0])));
                return true;
            }
        }
        let Some(peer) = self.peer else { return false };
        if matches!(self.state, State::CookieEchoed { .. } | State::Closed) {
            return false;
        }
        self.start_packet(out, peer.tag);
        // Nobody acknowledges a SACK, so one that is too large for the path would never be missed.
        let end = start + self.config.packet_size;
        if let Some(receiver) = self.receiver.as_mut().filter(|receiver| receiver.ack_due(now)) {
            receiver.write_sack(out, end - out.len());
        }
        if peer.forward_tsn {
            self.sender.write_forward(out, now);
        }
        if out.len() == start + COMMON_HEADER || self.sender.streams.total() < 1024 {
            self.sender.write_data(out, start, now);
        }
        if out.len() == start + COMMON_HEADER {
            out.truncate(start);
            return false;
        }
        self.seal_packet(out, start, None);
        true
    }

    /// Appends a probe of what the path carries, if one is due; false if not. It has to leave alone, in a datagram
    /// that nobody may fragment, and to be lost if it is too large. Call before
    /// [`poll_transmit`](Self::poll_transmit), or never: then packets stay as small as they begin.
    pub fn poll_probe(&mut self, now: Time, out: &mut Vec<u8>) -> bool {
        let Some(peer) = self.peer.filter(|_| self.is_established()) else { return false };
        let Some(size) = self.sender.poll_probe(now) else { return false };
        let start = out.len();
        self.start_packet(out, peer.tag);
        let asked = probe_info(now, size);
        Heartbeat { info: &asked }.write(out);
        Pad { len: (start + size).saturating_sub(out.len() + Pad::HEADER) }.write(out);
        self.seal_packet(out, start, None);
        true
    }

    /// The path is another one from now on, or the first: it may carry SCTP packets of so many bytes at most, and is
    /// probed anew.
    pub fn handle_path(&mut self, max_packet_size: usize) {
        self.sender.handle_path(self.config.packet_size, max_packet_size);
    }

    fn start_packet(&self, out: &mut Vec<u8>, tag: u32) {
        let (source, destination) = (self.config.local_port, self.config.remote_port);
        wire::start(out, Header { source, destination, tag });
    }

    /// RFC 9653 §5.2: zero where the peer allows it, never with INIT or COOKIE ECHO.
    fn seal_packet(&self, out: &mut [u8], start: usize, first: Option<ChunkType>) {
        let handshake = matches!(first, Some(ChunkType::INIT | ChunkType::INIT_ACK | ChunkType::COOKIE_ECHO));
        if handshake || self.peer.is_none_or(|peer| !peer.zero_checksum) {
            wire::seal(out, start);
        }
    }

    fn control_due(&self, now: Time) -> bool {
        let due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        due(self.heartbeat_at) || self.resets.is_wanted() || due(self.resets.poll_timeout())
    }

    /// Queues the control chunks that are due.
    fn write_control(&mut self, now: Time) {
        let timeout = self.sender.rtt.timeout();
        match &mut self.state {
            State::CookieWait { retry } if retry.at <= now => {
                retry.sent(timeout, now);
                let mut chunk = Vec::new();
                Chunk::Init(handshake::our_init(&self.config, self.tag, self.initial)).write(&mut chunk);
                self.outbox.push_back((0, chunk));
            }
            State::CookieEchoed { cookie, retry } if retry.at <= now => {
                retry.sent(timeout, now);
                let mut chunk = Vec::new();
                CookieEcho { cookie }.write(&mut chunk);
                let tag = self.peer.map_or(0, |peer| peer.tag);
                self.outbox.push_back((tag, chunk));
            }
            _ => {}
        }
        self.write_resets(now);
        self.progress_shutdown(now);
        self.write_shutdown(now);
        if self.heartbeat_at.is_some_and(|at| at <= now)
            && let Some(peer) = self.peer.filter(|_| self.is_established())
        {
            self.heartbeat_at = Some(now + self.config.heartbeat);
            let mut chunk = Vec::new();
            Heartbeat { info: &now.nanos().to_be_bytes() }.write(&mut chunk);
            self.outbox.push_back((peer.tag, chunk));
        }
    }

    /// Does what is due at `now`. Calling it early or late does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        if self.is_closed() {
            return;
        }
        let attempts = match &self.state {
            State::CookieWait { retry }
            | State::CookieEchoed { retry, .. }
            | State::ShutdownSent { retry }
            | State::ShutdownAckSent { retry }
                if retry.at <= now =>
            {
                retry.attempts
            }
            _ => 0,
        };
        let limit = self.config.max_retransmissions;
        if attempts > limit || (self.sender.handle_timeout(now) && self.sender.rtt.backoffs() > limit) {
            self.abort_because(wire::cause::PROTOCOL_VIOLATION, "timeout", CloseReason::TimedOut);
        }
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) and [`poll_transmit`](Self::poll_transmit) next.
    pub fn poll_timeout(&self) -> Option<Time> {
        let retry = match &self.state {
            State::Idle | State::Closed => return None,
            State::CookieWait { retry }
            | State::CookieEchoed { retry, .. }
            | State::ShutdownSent { retry }
            | State::ShutdownAckSent { retry } => Some(retry.at),
            State::Established | State::ShutdownPending | State::ShutdownReceived => None,
        };
        // Before the handshake ends nothing but its own packets leaves, and afterwards only a shutdown's.
        let established = self.is_established();
        let control = [self.heartbeat_at, self.resets.poll_timeout()].map(|at| at.filter(|_| established));
        let shaking = matches!(self.state, State::CookieWait { .. } | State::CookieEchoed { .. });
        let ack = self.receiver.as_ref().and_then(|receiver| receiver.poll_timeout());
        let data = [ack, self.sender.poll_timeout()].map(|at| at.filter(|_| !shaking));
        [retry].into_iter().chain(control).chain(data).flatten().min()
    }
}
