//! One direction of a line, in whatever time its caller lives.
//!
//! ```text
//! handle_packet ──> queue (bytes) ──> bottleneck (rate) ──> loss, cut ──> wire (delay) ──> poll_delivery
//!                      └─ full: dropped
//! ```
//!
//! As at a router with one slow port: a packet waits for those before it, is sent at the rate, and then travels. Packets
//! never overtake each other, also when the delay shrinks under way.

use std::collections::VecDeque;
use std::time::Duration;

use crate::{Measured, Settings};

/// The largest IP packet, in bytes.
pub const MTU: usize = 1500;

/// Buffers kept for reuse: a bandwidth-delay product of 1 Gbit/s and 50 ms.
const SPARE: usize = 4096;

/// One IP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    buffer: Box<[u8; MTU]>,
    len: usize,
}

impl Default for Packet {
    fn default() -> Self {
        Self { buffer: Box::new([0; MTU]), len: 0 }
    }
}

impl Packet {
    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.buffer[..self.len]
    }

    /// Fills it by a function that says how many bytes it wrote, [`MTU`] at most.
    pub fn fill<E>(&mut self, fill: impl FnOnce(&mut [u8]) -> Result<usize, E>) -> Result<(), E> {
        self.len = fill(&mut self.buffer[..])?.min(MTU);
        Ok(())
    }
}

/// One direction of a line. Times are since any one moment and never go back.
#[derive(Debug)]
pub struct Pipe {
    settings: Settings,
    cut: bool,
    /// Those that wait, with their arrival; the first is being sent.
    queue: VecDeque<(Duration, Packet)>,
    /// Bytes in `queue`.
    backlog: u64,
    /// When the bottleneck had sent the last packet that left it.
    free: Duration,
    /// On their way, with the time at which they are due.
    wire: VecDeque<(Duration, Packet)>,
    /// When the last packet that was put on the wire is due.
    last_due: Duration,
    random: fastrand::Rng,
    spare: Vec<Packet>,
    measured: Measured,
}

