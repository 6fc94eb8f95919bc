//! Progress: a bar on a terminal, a plain line now and then elsewhere.
use super::{Direction, format};
use beeline_core::output::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::Write,
    time::{Duration, Instant},
};

/// Between two plain lines, at least.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Bar {
    terminal: bool,
    verb: &'static str,
    bar: Option<ProgressBar>,
    /// When the last plain line was written.
    line: Instant,
}

impl Bar {
    pub(super) fn new(terminal: bool, direction: Direction) -> Bar {
        let verb = match direction {
            Direction::Send => "sending",
            Direction::Receive => "receiving",
        };
        Bar { terminal, verb, bar: None, line: Instant::now() }
    }

    pub(super) fn show(&mut self, progress: &Progress) {
        if self.terminal {
            self.draw(progress);
        } else if self.line.elapsed() >= LINE_INTERVAL {
            self.line = Instant::now();
            let _ = writeln!(std::io::stderr(), "{} {}", self.verb, figures(progress));
        }
    }

    fn draw(&mut self, progress: &Progress) {
        let bar = self.bar.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr_with_hz(10);
            let template = match progress.total {
                Some(_) => "{percent:>3}% {wide_bar} {msg}",
                None => "{spinner} {msg}",
            };
            let style = ProgressStyle::with_template(template).expect("the template is valid");
            ProgressBar::with_draw_target(progress.total, target)
                .with_style(style.progress_chars("█▉▊▋▌▍▎▏ "))
        });
        bar.set_message(figures(progress));
        bar.set_position(progress.bytes);
        bar.tick();
    }

    /// Writes lines above the bar.
    pub(super) fn above(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Takes the bar away: what it said is said in words now.
    pub(super) fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Leaves the bar as it is: it shows how far it came.
    pub(super) fn abandon(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.abandon();
        }
    }
}

/// `24.9 MB of 52.4 MB, 59.4 MB/s, 0:01 left`.
fn figures(progress: &Progress) -> String {
    let mut text = format::bytes(progress.bytes);
    if let Some(total) = progress.total {
        text += &format!(" of {}", format::bytes(total));
    }
    text += &format!(", {}", format::speed(progress.bytes_per_s));
    if let Some(left) = progress.eta_s {
        text += &format!(", {} left", format::clock(left));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_leave_out_what_nobody_knows() {
        let known = Progress {
            bytes: 24_900_000,
            total: Some(52_400_000),
            files: 0,
            bytes_per_s: 59.4e6,
            eta_s: Some(0.5),
        };
        let stream = Progress { total: None, eta_s: None, ..known };

        assert_eq!(figures(&known), "24.9 MB of 52.4 MB, 59.4 MB/s, 0:01 left");
        assert_eq!(figures(&stream), "24.9 MB, 59.4 MB/s");
    }
}
