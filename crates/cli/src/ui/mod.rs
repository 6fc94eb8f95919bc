//! Everything that a person or a script sees: one call for each thing that happens.
//!
//! stdout is data: a received text, `--output -`, or JSON events. People read stderr. A name or text from
//! the other side is escaped before a terminal sees it.
mod bar;
pub(crate) mod format;
mod json;
mod qr;

use crate::outcome::Failure;
use bar::Bar;
use beeline_core::{
    manifest::{EntryKind, Manifest},
    output::Progress,
    quote::quote,
};
use beeline_peer::{Path, PathKind, Skipped};
use json::Json;
use std::{
    cell::RefCell,
    io::{IsTerminal, Write},
};

/// Names listed before "and 90 more".
const LISTED: usize = 10;

/// Which way the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Send,
    Receive,
}

/// A code with all that the other side may need.
#[derive(Debug)]
pub(crate) struct Invitation<'a> {
    pub(crate) code: &'a str,
    pub(crate) link: &'a str,
    /// Whether the link works only in the local network.
    pub(crate) local: bool,
    pub(crate) qr: bool,
}

/// A file that is complete on the receiver's side.
#[derive(Debug)]
pub(crate) struct FileDone<'a> {
    pub(crate) path: &'a str,
    pub(crate) bytes: u64,
    pub(crate) blake3: String,
}

/// What a transfer came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Totals {
    pub(crate) files: u32,
    pub(crate) folders: u32,
    pub(crate) bytes: u64,
    pub(crate) seconds: f64,
}

/// The person's or the script's view.
#[derive(Debug)]
pub(crate) struct Ui {
    json: Option<Json>,
    style: Style,
    bar: Bar,
    listed: usize,
    unlisted: usize,
    direction: Direction,
    /// Lines that wait until a question is answered.
    held: RefCell<Option<Vec<String>>>,
    /// What was last said about the path.
    path: Option<(PathKind, &'static str)>,
}

/// How stderr may be written on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Style {
    terminal: bool,
    colour: bool,
    columns: usize,
    rows: usize,
}

impl Style {
    fn detect() -> Style {
        let terminal = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let size = terminal_size::terminal_size_of(std::io::stderr());
        let (columns, rows) = size.map_or((80, 24), |(width, height)| (width.0.into(), height.0.into()));
        Style { terminal: terminal && !dumb, colour: terminal && !dumb && !no_colour, columns, rows }
    }

