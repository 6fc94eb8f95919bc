//! `cargo xtask shots`: pictures of every state of the page.

use anyhow::Result;

use crate::install;
use crate::run::{cargo, step};

/// Leaves them in target/shots.
pub(crate) fn shots() -> Result<()> {
    install::for_tests()?;
    step("build beeline and its page", &mut cargo(["build", "--release"]))?;
    step("pictures", &mut cargo(["run", "--quiet", "--release", "-p", "e2e", "--bin", "shots"]))
}
