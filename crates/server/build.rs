//! Builds the page and packs its files for `src/page.rs` to embed.
use anyhow::{Context, Result};
use std::{
    env,
    path::{Path, PathBuf},
    process::ExitCode,
};

fn main() -> ExitCode {
    let Err(error) = page() else { return ExitCode::SUCCESS };
    for line in format!("{error:#}").lines() {
        println!("cargo::error={line}");
    }
    ExitCode::FAILURE
}

fn page() -> Result<()> {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").context("cargo sets it")?);
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").context("cargo sets it")?);
    let version = env::var("CARGO_PKG_VERSION").context("cargo sets it")?;
    let root = here.ancestors().nth(2).unwrap_or(&here);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=BEELINE_WEB_DIR");

    if let Some(dir) = env::var_os("BEELINE_WEB_DIR") {
        let page = root.join(dir); // built elsewhere; relative to the workspace
        watch(&page);
        return beeline_webbuild::embed(&page, &out_dir, &version);
    }
    if !root.join("crates/web/Cargo.toml").exists() {
        let page = here.join("dist"); // a published package carries the built page
        watch(&page);
        return beeline_webbuild::embed(&page, &out_dir, &version);
    }
    // Every input of the page; the inner cargo's own freshness check does the rest. Relative to this crate, so
    // that a moved checkout watches itself.
    for input in ["../web", "../core", "../../Cargo.toml", "../../Cargo.lock", "../../.cargo/config.toml"] {
        watch(Path::new(input));
    }
    // cargo's target directory, wherever it is, has a CACHEDIR.TAG; one page for all profiles lives in it.
    let target = out_dir.ancestors().find(|d| d.join("CACHEDIR.TAG").exists()).unwrap_or(&out_dir);
    let page = out_dir.join("page");
    beeline_webbuild::build(root, &target.join("page"), &page)?;
    beeline_webbuild::embed(&page, &out_dir, &version)
}

/// Never name something here that this script writes: it would be newer than the script's last run, every time.
fn watch(input: &Path) {
    println!("cargo::rerun-if-changed={}", input.display());
}
