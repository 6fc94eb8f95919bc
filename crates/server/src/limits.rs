//! What one socket, one address and the whole process may use.
//!
//! Buckets and budgets are plain values; the time is an argument. They are against nuisance only: what
//! protects a transfer is that its opener counts wrong guesses itself.
use beeline_core::time::Time;
use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

/// Limits of rooms and sockets. The defaults suit a public server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Sockets at the same time; also at most 80 % of the file descriptors that the process may open.
    pub sockets: usize,
    /// Sockets at the same time from one address (IPv4 /32, IPv6 /64).
    pub sockets_per_address: u32,
    /// Messages a second of one socket, in the long run.
    pub messages_per_second: f64,
    /// Messages that a socket may send at once.
    pub message_burst: f64,
    /// Rooms a minute from one address, in the long run.
    pub rooms_per_minute: f64,
    /// Rooms that one address may open at once.
    pub room_burst: f64,
    /// Wrong codes a minute from one address; beyond, it waits, each time twice as long.
    pub guesses_per_minute: f64,
    /// How many times as much an address of this machine may: there stands a reverse proxy, or a test.
    pub loopback_factor: u32,
    /// Bytes of messages kept for receivers, over all rooms.
    pub kept_bytes: usize,
    /// From the start of a socket to its first message.
    pub hello_within: Duration,
    /// Between two pings.
    pub ping_every: Duration,
    /// A socket from which nothing was heard for this long is dead.
    pub dead_after: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sockets: 16_384,
            sockets_per_address: 32,
            messages_per_second: 20.0,
            message_burst: 200.0,
            rooms_per_minute: 4.0,
            room_burst: 20.0,
            guesses_per_minute: 10.0,
            loopback_factor: 64,
            kept_bytes: 256 << 20,
            hello_within: Duration::from_secs(10),
            ping_every: Duration::from_secs(25),
            dead_after: Duration::from_secs(60),
        }
    }
}

/// The part of an address that belongs to one customer: IPv4 whole, IPv6 its /64.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct AddressGroup(IpAddr);

impl AddressGroup {
    /// The group of `address`. An IPv4 address in IPv6 clothes (`::ffff:a.b.c.d`) is an IPv4 address.
    pub(crate) fn of(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(v6) if !v6.is_loopback() => {
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)))
            }
            other => other,
        })
    }

    fn is_loopback(self) -> bool {
        self.0.is_loopback()
    }
}

/// Cut to IPv4 /24, IPv6 /48: enough to see a pattern in a log, too little to see a person.
impl fmt::Display for AddressGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                write!(f, "{a}.{b}.{c}.0/24")
            }
            IpAddr::V6(v6) => {
                let [a, b, c, ..] = v6.segments();
                write!(f, "{a:x}:{b:x}:{c:x}::/48")
            }
        }
    }
}

impl fmt::Debug for AddressGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A token bucket that starts full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    tokens: f64,
    burst: f64,
    per_second: f64,
    filled: Time,
}

impl Bucket {
    pub(crate) fn full(burst: f64, per_second: f64, now: Time) -> Self {
        Self { tokens: burst, burst, per_second, filled: now }
    }

    /// Takes one token; else says when there will be one.
    pub(crate) fn take(&mut self, now: Time) -> Result<(), Duration> {
        self.fill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64(((1.0 - self.tokens) / self.per_second).min(3600.0)))
    }

    fn is_full(&mut self, now: Time) -> bool {
        self.fill(now);
        self.tokens >= self.burst
    }

    fn fill(&mut self, now: Time) {
        let gained = now.since(self.filled).as_secs_f64() * self.per_second;
        self.tokens = (self.tokens + gained).min(self.burst);
        self.filled = now;
    }
}

/// What one address has used. It outlives its sockets, so that a reconnect does not reset it.
#[derive(Debug)]
struct Usage {
    sockets: u32,
    rooms: Bucket,
    guesses: Bucket,
    /// Waits so far; the next is twice as long.
    strikes: u32,
    blocked_until: Time,
}

/// The first wait after too many wrong codes; it doubles up to [`LONGEST_BLOCK`].
const FIRST_BLOCK: Duration = Duration::from_secs(6);
const LONGEST_BLOCK: Duration = Duration::from_secs(600);

/// What each address has used.
#[derive(Debug)]
pub(crate) struct Budgets {
    limits: Limits,
    used: HashMap<AddressGroup, Usage>,
}

