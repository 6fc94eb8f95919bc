//! The half that sends: window, fast recovery and timeout (RFC 9260 §7.2), as browsers have them.
use super::{
    CHUNK_HEADER, Chunk, HEADER, PACKET, RECEIVE_WINDOW, RTO_INITIAL, RTO_MAX, RTO_MIN, STREAMS, Sack,
};
use beeline_core::time::Time;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
    time::Duration,
};

/// Below so many packets of window a chunk may be cut to what fits it.
const CUT_BELOW: usize = 6;
/// Reports that miss a chunk before it counts as lost.
const MISSES: u8 = 3;

#[derive(Debug, Default)]
struct Stream {
    /// Bytes left to send of each message, and its content.
    messages: VecDeque<(usize, Arc<[u8]>)>,
    buffered: u64,
    order: u64,
}

#[derive(Debug)]
struct Item {
    chunk: Chunk,
    sent: Time,
    misses: u8,
    state: ItemState,
    again: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum ItemState {
    InFlight,
    /// A report left it out: no longer counted as in flight.
    Missed,
    Acked,
    Lost,
}

#[derive(Debug)]
pub(super) struct Sender {
    streams: [Stream; STREAMS],
    turn: usize,
    window: usize,
    threshold: usize,
    /// Acknowledged towards the next packet of window.
    partial: usize,
    /// What the other end can still take.
    peer_window: usize,
    cumulative: u64,
    /// From `cumulative + 1` on.
    items: VecDeque<Item>,
    in_flight: usize,
    to_fast: BTreeSet<u64>,
    to_repeat: BTreeSet<u64>,
    /// Fast recovery lasts until this is acknowledged.
    recover: Option<u64>,
    smoothed: Option<Duration>,
    variance: Duration,
    rto: Duration,
    backoff: u32,
    timer: Option<Time>,
}

impl Sender {
    pub(super) fn new() -> Self {
        Self {
            streams: Default::default(),
            turn: 0,
            window: 10 * PACKET,
            threshold: RECEIVE_WINDOW,
            partial: 0,
            peer_window: RECEIVE_WINDOW,
            cumulative: 0,
            items: VecDeque::new(),
            in_flight: 0,
            to_fast: BTreeSet::new(),
            to_repeat: BTreeSet::new(),
            recover: None,
            smoothed: None,
            variance: Duration::ZERO,
            rto: RTO_INITIAL,
            backoff: 0,
            timer: None,
        }
    }

    pub(super) fn queue(&mut self, stream: u8, len: usize, content: Arc<[u8]>) {
        let stream = &mut self.streams[usize::from(stream)];
        stream.messages.push_back((len, content));
        stream.buffered += len as u64;
    }

    pub(super) fn buffered(&self, stream: u8) -> u64 {
        self.streams[usize::from(stream)].buffered
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    fn item(&mut self, tsn: u64) -> Option<&mut Item> {
        self.items.get_mut(usize::try_from(tsn.checked_sub(self.cumulative + 1)?).ok()?)
    }

    /// Chunks for one packet with so much room, within the windows.
    pub(super) fn chunks(&mut self, room: usize, now: Time) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut room = room;
        let left = self.window.saturating_sub(self.in_flight);
        let left = if self.in_flight > 0 { left.min(self.peer_window) } else { left };
        if self.window >= CUT_BELOW * PACKET && left < PACKET - HEADER {
            return chunks;
        }
        let mut left = left;
        while let Some(tsn) = self.to_repeat.first().copied() {
            let item = self.item(tsn).expect("what is to be repeated is outstanding");
            let size = item.chunk.size();
            if size > room || size > left {
                break;
            }
            item.state = ItemState::InFlight;
            (item.misses, item.again, item.sent) = (0, true, now);
            chunks.push(item.chunk.clone());
            self.in_flight += size;
            self.to_repeat.remove(&tsn);
            (room, left) = (room - size, left - size);
        }
        while self.to_repeat.is_empty() && room.min(left) > CHUNK_HEADER + 10 {
            let Some(chunk) = self.next_chunk(room.min(left) - CHUNK_HEADER) else { break };
            let size = chunk.size();
            chunks.push(chunk.clone());
            self.in_flight += size;
            self.peer_window = self.peer_window.saturating_sub(size);
            self.items.push_back(Item {
                chunk,
                sent: now,
                misses: 0,
                state: ItemState::InFlight,
                again: false,
            });
            (room, left) = (room.saturating_sub(size), left.saturating_sub(size));
        }
        if !chunks.is_empty() && self.timer.is_none() {
            self.start_timer(now);
        }
        chunks
    }

    /// The streams take turns, a message each.
    fn next_chunk(&mut self, room: usize) -> Option<Chunk> {
        let tsn = self.cumulative + self.items.len() as u64 + 1;
        let has = |at: &usize| !self.streams[*at].messages.is_empty();
        let at = [self.turn, (self.turn + 1) % STREAMS].into_iter().find(has)?;
        let stream = &mut self.streams[at];
        let (left, _) = stream.messages.front_mut()?;
        let len = (*left).min(room / 4 * 4);
        *left -= len;
        let is_last = *left == 0;
        stream.buffered -= len as u64;
        stream.order += 1;
        let order = stream.order - 1;
        let message = is_last.then(|| stream.messages.pop_front()).flatten().map(|(_, content)| content);
        self.turn = if is_last { (at + 1) % STREAMS } else { at };
        Some(Chunk { tsn, stream: at as u8, order, len, message })
    }

