//! The one file that knows `dimpl`: DTLS 1.3 or 1.2 (RFC 9147, RFC 6347), whichever the other side speaks.
//!
//! ```text
//! Waiting ──start, as client or server──> Shaking ──certificate is the announced one, Finished──> Connected
//!                                            └──────── another certificate, an error ──> (an error, the end)
//! ```
//! One record carries one SCTP packet and goes in one datagram, as segmentation offload wants it.
use std::{collections::VecDeque, fmt, sync::Arc, time::Duration, time::Instant};

use aws_lc_rs::digest::{SHA256, digest};
use dimpl::{Config, DtlsCertificate, Output};

use crate::sdp::Fingerprint;

/// Datagrams of a handshake, at most.
const MTU: usize = 1200;
/// The first repetition, before a round trip is known; the standard's second (RFC 9147 §5.8.2) is for those who have
/// no ICE beneath.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// With doubling, 250 ms to 16 s.
const RETRIES: usize = 7;
const HANDSHAKE: Duration = Duration::from_secs(30);
/// Room for one datagram's content, either way.
const SCRATCH: usize = 1 << 14;
/// What it may hold back; one more is fatal, so all that is there is taken after every step.
const QUEUE: usize = 256;

/// The connection is over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DtlsError {
    /// The certificate is not the one that the description announced.
    #[error("the other side has another certificate than it announced")]
    Fingerprint,
    #[error("DTLS: {0}")]
    Dtls(#[from] dimpl::Error),
    #[error("no certificate can be made")]
    Certificate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Shaking {
        expected: Fingerprint,
        verified: bool,
    },
    Connected {
        told: bool,
    },
    /// The other side said that it is over.
    Closed,
}

pub(crate) struct Dtls {
    inner: dimpl::Dtls,
    fingerprint: Fingerprint,
    state: State,
    /// Handshake and alerts, to be sent.
    outgoing: VecDeque<Vec<u8>>,
    wake: Option<Instant>,
    now: Instant,
    scratch: Vec<u8>,
}

impl Dtls {
    /// Makes a key and a certificate of its own.
    pub(crate) fn new(now: Instant) -> Result<Self, DtlsError> {
        let certificate =
            dimpl::certificate::generate_self_signed_certificate().map_err(|_| DtlsError::Certificate)?;
        let fingerprint = fingerprint(&certificate);
        // ICE has proved the address already, so the server asks for no cookie.
        let config = Config::builder()
            .mtu(MTU)
            .use_server_cookie(false)
            .flight_start_rto(FIRST_RETRY)
            .flight_retries(RETRIES)
            .handshake_timeout(HANDSHAKE)
            .max_queue_tx(QUEUE)
            .max_queue_rx(QUEUE)
            .build()?;
        Ok(Self {
            inner: dimpl::Dtls::new_auto(Arc::new(config), certificate, now),
            fingerprint,
            state: State::Waiting,
            outgoing: VecDeque::new(),
            wake: None,
            now,
            scratch: vec![0; SCRATCH],
        })
    }

