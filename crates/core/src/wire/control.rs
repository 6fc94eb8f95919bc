//! On the control channel: transfers, and whether the other side is alive.
//!
//! ```text
//! sender                                     receiver
//!   │── Offer, Page … ─────────────────────────>│  asks the person
//!   │<───────────────── Accept{order, grant} ───│
//!   │── Digests ──────────────────────────────>│
//!   │══ data frames ═══════════════════════════>│  hash, compare, write
//!   │<── Grant, Report, Acks, Resend, Complete ─│
//!   │── FileEnd (only for a stream) ───────────>│
//!   │<──────────────────────────────── Done ────│  all is on its disk
//! ```
//!
//! Each frame but Hello, Ping, Pong, Bye, Report and Sealed names its transfer. Even numbers are offered by the opener, odd
//! ones by the joiner. Pause and Cancel come from either side.
use super::{
    fields::{fields, numbers},
    frames,
    meeting::Sealed,
};
use crate::output::{FileIndex, Order};

/// Bytes of a control frame, at most: below the smallest `max-message-size` in the field.
pub const MAX_CONTROL_LEN: usize = 60 * 1024;
/// Bytes of a text, at most.
pub const MAX_TEXT_LEN: usize = 48 * 1024;

/// The first frame of each side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Bytes of a data frame that this side takes, at most.
    pub max_frame: u32,
    /// Connections that this side can serve at the same time, 1 to 16.
    pub lanes: u8,
    /// Whether offers with media sections, a camera's and a microphone's, are answered.
    pub media: Option<bool>,
}
fields!(Hello { 0: max_frame, 1: lanes, 2: media });

/// Begins an offer; its entries follow in pages. A text comes whole and without pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// A new number.
    pub transfer: u32,
    /// How many entries the pages will hold.
    pub entries: u32,
    /// Instead of entries.
    pub text: Option<String>,
}
fields!(Offer { 0: transfer, 1: entries, 2: text });

/// Some of a manifest's entries, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which transfer.
    pub transfer: u32,
    /// The next entries.
    pub entries: Vec<Entry>,
}
fields!(Page { 0: transfer, 1: entries });

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Components joined by `/`.
    pub path: String,
    /// Whether it is a folder.
    pub folder: bool,
    /// Bytes; absent for a folder and for a stream.
    pub size: Option<u64>,
    /// Seconds since 1970.
    pub modified: Option<i64>,
    /// Whether its owner may execute it.
    pub executable: bool,
}
fields!(Entry { 0: path, 1: folder, 2: size, 3: modified, 4: executable });

/// The receiver wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// Which transfer.
    pub transfer: u32,
    /// Whether blocks must come in order.
    pub sequential: bool,
    /// The first grant: a position in the transfer's stream.
    pub grant: u64,
    /// Blocks that are there already.
    pub held: Vec<BlockRun>,
}
fields!(Accept { 0: transfer, 1: sequential, 2: grant, 3: held });

impl Accept {
    /// The order asked for.
    pub fn order(&self) -> Order {
        if self.sequential { Order::Sequential } else { Order::Any }
    }
}

/// Consecutive blocks of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockRun {
    /// Which entry.
    pub file: u32,
    /// The first block.
    pub first: u32,
    /// How many.
    pub count: u32,
}
fields!(BlockRun { 0: file, 1: first, 2: count });

/// The receiver does not want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decline {
    /// Which transfer.
    pub transfer: u32,
    /// In words, for a person; may be empty.
    pub message: String,
}
fields!(Decline { 0: transfer, 1: message });

/// The sender may send bytes below this position of the transfer's stream (its files one after another).
/// Never smaller than an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Which transfer.
    pub transfer: u32,
    /// In bytes.
    pub position: u64,
}
fields!(Grant { 0: transfer, 1: position });

/// What a lane delivered, for the sender's throttle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which lane.
    pub lane: u8,
    /// Bytes of data frames received on it, ever.
    pub bytes: u64,
    /// The receiver's clock when the newest data frame arrived, in units of 0.1 ms, modulo 2^32.
    pub clock: u32,
    /// The stamp of the newest data frame.
    pub echo: u32,
    /// How long ago the newest data frame arrived, in units of 0.1 ms.
    pub held: u32,
}
fields!(Report { 0: lane, 1: bytes, 2: clock, 3: echo, 4: held });

/// Digests of blocks that are sent, were sent or will be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digests {
    /// Which transfer.
    pub transfer: u32,
    /// Some of them.
    pub digests: Vec<BlockDigests>,
}
fields!(Digests { 0: transfer, 1: digests });

/// Digests of consecutive blocks of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockDigests {
    /// Which entry.
    pub file: u32,
    /// The first block.
    pub first: u32,
    /// 32 bytes each.
    pub digests: Vec<u8>,
}
fields!(BlockDigests { 0: file, 1: first, 2: digests });

