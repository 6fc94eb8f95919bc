//! Every sentence of the page, so that a second language is a second set of these.
use crate::messages::{Ended, Failure};

/// What happened, and what helps: made here, shown by `page/failed.rs`.
pub(crate) type Told = (String, Option<String>);

pub(crate) const TITLE: &str = "Beeline";
pub(crate) const THIS_DEVICE: &str = "This device";
pub(crate) const OTHER_DEVICE: &str = "the other device";
pub(crate) const OTHER_DEVICE_LABEL: &str = "The other device";

pub(crate) const LANDING: &str = "Send files straight to another device";
pub(crate) const PROMISE: &str =
    "They go directly from this browser to the other one, encrypted. Nothing is stored in between.";
pub(crate) const DROP_HERE: &str = "Drop files or folders here";
pub(crate) const CHOOSE_FILES: &str = "Choose files";
pub(crate) const CHOOSE_FOLDER: &str = "Choose a folder";
pub(crate) const TEXT_LABEL: &str = "Or send a text";
pub(crate) const TEXT_HINT: &str = "A link, a note, a password";
pub(crate) const SEND_TEXT: &str = "Send text";
pub(crate) const TEXT_EMPTY: &str = "There is no text yet.";
pub(crate) const CODE_LABEL: &str = "Got a code?";
pub(crate) const CODE_HINT: &str = "7-guitar-sunset";
pub(crate) const RECEIVE: &str = "Receive";
pub(crate) const PLAIN_HTTP: &str = "This page came over plain http: everybody on this network has to be \
     trusted, because they could have changed it.";

pub(crate) const INVITED: &str = "Somebody wants to send you something";
pub(crate) const INVITED_HINT: &str = "Connect if you expected this. You decide about each file afterwards.";
pub(crate) const CONNECT: &str = "Connect";
pub(crate) const NOT_NOW: &str = "Not now";
pub(crate) const JOINING: &str = "Finding the other device";
pub(crate) const STOP: &str = "Cancel";

pub(crate) const WAITING: &str = "Open this on the other device";
pub(crate) const WAITING_HINT: &str =
    "Scan it, open the link, or go to this page and type the code. Keep this page open.";
pub(crate) const MAKING_CODE: &str = "Getting a code";
pub(crate) const TEXT_OFFERED: &str = "A text waits to be sent";
pub(crate) const COPY_CODE: &str = "Copy code";
pub(crate) const COPY_LINK: &str = "Copy link";
pub(crate) const SHARE: &str = "Share";
pub(crate) const LINK_LABEL: &str = "Link";
pub(crate) const QR_LABEL: &str = "QR code of the link";
pub(crate) const COPIED: &str = "Copied.";
pub(crate) const COPY_YOURSELF: &str = "Selected: press Ctrl+C, or hold to copy.";

pub(crate) const SAS_LABEL: &str = "Both devices show";
pub(crate) const SAS_HINT: &str = "If the words differ, somebody is in between: decline.";
pub(crate) const ACCEPT: &str = "Accept";
pub(crate) const DECLINE: &str = "Decline";
pub(crate) const SAVE_STREAM: &str = "It goes to your downloads while it arrives";
pub(crate) const SAVE_MEMORY: &str = "It is kept in memory until complete, then saved";
pub(crate) const TOO_LARGE: &str = "That is more than this page can keep: over plain http a browser only \
     has memory, 256 MiB of it. Use `beeline receive` with the same code, or open the page over https.";

pub(crate) const SENDING: &str = "Sending";
pub(crate) const RECEIVING: &str = "Receiving";
pub(crate) const PROGRESS_LABEL: &str = "Progress";
pub(crate) const PATH_LOST: &str = "The connection is interrupted. It goes on by itself when it is back.";
pub(crate) const PAUSE: &str = "Pause";
pub(crate) const GO_ON: &str = "Go on";
pub(crate) const PAUSED: &str = "paused";
pub(crate) const ALMOST: &str = "finishing";

pub(crate) const DELIVERED: &str = "Delivered";
pub(crate) const RECEIVED: &str = "Received";
pub(crate) const VERIFIED_SENT: &str = "Complete and verified on the other device.";
pub(crate) const VERIFIED_HERE: &str = "Complete and verified: every byte is as it was sent.";
pub(crate) const OFFERED: &str = "What is offered";
pub(crate) const FILES_DONE: &str = "Files and their BLAKE3";
pub(crate) const SAVED: &str = "Saved to your downloads.";
pub(crate) const SAVED_INSECURE: &str = "Saved to your downloads. Chrome and Edge hold back what comes from a page \
     without https: if the file is missing, open the list of downloads and choose “Keep”.";
pub(crate) const SAVE_AGAIN: &str = "Save again";
pub(crate) const TEXT_RECEIVED: &str = "Text from";
pub(crate) const COPY_TEXT: &str = "Copy text";
pub(crate) const SEND_BACK: &str = "Send something back";
pub(crate) const START_OVER: &str = "Start over";
pub(crate) const LEAVE: &str = "Finish";

pub(crate) const FAILED: &str = "That did not work";
pub(crate) const UNSUPPORTED: &str = "This browser can’t do it";
pub(crate) const MISSING_HINT: &str = "A current Chrome, Edge, Firefox or Safari can, or a terminal: \
     `beeline receive` and `beeline send`.";
pub(crate) const NEEDS_WEBRTC: &str = "WebRTC, which is missing or switched off";
pub(crate) const NEEDS_CHANNELS: &str = "WebRTC data channels";
pub(crate) const NEEDS_WORKER: &str = "workers";
pub(crate) const WORKER_BROKE: &str = "Beeline’s worker stopped";
pub(crate) const RELOAD_HINT: &str = "Reload the page and start again.";

