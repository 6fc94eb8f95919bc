//! A ZIP written as a stream: stored entries, sizes after the data (APPNOTE 4.3.9), ZIP64 where needed.
use beeline_core::{
    manifest::{Entry, EntryKind, Manifest},
    output::{DiskError, FileIndex},
};
use std::{
    cell::RefCell,
    collections::HashSet,
    io::{self, Write},
    mem,
    rc::Rc,
    sync::Arc,
};
use zip::{
    CompressionMethod, DateTime, ZipWriter,
    write::{FileOptions, FullFileOptions, StreamWriter},
};

/// Small pieces are put together up to this many bytes: a message to the service worker costs more than the copy.
const PIECE: usize = 256 << 10;
/// A file from this size on gets 64-bit fields; the margin is for a source of unknown size.
const LARGE: u64 = u32::MAX as u64 - (1 << 20);
/// The Info-ZIP extra field with the time in seconds since 1970.
const EXTENDED_TIMESTAMP: u16 = 0x5455;

/// An archive being written. Its bytes are taken out with [`Archive::drain`].
pub(crate) struct Archive {
    manifest: Arc<Manifest>,
    bytes: Pipe,
    zip: ZipWriter<StreamWriter<Pipe>>,
    /// The entry whose bytes are coming.
    open: Option<FileIndex>,
    /// Entries whose bytes all came before their commit did.
    ended: HashSet<FileIndex>,
    /// Folders and empty files that were committed while another entry was open.
    waiting: Vec<FileIndex>,
}

/// What was written and not yet drained.
#[derive(Clone, Default)]
struct Pipe(Rc<RefCell<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Archive {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        let bytes = Pipe::default();
        let zip = ZipWriter::new_stream(bytes.clone());
        Self { manifest, bytes, zip, open: None, ended: HashSet::new(), waiting: Vec::new() }
    }

    /// The next bytes of an entry.
    pub(crate) fn write(&mut self, file: FileIndex, bytes: &[u8]) -> Result<(), DiskError> {
        if self.open != Some(file) {
            if let Some(before) = self.open.take() {
                self.ended.insert(before);
            }
            self.begin(file)?;
            self.open = Some(file);
        }
        self.zip.write_all(bytes).map_err(|error| failed(&error))
    }

    /// An entry is complete.
    pub(crate) fn commit(&mut self, file: FileIndex) -> Result<(), DiskError> {
        if self.open == Some(file) {
            self.open = None;
            return mem::take(&mut self.waiting).into_iter().try_for_each(|file| self.begin(file));
        }
        if self.ended.remove(&file) {
            return Ok(());
        }
        match self.open {
            Some(_) => self.waiting.push(file),
            None => self.begin(file)?,
        }
        Ok(())
    }

    /// Writes the directory at the end.
    pub(crate) fn finish(&mut self) -> Result<(), DiskError> {
        mem::take(&mut self.waiting).into_iter().try_for_each(|file| self.begin(file))?;
        let rest = Pipe::default();
        let zip = mem::replace(&mut self.zip, ZipWriter::new_stream(rest));
        zip.finish().map_err(|error| failed(&error))?;
        Ok(())
    }

    /// What was written since; nothing if it is little and `all` is not set.
    pub(crate) fn drain(&mut self, all: bool) -> Vec<u8> {
        let mut bytes = self.bytes.0.borrow_mut();
        if all || bytes.len() >= PIECE { mem::take(&mut *bytes) } else { Vec::new() }
    }

    fn begin(&mut self, file: FileIndex) -> Result<(), DiskError> {
        let manifest = self.manifest.clone();
        let Some(entry) = manifest.entry(file) else { return Ok(()) };
        let options = options(entry).map_err(|error| failed(&error))?;
        let path = entry.path.as_str();
        match entry.kind {
            EntryKind::File { .. } => self.zip.start_file(path, options),
            EntryKind::Folder => self.zip.add_directory(path, options),
        }
        .map_err(|error| failed(&error))
    }
}

fn options(entry: &Entry) -> Result<FullFileOptions<'static>, zip::result::ZipError> {
    let (large, mode) = match (entry.kind, entry.executable) {
        (EntryKind::Folder, _) => (false, 0o755),
        (EntryKind::File { size }, executable) => {
            (size.is_none_or(|size| size >= LARGE), if executable { 0o755 } else { 0o644 })
        }
    };
    let mut options = FileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(large)
        .unix_permissions(mode);
    if let Some(modified) = entry.modified {
        options = options.last_modified_time(dos_time(modified));
        if let Ok(seconds) = i32::try_from(modified) {
            let mut field = vec![1]; // bit 0: the modification time follows
            field.extend_from_slice(&seconds.to_le_bytes());
            options.add_extra_data(EXTENDED_TIMESTAMP, field, false)?;
        }
    }
    Ok(options)
}

/// Local time, as MS-DOS kept it; 1980 for what it cannot say.
fn dos_time(modified: i64) -> DateTime {
    let date = js_sys::Date::new(&(modified as f64 * 1000.0).into());
    let part = |value: u32| value as u8;
    DateTime::from_date_and_time(
        date.get_full_year() as u16,
        part(date.get_month() + 1),
        part(date.get_date()),
        part(date.get_hours()),
        part(date.get_minutes()),
        part(date.get_seconds()),
    )
    .unwrap_or_default()
}

fn failed(error: &dyn std::error::Error) -> DiskError {
    DiskError::Other(format!("cannot write the archive: {error}"))
}
