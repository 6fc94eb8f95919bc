//! A screen without a monitor, and hands at its keyboard: for the system's dialogs, which a headless browser has not.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::{PATIENCE, Process};

/// An X server of the test's own, without a window manager; needs a sealed network.
#[derive(Debug)]
pub struct Screen {
    _process: Process,
}

impl Screen {
    /// Which one it is for its programs. It listens on an abstract socket alone, so that each network has its own, and no
    /// other screen of the machine is in the way or in danger.
    pub const DISPLAY: &str = ":1";

    /// Starts it and waits until it can be drawn on.
    pub fn start() -> Result<Self> {
        let mut command = Command::new("Xvfb");
        command.args([Self::DISPLAY, "-screen", "0", "1280x1024x24", "-displayfd", "1"]);
        command.args(["-listen", "local", "-nolisten", "unix", "-nolisten", "tcp"]);
        let (process, ()) = Process::start(&mut command, |line| (line == &Self::DISPLAY[1..]).then_some(()))?;
        Ok(Self { _process: process })
    }

    /// Waits for a dialog that asks for a file or folder, types a path into it, and presses its button until it is gone.
    pub async fn choose(&self, path: &Path) -> Result<()> {
        let dialog = self.dialog().await?;
        xdotool(&["windowfocus", "--sync", &dialog])?;
        xdotool(&["key", "ctrl+a"])?; // the name that is suggested
        xdotool(&["type", "--delay", "20", &path.to_string_lossy()])?;
        let start = Instant::now();
        while dialogs().contains(&dialog) {
            ensure!(start.elapsed() < PATIENCE, "the dialog does not go");
            // Enter would need a window manager to reach it. It may be gone meanwhile.
            let _ = press_button(&dialog);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    /// Presses keys, one after another, in whatever has the focus.
    pub async fn press(&self, keys: &[&str]) -> Result<()> {
        for key in keys {
            xdotool(&["key", key])?;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    async fn dialog(&self) -> Result<String> {
        let start = Instant::now();
        loop {
            if let Some(window) = dialogs().pop() {
                return Ok(window);
            }
            ensure!(start.elapsed() < PATIENCE, "there is no dialog");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// The ids of the windows that can be seen and are not a browser's own, which ends in its name.
fn dialogs() -> Vec<String> {
    // Both fail for a window that goes meanwhile.
    let all = xdotool(&["search", "--onlyvisible", "--name", "."]).unwrap_or_default();
    let is_dialog = |window: &&str| {
        xdotool(&["getwindowname", window]).is_ok_and(|name| !name.trim().ends_with(" - Chromium"))
    };
    all.lines().filter(is_dialog).map(str::to_owned).collect()
}

/// Clicks on what GTK's file dialogs have in their lower right corner: "Save", "Open".
fn press_button(dialog: &str) -> Result<()> {
    let geometry = xdotool(&["getwindowgeometry", "--shell", dialog])?;
    let length = |name: &str| {
        let line = geometry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.and_then(|length| length.parse::<u32>().ok()).context("a window's geometry")
    };
    let (x, y) = (length("WIDTH")?.saturating_sub(50), length("HEIGHT")?.saturating_sub(24));
    xdotool(&["mousemove", "--window", dialog, &x.to_string(), &y.to_string(), "click", "1"]).map(drop)
}

/// What xdotool says.
fn xdotool(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("timeout");
    command.args(["20", "xdotool"]).args(arguments).env("DISPLAY", Screen::DISPLAY);
    let output = command.output().context("timeout (coreutils)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "xdotool {arguments:?} ({}): {said}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
