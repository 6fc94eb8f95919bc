//! Children that say on standard output when they are ready, and die with us.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// A child whose output is read to the end (else it would block), and which dies with us.
#[derive(Debug)]
pub struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    /// Starts the program and waits for the line in which it says that it is ready.
    pub fn start<T>(command: &mut Command, ready: impl Fn(&str) -> Option<T>) -> Result<(Self, T)> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().with_context(|| {
            format!("{program} does not start\nhint: cargo xtask test installs what is missing")
        })?;
        let stdout = child.stdout.take().context("standard output is piped")?;
        let mut process = Self { child, said: Arc::default() };
        let said = process.said.clone();
        let (lines, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                said.lock().unwrap_or_else(PoisonError::into_inner).push(line.clone());
                let _ = lines.send(line); // nobody listens any more once the program is ready
            }
        });
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Ok(line) = heard.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some(found) = ready(&line) {
                return Ok((process, found));
            }
        }
        bail!("{program} is not ready ({:?}): {:?}", process.child.try_wait(), process.said())
    }

    /// What it has said so far, line by line.
    pub fn said(&self) -> Vec<String> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Its process id: the root of its process tree.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it now, without a chance to say good-bye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A command of the program under test, without arguments yet.
pub fn beeline() -> Result<Command> {
    Ok(Command::new(beeline_path()?))
}

/// The program under test: `BEELINE_BIN`, else built now, once, as users build it.
pub(crate) fn beeline_path() -> Result<&'static Path> {
    static PATH: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        if let Some(path) = env::var_os("BEELINE_BIN") {
            return Ok(path.into());
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo).args(["build", "--release"]).current_dir(workspace()).status();
        if built.is_ok_and(|status| status.success()) {
            Ok(target_dir().join("release/beeline"))
        } else {
            Err("beeline did not compile".into())
        }
    });
    PATH.as_deref().map_err(|error| anyhow!("{error}"))
}

/// The workspace's folder for what is built, also of pictures and of fetched tools.
pub fn target_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

fn workspace() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().and_then(Path::parent).expect("the crate is in crates/e2e")
}
