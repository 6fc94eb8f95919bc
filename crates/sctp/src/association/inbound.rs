//! What packets do.
use super::{Association, CloseReason, Retry, State};
use crate::{
    Time,
    wire::{
        Abort, Cause, Chunk, ChunkType, Data, Error, HeartbeatAck, IData, Malformed, Packet, Raw, Shutdown,
        ShutdownAck, ShutdownComplete, cause,
    },
};

impl Association {
    /// Takes one packet. What is wrong with it is the peer's doing: it is dropped, or ends the association.
    pub fn handle_packet(&mut self, bytes: &[u8], now: Time) {
        let packet = match Packet::parse(bytes, self.config.zero_checksum) {
            Ok(packet) => packet,
            Err(error) => return tracing::debug!(%error, "dropped a packet"),
        };
        let header = packet.header;
        if header.source != self.config.remote_port || header.destination != self.config.local_port {
            return;
        }
        let mut data = false;
        for raw in packet.chunks() {
            let raw = match raw {
                Ok(raw) => raw,
                Err(error) => {
                    tracing::debug!(%error, "dropped the rest of a packet");
                    break;
                }
            };
            if !self.tag_fits(header.tag, raw) || self.is_closed() {
                break;
            }
            match self.handle_chunk(raw, now) {
                Ok(Next::Data) => data = true,
                Ok(Next::Chunk) => {}
                Ok(Next::Packet) => break,
                Err(error) => tracing::debug!(%error, kind = raw.kind.0, "dropped a chunk"),
            }
        }
        if data && let Some(receiver) = &mut self.receiver {
            receiver.packet_ended(now);
            if receiver.take_probe(self.sender.rtt.min(), now) {
                self.heartbeat_at = Some(now);
            }
            self.perform_deferred();
        }
        self.progress_shutdown(now);
    }

    /// [RFC 9260 §8.5](https://www.rfc-editor.org/rfc/rfc9260#section-8.5).
    fn tag_fits(&self, tag: u32, raw: Raw<'_>) -> bool {
        match raw.kind {
            ChunkType::INIT => tag == 0,
            ChunkType::ABORT | ChunkType::SHUTDOWN_COMPLETE if raw.flags & 1 != 0 => {
                self.peer.is_some_and(|peer| peer.tag == tag)
            }
            _ => tag == self.tag,
        }
    }

    fn handle_chunk(&mut self, raw: Raw<'_>, now: Time) -> Result<Next, Malformed> {
        let chunk = Chunk::parse(raw)?;
        match chunk {
            Chunk::Data(data) => return self.handle_data(&data, now),
            Chunk::IData(data) => return self.handle_i_data(&data, now),
            Chunk::Sack(sack) if self.peer.is_some() => self.sender.handle_sack(&sack, now),
            Chunk::DeltaSack(sack) if self.peer.is_some() => self.sender.handle_delta_sack(&sack, now),
            Chunk::Init(init) => self.handle_init(&init),
            Chunk::InitAck(ack) => self.handle_init_ack(ack, now),
            Chunk::CookieEcho(echo) => self.handle_cookie_echo(&echo, now),
            Chunk::CookieAck => self.handle_cookie_ack(now),
            Chunk::Heartbeat(heartbeat) => {
                if let Some(peer) = self.peer {
                    let mut chunk = Vec::new();
                    HeartbeatAck { info: heartbeat.info }.write(&mut chunk);
                    self.outbox.push_back((peer.tag, chunk));
                }
            }
            Chunk::HeartbeatAck(ack) => self.handle_heartbeat_ack(&ack, now),
            Chunk::Abort(abort) => self.handle_abort(&abort),
            Chunk::Shutdown(shutdown) => self.handle_shutdown(shutdown),
            Chunk::ShutdownAck => self.handle_shutdown_ack(),
            Chunk::ShutdownComplete => {
                if matches!(self.state, State::ShutdownAckSent { .. }) {
                    self.close(CloseReason::Shutdown);
                }
            }
            Chunk::Error(error) => self.handle_error(&error, now),
            Chunk::Reconfig(reconfig) => self.handle_reconfig(&reconfig, now),
            Chunk::ForwardTsn(forward) => {
                if let Some(receiver) = &mut self.receiver {
                    receiver.handle_forward(&forward);
                }
            }
            Chunk::IForwardTsn(forward) => {
                if let Some(receiver) = &mut self.receiver {
                    receiver.handle_i_forward(&forward);
                }
            }
            Chunk::Pad(_) | Chunk::Sack(_) | Chunk::DeltaSack(_) => {}
            Chunk::Unknown(raw) => return Ok(self.handle_unknown(raw)),
        }
        Ok(Next::Chunk)
    }

    fn handle_data(&mut self, data: &Data<'_>, now: Time) -> Result<Next, Malformed> {
        let Some(receiver) = &mut self.receiver else { return Err(Malformed("DATA before the handshake")) };
        if self.sender.interleave {
            self.violation("DATA beside I-DATA"); // RFC 8260 §2.2.3
            return Ok(Next::Packet);
        }
        let result = receiver.handle_data(data, self.sender.rtt.min(), now);
        self.after_data(result.map_err(|violation| violation.to_string()))
    }

