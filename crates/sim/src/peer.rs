//! One peer: a session, its blocks, its disk, and what it has shown.
use crate::{
    Id,
    disk::{Completion, Disk},
};
use beeline_core::{
    blocks::Blocks,
    digest::BlockDigest,
    output::{BlockRead, Event, Output},
    rtc::{Channel, LaneId},
    session::Session,
    time::Time,
    wire::signal::PeerId,
};
use std::collections::BTreeMap;

/// A session with the world's part of a driver.
#[derive(Debug)]
pub struct Peer {
    /// The machine under test.
    pub session: Session,
    /// What it has told the person.
    pub events: Vec<Event>,
    /// What it sends from and receives to.
    pub disk: Disk,
    /// Blocks under way.
    pub blocks: Blocks,
    /// The most bytes that were under way at once.
    pub peak: usize,
    /// Whether its connection sends a camera.
    pub sends_media: bool,
    /// Whether the other side's last offer told of a camera.
    pub sees_media: bool,
    /// The other end of its connections, where it is not the only other peer that has any.
    pub(crate) partner: Option<Id>,
    /// Whose guest it is, and which.
    pub(crate) host: Option<(Id, PeerId)>,
    pub(crate) dead: bool,
    pub(crate) wake: Option<Time>,
    /// The latest pause of its program, or the next one: from when until when.
    pub(crate) pause: (Time, Time),
    pub(crate) rtc: BTreeMap<LaneId, Rtc>,
    pub(crate) buffered: BTreeMap<(LaneId, Channel), u64>,
}

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Rtc {
    pub(crate) described: bool,
    pub(crate) channels: bool,
}

impl Peer {
    pub(crate) fn new(session: Session) -> Self {
        Self {
            session,
            events: Vec::new(),
            disk: Disk::default(),
            blocks: Blocks::default(),
            peak: 0,
            sends_media: false,
            sees_media: false,
            partner: None,
            host: None,
            dead: false,
            wake: None,
            pause: (Time::default(), Time::default()),
            rtc: BTreeMap::new(),
            buffered: BTreeMap::new(),
        }
    }

    /// Whether an event like this was shown.
    pub fn has(&self, like: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(like)
    }

    /// The connections beside the first one.
    pub fn further_lanes(&self) -> usize {
        self.rtc.keys().filter(|lane| **lane != LaneId::FIRST).count()
    }

    /// Carries out what concerns the disk; some of it is done a little later.
    pub(crate) fn disk_output(&mut self, output: Output, message: Option<&[u8]>) -> Option<Completion> {
        let completion = match output {
            Output::Read { block, len } => {
                let path =
                    self.session.manifest(block.transfer).and_then(|m| m.entry(block.file).cloned())?.path;
                let result = self.disk.read(&path, block.offset(), len).map(|(bytes, last)| {
                    let whole = block.index == 0 && last;
                    let digest = BlockDigest::of(&bytes, block.index, whole);
                    let len = bytes.len() as u32;
                    self.blocks.insert(block, bytes);
                    BlockRead { len, digest, last }
                });
                Some(Completion::Read(block, result))
            }
            Output::Place { block, len, at, bytes } => {
                let message = message.expect("bytes are placed while their message is at hand");
                self.blocks.place(block, len, at, &message[bytes]);
                None
            }
            Output::Hash { block, len, whole } => {
                let bytes = self.blocks.get(block).expect("a block that is complete is there");
                let digest = BlockDigest::of(&bytes[..len as usize], block.index, whole);
                Some(Completion::Hashed(block, digest))
            }
            Output::Write { block, len } => {
                let bytes = self.blocks.take(block).expect("a block that is right is there");
                let path =
                    self.session.manifest(block.transfer).and_then(|m| m.entry(block.file).cloned())?.path;
                let result = self.disk.write(block.transfer, &path, block.offset(), &bytes[..len as usize]);
                Some(Completion::Written(block, result))
            }
            Output::Forget(block) => {
                self.blocks.forget(block);
                None
            }
            Output::Commit { transfer, file, len } => {
                let entry = self.session.manifest(transfer).and_then(|m| m.entry(file).cloned())?;
                Some(Completion::Committed(transfer, file, self.disk.commit(transfer, &entry, len)))
            }
            Output::Finish(transfer) => Some(Completion::Finished(transfer)),
            Output::Abandon(transfer) => {
                self.blocks.abandon(transfer);
                self.disk.abandon(transfer);
                None
            }
            other => panic!("{other:?} is not the disk's"),
        };
        self.peak = self.peak.max(self.blocks.bytes());
        completion
    }
}
