//! Reading the files that are offered.
use crate::browser;
use beeline_core::{
    manifest::{Entry, EntryKind, Manifest},
    output::DiskError,
    path::RelPath,
};
use js_sys::{Array, Uint8Array};
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::File;

/// The files of one offer, by their place in its manifest.
#[derive(Clone)]
pub(super) struct Source(Rc<Vec<(RelPath, Option<File>)>>);

impl Source {
    /// Makes the manifest of what was chosen; an entry without a File is a folder.
    pub(super) fn new(paths: &[String], files: &JsValue) -> Result<(Self, Manifest), String> {
        let files: &Array = files.unchecked_ref();
        let mut chosen = Vec::with_capacity(paths.len());
        let mut entries = Vec::with_capacity(paths.len());
        for (path, file) in paths.iter().zip(files.iter()) {
            let path = RelPath::parse(path).map_err(|error| error.to_string())?;
            let file = file.dyn_into::<File>().ok();
            entries.push(Entry {
                path: path.clone(),
                kind: file.as_ref().map_or(EntryKind::Folder, |file| EntryKind::File {
                    size: Some(file.size() as u64), // an integer below 2^53
                }),
                modified: file.as_ref().map(|file| (file.last_modified() / 1000.0).floor() as i64),
                executable: false, // browsers do not tell
            });
            chosen.push((path, file));
        }
        let manifest = Manifest::new(entries).map_err(|error| error.to_string())?;
        Ok((Self(Rc::new(chosen)), manifest))
    }

    /// Reads `len` bytes at `offset`. A browser refuses to read a file that is not what was chosen.
    pub(super) async fn read(&self, file: usize, offset: u64, len: u32) -> Result<Vec<u8>, DiskError> {
        let Some((path, Some(file))) = self.0.get(file) else {
            return Err(DiskError::Other("the offer has no such file".to_owned()));
        };
        let changed = || DiskError::Changed { path: path.clone() };
        let other = |error: JsValue| DiskError::Other(format!("{path}: {}", browser::said(&error)));
        let end = offset + u64::from(len);
        let part = file.slice_with_f64_and_f64(offset as f64, end as f64).map_err(other)?;
        match JsFuture::from(part.array_buffer()).await {
            Ok(buffer) => {
                let bytes = Uint8Array::new(&buffer).to_vec();
                if bytes.len() == len as usize { Ok(bytes) } else { Err(changed()) }
            }
            Err(error) if matches!(browser::kind(&error).as_str(), "NotReadableError" | "NotFoundError") => {
                Err(changed())
            }
            Err(error) => Err(other(error)),
        }
    }
}
