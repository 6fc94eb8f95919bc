//! What the core asks of a WebRTC implementation, and what it hears from it.
//!
//! The same words drive a browser's `RTCPeerConnection` and a native stack:
//!
//! ```text
//! opener                                        joiner
//! Open{offerer} ─> Description(offer)   ···>    Open, SetRemote(offer) ─> Description(answer)
//! SetRemote(answer)                    <···     Candidate …
//! AddCandidate …                        ···>    AddCandidate …
//! ChannelOpen(control), ChannelOpen(data)       ChannelOpen(control), ChannelOpen(data)
//! ```
use std::fmt;

/// Names one RTCPeerConnection of a session: 0 carries control, others carry data only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneId(pub u8);

impl LaneId {
    /// The connection that carries the control channel.
    pub const FIRST: LaneId = LaneId(0);

    /// The channels of this lane.
    pub const fn channels(self) -> &'static [Channel] {
        match self {
            Self::FIRST => &[Channel::Control, Channel::Data],
            _ => &[Channel::Data],
        }
    }
}

/// A data channel of a lane. Both are negotiated (RFC 8832 is not used): the number is the SCTP stream
/// id on both sides. Both are ordered and reliable. Only the first lane has a control channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// Stream 0, label `control`: CBOR frames.
    Control,
    /// Stream 1, label `data`: file bytes.
    Data,
}

impl Channel {
    /// The SCTP stream id, agreed beforehand (`negotiated: true`).
    pub const fn stream(self) -> u16 {
        match self {
            Channel::Control => 0,
            Channel::Data => 1,
        }
    }

    /// The channel's label, for people who read a browser's internals page.
    pub const fn label(self) -> &'static str {
        match self {
            Channel::Control => "control",
            Channel::Data => "data",
        }
    }
}

/// A STUN or TURN server, as `RTCIceServer` has it.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    /// `stun:…`, `turn:…`, `turns:…` (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// TURN user name; absent for STUN.
    pub username: Option<String>,
    /// TURN password; absent for STUN.
    pub credential: Option<String>,
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// Offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SdpKind {
    /// The first half of a negotiation.
    Offer,
    /// The second half.
    Answer,
}

impl SdpKind {
    /// `RTCSdpType`'s name for it.
    pub const fn name(self) -> &'static str {
        match self {
            SdpKind::Offer => "offer",
            SdpKind::Answer => "answer",
        }
    }
}

/// An offer or an answer (RFC 8866 text). It holds addresses, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Description {
    /// Which half of the negotiation.
    pub kind: SdpKind,
    /// The session description, as the WebRTC implementation wrote it.
    pub sdp: String,
}

impl fmt::Debug for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Description({}, {} bytes)", self.kind.name(), self.sdp.len())
    }
}

/// One ICE candidate in the form `candidate:…` (RFC 8839 §5.1), for the one media section there is.
/// It holds an address, so `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Candidate(pub String);

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Candidate(…)")
    }
}

/// What a driver is to do with its WebRTC implementation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcAction {
    /// Create a connection with its channels: [`LaneId::channels`]. The offerer also makes an offer at once;
    /// the other side makes its answer when the offer comes with [`RtcAction::SetRemote`].
    Open {
        /// The name of the new connection.
        lane: LaneId,
        /// Whether this side writes the offer (and is controlling in ICE).
        offerer: bool,
        /// STUN and TURN servers to use; for a further lane only those that its path needs.
        ice: Vec<IceServer>,
    },
    /// Apply what the other side wrote. After an offer, make an answer. A driver carries out descriptions one
    /// after another, each when the one before is done.
    SetRemote {
        /// Which connection.
        lane: LaneId,
        /// The other side's offer or answer.
        description: Description,
    },
    /// Add a candidate of the other side. It never comes before the description it belongs to.
    AddCandidate {
        /// Which connection.
        lane: LaneId,
        /// The candidate; a driver ignores one that it cannot parse.
        candidate: Candidate,
    },
    /// Make a new offer of what the connection consists of now: a call's tracks were added or removed.
    Offer {
        /// Which connection.
        lane: LaneId,
    },
    /// Make a new offer with fresh ICE credentials (RFC 8445 §9).
    Restart {
        /// Which connection.
        lane: LaneId,
    },
    /// Take back this side's offer that was not answered (RFC 9429 §4.1.10.2), or the other side's that
    /// could not be; nothing, where there is none.
    Rollback {
        /// Which connection.
        lane: LaneId,
    },
    /// Close the connection and forget it.
    Close {
        /// Which connection.
        lane: LaneId,
    },
}

/// What a driver reports of its WebRTC implementation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RtcEvent {
    /// This side's offer or answer is set locally and can be sent.
    Description {
        /// Which connection.
        lane: LaneId,
        /// The offer or answer.
        description: Description,
    },
    /// This side gathered a candidate.
    Candidate {
        /// Which connection.
        lane: LaneId,
        /// The candidate.
        candidate: Candidate,
    },
    /// A channel is open in both directions.
    ChannelOpen {
        /// Which connection.
        lane: LaneId,
        /// Which channel.
        channel: Channel,
        /// The largest message that may be sent, in bytes (`RTCSctpTransport.maxMessageSize`;
        /// 65,536 where the description is silent, RFC 8841 §6.1).
        max_message: usize,
    },
    /// What [`RtcAction::Offer`], `Restart` or `SetRemote` asked for could not be done.
    Failed {
        /// Which connection.
        lane: LaneId,
        /// Which part of it.
        step: Step,
    },
    /// ICE found the pair of candidates that it uses (RFC 8445 §8.1.1), or another one.
    Nominated {
        /// Which connection.
        lane: LaneId,
        /// This side's end.
        local: CandidateType,
        /// The other side's end.
        remote: CandidateType,
    },
    /// The state of a connection changed.
    State {
        /// Which connection.
        lane: LaneId,
        /// The new state.
        state: LaneState,
    },
}

impl RtcEvent {
    /// Which connection it is about.
    pub const fn lane(&self) -> LaneId {
        match self {
            Self::Description { lane, .. }
            | Self::Candidate { lane, .. }
            | Self::ChannelOpen { lane, .. }
            | Self::Failed { lane, .. }
            | Self::Nominated { lane, .. }
            | Self::State { lane, .. } => *lane,
        }
    }
}

/// A part of a negotiation. A driver takes them one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making an offer and setting it.
    MakeOffer,
    /// Applying the other side's offer, making an answer and setting it.
    Answer,
    /// Applying the other side's answer.
    ApplyAnswer,
}

/// The state of a connection, as `RTCPeerConnectionState` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneState {
    /// ICE and DTLS are done.
    Connected,
    /// Nothing is heard for a few seconds; it may come back by itself.
    Disconnected,
    /// It does not come back without an ICE restart.
    Failed,
    /// The other side closed it (DTLS close_notify or SCTP shutdown).
    Closed,
}

/// Where a candidate comes from (RFC 8445 §5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateType {
    /// An interface of the device.
    Host,
    /// What a STUN server or the peer saw: a NAT's outer side.
    Reflexive,
    /// A TURN server.
    Relayed,
}
