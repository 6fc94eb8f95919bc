//! Running other programs, saying what and how long.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

/// The workspace's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask is in the workspace's root")
}

/// The folder for what is built and fetched.
pub(crate) fn target() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// `cargo` with these arguments; the one that started us.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

/// Says what it does (on standard error), does it, says how long it took; fails if the program does.
pub(crate) fn step(what: &str, command: &mut Command) -> Result<()> {
    let start = Instant::now();
    eprintln!("== {what}");
    let status = command.status().with_context(|| format!("{} does not start", program(command)))?;
    eprintln!(
        "   {} after {:.0} s",
        if status.success() { "done" } else { "failed" },
        start.elapsed().as_secs_f32()
    );
    ensure!(status.success(), "{what}: {} failed ({status})", program(command));
    Ok(())
}

/// What a program prints; fails if the program does.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{} does not start", program(command)))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} failed ({}): {said}", program(command), output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a program runs and says yes.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Where a program is: in PATH, in a system folder that is not in everybody's PATH, or where cargo installs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let cargo_home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo_home = cargo_home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders = env::split_paths(&path).chain(system).chain(cargo_home.map(|home| home.join("bin")));
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}

fn program(command: &Command) -> String {
    let arguments = command.get_args().map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ");
    format!("{} {arguments}", command.get_program().to_string_lossy())
}
