//! The browser's own storage for this page (OPFS), for browsers that can't stream a download: bytes are on a disk
//! while they arrive, and leave as a download at the end.
use super::file::failed;
use crate::browser;
use beeline_core::output::DiskError;
use std::cell::{Cell, RefCell};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, DedicatedWorkerGlobalScope, FileSystemDirectoryHandle, FileSystemFileHandle,
    FileSystemGetFileOptions, FileSystemReadWriteOptions, FileSystemSyncAccessHandle,
};

/// Files of earlier visits are removed at this age: a download of theirs has long been read.
const OLD_MS: f64 = 24.0 * 3600.0 * 1000.0;

/// A file there, made with the first byte.
#[derive(Default)]
pub(super) struct PrivateOut {
    open: RefCell<Option<Open>>,
    written: Cell<f64>,
}

#[derive(Clone)]
struct Open {
    folder: FileSystemDirectoryHandle,
    name: String,
    handle: FileSystemFileHandle,
    access: FileSystemSyncAccessHandle,
}

impl PrivateOut {
    /// Appends.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), DiskError> {
        let open = self.open().await?;
        let at = FileSystemReadWriteOptions::new();
        at.set_at_f64(self.written.get());
        let written =
            open.access.write_with_u8_array_and_options(bytes, &at).map_err(|error| failed(&error))?;
        self.written.set(self.written.get() + written);
        if written as usize == bytes.len() {
            Ok(())
        } else {
            Err(DiskError::Other("the browser's storage is full".to_owned()))
        }
    }

    /// The whole, which stays on the disk.
    pub(super) async fn finish(&self) -> Result<Blob, DiskError> {
        let open = self.open().await?;
        open.access.flush().map_err(|error| failed(&error))?;
        open.access.close();
        *self.open.borrow_mut() = None; // not abandoned: the download reads it
        JsFuture::from(open.handle.get_file())
            .await
            .map(JsCast::unchecked_into)
            .map_err(|error| failed(&error))
    }

    /// Leaves nothing of it, unless it is finished.
    pub(super) fn abandon(&self) {
        if let Some(open) = self.open.take() {
            open.access.close();
            spawn_local(async move {
                let _ = JsFuture::from(open.folder.remove_entry(&open.name)).await;
            });
        }
    }

    async fn open(&self) -> Result<Open, DiskError> {
        if let Some(open) = &*self.open.borrow() {
            return Ok(open.clone());
        }
        let open = make().await.map_err(|error| failed(&error))?;
        *self.open.borrow_mut() = Some(open.clone());
        Ok(open)
    }
}

async fn make() -> Result<Open, JsValue> {
    let scope: DedicatedWorkerGlobalScope = js_sys::global().unchecked_into();
    let folder: FileSystemDirectoryHandle =
        JsFuture::from(scope.navigator().storage().get_directory()).await?.unchecked_into();
    let now = js_sys::Date::now();
    sweep(&folder, now).await;
    let random = u64::from_le_bytes(browser::random::<8>());
    let name = format!("{}-{random:x}", now as u64);
    let options = FileSystemGetFileOptions::new();
    options.set_create(true);
    let handle = JsFuture::from(folder.get_file_handle_with_options(&name, &options)).await?;
    let handle: FileSystemFileHandle = handle.unchecked_into();
    let access = JsFuture::from(handle.create_sync_access_handle()).await?.unchecked_into();
    Ok(Open { folder, name, handle, access })
}

/// Removes what an earlier visit left. One that another page still writes is locked, and stays.
async fn sweep(folder: &FileSystemDirectoryHandle, now: f64) {
    let names = folder.keys();
    let mut old = Vec::new();
    while let Ok(next) = names.next() {
        let Ok(next) = JsFuture::from(next).await else { break };
        let Some(name) = browser::property(&next, "value").and_then(|name| name.as_string()) else { break };
        let made = name.split_once('-').and_then(|(made, _)| made.parse::<u64>().ok());
        if made.is_some_and(|made| made as f64 + OLD_MS < now) {
            old.push(name);
        }
    }
    for name in old {
        let _ = JsFuture::from(folder.remove_entry(&name)).await;
    }
}
