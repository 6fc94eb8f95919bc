//! File bytes on a data channel.
//!
//! ```text
//! frame   0x01 | transfer u32 | stamp u32 | run …                       one message, at most 256 KiB
//! run     file u32 | offset u64 | len u32 | bytes (1 ..= 262,119)       big-endian
//! ```
//!
//! `stamp` is the sender's clock in units of 0.1 ms, modulo 2^32; the receiver's report echoes it. A run lies
//! within one block. Runs may come in any order and repeat.
use super::WireError;
use crate::{
    digest::BLOCK_LEN,
    output::{FileIndex, TransferId},
};
use std::ops::Range;

/// Bytes of a data frame, at most (the peer's `max-message-size` may be smaller).
pub const MAX_FRAME_LEN: usize = 262_144;
/// A longer one belongs to a LAN, on either side.
pub(crate) const LAN_FRAME: usize = 64 << 10;
/// Bytes before the first run.
pub const FRAME_HEADER: usize = 9;
/// Bytes before a run's own.
pub const RUN_HEADER: usize = 16;
const KIND: u8 = 0x01;

/// Consecutive bytes of a file, within one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which entry of the manifest.
    pub file: FileIndex,
    /// Where in the file, in bytes.
    pub offset: u64,
    /// How many bytes, 1 or more.
    pub len: u32,
}

/// Writes a frame's head.
pub fn start(transfer: TransferId, stamp: u32, frame: &mut Vec<u8>) {
    frame.push(KIND);
    frame.extend(transfer.0.to_be_bytes());
    frame.extend(stamp.to_be_bytes());
}

/// Writes one run; `bytes` has its length.
pub fn run(run: &Run, bytes: &[u8], frame: &mut Vec<u8>) {
    frame.extend(run.file.0.to_be_bytes());
    frame.extend(run.offset.to_be_bytes());
    frame.extend(run.len.to_be_bytes());
    frame.extend(bytes);
}

/// A data frame as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFrame {
    /// Whose file bytes.
    pub transfer: TransferId,
    /// The sender's clock.
    pub stamp: u32,
    /// Each run with the part of the message that holds its bytes.
    pub runs: Vec<(Run, Range<usize>)>,
}

/// Reads a frame. `None` is a type that may be skipped.
pub fn decode(message: &[u8]) -> Result<Option<DataFrame>, WireError> {
    if message.len() > MAX_FRAME_LEN {
        return Err(WireError::Data("longer than 256 KiB"));
    }
    let mut reader = Reader { message, at: 0 };
    match reader.array::<1>().ok_or(WireError::Empty)? {
        [KIND] => {}
        [kind] if kind >= super::SKIPPABLE => return Ok(None),
        [kind] => return Err(WireError::UnknownType(kind)),
    }
    let cut = WireError::Data("cut short");
    let transfer = TransferId(u32::from_be_bytes(reader.array().ok_or(cut.clone())?));
    let stamp = u32::from_be_bytes(reader.array().ok_or(cut.clone())?);
    let mut runs = Vec::new();
    while reader.at < message.len() {
        let file = FileIndex(u32::from_be_bytes(reader.array().ok_or(cut.clone())?));
        let offset = u64::from_be_bytes(reader.array().ok_or(cut.clone())?);
        let len = u32::from_be_bytes(reader.array().ok_or(cut.clone())?);
        if len == 0 {
            return Err(WireError::Data("an empty run"));
        }
        if message.len() - reader.at < len as usize {
            return Err(cut);
        }
        if offset % BLOCK_LEN + u64::from(len) > BLOCK_LEN || offset > crate::manifest::MAX_FILE_LEN {
            return Err(WireError::Data("a run across blocks"));
        }
        let bytes = reader.at..reader.at + len as usize;
        reader.at = bytes.end;
        runs.push((Run { file, offset, len }, bytes));
    }
    if runs.is_empty() {
        return Err(WireError::Data("no run"));
    }
    Ok(Some(DataFrame { transfer, stamp, runs }))
}

struct Reader<'a> {
    message: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.message.get(self.at..self.at + N)?;
        self.at += N;
        bytes.try_into().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::testing::hex;

    fn sample() -> Vec<u8> {
        let mut frame = Vec::new();
        start(TransferId(2), 0x01020304, &mut frame);
        run(&Run { file: FileIndex(7), offset: BLOCK_LEN, len: 3 }, b"abc", &mut frame);
        run(&Run { file: FileIndex(8), offset: 0, len: 1 }, b"d", &mut frame);
        frame
    }

    #[test]
    fn golden_bytes() {
        let golden = concat!(
            "01",
            "00000002",
            "01020304", // kind, transfer, stamp
            "00000007",
            "0000000000100000",
            "00000003",
            "616263", // file, offset, len, bytes
            "00000008",
            "0000000000000000",
            "00000001",
            "64",
        );
        assert_eq!(hex(&sample()), golden);
        let frame = decode(&sample()).unwrap().unwrap();
        assert_eq!((frame.transfer, frame.stamp, frame.runs.len()), (TransferId(2), 0x01020304, 2));
        assert_eq!(&sample()[frame.runs[0].1.clone()], b"abc");
        assert_eq!(&sample()[frame.runs[1].1.clone()], b"d");
    }

    #[test]
    fn damaged_frames_are_errors_or_other_frames_but_never_a_panic() {
        let frame = sample();
        for cut in 0..frame.len() {
            let _ = decode(&frame[..cut]);
        }
        for at in 0..frame.len() {
            for bit in 0..8 {
                let mut damaged = frame.clone();
                damaged[at] ^= 1 << bit;
                let _ = decode(&damaged);
            }
        }
    }

    #[test]
    fn runs_that_lie_are_refused() {
        let with = |r: Run, bytes: &[u8]| {
            let mut frame = Vec::new();
            start(TransferId(0), 0, &mut frame);
            run(&r, bytes, &mut frame);
            decode(&frame)
        };
        assert!(
            with(Run { file: FileIndex(0), offset: BLOCK_LEN - 1, len: 2 }, b"ab").is_err(),
            "across blocks"
        );
        assert!(with(Run { file: FileIndex(0), offset: u64::MAX, len: 1 }, b"a").is_err(), "overflow");
        assert!(with(Run { file: FileIndex(0), offset: 0, len: 0 }, b"").is_err(), "empty");
        assert!(with(Run { file: FileIndex(0), offset: 0, len: 9 }, b"a").is_err(), "cut short");
        assert!(decode(&[1, 0, 0, 0, 0, 0, 0, 0, 0]).is_err(), "no run");
        assert_eq!(decode(&[0x80]), Ok(None));
    }
}
