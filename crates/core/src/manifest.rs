//! What is offered: files and folders with their names, sizes, times and modes.
use crate::path::RelPath;
use std::collections::HashMap;

/// Entries of a manifest, at most.
pub const MAX_ENTRIES: usize = 500_000;
/// Bytes of all names and numbers of a manifest, at most, counted as 32 an entry plus its name.
pub const MAX_MANIFEST_LEN: usize = 64 << 20;
/// Bytes of a file, at most: more blocks than this cannot be numbered (2^32 blocks of 1 MiB).
pub const MAX_FILE_LEN: u64 = 1 << 52;

/// A file or a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where it goes, below the folder that the receiver chooses.
    pub path: RelPath,
    /// What it is.
    pub kind: EntryKind,
    /// When it was last modified, in seconds since 1970 (UTC).
    pub modified: Option<i64>,
    /// Whether its owner may execute it.
    pub executable: bool,
}

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A file of so many bytes; `None`: it ends when it ends (standard input), and then it is the only entry.
    File {
        /// Bytes.
        size: Option<u64>,
    },
    /// A folder, listed so that empty ones and their times are kept.
    Folder,
}

/// A checked list of entries: nothing in it is named twice or lies within a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    entries: Vec<Entry>,
    /// Where each entry begins in the transfer's stream; one more at the end.
    starts: Vec<u64>,
    files: u32,
}

/// Why a list of entries is no manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Nothing in it.
    #[error("there is nothing to send")]
    Empty,
    /// Over [`MAX_ENTRIES`] or [`MAX_MANIFEST_LEN`].
    #[error("more than {MAX_ENTRIES} files and folders, or too long names")]
    TooMany,
    /// Two entries of the same name, also where they differ only in how accents are encoded.
    #[error("{0} is there twice")]
    Twice(RelPath),
    /// An entry below a file.
    #[error("{0} is inside a file")]
    InsideFile(RelPath),
    /// Sizes that do not fit.
    #[error("{0} is too large")]
    TooLarge(RelPath),
    /// A file of unknown size beside others.
    #[error("a stream of unknown length travels alone")]
    StreamNotAlone,
}

impl Manifest {
    /// Checks a list.
    pub fn new(entries: Vec<Entry>) -> Result<Self, ManifestError> {
        if entries.is_empty() {
            return Err(ManifestError::Empty);
        }
        let weight = weight(&entries);
        if entries.len() > MAX_ENTRIES || weight > MAX_MANIFEST_LEN {
            return Err(ManifestError::TooMany);
        }
        let mut names: HashMap<String, bool> = HashMap::with_capacity(entries.len());
        let mut starts = Vec::with_capacity(entries.len() + 1);
        let mut position = 0u64;
        for entry in &entries {
            let is_file = matches!(entry.kind, EntryKind::File { .. });
            if names.insert(composed(entry.path.as_str()), is_file).is_some() {
                return Err(ManifestError::Twice(entry.path.clone()));
            }
            starts.push(position);
            match entry.kind {
                EntryKind::File { size: None } if entries.len() > 1 => {
                    return Err(ManifestError::StreamNotAlone);
                }
                EntryKind::File { size: Some(size) } => {
                    let end = position.checked_add(size).filter(|_| size <= MAX_FILE_LEN);
                    position = end.ok_or_else(|| ManifestError::TooLarge(entry.path.clone()))?;
                }
                EntryKind::File { size: None } | EntryKind::Folder => {}
            }
        }
        starts.push(position);
        for entry in &entries {
            let name = composed(entry.path.as_str());
            let mut above = name.as_str();
            while let Some((parent, _)) = above.rsplit_once('/') {
                if names.get(parent) == Some(&true) {
                    return Err(ManifestError::InsideFile(entry.path.clone()));
                }
                above = parent;
            }
        }
        let files = entries.iter().filter(|e| e.kind != EntryKind::Folder).count() as u32;
        Ok(Self { entries, starts, files })
    }

    /// What the list costs, as it counts against [`MAX_MANIFEST_LEN`].
    pub(crate) fn weight(&self) -> usize {
        weight(&self.entries)
    }

