//! How a run ends: exit status, words for people, a kind for programs.
use beeline_core::{
    output::{Closed, TransferFailure},
    quote::quote,
};
use beeline_peer::{Refusal, SourceError};
use std::fmt;

/// What a run is not: done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For programs: a word that stays the same.
    pub(crate) kind: &'static str,
    /// One sentence.
    pub(crate) message: String,
    /// The next step, where we know one.
    pub(crate) hint: Option<String>,
    pub(crate) status: Status,
}

/// The exit statuses other than 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Failed = 1,
    Usage = 2,
    /// Declined or cancelled by the other side.
    Declined = 3,
    Interrupted = 130,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    pub(crate) fn new(kind: &'static str, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), hint: None, status: Status::Failed }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { status: Status::Usage, ..Failure::new("usage", message) }
    }

    pub(crate) fn interrupted() -> Failure {
        Failure { status: Status::Interrupted, ..Failure::new("interrupted", "interrupted") }
    }

    pub(crate) fn declined(message: &str) -> Failure {
        let said = if message.is_empty() { String::new() } else { format!(": {}", quote(message)) };
        Failure {
            status: Status::Declined,
            ..Failure::new("declined", format!("the other side declined{said}"))
        }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: Some(hint.into()), ..self }
    }
}

impl From<Closed> for Failure {
    fn from(closed: Closed) -> Failure {
        let message = quote(&closed.to_string());
        match closed {
            Closed::Bye | Closed::PeerLeft => Failure {
                status: Status::Declined,
                ..Failure::new("peer-left", "the other side left before anything was transferred")
            },
            Closed::Here => Failure::interrupted(),
            Closed::PeerGone => Failure::new("peer-gone", message)
                .hint("its program or device stopped; start again on both sides"),
            Closed::NoRoom => Failure::new("no-room", message)
                .hint("check the code; it is good only while the other side waits, and only once"),
            Closed::WrongCode { left: 0 } => Failure::new("wrong-code", "wrong code, and no guess is left")
                .hint("ask the other side for a new code"),
            Closed::WrongCode { left } => Failure::new("wrong-code", message).hint(format!(
                "check the words; {left} more {} possible",
                if left == 1 { "guess is" } else { "guesses are" }
            )),
            Closed::Burnt => Failure::new("burnt", message)
                .hint("somebody may be guessing; send again for a new code, and tell it on another way"),
            Closed::Version { .. } => Failure::new("version", message),
            Closed::Tampered => Failure::new("tampered", message)
                .hint("the server or somebody in between is not honest; use another server"),
            Closed::Protocol(_) => Failure::new("protocol", message),
            Closed::Aborted(_) => Failure::new("aborted", message),
            Closed::Server(_) => {
                Failure::new("server", message).hint("check the server's address and your connection")
            }
            Closed::Silent => Failure::new("silent", message),
            Closed::NoPath => Failure::new("no-path", message)
                .hint("a firewall is in the way; a server with TURN helps (beeline serve --ice turn:…)"),
            Closed::PathLost => Failure::new("path-lost", message),
        }
    }
}

impl From<TransferFailure> for Failure {
    fn from(failure: TransferFailure) -> Failure {
        let message = quote(&failure.to_string());
        match failure {
            TransferFailure::CancelledHere => Failure::interrupted(),
            TransferFailure::CancelledThere(_) => {
                Failure { status: Status::Declined, ..Failure::new("cancelled", message) }
            }
            TransferFailure::Source(_) => Failure::new("source", message),
            TransferFailure::Sink(_) => Failure::new("sink", message),
            TransferFailure::There(_) => Failure::new("other-side", message),
            TransferFailure::Corrupt(_) => Failure::new("corrupt", message),
            TransferFailure::Session(closed) => closed.into(),
        }
    }
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Failure {
        Failure::new("source", error.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        let message = refusal.to_string();
        match refusal {
            Refusal::Exists(_) => Failure::new("exists", message)
                .hint("nothing is overwritten; use --output with another folder"),
            Refusal::NoSpace { .. } => {
                Failure::new("no-space", message).hint("use --output with a folder on another disk")
            }
            Refusal::NotOneFile { .. } => {
                Failure::new("not-one-file", message).hint("use --output with a folder")
            }
            Refusal::Unusable(_) => Failure::new("sink", message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_other_side_makes_a_three() {
        let status = |closed: Closed| Failure::from(closed).status;

        assert_eq!(status(Closed::PeerLeft), Status::Declined);
        assert_eq!(status(Closed::PeerGone), Status::Failed);
        assert_eq!(status(Closed::Burnt), Status::Failed);
        assert_eq!(Failure::from(TransferFailure::CancelledThere(String::new())).status, Status::Declined);
        assert_eq!(Failure::declined("no").status, Status::Declined);
    }

    #[test]
    fn words_of_the_other_side_are_escaped() {
        let failure = Failure::declined("\u{1b}[31mred");

        assert!(!failure.message.contains('\u{1b}'));
    }
}
