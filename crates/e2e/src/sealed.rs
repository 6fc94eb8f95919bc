//! A network of its own for each test, so that nothing ever leaves the machine.
//!
//! ```text
//! 127.0.0.1          lo      a secure context for the page
//! 192.0.2.2/24       veth0   what browsers gather as their host candidate; a "LAN address" for plain http
//! default route      veth0   without one Firefox gathers nothing
//! ```

use std::env;
use std::process::{Command, Stdio};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::process::beeline_path;

/// The address of the sealed network that is not loopback: not a secure context over plain http.
pub const LAN_ADDRESS: &str = "192.0.2.2";

/// Set inside, to the name of the test or program.
const INSIDE: &str = "E2E_SEALED";

/// veth, not dummy: not every kernel has the dummy module.
const NETWORK: &str = "
    ip link set lo up
    ip link add veth0 type veth peer name veth1
    ip addr add 192.0.2.2/24 dev veth0
    ip link set veth0 up
    ip link set veth1 up
    ip route add default via 192.0.2.1 dev veth0
    exec \"$@\"";

/// Runs the test's body in namespaces of its own: nothing gets in or out, ports cannot collide, no process outlives it.
///
/// A test thread cannot move its process into new namespaces, so the test binary starts itself again for this one test.
/// Works as root and, where the kernel allows user namespaces, as anybody. At most two tests of a binary run at a time
/// (`E2E_JOBS` changes that), however many threads the test harness has: each starts up to two browsers.
pub fn sealed(test: &str, limit: Duration, body: impl Future<Output = Result<()>>) -> Result<()> {
    if env::var_os(INSIDE).is_some() {
        return inside(limit, body);
    }
    let _turn = Turn::wait();
    let scratch = scratch()?;
    let mut command = unshare(scratch.path())?;
    command.args(["--exact", test, "--include-ignored", "--nocapture"]).env(INSIDE, test);
    let out = command.output().context("unshare (util-linux)")?;
    let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    // Indented: the inner run ends with a result of its own, which counts nowhere.
    for line in stdout.lines().chain(stderr.lines()) {
        println!("    {line}");
    }
    // A wrong name runs nothing and exits 0, so the exit code is not enough.
    ensure!(stdout.contains("1 passed"), "{test} failed inside its network ({})", out.status);
    Ok(())
}

/// The same for a program's `main`: starts itself again with the same arguments.
pub fn sealed_program(limit: Duration, body: impl Future<Output = Result<()>>) -> Result<()> {
    if env::var_os(INSIDE).is_some() {
        return inside(limit, body);
    }
    let scratch = scratch()?;
    let mut command = unshare(scratch.path())?;
    command.args(env::args_os().skip(1)).env(INSIDE, "program");
    let status = command.status().context("unshare (util-linux)")?;
    if !status.success() {
        bail!("failed inside its network ({status})");
    }
    Ok(())
}

fn inside(limit: Duration, body: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::timeout(limit, body).await.with_context(|| format!("not over after {limit:?}"))?
    })
}

/// Profiles, downloads, homes; removed when nothing in the namespace runs any more.
fn scratch() -> Result<tempfile::TempDir> {
    tempfile::Builder::new().prefix("beeline-e2e-").tempdir().context("a temporary folder")
}

/// This program once more, in new namespaces; the caller adds its arguments.
fn unshare(scratch: &std::path::Path) -> Result<Command> {
    let root = Command::new("id").arg("-u").output().context("id (coreutils)")?.stdout == b"0\n";
    let mut command = Command::new("unshare");
    command
        .arg(if root { "-n" } else { "-Urn" })
        .args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-ec", NETWORK, "sh"])
        .arg(env::current_exe()?)
        .stdin(Stdio::null());
    // `ip` is in /usr/sbin, which is not in everybody's PATH.
    let path = env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/sbin"));
    // A stranger's home: no settings, no caches; file names are UTF-8 also where the system says "C".
    command.env("TMPDIR", scratch).env("HOME", scratch).env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8");
    command.env("BEELINE_BIN", beeline_path()?);
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    for name in ["BEELINE_SERVER", "BEELINE_CODE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "DISPLAY"] {
        command.env_remove(name);
    }
    Ok(command)
}

/// The right to run a test now.
struct Turn;

static RUNNING: Mutex<usize> = Mutex::new(0);
static ENDED: Condvar = Condvar::new();

impl Turn {
    fn wait() -> Self {
        let jobs = env::var("E2E_JOBS").ok().and_then(|jobs| jobs.parse().ok()).unwrap_or(2).max(1);
        let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running =
            ENDED.wait_while(running, |running| *running >= jobs).unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        ENDED.notify_one();
    }
}