impl Pipe {
    /// An empty one; `seed` decides which packets are lost.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            cut: false,
            queue: VecDeque::new(),
            backlog: 0,
            free: Duration::ZERO,
            wire: VecDeque::new(),
            last_due: Duration::ZERO,
            random: fastrand::Rng::with_seed(seed),
            spare: Vec::new(),
            measured: Measured::default(),
        }
    }

    /// From now on this is how it treats packets, those in the queue included.
    pub fn set(&mut self, settings: Settings, now: Duration) {
        self.serve(now);
        self.settings = settings;
    }

    /// How it treats packets.
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// While cut, everything that leaves the bottleneck is lost; the queue goes on as if it were not.
    pub fn set_cut(&mut self, cut: bool, now: Duration) {
        self.serve(now);
        self.cut = cut;
    }

    /// A buffer for the next packet.
    pub fn spare(&mut self) -> Packet {
        self.spare.pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub fn recycle(&mut self, packet: Packet) {
        if self.spare.len() < SPARE {
            self.spare.push(packet);
        }
    }

    /// A packet arrives at the queue.
    pub fn handle_packet(&mut self, packet: Packet, now: Duration) {
        self.serve(now);
        let len = packet.len as u64;
        if self.settings.bits_per_s > 0 && self.backlog + len > self.settings.queue {
            self.measured.dropped += 1;
            self.recycle(packet);
            return;
        }
        self.backlog += len;
        self.queue.push_back((now, packet));
    }

    /// The next packet that comes out at the other end by now.
    pub fn poll_delivery(&mut self, now: Duration) -> Option<Packet> {
        self.serve(now);
        let (due, packet) = self.wire.pop_front_if(|(due, _)| *due <= now)?;
        self.measured.came_out(packet.len, now - due);
        Some(packet)
    }

    /// When [`Pipe::poll_delivery`] may have something again.
    pub fn next_delivery(&self) -> Option<Duration> {
        let from_queue = || self.departure().map(|departure| departure + self.settings.delay);
        self.wire.front().map(|(due, _)| *due).or_else(from_queue)
    }

    /// What passed since the last call of [`Pipe::measure_anew`].
    pub fn measured(&self) -> &Measured {
        &self.measured
    }

    /// Sets all counters to zero.
    pub fn measure_anew(&mut self) {
        self.measured = Measured::default();
    }

    /// Whether nothing waits and nothing travels.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.wire.is_empty()
    }

    /// When the bottleneck will have sent the first of the queue.
    fn departure(&self) -> Option<Duration> {
        let (arrival, packet) = self.queue.front()?;
        Some(self.free.max(*arrival) + self.settings.transmission(packet.len))
    }

    /// Puts on the wire what the bottleneck has sent by now.
    fn serve(&mut self, now: Duration) {
        while let Some(departure) = self.departure().filter(|departure| *departure <= now) {
            let (arrival, packet) = self.queue.pop_front().expect("it has a departure");
            self.backlog -= packet.len as u64;
            self.measured.waited(self.free.saturating_sub(arrival));
            self.free = departure;
            if self.cut || (self.settings.loss > 0.0 && self.random.f64() < self.settings.loss) {
                self.measured.lost += 1;
                self.recycle(packet);
                continue;
            }
            self.last_due = self.last_due.max(departure + self.settings.delay);
            self.wire.push_back((self.last_due, packet));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MILLISECOND: Duration = Duration::from_millis(1);

    /// 12 Mbit/s: a full packet a millisecond; 10 ms away; ten packets may wait.
    const SETTINGS: Settings =
        Settings { bits_per_s: 12_000_000, delay: Duration::from_millis(10), queue: 15_000, loss: 0.0 };

    /// A full packet, told from others by its first byte.
    fn packet(mark: u8) -> Packet {
        let mut packet = Packet::default();
        let filled: Result<(), ()> = packet.fill(|buffer| {
            buffer[0] = mark;
            Ok(MTU)
        });
        filled.expect("nothing fails");
        packet
    }

    /// Runs until nothing is left: when each packet came out, in milliseconds, and its mark.
    fn deliveries(pipe: &mut Pipe) -> Vec<(u128, u8)> {
        let mut found = Vec::new();
        while let Some(next) = pipe.next_delivery() {
            while let Some(packet) = pipe.poll_delivery(next) {
                found.push((next.as_millis(), packet.bytes()[0]));
            }
        }
        found
    }

    #[test]
    fn packets_come_out_at_the_rate_after_the_delay() {
        let mut pipe = Pipe::new(SETTINGS, 1);
        for mark in 0..3 {
            pipe.handle_packet(packet(mark), Duration::ZERO);
        }

        assert_eq!(deliveries(&mut pipe), [(11, 0), (12, 1), (13, 2)]);
        assert_eq!(pipe.measured().queue_delay(100.0), 2 * MILLISECOND);
    }

    #[test]
    fn what_does_not_fit_into_the_queue_is_dropped_and_room_comes_with_time() {
        let mut pipe = Pipe::new(SETTINGS, 1);
        for mark in 0..12 {
            pipe.handle_packet(packet(mark), Duration::ZERO);
        }
        pipe.handle_packet(packet(100), MILLISECOND);

        assert_eq!(pipe.measured().dropped, 2);
        assert_eq!(deliveries(&mut pipe).last(), Some(&(21, 100)));
    }

    #[test]
    fn a_slower_rate_holds_back_what_waits_already() {
        let mut pipe = Pipe::new(SETTINGS, 1);
        for mark in 0..3 {
            pipe.handle_packet(packet(mark), Duration::ZERO);
        }
        pipe.set(Settings { bits_per_s: 3_000_000, ..SETTINGS }, MILLISECOND);

        assert_eq!(deliveries(&mut pipe), [(11, 0), (15, 1), (19, 2)]);
    }

    #[test]
    fn a_shorter_delay_lets_nobody_overtake() {
        let mut pipe = Pipe::new(SETTINGS, 1);
        pipe.handle_packet(packet(0), Duration::ZERO);
        pipe.set(Settings { delay: MILLISECOND, ..SETTINGS }, MILLISECOND);
        pipe.handle_packet(packet(1), MILLISECOND);

        assert_eq!(deliveries(&mut pipe), [(11, 0), (11, 1)]);
    }

    #[test]
    fn a_cut_loses_what_leaves_the_queue_meanwhile() {
        let mut pipe = Pipe::new(SETTINGS, 1);
        for mark in 0..4 {
            pipe.handle_packet(packet(mark), Duration::ZERO);
        }
        pipe.set_cut(true, MILLISECOND);
        pipe.set_cut(false, 3 * MILLISECOND);

        assert_eq!(deliveries(&mut pipe), [(11, 0), (14, 3)]);
        assert_eq!(pipe.measured().lost, 2);
    }

    #[test]
    fn the_asked_part_is_lost() {
        let mut pipe = Pipe::new(SETTINGS.with_loss(0.01), 1);
        for round in 0..20_000 {
            pipe.handle_packet(packet(0), MILLISECOND * round);
        }
        deliveries(&mut pipe);

        assert!((150..250).contains(&pipe.measured().lost), "{} of 20,000", pipe.measured().lost);
    }

    #[test]
    fn without_a_limit_only_the_delay_is_left() {
        let mut pipe = Pipe::new(Settings { bits_per_s: 0, queue: 0, ..SETTINGS }, 1);
        for mark in 0..3 {
            pipe.handle_packet(packet(mark), MILLISECOND);
        }

        assert_eq!(deliveries(&mut pipe), [(11, 0), (11, 1), (11, 2)]);
    }
}
