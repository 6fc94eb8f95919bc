//! A word now and then while the page compiles.
//!
//! cargo keeps what a build script prints to itself, so that minutes of work would look like a hang. Where
//! there is a terminal, the lines go straight to it; elsewhere there are none.
use std::{
    fs::{File, OpenOptions},
    io::Write,
    time::{Duration, Instant},
};

/// Between two lines, at least.
const INTERVAL: Duration = Duration::from_secs(10);

pub(crate) struct Progress {
    terminal: Option<File>,
    started: Instant,
    said: Instant,
    compiled: usize,
}

impl Progress {
    pub(crate) fn start() -> Self {
        let terminal =
            OpenOptions::new().write(true).open(if cfg!(windows) { "CONOUT$" } else { "/dev/tty" });
        let now = Instant::now();
        Self { terminal: terminal.ok(), started: now, said: now, compiled: 0 }
    }

    /// Takes a line of cargo's.
    pub(crate) fn heard(&mut self, line: &str) {
        if !line.trim_start().starts_with("Compiling ") {
            return;
        }
        self.compiled += 1;
        if self.compiled == 1 {
            self.say("compiling crates/web for the browser; the first time this takes some minutes");
        } else if self.said.elapsed() >= INTERVAL {
            self.say(&format!("{} crates, {} s", self.compiled, self.started.elapsed().as_secs()));
        }
    }

    pub(crate) fn done(mut self) {
        if self.compiled > 0 {
            self.say(&format!("compiled in {} s", self.started.elapsed().as_secs()));
        }
    }

    fn say(&mut self, words: &str) {
        self.said = Instant::now();
        if let Some(terminal) = &mut self.terminal {
            // Over cargo's own progress bar, which it draws again below. A terminal that went away is no reason to fail.
            let _ = write!(terminal, "\r\x1b[K        Page {words}\r\n");
        }
    }
}
