//! What is sent: files and folders of this machine, or one stream of unknown length.
//!
//! A [`Source`] looks at everything before anything is offered: names, sizes, times, and whether it can be
//! read at all. While blocks are read, size and modification time are compared with what was offered, before
//! the first and after every block: a file that changes is an error, never a torn copy.
use beeline_core::{
    digest::BLOCK_LEN,
    manifest::{Entry, EntryKind, Manifest, ManifestError},
    output::{BlockRef, DiskError},
    path::{PathError, RelPath},
    quote::quote,
};
use std::{
    fmt,
    fs::{self, File, Metadata},
    io::{self, Read},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// Why something cannot be offered.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not there, or may not be read.
    #[error("{} cannot be read: {error}", quote(&.path.to_string_lossy()))]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Its name cannot be given to another machine.
    #[error("{} has a name that other machines refuse: {error}", quote(&.path.to_string_lossy()))]
    Name {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with the name.
        error: PathError,
    },
    /// Its name is not Unicode text.
    #[error("{} has a name that is not UTF-8", quote(&.0.to_string_lossy()))]
    NotUnicode(PathBuf),
    /// Neither file nor folder.
    #[error("{} is neither a file nor a folder", quote(&.0.to_string_lossy()))]
    Special(PathBuf),
    /// Nothing was named.
    #[error("there is nothing to send")]
    Nothing,
    /// The whole does not make a manifest: too many entries, or two with the same name.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// Something inside a folder that is not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Which.
    pub path: PathBuf,
    /// Why, in a few words.
    pub why: &'static str,
}

/// Files and folders to send, as they were when they were offered.
pub struct Source {
    manifest: Manifest,
    skipped: Vec<Skipped>,
    kind: Kind,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("entries", &self.manifest.entries().len()).finish_non_exhaustive()
    }
}

enum Kind {
    /// One for each entry of the manifest; folders have no use for theirs.
    Files(Vec<Offered>),
    Stream(Box<dyn Read + Send>),
}

/// A file as it was when it was offered.
struct Offered {
    path: Box<Path>,
    size: u64,
    modified: Option<SystemTime>,
}

impl Source {
    /// Walks `paths` and everything below them.
    ///
    /// A path named here may be a symbolic link and is followed; one found inside a folder is skipped, as
    /// are sockets and devices (see [`Source::skipped`]). Every file is opened once to see that it can be.
    pub fn walk<P: AsRef<Path>>(paths: &[P]) -> Result<Source, SourceError> {
        let mut walk = Walk { entries: Vec::new(), offered: Vec::new(), skipped: Vec::new() };
        for path in paths {
            walk.top(path.as_ref())?;
        }
        if walk.entries.is_empty() {
            return Err(SourceError::Nothing);
        }
        let manifest = Manifest::new(walk.entries)?;
        Ok(Source { manifest, skipped: walk.skipped, kind: Kind::Files(walk.offered) })
    }

    /// One file called `name` whose length is known only when `stream` ends.
    pub fn stream(name: &str, stream: Box<dyn Read + Send>) -> Result<Source, SourceError> {
        let path =
            RelPath::parse(name).map_err(|error| SourceError::Name { path: PathBuf::from(name), error })?;
        let entry = Entry { path, kind: EntryKind::File { size: None }, modified: None, executable: false };
        let manifest = Manifest::new(vec![entry])?;
        Ok(Source { manifest, skipped: Vec::new(), kind: Kind::Stream(stream) })
    }

    /// What is offered.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What was found and is not offered.
    pub fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Whether its length is unknown.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.kind, Kind::Stream(_))
    }

    /// Splits into what is offered and what reads it.
    pub(crate) fn into_reader(self) -> (Manifest, Reader) {
        let names = self.manifest.entries().iter().map(|entry| entry.path.clone()).collect();
        let kind = match self.kind {
            Kind::Files(offered) => ReaderKind::Files { offered, open: None },
            Kind::Stream(stream) => ReaderKind::Stream { stream, carry: None, ended: false },
        };
        (self.manifest, Reader { names, kind })
    }
}

struct Walk {
    entries: Vec<Entry>,
    offered: Vec<Offered>,
    skipped: Vec<Skipped>,
}

