//! Datagrams for one call of the system.
use crate::ice::Route;

/// A message of more than 65,507 bytes is refused whatever its segments.
const MAX_BYTES: usize = 60_000;
/// What every system with segmentation offload takes (Linux: 64 segments).
const MAX_SEGMENTS: usize = 50;

/// Datagrams of one size for one destination, one after another; the last may be shorter.
///
/// A UDP datagram costs some 6 µs to send whatever the call; only datagrams that pass the system in one piece
/// (segmentation offload) are cheaper, five to twenty times.
#[derive(Clone, Debug, Default)]
pub struct Transmit {
    pub(crate) route: Option<Route>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) segment: usize,
    pub(crate) segments: usize,
}

impl Transmit {
    /// From where to where; nothing if it is empty.
    pub fn route(&self) -> Option<Route> {
        self.route
    }

    /// The datagrams, end to end.
    pub fn contents(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of each datagram but the last, bytes.
    pub fn segment(&self) -> usize {
        self.segment
    }

    /// Each datagram.
    pub fn datagrams(&self) -> impl Iterator<Item = &[u8]> {
        self.bytes.chunks(self.segment.max(1))
    }

    /// Forgets what was sent; the room stays.
    pub fn clear(&mut self) {
        self.route = None;
        self.bytes.clear();
        (self.segment, self.segments) = (0, 0);
    }

    /// Begins with one datagram that goes alone.
    pub(crate) fn put(&mut self, route: Route, datagram: &[u8]) {
        self.clear();
        self.route = Some(route);
        self.bytes.extend_from_slice(datagram);
        (self.segment, self.segments) = (datagram.len(), 1);
    }

    /// Whether another datagram of the first one's length may follow.
    pub(crate) fn has_room(&self) -> bool {
        self.segments < MAX_SEGMENTS
            && self.bytes.len() + self.segment <= MAX_BYTES
            && self.bytes.len() == self.segments * self.segment
    }

    /// Counts what was appended to `bytes` after `start` as one datagram more; what is longer than the others is taken
    /// out again, into `held`.
    pub(crate) fn appended(&mut self, start: usize, held: &mut Vec<u8>) {
        let len = self.bytes.len() - start;
        if self.segments == 0 {
            self.segment = len;
        }
        if len > self.segment {
            held.clear();
            held.extend_from_slice(&self.bytes[start..]);
            self.bytes.truncate(start);
        } else {
            self.segments += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_longer_datagram_waits_and_a_shorter_one_is_the_last() {
        let mut transmit = Transmit::default();
        let mut held = Vec::new();
        let append = |transmit: &mut Transmit, held: &mut Vec<u8>, len: usize| {
            let start = transmit.bytes.len();
            transmit.bytes.resize(start + len, 0);
            transmit.appended(start, held);
        };

        append(&mut transmit, &mut held, 100);
        append(&mut transmit, &mut held, 100);
        assert!(transmit.has_room());
        append(&mut transmit, &mut held, 101);
        assert_eq!((held.len(), transmit.segments, transmit.bytes.len()), (101, 2, 200));
        append(&mut transmit, &mut held, 99);
        assert!(!transmit.has_room());
        let lens: Vec<usize> = transmit.datagrams().map(<[u8]>::len).collect();
        assert_eq!(lens, [100, 100, 99]);
    }

    #[test]
    fn a_message_to_the_system_stays_below_its_limit() {
        let mut transmit = Transmit { segment: 1200, ..Transmit::default() };

        while transmit.has_room() {
            transmit.bytes.resize(transmit.bytes.len() + 1200, 0);
            transmit.segments += 1;
        }

        assert_eq!(transmit.segments, MAX_SEGMENTS);
        assert!(transmit.bytes.len() <= 65_507);
    }
}
