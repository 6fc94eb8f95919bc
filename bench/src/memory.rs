//! The machine's memory, before something is measured.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};

/// Fills memory for a file of this size and frees it: what a virtual machine's host has taken back meanwhile costs whoever
/// gets it next up to 3 CPU s/GB, the more the later it comes.
pub(crate) fn touch_memory(dir: &Path, bytes: u64) -> Result<()> {
    let path = dir.join("touched");
    let mut file = fs::File::create(&path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..bytes >> 20 {
        file.write_all(&zeros)?;
    }
    fs::remove_file(path).context("a file of zeros")
}
