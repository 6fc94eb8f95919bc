//! `cargo xtask check`: everything that can be said about the code without running it.

use anyhow::Result;

use crate::run::{cargo, output, step, succeeds};
use crate::{install, layers};

/// The page's crate is for wasm32 only; its lints share a folder with the page that the server's build makes.
const PAGE: [&str; 8] = [
    "-p",
    "beeline-web",
    "--target",
    "wasm32-unknown-unknown",
    "--profile",
    "web",
    "--target-dir",
    "target/page",
];

/// Runs all checks and stops at the first that fails; `install_deny` gets cargo-deny if it is missing.
pub(crate) fn check(install_deny: bool) -> Result<()> {
    install::components()?;
    step("format", &mut cargo(["fmt", "--all", "--check"]))?;
    layers::check()?;
    let native = ["--release", "--workspace", "--exclude", "beeline-web"];
    step("clippy", cargo(["clippy"]).args(native).args(["--all-targets", "--", "-D", "warnings"]))?;
    step("clippy of the page", cargo(["clippy"]).args(PAGE).args(["--", "-D", "warnings"]))?;
    step(
        "core in a browser",
        &mut cargo(["check", "-p", "beeline-core", "--target", "wasm32-unknown-unknown", "--release"]),
    )?;
    step("documentation", cargo(["doc", "--no-deps"]).args(native).env("RUSTDOCFLAGS", "-D warnings"))?;
    step(
        "documentation of the page",
        cargo(["doc", "--no-deps"]).args(PAGE).env("RUSTDOCFLAGS", "-D warnings"),
    )?;
    deny(install_deny)
}

fn deny(install: bool) -> Result<()> {
    let installed = || succeeds(&mut cargo(["deny", "--version"]));
    if install && !installed() {
        step("install cargo-deny", &mut cargo(["install", "cargo-deny", "--locked"]))?;
    }
    if !installed() {
        eprintln!("== licences, bans, sources: skipped, no cargo-deny (cargo xtask check --install gets it)");
        return Ok(());
    }
    step("licences, bans, sources", &mut cargo(["deny", "check", "licenses", "bans", "sources"]))?;
    // The advisories are a git repository elsewhere: without that network there is nothing to check against.
    match output(&mut cargo(["deny", "check", "advisories"])) {
        Ok(_) => eprintln!("== advisories: none"),
        Err(error) if format!("{error:#}").contains("failed to fetch") => {
            eprintln!("== advisories: skipped, their database cannot be fetched here");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}
