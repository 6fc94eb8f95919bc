//! Blocking work on files, off the driver's loop.
//!
//! ```text
//! driver ──Job──> disk thread: read · hash · write · finish · abandon, in order
//!    ^      └───> commit threads: flush, early and at the end, and rename, beside it
//!    └──Done──────────┘
//! ```
//!
//! One thread does everything that has an order (a stream's blocks; nothing of a transfer after its
//! `Abandon`). Commits wait for the disk, not for the processor, and are independent of each other: several
//! threads wait at the same time, so that thousands of small files do not add up their flushes.
mod folder;
mod part;
mod source;
mod spare;
mod stream;
#[cfg(test)]
mod tests;

pub use folder::Folder;
pub(crate) use source::{BlockBytes, Reader};
pub use source::{Skipped, Source, SourceError};
pub(crate) use spare::Spare;
pub use stream::Stream;

use beeline_core::{
    digest::BlockDigest,
    manifest::Manifest,
    output::{BlockRead, BlockRef, DiskError, FileIndex, Order, TransferId},
};
use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Flushes that wait for the disk at the same time.
const COMMIT_THREADS: usize = 4;
/// After so many bytes the disk begins to write them, while more arrive: a system left to itself may keep gigabytes for
/// the flush at the end, which everybody waits for.
const WRITE_BACK: u64 = 32 << 20;

/// Why a sink cannot take what is offered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A file or folder of that name is there already.
    #[error("{} exists already", beeline_core::quote::quote(.0))]
    Exists(String),
    /// The disk is too small.
    #[error("not enough space: {needed} bytes are needed, {free} are free")]
    NoSpace {
        /// Bytes.
        needed: u64,
        /// Bytes.
        free: u64,
    },
    /// A stream takes exactly one file.
    #[error("standard output takes exactly one file, and this is {files} files and {folders} folders")]
    NotOneFile {
        /// How many files are offered.
        files: u32,
        /// How many folders are offered.
        folders: u32,
    },
    /// The place to write to is not usable.
    #[error("{0}")]
    Unusable(String),
}

/// Where received files go. Shared by the disk's threads.
pub trait Sink: Send + Sync + fmt::Debug {
    /// The order in which it takes blocks.
    fn order(&self) -> Order;

    /// Whether all of `manifest` can be taken; called before anything is accepted.
    fn check(&self, manifest: &Manifest) -> Result<(), Refusal>;

    /// Gets ready for the files of `manifest`, which it may refuse after all.
    fn begin(&self, manifest: Arc<Manifest>) -> Result<(), Refusal>;

    /// Writes bytes of an entry, which were verified.
    fn write(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> Result<(), DiskError>;

    /// Brings what was written of an entry to the disk, as far as that has a meaning here. Called beside everything
    /// else; what goes wrong is told by `commit`.
    fn write_back(&self, _file: FileIndex) {}

    /// Gives an entry of `len` bytes its final name. All of it was written before.
    fn commit(&self, file: FileIndex, len: u64) -> Result<(), DiskError>;

    /// Flushes what holds the entries. All of them were committed before.
    fn finish(&self) -> Result<(), DiskError>;

    /// Removes what is not committed. May be called more than once, and beside `commit`.
    fn abandon(&self);
}

/// Work for the disk.
pub(crate) enum Job {
    /// From now on blocks of this transfer are read here.
    Source(TransferId, Box<Reader>),
    /// From now on blocks of this transfer are written here.
    Sink(TransferId, Arc<dyn Sink>),
    /// Into this memory, whatever is in it.
    Read {
        block: BlockRef,
        len: u32,
        into: Vec<u8>,
    },
    Hash {
        block: BlockRef,
        bytes: Vec<u8>,
        whole: bool,
    },
    Write {
        block: BlockRef,
        bytes: Vec<u8>,
    },
    Commit {
        transfer: TransferId,
        file: FileIndex,
        len: u64,
    },
    Finish(TransferId),
    /// Nothing of this transfer is wanted any more.
    Abandon(TransferId),
}

/// Work that was done.
pub(crate) enum Done {
    Read {
        block: BlockRef,
        result: Result<(Vec<u8>, BlockRead), DiskError>,
    },
    Hashed {
        block: BlockRef,
        bytes: Vec<u8>,
        digest: BlockDigest,
    },
    /// With the memory, for another block.
    Written {
        block: BlockRef,
        bytes: Vec<u8>,
        result: Result<(), DiskError>,
    },
    Committed {
        transfer: TransferId,
        file: FileIndex,
        result: Result<(), DiskError>,
    },
    Finished {
        transfer: TransferId,
        result: Result<(), DiskError>,
    },
}

/// The disk's threads. Dropping it lets them end after what they have begun; sinks that are not finished
/// are abandoned.
pub(crate) struct Disk {
    jobs: Option<Sender<Job>>,
    done: UnboundedReceiver<Done>,
    ordered: Option<thread::JoinHandle<()>>,
}

impl Disk {
    pub(crate) fn new() -> Disk {
        let (jobs, inbox) = mpsc::channel();
        let (outbox, done) = unbounded_channel();
        let ordered = thread::Builder::new()
            .name("disk".into())
            .spawn(move || Ordered::new(outbox).run(&inbox))
            .expect("the system can start a thread");
        Disk { jobs: Some(jobs), done, ordered: Some(ordered) }
    }

