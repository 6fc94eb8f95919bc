//! A folder that the person chose (File System Access): what is received keeps its structure in it.
use super::file::{FileOut, failed};
use beeline_core::{
    manifest::{EntryKind, Manifest},
    map::Map,
    output::{DiskError, FileIndex},
    path::RelPath,
};
use litemap::LiteMap;
use std::{cell::RefCell, sync::Arc};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemGetDirectoryOptions, FileSystemGetFileOptions,
};

/// Names tried for something that is there already: `name`, `name (2)`, …
const TRIES: u32 = 1000;

/// Where a manifest's entries go.
pub(super) struct FolderOut {
    root: FileSystemDirectoryHandle,
    manifest: Arc<Manifest>,
    /// What the first components are called here, so that nothing is overwritten.
    tops: RefCell<LiteMap<String, String>>,
    /// Folders by their paths, as they are called here.
    folders: RefCell<LiteMap<String, FileSystemDirectoryHandle>>,
    open: RefCell<Map<FileIndex, FileOut>>,
}

impl FolderOut {
    pub(super) fn new(root: FileSystemDirectoryHandle, manifest: Arc<Manifest>) -> Self {
        let (tops, folders) = (LiteMap::new(), LiteMap::new());
        let (tops, folders, open) = (tops.into(), folders.into(), RefCell::default());
        Self { root, manifest, tops, folders, open }
    }

    /// The next bytes of an entry. Only one job runs at a time, so nobody else takes the file meanwhile.
    pub(super) async fn write(&self, file: FileIndex, bytes: &[u8]) -> Result<(), DiskError> {
        let out = self.take(file).await?;
        let written = out.send(bytes).await;
        self.open.borrow_mut().insert(file, out);
        written
    }

    /// An entry is complete.
    pub(super) async fn commit(&self, file: FileIndex) -> Result<(), DiskError> {
        let Some(entry) = self.manifest.entry(file) else { return Ok(()) };
        if entry.kind == EntryKind::Folder {
            let path = self.here(&entry.path).await?;
            return self.folder(&path).await.map(drop);
        }
        self.take(file).await?.close().await
    }

    /// Leaves nothing that is not complete.
    pub(super) fn abandon(&self) {
        let mut open = self.open.borrow_mut();
        while let Some((_, out)) = open.pop_first() {
            out.abandon();
        }
    }

    async fn take(&self, file: FileIndex) -> Result<FileOut, DiskError> {
        if let Some(out) = self.open.borrow_mut().remove(&file) {
            return Ok(out);
        }
        let entry = self.manifest.entry(file);
        let entry = entry.ok_or_else(|| DiskError::Other("the offer has no such file".to_owned()))?;
        let path = self.here(&entry.path).await?;
        let (above, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let folder = self.folder(above).await?;
        let handle = file_handle(&folder, name, true).await?;
        Ok(FileOut::new(handle, Some((folder, name.to_owned()))))
    }

    /// The path as it is called here.
    async fn here(&self, path: &RelPath) -> Result<String, DiskError> {
        let path = path.as_str();
        let (top, rest) = path.split_once('/').map_or((path, None), |(top, rest)| (top, Some(rest)));
        let known = self.tops.borrow().get(top).cloned();
        let here = match known {
            Some(here) => here,
            None => {
                let free = self.free(top).await?;
                self.tops.borrow_mut().insert(top.to_owned(), free.clone());
                free
            }
        };
        Ok(rest.map_or_else(|| here.clone(), |rest| format!("{here}/{rest}")))
    }

    /// A name in the chosen folder that nothing has.
    async fn free(&self, name: &str) -> Result<String, DiskError> {
        for number in 1..TRIES {
            let candidate = numbered(name, number);
            let is_taken = self.tops.borrow().values().any(|taken| *taken == candidate);
            if !is_taken
                && file_handle(&self.root, &candidate, false).await.is_err()
                && JsFuture::from(self.root.get_directory_handle(&candidate)).await.is_err()
            {
                return Ok(candidate);
            }
        }
        Err(DiskError::Other(format!("{name} is there already")))
    }

    /// The folder of this path here, made where it is missing.
    async fn folder(&self, path: &str) -> Result<FileSystemDirectoryHandle, DiskError> {
        let mut folder = self.root.clone();
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for end in ends.filter(|end| *end > 0) {
            let so_far = &path[..end];
            let known = self.folders.borrow().get(so_far).cloned();
            folder = match known {
                Some(known) => known,
                None => {
                    let name = so_far.rsplit('/').next().unwrap_or(so_far);
                    let options = FileSystemGetDirectoryOptions::new();
                    options.set_create(true);
                    let made = JsFuture::from(folder.get_directory_handle_with_options(name, &options));
                    let made: FileSystemDirectoryHandle =
                        made.await.map_err(|error| failed(&error))?.unchecked_into();
                    self.folders.borrow_mut().insert(so_far.to_owned(), made.clone());
                    made
                }
            };
        }
        Ok(folder)
    }
}

async fn file_handle(
    folder: &FileSystemDirectoryHandle,
    name: &str,
    create: bool,
) -> Result<FileSystemFileHandle, DiskError> {
    let options = FileSystemGetFileOptions::new();
    options.set_create(create);
    let handle = JsFuture::from(folder.get_file_handle_with_options(name, &options)).await;
    handle.map(JsCast::unchecked_into).map_err(|error| failed(&error))
}

/// `photo.jpg`, `photo (2).jpg`, …
fn numbered(name: &str, number: u32) -> String {
    match (number, name.rsplit_once('.')) {
        (1, _) => name.to_owned(),
        (_, Some((stem, end))) if !stem.is_empty() => format!("{stem} ({number}).{end}"),
        _ => format!("{name} ({number})"),
    }
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn a_number_stands_before_the_ending() {
        assert_eq!(numbered("photo.jpg", 1), "photo.jpg");
        assert_eq!(numbered("photo.jpg", 2), "photo (2).jpg");
        assert_eq!(numbered("photos", 3), "photos (3)");
        assert_eq!(numbered(".profile", 2), ".profile (2)");
    }
}
