//! Where received files go: into a folder that the person chose, or as one file or one archive elsewhere.
//!
//! ```text
//! Write, Commit, Finish ──queue──> shape: the file itself | a ZIP ──> out: service-worker stream | chosen file
//!                                       │                                  | private storage | Blob
//!                                       └─ a tree ──────────────────> a chosen folder
//! ```
//!
//! A download is a stream, so these sinks take blocks in order. One job is done at a time, and it is
//! answered when the browser has taken its bytes: that is the backpressure.
mod archive;
mod blob;
mod file;
mod folder;
mod private;
mod stream;
mod zip;

use archive::Archive;
use beeline_core::{
    manifest::{EntryKind, Manifest},
    output::{BlockRef, DiskError, FileIndex},
};
use blob::BlobOut;
use file::FileOut;
use folder::FolderOut;
use futures_channel::mpsc;
use futures_util::StreamExt;
use js_sys::Uint8Array;
use private::PrivateOut;
use std::{rc::Rc, sync::Arc};
pub(crate) use stream::StreamOut;
use web_sys::{Blob, FileSystemDirectoryHandle, FileSystemFileHandle};

/// Bytes that may be collected in memory where there is no stream. Browsers cap all Blobs together (about
/// 480 MiB on a machine with 24 GiB) and fail late, so this stays well below.
pub(crate) const BLOB_CAP: u64 = 256 << 20;

/// The bytes of a block.
#[derive(Debug)]
pub(crate) enum Content {
    /// From where they were checked.
    Checked(Vec<u8>),
    /// As they arrived, for a sink that [`takes_messages`](Sink::takes_messages); checked, too.
    Arrived(Vec<Uint8Array>),
}

/// What a sink does next.
#[derive(Debug)]
enum Job {
    Write(BlockRef, Content),
    Commit(FileIndex),
    Finish,
}

/// What a sink has done.
pub(crate) enum Answer {
    Written(BlockRef, Result<(), DiskError>),
    Committed(FileIndex, Result<(), DiskError>),
    /// With the Blob, where one was made.
    Finished(Result<Option<Blob>, DiskError>),
}

/// What the page found or the person chose.
pub(crate) enum Target {
    /// A download that the service worker streams.
    Stream(StreamOut),
    /// A file of the person's choice.
    File(FileSystemFileHandle),
    /// A folder of the person's choice.
    Folder(FileSystemDirectoryHandle),
    /// The browser's own storage, for a download at the end.
    Private,
    /// Memory, for a download at the end.
    Memory,
}

/// A running sink. Dropped before `Finish` was answered, it leaves no file that looks complete.
pub(crate) struct Sink {
    jobs: mpsc::UnboundedSender<Job>,
    out: Rc<Out>,
    takes_messages: bool,
}

/// Where the bytes go.
enum Out {
    Stream(StreamOut),
    File(FileOut),
    Folder(FolderOut),
    Private(PrivateOut),
    Blob(BlobOut),
}

/// What they become.
enum Shape {
    File,
    Archive(Box<Archive>),
    /// The folder has its own.
    Tree,
}

impl Sink {
    /// Starts a sink for what `manifest` lists.
    pub(crate) fn start(manifest: Arc<Manifest>, target: Target, answer: impl Fn(Answer) + 'static) -> Self {
        let (jobs, mut queue) = mpsc::unbounded();
        let out = Rc::new(match target {
            Target::Stream(stream) => Out::Stream(stream),
            Target::File(handle) => Out::File(FileOut::new(handle, None)),
            Target::Folder(root) => Out::Folder(FolderOut::new(root, manifest.clone())),
            Target::Private => Out::Private(PrivateOut::default()),
            Target::Memory => Out::Blob(BlobOut::default()),
        });
        let takes_messages = matches!(*out, Out::Stream(_)) && !is_archive(&manifest);
        let task_out = out.clone();
        wasm_bindgen_futures::spawn_local(async move {
            let out = task_out;
            let mut shape = if matches!(*out, Out::Folder(_)) { Shape::Tree } else { Shape::of(&manifest) };
            while let Some(job) = queue.next().await {
                answer(match job {
                    Job::Write(block, content) => Answer::Written(
                        block,
                        match content {
                            Content::Checked(bytes) => shape.write(block.file, bytes, &out).await,
                            Content::Arrived(parts) => out.pass_on(parts).await,
                        },
                    ),
                    Job::Commit(file) => Answer::Committed(file, shape.commit(file, &out).await),
                    Job::Finish => Answer::Finished(shape.finish(&out).await),
                });
            }
        });
        Self { jobs, out, takes_messages }
    }

