//! The frame of a chunk, and the choice among them (RFC 9260 §3.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+---------------+-------------------------------+
//! |     type      |     flags     |            length             |
//! +---------------+---------------+-------------------------------+
//! |                             value ...                         |
//! ```
use super::{
    Abort, CookieAck, CookieEcho, Data, DeltaSack, Error, ForwardTsn, Heartbeat, HeartbeatAck, IData,
    IForwardTsn, Init, Malformed, Pad, Reconfig, Sack, Shutdown, ShutdownAck, ShutdownComplete,
};

/// The first byte of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunkType(pub u8);

impl ChunkType {
    pub const DATA: Self = Self(0);
    pub const INIT: Self = Self(1);
    pub const INIT_ACK: Self = Self(2);
    pub const SACK: Self = Self(3);
    pub const HEARTBEAT: Self = Self(4);
    pub const HEARTBEAT_ACK: Self = Self(5);
    pub const ABORT: Self = Self(6);
    pub const SHUTDOWN: Self = Self(7);
    pub const SHUTDOWN_ACK: Self = Self(8);
    pub const ERROR: Self = Self(9);
    pub const COOKIE_ECHO: Self = Self(10);
    pub const COOKIE_ACK: Self = Self(11);
    pub const SHUTDOWN_COMPLETE: Self = Self(14);
    /// RFC 8260 §2.1.
    pub const I_DATA: Self = Self(0x40);
    /// RFC 6525 §3.1.
    pub const RECONFIG: Self = Self(0x82);
    /// RFC 4820 §3.
    pub const PAD: Self = Self(0x84);
    /// Private: see [`DeltaSack`].
    pub const DELTA_SACK: Self = Self(0x9c);
    /// RFC 3758 §3.2.
    pub const FORWARD_TSN: Self = Self(0xc0);
    /// RFC 8260 §2.3.
    pub const I_FORWARD_TSN: Self = Self(0xc2);

    /// What the two high bits ask of somebody who does not know the type
    /// ([RFC 9260 §3.2](https://www.rfc-editor.org/rfc/rfc9260#section-3.2)).
    pub const fn on_unknown(self) -> OnUnknown {
        OnUnknown { skip: self.0 & 0x80 != 0, report: self.0 & 0x40 != 0 }
    }
}

/// How to treat an unknown chunk or parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnUnknown {
    /// Go on with what follows; else drop the rest.
    pub skip: bool,
    /// Tell the sender.
    pub report: bool,
}

/// A chunk whose value nobody looked at yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Raw<'a> {
    pub kind: ChunkType,
    pub flags: u8,
    /// Without header and padding.
    pub value: &'a [u8],
}

/// A chunk of a type we know, or one we don't.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk<'a> {
    Data(Data<'a>),
    IData(IData<'a>),
    Init(Init),
    InitAck(Init),
    Sack(Sack<'a>),
    DeltaSack(DeltaSack<'a>),
    Heartbeat(Heartbeat<'a>),
    HeartbeatAck(HeartbeatAck<'a>),
    Abort(Abort<'a>),
    Shutdown(Shutdown),
    ShutdownAck,
    Error(Error<'a>),
    CookieEcho(CookieEcho<'a>),
    CookieAck,
    ShutdownComplete,
    Reconfig(Reconfig<'a>),
    Pad(Pad),
    ForwardTsn(ForwardTsn<'a>),
    IForwardTsn(IForwardTsn<'a>),
    Unknown(Raw<'a>),
}

impl<'a> Chunk<'a> {
    pub fn parse(raw: Raw<'a>) -> Result<Self, Malformed> {
        let Raw { kind, flags, value } = raw;
        Ok(match kind {
            ChunkType::DATA => Chunk::Data(Data::parse(flags, value)?),
            ChunkType::I_DATA => Chunk::IData(IData::parse(flags, value)?),
            ChunkType::INIT => Chunk::Init(Init::parse(value)?),
            ChunkType::INIT_ACK => Chunk::InitAck(Init::parse(value)?),
            ChunkType::SACK => Chunk::Sack(Sack::parse(value)?),
            ChunkType::DELTA_SACK => Chunk::DeltaSack(DeltaSack::parse(value)?),
            ChunkType::HEARTBEAT => Chunk::Heartbeat(Heartbeat::parse(value)?),
            ChunkType::HEARTBEAT_ACK => Chunk::HeartbeatAck(HeartbeatAck::parse(value)?),
            ChunkType::ABORT => Chunk::Abort(Abort::parse(flags, value)),
            ChunkType::SHUTDOWN => Chunk::Shutdown(Shutdown::parse(value)?),
            ChunkType::SHUTDOWN_ACK => Chunk::ShutdownAck,
            ChunkType::ERROR => Chunk::Error(Error::parse(value)),
            ChunkType::COOKIE_ECHO => Chunk::CookieEcho(CookieEcho::parse(value)),
            ChunkType::COOKIE_ACK => Chunk::CookieAck,
            ChunkType::SHUTDOWN_COMPLETE => Chunk::ShutdownComplete,
            ChunkType::RECONFIG => Chunk::Reconfig(Reconfig::parse(value)?),
            ChunkType::PAD => Chunk::Pad(Pad::parse(value)),
            ChunkType::FORWARD_TSN => Chunk::ForwardTsn(ForwardTsn::parse(value)?),
            ChunkType::I_FORWARD_TSN => Chunk::IForwardTsn(IForwardTsn::parse(value)?),
            _ => Chunk::Unknown(raw),
        })
    }

    /// Appends the chunk, padded.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Chunk::Data(data) => data.write(out),
            Chunk::IData(data) => data.write(out),
            Chunk::Init(init) => init.write(ChunkType::INIT, out),
            Chunk::InitAck(init) => init.write(ChunkType::INIT_ACK, out),
            Chunk::Sack(sack) => sack.write(out),
            Chunk::DeltaSack(sack) => sack.write(out),
            Chunk::Heartbeat(heartbeat) => heartbeat.write(out),
            Chunk::HeartbeatAck(ack) => ack.write(out),
            Chunk::Abort(abort) => abort.write(out),
            Chunk::Shutdown(shutdown) => shutdown.write(out),
            Chunk::ShutdownAck => ShutdownAck.write(out),
            Chunk::Error(error) => error.write(out),
            Chunk::CookieEcho(echo) => echo.write(out),
            Chunk::CookieAck => CookieAck.write(out),
            Chunk::ShutdownComplete => ShutdownComplete.write(out),
            Chunk::Reconfig(reconfig) => reconfig.write(out),
            Chunk::Pad(pad) => pad.write(out),
            Chunk::ForwardTsn(forward) => forward.write(out),
            Chunk::IForwardTsn(forward) => forward.write(out),
            Chunk::Unknown(raw) => {
                super::put_chunk(out, raw.kind, raw.flags, |out| out.extend_from_slice(raw.value));
            }
        }
    }
}