/// A stream ended: its length, which was not known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileEnd {
    /// Which transfer.
    pub transfer: u32,
    /// Which entry.
    pub file: u32,
    /// Bytes.
    pub len: u64,
}
fields!(FileEnd { 0: transfer, 1: file, 2: len });

/// Blocks that are verified and written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acks {
    /// Which transfer.
    pub transfer: u32,
    /// Which blocks.
    pub blocks: Vec<BlockRun>,
}
fields!(Acks { 0: transfer, 1: blocks });

/// A block arrived damaged: send it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resend {
    /// Which transfer.
    pub transfer: u32,
    /// Which entry.
    pub file: u32,
    /// Which block.
    pub block: u32,
}
fields!(Resend { 0: transfer, 1: file, 2: block });

/// Files that have their final names on the receiver's disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// Which transfer.
    pub transfer: u32,
    /// Some of them.
    pub files: Vec<FileRoot>,
}
fields!(Complete { 0: transfer, 1: files });

/// A file's BLAKE3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileRoot {
    /// Which entry.
    pub file: u32,
    /// As `b3sum` prints it.
    pub root: [u8; 32],
}
fields!(FileRoot { 0: file, 1: root });

/// Stand still, or go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// Which transfer.
    pub transfer: u32,
    /// Whether to stand still.
    pub paused: bool,
}
fields!(Pause { 0: transfer, 1: paused });

/// Why a transfer ends early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CancelReason {
    /// A person wished so.
    Person,
    /// A file cannot be read, or changed.
    Source,
    /// A file cannot be written.
    Sink,
    /// A block stays damaged.
    Corrupt,
}
numbers!(CancelReason { 0: Person, 1: Source, 2: Sink, 3: Corrupt });

/// The transfer ends early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cancel {
    /// Which transfer.
    pub transfer: u32,
    /// Why.
    pub reason: CancelReason,
    /// In words, for a person; may be empty.
    pub message: String,
}
fields!(Cancel { 0: transfer, 1: reason, 2: message });

/// Every entry is on the receiver's disk, flushed, under its final name; for a text: it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// Which transfer.
    pub transfer: u32,
}
fields!(Done { 0: transfer });

/// Are you there? Every 2 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ping {}
fields!(Ping {});

/// I am.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pong {}
fields!(Pong {});

/// The sender ends the session, or agrees to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bye {}
fields!(Bye {});

/// A negotiation frame about connection 0, sealed and numbered as those that go through the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiate {
    /// Counts the sender's sealed messages from 0, those through the room among them.
    pub number: u64,
    /// Ciphertext and tag.
    pub bytes: Vec<u8>,
}
fields!(Negotiate { 0: number, 1: bytes });

/// Several frames in one message, in order; none of them is one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Together {
    /// Each as if it came alone.
    pub frames: Vec<Vec<u8>>,
}
fields!(Together { 0: frames });

frames! {
    /// What peers say on the control channel.
    pub enum Control {
        /// First.
        0x01 => Hello,
        /// Sender: a transfer begins.
        0x02 => Offer,
        /// Sender: its entries.
        0x03 => Page,
        /// Receiver: yes.
        0x04 => Accept,
        /// Receiver: no.
        0x05 => Decline,
        /// Receiver: go on.
        0x06 => Grant,
        /// Receiver: what arrived.
        0x07 => Report,
        /// Sender: what to expect.
        0x08 => Digests,
        /// Sender: a stream's length.
        0x09 => FileEnd,
        /// Receiver: what is written.
        0x0a => Acks,
        /// Receiver: once more.
        0x0b => Resend,
        /// Receiver: whole files.
        0x0c => Complete,
        /// Either: stand still, or go on.
        0x0d => Pause,
        /// Either: the end of a transfer.
        0x0e => Cancel,
        /// Receiver: the good end of a transfer.
        0x0f => Done,
        /// Either.
        0x10 => Ping,
        /// Either.
        0x11 => Pong,
        /// Either: the end of the session.
        0x12 => Bye,
        /// Either: a negotiation frame about a further connection.
        0x13 => Sealed,
        /// Either: about this connection itself, what else goes through the room.
        0x14 => Negotiate,
        /// Either: several of these at once.
        0x15 => Together,
    }
}

impl From<&crate::manifest::Entry> for Entry {
    fn from(entry: &crate::manifest::Entry) -> Self {
        let (folder, size) = match entry.kind {
            crate::manifest::EntryKind::File { size } => (false, size),
            crate::manifest::EntryKind::Folder => (true, None),
        };
        let path = entry.path.as_str().to_owned();
        Self { path, folder, size, modified: entry.modified, executable: entry.executable }
    }
}

