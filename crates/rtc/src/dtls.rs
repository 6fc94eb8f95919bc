//! The one place that knows `dimpl`: DTLS 1.3 or 1.2 (RFC 9147, RFC 6347), whichever the other side speaks.
//!
//! ```text
//! Waiting ──start, as client or server──> Shaking ──certificate is the announced one, Finished──> Connected
//!                                            └──────── another certificate, an error ──> (an error, the end)
//! ```
//! One record carries one SCTP packet and goes in one datagram, as segmentation offload wants it.
use std::{collections::VecDeque, fmt, sync::Arc, time::Duration, time::Instant};

use aws_lc_rs::digest::{SHA256, digest};
use dimpl::{Config, DtlsCertificate, Output, ProtocolVersion};

use crate::sdp::Fingerprint;

mod provider;
mod records;

use records::Openers;

/// Room that [`Dtls::seal`] wants before a packet.
pub(crate) const GAP: usize = records::HEADER;
/// What `dimpl` writes in place of a packet; the record's length with it.
const PLACEHOLDER: [u8; 1] = [0];
const PLACEHOLDER_RECORD: usize = records::HEADER + PLACEHOLDER.len() + 1 + records::TAG;

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

/// After so many the key is renewed (RFC 9147 §4.5.3 allows 2^24.5 for AES-GCM); 10 GB of data.
const RECORDS_PER_KEY: u64 = 1 << 23;

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
    #[error("a record can't be sealed")]
    Seal,
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
    openers: Openers,
}

impl Dtls {
    /// Makes a key and a certificate of its own.
    pub(crate) fn new(now: Instant) -> Result<Self, DtlsError> {
        Self::with_limit(RECORDS_PER_KEY, now)
    }

