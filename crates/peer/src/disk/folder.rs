//! Files into a folder of this machine.
//!
//! ```text
//! OUTPUT/.beeline-1f0c….part/17     file 17 while its blocks arrive, in any order
//! OUTPUT/photos/2026/a.jpg          its final name, given by a rename that overwrites nothing
//! ```
//!
//! Everything happens below one directory handle, opened once: a name from a peer is a [`RelPath`], and the
//! handle does not lead out of the folder even if somebody puts a symbolic link in the way. The temporary
//! folder is created exclusively and belongs to its owner only; it disappears at the end, either way.
//! No top-level name of what is received may exist before, so that every folder below is our own.
use super::{
    Refusal, Sink,
    part::{Bounce, LARGE, Part},
};
use beeline_core::{
    manifest::{Entry, EntryKind, Manifest},
    output::{DiskError, FileIndex, Order},
    path::RelPath,
    quote::quote,
};
use cap_std::{
    ambient_authority,
    fs::{Dir, DirBuilder},
};
use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    fs::{File, FileTimes},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

/// Temporary files held open, at most; others are opened again when they are needed.
const OPEN_FILES: usize = 200;

/// A sink that writes files and folders below a folder of this machine.
pub struct Folder {
    dir: Dir,
    shown: PathBuf,
    state: Mutex<State>,
    bounce: Mutex<Bounce>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Folder").field("path", &self.shown).finish_non_exhaustive()
    }
}

enum State {
    Idle,
    Receiving(Receiving),
    Ended,
}

struct Receiving {
    manifest: Arc<Manifest>,
    /// Where files are until they are complete.
    parts: Arc<Dir>,
    parts_name: String,
    open: HashMap<u32, Arc<Part>>,
    /// Files of which not everything could be brought to the disk: the system tells so once.
    broken: BTreeSet<u32>,
    /// Folders created here, parents before children.
    made: BTreeSet<String>,
}

impl Receiving {
    fn entry(&self, file: FileIndex) -> Result<&Entry, DiskError> {
        let entry = self.manifest.entries().get(file.0 as usize);
        entry.ok_or_else(|| DiskError::Other(format!("there is no file {}", file.0)))
    }

    /// The temporary file of an entry, created when it is first asked for.
    fn part(&mut self, file: FileIndex) -> io::Result<Arc<Part>> {
        if let Some(part) = self.open.get(&file.0) {
            return Ok(part.clone());
        }
        if self.open.len() >= OPEN_FILES
            && let Some(&other) = self.open.keys().next()
        {
            self.open.remove(&other);
        }
        let large = self.manifest.entries().get(file.0 as usize).is_some_and(is_large);
        let part = Arc::new(Part::open(&self.parts, &file.0.to_string(), large)?);
        self.open.insert(file.0, part.clone());
        Ok(part)
    }

    /// Creates `folder` and what is above it, except what was created here before.
    fn make_folder(&mut self, dir: &Dir, folder: &str) -> io::Result<()> {
        if folder.is_empty() || self.made.contains(folder) {
            return Ok(());
        }
        if let Some((above, _)) = folder.rsplit_once('/') {
            self.make_folder(dir, above)?;
        }
        dir.create_dir(folder)?;
        self.made.insert(folder.to_owned());
        Ok(())
    }
}

impl Folder {
    /// A sink below `path`, which is created if it is not there.
    pub fn open(path: &Path) -> Result<Folder, Refusal> {
        let unusable = |error: io::Error| {
            Refusal::Unusable(format!("{} cannot be written to: {error}", quote(&path.to_string_lossy())))
        };
        Dir::create_ambient_dir_all(path, ambient_authority()).map_err(unusable)?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(unusable)?;
        Ok(Folder { dir, shown: path.to_owned(), state: Mutex::new(State::Idle), bounce: Mutex::default() })
    }

