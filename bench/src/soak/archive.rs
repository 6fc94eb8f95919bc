//! A long archive in the eyes of others: Info-ZIP's `unzip`, which most people's systems have, and a reader in Rust.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::Tree;

/// Whether both find in it exactly what was sent.
pub(super) fn compare(archive: &Path, sent: &Tree) -> Result<()> {
    let len = std::fs::metadata(archive)?.len();
    ensure!(len > u64::from(u32::MAX), "{len} bytes need no ZIP64");
    sent.ensure_same(&Tree::of_zip(archive)?).context("the reader in Rust")?;

    let to = tempfile::tempdir()?;
    let mut unzip = Command::new("unzip");
    let out = unzip.arg("-q").arg(archive).arg("-d").arg(to.path()).output().context("unzip")?;
    ensure!(out.status.success() && out.stderr.is_empty(), "unzip: {}", String::from_utf8_lossy(&out.stderr));
    sent.ensure_same(&Tree::of(to.path())?).context("unzip")
}