/// What this browser lacks.
pub(crate) fn missing(needs: &[&str]) -> String {
    format!("Beeline needs {}", needs.join(" and "))
}

/// A sentence of the core, for a page: with a capital letter and a full stop.
pub(crate) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

/// No code has such a word.
pub(crate) fn no_such_word(word: &str) -> String {
    format!("No code has the word \u{201c}{word}\u{201d}.")
}

/// The other person lets the transfer wait.
pub(crate) fn paused_there(name: &str) -> String {
    format!("{name} paused it.")
}

/// Somebody typed a wrong code.
pub(crate) fn wrong_guess(left: u8) -> String {
    match left {
        1 => "Somebody tried a wrong code. One more wrong try makes it useless.".to_owned(),
        left => format!("Somebody tried a wrong code. It bears {left} more."),
    }
}

/// Somebody tried to join and could not.
pub(crate) fn turned_away(why: &Ended) -> String {
    let (what, hint) = ended(why);
    format!("Somebody could not join. {what}. {}", hint.unwrap_or_default())
}

/// `3 files, 12 MB`.
pub(crate) fn amount(files: u32, folders: u32, bytes: Option<u64>) -> String {
    let mut parts = Vec::new();
    match files {
        0 => {}
        1 => parts.push("1 file".to_owned()),
        n => parts.push(format!("{n} files")),
    }
    match folders {
        0 => {}
        1 => parts.push("1 folder".to_owned()),
        n => parts.push(format!("{n} folders")),
    }
    parts.push(bytes.map_or_else(|| "size unknown".to_owned(), crate::page::bytes));
    parts.join(", ")
}

/// Heading of an offer.
pub(crate) fn offers(name: &str) -> String {
    format!("{name} wants to send you")
}

/// The network path is being made.
pub(crate) fn connecting(name: &str) -> String {
    format!("Connecting to {name}")
}

/// The sender waits for the other person.
pub(crate) fn deciding(name: &str) -> String {
    format!("{name} is asked to accept")
}

/// The receiver waits for an offer.
pub(crate) fn choosing(name: &str) -> String {
    format!("Connected to {name}")
}

/// Entries that are not listed.
pub(crate) fn and_more(rest: usize) -> String {
    format!("and {rest} more")
}

/// Under which name it is saved.
pub(crate) fn save_as(name: &str) -> String {
    format!(", as {name}.")
}

/// The other person declined.
pub(crate) fn declined(name: &str, message: &str) -> Told {
    let said = if message.is_empty() { String::new() } else { format!(": {message}") };
    (format!("{name} declined{said}"), None)
}

/// Why a transfer failed.
pub(crate) fn failure(failure: &Failure) -> Told {
    let with = |what: &str, hint: &str| (what.to_owned(), Some(hint.to_owned()));
    match failure {
        Failure::CancelledHere => ("You stopped it".to_owned(), None),
        Failure::CancelledThere { said } if said.is_empty() => ("The other side stopped it".to_owned(), None),
        Failure::CancelledThere { said } => (format!("The other side stopped it: {said}"), None),
        Failure::Source { said } => with(said, "Choose the file again when nothing writes to it."),
        Failure::Sink { said } => with(said, "Check the free space and the browser’s downloads."),
        Failure::There { said } => (format!("The other side failed: {said}"), None),
        Failure::Corrupt { path } => {
            with(&format!("{path} arrived damaged again and again"), "Try again on another network.")
        }
        Failure::Session { ended: how } => ended(how),
    }
}

/// Why a session ended.
pub(crate) fn ended(ended: &Ended) -> Told {
    let with = |what: &str, hint: &str| (what.to_owned(), Some(hint.to_owned()));
    match ended {
        Ended::Bye | Ended::PeerLeft => with("The other side left", "Ask for a new code."),
        Ended::Here => ("Closed".to_owned(), None),
        Ended::PeerGone => {
            with("The other side is gone", "Its page was closed or its device lost the network. Start again.")
        }
        Ended::NoRoom => with(
            "Nobody is waiting under this code",
            "It was used already, has expired, or was mistyped. Ask for a new one.",
        ),
        Ended::WrongCode { left: 0 } => with("Wrong code, and it was the last try", "Ask for a new code."),
        Ended::WrongCode { .. } => with("Wrong code", "Check the words with the other side."),
        Ended::Burnt => with(
            "Three wrong tries: this code is no good any more",
            "Start again for a new code, and tell it to one person only.",
        ),
        Ended::Version { update_here: true } => {
            with("This page is older than the other side", "Reload it to get the current one.")
        }
        Ended::Version { update_here: false } => {
            with("The other side is an older Beeline", "Update it, or reload its page.")
        }
        Ended::Tampered => with(
            "The messages were tampered with on their way",
            "The server between the two is broken or hostile. Use another one.",
        ),
        Ended::Protocol { said } => {
            with(&format!("The other side broke the protocol: {said}"), "Update both sides.")
        }
        Ended::Aborted { said } => (format!("The other side ended: {said}"), None),
        Ended::Server { said } => with(&sentence(said), "Check the network and try again."),
        Ended::Silent => with("The other side does not answer", "Ask whether its page is still open."),
        Ended::NoPath => with(
            "No network path to the other device was found",
            "Put both on the same Wi-Fi, or use a server with a relay.",
        ),
        Ended::PathLost => {
            with("The network path was lost and did not come back", "Start again when both are online.")
        }
    }
}
