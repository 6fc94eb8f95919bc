//! Events for programs: one JSON object a line.
//!
//! What is here is a promise: names and meanings stay, keys may be added.
use super::{FileDone, Totals};
use crate::outcome::Failure;
use beeline_core::{manifest::Manifest, output::Progress};
use beeline_peer::{Path, PathKind};
use serde::Serialize;
use std::io::Write;

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'a> {
    Listening {
        urls: &'a [String],
    },
    Code {
        code: &'a str,
        link: &'a str,
    },
    WrongGuess {
        left: u8,
    },
    TurnedAway {
        message: &'a str,
    },
    Peer {
        name: &'a str,
        sas: &'a str,
    },
    Offer {
        files: u32,
        folders: u32,
        /// `null`: a stream of unknown length.
        bytes: Option<u64>,
    },
    Path {
        kind: &'static str,
        protocol: &'static str,
        rtt_ms: Option<f64>,
    },
    Progress {
        bytes: u64,
        total: Option<u64>,
        bytes_per_s: u64,
        eta_s: Option<f64>,
    },
    File {
        path: &'a str,
        bytes: u64,
        blake3: &'a str,
    },
    Text {
        text: &'a str,
    },
    Done {
        files: u32,
        bytes: u64,
        seconds: f64,
    },
    Error {
        kind: &'static str,
        message: &'a str,
        hint: Option<&'a str>,
    },
}

#[derive(Debug)]
pub(super) struct Json {
    to_stderr: bool,
}

impl Json {
    pub(super) fn new(to_stderr: bool) -> Json {
        Json { to_stderr }
    }

    fn emit(&self, line: &Line<'_>) {
        let mut text = serde_json::to_string(line).expect("numbers and strings can be written");
        text.push('\n');
        // One write a line, so that lines stay whole; nobody reading is no error of the transfer.
        let _ = if self.to_stderr {
            std::io::stderr().write_all(text.as_bytes())
        } else {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush())
        };
    }

    pub(super) fn listening(&self, urls: &[String]) {
        self.emit(&Line::Listening { urls });
    }

    pub(super) fn code(&self, code: &str, link: &str) {
        self.emit(&Line::Code { code, link });
    }

    pub(super) fn wrong_guess(&self, left: u8) {
        self.emit(&Line::WrongGuess { left });
    }

    pub(super) fn turned_away(&self, message: &str) {
        self.emit(&Line::TurnedAway { message });
    }

    pub(super) fn peer(&self, name: &str, sas: &str) {
        self.emit(&Line::Peer { name, sas });
    }

    pub(super) fn offer(&self, manifest: &Manifest) {
        self.emit(&Line::Offer {
            files: manifest.files(),
            folders: manifest.folders(),
            bytes: manifest.bytes(),
        });
    }

    pub(super) fn path(&self, path: &Path) {
        let rtt_ms = path.rtt.map(|rtt| rounded(rtt.as_secs_f64() * 1e3, 2));
        self.emit(&Line::Path { kind: kind(path), protocol: path.protocol, rtt_ms });
    }

    pub(super) fn progress(&self, progress: &Progress) {
        self.emit(&Line::Progress {
            bytes: progress.bytes,
            total: progress.total,
            bytes_per_s: progress.bytes_per_s as u64,
            eta_s: progress.eta_s.map(|eta| rounded(eta, 1)),
        });
    }

    pub(super) fn file(&self, file: &FileDone<'_>) {
        self.emit(&Line::File { path: file.path, bytes: file.bytes, blake3: &file.blake3 });
    }

    pub(super) fn text(&self, text: &str) {
        self.emit(&Line::Text { text });
    }

    pub(super) fn done(&self, totals: &Totals) {
        self.emit(&Line::Done {
            files: totals.files,
            bytes: totals.bytes,
            seconds: rounded(totals.seconds, 3),
        });
    }

    pub(super) fn error(&self, failure: &Failure) {
        self.emit(&Line::Error {
            kind: failure.kind,
            message: &failure.message,
            hint: failure.hint.as_deref(),
        });
    }
}

fn kind(path: &Path) -> &'static str {
    match path.kind {
        PathKind::Direct => "direct",
        PathKind::Relay => "relay",
    }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let unit = 10_f64.powi(digits);
    (value * unit).round() / unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_as_promised() {
        let line = |line: Line<'_>| serde_json::to_string(&line).unwrap();

        assert_eq!(
            line(Line::Path { kind: "direct", protocol: "udp", rtt_ms: Some(0.25) }),
            r#"{"event":"path","kind":"direct","protocol":"udp","rtt_ms":0.25}"#
        );
        assert_eq!(
            line(Line::Progress { bytes: 1, total: None, bytes_per_s: 2, eta_s: None }),
            r#"{"event":"progress","bytes":1,"total":null,"bytes_per_s":2,"eta_s":null}"#
        );
        assert_eq!(
            line(Line::Error { kind: "no-room", message: "nobody", hint: None }),
            r#"{"event":"error","kind":"no-room","message":"nobody","hint":null}"#
        );
    }
}
