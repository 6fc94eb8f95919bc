//! Reading the files that are offered.
//!
//! A read costs a round trip to the browser's own process, so several blocks are read at once and shared: 4 MiB
//! a read cost two thirds of what 1 MiB a read does.
use crate::browser;
use beeline_core::{
    manifest::{Entry, EntryKind, Manifest},
    output::DiskError,
    path::RelPath,
};
use js_sys::{Array, Promise, Uint8Array};
use std::{cell::RefCell, collections::VecDeque, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

/// Bytes of one read.
const STRETCH: u64 = 4 << 20;
/// Reads kept for the blocks that are still to come from them.
const KEPT: usize = 2;

/// The files of one offer, by their place in its manifest.
#[derive(Clone)]
pub(super) struct Source {
    files: Rc<Vec<(RelPath, Option<File>)>>,
    reads: Rc<RefCell<VecDeque<Stretch>>>,
}

/// A read under way or done.
struct Stretch {
    file: usize,
    start: u64,
    bytes: Promise,
}

impl Source {
    /// Takes what was chosen, with its manifest; an entry without a File is a folder.
    pub(super) fn new(paths: &[String], files: &JsValue) -> Result<(Self, Manifest), String> {
        let files: &Array = files.unchecked_ref();
        let files: Vec<Option<File>> = files.iter().map(|file| file.dyn_into().ok()).collect();
        let manifest = manifest_of(paths.iter().map(String::as_str).zip(files.iter().map(Option::as_ref)))?;
        let chosen = manifest.entries().iter().map(|entry| entry.path.clone()).zip(files).collect();
        Ok((Self { files: Rc::new(chosen), reads: Rc::default() }, manifest))
    }

    /// Reads `len` bytes at `offset`. Chromium refuses to read a file that is not what was chosen;
    /// Firefox was seen to say nothing where the length is the same.
    pub(super) async fn read(&self, file: usize, offset: u64, len: u32) -> Result<Vec<u8>, DiskError> {
        let Some((path, Some(chosen))) = self.files.get(file) else {
            return Err(DiskError::Other("the offer has no such file".to_owned()));
        };
        let changed = || DiskError::Changed { path: path.clone() };
        let other = |error: JsValue| DiskError::Other(format!("{path}: {}", browser::said(&error)));
        let start = offset - offset % STRETCH; // a block lies within one stretch
        let read = self.stretch(file, chosen, start).map_err(other)?;
        match JsFuture::from(read).await {
            Ok(buffer) => {
                let at = (offset - start) as u32;
                let bytes = Uint8Array::new(&buffer).subarray(at, at + len).to_vec();
                if bytes.len() == len as usize { Ok(bytes) } else { Err(changed()) }
            }
            Err(error) if matches!(browser::kind(&error).as_str(), "NotReadableError" | "NotFoundError") => {
                Err(changed())
            }
            Err(error) => Err(other(error)),
        }
    }

    /// The read that holds the stretch from `start`; begun now if it is not kept.
    fn stretch(&self, file: usize, chosen: &File, start: u64) -> Result<Promise, JsValue> {
        let mut reads = self.reads.borrow_mut();
        if let Some(read) = reads.iter().find(|read| read.file == file && read.start == start) {
            return Ok(read.bytes.clone());
        }
        let end = (start + STRETCH) as f64;
        let bytes = chosen.slice_with_f64_and_f64(start as f64, end)?.array_buffer();
        reads.push_back(Stretch { file, start, bytes: bytes.clone() });
        if reads.len() > KEPT {
            reads.pop_front();
        }
        Ok(bytes)
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
