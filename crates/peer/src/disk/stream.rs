//! One file into a stream, such as standard output.
use super::{Refusal, Sink};
use beeline_core::{
    manifest::{EntryKind, Manifest},
    output::{DiskError, FileIndex, Order},
};
use std::{
    fmt,
    io::Write,
    sync::{Arc, Mutex, PoisonError},
};

/// A sink that takes exactly one file, from its first byte to its last.
pub struct Stream {
    inner: Mutex<Inner>,
}

struct Inner {
    to: Box<dyn Write + Send>,
    /// Bytes written so far.
    at: u64,
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

impl Stream {
    /// A sink that writes to `to`.
    pub fn new(to: Box<dyn Write + Send>) -> Stream {
        Stream { inner: Mutex::new(Inner { to, at: 0 }) }
    }
}

impl Sink for Stream {
    fn order(&self) -> Order {
        Order::Sequential
    }

    fn check(&self, manifest: &Manifest) -> Result<(), Refusal> {
        match manifest.entries() {
            [entry] if matches!(entry.kind, EntryKind::File { .. }) => Ok(()),
            _ => Err(Refusal::NotOneFile { files: manifest.files(), folders: manifest.folders() }),
        }
    }

    fn begin(&self, manifest: Arc<Manifest>) -> Result<(), Refusal> {
        self.check(&manifest)
    }

    fn write(&self, _: FileIndex, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        if inner.at != offset {
            return Err(DiskError::Other(format!("byte {offset} came when {} was due", inner.at)));
        }
        inner.to.write_all(bytes).map_err(not_writable)?;
        inner.at += bytes.len() as u64;
        Ok(())
    }

    fn commit(&self, _: FileIndex, _: u64) -> Result<(), DiskError> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.to.flush().map_err(not_writable)
    }

    fn finish(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn abandon(&self) {}
}

fn not_writable(error: std::io::Error) -> DiskError {
    DiskError::Other(format!("standard output cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_out_of_order_are_refused() {
        let stream = Stream::new(Box::new(std::io::sink()));

        assert!(stream.write(FileIndex(0), 0, b"abc").is_ok());
        assert!(stream.write(FileIndex(0), 4, b"e").is_err());
        assert!(stream.write(FileIndex(0), 3, b"d").is_ok());
    }
}