    fn with_limit(records: u64, now: Instant) -> Result<Self, DtlsError> {
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
            .aead_encryption_limit(records)
            .with_crypto_provider(provider::provider())
            .build()?;
        Ok(Self {
            inner: dimpl::Dtls::new_auto(Arc::new(config), certificate, now),
            fingerprint,
            state: State::Waiting,
            outgoing: VecDeque::new(),
            wake: None,
            now,
            scratch: vec![0; SCRATCH],
            openers: Openers::default(),
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
        mut opened: impl FnMut(&[u8]),
    ) -> Result<(), DtlsError> {
        if self.state == State::Waiting {
            return Ok(()); // sent again
        }
        if self.is_connected()
            && let Some(data) = self.openers.open(datagram, &mut self.scratch)
        {
            if !data.is_empty() {
                opened(data);
            }
            return Ok(());
        }
        self.keep_time(now)?;
        let result = self.inner.handle_packet(datagram);
        if let Some(note) = provider::take_note().filter(|_| self.is_connected()) {
            self.openers.learn(note);
        }
        match result {
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

    /// Its clock; also when it renews keys after so many records. Whether that was anything new.
    fn keep_time(&mut self, now: Instant) -> Result<bool, DtlsError> {
        let new = now != self.now;
        if new {
            self.now = now;
            self.inner.handle_timeout(now)?;
        }
        Ok(new)
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.wake
    }

    /// Bytes of a record around a packet: 13 of header, 8 of nonce and 16 of tag in DTLS 1.2 (RFC 5288 §3).
    pub(crate) fn overhead(&self) -> usize {
        match self.inner.protocol_version() {
            Some(ProtocolVersion::DTLS1_3) => records::HEADER + 1 + records::TAG,
            _ => 13 + 8 + records::TAG,
        }
    }

    /// The next datagram of its own.
    pub(crate) fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.outgoing.pop_front()
    }

    /// Makes a record of what `out` holds from `start` on: a gap of [`GAP`] bytes, then a packet. To be called when
    /// connected.
    pub(crate) fn seal(&mut self, start: usize, now: Instant, out: &mut Vec<u8>) -> Result<(), DtlsError> {
        // What it has to say by itself leaves first, so that the next record it writes is ours.
        if self.keep_time(now)? {
            self.drain(|_| {})?;
        }
        if self.inner.protocol_version() != Some(ProtocolVersion::DTLS1_3) {
            self.inner.send_application_data(&out[start + GAP..])?;
            out.truncate(start);
            self.take_record(|record| {
                out.extend_from_slice(record);
                record.len()
            });
            return Ok(());
        }
        let (written, note) = provider::granted(|| self.inner.send_application_data(&PLACEHOLDER));
        written?;
        self.take_record(|_| PLACEHOLDER_RECORD);
        // Without a note it wrote nothing: the packet is lost, as packets are.
        match note {
            Some(note) => records::seal(note, start, out).map_err(|_| DtlsError::Seal),
            None => {
                out.truncate(start);
                Ok(())
            }
        }
    }

    /// Gives the datagram that it wrote first to `take`, which says how many bytes of it were meant for it. The rest
    /// is its own.
    fn take_record(&mut self, take: impl FnOnce(&[u8]) -> usize) {
        let mut take = Some(take);
        loop {
            match self.inner.poll_output(&mut self.scratch) {
                Output::Packet(datagram) => {
                    let taken = take.take().map_or(0, |take| take(datagram)).min(datagram.len());
                    if taken < datagram.len() {
                        self.outgoing.push_back(datagram[taken..].to_vec());
                    }
                }
                Output::Timeout(at) => {
                    self.wake = Some(at);
                    return;
                }
                _ => {}
            }
        }
    }

    /// Queues a record with `packet` in it among its own datagrams. To be called when connected.
    pub(crate) fn seal_apart(&mut self, packet: &[u8], now: Instant) -> Result<(), DtlsError> {
        let mut record = [&[0; GAP], packet].concat();
        self.seal(0, now, &mut record)?;
        if !record.is_empty() {
            self.outgoing.push_back(record);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Carries what both have of their own until neither has any; gives what was opened.
    fn settle(ends: &mut [Dtls; 2], now: Instant) {
        for _ in 0..100 {
            let mut quiet = true;
            for from in 0..2 {
                while let Some(datagram) = ends[from].poll_transmit() {
                    quiet = false;
                    // What stands for a packet is not sealed and must not leave.
                    let zeros = ends[from].is_connected() && datagram.ends_with(&[0; records::TAG]);
                    assert!(!zeros && datagram.len() != PLACEHOLDER_RECORD, "{datagram:?}");
                    ends[1 - from]
                        .handle_datagram(&datagram, now, |_| panic!("no data is under way"))
                        .unwrap();
                }
            }
            if quiet {
                return;
            }
        }
        panic!("they do not come to rest");
    }

    fn connected(limit: u64, now: Instant) -> [Dtls; 2] {
        let mut ends = [Dtls::with_limit(limit, now).unwrap(), Dtls::with_limit(limit, now).unwrap()];
        let [a, b] = [ends[0].fingerprint(), ends[1].fingerprint()];
        ends[0].start(false, b, now).unwrap();
        ends[1].start(true, a, now).unwrap();
        settle(&mut ends, now);
        assert!(ends[0].is_connected() && ends[1].is_connected());
        ends
    }

    fn sealed(end: &mut Dtls, content: &[u8], now: Instant) -> Vec<u8> {
        let mut out = vec![7; 3];
        out.extend_from_slice(&[0; GAP]);
        out.extend_from_slice(content);
        end.seal(3, now, &mut out).unwrap();
        out.split_off(3)
    }

    fn opened(end: &mut Dtls, datagram: &[u8], now: Instant) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        end.handle_datagram(datagram, now, |data| all.push(data.to_vec())).unwrap();
        all
    }

    #[test]
    fn records_survive_many_renewals_of_keys_and_some_go_past_dimpl() {
        let mut now = Instant::now();
        let mut ends = connected(1000, now);

        for number in 0..30_000u32 {
            let (from, content) = (usize::from(number % 3 == 0), number.to_be_bytes().repeat(20));
            let record = sealed(&mut ends[from], &content, now);
            assert_eq!(opened(&mut ends[1 - from], &record, now), [content], "record {number}");
            if number % 50 == 0 {
                now += Duration::from_millis(1);
                ends.iter_mut().for_each(|end| end.handle_timeout(now).unwrap());
                settle(&mut ends, now);
            }
        }

        assert!(ends.iter().all(|end| end.openers.count() == 2));
    }

    #[test]
    fn batches_may_overtake_each_other_and_nothing_is_read_twice() {
        let now = Instant::now();
        let mut ends = connected(RECORDS_PER_KEY, now);

        for batch in 0..200u8 {
            let seal = |number: u8| sealed(&mut ends[0], &[batch, number], now);
            let records: Vec<_> = (0..250).map(seal).collect();
            for number in (100..250).chain(0..100) {
                let record = &records[usize::from(number)];
                assert_eq!(opened(&mut ends[1], record, now), [[batch, number]]);
                assert!(opened(&mut ends[1], record, now).is_empty());
            }
        }
    }

    #[test]
    fn damaged_records_are_dropped() {
        let now = Instant::now();
        let mut ends = connected(RECORDS_PER_KEY, now);
        let first = sealed(&mut ends[0], b"first", now);
        opened(&mut ends[1], &first, now);

        for at in 0..5 + 6 + 16 {
            let record = sealed(&mut ends[0], b"hello", now);
            let mut damaged = record.clone();
            damaged[at] ^= 0x11;
            assert!(opened(&mut ends[1], &damaged, now).is_empty(), "byte {at}");
            assert_eq!(opened(&mut ends[1], &record, now), [b"hello"], "byte {at}");
        }
    }
}
