//! `cargo xtask soak`: what grows with a file, and what must not.

use anyhow::Result;

use crate::{bench, install};

/// Memory of terminals and of the page while files grow; then a long file between the two.
pub(crate) fn soak(options: &[&str]) -> Result<()> {
    install::for_tests()?;
    bench::run("soak", options)
}