    fn bold(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn dim(self, text: &str) -> String {
        if self.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

impl Ui {
    /// `json`: events instead of words. `stdout_is_data`: they go to stderr then.
    pub(crate) fn new(direction: Direction, json: bool, stdout_is_data: bool) -> Ui {
        let style = Style::detect();
        Ui {
            json: json.then(|| Json::new(stdout_is_data)),
            style,
            bar: Bar::new(style.terminal && !json, direction),
            listed: 0,
            unlisted: 0,
            direction,
            held: RefCell::new(None),
            path: None,
        }
    }

    /// A line for people.
    fn say(&self, line: &str) {
        if self.json.is_none() {
            if let Some(held) = self.held.borrow_mut().as_mut() {
                return held.push(line.to_owned());
            }
            self.bar.above(|| {
                // Nobody reads stderr: nothing to be done about it.
                let _ = writeln!(std::io::stderr(), "{line}");
            });
        }
    }

    pub(crate) fn listening(&self, urls: &[String]) {
        match &self.json {
            Some(json) => json.listening(urls),
            None => {
                self.say("Listening on");
                for url in urls {
                    self.say(&format!("  {}", self.style.bold(url)));
                }
            }
        }
    }

    /// A server of our own; people see its address in the link.
    pub(crate) fn sharing(&self, urls: &[String]) {
        if let Some(json) = &self.json {
            json.listening(urls);
        }
    }

    pub(crate) fn stopping(&self) {
        self.say("Stopping; once more to stop at once");
    }

    pub(crate) fn qr(&self, text: &str) {
        if self.json.is_some() || !self.style.terminal {
            return;
        }
        if let Some(lines) = qr::lines(text, self.style.columns, self.style.colour)
            && lines.len() + 6 <= self.style.rows
        {
            self.say("");
            for line in lines {
                self.say(&line);
            }
        }
    }

    pub(crate) fn skipped(&self, skipped: &[Skipped]) {
        for skip in skipped.iter().take(LISTED) {
            self.note(&format!("{} is left out: {}", quote(&skip.path.to_string_lossy()), skip.why));
        }
        if skipped.len() > LISTED {
            self.note(&format!("{} more are left out", skipped.len() - LISTED));
        }
    }

    pub(crate) fn sending(&self, manifest: &Manifest) {
        self.say(&format!("Sending {}", summary(manifest)));
    }

    pub(crate) fn invitation(&self, invitation: &Invitation<'_>) {
        if let Some(json) = &self.json {
            return json.code(invitation.code, invitation.link);
        }
        self.say("");
        self.say(&format!("  Code  {}", self.style.bold(invitation.code)));
        self.say(&format!("  Link  {}", self.style.bold(invitation.link)));
        self.say("");
        let place = if invitation.local { " in this network" } else { "" };
        self.say(&format!("Open the link in a browser{place}, or type on the other machine:"));
        self.say(&format!("  beeline receive {}", invitation.link));
        if invitation.qr {
            self.qr(invitation.link);
        }
        self.say("");
        self.say("Waiting for the other side");
    }

    pub(crate) fn wrong_guess(&self, left: u8) {
        if let Some(json) = &self.json {
            return json.wrong_guess(left);
        }
        let left = match left {
            0 => "no guess is left".into(),
            1 => "one guess is left".into(),
            left => format!("{left} guesses are left"),
        };
        self.note(&format!("somebody tried a wrong code; {left}"));
    }

    /// Somebody came whose program has nothing in common with this one; the code is as good as before.
    pub(crate) fn turned_away(&self, why: &str) {
        if let Some(json) = &self.json {
            return json.turned_away(why);
        }
        self.note(&format!("somebody was turned away: {why}"));
    }

    pub(crate) fn joining(&self) {
        self.say("Looking for the other side");
    }

    pub(crate) fn searching(&self) {
        self.say("Looking for the sender in this network");
    }

    /// Something worth knowing that changes nothing.
    pub(crate) fn note(&self, text: &str) {
        self.say(&format!("note: {text}"));
    }

    pub(crate) fn peer(&self, name: &str, sas: &str) {
        if let Some(json) = &self.json {
            return json.peer(name, sas);
        }
        self.say(&format!("Connected to {}", self.style.bold(&quote(name))));
        self.say(&format!(
            "{} {}",
            self.style.bold(sas),
            self.style.dim("(the same two words on both sides: nobody is in between)")
        ));
    }

    /// The path, if it is another than before; only its round trip changes all the time.
    pub(crate) fn path(&mut self, path: &Path) {
        if self.path.replace((path.kind, path.protocol)) == Some((path.kind, path.protocol)) {
            return;
        }
        if let Some(json) = &self.json {
            return json.path(path);
        }
        let round_trip = match path.rtt {
            Some(rtt) => format!(", round trip {:.1} ms", rtt.as_secs_f64() * 1e3),
            None => String::new(),
        };
        let kind = match path.kind {
            PathKind::Direct => "direct",
            PathKind::Relay => "relayed by a TURN server",
        };
        let way = format!("Path: {kind}, {}{round_trip}", path.protocol);
        self.say(&self.style.dim(&way));
    }

    pub(crate) fn offer(&self, manifest: &Manifest) {
        if let Some(json) = &self.json {
            json.offer(manifest);
        }
    }

    /// What is offered, before somebody decides about it.
    pub(crate) fn offered(&self, manifest: &Manifest) {
        self.offer(manifest);
        self.say(&format!("The other side offers {}", summary(manifest)));
        if manifest.entries().len() > 1 {
            for entry in manifest.entries().iter().take(LISTED) {
                let name = quote(entry.path.as_str());
                self.say(&match entry.kind {
                    EntryKind::Folder => format!("  {name}/"),
                    EntryKind::File { size: Some(size) } => format!("  {name}  {}", format::bytes(size)),
                    EntryKind::File { size: None } => format!("  {name}"),
                });
            }
            if manifest.entries().len() > LISTED {
                self.say(&format!("  and {} more", manifest.entries().len() - LISTED));
            }
        }
    }

    /// Begins a question; the answer is read from the terminal. Lines wait until [`Ui::answered`].
    pub(crate) fn ask(&self, question: &str) {
        self.bar.above(|| {
            let mut stderr = std::io::stderr();
            let _ = write!(stderr, "{} ", self.style.bold(question));
            let _ = stderr.flush();
        });
        self.held.replace(Some(Vec::new()));
    }

    /// Ends a question. `by_hand`: somebody pressed Enter, so that the cursor is on a new line.
    pub(crate) fn answered(&self, by_hand: bool) {
        if let Some(held) = self.held.take() {
            if !by_hand {
                let _ = writeln!(std::io::stderr());
            }
            held.iter().for_each(|line| self.say(line));
        }
    }

    pub(crate) fn progress(&mut self, progress: &Progress) {
        match &self.json {
            Some(json) => json.progress(progress),
            None => self.bar.show(progress),
        }
    }

    pub(crate) fn paused(&mut self, paused: bool) {
        self.say(if paused { "Paused" } else { "Going on" });
    }

    pub(crate) fn path_lost(&self) {
        self.say("The other side is silent; waiting for it to come back");
    }

    pub(crate) fn path_back(&self) {
        self.say("The other side is back");
    }

    pub(crate) fn file(&mut self, file: &FileDone<'_>) {
        if let Some(json) = &self.json {
            return json.file(file);
        }
        self.listed += 1;
        if self.listed <= LISTED {
            self.say(&format!("{}  {}", self.style.dim(&file.blake3), quote(file.path)));
        } else {
            self.unlisted += 1;
        }
    }

    /// A text of the other side. On stdout it is itself; only a terminal gets it escaped.
    pub(crate) fn text(&self, text: &str) {
        if let Some(json) = &self.json {
            return json.text(text);
        }
        let mut stdout = std::io::stdout();
        let shown = if stdout.is_terminal() {
            text.split('\n').map(quote_line).collect::<Vec<_>>().join("\n")
        } else {
            text.to_owned()
        };
        let end = if shown.ends_with('\n') { "" } else { "\n" };
        self.bar.above(|| {
            let _ = write!(stdout, "{shown}{end}");
            let _ = stdout.flush();
        });
    }

    pub(crate) fn text_sent(&self) {
        self.say("The text has arrived");
    }

    pub(crate) fn done(&mut self, totals: &Totals) {
        self.bar.finish();
        if let Some(json) = &self.json {
            return json.done(totals);
        }
        // A text was shown already.
        if totals.files + totals.folders == 0 {
            return;
        }
        if self.unlisted > 0 {
            self.say(&self.style.dim(&format!("and {} more, all verified", self.unlisted)));
        }
        let done = match self.direction {
            Direction::Send => "Sent",
            Direction::Receive => "Received",
        };
        let mean = totals.bytes as f64 / totals.seconds.max(1e-3);
        self.say(&format!(
            "{} {}, {} in {} ({})",
            self.style.bold(done),
            format::counts(totals.files, totals.folders),
            format::bytes(totals.bytes),
            format::duration(totals.seconds),
            format::speed(mean)
        ));
    }

    pub(crate) fn failure(&mut self, failure: &Failure) {
        self.answered(false);
        self.bar.abandon();
        match &self.json {
            Some(json) => json.error(failure),
            None => show(failure),
        }
    }
}

/// An error in words, on stderr.
pub(crate) fn show(failure: &Failure) {
    let mut stderr = std::io::stderr();
    let _ = writeln!(stderr, "error: {failure}");
    if let Some(hint) = &failure.hint {
        let _ = writeln!(stderr, "hint: {hint}");
    }
}

/// Escapes all but tabs, which do no harm.
fn quote_line(line: &str) -> String {
    line.split('\t').map(quote).collect::<Vec<_>>().join("\t")
}

/// `movie.mkv (52.4 MB)`, or `3 files, 1 folder (52.4 MB)`.
fn summary(manifest: &Manifest) -> String {
    let size = manifest.bytes().map_or("of unknown size".into(), format::bytes);
    match manifest.entries() {
        [entry] => format!("{} ({size})", quote(entry.path.as_str())),
        _ => format!("{} ({size})", format::counts(manifest.files(), manifest.folders())),
    }
}