    /// Bytes that are free for us, where the system says.
    pub fn free(&self) -> Option<u64> {
        space(&self.dir).map(|space| space.free)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receiving<'a>(state: &'a mut MutexGuard<'_, State>) -> Result<&'a mut Receiving, DiskError> {
        match &mut **state {
            State::Receiving(receiving) => Ok(receiving),
            State::Idle | State::Ended => Err(DiskError::Other("the transfer ended".into())),
        }
    }

    fn commit_file(&self, file: FileIndex, len: u64) -> Result<(), DiskError> {
        let (part, path, modified, executable) = {
            let mut state = self.state();
            let receiving = Self::receiving(&mut state)?;
            let entry = receiving.entry(file)?.clone();
            let part = receiving.part(file).map_err(failed(&entry.path))?;
            receiving.open.remove(&file.0);
            (part, entry.path, entry.modified, entry.executable)
        };

        // Without the lock: this waits for the disk.
        let prepare = || {
            let _flushing = part.flushing();
            let part = &part.file;
            let found = part.metadata()?.len();
            if found != len {
                return Err(io::Error::other(format!("{found} bytes were written, not {len}")));
            }
            if executable {
                make_executable(part)?;
            }
            if let Some(modified) = modified.and_then(system_time) {
                part.set_times(FileTimes::new().set_modified(modified))?;
            }
            part.sync_all()
        };
        prepare().map_err(failed(&path))?;

        let mut state = self.state();
        let receiving = Self::receiving(&mut state)?;
        if receiving.broken.contains(&file.0) {
            return Err(failed(&path)(io::Error::other("the disk did not take all of it")));
        }
        let (folder, leaf) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        receiving.make_folder(&self.dir, folder).map_err(failed(&path))?;
        let from = receiving.parts.clone();
        let rename = || match folder {
            "" => rename_new(&from, &file.0.to_string(), &self.dir, leaf),
            folder => rename_new(&from, &file.0.to_string(), &self.dir.open_dir(folder)?, leaf),
        };
        rename().map_err(failed(&path))
    }
}

impl Sink for Folder {
    fn order(&self) -> Order {
        Order::Any
    }

    fn check(&self, manifest: &Manifest) -> Result<(), Refusal> {
        let mut tops = BTreeSet::new();
        for entry in manifest.entries() {
            if let Some(top) = entry.path.components().next()
                && tops.insert(top)
            {
                match self.dir.symlink_metadata(top) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Ok(_) => return Err(Refusal::Exists(top.to_owned())),
                    Err(error) => return Err(Refusal::Unusable(format!("{}: {error}", quote(top)))),
                }
            }
        }
        let Some(space) = space(&self.dir) else { return Ok(()) };
        let needed = manifest.entries().iter().fold(0_u64, |sum, entry| {
            let size = match entry.kind {
                EntryKind::File { size } => size.unwrap_or(0),
                EntryKind::Folder => space.unit,
            };
            sum.saturating_add(size.div_ceil(space.unit).saturating_mul(space.unit))
        });
        if needed > space.free {
            return Err(Refusal::NoSpace { needed, free: space.free });
        }
        Ok(())
    }

    fn begin(&self, manifest: Arc<Manifest>) -> Result<(), Refusal> {
        self.check(&manifest)?;
        let unusable = |error: io::Error| {
            let shown = quote(&self.shown.to_string_lossy());
            Refusal::Unusable(format!("{shown} cannot be written to: {error}"))
        };
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| unusable(io::Error::other(error.to_string())))?;
        let parts_name = format!(".beeline-{:016x}.part", u64::from_be_bytes(random));
        self.dir.create_dir_with(&parts_name, &private()).map_err(unusable)?;
        let parts = Arc::new(self.dir.open_dir(&parts_name).map_err(unusable)?);
        *self.state() = State::Receiving(Receiving {
            manifest,
            parts,
            parts_name,
            open: HashMap::new(),
            broken: BTreeSet::new(),
            made: BTreeSet::new(),
        });
        Ok(())
    }

    fn write(&self, file: FileIndex, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let mut state = self.state();
        let receiving = Self::receiving(&mut state)?;
        let path = receiving.entry(file)?.path.clone();
        let part = receiving.part(file).map_err(failed(&path))?;
        drop(state);
        let mut bounce = self.bounce.lock().unwrap_or_else(PoisonError::into_inner);
        part.write(offset, bytes, &mut bounce).map_err(failed(&path))
    }

    fn write_back(&self, file: FileIndex) {
        let Ok(Some(part)) = Self::receiving(&mut self.state()).map(|it| it.open.get(&file.0).cloned())
        else {
            return; // complete, or abandoned
        };
        if !part.is_cached() {
            return;
        }
        let _flushing = part.flushing();
        if let Err(error) = part.file.sync_data() {
            tracing::debug!(error = ?error.kind(), "written bytes did not reach the disk");
            if let Ok(receiving) = Self::receiving(&mut self.state()) {
                receiving.broken.insert(file.0);
            }
        }
    }

    fn commit(&self, file: FileIndex, len: u64) -> Result<(), DiskError> {
        let folder = {
            let mut state = self.state();
            let receiving = Self::receiving(&mut state)?;
            let entry = receiving.entry(file)?.clone();
            if entry.kind == EntryKind::Folder {
                receiving.make_folder(&self.dir, entry.path.as_str()).map_err(failed(&entry.path))?;
                true
            } else {
                false
            }
        };
        if folder { Ok(()) } else { self.commit_file(file, len) }
    }

    fn finish(&self) -> Result<(), DiskError> {
        let mut state = self.state();
        let receiving = Self::receiving(&mut state)?;
        let times: HashMap<&str, Option<i64>> = receiving
            .manifest
            .entries()
            .iter()
            .filter(|entry| entry.kind == EntryKind::Folder)
            .map(|entry| (entry.path.as_str(), entry.modified))
            .collect();
        let finish = || {
            // Children first: what happens in a folder changes its time.
            for folder in receiving.made.iter().rev() {
                let handle = open_folder(&self.dir.open_dir(folder)?)?;
                if let Some(modified) = times.get(folder.as_str()).copied().flatten().and_then(system_time) {
                    handle.set_times(FileTimes::new().set_modified(modified))?;
                }
                flush_folder(&handle)?;
            }
            self.dir.remove_dir_all(&receiving.parts_name)?;
            flush_folder(&open_folder(&self.dir)?)
        };
        finish().map_err(|error| {
            DiskError::Other(format!("{} cannot be written: {error}", quote(&self.shown.to_string_lossy())))
        })?;
        *state = State::Ended;
        Ok(())
    }

    fn abandon(&self) {
        let mut state = self.state();
        if let State::Receiving(receiving) = std::mem::replace(&mut *state, State::Ended) {
            drop(receiving.open);
            let _ = self.dir.remove_dir_all(&receiving.parts_name);
            for folder in receiving.made.iter().rev() {
                // Fails for those that hold a complete file, as it should.
                let _ = self.dir.remove_dir(folder);
            }
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        self.abandon();
    }
}

