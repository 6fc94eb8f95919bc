//! RE-CONFIG: closing streams (RFC 6525 §3.1; §4.1 outgoing reset, §4.2 incoming reset, §4.4 response).
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! |  type = 130   |   flags = 0   |            length             |
//! +---------------+---------------+-------------------------------+
//! |                one or two of the parameters below             |
//!
//! 13 outgoing reset   request number u32 | response number u32 | last assigned TSN u32 | streams u16 ...
//! 14 incoming reset   request number u32 | streams u16 ...
//! 16 response         request number u32 | result u32 | ...
//! ```
use super::{ChunkType, Malformed, Param, Params, put_chunk, put_param, u32_at};

const OUTGOING: u16 = 13;
const INCOMING: u16 = 14;
const RESPONSE: u16 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reconfig<'a> {
    params: Params<'a>,
}

/// Streams to reset; none means all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset<'a>(&'a [u8]);

impl Reset<'_> {
    pub fn streams(&self) -> impl ExactSizeIterator<Item = u16> {
        self.0.chunks_exact(2).map(|id| u16::from_be_bytes([id[0], id[1]]))
    }
}

/// What became of a request (RFC 6525 §4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResetResult(pub u32);

impl ResetResult {
    pub const NOTHING_TO_DO: Self = Self(0);
    pub const PERFORMED: Self = Self(1);
    pub const DENIED: Self = Self(2);
    pub const WRONG_SSN: Self = Self(3);
    pub const ALREADY_IN_PROGRESS: Self = Self(4);
    pub const BAD_SEQUENCE: Self = Self(5);
    pub const IN_PROGRESS: Self = Self(6);
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReconfigParam<'a> {
    /// "I will send no more on these; my last TSN was that."
    Outgoing {
        request: u32,
        response: u32,
        last_tsn: u32,
        reset: Reset<'a>,
    },
    /// "Please reset these of yours."
    Incoming {
        request: u32,
        reset: Reset<'a>,
    },
    Response {
        request: u32,
        result: ResetResult,
    },
    /// Adding streams, resetting TSNs: we do neither.
    Other {
        kind: u16,
        request: u32,
    },
}

impl<'a> Reconfig<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Malformed> {
        let params = Params::new(value);
        for param in params {
            Self::param(param?)?;
        }
        Ok(Self { params })
    }

    pub fn params(&self) -> impl Iterator<Item = ReconfigParam<'a>> + use<'a> {
        self.params.map_while(|param| Self::param(param.ok()?).ok())
    }

    fn param(param: Param<'a>) -> Result<ReconfigParam<'a>, Malformed> {
        let value = param.value;
        let request = u32_at(value, 0)?;
        Ok(match param.kind {
            OUTGOING => ReconfigParam::Outgoing {
                request,
                response: u32_at(value, 4)?,
                last_tsn: u32_at(value, 8)?,
                reset: Reset(&value[12..]),
            },
            INCOMING => ReconfigParam::Incoming { request, reset: Reset(&value[4..]) },
            RESPONSE => ReconfigParam::Response { request, result: ResetResult(u32_at(value, 4)?) },
            kind => ReconfigParam::Other { kind, request },
        })
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        put_chunk(out, ChunkType::RECONFIG, 0, |out| {
            for param in self.params.map_while(Result::ok) {
                param.write(out);
            }
        });
    }

    /// Appends an outgoing reset.
    pub fn write_outgoing(out: &mut Vec<u8>, request: u32, response: u32, last_tsn: u32, streams: &[u16]) {
        put_chunk(out, ChunkType::RECONFIG, 0, |out| {
            put_param(out, OUTGOING, |out| {
                for word in [request, response, last_tsn] {
                    out.extend_from_slice(&word.to_be_bytes());
                }
                for stream in streams {
                    out.extend_from_slice(&stream.to_be_bytes());
                }
            });
        });
    }

    /// Appends a response.
    pub fn write_response(out: &mut Vec<u8>, request: u32, result: ResetResult) {
        put_chunk(out, ChunkType::RECONFIG, 0, |out| {
            put_param(out, RESPONSE, |out| {
                out.extend_from_slice(&request.to_be_bytes());
                out.extend_from_slice(&result.0.to_be_bytes());
            });
        });
    }
}
