//! cargo for wasm32, then wasm-bindgen as a library.
use crate::{progress::Progress, shrink::shrink};
use anyhow::{Context, Result, ensure};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const TARGET: &str = "wasm32-unknown-unknown";

/// Compiles `root/crates/web` and writes glue, wasm and static files into `out`, which is emptied before.
///
/// cargo works in `target_dir`. That must not be the target directory of a cargo that waits for us: its
/// lock would never open. What cargo says goes to stderr, which cargo shows when a build script fails.
pub fn build(root: &Path, target_dir: &Path, out: &Path) -> Result<()> {
    let compiler = compiler()?;
    let mut progress = Progress::start();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // In the root, because cargo reads .cargo/config.toml (the wasm flags) from where it runs.
    cargo
        .current_dir(root)
        .args(["build", "--package", "beeline-web", "--lib", "--profile", "web", "--target", TARGET])
        .arg("--target-dir")
        .arg(target_dir)
        .stderr(Stdio::piped());
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(meant_for_the_host) {
            cargo.env_remove(name);
        }
    }
    cargo.env("RUSTC", compiler);
    let mut child = cargo.spawn().context("cannot run cargo")?;
    let stderr = child.stderr.take().expect("stderr is piped");
    for line in BufReader::new(stderr).lines() {
        let line = line.context("cannot read what cargo says")?;
        eprintln!("{line}");
        progress.heard(&line);
    }
    ensure!(child.wait().context("cannot wait for cargo")?.success(), "the page did not compile");

    if out.exists() {
        fs::remove_dir_all(out).with_context(|| format!("cannot empty {}", out.display()))?;
    }
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    bind(&target_dir.join(TARGET).join("web/beeline_web.wasm"), out)?;
    let files = root.join("crates/web/static");
    for file in fs::read_dir(&files).with_context(|| format!("no static files in {}", files.display()))? {
        let file = file?;
        fs::copy(file.path(), out.join(file.file_name()))
            .with_context(|| format!("cannot copy {}", file.path().display()))?;
    }
    shrink(out)?;
    progress.done();
    Ok(())
}

fn bind(wasm: &Path, out: &Path) -> Result<()> {
    let mut bindgen = wasm_bindgen_cli_support::Bindgen::new();
    bindgen
        .input_path(wasm)
        .out_name("web")
        .typescript(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .omit_default_module_path(false); // else `init()` needs an argument
    bindgen.web(true)?.generate(out).with_context(|| format!("wasm-bindgen cannot read {}", wasm.display()))
}

/// What cargo tells a build script about the host's build; it must not leak into the page's.
fn meant_for_the_host(name: &str) -> bool {
    const PREFIXES: &[&str] = &["CARGO_CFG_", "CARGO_FEATURE_", "CARGO_PKG_", "CARGO_PROFILE_", "DEP_"];
    const NAMES: &[&str] = &[
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_MAKEFLAGS",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_LINKS",
        "CARGO_MANIFEST_PATH",
        "CARGO_TARGET_DIR",
        "DEBUG",
        "HOST",
        "NUM_JOBS",
        "OPT_LEVEL",
        "OUT_DIR",
        "PROFILE",
        "RUSTC_LINKER",
        "RUSTC_WORKSPACE_WRAPPER", // clippy's driver
        "RUSTC_WRAPPER",
        "RUSTFLAGS",
        "TARGET",
    ];
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}

/// The compiler that builds us if it can build for the browser, else the first on the PATH that can; where
/// there is none, rustup is asked once.
fn compiler() -> Result<PathBuf> {
    let active = PathBuf::from(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path)
        .map(|folder| folder.join(format!("rustc{}", env::consts::EXE_SUFFIX)))
        .filter(|rustc| rustc.is_file());
    let candidates: Vec<_> = std::iter::once(active).chain(on_path).collect();
    let find = || candidates.iter().find(|rustc| has_target(rustc)).cloned();
    find()
        .or_else(|| {
            Command::new("rustup").args(["target", "add", TARGET]).status().ok()?;
            find()
        })
        .with_context(|| {
            format!(
                "no Rust compiler here can build for the browser\n\
                 hint: `rustup target add {TARGET}`; on Debian without rustup's server: `sudo scripts/wasm-std.sh`;\n\
                 or BEELINE_WEB_DIR=<a page that `beeline page` wrote elsewhere>"
            )
        })
}

fn has_target(rustc: &Path) -> bool {
    let Ok(out) = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output() else {
        return false;
    };
    let dir = PathBuf::from(String::from_utf8_lossy(&out.stdout).trim().to_owned());
    fs::read_dir(dir)
        .is_ok_and(|d| d.flatten().any(|f| f.file_name().to_string_lossy().starts_with("libcore-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_wrappers_of_the_host_build_do_not_reach_the_page() {
        for name in ["RUSTC_WORKSPACE_WRAPPER", "CARGO_ENCODED_RUSTFLAGS", "CARGO_CFG_TARGET_OS", "TARGET"] {
            assert!(meant_for_the_host(name), "{name}");
        }
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_TOOLCHAIN", "CARGO_NET_OFFLINE", "HTTPS_PROXY"] {
            assert!(!meant_for_the_host(name), "{name}");
        }
    }
}
