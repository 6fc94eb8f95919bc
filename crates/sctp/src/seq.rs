//! Sequence numbers that do not wrap.
//!
//! The wire's TSNs have 32 bits and wrap; inside they have 64, so that comparing is `<` (RFC 9260 §1.6).

/// A transmission sequence number, extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Tsn(pub(crate) u64);

impl Tsn {
    /// The first TSN of a direction. The upper half starts at one, so that predecessors exist.
    pub(crate) const fn initial(wire: u32) -> Self {
        Self(1 << 32 | wire as u64)
    }

    /// The number nearest to `self` that looks like `wire`.
    pub(crate) const fn near(self, wire: u32) -> Self {
        let ahead = wire.wrapping_sub(self.0 as u32) as i32;
        Self(self.0.wrapping_add_signed(ahead as i64))
    }

    pub(crate) const fn wire(self) -> u32 {
        self.0 as u32
    }

    pub(crate) const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    pub(crate) const fn previous(self) -> Self {
        Self(self.0 - 1)
    }
}
