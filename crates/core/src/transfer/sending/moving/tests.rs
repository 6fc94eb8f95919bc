//! Which lane a block's frames go on.
use super::*;
use crate::{manifest::Entry, path::RelPath};

const MIB: u64 = 1 << 20;
/// A lane of a LAN takes frames of an eighth of a block, one of a longer path shorter ones.
const LONG: usize = MIB as usize / 8 + FRAME_HEADER + RUN_HEADER;
const SHORT: usize = MIB as usize / 16;

/// Four blocks, read and ready.
fn ready() -> (Moving, Outbox) {
    let kind = EntryKind::File { size: Some(4 * MIB) };
    let entry = Entry { path: RelPath::parse("a").unwrap(), kind, modified: None, executable: false };
    let manifest = Manifest::new(vec![entry]).unwrap();
    let mut moving = Moving::new(TransferId(0), Arc::new(manifest), u64::MAX);
    let mut out = Outbox::default();
    moving.read_ahead(&mut out);
    for index in 0..4 {
        let block = BlockRef { transfer: TransferId(0), file: FileIndex(0), index };
        let read = BlockRead { len: MIB as u32, digest: BlockDigest::of(&[1], index, false), last: false };
        moving.handle_read(block, read, &mut out);
    }
    (moving, out)
}

/// The blocks that two lanes carry parts of, if each takes a frame in turn.
fn carried(max_frame: usize, frames: usize) -> [Vec<u64>; 2] {
    let (mut moving, mut out) = ready();
    let mut carried = [Vec::new(), Vec::new()];
    for _ in 0..frames {
        for (lane, blocks) in [2, 4].into_iter().zip(&mut carried) {
            let runs = moving.frame(LaneId(lane), max_frame, |_| true, &mut out).unwrap_or_default();
            blocks.extend(runs.iter().map(|run| run.offset / MIB));
            blocks.dedup();
        }
    }
    carried
}

#[test]
fn on_a_lan_a_block_stays_on_the_lane_that_it_began_on() {
    assert_eq!(carried(LONG, 16), [vec![0, 2], vec![1, 3]]);
    assert_eq!(carried(SHORT, 8), [vec![0], vec![0]], "elsewhere the oldest goes on as many as there are");
}

#[test]
fn what_began_on_a_lane_that_does_not_carry_any_more_goes_on_another_first() {
    let (mut moving, mut out) = ready();
    let block = |runs: Option<Vec<Run>>| runs.map(|runs| runs[0].offset / MIB);
    let carries = |lane: LaneId| lane != LaneId(2);
    assert_eq!(block(moving.frame(LaneId(2), LONG, |_| true, &mut out)), Some(0));
    assert_eq!(block(moving.frame(LaneId(4), LONG, |_| true, &mut out)), Some(1));

    assert_eq!(block(moving.frame(LaneId(4), LONG, carries, &mut out)), Some(0));
}

#[test]
fn on_a_lan_a_lane_waits_for_a_block_of_its_own() {
    let (mut moving, mut out) = ready();
    for lane in [2, 4, 6, 8] {
        moving.frame(LaneId(lane), LONG, |_| true, &mut out).expect("a block for each");
    }

    assert_eq!(moving.frame(LaneId(10), LONG, |_| true, &mut out), None);
    assert!(moving.frame(LaneId(10), SHORT, |_| true, &mut out).is_some());
}
