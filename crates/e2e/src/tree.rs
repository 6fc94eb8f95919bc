//! What is in a folder or an archive, so that two can be compared.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// One thing in a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A folder, with or without something in it.
    Folder,
    /// A regular file.
    File {
        /// Its size in bytes.
        len: u64,
        /// The BLAKE3 digest of its content, in hex, as `b3sum` prints it.
        blake3: String,
    },
}

/// Relative paths, with `/` between the names, and what is there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(pub BTreeMap<String, Entry>);

impl Tree {
    /// Everything below the folder `root`, which itself is not part of it.
    pub fn of(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.add(root, "").with_context(|| root.display().to_string())?;
        Ok(tree)
    }

    /// Everything in a ZIP archive, with the checksums of its files checked.
    ///
    /// Folders need no entry of their own in an archive, so those that only lie on the way to a file are added.
    pub fn of_zip(path: &Path) -> Result<Self> {
        let mut archive =
            zip::ZipArchive::new(File::open(path)?).with_context(|| path.display().to_string())?;
        let mut tree = Self::default();
        for index in 0..archive.len() {
            let mut file = archive.by_index(index)?;
            let name = file.name().trim_end_matches('/').to_owned();
            ensure!(file.enclosed_name().is_some(), "a name that leads outside: {name}");
            ensure!(file.compression() == zip::CompressionMethod::Stored, "compressed: {name}");
            for (at, _) in name.match_indices('/') {
                tree.0.insert(name[..at].to_owned(), Entry::Folder);
            }
            let entry = if file.is_dir() { Entry::Folder } else { entry(&mut file)? };
            let twice = tree.0.insert(name.clone(), entry).is_some_and(|entry| entry != Entry::Folder);
            ensure!(!twice, "twice in the archive: {name}");
        }
        Ok(tree)
    }

    fn add(&mut self, folder: &Path, prefix: &str) -> Result<()> {
        for found in fs::read_dir(folder)? {
            let found = found?;
            let name = found.file_name().into_string().ok().context("a name that is not UTF-8")?;
            let path = format!("{prefix}{name}");
            if found.file_type()?.is_dir() {
                self.add(&found.path(), &format!("{path}/"))?;
                self.0.insert(path, Entry::Folder);
            } else {
                self.0.insert(path, entry(&mut File::open(found.path())?)?);
            }
        }
        Ok(())
    }

    /// Only what a file chooser of a browser sees: files, and the folders that lead to them.
    pub fn without_empty_folders(mut self) -> Self {
        let files: Vec<_> = self.files().into_keys().collect();
        self.0.retain(|path, entry| {
            *entry != Entry::Folder || files.iter().any(|file| file.starts_with(&format!("{path}/")))
        });
        self
    }

    /// Only what is at `name` or below it.
    pub fn only(mut self, name: &str) -> Self {
        self.0.retain(|path, _| path == name || path.starts_with(&format!("{name}/")));
        self
    }

    /// The files with their digests.
    pub fn files(&self) -> BTreeMap<String, String> {
        let files = self.0.iter().filter_map(|(path, entry)| match entry {
            Entry::File { blake3, .. } => Some((path.clone(), blake3.clone())),
            Entry::Folder => None,
        });
        files.collect()
    }

    /// The length of all files together.
    pub fn bytes(&self) -> u64 {
        let len = |entry: &Entry| if let Entry::File { len, .. } = entry { *len } else { 0 };
        self.0.values().map(len).sum()
    }

    /// Fails, naming what differs, unless `found` is the same.
    pub fn ensure_same(&self, found: &Self) -> Result<()> {
        let missing = self.0.iter().filter(|(path, entry)| found.0.get(*path) != Some(*entry));
        let wrong: Vec<_> = missing.map(|(path, entry)| (path, entry, found.0.get(path))).collect();
        let extra: Vec<_> = found.0.keys().filter(|path| !self.0.contains_key(*path)).collect();
        ensure!(
            wrong.is_empty() && extra.is_empty(),
            "missing or different: {wrong:#?}\nunexpected: {extra:#?}"
        );
        Ok(())
    }
}

fn entry(reader: &mut impl Read) -> Result<Entry> {
    let mut digest = blake3::Hasher::new();
    let len = std::io::copy(reader, &mut Digesting(&mut digest))?;
    Ok(Entry::File { len, blake3: digest.finalize().to_hex().to_string() })
}

struct Digesting<'a>(&'a mut blake3::Hasher);

impl Write for Digesting<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
