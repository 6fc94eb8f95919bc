//! A disk in memory, which can be told to fail.
use beeline_core::{
    digest::BlockDigest,
    manifest::{Entry, EntryKind},
    output::{BlockRead, BlockRef, DiskError, FileIndex, TransferId},
    path::RelPath,
    session::Session,
    time::Time,
};
use std::{collections::BTreeMap, time::Duration};

/// Files by path: what is sent, and what was received.
#[derive(Debug, Default)]
pub struct Disk {
    /// What can be read.
    pub sources: BTreeMap<RelPath, Vec<u8>>,
    /// Written, not yet committed.
    pub parts: BTreeMap<(TransferId, RelPath), Vec<u8>>,
    /// Under their final names; `None` is a folder.
    pub finals: BTreeMap<RelPath, Option<Vec<u8>>>,
    /// Reads from now on fail as if the file had changed.
    pub changed: bool,
    /// Writes from now on fail.
    pub full: bool,
}

impl Disk {
    /// How long everything takes.
    pub const LATENCY: Duration = Duration::from_micros(500);

    pub(crate) fn read(&self, path: &RelPath, offset: u64, len: u32) -> Result<(Vec<u8>, bool), DiskError> {
        let file = self.sources.get(path).filter(|_| !self.changed);
        let file = file.ok_or_else(|| DiskError::Changed { path: path.clone() })?;
        let start = (offset as usize).min(file.len());
        let end = (start + len as usize).min(file.len());
        Ok((file[start..end].to_vec(), end == file.len()))
    }

    pub(crate) fn write(
        &mut self,
        transfer: TransferId,
        path: &RelPath,
        offset: u64,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        if self.full {
            return Err(DiskError::Other(format!("no space left for {path}")));
        }
        let part = self.parts.entry((transfer, path.clone())).or_default();
        let end = offset as usize + bytes.len();
        if part.len() < end {
            part.resize(end, 0);
        }
        part[offset as usize..end].copy_from_slice(bytes);
        Ok(())
    }

    pub(crate) fn commit(&mut self, transfer: TransferId, entry: &Entry, len: u64) -> Result<(), DiskError> {
        let content = match entry.kind {
            EntryKind::Folder => None,
            EntryKind::File { .. } => {
                Some(self.parts.remove(&(transfer, entry.path.clone())).unwrap_or_default())
            }
        };
        assert_eq!(content.as_ref().map_or(0, |c| c.len() as u64), len, "{} is committed whole", entry.path);
        self.finals.insert(entry.path.clone(), content);
        Ok(())
    }

    pub(crate) fn abandon(&mut self, transfer: TransferId) {
        self.parts.retain(|(of, _), _| *of != transfer);
    }
}

/// Puts files on a disk and lists them; a path that ends in `/` is a folder.
pub fn files(disk: &mut Disk, list: &[(&str, usize)]) -> Vec<Entry> {
    let entry = |(path, size): &(&str, usize)| {
        let folder = path.ends_with('/');
        let path = RelPath::parse(path.trim_end_matches('/')).expect("a test's path is sound");
        if !folder {
            let mut content = vec![0; *size];
            blake3::Hasher::new().update(path.as_str().as_bytes()).finalize_xof().fill(&mut content);
            disk.sources.insert(path.clone(), content);
        }
        let kind = if folder { EntryKind::Folder } else { EntryKind::File { size: Some(*size as u64) } };
        Entry { path, kind, modified: Some(1_700_000_000), executable: false }
    };
    list.iter().map(entry).collect()
}

/// The disk has done what it was asked.
#[derive(Debug)]
pub(crate) enum Completion {
    Read(BlockRef, Result<BlockRead, DiskError>),
    Hashed(BlockRef, BlockDigest),
    Written(BlockRef, Result<(), DiskError>),
    Committed(TransferId, FileIndex, Result<(), DiskError>),
    Finished(TransferId),
}

impl Completion {
    pub(crate) fn report(self, session: &mut Session, now: Time) {
        match self {
            Completion::Read(block, result) => session.handle_read(block, result, now),
            Completion::Hashed(block, digest) => session.handle_hashed(block, digest, now),
            Completion::Written(block, result) => session.handle_written(block, result, now),
            Completion::Committed(transfer, file, result) => {
                session.handle_committed(transfer, file, result, now)
            }
            Completion::Finished(transfer) => session.handle_finished(transfer, Ok(()), now),
        }
    }
}