    pub(super) fn handle_sack(&mut self, sack: &Sack, now: Time) {
        if sack.cumulative < self.cumulative {
            return;
        }
        let was_in_flight = self.in_flight;
        let advanced = sack.cumulative > self.cumulative;
        if self.recover.is_some_and(|recover| sack.cumulative >= recover) {
            self.recover = None;
        }
        let mut acked = 0;
        let mut newest = 0;
        let mut rtt = None;
        while self.cumulative < sack.cumulative {
            let Some(item) = self.items.pop_front() else { break };
            self.cumulative += 1;
            if !item.again && item.state != ItemState::Acked {
                rtt = Some(now.since(item.sent));
            }
            acked += self.acknowledge(item.chunk.tsn, item.chunk.size(), item.state, &mut newest);
        }
        for (first, last) in &sack.blocks {
            for tsn in *first..=*last {
                let Some(item) = self.item(tsn) else { break };
                let (size, state) = (item.chunk.size(), item.state);
                item.state = ItemState::Acked;
                acked += self.acknowledge(tsn, size, state, &mut newest);
            }
        }
        if let Some(rtt) = rtt {
            self.measure(rtt);
        }
        self.peer_window = sack.window.saturating_sub(self.in_flight);
        if advanced {
            self.grow(was_in_flight, acked);
            self.backoff = 0;
            self.timer = None;
        }
        self.count_misses(sack, newest);
        match self.items.is_empty() {
            true => self.timer = None,
            false if self.timer.is_none() => self.start_timer(now),
            false => {}
        }
    }

    fn acknowledge(&mut self, tsn: u64, size: usize, state: ItemState, newest: &mut u64) -> usize {
        match state {
            ItemState::Acked => return 0,
            ItemState::InFlight => self.in_flight -= size,
            ItemState::Missed => {}
            ItemState::Lost => {
                self.to_fast.remove(&tsn);
                self.to_repeat.remove(&tsn);
            }
        }
        *newest = (*newest).max(tsn);
        size
    }

    /// Slow start by at most a packet a SACK; then a packet a window.
    fn grow(&mut self, was_in_flight: usize, acked: usize) {
        let is_used = was_in_flight + PACKET >= self.window;
        if self.window <= self.threshold {
            if is_used && self.recover.is_none() {
                self.window += acked.min(PACKET);
            }
            return;
        }
        self.partial += acked;
        if self.partial >= self.window && is_used {
            self.partial -= self.window;
            self.window += PACKET;
        }
    }

    fn count_misses(&mut self, sack: &Sack, newest: u64) {
        let recovering = self.recover.is_some();
        let mut after = sack.cumulative;
        let mut has_loss = false;
        for (first, last) in &sack.blocks {
            for tsn in (after + 1..*first).take_while(|tsn| *tsn <= newest) {
                let Some(item) = self.item(tsn) else { break };
                let was_in_flight = match item.state {
                    ItemState::Acked | ItemState::Lost => continue,
                    ItemState::InFlight => item.chunk.size(),
                    ItemState::Missed => 0,
                };
                item.state = ItemState::Missed;
                item.misses += 1;
                let is_lost = item.misses >= MISSES;
                if is_lost {
                    item.state = ItemState::Lost;
                }
                self.in_flight -= was_in_flight;
                if is_lost {
                    has_loss = true;
                    let set = if recovering { &mut self.to_repeat } else { &mut self.to_fast };
                    set.insert(tsn);
                }
            }
            after = *last;
        }
        if has_loss && !recovering {
            self.threshold = (self.window / 2).max(4 * PACKET);
            self.window = self.threshold;
            self.partial = 0;
            self.recover = Some(self.cumulative + self.items.len() as u64);
        }
    }

    /// One packet of what was found lost goes out whatever the window; the rest waits for it.
    pub(super) fn fast_retransmit(&mut self, now: Time) -> Vec<Chunk> {
        let mut chunks = Vec::new();
        let mut room = PACKET - HEADER;
        while let Some(tsn) = self.to_fast.pop_first() {
            let item = self.item(tsn).expect("what is to be repeated is outstanding");
            let size = item.chunk.size();
            if size > room {
                self.to_repeat.insert(tsn);
                self.to_repeat.append(&mut self.to_fast);
                break;
            }
            item.state = ItemState::InFlight;
            (item.misses, item.again, item.sent) = (0, true, now);
            chunks.push(item.chunk.clone());
            self.in_flight += size;
            room -= size;
        }
        if !chunks.is_empty() {
            self.start_timer(now);
        }
        chunks
    }

    fn measure(&mut self, rtt: Duration) {
        match self.smoothed {
            None => (self.smoothed, self.variance) = (Some(rtt), rtt / 2),
            Some(smoothed) => {
                self.variance = (self.variance * 3 + rtt.abs_diff(smoothed)) / 4;
                self.smoothed = Some((smoothed * 7 + rtt) / 8);
            }
        }
        let margin = (self.variance * 4).max(Duration::from_millis(220));
        self.rto = (self.smoothed.unwrap_or(rtt) + margin).clamp(RTO_MIN, RTO_MAX);
    }

    fn start_timer(&mut self, now: Time) {
        self.timer = Some(now + (self.rto * (1 << self.backoff.min(8))).min(RTO_MAX));
    }

    pub(super) fn timeout(&self) -> Option<Time> {
        self.timer
    }

    /// All outstanding counts as lost, and the window is one packet. A fast recovery goes on.
    pub(super) fn handle_timeout(&mut self, now: Time) {
        if self.timer.is_none_or(|at| now < at) {
            return;
        }
        self.threshold = (self.window / 2).max(4 * PACKET);
        self.window = PACKET;
        self.partial = 0;
        self.to_fast.clear();
        for item in self.items.iter_mut().filter(|item| item.state != ItemState::Acked) {
            item.state = ItemState::Lost;
            self.to_repeat.insert(item.chunk.tsn);
        }
        self.in_flight = 0;
        self.backoff += 1;
        self.start_timer(now);
    }
}