impl TryFrom<Entry> for crate::manifest::Entry {
    type Error = crate::path::PathError;

    fn try_from(entry: Entry) -> Result<Self, Self::Error> {
        let kind = match entry.folder {
            true => crate::manifest::EntryKind::Folder,
            false => crate::manifest::EntryKind::File { size: entry.size },
        };
        let path = crate::path::RelPath::parse(&entry.path)?;
        Ok(Self { path, kind, modified: entry.modified, executable: entry.executable })
    }
}

impl BlockRun {
    /// The entry as a typed index.
    pub fn index(&self) -> FileIndex {
        FileIndex(self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::check;

    #[test]
    fn golden_bytes() {
        let both = |value: Control, golden: &str| check(value, golden, Control::encode, Control::decode);
        both(Hello { max_frame: 65536, lanes: 1, media: None }.into(), "01 a2 00 1a00010000 01 01");
        both(
            Hello { max_frame: 65536, lanes: 1, media: Some(true) }.into(),
            "01 a3 00 1a00010000 01 01 02 f5",
        );
        both(Offer { transfer: 2, entries: 3, text: None }.into(), "02 a2 00 02 01 03");
        both(
            Offer { transfer: 2, entries: 0, text: Some("hi".into()) }.into(),
            "02 a3 00 02 01 00 02 62 6869",
        );
        let entry =
            Entry { path: "a".into(), folder: false, size: Some(9), modified: Some(-1), executable: true };
        both(
            Page { transfer: 0, entries: vec![entry] }.into(),
            "03 a2 00 00 01 81 a5 00 61 61 01 f4 02 09 03 20 04 f5",
        );
        let run = BlockRun { file: 1, first: 2, count: 3 };
        let accept = Accept { transfer: 0, sequential: true, grant: 8, held: vec![run] };
        both(accept.into(), "04 a4 00 00 01 f5 02 08 03 81 a3 00 01 01 02 02 03");
        both(Decline { transfer: 0, message: "".into() }.into(), "05 a2 00 00 01 60");
        both(Grant { transfer: 0, position: 1 << 32 }.into(), "06 a2 00 00 01 1b0000000100000000");
        both(
            Report { lane: 0, bytes: 5, clock: 6, echo: 7, held: 8 }.into(),
            "07 a5 00 00 01 05 02 06 03 07 04 08",
        );
        let digests = BlockDigests { file: 1, first: 0, digests: vec![2; 3] };
        both(
            Digests { transfer: 0, digests: vec![digests] }.into(),
            "08 a2 00 00 01 81 a3 00 01 01 00 02 43 020202",
        );
        both(FileEnd { transfer: 0, file: 0, len: 4 }.into(), "09 a3 00 00 01 00 02 04");
        both(Acks { transfer: 0, blocks: vec![run] }.into(), "0a a2 00 00 01 81 a3 00 01 01 02 02 03");
        both(Resend { transfer: 0, file: 1, block: 2 }.into(), "0b a3 00 00 01 01 02 02");
        let root = FileRoot { file: 1, root: [7; 32] };
        both(
            Complete { transfer: 0, files: vec![root] }.into(),
            &format!("0c a2 00 00 01 81 a2 00 01 01 5820 {}", "07".repeat(32)),
        );
        both(Pause { transfer: 0, paused: true }.into(), "0d a2 00 00 01 f5");
        both(
            Cancel { transfer: 0, reason: CancelReason::Source, message: "x".into() }.into(),
            "0e a3 00 00 01 01 02 61 78",
        );
        both(Done { transfer: 0 }.into(), "0f a1 00 00");
        both(Ping {}.into(), "10 a0");
        both(Pong {}.into(), "11 a0");
        both(Bye {}.into(), "12 a0");
        both(Sealed { number: 3, bytes: vec![1, 2] }.into(), "13 a2 00 03 01 42 0102");
        both(Negotiate { number: 3, bytes: vec![9] }.into(), "14 a2 00 03 01 41 09");
        let frames = vec![Control::from(Ping {}).encode(), Control::from(Done { transfer: 1 }).encode()];
        both(Together { frames }.into(), "15 a1 00 82 42 10a0 44 0fa10001");
    }

    #[test]
    fn unknown_keys_are_ignored_and_unknown_types_skipped_or_refused() {
        assert_eq!(
            Control::decode(&[0x0f, 0xa2, 0x00, 0x05, 0x18, 0x63, 0x61, 0x78]),
            Ok(Some(Done { transfer: 5 }.into()))
        );
        assert_eq!(Control::decode(&[0x80, 0xff]), Ok(None));
        assert_eq!(Control::decode(&[0x7f, 0xa0]), Err(crate::wire::WireError::UnknownType(0x7f)));
        assert_eq!(Control::decode(&[]), Err(crate::wire::WireError::Empty));
    }
}
