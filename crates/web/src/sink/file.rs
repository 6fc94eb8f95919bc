//! A file that the person chose (File System Access): bytes go to the browser's swap file, and the name appears
//! with all of them at the end.
use crate::browser;
use beeline_core::output::DiskError;
use js_sys::Uint8Array;
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{FileSystemDirectoryHandle, FileSystemFileHandle, FileSystemWritableFileStream};

/// Opened with the first byte, or at the end where there is none.
pub(super) struct FileOut {
    handle: FileSystemFileHandle,
    /// The folder in which this transfer made the file, with its name there: what is not finished is removed.
    made_in: Option<(FileSystemDirectoryHandle, String)>,
    open: RefCell<Option<FileSystemWritableFileStream>>,
}

impl FileOut {
    pub(super) fn new(
        handle: FileSystemFileHandle,
        made_in: Option<(FileSystemDirectoryHandle, String)>,
    ) -> Self {
        Self { handle, made_in, open: RefCell::new(None) }
    }

    /// Appends; ends when the browser has taken the bytes.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), DiskError> {
        let open = self.open().await?;
        // A copy, because the browser reads it later and our memory may have moved by then.
        let written =
            open.write_with_js_u8_array(&Uint8Array::from(bytes)).map_err(|error| failed(&error))?;
        JsFuture::from(written).await.map(drop).map_err(|error| failed(&error))
    }

    /// Gives the file its bytes.
    pub(super) async fn close(&self) -> Result<(), DiskError> {
        let open = self.open().await?;
        JsFuture::from(open.close()).await.map_err(|error| failed(&error))?;
        *self.open.borrow_mut() = None;
        Ok(())
    }

    /// Leaves nothing of it.
    pub(super) fn abandon(&self) {
        let (open, made_in) = (self.open.take(), self.made_in.clone());
        spawn_local(async move {
            if let Some(open) = open {
                let _ = JsFuture::from(open.abort()).await;
            }
            if let Some((folder, name)) = made_in {
                let _ = JsFuture::from(folder.remove_entry(&name)).await;
            }
        });
    }

    async fn open(&self) -> Result<FileSystemWritableFileStream, DiskError> {
        if let Some(open) = &*self.open.borrow() {
            return Ok(open.clone());
        }
        let opened = JsFuture::from(self.handle.create_writable()).await.map_err(|error| failed(&error))?;
        let opened: FileSystemWritableFileStream = opened.unchecked_into();
        *self.open.borrow_mut() = Some(opened.clone());
        Ok(opened)
    }
}

/// What the browser's file system says.
pub(super) fn failed(error: &JsValue) -> DiskError {
    DiskError::Other(match browser::kind(error).as_str() {
        "QuotaExceededError" => "there is not enough free space".to_owned(),
        "NotAllowedError" => "the browser does not let this page write there".to_owned(),
        _ => browser::said(error),
    })
}
