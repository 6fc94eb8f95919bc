//! Messages that wait to be cut into fragments: one queue a stream, served in turn.
use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::scoreboard::Fragment;
use crate::{Time, wire::Placement};

/// How long a message is worth sending (RFC 3758, RFC 8831 §6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reliability {
    #[default]
    Reliable,
    /// Given up after being sent again this often.
    MaxRetransmissions(u16),
    /// Given up this long after [`send`](crate::Association::send).
    MaxLifetime(std::time::Duration),
}

#[derive(Debug)]
struct Message {
    payload: Bytes,
    ppid: u32,
    unordered: bool,
    max_retransmissions: Option<u16>,
    expires: Option<Time>,
}

/// Where the message in front of a stream was cut.
#[derive(Debug, Clone, Copy)]
struct Cut {
    id: u64,
    mid: u32,
    fsn: u32,
    at: usize,
}

impl Cut {
    /// What is cut next, with this payload.
    fn fragment(self, stream: u16, message: &Message, payload: Bytes, last: bool) -> Fragment {
        Fragment {
            payload,
            placement: Placement {
                immediate: false,
                unordered: message.unordered,
                first: self.at == 0,
                last,
            },
            stream,
            mid: self.mid,
            fsn: self.fsn,
            ppid: message.ppid,
            message: self.id,
            max_retransmissions: message.max_retransmissions,
            expires: message.expires,
        }
    }
}

#[derive(Debug, Default)]
struct Stream {
    queue: VecDeque<Message>,
    cut: Option<Cut>,
    next_ordered: u32,
    next_unordered: u32,
    bytes: usize,
    ready: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Streams {
    streams: BTreeMap<u16, Stream>,
    /// Streams with something to send. Without I-DATA the first keeps its place until its message is out:
    /// the fragments of a message have consecutive TSNs (RFC 9260 §6.9).
    ready: VecDeque<u16>,
    messages: u64,
    bytes: usize,
}

impl Streams {
    pub(crate) fn push(
        &mut self,
        id: u16,
        ppid: u32,
        payload: Bytes,
        unordered: bool,
        reliability: Reliability,
        now: Time,
    ) {
        let (max_retransmissions, expires) = match reliability {
            Reliability::Reliable => (None, None),
            Reliability::MaxRetransmissions(max) => (Some(max), None),
            Reliability::MaxLifetime(lifetime) => (None, Some(now + lifetime)),
        };
        let stream = self.streams.entry(id).or_default();
        stream.bytes += payload.len();
        self.bytes += payload.len();
        stream.queue.push_back(Message { payload, ppid, unordered, max_retransmissions, expires });
        if !stream.ready {
            stream.ready = true;
            self.ready.push_back(id);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Bytes of `stream` that no packet carried yet.
    pub(crate) fn buffered(&self, stream: u16) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.bytes)
    }

    /// Bytes that no packet carried yet.
    pub(crate) fn total(&self) -> usize {
        self.bytes
    }

    /// Whether what comes next fits `room` bytes of payload whole, or may be cut to fit them.
    pub(crate) fn fits(&self, room: usize, least: usize) -> bool {
        let Some(stream) = self.ready.front().map(|id| &self.streams[id]) else { return false };
        let left = stream.queue[0].payload.len() - stream.cut.map_or(0, |cut| cut.at);
        left <= room || room >= least
    }

    /// Cuts the next fragment, `room` bytes at most. `interleave`: the next one may be of another stream.
    pub(crate) fn cut(&mut self, room: usize, interleave: bool) -> Option<Fragment> {
        let id = *self.ready.front()?;
        let stream = self.streams.get_mut(&id).expect("ready streams exist");
        let message = stream.queue.front().expect("ready streams have a message");
        let cut = stream.cut.get_or_insert_with(|| {
            let next = if message.unordered && interleave {
                &mut stream.next_unordered
            } else {
                &mut stream.next_ordered
            };
            let mid = *next;
            // Unordered DATA has no sequence number of its own (RFC 9260 §3.3.1).
            if interleave || !message.unordered {
                *next = next.wrapping_add(1);
            }
            self.messages += 1;
            Cut { id: self.messages, mid, fsn: 0, at: 0 }
        });
        let len = room.min(message.payload.len() - cut.at);
        let payload = message.payload.slice(cut.at..cut.at + len);
        let last = cut.at + len == message.payload.len();
        let fragment = cut.fragment(id, message, payload, last);
        cut.at += len;
        cut.fsn += 1;
        stream.bytes -= len;
        self.bytes -= len;
        if last {
            self.finish_front();
        } else if interleave && self.ready.len() > 1 {
            self.ready.rotate_left(1);
        }
        Some(fragment)
    }

    /// The front message of the front stream is done with.
    fn finish_front(&mut self) {
        let id = self.ready.pop_front().expect("somebody was served");
        let stream = self.streams.get_mut(&id).expect("ready streams exist");
        stream.queue.pop_front();
        stream.cut = None;
        stream.ready = !stream.queue.is_empty();
        if stream.ready {
            self.ready.push_back(id);
        }
    }

    /// Drops what was not cut yet of the message with this id (it was given up), and returns what was dropped as one
    /// empty last fragment; `None` if all of the message was cut.
    pub(crate) fn give_up(&mut self, message: u64) -> Option<Fragment> {
        let cut_of = |id: &u16| self.streams[id].cut.is_some_and(|cut| cut.id == message);
        let at = self.ready.iter().position(cut_of)?;
        self.ready.swap(0, at);
        let id = self.ready[0];
        let stream = self.streams.get_mut(&id).expect("ready streams exist");
        let (cut, message) = (stream.cut.expect("found by it"), &stream.queue[0]);
        let left = message.payload.len() - cut.at;
        stream.bytes -= left;
        self.bytes -= left;
        let rest = cut.fragment(id, message, Bytes::new(), true);
        self.finish_front();
        Some(rest)
    }

    /// Drops whole messages in front that expired before anything of them was sent.
    pub(crate) fn drop_expired(&mut self, now: Time) {
        while let Some(id) = self.ready.front() {
            let stream = &self.streams[id];
            let late = stream.queue[0].expires.is_some_and(|end| end <= now);
            if stream.cut.is_some() || !late {
                return;
            }
            let len = stream.queue[0].payload.len();
            self.streams.get_mut(&self.ready[0]).expect("ready streams exist").bytes -= len;
            self.bytes -= len;
            self.finish_front();
        }
    }

    /// The stream starts over: sequence numbers from zero (RFC 6525 §5.2.2).
    pub(crate) fn reset(&mut self, stream: u16) {
        if let Some(known) = self.streams.get_mut(&stream) {
            (known.next_ordered, known.next_unordered) = (0, 0);
        }
    }
}
