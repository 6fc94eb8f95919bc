//! The files that every pairing has to carry.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

/// Spaces, Hangul and an emoji.
pub const ODD_NAME: &str = "ein name 한글 🐝.bin";

/// The size of the one large file: 64 MiB.
pub const LARGE: u64 = 64 << 20;

/// Files in the folder `things`.
const COUNT: u32 = 200;

/// A folder to send from: `nothing.bin` (empty), [`ODD_NAME`] (small), and `things`, 200 files three levels deep.
#[derive(Debug)]
pub struct Sample {
    /// Holds exactly the three.
    pub root: PathBuf,
}

impl Sample {
    /// Writes it below `parent`.
    pub fn make(parent: &Path) -> Result<Self> {
        let root = parent.join("sample");
        let things = root.join("things");
        fs::create_dir_all(&things)?;
        fs::write(root.join("nothing.bin"), "")?;
        random_file(&root.join(ODD_NAME), 70_000, 1)?;
        for index in 0..COUNT {
            let folder = match index % 4 {
                0 => things.clone(),
                1 => things.join("one"),
                2 => things.join("one/two"),
                _ => things.join("eins/zwei ü/셋"),
            };
            fs::create_dir_all(&folder)?;
            let (name, len) = match index {
                1 => (ODD_NAME.to_owned(), 3),
                2 => ("empty".to_owned(), 0),
                3 => ("more than a block".to_owned(), (1 << 20) + 1),
                _ => (format!("{index:03}.dat"), u64::from(index) * 131),
            };
            random_file(&folder.join(name), len, u64::from(index))?;
        }
        fs::create_dir_all(things.join("eins/nobody"))?;
        Ok(Self { root })
    }

    /// The three paths, as an argument list.
    pub fn paths(&self) -> [PathBuf; 3] {
        ["nothing.bin", ODD_NAME, "things"].map(|name| self.root.join(name))
    }

    /// The folder of 200 files.
    pub fn things(&self) -> PathBuf {
        self.root.join("things")
    }
}

/// Writes `len` bytes that look random and are the same every time for one `seed`; returns their BLAKE3 digest.
pub fn random_file(path: &Path, len: u64, seed: u64) -> Result<String> {
    let mut file = File::create(path).with_context(|| path.display().to_string())?;
    let mut stream = blake3::Hasher::new().update(&seed.to_le_bytes()).finalize_xof();
    let mut digest = blake3::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    let mut left = len;
    while left > 0 {
        let part = &mut buffer[..left.min(1 << 20) as usize];
        stream.fill(part);
        digest.update(part);
        file.write_all(part)?;
        left -= part.len() as u64;
    }
    Ok(digest.finalize().to_hex().to_string())
}

/// What `b3sum` says of a file.
pub fn digest_of(path: &Path) -> Result<String> {
    let file = File::open(path).with_context(|| path.display().to_string())?;
    Ok(blake3::Hasher::new().update_reader(file)?.finalize().to_hex().to_string())
}

/// A file of `len` zero bytes that takes no room on the disk: for transfers that are not meant to end.
pub fn sparse_file(path: &Path, len: u64) -> Result<()> {
    let file = File::create(path).with_context(|| path.display().to_string())?;
    file.set_len(len)?;
    ensure!(file.metadata()?.len() == len, "the file system has no sparse files");
    Ok(())
}
