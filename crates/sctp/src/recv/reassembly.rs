//! Fragments become messages again, in the order their streams promise.
//!
//! A fragment that continues a message under construction is appended to it: one copy, no allocation. One that
//! arrives too early waits under its key. DATA's key is the TSN, for a message's fragments are consecutive
//! (RFC 9260 §6.9); I-DATA's is stream, message and fragment number (RFC 8260 §2.1). In both, the next
//! fragment's key is one more, so the rest does not care.
use std::collections::BTreeMap;

use bytes::Bytes;

use crate::{pool::Pool, seq::Tsn, wire::Placement};

/// Memory a waiting fragment costs beside its bytes.
const OVERHEAD: usize = 96;
/// Reserved for a message before it is there, at most.
const MESSAGE_RESERVE: usize = 256 << 10;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub stream: u16,
    pub ppid: u32,
    pub payload: Bytes,
}

/// A fragment as either chunk carries it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece<'a> {
    pub(crate) key: u128,
    pub(crate) placement: Placement,
    pub(crate) stream: u16,
    /// SSN or message identifier, as on the wire.
    pub(crate) mid: u32,
    pub(crate) ppid: u32,
    pub(crate) payload: &'a [u8],
}

pub(crate) fn data_key(tsn: Tsn) -> u128 {
    tsn.0.into()
}

pub(crate) fn i_data_key(stream: u16, unordered: bool, mid: u32, fsn: u32) -> u128 {
    // The top bit keeps the two kinds apart.
    1 << 127
        | u128::from(stream) << 66
        | u128::from(unordered) << 65
        | u128::from(mid) << 32
        | u128::from(fsn)
}

#[derive(Debug)]
struct Waiting {
    placement: Placement,
    stream: u16,
    mid: u32,
    payload: Bytes,
}

/// A message whose first fragments are there.
#[derive(Debug)]
struct Assembly {
    stream: u16,
    unordered: bool,
    mid: u32,
    ppid: u32,
    payload: Vec<u8>,
}

#[derive(Debug, Default)]
struct Stream {
    next_mid: u32,
    /// Whole ordered messages that an earlier one keeps waiting.
    early: BTreeMap<u32, Message>,
}

/// The peer broke a rule that ends the association.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a message larger than agreed")]
    TooLarge,
    #[error("a fragment in the wrong stream")]
    Misplaced,
    #[error("more than the window allows")]
    TooMuch,
}

#[derive(Debug)]
pub(crate) struct Reassembly {
    max_message_size: usize,
    interleaved: bool,
    waiting: BTreeMap<u128, Waiting>,
    /// By the key of the next fragment.
    assemblies: BTreeMap<u128, Assembly>,
    /// The one appended to last: out of the map.
    hot: Option<(u128, Assembly)>,
    streams: BTreeMap<u16, Stream>,
    held: usize,
    /// Length of the last message of several fragments: what the next one will likely need.
    usual_len: usize,
    pool: Pool,
}

impl Reassembly {
    pub(crate) fn new(max_message_size: usize, interleaved: bool) -> Self {
        Self {
            max_message_size,
            interleaved,
            waiting: BTreeMap::new(),
            assemblies: BTreeMap::new(),
            hot: None,
            streams: BTreeMap::new(),
            held: 0,
            usual_len: 0,
            pool: Pool::default(),
        }
    }

