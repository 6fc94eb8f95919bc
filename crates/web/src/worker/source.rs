//! Reading the files that are offered: short ones each by itself, long ones as streams.
use super::stream::{FileStream, whole};
use crate::browser;
use beeline_core::{
    digest::BLOCK_LEN,
    manifest::{Entry, EntryKind, Manifest},
    output::DiskError,
    path::RelPath,
};
use js_sys::Array;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::File;

/// The files of one offer, by their place in its manifest.
#[derive(Clone)]
pub(super) struct Source {
    files: Rc<Vec<(RelPath, Option<File>)>>,
    /// The long file that is being read.
    long: Rc<RefCell<Option<(usize, FileStream)>>>,
}

impl Source {
    /// Takes what was chosen, with its manifest; an entry without a File is a folder.
    pub(super) fn new(paths: &[String], files: &JsValue) -> Result<(Self, Manifest), String> {
        let files: &Array = files.unchecked_ref();
        let files: Vec<Option<File>> = files.iter().map(|file| file.dyn_into().ok()).collect();
        let manifest = manifest_of(paths.iter().map(String::as_str).zip(files.iter().map(Option::as_ref)))?;
        let chosen = manifest.entries().iter().map(|entry| entry.path.clone()).zip(files).collect();
        Ok((Self { files: Rc::new(chosen), long: Rc::default() }, manifest))
    }

    /// Reads `len` bytes at `offset`. Chromium refuses to read a file that is not what was chosen;
    /// Firefox was seen to say nothing where the length is the same.
    pub(super) async fn read(&self, file: usize, offset: u64, len: u32) -> Result<Vec<u8>, DiskError> {
        let Some((path, Some(chosen))) = self.files.get(file) else {
            return Err(DiskError::Other("the offer has no such file".to_owned()));
        };
        let read = match chosen.size() > BLOCK_LEN as f64 {
            true => self.long(file, chosen, offset, len).await,
            false => whole(chosen, offset, len).await, // many at the same time
        };
        let changed = || DiskError::Changed { path: path.clone() };
        match read {
            Ok(bytes) if bytes.len() == len as usize => Ok(bytes),
            Ok(_) => Err(changed()),
            Err(error) if matches!(browser::kind(&error).as_str(), "NotReadableError" | "NotFoundError") => {
                Err(changed())
            }
            Err(error) => Err(DiskError::Other(format!("{path}: {}", browser::said(&error)))),
        }
    }

    async fn long(&self, file: usize, chosen: &File, offset: u64, len: u32) -> Result<Vec<u8>, JsValue> {
        let read = {
            let mut long = self.long.borrow_mut();
            let stream = match long.take() {
                Some((number, stream)) if number == file => stream,
                _ => FileStream::new(chosen.clone()), // one that was dropped still answers what it was asked
            };
            let read = stream.read(offset, len);
            *long = Some((file, stream));
            read
        };
        read.await.unwrap_or_else(|_| Err(js_sys::Error::new("reading was stopped").into()))
    }
}

/// The manifest of files by their paths; an entry without a File is a folder. Or why there can be none, in words.
pub(crate) fn manifest_of<'a>(
    chosen: impl Iterator<Item = (&'a str, Option<&'a File>)>,
) -> Result<Manifest, String> {
    let entry = |(path, file): (&str, Option<&File>)| {
        let kind = file.map_or(EntryKind::Folder, |file| EntryKind::File {
            size: Some(file.size() as u64), // an integer below 2^53
        });
        Ok(Entry {
            path: RelPath::parse(path).map_err(|error| error.to_string())?,
            kind,
            modified: file.map(|file| (file.last_modified() / 1000.0).floor() as i64),
            executable: false, // browsers do not tell
        })
    };
    let entries = chosen.map(entry).collect::<Result<_, String>>()?;
    Manifest::new(entries).map_err(|error| error.to_string())
}
