//! What is said about a call.
use super::{Capture, Kind, devices};
use crate::{messages::NotNegotiated, text::t};
use wasm_bindgen::JsValue;

/// What the button of a device does.
pub(super) fn action(kind: Kind, capture: Capture) -> String {
    match (kind, capture) {
        (Kind::Camera, Capture::Off) => t!("call_camera"),
        (Kind::Microphone, Capture::Off) => t!("call_microphone"),
        (Kind::Camera, Capture::Asking) => t!("call_camera_asking"),
        (Kind::Microphone, Capture::Asking) => t!("call_microphone_asking"),
        (Kind::Camera, _) => t!("call_camera_off"),
        (Kind::Microphone, Capture::Preview) => t!("call_microphone_off"),
        (Kind::Microphone, Capture::On) => t!("call_mute"),
        (Kind::Microphone, Capture::Muted) => t!("call_unmute"),
    }
}

/// Why a device could not be opened.
pub(super) fn refused(kind: Kind, error: &JsValue) -> String {
    let why = devices::why(error);
    match (why.as_str(), kind) {
        ("insecure", Kind::Camera) => t!("call_camera_insecure"),
        ("insecure", Kind::Microphone) => t!("call_microphone_insecure"),
        ("NotAllowedError" | "SecurityError", Kind::Camera) => t!("call_camera_denied"),
        ("NotAllowedError" | "SecurityError", Kind::Microphone) => t!("call_microphone_denied"),
        ("NotFoundError" | "OverconstrainedError", Kind::Camera) => t!("call_camera_missing"),
        ("NotFoundError" | "OverconstrainedError", Kind::Microphone) => t!("call_microphone_missing"),
        ("NotReadableError" | "AbortError", Kind::Camera) => t!("call_camera_busy"),
        ("NotReadableError" | "AbortError", Kind::Microphone) => t!("call_microphone_busy"),
        (_, Kind::Camera) => t!("call_camera_broken", why = why),
        (_, Kind::Microphone) => t!("call_microphone_broken", why = why),
    }
}

/// A device went away while it was on.
pub(super) fn unplugged(kind: Kind) -> String {
    match kind {
        Kind::Camera => t!("call_camera_unplugged"),
        Kind::Microphone => t!("call_microphone_unplugged"),
    }
}

/// The other side ended the call.
pub(super) fn hung_up(name: &str) -> String {
    t!("call_hung_up", name = name)
}

/// What was to be sent is not.
pub(super) fn failed(why: NotNegotiated, name: &str) -> String {
    match why {
        NotNegotiated::Refused => t!("call_refused", name = name),
        NotNegotiated::Unanswered => t!("call_unanswered", name = name),
        NotNegotiated::Failed => t!("call_failed"),
    }
}
