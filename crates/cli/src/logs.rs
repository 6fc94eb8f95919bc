//! Logs for whoever looks for a fault, and panics in words.
//!
//! Codes, keys and addresses have types that do not print them. Only our own crates are heard: what others
//! log is not ours to promise about.
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Writes logs of `level` and above to stderr; `level` may also be a filter like `beeline_peer=debug`.
/// Without it a server logs what an operator should know, and other commands nothing.
pub(crate) fn start(level: Option<&str>, server: bool) {
    let terminal = std::io::stderr().is_terminal();
    let level = match (level, server) {
        (Some(level), _) => level,
        (None, true) if terminal => "warn",
        (None, true) => "info",
        (None, false) => return,
    };
    let filter = if level.contains('=') { level.to_owned() } else { format!("off,beeline={level}") };
    let filter = EnvFilter::builder().parse_lossy(filter);
    let logs = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    if terminal {
        logs.compact().init();
    } else {
        logs.json().init();
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