impl Walk {
    fn top(&mut self, path: &Path) -> Result<(), SourceError> {
        let unreadable = |error| SourceError::Unreadable { path: path.to_owned(), error };
        let metadata = fs::metadata(path).map_err(unreadable)?;
        // `.` and `..` have no name of their own.
        let named = match path.file_name() {
            Some(_) => path.to_owned(),
            None => fs::canonicalize(path).map_err(unreadable)?,
        };
        let name = named.file_name().ok_or_else(|| SourceError::Special(path.to_owned()))?;
        let name = name.to_str().ok_or_else(|| SourceError::NotUnicode(path.to_owned()))?;
        if metadata.is_dir() {
            self.folder(path, name, &metadata)
        } else if metadata.is_file() {
            self.file(path, name, &metadata)
        } else {
            Err(SourceError::Special(path.to_owned()))
        }
    }

    fn folder(&mut self, path: &Path, name: &str, metadata: &Metadata) -> Result<(), SourceError> {
        let unreadable = |error| SourceError::Unreadable { path: path.to_owned(), error };
        self.push(path, name, EntryKind::Folder, metadata)?;
        let mut children: Vec<_> =
            fs::read_dir(path).map_err(unreadable)?.collect::<Result<_, _>>().map_err(unreadable)?;
        children.sort_by_key(|child| child.file_name());
        for child in children {
            let path = child.path();
            let unreadable = |error| SourceError::Unreadable { path: path.clone(), error };
            let kind = child.file_type().map_err(unreadable)?;
            let skip = if kind.is_symlink() {
                Some("it is a symbolic link")
            } else if !kind.is_dir() && !kind.is_file() {
                Some("it is neither a file nor a folder")
            } else {
                None
            };
            if let Some(why) = skip {
                self.skipped.push(Skipped { path, why });
                continue;
            }
            let metadata = child.metadata().map_err(unreadable)?;
            let own = child.file_name();
            let own = own.to_str().ok_or_else(|| SourceError::NotUnicode(path.clone()))?;
            let name = format!("{name}/{own}");
            if kind.is_dir() {
                self.folder(&path, &name, &metadata)?;
            } else {
                self.file(&path, &name, &metadata)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, name: &str, metadata: &Metadata) -> Result<(), SourceError> {
        File::open(path).map_err(|error| SourceError::Unreadable { path: path.to_owned(), error })?;
        self.push(path, name, EntryKind::File { size: Some(metadata.len()) }, metadata)
    }

    fn push(
        &mut self,
        path: &Path,
        name: &str,
        kind: EntryKind,
        metadata: &Metadata,
    ) -> Result<(), SourceError> {
        let rel = RelPath::parse(name).map_err(|error| SourceError::Name { path: path.to_owned(), error })?;
        let modified = metadata.modified().ok();
        let is_file = matches!(kind, EntryKind::File { .. });
        self.entries.push(Entry {
            path: rel,
            kind,
            modified: modified.and_then(unix_seconds),
            executable: is_file && executable(metadata),
        });
        self.offered.push(Offered { path: path.into(), size: metadata.len(), modified });
        Ok(())
    }
}

fn unix_seconds(moment: SystemTime) -> Option<i64> {
    match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_secs()).ok(),
        // Rounded down, as the file systems do.
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).ok()?;
            Some(-seconds - i64::from(before.subsec_nanos() > 0))
        }
    }
}

#[cfg(unix)]
fn executable(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o111 != 0
}

#[cfg(not(unix))]
fn executable(_: &Metadata) -> bool {
    false
}

/// A block as it was read.
pub(crate) struct BlockBytes {
    pub(crate) bytes: Vec<u8>,
    /// Whether the file is this one block.
    pub(crate) whole: bool,
    /// Whether nothing follows.
    pub(crate) last: bool,
}

/// Reads blocks of what was offered.
pub(crate) struct Reader {
    names: Vec<RelPath>,
    kind: ReaderKind,
}

enum ReaderKind {
    Files {
        offered: Vec<Offered>,
        /// The file read last.
        open: Option<(u32, File)>,
    },
    Stream {
        stream: Box<dyn Read + Send>,
        /// A byte read ahead, to know whether a full block was the last.
        carry: Option<u8>,
        ended: bool,
    },
}

