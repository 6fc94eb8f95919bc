//! Several files as one ZIP, written as a stream: which entry begins when. Stored entries only: what is sent is
//! mostly compressed already, and the browser's line is the slower part.
use super::zip::{Attributes, Zip};
use beeline_core::{
    manifest::{Entry, EntryKind, Manifest},
    map::Set,
    output::FileIndex,
};
use std::{mem, sync::Arc};

/// Small pieces are put together up to this many bytes: a message to the service worker costs more than the copy.
const PIECE: usize = 256 << 10;
/// A file from this size on gets 64-bit fields; the margin is for a source of unknown size.
const LARGE: u64 = u32::MAX as u64 - (1 << 20);

/// An archive being written. Its bytes are taken out with [`Archive::drain`].
pub(crate) struct Archive {
    manifest: Arc<Manifest>,
    zip: Zip,
    /// What was written and not yet drained.
    bytes: Vec<u8>,
    /// The entry whose bytes are coming.
    open: Option<FileIndex>,
    /// Entries whose bytes all came before their commit did.
    ended: Set<FileIndex>,
    /// Folders and empty files that were committed while another entry was open.
    waiting: Vec<FileIndex>,
}

impl Archive {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        let (zip, bytes) = (Zip::new(), Vec::new());
        Self { manifest, zip, bytes, open: None, ended: Set::default(), waiting: Vec::new() }
    }

    /// The next bytes of an entry.
    pub(crate) fn write(&mut self, file: FileIndex, bytes: &[u8]) {
        if self.open != Some(file) {
            if let Some(before) = self.open.take() {
                self.ended.insert(before);
            }
            self.begin(file);
            self.open = Some(file);
        }
        self.zip.write(&mut self.bytes, bytes);
    }

    /// An entry is complete.
    pub(crate) fn commit(&mut self, file: FileIndex) {
        if self.open == Some(file) {
            self.open = None;
            mem::take(&mut self.waiting).into_iter().for_each(|file| self.begin(file));
        } else if !self.ended.remove(&file) {
            match self.open {
                Some(_) => self.waiting.push(file),
                None => self.begin(file),
            }
        }
    }

    /// Writes the directory at the end.
    pub(crate) fn finish(&mut self) {
        mem::take(&mut self.waiting).into_iter().for_each(|file| self.begin(file));
        self.zip.finish(&mut self.bytes);
    }

    /// What was written since; nothing if it is little and `all` is not set.
    pub(crate) fn drain(&mut self, all: bool) -> Vec<u8> {
        if all || self.bytes.len() >= PIECE { mem::take(&mut self.bytes) } else { Vec::new() }
    }

    fn begin(&mut self, file: FileIndex) {
        if let Some(entry) = self.manifest.entry(file) {
            self.zip.begin(&mut self.bytes, entry.path.as_str(), attributes(entry));
        }
    }
}

fn attributes(entry: &Entry) -> Attributes {
    let (folder, large) = match entry.kind {
        EntryKind::Folder => (true, false),
        EntryKind::File { size } => (false, size.is_none_or(|size| size >= LARGE)),
    };
    Attributes {
        folder,
        large,
        mode: if folder || entry.executable { 0o755 } else { 0o644 },
        dos: entry.modified.and_then(dos_time).unwrap_or((1 << 5 | 1, 0)),
        modified: entry.modified.and_then(|seconds| seconds.try_into().ok()),
    }
}

/// Date and time as MS-DOS kept them, local, since 1980; nothing for what it cannot say.
fn dos_time(modified: i64) -> Option<(u16, u16)> {
    let date = js_sys::Date::new(&(modified as f64 * 1000.0).into());
    let year = date.get_full_year().checked_sub(1980).filter(|year| *year < 128)?;
    let day = year << 9 | (date.get_month() + 1) << 5 | date.get_date();
    let time = date.get_hours() << 11 | date.get_minutes() << 5 | (date.get_seconds() / 2);
    Some((day as u16, time as u16))
}
