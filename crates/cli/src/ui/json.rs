//! Events for programs: one JSON object a line.
//!
//! What is here is a promise: names and meanings stay, keys may be added.
use super::{FileDone, Totals};
use crate::outcome::Failure;
use beeline_core::{manifest::Manifest, output::Progress};
use beeline_peer::{Path, PathKind};
use serde_json::{Value, json};
use std::io::Write;

#[derive(Debug)]
pub(crate) struct Json {
    to_stderr: bool,
}

impl Json {
    pub(crate) fn new(to_stderr: bool) -> Json {
        Json { to_stderr }
    }

    fn emit(&self, event: &Value) {
        // One write a line, so that lines stay whole; nobody reading is no error of the transfer.
        let line = format!("{event}\n");
        let _ = if self.to_stderr {
            std::io::stderr().write_all(line.as_bytes())
        } else {
            let mut stdout = std::io::stdout().lock();
            stdout.write_all(line.as_bytes()).and_then(|()| stdout.flush())
        };
    }

    pub(crate) fn listening(&self, urls: &[String]) {
        self.emit(&json!({"event": "listening", "urls": urls}));
    }

    pub(crate) fn code(&self, code: &str, link: &str) {
        self.emit(&json!({"event": "code", "code": code, "link": link}));
    }

    pub(crate) fn peer(&self, name: &str, sas: &str) {
        self.emit(&json!({"event": "peer", "name": name, "sas": sas}));
    }

    pub(crate) fn offer(&self, manifest: &Manifest) {
        self.emit(&json!({
            "event": "offer",
            "files": manifest.files(),
            "folders": manifest.folders(),
            "bytes": manifest.bytes(),
        }));
    }

    pub(crate) fn path(&self, path: &Path) {
        let rtt_ms = path.rtt.map(|rtt| millis(rtt.as_secs_f64()));
        self.emit(
            &json!({"event": "path", "kind": kind(path), "protocol": protocol(path), "rtt_ms": rtt_ms}),
        );
    }

    pub(crate) fn progress(&self, progress: &Progress) {
        self.emit(&json!({
            "event": "progress",
            "bytes": progress.bytes,
            "total": progress.total,
            "bytes_per_s": progress.bytes_per_s.round(),
            "eta_s": progress.eta_s.map(tenths),
        }));
    }

    pub(crate) fn file(&self, file: &FileDone<'_>) {
        self.emit(&json!({"event": "file", "path": file.path, "bytes": file.bytes, "blake3": file.blake3}));
    }

    pub(crate) fn text(&self, text: &str) {
        self.emit(&json!({"event": "text", "text": text}));
    }

    pub(crate) fn done(&self, totals: &Totals) {
        self.emit(&json!({
            "event": "done",
            "files": totals.files,
            "bytes": totals.bytes,
            "seconds": (totals.seconds * 1e3).round() / 1e3,
        }));
    }

    pub(crate) fn error(&self, failure: &Failure) {
        self.emit(&json!({
            "event": "error",
            "kind": failure.kind,
            "message": failure.message,
            "hint": failure.hint,
        }));
    }
}

pub(super) fn kind(path: &Path) -> &'static str {
    match path.kind {
        PathKind::Direct => "direct",
        PathKind::Relay => "relay",
    }
}

pub(super) fn protocol(path: &Path) -> &str {
    path.protocol
}

/// Milliseconds with two digits behind the point.
fn millis(seconds: f64) -> f64 {
    (seconds * 1e5).round() / 1e2
}

fn tenths(seconds: f64) -> f64 {
    (seconds * 10.0).round() / 10.0
}
