//! From the core's words to the page's messages.
use crate::{
    messages::{self, Ended, Entry, Failure, Ice, NotNegotiated, Offer, Progress, SHOWN, ToPage},
    sink,
};
use beeline_core::{
    manifest::{EntryKind, Manifest},
    output::{self, Closed, TransferFailure, TransferId},
    rtc::{self, CandidateType, RtcAction, SdpKind},
};

/// What the page is to do with its connections.
pub(super) fn action(action: RtcAction) -> ToPage {
    match action {
        RtcAction::Open { lane, offerer, ice } => {
            let ice = ice.into_iter().map(|server| Ice {
                urls: server.urls,
                username: server.username,
                credential: server.credential,
            });
            ToPage::LaneOpen { lane: lane.0, offerer, ice: ice.collect() }
        }
        RtcAction::SetRemote { lane, description } => ToPage::SetRemote {
            lane: lane.0,
            offer: description.kind == SdpKind::Offer,
            sdp: description.sdp,
        },
        RtcAction::AddCandidate { lane, candidate } => {
            ToPage::AddCandidate { lane: lane.0, candidate: candidate.0 }
        }
        RtcAction::Offer { lane } => ToPage::Describe { lane: lane.0 },
        RtcAction::Restart { lane } => ToPage::Restart { lane: lane.0 },
        RtcAction::Rollback { lane } => ToPage::Rollback { lane: lane.0 },
        RtcAction::Close { lane } => ToPage::LaneClose { lane: lane.0 },
    }
}

/// What the page could not do with its connections.
pub(super) fn step(step: messages::Step) -> rtc::Step {
    match step {
        messages::Step::MakeOffer => rtc::Step::MakeOffer,
        messages::Step::Answer => rtc::Step::Answer,
        messages::Step::ApplyAnswer => rtc::Step::ApplyAnswer,
    }
}

/// What `RTCIceCandidateType` says.
pub(super) fn candidate_type(name: &str) -> CandidateType {
    match name {
        "host" => CandidateType::Host,
        "relay" => CandidateType::Relayed,
        _ => CandidateType::Reflexive,
    }
}

/// Why a call did not come about.
pub(super) fn not_negotiated(why: &output::NotNegotiated) -> NotNegotiated {
    match why {
        output::NotNegotiated::Refused(_) => NotNegotiated::Refused,
        output::NotNegotiated::Unanswered => NotNegotiated::Unanswered,
        output::NotNegotiated::Failed => NotNegotiated::Failed,
    }
}

/// What the page can show of an offer.
pub(super) fn offer(transfer: TransferId, manifest: &Manifest) -> Offer {
    let shown = manifest.entries().iter().take(SHOWN).map(|entry| Entry {
        path: entry.path.as_str().to_owned(),
        size: match entry.kind {
            EntryKind::File { size } => size,
            EntryKind::Folder => None,
        },
        folder: entry.kind == EntryKind::Folder,
    });
    Offer {
        transfer: transfer.0,
        files: manifest.files(),
        folders: manifest.folders(),
        bytes: manifest.bytes(),
        entries: shown.collect(),
        save_as: sink::save_as(manifest),
        archive: sink::is_archive(manifest),
        text: false,
    }
}

/// How far a transfer is.
pub(super) fn progress(transfer: TransferId, progress: output::Progress) -> ToPage {
    ToPage::Progress(Progress {
        transfer: transfer.0,
        bytes: progress.bytes,
        total: progress.total,
        files: progress.files,
        bytes_per_s: progress.bytes_per_s,
        eta_s: progress.eta_s,
    })
}

/// How the session ended.
pub(super) fn ended(closed: Closed) -> Ended {
    match closed {
        Closed::Bye => Ended::Bye,
        Closed::Here => Ended::Here,
        Closed::PeerLeft => Ended::PeerLeft,
        Closed::PeerGone => Ended::PeerGone,
        Closed::NoRoom => Ended::NoRoom,
        Closed::WrongCode { left } => Ended::WrongCode { left },
        Closed::Burnt => Ended::Burnt,
        Closed::Version { update_here, .. } => Ended::Version { update_here },
        Closed::Tampered => Ended::Tampered,
        Closed::Protocol(said) => Ended::Protocol { said },
        Closed::Aborted(said) => Ended::Aborted { said },
        Closed::Server(said) => Ended::Server { said },
        Closed::Silent => Ended::Silent,
        Closed::NoPath => Ended::NoPath,
        Closed::PathLost => Ended::PathLost,
    }
}

/// How a transfer failed; `path` names an entry.
pub(super) fn failure(failure: TransferFailure, manifest: Option<&Manifest>) -> Failure {
    match failure {
        TransferFailure::CancelledHere => Failure::CancelledHere,
        TransferFailure::CancelledThere(said) => Failure::CancelledThere { said },
        TransferFailure::Source(said) => Failure::Source { said },
        TransferFailure::Sink(said) => Failure::Sink { said },
        TransferFailure::There(said) => Failure::There { said },
        TransferFailure::Corrupt(file) => {
            let entry = manifest.and_then(|manifest| manifest.entry(file));
            Failure::Corrupt { path: entry.map(|e| e.path.as_str().to_owned()).unwrap_or_default() }
        }
        TransferFailure::Session(closed) => Failure::Session { ended: ended(closed) },
    }
}