impl Budgets {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, used: HashMap::new() }
    }

    fn factor(&self, from: AddressGroup) -> f64 {
        if from.is_loopback() { f64::from(self.limits.loopback_factor.max(1)) } else { 1.0 }
    }

    fn usage(&mut self, from: AddressGroup, now: Time) -> &mut Usage {
        let (limits, factor) = (&self.limits, self.factor(from));
        self.used.entry(from).or_insert_with(|| Usage {
            sockets: 0,
            rooms: Bucket::full(limits.room_burst * factor, limits.rooms_per_minute * factor / 60.0, now),
            guesses: Bucket::full(
                limits.guesses_per_minute * factor,
                limits.guesses_per_minute * factor / 60.0,
                now,
            ),
            strikes: 0,
            blocked_until: now,
        })
    }

    /// Counts a new socket; false if the address has too many.
    pub(crate) fn socket(&mut self, from: AddressGroup, now: Time) -> bool {
        let most = f64::from(self.limits.sockets_per_address) * self.factor(from);
        let usage = self.usage(from, now);
        let admitted = f64::from(usage.sockets) < most;
        usage.sockets += u32::from(admitted);
        admitted
    }

    /// Uncounts a socket that was admitted.
    pub(crate) fn socket_closed(&mut self, from: AddressGroup) {
        if let Some(usage) = self.used.get_mut(&from) {
            usage.sockets = usage.sockets.saturating_sub(1);
        }
    }

    /// Counts a new room; else says how long to wait.
    pub(crate) fn room(&mut self, from: AddressGroup, now: Time) -> Result<(), Duration> {
        self.usage(from, now).rooms.take(now)
    }

    /// Whether the address may try a code now; else how long it has to wait. Asking counts nothing.
    pub(crate) fn may_guess(&mut self, from: AddressGroup, now: Time) -> Result<(), Duration> {
        match self.usage(from, now).blocked_until.since(now) {
            Duration::ZERO => Ok(()),
            wait => Err(wait),
        }
    }

    /// Counts a wrong code.
    pub(crate) fn wrong_guess(&mut self, from: AddressGroup, now: Time) {
        let usage = self.usage(from, now);
        if usage.guesses.is_full(now) {
            usage.strikes = 0; // quiet for a minute
        }
        if usage.guesses.take(now).is_err() || usage.guesses.tokens < 1.0 {
            let wait = FIRST_BLOCK.saturating_mul(1 << usage.strikes.min(10)).min(LONGEST_BLOCK);
            usage.blocked_until = now + wait;
            usage.strikes += 1;
        }
    }

    /// Forgets addresses that have nothing left to remember.
    pub(crate) fn forget_idle(&mut self, now: Time) {
        self.used.retain(|_, usage| {
            usage.sockets > 0
                || now < usage.blocked_until + LONGEST_BLOCK
                || !usage.rooms.is_full(now)
                || !usage.guesses.is_full(now)
        });
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.used.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Time {
        Time::from_origin(Duration::from_secs(seconds))
    }

    fn group(address: &str) -> AddressGroup {
        AddressGroup::of(address.parse().unwrap())
    }

    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_the_same_customer() {
        assert_eq!(group("::ffff:192.0.2.7"), group("192.0.2.7"));
        assert_ne!(group("192.0.2.7"), group("192.0.2.8"));
        assert_eq!(group("2001:db8:1:2::1"), group("2001:db8:1:2:ffff::9"));
        assert_ne!(group("2001:db8:1:2::1"), group("2001:db8:1:3::1"));
    }

    #[test]
    fn logs_show_less_than_an_address() {
        assert_eq!(group("192.0.2.77").to_string(), "192.0.2.0/24");
        assert_eq!(format!("{:?}", group("2001:db8:1:2::1")), "2001:db8:1::/48");
    }

    #[test]
    fn wrong_codes_block_an_address_longer_each_time() {
        let mut budgets = Budgets::new(Limits::default());
        let from = group("192.0.2.7");

        for _ in 0..10 {
            assert!(budgets.may_guess(from, at(0)).is_ok());
            budgets.wrong_guess(from, at(0));
        }

        assert_eq!(budgets.may_guess(from, at(0)), Err(Duration::from_secs(6)));
        assert!(budgets.may_guess(from, at(6)).is_ok());
        budgets.wrong_guess(from, at(6));
        assert_eq!(budgets.may_guess(from, at(6)), Err(Duration::from_secs(12)));
        assert!(budgets.may_guess(group("192.0.2.8"), at(6)).is_ok(), "others are not blocked");
    }

    #[test]
    fn a_quiet_minute_forgives() {
        let mut budgets = Budgets::new(Limits::default());
        let from = group("192.0.2.7");
        (0..12).for_each(|_| budgets.wrong_guess(from, at(0)));

        (0..10).for_each(|_| budgets.wrong_guess(from, at(100)));

        assert_eq!(budgets.may_guess(from, at(100)), Err(Duration::from_secs(6)));
    }

    #[test]
    fn addresses_are_forgotten_when_they_have_used_nothing_for_long() {
        let mut budgets = Budgets::new(Limits::default());
        assert!(budgets.socket(group("192.0.2.7"), at(0)));
        budgets.socket_closed(group("192.0.2.7"));
        budgets.wrong_guess(group("192.0.2.8"), at(0));

        budgets.forget_idle(at(1));
        assert_eq!(budgets.remembered(), 2);
        budgets.forget_idle(at(1000));
        assert_eq!(budgets.remembered(), 0);
    }

    #[test]
    fn this_machine_may_more() {
        let mut budgets =
            Budgets::new(Limits { sockets_per_address: 1, loopback_factor: 3, ..Limits::default() });

        assert!((0..3).all(|_| budgets.socket(group("127.0.0.1"), at(0))));
        assert!(!budgets.socket(group("127.0.0.1"), at(0)));
        assert!(budgets.socket(group("192.0.2.7"), at(0)));
        assert!(!budgets.socket(group("192.0.2.7"), at(0)));
    }
}
