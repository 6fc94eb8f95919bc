//! Real files in a temporary folder, without any session.
use super::{Disk, Folder, Job, Refusal, Sink, Source, SourceError, WRITE_BACK};
use beeline_core::{
    digest::BLOCK_LEN,
    manifest::{Entry, EntryKind, Manifest},
    output::{BlockRef, DiskError, FileIndex, Order, TransferId},
    path::RelPath,
};
use std::{
    fs,
    io::Cursor,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    time::{Duration, SystemTime},
};

fn file(path: &str, size: u64) -> Entry {
    Entry {
        path: RelPath::parse(path).unwrap(),
        kind: EntryKind::File { size: Some(size) },
        modified: Some(1_000_000_000),
        executable: false,
    }
}

fn folder(path: &str) -> Entry {
    Entry { kind: EntryKind::Folder, ..file(path, 0) }
}

fn manifest(entries: Vec<Entry>) -> Arc<Manifest> {
    Arc::new(Manifest::new(entries).unwrap())
}

fn block(file: u32, index: u32) -> BlockRef {
    BlockRef { transfer: TransferId(0), file: FileIndex(file), index }
}

/// Everything below a folder, by name.
fn names(dir: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            names.extend(self::names(&entry.path()).into_iter().map(|below| format!("{name}/{below}")));
        }
        names.push(name);
    }
    names.sort();
    names
}

#[test]
fn a_file_has_its_name_only_when_it_is_complete() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![folder("a"), file("a/b", 6)])).unwrap();

    sink.write(FileIndex(1), 3, b"def").unwrap();
    sink.write(FileIndex(1), 0, b"abc").unwrap();
    assert!(!dir.path().join("a").exists(), "not even its folder");
    sink.commit(FileIndex(1), 6).unwrap();
    assert_eq!(fs::read(dir.path().join("a/b")).unwrap(), b"abcdef");
    sink.commit(FileIndex(0), 0).unwrap();
    sink.finish().unwrap();

    assert_eq!(names(dir.path()), ["a", "a/b"]);
}

#[test]
fn a_long_file_goes_to_the_disk_while_it_arrives() {
    #[derive(Debug)]
    struct Told(Mutex<mpsc::Sender<FileIndex>>);
    impl Sink for Told {
        fn order(&self) -> Order {
            Order::Any
        }
        fn check(&self, _: &Manifest) -> Result<(), Refusal> {
            Ok(())
        }
        fn begin(&self, _: Arc<Manifest>) -> Result<(), Refusal> {
            Ok(())
        }
        fn write(&self, _: FileIndex, _: u64, _: &[u8]) -> Result<(), DiskError> {
            Ok(())
        }
        fn write_back(&self, file: FileIndex) {
            let _ = self.0.lock().unwrap().send(file);
        }
        fn commit(&self, _: FileIndex, _: u64) -> Result<(), DiskError> {
            Ok(())
        }
        fn finish(&self) -> Result<(), DiskError> {
            Ok(())
        }
        fn abandon(&self) {}
    }
    let (told, early) = mpsc::channel();
    let disk = Disk::new();
    disk.push(Job::Sink(TransferId(0), Arc::new(Told(Mutex::new(told)))));

    for index in 0..(WRITE_BACK / BLOCK_LEN) as u32 {
        disk.push(Job::Write { block: block(3, index), bytes: vec![0; BLOCK_LEN as usize] });
    }

    assert_eq!(early.recv_timeout(Duration::from_secs(60)), Ok(FileIndex(3)));
    disk.close(true);
    assert!(early.recv().is_err(), "once for so many bytes");
}

#[test]
fn what_was_flushed_early_is_flushed_again_and_complete() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![file("a", 6)])).unwrap();

    sink.write_back(FileIndex(0));
    sink.write(FileIndex(0), 3, b"def").unwrap();
    sink.write_back(FileIndex(0));
    sink.write(FileIndex(0), 0, b"abc").unwrap();
    sink.commit(FileIndex(0), 6).unwrap();
    sink.write_back(FileIndex(0));

    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"abcdef");
}

#[test]
fn times_and_modes_come_along() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    let program = Entry { executable: true, ..file("bin/run", 1) };
    sink.begin(manifest(vec![folder("bin"), program, file("bin/data", 0)])).unwrap();

    sink.commit(FileIndex(0), 0).unwrap();
    sink.write(FileIndex(1), 0, b"x").unwrap();
    sink.commit(FileIndex(1), 1).unwrap();
    sink.commit(FileIndex(2), 0).unwrap();
    sink.finish().unwrap();

    let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for name in ["bin", "bin/run", "bin/data"] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().modified().unwrap(), expected, "{name}");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |name| fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o100;
        assert_eq!((mode("bin/run"), mode("bin/data")), (0o100, 0));
    }
}

#[test]
fn what_exists_is_refused_before_the_first_byte() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("old"), "precious").unwrap();
    let sink = Folder::open(dir.path()).unwrap();

    let refused = sink.check(&manifest(vec![file("new", 1), file("old", 1)]));

    assert_eq!(refused, Err(Refusal::Exists("old".into())));
}

#[test]
fn a_name_that_is_taken_meanwhile_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![file("a", 1)])).unwrap();
    sink.write(FileIndex(0), 0, b"x").unwrap();

    fs::write(dir.path().join("a"), "precious").unwrap();
    let committed = sink.commit(FileIndex(0), 1);

    assert_eq!(committed, Err(DiskError::Other("a exists already".into())));
    assert_eq!(fs::read(dir.path().join("a")).unwrap(), b"precious");
}

