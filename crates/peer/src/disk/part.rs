//! A file while its blocks arrive, and how they get into it.
//!
//! ```text
//! block ──> bounce ──O_DIRECT──> disk          a large file, on Linux, where the file system can
//!   └─────> the system's cache ──flush──> disk      the rest
//! ```
//! What goes through the system's cache is copied there page by page and written from there later: 0.8 CPU s/GB more
//! than straight to the disk, and it displaces what others have in memory. A small file stays in the cache, for whoever
//! opens it next.
use std::{
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use cap_std::fs::{Dir, OpenOptions};

/// From this size on a file goes past the system's cache, bytes.
pub(super) const LARGE: u64 = 64 << 20;
/// Where a direct write begins and ends, in the file and in memory: what every usual disk is content with.
const ALIGNED: usize = 4096;

/// A file that is not complete.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: File,
    /// The same file past the cache, until that is refused.
    direct: Mutex<Option<File>>,
    /// Held while it is flushed: who flushes hears of all failures before, or waits for who does.
    flush: Mutex<()>,
}

impl Part {
    /// Opens a temporary file in `parts`, a folder where nobody else has a name, and creates it when it is first asked
    /// for.
    pub(super) fn open(parts: &Dir, name: &str, large: bool) -> io::Result<Self> {
        let file = parts.open_with(name, OpenOptions::new().write(true).create(true))?.into_std();
        let direct = if large { open_direct(parts, name) } else { None };
        Ok(Self { file, direct: Mutex::new(direct), flush: Mutex::new(()) })
    }

    /// Writes a block. One thread writes, so nobody moves the positions in between.
    pub(super) fn write(&self, offset: u64, bytes: &[u8], bounce: &mut Bounce) -> io::Result<()> {
        let written = self.write_direct(offset, bytes, bounce);
        let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) else { return Ok(()) };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(offset + written as u64))?;
        file.write_all(rest)
    }

    /// How many bytes went past the cache. What does not is for the cache to take, or to say why not.
    fn write_direct(&self, offset: u64, bytes: &[u8], bounce: &mut Bounce) -> usize {
        let whole = bytes.len() / ALIGNED * ALIGNED;
        let mut direct = self.direct();
        let Some(mut file) = direct.as_ref().filter(|_| whole > 0 && offset.is_multiple_of(ALIGNED as u64))
        else {
            return 0;
        };
        let seek = file.seek(SeekFrom::Start(offset));
        match seek.and_then(|_| file.write(bounce.hold(&bytes[..whole]))) {
            Ok(written) => written,
            Err(error) => {
                tracing::debug!(error = ?error.kind(), "no writing past the cache");
                *direct = None;
                0
            }
        }
    }

    /// Whether what was written may still wait in the system's cache.
    pub(super) fn is_cached(&self) -> bool {
        self.direct().is_none()
    }

    fn direct(&self) -> MutexGuard<'_, Option<File>> {
        self.direct.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn flushing(&self) -> MutexGuard<'_, ()> {
        self.flush.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(target_os = "linux")]
fn open_direct(parts: &Dir, name: &str) -> Option<File> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parts, name, flags, Mode::empty()).ok().map(File::from)
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Dir, _: &str) -> Option<File> {
    None
}

/// Memory that begins where a disk wants it. A block's own does not, and copying it costs a twentieth of what the
/// cache does.
#[derive(Debug, Default)]
pub(super) struct Bounce(Vec<u8>);

impl Bounce {
    fn hold(&mut self, bytes: &[u8]) -> &[u8] {
        if self.0.len() < bytes.len() + ALIGNED {
            self.0.resize(bytes.len() + ALIGNED, 0);
        }
        let start = self.0.as_ptr().addr().wrapping_neg() % ALIGNED;
        let held = &mut self.0[start..start + bytes.len()];
        held.copy_from_slice(bytes);
        held
    }
}

#[cfg(test)]
mod tests {
    use cap_std::ambient_authority;

    use super::*;

    const BLOCK: usize = 1 << 20;

    /// Writes the last, short block first; gives what is in the file.
    fn written(part: &Part, path: &std::path::Path) -> Vec<u8> {
        let mut bounce = Bounce::default();
        for (at, block) in contents().chunks(BLOCK).enumerate().rev() {
            part.write((at * BLOCK) as u64, block, &mut bounce).unwrap();
        }
        std::fs::read(path).unwrap()
    }

    fn contents() -> Vec<u8> {
        (0..2 * BLOCK + 3 * ALIGNED + 77).map(|at| (at / 7 % 251) as u8).collect()
    }

    #[test]
    fn a_file_is_the_same_past_the_cache_and_through_it() {
        let dir = tempfile::tempdir().unwrap();
        let parts = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        for large in [true, false] {
            let name = if large { "large" } else { "small" };
            let part = Part::open(&parts, name, large).unwrap();

            let found = written(&part, &dir.path().join(name));

            assert!(found == contents(), "{name}");
            assert!(large || part.is_cached());
        }
    }

    #[test]
    fn where_the_disk_refuses_the_cache_takes_it() {
        let dir = tempfile::tempdir().unwrap();
        let parts = Dir::open_ambient_dir(dir.path(), ambient_authority()).unwrap();
        let part = Part::open(&parts, "0", false).unwrap();
        let refuses = File::open(dir.path().join("0")).unwrap(); // for reading only
        *part.direct() = Some(refuses);

        let found = written(&part, &dir.path().join("0"));

        assert!(found == contents());
        assert!(part.is_cached());
    }

    #[test]
    fn bounced_bytes_begin_at_a_page() {
        let mut bounce = Bounce::default();
        for len in [ALIGNED, 3 * ALIGNED, ALIGNED] {
            let bytes = vec![len as u8; len];
            let held = bounce.hold(&bytes);
            assert_eq!((held, held.as_ptr().addr() % ALIGNED), (&bytes[..], 0));
        }
    }
}
