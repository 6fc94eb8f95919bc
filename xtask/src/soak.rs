//! `cargo xtask soak`: what takes gigabytes to show.

use anyhow::Result;

use crate::{bench, install};

/// Memory while files grow, every sink of a page, and long transfers between pages and terminals.
pub(crate) fn soak(options: &[&str]) -> Result<()> {
    install::for_tests()?;
    install::debian(install::UNZIP)?;
    bench::run("soak", options)
}
