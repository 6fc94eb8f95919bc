//! Sentences that depend on what happened: made here, shown by the page. The words are in `static/*.json`.
use crate::{
    messages::{Ended, Failure},
    text::{n, t},
};
use beeline_core::code::CodeError;

/// What happened, and what helps.
pub(crate) type Told = (String, Option<String>);

/// A sentence of the core, for a page: with a capital letter.
fn capital(text: &str) -> String {
    let mut text = text.to_owned();
    if let Some(first) = text.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    text
}

/// The same with a full stop.
pub(crate) fn sentence(text: &str) -> String {
    capital(text.trim_end_matches('.')) + "."
}

/// Why what was typed is no code.
pub(crate) fn no_code(error: &CodeError) -> String {
    match error {
        CodeError::Shape => t!("code_shape"),
        CodeError::UnknownWord(word) => t!("code_unknown_word", word = word),
        CodeError::Ambiguous { word, candidates } => {
            t!("code_ambiguous", word = word, words = candidates.join(", "))
        }
        CodeError::NoCodeInLink => t!("code_not_in_link"),
    }
}

/// Somebody tried to join and could not.
pub(crate) fn turned_away(why: &Ended) -> String {
    let (what, hint) = ended(why);
    t!("turned_away", what = what) + " " + &hint.unwrap_or_default()
}

/// `3 files, 1 folder, 12 MB`.
pub(crate) fn amount(files: u32, folders: u32, bytes: Option<u64>) -> String {
    let mut parts = Vec::new();
    if files > 0 {
        parts.push(n!("files", files));
    }
    if folders > 0 {
        parts.push(n!("folders", folders));
    }
    parts.push(bytes.map_or_else(|| t!("size_unknown"), crate::page::bytes));
    parts.join(", ")
}

/// The other person declined.
pub(crate) fn declined(name: &str, said: &str) -> Told {
    let what = if said.is_empty() {
        t!("declined", name = name)
    } else {
        t!("declined_saying", name = name, said = said)
    };
    (what, None)
}

/// Why a transfer failed.
pub(crate) fn failure(failure: &Failure) -> Told {
    match failure {
        Failure::CancelledHere => (t!("cancelled_here"), None),
        Failure::CancelledThere { said } if said.is_empty() => (t!("cancelled_there"), None),
        Failure::CancelledThere { said } => (t!("cancelled_there_saying", said = said), None),
        Failure::Source { said } => (t!("source", said = said), Some(t!("source_hint"))),
        Failure::Sink { said } => (t!("sink", said = said), Some(t!("sink_hint"))),
        Failure::There { said } => (t!("there", said = said), None),
        Failure::Corrupt { path } => (t!("corrupt", path = path), Some(t!("corrupt_hint"))),
        Failure::Session { ended: how } => ended(how),
    }
}

/// Why a session ended.
pub(crate) fn ended(ended: &Ended) -> Told {
    match ended {
        Ended::Bye | Ended::PeerLeft => (t!("peer_left"), Some(t!("peer_left_hint"))),
        Ended::Here => (t!("closed"), None),
        Ended::PeerGone => (t!("peer_gone"), Some(t!("peer_gone_hint"))),
        Ended::NoRoom => (t!("no_room"), Some(t!("no_room_hint"))),
        Ended::WrongCode { left: 0 } => (t!("wrong_code_last"), Some(t!("peer_left_hint"))),
        Ended::WrongCode { .. } => (t!("wrong_code"), Some(t!("wrong_code_hint"))),
        Ended::Burnt => (t!("burnt"), Some(t!("burnt_hint"))),
        Ended::Version { update_here: true } => (t!("version_here"), Some(t!("version_here_hint"))),
        Ended::Version { update_here: false } => (t!("version_there"), Some(t!("version_there_hint"))),
        Ended::Tampered => (t!("tampered"), Some(t!("tampered_hint"))),
        Ended::Protocol { said } => (t!("protocol", said = said), Some(t!("protocol_hint"))),
        Ended::Aborted { said } => (t!("aborted", said = said), None),
        Ended::Server { said } => (t!("server", said = capital(said)), Some(t!("server_hint"))),
        Ended::Silent => (t!("silent"), Some(t!("silent_hint"))),
        Ended::NoPath => (t!("no_path"), Some(t!("no_path_hint"))),
        Ended::PathLost => (t!("path_gone"), Some(t!("path_gone_hint"))),
    }
}
