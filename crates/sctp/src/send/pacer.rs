//! When the next packet may leave: bursts no longer than the path takes in well.
use std::time::Duration;

use crate::Time;

/// A timer of the system may be late by as much; what it missed may be sent at once then.
const LATENESS: Duration = Duration::from_millis(2);

#[derive(Debug)]
pub(crate) struct Pacer {
    /// The moment at which all that was sent is paid for.
    paid_at: u64,
    /// Set while the burst is used up: nothing leaves before.
    blocked_until: Option<Time>,
    start: bool,
}

impl Pacer {
    pub(crate) fn new() -> Self {
        Self { paid_at: 0, blocked_until: None, start: true }
    }

    /// Whether a packet may leave now, at `rate` bytes a second in bursts of `burst`.
    pub(crate) fn ready(&mut self, now: Time, burst: Duration) -> bool {
        if let Some(until) = self.blocked_until {
            if now < until {
                return false;
            }
            self.blocked_until = None;
        }
        let now = now.nanos();
        if self.start {
            (self.start, self.paid_at) = (false, now);
        }
        self.paid_at = self.paid_at.max(now.saturating_sub(LATENESS.as_nanos() as u64));
        if self.paid_at > now + burst.as_nanos() as u64 {
            self.blocked_until = Some(Time::from_nanos(self.paid_at));
            return false;
        }
        true
    }

    /// Accounts for a packet.
    pub(crate) fn sent(&mut self, size: u64, rate: u64) {
        self.paid_at += size * 1_000_000_000 / rate.max(1);
    }

    /// Something else holds packets back.
    pub(crate) fn unblock(&mut self) {
        self.blocked_until = None;
    }

    /// When to ask again, if the pacer is what holds packets back.
    pub(crate) fn deadline(&self) -> Option<Time> {
        self.blocked_until
    }
}
