//! Logs for whoever looks for a fault, and panics in words.
//!
//! Codes, keys and addresses have types that do not print them. Only our own crates are heard: what others
//! log is not ours to promise about.
use std::io::IsTerminal;
use tracing_subscriber::{
    filter::{LevelFilter, Targets},
    prelude::*,
};

/// What `--log` takes: a level, or levels by crate like `beeline_peer=debug,beeline_rtc=trace`.
///
/// # Errors
///
/// A level that is none, in words for clap to show.
pub(crate) fn filter(text: &str) -> Result<Targets, String> {
    let parsed = if text.contains('=') { text.parse().ok() } else { text.parse().ok().map(ours) };
    parsed.ok_or_else(|| "a level is one of error, warn, info, debug, trace and off".into())
}

fn ours(level: LevelFilter) -> Targets {
    Targets::new().with_target("beeline", level)
}

/// Writes to stderr what `filter` lets through. Without one a server logs what an operator should know, and other
/// commands nothing.
pub(crate) fn start(filter: Option<Targets>, server: bool) {
    let terminal = std::io::stderr().is_terminal();
    let filter = match (filter, server) {
        (Some(filter), _) => filter,
        (None, true) if terminal => ours(LevelFilter::WARN),
        (None, true) => ours(LevelFilter::INFO),
        (None, false) => return,
    };
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    if terminal {
        tracing_subscriber::registry().with(logs.compact().with_filter(filter)).init();
    } else {
        tracing_subscriber::registry().with(logs.json().with_filter(filter)).init();
    }
}

/// A panic is our mistake: says so, with what helps to find it.
pub(crate) fn catch_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".into(), ToString::to_string);
        let what = panic.payload_as_str().unwrap_or("no message");
        eprintln!(
            "error: beeline has a fault in itself, at {place}: {what}\n\
             hint: please report this with what you did, at {}/issues (beeline {})",
            env!("CARGO_PKG_REPOSITORY"),
            env!("CARGO_PKG_VERSION"),
        );
    }));
}