    /// All entries, in the order in which they are sent.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// One entry.
    pub fn entry(&self, file: crate::output::FileIndex) -> Option<&Entry> {
        self.entries.get(file.0 as usize)
    }

    /// The size of a file as the manifest has it; 0 for a folder.
    pub(crate) fn size(&self, file: crate::output::FileIndex) -> Option<u64> {
        match self.entry(file)?.kind {
            EntryKind::File { size } => size,
            EntryKind::Folder => Some(0),
        }
    }

    /// Where an entry begins in the transfer's stream, in bytes.
    pub(crate) fn start(&self, file: crate::output::FileIndex) -> u64 {
        self.starts.get(file.0 as usize).copied().unwrap_or(u64::MAX)
    }

    /// All bytes; `None` where the one file's size is unknown.
    pub fn bytes(&self) -> Option<u64> {
        let stream = self.entries.iter().any(|e| e.kind == EntryKind::File { size: None });
        if stream { None } else { self.starts.last().copied() }
    }

    /// How many entries are files.
    pub fn files(&self) -> u32 {
        self.files
    }

    /// How many entries are folders.
    pub fn folders(&self) -> u32 {
        self.entries.len() as u32 - self.files()
    }
}

fn weight(entries: &[Entry]) -> usize {
    entries.iter().map(|e| 32 + e.path.as_str().len()).sum()
}

/// macOS writes accents apart, others together: both name the same file there.
fn composed(name: &str) -> String {
    if name.is_ascii() { name.to_owned() } else { nfc(name) }
}

/// Normalization form C (UAX #15).
#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
fn nfc(name: &str) -> String {
    unicode_normalization::UnicodeNormalization::nfc(name).collect()
}

/// The same from the browser, which has the tables.
#[cfg(all(target_family = "wasm", target_os = "unknown"))]
fn nfc(name: &str) -> String {
    use wasm_bindgen::prelude::wasm_bindgen;
    #[wasm_bindgen]
    extern "C" {
        #[wasm_bindgen(js_namespace = ["String", "prototype", "normalize"])]
        fn call(name: &str, form: &str) -> String;
    }
    call(name, "NFC")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, size: Option<u64>) -> Entry {
        Entry {
            path: RelPath::parse(path).unwrap(),
            kind: EntryKind::File { size },
            modified: None,
            executable: false,
        }
    }

    fn folder(path: &str) -> Entry {
        Entry { kind: EntryKind::Folder, ..file(path, None) }
    }

    #[test]
    fn an_ordinary_list_is_counted() {
        let manifest = Manifest::new(vec![folder("a"), file("a/b", Some(3)), file("c", Some(4))]).unwrap();
        assert_eq!((manifest.files(), manifest.folders(), manifest.bytes()), (2, 1, Some(7)));
        assert_eq!(manifest.start(crate::output::FileIndex(2)), 3);
    }

    #[test]
    fn lists_that_lie_are_refused() {
        let refused = |entries: Vec<Entry>| Manifest::new(entries).unwrap_err();
        assert_eq!(refused(vec![]), ManifestError::Empty);
        assert!(matches!(refused(vec![file("a", Some(1)), file("a", Some(1))]), ManifestError::Twice(_)));
        assert!(matches!(
            refused(vec![file("\u{e9}", Some(1)), file("e\u{301}", Some(1))]),
            ManifestError::Twice(_)
        ));
        assert!(matches!(
            refused(vec![file("a", Some(1)), file("a/b", Some(1))]),
            ManifestError::InsideFile(_)
        ));
        assert!(matches!(
            refused(vec![file("a/b/c", Some(1)), file("a", Some(1))]),
            ManifestError::InsideFile(_)
        ));
        assert!(matches!(refused(vec![file("a", Some(u64::MAX))]), ManifestError::TooLarge(_)));
        assert!(matches!(refused(vec![file("a", None), file("b", Some(1))]), ManifestError::StreamNotAlone));
        let many = (0..=MAX_ENTRIES).map(|i| file(&i.to_string(), Some(0))).collect();
        assert_eq!(refused(many), ManifestError::TooMany);
    }
}