    /// Bytes held for messages not delivered yet.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    pub(crate) fn insert(
        &mut self,
        piece: Piece<'_>,
        out: &mut impl FnMut(Message),
    ) -> Result<(), Violation> {
        let placement = piece.placement;
        if placement.first && placement.last {
            if piece.payload.len() > self.max_message_size {
                return Err(Violation::TooLarge);
            }
            let payload = Bytes::copy_from_slice(piece.payload);
            let message = Message { stream: piece.stream, ppid: piece.ppid, payload };
            self.finish(message, piece.mid, placement.unordered, out);
            return Ok(());
        }
        let assembly = if placement.first {
            let mut payload = self.pool.take(self.usual_len.clamp(piece.payload.len(), MESSAGE_RESERVE));
            payload.extend_from_slice(piece.payload);
            self.held += piece.payload.len();
            Assembly {
                stream: piece.stream,
                unordered: placement.unordered,
                mid: piece.mid,
                ppid: piece.ppid,
                payload,
            }
        } else if let Some(mut assembly) = self.take_assembly(piece.key) {
            self.append(&mut assembly, piece.stream, piece.payload)?;
            assembly
        } else {
            self.held += piece.payload.len() + OVERHEAD;
            let Piece { placement, stream, mid, .. } = piece;
            let payload = Bytes::copy_from_slice(piece.payload);
            self.waiting.insert(piece.key, Waiting { placement, stream, mid, payload });
            return Ok(());
        };
        self.go_on(assembly, piece.key, placement.last, out)
    }

    fn take_assembly(&mut self, key: u128) -> Option<Assembly> {
        match self.hot.take_if(|(next, _)| *next == key) {
            Some((_, assembly)) => Some(assembly),
            None => self.assemblies.remove(&key),
        }
    }

    fn append(&mut self, assembly: &mut Assembly, stream: u16, payload: &[u8]) -> Result<(), Violation> {
        if assembly.stream != stream {
            return Err(Violation::Misplaced);
        }
        if assembly.payload.len() + payload.len() > self.max_message_size {
            return Err(Violation::TooLarge);
        }
        self.held += payload.len();
        assembly.payload.extend_from_slice(payload);
        Ok(())
    }

    /// `assembly` has the fragment `key`; appends those that waited for it.
    fn go_on(
        &mut self,
        mut assembly: Assembly,
        mut key: u128,
        mut last: bool,
        out: &mut impl FnMut(Message),
    ) -> Result<(), Violation> {
        while !last {
            key += 1;
            let Some(next) = (!self.waiting.is_empty()).then(|| self.waiting.remove(&key)).flatten() else {
                if let Some((key, cold)) = self.hot.replace((key, assembly)) {
                    self.assemblies.insert(key, cold);
                }
                return Ok(());
            };
            self.held -= next.payload.len() + OVERHEAD;
            self.append(&mut assembly, next.stream, &next.payload)?;
            last = next.placement.last;
        }
        self.held -= assembly.payload.len();
        self.usual_len = assembly.payload.len();
        let payload = self.pool.lend(assembly.payload);
        let message = Message { stream: assembly.stream, ppid: assembly.ppid, payload };
        self.finish(message, assembly.mid, assembly.unordered, out);
        Ok(())
    }

    fn finish(&mut self, message: Message, mid: u32, unordered: bool, out: &mut impl FnMut(Message)) {
        if unordered {
            out(message);
            return;
        }
        let stream = self.streams.entry(message.stream).or_default();
        if mid != stream.next_mid {
            self.held += message.payload.len() + OVERHEAD;
            if let Some(twin) = stream.early.insert(mid, message) {
                self.held -= twin.payload.len() + OVERHEAD;
            }
            return;
        }
        out(message);
        stream.next_mid = after(mid, self.interleaved);
        self.held -= stream.deliver_early(self.interleaved, out);
    }

    /// The peer gave up everything up to `cumulative`, and in these streams everything up to these messages
    /// (RFC 3758 §3.6, RFC 8260 §2.3.1).
    pub(crate) fn skip(
        &mut self,
        cumulative: Tsn,
        skipped: impl Iterator<Item = (u16, bool, u32)>,
        out: &mut impl FnMut(Message),
    ) {
        if let Some((key, cold)) = self.hot.take() {
            self.assemblies.insert(key, cold);
        }
        if !self.interleaved {
            // A message that waits for a fragment given up will never be whole.
            let bound = data_key(cumulative);
            self.drop_if(|key, _, _, _| key <= bound);
        }
        for (id, unordered, mid) in skipped {
            if self.interleaved {
                let not_after = |theirs: u32| mid.wrapping_sub(theirs) < 1 << 31;
                self.drop_if(|_, stream, is_unordered, theirs| {
                    stream == id && is_unordered == unordered && not_after(theirs)
                });
            }
            if unordered {
                continue;
            }
            let stream = self.streams.entry(id).or_default();
            let ahead = |mid: u32| distance(stream.next_mid, mid, self.interleaved);
            if ahead(mid).is_none() {
                continue;
            }
            // Whole messages below the mark came in time all the same.
            let mut early: Vec<u32> = stream.early.keys().copied().collect();
            early.retain(|&theirs| ahead(theirs).is_some_and(|theirs| Some(theirs) <= ahead(mid)));
            early.sort_by_key(|&theirs| ahead(theirs));
            for mid in early {
                let message = stream.early.remove(&mid).expect("just listed");
                self.held -= message.payload.len() + OVERHEAD;
                out(message);
            }
            stream.next_mid = after(mid, self.interleaved);
            self.held -= stream.deliver_early(self.interleaved, out);
        }
    }

    /// Drops assemblies and waiting fragments by key, stream, unordered and message.
    fn drop_if(&mut self, hit: impl Fn(u128, u16, bool, u32) -> bool) {
        let held = &mut self.held;
        self.assemblies.retain(|&key, assembly| {
            let drop = hit(key, assembly.stream, assembly.unordered, assembly.mid);
            *held -= if drop { assembly.payload.len() } else { 0 };
            !drop
        });
        self.waiting.retain(|&key, waiting| {
            let drop = hit(key, waiting.stream, waiting.placement.unordered, waiting.mid);
            *held -= if drop { waiting.payload.len() + OVERHEAD } else { 0 };
            !drop
        });
    }

    /// The peer's stream starts over (RFC 6525 §5.2.2).
    pub(crate) fn reset(&mut self, stream: u16) {
        if let Some(gone) = self.streams.remove(&stream) {
            self.held -= gone.early.values().map(|message| message.payload.len() + OVERHEAD).sum::<usize>();
        }
    }
}

impl Stream {
    /// Delivers what is in order now; returns the bytes no longer held.
    fn deliver_early(&mut self, interleaved: bool, out: &mut impl FnMut(Message)) -> usize {
        let mut freed = 0;
        while let Some(message) =
            (!self.early.is_empty()).then(|| self.early.remove(&self.next_mid)).flatten()
        {
            freed += message.payload.len() + OVERHEAD;
            self.next_mid = after(self.next_mid, interleaved);
            out(message);
        }
        freed
    }
}

/// How far `mid` is ahead of `next`; `None` if it is behind.
fn distance(next: u32, mid: u32, interleaved: bool) -> Option<u32> {
    if interleaved {
        Some(mid.wrapping_sub(next)).filter(|&ahead| ahead < 1 << 31)
    } else {
        Some((mid as u16).wrapping_sub(next as u16)).filter(|&ahead| ahead < 1 << 15).map(u32::from)
    }
}

fn after(mid: u32, interleaved: bool) -> u32 {
    // SSNs have 16 bits, message identifiers 32.
    if interleaved { mid.wrapping_add(1) } else { (mid as u16).wrapping_add(1).into() }
}