#[cfg(unix)]
#[test]
fn a_link_put_in_the_way_leads_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![file("a/b", 1)])).unwrap();
    sink.write(FileIndex(0), 0, b"x").unwrap();

    std::os::unix::fs::symlink(outside.path(), dir.path().join("a")).unwrap();

    assert!(sink.commit(FileIndex(0), 1).is_err());
    assert!(names(outside.path()).is_empty());
}

#[test]
fn an_abandoned_transfer_leaves_what_was_complete_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![file("a/done", 1), file("a/half", 2), folder("empty/deep")])).unwrap();

    sink.write(FileIndex(0), 0, b"x").unwrap();
    sink.commit(FileIndex(0), 1).unwrap();
    sink.write(FileIndex(1), 0, b"x").unwrap();
    sink.commit(FileIndex(2), 0).unwrap();
    sink.abandon();

    assert_eq!(names(dir.path()), ["a", "a/done"]);
    assert!(sink.write(FileIndex(1), 1, b"x").is_err(), "nothing comes back");
    assert!(sink.commit(FileIndex(1), 2).is_err());
}

#[test]
fn a_dropped_sink_is_an_abandoned_one() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![file("a", 2)])).unwrap();
    sink.write(FileIndex(0), 0, b"x").unwrap();

    drop(sink);

    assert!(names(dir.path()).is_empty());
}

#[test]
fn a_file_that_is_shorter_than_promised_gets_no_name() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    sink.begin(manifest(vec![file("a", 2)])).unwrap();
    sink.write(FileIndex(0), 0, b"x").unwrap();

    assert!(sink.commit(FileIndex(0), 2).is_err());
    assert!(!dir.path().join("a").exists());
}

#[test]
fn more_than_the_disk_has_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();

    let refused = sink.check(&manifest(vec![file("a", 1 << 51), file("b", 1 << 51)]));

    assert!(matches!(refused, Err(Refusal::NoSpace { .. })), "{refused:?}");
}

#[test]
fn many_files_do_not_need_as_many_descriptors() {
    let dir = tempfile::tempdir().unwrap();
    let sink = Folder::open(dir.path()).unwrap();
    let count = 1500;
    sink.begin(manifest((0..count).map(|i| file(&i.to_string(), 2)).collect())).unwrap();

    for offset in [0, 1] {
        for i in 0..count {
            sink.write(FileIndex(i), offset, b"x").unwrap();
        }
    }
    for i in 0..count {
        sink.commit(FileIndex(i), 2).unwrap();
    }
    sink.finish().unwrap();

    assert_eq!(names(dir.path()).len() as u32, count);
}

#[test]
fn a_walk_keeps_structure_and_skips_links() {
    let dir = tempfile::tempdir().unwrap();
    let top = dir.path().join("top");
    fs::create_dir_all(top.join("empty")).unwrap();
    fs::write(top.join("b 파일 🐝"), "12345").unwrap();
    fs::write(top.join("a"), "").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/hostname", top.join("link")).unwrap();

    let source = Source::walk(&[&top]).unwrap();

    let found: Vec<_> = source.manifest().entries().iter().map(|e| (e.path.to_string(), e.kind)).collect();
    let file = |size| EntryKind::File { size: Some(size) };
    assert_eq!(
        found,
        [
            ("top".into(), EntryKind::Folder),
            ("top/a".into(), file(0)),
            ("top/b 파일 🐝".into(), file(5)),
            ("top/empty".into(), EntryKind::Folder),
        ]
    );
    #[cfg(unix)]
    assert_eq!(source.skipped()[0].path, top.join("link"));
}

#[test]
fn what_cannot_be_sent_is_said_before_anything_starts() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a\u{1b}b"), "").unwrap();

    assert!(matches!(Source::walk(&[dir.path().join("missing")]), Err(SourceError::Unreadable { .. })));
    assert!(matches!(Source::walk(&[dir.path().join("a\u{1b}b")]), Err(SourceError::Name { .. })));
    assert!(matches!(Source::walk::<&str>(&[]), Err(SourceError::Nothing)));
}

#[test]
fn a_source_that_changes_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a");
    let contents = vec![7; BLOCK_LEN as usize + 10];
    let change: [(&str, &dyn Fn()); 4] = [
        ("shrinks", &|| fs::write(&path, &contents[..BLOCK_LEN as usize]).unwrap()),
        ("grows", &|| fs::write(&path, vec![7; BLOCK_LEN as usize + 11]).unwrap()),
        ("vanishes", &|| fs::remove_file(&path).unwrap()),
        ("is rewritten", &|| {
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }),
    ];
    for (how, change) in change {
        for before_first in [true, false] {
            fs::write(&path, &contents).unwrap();
            let (_, mut reader) = Source::walk(&[&path]).unwrap().into_reader();

            if before_first {
                change();
            } else {
                reader.read(block(0, 0), BLOCK_LEN as u32, Vec::new()).unwrap();
                change();
            }
            let result = reader.read(block(0, 1), 10, Vec::new()).map(|read| read.bytes.len());

            assert!(matches!(result, Err(DiskError::Changed { .. })), "{how}, {before_first}: {result:?}");
        }
    }
}

#[test]
fn a_stream_ends_where_it_ends() {
    let block_len = BLOCK_LEN as usize;
    for len in [0, 1, block_len - 1, block_len, block_len + 1, 2 * block_len] {
        let source = Source::stream("stdin", Box::new(Cursor::new(vec![7; len]))).unwrap();
        let (_, mut reader) = source.into_reader();

        let mut lens = Vec::new();
        loop {
            let read = reader.read(block(0, lens.len() as u32), BLOCK_LEN as u32, vec![9; 5]).unwrap();
            assert_eq!(read.whole, lens.is_empty() && len <= block_len, "{len}");
            lens.push(read.bytes.len());
            if read.last {
                break;
            }
        }

        assert_eq!(lens.iter().sum::<usize>(), len);
    }
}