    /// Of our certificate, for our description.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Begins, as client or as server; data is released only by a peer whose certificate has this fingerprint.
    pub(crate) fn start(
        &mut self,
        client: bool,
        expected: Fingerprint,
        now: Instant,
    ) -> Result<(), DtlsError> {
        if self.state == State::Waiting {
            self.state = State::Shaking { expected, verified: false };
            self.inner.set_active(client);
            self.handle_timeout(now)?;
        }
        Ok(())
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.state == State::Waiting
    }

    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.state, State::Connected { .. })
    }

    /// Whether it is connected now and was not at the last call.
    pub(crate) fn take_connected(&mut self) -> bool {
        match &mut self.state {
            State::Connected { told } => !std::mem::replace(told, true),
            _ => false,
        }
    }

    /// The other side said good-bye.
    pub(crate) fn is_closed(&self) -> bool {
        self.state == State::Closed
    }

    /// Takes a datagram; `opened` gets what was in it.
    pub(crate) fn handle_datagram(
        &mut self,
        datagram: &[u8],
        now: Instant,
        opened: impl FnMut(&[u8]),
    ) -> Result<(), DtlsError> {
        if self.state == State::Waiting {
            return Ok(()); // sent again
        }
        self.keep_time(now)?;
        match self.inner.handle_packet(datagram) {
            // Not a DTLS server's first word: noise, and nothing has changed.
            Err(dimpl::Error::UnexpectedMessage(error)) if self.inner.protocol_version().is_none() => {
                tracing::debug!(?error, "a datagram was refused");
            }
            result => result?,
        }
        self.drain(opened)
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.state == State::Waiting {
            return Ok(());
        }
        self.now = now;
        self.inner.handle_timeout(now)?;
        self.drain(|_| {})
    }

    /// Its clock; also when it renews keys after so many records.
    fn keep_time(&mut self, now: Instant) -> Result<(), DtlsError> {
        if now != self.now {
            self.now = now;
            self.inner.handle_timeout(now)?;
        }
        Ok(())
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// The next datagram of its own.
    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Appends a record with `packet` in it. To be called when connected.
    pub(crate) fn seal(&mut self, packet: &[u8], now: Instant, out: &mut Vec<u8>) -> Result<(), DtlsError> {
        self.keep_time(now)?;
        self.inner.send_application_data(packet)?;
        let start = out.len();
        loop {
            match self.inner.poll_output(&mut self.scratch) {
                Output::Packet(record) if out.len() == start => out.extend_from_slice(record),
                Output::Packet(record) => self.outgoing.push_back(record.to_vec()),
                Output::Timeout(at) => {
                    self.wake = Some(at);
                    return Ok(());
                }
                _ => {}
            }
        }
    }

    /// Queues a record with `packet` in it among its own datagrams. To be called when connected.
    pub(crate) fn seal_apart(&mut self, packet: &[u8], now: Instant) -> Result<(), DtlsError> {
        let mut record = Vec::new();
        self.seal(packet, now, &mut record)?;
        self.outgoing.push_back(record);
        Ok(())
    }

    /// Says good-bye (RFC 9147 §5.10), if there is a connection.
    pub(crate) fn close(&mut self) {
        if self.is_connected()
            && let Err(error) = self.inner.close().map_err(DtlsError::from).and_then(|()| self.drain(|_| {}))
        {
            tracing::debug!(%error, "closing without a good-bye");
        }
        self.state = State::Closed;
    }

    fn drain(&mut self, mut opened: impl FnMut(&[u8])) -> Result<(), DtlsError> {
        loop {
            match (self.inner.poll_output(&mut self.scratch), &mut self.state) {
                (Output::Packet(record), _) => self.outgoing.push_back(record.to_vec()),
                (Output::ApplicationData(data), State::Connected { .. }) => opened(data),
                (Output::PeerCert(der), State::Shaking { expected, verified }) => {
                    if *expected != sha256(der) {
                        return Err(DtlsError::Fingerprint);
                    }
                    *verified = true;
                }
                (Output::Connected, State::Shaking { verified, .. }) => {
                    if !*verified {
                        return Err(DtlsError::Fingerprint);
                    }
                    tracing::debug!(version = ?self.inner.protocol_version(), "DTLS is connected");
                    self.state = State::Connected { told: false };
                }
                (Output::CloseNotify, _) => self.state = State::Closed,
                (Output::BufferTooSmall { needed }, _) => self.scratch.resize(needed, 0),
                (Output::Timeout(at), _) => {
                    self.wake = Some(at);
                    return Ok(());
                }
                _ => {}
            }
        }
    }
}

fn fingerprint(certificate: &DtlsCertificate) -> Fingerprint {
    sha256(&certificate.certificate)
}

fn sha256(der: &[u8]) -> Fingerprint {
    Fingerprint(digest(&SHA256, der).as_ref().try_into().expect("SHA-256 gives 32 bytes"))
}

impl fmt::Debug for Dtls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dtls").field("state", &self.state).finish_non_exhaustive()
    }
}