impl Reader {
    /// Reads a block of at most `len` bytes, into memory whose content does not matter.
    pub(crate) fn read(&mut self, block: BlockRef, len: u32, into: Vec<u8>) -> Result<BlockBytes, DiskError> {
        let name = self.names.get(block.file.0 as usize).cloned();
        let name = name.ok_or_else(|| DiskError::Other(format!("there is no file {}", block.file.0)))?;
        match &mut self.kind {
            ReaderKind::Files { offered, open } => {
                let offered = &offered[block.file.0 as usize];
                read_file(offered, open, block, len, into).map_err(|failed| match failed {
                    Failed::Changed => DiskError::Changed { path: name.clone() },
                    Failed::Io(error) => {
                        DiskError::Other(format!("{} cannot be read: {error}", quote(name.as_str())))
                    }
                })
            }
            ReaderKind::Stream { stream, carry, ended } => {
                read_stream(stream, carry, ended, block, len, into)
                    .map_err(|error| DiskError::Other(format!("standard input cannot be read: {error}")))
            }
        }
    }
}

enum Failed {
    Changed,
    Io(io::Error),
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        match error.kind() {
            io::ErrorKind::NotFound => Failed::Changed,
            _ => Failed::Io(error),
        }
    }
}

fn read_file(
    offered: &Offered,
    open: &mut Option<(u32, File)>,
    block: BlockRef,
    len: u32,
    into: Vec<u8>,
) -> Result<BlockBytes, Failed> {
    let same = |metadata: Metadata| {
        metadata.is_file() && metadata.len() == offered.size && metadata.modified().ok() == offered.modified
    };
    let file = match open {
        Some((index, file)) if *index == block.file.0 => file,
        _ => {
            let file = File::open(&offered.path)?;
            if !same(file.metadata()?) {
                return Err(Failed::Changed);
            }
            &mut open.insert((block.file.0, file)).1
        }
    };
    let bytes = read_at(file, len, block.offset(), into)?;
    let ends = block.offset() + u64::from(len) >= offered.size;
    // Asked after every block, so that nobody waits for the end of a large file to hear of it.
    if bytes.len() < len as usize || !same(file.metadata()?) {
        return Err(Failed::Changed);
    }
    if ends {
        // The name may lead to another file by now (an editor's "save" replaces it); that is a change too.
        if !same(fs::metadata(&offered.path)?) {
            return Err(Failed::Changed);
        }
        *open = None;
    }
    Ok(BlockBytes { bytes, whole: offered.size <= BLOCK_LEN, last: ends })
}

/// `len` bytes from `offset`, or as many as there are; into memory that nobody filled with zeros before.
fn read_at(file: &mut File, len: u32, offset: u64, mut bytes: Vec<u8>) -> io::Result<Vec<u8>> {
    use std::io::{Seek, SeekFrom};
    file.seek(SeekFrom::Start(offset))?;
    bytes.clear();
    bytes.reserve_exact(len as usize);
    file.take(len.into()).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn fill(from: &mut impl Read, bytes: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn read_stream(
    stream: &mut Box<dyn Read + Send>,
    carry: &mut Option<u8>,
    ended: &mut bool,
    block: BlockRef,
    len: u32,
    mut bytes: Vec<u8>,
) -> io::Result<BlockBytes> {
    bytes.resize(len as usize, 0);
    let mut filled = 0;
    if let (Some(byte), Some(first)) = (*carry, bytes.first_mut()) {
        *first = byte;
        *carry = None;
        filled = 1;
    }
    if !*ended {
        filled += fill(stream, &mut bytes[filled..])?;
        *ended = filled < bytes.len();
    }
    bytes.truncate(filled);
    // Whether a full block is the last one shows only behind it.
    if !*ended {
        let mut ahead = [0];
        match fill(stream, &mut ahead)? {
            0 => *ended = true,
            _ => *carry = Some(ahead[0]),
        }
    }
    Ok(BlockBytes { bytes, whole: block.index == 0 && *ended, last: *ended })
}