    /// Whether it takes what arrived as it is: one file, as a download.
    pub(crate) fn takes_messages(&self) -> bool {
        self.takes_messages
    }

    /// Writes a block; the next one in order.
    pub(crate) fn write(&self, block: BlockRef, content: Content) {
        self.enqueue(Job::Write(block, content));
    }

    /// An entry is complete.
    pub(crate) fn commit(&self, file: FileIndex) {
        self.enqueue(Job::Commit(file));
    }

    /// All entries are.
    pub(crate) fn finish(&self) {
        self.enqueue(Job::Finish);
    }

    fn enqueue(&self, job: Job) {
        // The task ends only after the sender is dropped.
        let _ = self.jobs.unbounded_send(job);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        match &*self.out {
            Out::Stream(stream) => stream.abandon(),
            Out::File(file) => file.abandon(),
            Out::Folder(folder) => folder.abandon(),
            Out::Private(private) => private.abandon(),
            Out::Blob(_) => {}
        }
    }
}

impl Shape {
    fn of(manifest: &Arc<Manifest>) -> Self {
        if is_archive(manifest) {
            Self::Archive(Box::new(Archive::new(manifest.clone())))
        } else {
            Self::File
        }
    }

    async fn write(&mut self, file: FileIndex, bytes: Vec<u8>, out: &Out) -> Result<(), DiskError> {
        match self {
            Self::Tree => out.folder()?.write(file, &bytes).await,
            Self::File => out.send(bytes).await,
            Self::Archive(archive) => {
                archive.write(file, &bytes);
                out.send(archive.drain(false)).await
            }
        }
    }

    async fn commit(&mut self, file: FileIndex, out: &Out) -> Result<(), DiskError> {
        match self {
            Self::Tree => out.folder()?.commit(file).await,
            Self::File => Ok(()),
            Self::Archive(archive) => {
                archive.commit(file);
                out.send(archive.drain(false)).await
            }
        }
    }

    async fn finish(&mut self, out: &Out) -> Result<Option<Blob>, DiskError> {
        if let Self::Archive(archive) = self {
            archive.finish();
            out.send(archive.drain(true)).await?;
        }
        out.close().await
    }
}

impl Out {
    async fn send(&self, bytes: Vec<u8>) -> Result<(), DiskError> {
        match self {
            _ if bytes.is_empty() => Ok(()),
            Out::Stream(stream) => stream.send(&bytes).await,
            Out::File(file) => file.send(&bytes).await,
            Out::Private(private) => private.send(&bytes).await,
            Out::Blob(blob) => blob.push(&bytes),
            Out::Folder(_) => Ok(()), // it takes bytes by their file
        }
    }

    async fn pass_on(&self, parts: Vec<Uint8Array>) -> Result<(), DiskError> {
        match self {
            Out::Stream(stream) => stream.pass_on(parts).await,
            _ => Err(DiskError::Other("only a download takes messages".to_owned())),
        }
    }

    async fn close(&self) -> Result<Option<Blob>, DiskError> {
        match self {
            Out::Stream(stream) => stream.close().await.map(|()| None),
            Out::File(file) => file.close().await.map(|()| None),
            Out::Private(private) => private.finish().await.map(Some),
            Out::Blob(blob) => blob.finish().map(Some),
            Out::Folder(_) => Ok(None), // each file was closed when it was complete
        }
    }

    fn folder(&self) -> Result<&FolderOut, DiskError> {
        match self {
            Self::Folder(folder) => Ok(folder),
            _ => Err(DiskError::Other("there is no folder".to_owned())),
        }
    }
}

/// Whether a manifest becomes an archive: it does, unless it is one file without a folder.
pub(crate) fn is_archive(manifest: &Manifest) -> bool {
    match manifest.entries() {
        [only] => only.kind == EntryKind::Folder || only.path.components().count() > 1,
        _ => true,
    }
}

/// What the download is called.
pub(crate) fn save_as(manifest: &Manifest) -> String {
    let first = manifest.entries().first().map(|entry| &entry.path);
    let Some(first) = first else { return "beeline.zip".to_owned() };
    if !is_archive(manifest) {
        return first.as_str().to_owned();
    }
    let top = first.components().next().unwrap_or("files");
    let within = first.components().count() > 1 || manifest.entries()[0].kind == EntryKind::Folder;
    let stem = if within { top } else { top.split_once('.').map_or(top, |(stem, _)| stem) };
    format!("beeline-{}.zip", if stem.is_empty() { "files" } else { stem })
}
