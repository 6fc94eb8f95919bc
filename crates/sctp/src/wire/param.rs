//! Parameters and error causes: type-length-value with a two-byte type (RFC 9260 §3.2.1).
//!
//! ```text
//! +-------------------------------+-------------------------------+
//! |             type              |            length             |
//! +-------------------------------+-------------------------------+
//! |                           value ...                           |
//! ```
use super::{Malformed, OnUnknown};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param<'a> {
    pub kind: u16,
    pub value: &'a [u8],
}

impl Param<'_> {
    /// What the two high bits ask of somebody who does not know the type (RFC 9260 §3.2.1).
    pub const fn on_unknown(&self) -> OnUnknown {
        OnUnknown { skip: self.kind & 0x8000 != 0, report: self.kind & 0x4000 != 0 }
    }

    /// Appends the parameter, padded.
    pub fn write(&self, out: &mut Vec<u8>) {
        super::put_param(out, self.kind, |out| out.extend_from_slice(self.value));
    }
}

/// Iterates over parameters; ends after the first malformed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params<'a> {
    rest: &'a [u8],
}

impl<'a> Params<'a> {
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for Params<'a> {
    type Item = Result<Param<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = std::mem::take(&mut self.rest);
        let Some((&[k0, k1, hi, lo], _)) = rest.split_first_chunk::<4>() else {
            return (!rest.is_empty()).then_some(Err(Malformed("trailing bytes after a parameter")));
        };
        let len = usize::from(u16::from_be_bytes([hi, lo]));
        let Some(value) = rest.get(4..len.max(4)).filter(|_| len >= 4) else {
            return Some(Err(Malformed("a parameter's length")));
        };
        self.rest = rest.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Ok(Param { kind: u16::from_be_bytes([k0, k1]), value }))
    }
}
