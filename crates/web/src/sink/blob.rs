//! A Blob in memory, for pages without a service worker.
use crate::{browser, sink::BLOB_CAP};
use beeline_core::output::DiskError;
use js_sys::{Array, Uint8Array};
use std::cell::{Cell, RefCell};
use web_sys::{Blob, BlobPropertyBag};

/// Parts are folded into the Blob at this size: the browser may keep a Blob elsewhere, an array is in our memory.
const FOLD: u64 = 16 << 20;

/// Bytes collected so far.
#[derive(Default)]
pub(super) struct BlobOut {
    blob: RefCell<Option<Blob>>,
    parts: RefCell<Array>,
    unfolded: Cell<u64>,
    total: Cell<u64>,
}

impl BlobOut {
    /// Appends.
    pub(super) fn push(&self, bytes: &[u8]) -> Result<(), DiskError> {
        let len = bytes.len() as u64;
        self.total.set(self.total.get() + len);
        if self.total.get() > BLOB_CAP {
            return Err(DiskError::Other("this page cannot hold more than 256 MiB in memory".to_owned()));
        }
        self.parts.borrow().push(&Uint8Array::from(bytes));
        self.unfolded.set(self.unfolded.get() + len);
        if self.unfolded.get() >= FOLD { self.fold() } else { Ok(()) }
    }

    /// The whole.
    pub(super) fn finish(&self) -> Result<Blob, DiskError> {
        self.fold()?;
        Ok(self.blob.borrow_mut().take().expect("fold() has just made one"))
    }

    fn fold(&self) -> Result<(), DiskError> {
        let parts = self.parts.replace(Array::new());
        if let Some(blob) = &*self.blob.borrow() {
            parts.unshift(blob);
        }
        let options = BlobPropertyBag::new();
        options.set_type("application/octet-stream");
        let blob = Blob::new_with_u8_array_sequence_and_options(&parts, &options).map_err(|error| {
            DiskError::Other(format!("cannot collect the file: {}", browser::said(&error)))
        })?;
        *self.blob.borrow_mut() = Some(blob);
        self.unfolded.set(0);
        Ok(())
    }
}