fn is_large(entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File { size: Some(size) } if size >= LARGE)
}

fn failed(path: &RelPath) -> impl Fn(io::Error) -> DiskError {
    move |error| {
        let name = quote(path.as_str());
        DiskError::Other(match error.kind() {
            io::ErrorKind::AlreadyExists => format!("{name} exists already"),
            io::ErrorKind::StorageFull => format!("no space left for {name}"),
            _ => format!("{name} cannot be written: {error}"),
        })
    }
}

fn system_time(unix_seconds: i64) -> Option<SystemTime> {
    let distance = Duration::from_secs(unix_seconds.unsigned_abs());
    if unix_seconds >= 0 {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    }
}

struct Space {
    /// Bytes.
    free: u64,
    /// Bytes that a file takes at least.
    unit: u64,
}

#[cfg(unix)]
fn space(dir: &Dir) -> Option<Space> {
    let found = rustix::fs::fstatvfs(dir).ok()?;
    let unit = found.f_frsize.max(1);
    Some(Space { free: found.f_bavail.saturating_mul(unit), unit })
}

#[cfg(not(unix))]
fn space(_: &Dir) -> Option<Space> {
    None
}

#[cfg(unix)]
fn private() -> DirBuilder {
    use cap_std::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private() -> DirBuilder {
    DirBuilder::new()
}

/// Whoever may read it may run it: the umask has its say in the former.
#[cfg(unix)]
fn make_executable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut permissions = file.metadata()?.permissions();
    let mode = permissions.mode();
    permissions.set_mode(mode | ((mode & 0o444) >> 2));
    file.set_permissions(permissions)
}

#[cfg(not(unix))]
fn make_executable(_: &File) -> io::Result<()> {
    Ok(())
}

/// A handle that can be flushed and timed: a `Dir` may be one that only names its folder (`O_PATH`).
#[cfg(unix)]
fn open_folder(dir: &Dir) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags, openat};
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(File::from(openat(dir, ".", flags, Mode::empty())?))
}

#[cfg(not(unix))]
fn open_folder(dir: &Dir) -> io::Result<File> {
    Ok(dir.try_clone()?.into_std_file())
}

#[cfg(unix)]
fn flush_folder(folder: &File) -> io::Result<()> {
    folder.sync_all()
}

/// Windows has no such call for folders.
#[cfg(not(unix))]
fn flush_folder(_: &File) -> io::Result<()> {
    Ok(())
}

/// Renames, and fails with `AlreadyExists` if the new name is taken, however late it was.
fn rename_new(from: &Dir, name: &str, to: &Dir, new: &str) -> io::Result<()> {
    #[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
    match rustix::fs::renameat_with(from, name, to, new, rustix::fs::RenameFlags::NOREPLACE) {
        // A file system without it: go on below.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {}
        result => return Ok(result?),
    }
    // A hard link never replaces anything; file systems without links are asked first, which can race.
    match from.hard_link(name, to, new) {
        Ok(()) => from.remove_file(name),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(error),
        Err(_) if to.symlink_metadata(new).is_ok() => Err(io::ErrorKind::AlreadyExists.into()),
        Err(_) => from.rename(name, to, new),
    }
}
