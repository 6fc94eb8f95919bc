//! The command line: what scripts and people may rely on.
#![allow(rustdoc::bare_urls, reason = "the comments are what `--help` prints")]
use crate::logs;
use clap::{Args, Parser, Subcommand, builder::NonEmptyStringValueParser};
use std::{net::SocketAddr, path::PathBuf};
use tracing_subscriber::filter::Targets;

/// Sends files straight from one device to another: browser or terminal.
#[derive(Debug, Parser)]
#[command(name = "beeline", version, max_term_width = 100, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Writes what happens inside to stderr: error, warn, info, debug or trace
    #[arg(long, global = true, value_name = "LEVEL", env = "BEELINE_LOG", hide_env_values = true, value_parser = logs::filter)]
    pub(crate) log: Option<Targets>,
}

const EXAMPLES: &str = "\
Examples:
  beeline send movie.mkv                        shows a code, a link and a QR code
  beeline receive 7-guitar-sunset               receives it, after asking
  beeline receive https://host/#7-guitar-sunset the same, with the server in the link
  tar c src | beeline send -                    sends what comes through the pipe
  beeline serve                                 page and meeting point for others

Exit status: 0 done, 1 failed, 2 wrong usage, 3 declined or cancelled by the other side, 130 interrupted.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Runs the server: the page for browsers, and where two sides meet
    Serve(Serve),
    /// Sends files, folders or a text to whoever has the code
    Send(Send),
    /// Receives what somebody sends
    Receive(Receive),
    /// Prints a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// What both sides of a transfer have in common.
#[derive(Debug, Args)]
pub(crate) struct Meeting {
    /// Where the two sides meet, like https://example.org/beeline
    ///
    /// Otherwise BEELINE_SERVER counts, then `server = "…"` in beeline/config.toml of your configuration
    /// folder, then the local network.
    #[arg(long, value_name = "URL", env = "BEELINE_SERVER", hide_env_values = true)]
    pub(crate) server: Option<String>,

    /// What this device is called on the other side [default: the host name]
    #[arg(long, value_name = "NAME", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) name: Option<String>,

    /// Prints one JSON object a line instead of words for people
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Send {
    /// Files and folders; `-` is standard input
    #[arg(value_name = "PATH", required_unless_present = "text")]
    pub(crate) paths: Vec<PathBuf>,

    /// Sends a text
    #[arg(long, value_name = "T", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) text: Option<String>,

    /// What standard input is called on the other side
    #[arg(long = "as", value_name = "NAME", default_value = "stdin")]
    pub(crate) file_name: String,

    /// Shows no QR code
    #[arg(long)]
    pub(crate) no_qr: bool,

    #[command(flatten)]
    pub(crate) meeting: Meeting,
}

#[derive(Debug, Args)]
pub(crate) struct Receive {
    /// The code or the link that the other side shows; asked for on a terminal if it is not given
    #[arg(value_name = "CODE | LINK", env = "BEELINE_CODE", hide_env_values = true)]
    pub(crate) code: Option<String>,

    /// Where to put what is received; `-` is standard output
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub(crate) output: PathBuf,

    /// Takes what is offered without asking
    #[arg(short, long)]
    pub(crate) yes: bool,

    #[command(flatten)]
    pub(crate) meeting: Meeting,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; may be given several times [default: port 8080 on every address]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Vec<SocketAddr>,

    /// Where to serve metrics for Prometheus, apart from everything else
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) metrics: Option<SocketAddr>,

    /// A STUN or TURN server for peers to use, like stun:stun.example.org:3478
    #[arg(long, value_name = "URL")]
    pub(crate) ice: Vec<String>,

    /// How the server is reached from outside, like https://example.org/beeline
    #[arg(long, value_name = "URL")]
    pub(crate) public_url: Option<String>,

    /// A reverse proxy, or a network of them, that is believed about its clients' addresses
    #[arg(long, value_name = "CIDR")]
    pub(crate) trusted_proxy: Vec<String>,

    /// Prints one JSON object a line instead of words for people
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_agree_with_each_other() {
        super::Arguments::command().debug_assert();
    }
}
