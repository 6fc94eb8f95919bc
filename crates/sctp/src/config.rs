//! What an association may do, and how it behaves.
use std::time::Duration;

/// Settings of one association. The defaults suit WebRTC over any path.
#[derive(Debug, Clone)]
pub struct Config {
    /// `a=sctp-port` of both sides.
    pub local_port: u16,
    pub remote_port: u16,
    /// Largest SCTP packet that every path carries, bytes: 1200 of UDP payload less a DTLS 1.3 record's 22.
    pub packet_size: usize,
    /// Largest one that is probed for (RFC 8899), bytes; not more than `packet_size`: none. What IP, UDP and DTLS add
    /// is the caller's to subtract.
    pub max_packet_size: usize,
    /// Largest message taken from the peer (our `a=max-message-size`), bytes. A larger one ends the association.
    pub max_message_size: usize,
    /// Largest message the peer takes (its `a=max-message-size`), bytes.
    pub peer_max_message_size: usize,
    /// Say that a checksum of zero is fine, and send so if the peer says it too (RFC 9653; needs DTLS beneath).
    pub zero_checksum: bool,
    /// Offer I-DATA (RFC 8260).
    pub interleaving: bool,
    pub congestion: Congestion,
    pub recovery: Recovery,
    /// Packets sent back to back at most, for senders without pacing (RFC 9260 §6.1 D).
    pub max_burst: Option<u32>,
    /// Retransmission timeout before anything was measured, and its floor and ceiling (RFC 9260 §16).
    pub rto_initial: Duration,
    pub rto_min: Duration,
    pub rto_max: Duration,
    /// Longest wait before a packet is acknowledged; RFC 9260 §6.2 allows 500 ms.
    pub ack_delay: Duration,
    /// Gap blocks in a SACK, at most (also bounded by the packet). A browser reports 20: a path that loses more in a
    /// round trip than that cannot be filled towards it, because its sender does not learn what arrived.
    pub max_gap_blocks: usize,
    pub receive_window: ReceiveWindow,
    /// Timeouts in a row after which the peer is given up (RFC 9260 §8.1).
    pub max_retransmissions: u32,
    /// How often a silent path is tried.
    pub heartbeat: Duration,
    /// Tell the peer that our sender spreads its packets.
    pub paced: bool,
    /// Offer acknowledgements of what changed, without the bounds of SACK ([`DeltaSack`](crate::wire::DeltaSack)).
    pub delta_sacks: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Congestion {
    /// Rate model: maximum delivery rate and minimum round trip (draft-ietf-ccwg-bbr).
    Bbr,
    /// RFC 9438, paced.
    Cubic,
    /// RFC 9260 §7.2, as browsers do.
    NewReno,
}

/// How a lost packet is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// A packet sent a reordering window before one that arrived (RFC 8985), and a tail-loss probe.
    Time,
    /// Three SACKs that miss it (RFC 9260 §7.2.4), as browsers do.
    Counting,
}

/// What we advertise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReceiveWindow {
    Fixed(usize),
    /// Follows the measured delivery: `initial` at first, never more than `max`.
    Adaptive {
        initial: usize,
        max: usize,
    },
}

impl Default for Config {
    fn default() -> Self {
        Self {
            local_port: 5000,
            remote_port: 5000,
            packet_size: 1178,
            max_packet_size: 1178,
            max_message_size: 256 << 10,
            peer_max_message_size: 64 << 10, // RFC 8841 §6.1: what no attribute means
            zero_checksum: true,
            interleaving: true,
            congestion: Congestion::Bbr,
            recovery: Recovery::Time,
            max_burst: None,
            rto_initial: Duration::from_millis(500),
            rto_min: Duration::from_millis(300),
            rto_max: Duration::from_secs(8),
            ack_delay: Duration::from_millis(20),
            max_gap_blocks: usize::MAX,
            receive_window: ReceiveWindow::Adaptive { initial: 32 << 10, max: 192 << 20 },
            max_retransmissions: 10,
            heartbeat: Duration::from_secs(15),
            paced: true,
            delta_sacks: true,
        }
    }
}

impl Config {
    /// Behaves as today's browsers do on the wire; for simulations and comparisons.
    pub fn stock_browser() -> Self {
        Self {
            packet_size: 1191,
            max_packet_size: 1191,
            zero_checksum: false,
            interleaving: false,
            congestion: Congestion::NewReno,
            recovery: Recovery::Counting,
            max_burst: Some(4),
            rto_min: Duration::from_millis(400),
            ack_delay: Duration::from_millis(200),
            max_gap_blocks: 20,
            receive_window: ReceiveWindow::Fixed(5 << 20),
            paced: false,
            delta_sacks: false,
            rto_max: Duration::from_secs(60),
            ..Self::default()
        }
    }
}