    fn handle_i_data(&mut self, data: &IData<'_>, now: Time) -> Result<Next, Malformed> {
        let Some(receiver) = &mut self.receiver else { return Err(Malformed("I-DATA before the handshake")) };
        if !self.sender.interleave {
            self.violation("I-DATA that was not agreed on");
            return Ok(Next::Packet);
        }
        let result = receiver.handle_i_data(data, self.sender.rtt.min(), now);
        self.after_data(result.map_err(|violation| violation.to_string()))
    }

    fn after_data(&mut self, result: Result<(), String>) -> Result<Next, Malformed> {
        match result {
            Ok(()) => Ok(Next::Data),
            Err(violation) => {
                self.violation(&violation);
                Ok(Next::Packet)
            }
        }
    }

    fn handle_heartbeat_ack(&mut self, ack: &HeartbeatAck<'_>, now: Time) {
        let Some(nanos) = ack.info.first_chunk::<8>().map(|nanos| u64::from_be_bytes(*nanos)) else { return };
        let sent = Time::from_nanos(nanos);
        // A peer that makes a moment up only misleads its own path.
        if sent <= now && now.since(sent) <= self.config.rto_max {
            self.sender.rtt.sample(now.since(sent), now);
            if let Some(receiver) = &mut self.receiver {
                receiver.probe_answered(now.since(sent), self.sender.rtt.min());
            }
            if let Some(&[high, low]) = ack.info.get(8..) {
                self.sender.handle_probe_answer(u16::from_be_bytes([high, low]).into(), sent);
            }
        }
    }

    fn handle_abort(&mut self, abort: &Abort<'_>) {
        let text =
            abort.causes().find(|cause| matches!(cause.kind, cause::USER_ABORT | cause::PROTOCOL_VIOLATION));
        let text = text.map(|cause| String::from_utf8_lossy(cause.value).into_owned()).unwrap_or_default();
        self.close(CloseReason::PeerAborted(text));
    }

    fn handle_error(&mut self, error: &Error<'_>, now: Time) {
        for cause in error.causes() {
            tracing::debug!(code = cause.kind, "the peer reports an error");
            if cause.kind == cause::STALE_COOKIE && matches!(self.state, State::CookieEchoed { .. }) {
                (self.peer, self.receiver) = (None, None);
                self.enter(State::CookieWait { retry: Retry::now(now) });
            }
        }
    }

    /// RFC 9260 §9.2.
    fn handle_shutdown(&mut self, shutdown: Shutdown) {
        if matches!(self.state, State::Established | State::ShutdownPending | State::ShutdownSent { .. }) {
            tracing::debug!(cumulative = shutdown.cumulative, "the peer shuts down");
            self.enter(State::ShutdownReceived);
        }
    }

    fn handle_shutdown_ack(&mut self) {
        if let (State::ShutdownSent { .. } | State::ShutdownAckSent { .. }, Some(peer)) =
            (&self.state, self.peer)
        {
            let mut chunk = Vec::new();
            ShutdownComplete.write(&mut chunk);
            self.outbox.push_back((peer.tag, chunk));
            self.close(CloseReason::Shutdown);
        }
    }

    /// Everything is acknowledged: the next step of the shutdown.
    pub(super) fn progress_shutdown(&mut self, now: Time) {
        if !self.sender.is_idle() {
            return;
        }
        match self.state {
            State::ShutdownPending => self.enter(State::ShutdownSent { retry: Retry::now(now) }),
            State::ShutdownReceived => self.enter(State::ShutdownAckSent { retry: Retry::now(now) }),
            _ => {}
        }
    }

    /// Appends SHUTDOWN or SHUTDOWN ACK to the outbox when due.
    pub(super) fn write_shutdown(&mut self, now: Time) {
        let timeout = self.sender.rtt.timeout();
        let (Some(peer), Some(receiver)) = (self.peer, &self.receiver) else { return };
        let mut chunk = Vec::new();
        match &mut self.state {
            State::ShutdownSent { retry } if retry.at <= now => {
                Shutdown { cumulative: receiver.cumulative().wire() }.write(&mut chunk);
                retry.sent(timeout, now);
            }
            State::ShutdownAckSent { retry } if retry.at <= now => {
                ShutdownAck.write(&mut chunk);
                retry.sent(timeout, now);
            }
            _ => return,
        }
        self.outbox.push_back((peer.tag, chunk));
    }

    fn handle_unknown(&mut self, raw: Raw<'_>) -> Next {
        let then = raw.kind.on_unknown();
        if then.report
            && let Some(peer) = self.peer.filter(|_| self.outbox.len() < 64)
        {
            let (mut whole, mut causes, mut chunk) = (Vec::new(), Vec::new(), Vec::new());
            Chunk::Unknown(Raw { value: &raw.value[..raw.value.len().min(256)], ..raw }).write(&mut whole);
            Cause { kind: cause::UNRECOGNIZED_CHUNK, value: &whole }.write(&mut causes);
            Error { bytes: &causes }.write(&mut chunk);
            self.outbox.push_back((peer.tag, chunk));
        }
        if then.skip { Next::Chunk } else { Next::Packet }
    }
}

/// Where to go on reading.
enum Next {
    /// With the next chunk; this one carried data.
    Data,
    Chunk,
    Packet,
}