    pub(crate) fn push(&self, job: Job) {
        // The thread ends only after this sender is dropped.
        if let Some(jobs) = &self.jobs {
            let _ = jobs.send(job);
        }
    }

    /// The next thing done. Cancel-safe.
    pub(crate) async fn done(&mut self) -> Done {
        match self.done.recv().await {
            Some(done) => done,
            // Only if the thread panicked; the session then runs into its own deadlines.
            None => std::future::pending().await,
        }
    }

    /// Ends the threads and waits until temporary files are gone. A read of a standard input that gives
    /// nothing is not waited for.
    pub(crate) fn close(mut self, wait: bool) {
        self.jobs = None;
        if let (true, Some(thread)) = (wait, self.ordered.take()) {
            let _ = thread.join();
        }
    }
}

/// The thread that does what has an order.
struct Ordered {
    outbox: UnboundedSender<Done>,
    sources: HashMap<TransferId, Box<Reader>>,
    sinks: HashMap<TransferId, Arc<dyn Sink>>,
    /// What waits for the disk.
    slow: Option<Sender<Slow>>,
    committers: Vec<thread::JoinHandle<()>>,
    /// Bytes written since the last [`Slow::WriteBack`].
    unflushed: u64,
}

enum Slow {
    WriteBack { sink: Arc<dyn Sink>, file: FileIndex },
    Commit { sink: Arc<dyn Sink>, transfer: TransferId, file: FileIndex, len: u64 },
}

impl Ordered {
    fn new(outbox: UnboundedSender<Done>) -> Ordered {
        Ordered {
            outbox,
            sources: HashMap::new(),
            sinks: HashMap::new(),
            slow: None,
            committers: Vec::new(),
            unflushed: 0,
        }
    }

    fn run(mut self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            if let Some(done) = self.handle(job) {
                // Nobody listens any more: the session is over.
                let _ = self.outbox.send(done);
            }
        }
        self.slow = None;
        for committer in self.committers {
            let _ = committer.join();
        }
        for sink in self.sinks.values() {
            sink.abandon();
        }
    }

    fn handle(&mut self, job: Job) -> Option<Done> {
        match job {
            Job::Source(transfer, reader) => {
                self.sources.insert(transfer, reader);
                None
            }
            Job::Sink(transfer, sink) => {
                self.sinks.insert(transfer, sink);
                None
            }
            Job::Read { block, len, into } => {
                // An abandoned transfer's reads need no answer.
                let reader = self.sources.get_mut(&block.transfer)?;
                let result = reader.read(block, len, into).map(|BlockBytes { bytes, whole, last }| {
                    let digest = BlockDigest::of(&bytes, block.index, whole);
                    let len = u32::try_from(bytes.len()).expect("a block is 1 MiB at most");
                    (bytes, BlockRead { len, digest, last })
                });
                Some(Done::Read { block, result })
            }
            Job::Hash { block, bytes, whole } => {
                let digest = BlockDigest::of(&bytes, block.index, whole);
                Some(Done::Hashed { block, bytes, digest })
            }
            Job::Write { block, bytes } => {
                let sink = self.sinks.get(&block.transfer)?.clone();
                let result = sink.write(block.file, block.offset(), &bytes);
                self.unflushed += bytes.len() as u64;
                if self.unflushed >= WRITE_BACK {
                    self.unflushed = 0;
                    self.push_slow(Slow::WriteBack { sink, file: block.file });
                }
                Some(Done::Written { block, bytes, result })
            }
            Job::Commit { transfer, file, len } => {
                let sink = self.sinks.get(&transfer)?.clone();
                self.push_slow(Slow::Commit { sink, transfer, file, len });
                None
            }
            Job::Finish(transfer) => {
                let sink = self.sinks.remove(&transfer)?;
                let result = sink.finish();
                if result.is_err() {
                    sink.abandon();
                }
                Some(Done::Finished { transfer, result })
            }
            Job::Abandon(transfer) => {
                self.sources.remove(&transfer);
                if let Some(sink) = self.sinks.remove(&transfer) {
                    sink.abandon();
                }
                None
            }
        }
    }

    fn push_slow(&mut self, work: Slow) {
        let slow = self.slow.get_or_insert_with(|| {
            let (slow, inbox) = mpsc::channel::<Slow>();
            let inbox = Arc::new(Mutex::new(inbox));
            for number in 0..COMMIT_THREADS {
                let (inbox, outbox) = (inbox.clone(), self.outbox.clone());
                let committer = thread::Builder::new()
                    .name(format!("commit {number}"))
                    .spawn(move || committing(&inbox, &outbox))
                    .expect("the system can start a thread");
                self.committers.push(committer);
            }
            slow
        });
        // The threads end only after this sender is dropped.
        let _ = slow.send(work);
    }
}

fn committing(inbox: &Mutex<Receiver<Slow>>, outbox: &UnboundedSender<Done>) {
    loop {
        let work = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match work {
            Ok(Slow::WriteBack { sink, file }) => sink.write_back(file),
            Ok(Slow::Commit { sink, transfer, file, len }) => {
                let result = sink.commit(file, len);
                let _ = outbox.send(Done::Committed { transfer, file, result });
            }
            Err(_) => return,
        }
    }
}
