//! What is said about a call.
use super::{Capture, Kind, devices};
use crate::messages::NotNegotiated;
use wasm_bindgen::JsValue;

pub(super) const CALL: &str = "Call";
pub(super) const PREVIEW: &str = "Only you see this. It goes to the other device when you press Send.";
pub(super) const MICROPHONE_READY: &str = "The microphone is ready.";
pub(super) const SEND: &str = "Send";
pub(super) const NOT_NOW: &str = "Not now";
pub(super) const HANG_UP: &str = "Hang up";
pub(super) const LISTEN: &str = "Turn sound on";
pub(super) const SILENCE: &str = "Turn sound off";
pub(super) const YOUR_CAMERA: &str = "Your camera";
pub(super) const CHOOSE_CAMERA: &str = "Camera to use";
pub(super) const CHOOSE_MICROPHONE: &str = "Microphone to use";

/// What the button of a device does.
pub(super) fn action(kind: Kind, capture: Capture) -> &'static str {
    match (kind, capture) {
        (Kind::Camera, Capture::Off) => "Camera",
        (Kind::Microphone, Capture::Off) => "Microphone",
        (Kind::Camera, Capture::Asking) => "Camera: allow it",
        (Kind::Microphone, Capture::Asking) => "Microphone: allow it",
        (Kind::Camera, _) => "Turn camera off",
        (Kind::Microphone, Capture::Preview) => "Turn microphone off",
        (Kind::Microphone, Capture::On) => "Mute",
        (Kind::Microphone, Capture::Muted) => "Unmute",
    }
}

fn device(kind: Kind) -> &'static str {
    match kind {
        Kind::Camera => "camera",
        Kind::Microphone => "microphone",
    }
}

/// Why a device could not be opened.
pub(super) fn refused(kind: Kind, error: &JsValue) -> String {
    let device = device(kind);
    match devices::why(error).as_str() {
        "insecure" => format!("A browser gives its {device} only to pages that came over https."),
        "NotAllowedError" | "SecurityError" => {
            format!("The {device} was not allowed. The browser's settings for this page can allow it.")
        }
        "NotFoundError" | "OverconstrainedError" => format!("No {device} was found."),
        "NotReadableError" | "AbortError" => format!("The {device} is in use by another program."),
        other => format!("The {device} cannot be used: {other}."),
    }
}

/// A device went away while it was on.
pub(super) fn unplugged(kind: Kind) -> String {
    format!("The {} was unplugged, or another program took it.", device(kind))
}

pub(super) fn hung_up(name: &str) -> String {
    format!("{} hung up.", crate::strings::sentence(name).trim_end_matches('.'))
}

/// What was to be sent is not.
pub(super) fn failed(why: NotNegotiated, name: &str) -> String {
    let name = crate::strings::sentence(name);
    let name = name.trim_end_matches('.');
    match why {
        NotNegotiated::Refused => format!("{name} did not take the call. The transfer goes on."),
        NotNegotiated::Unanswered => format!("{name} does not answer. The transfer is not affected."),
        NotNegotiated::Failed => {
            "The two browsers could not agree on a call. The transfer goes on.".to_owned()
        }
    }
}

pub(super) fn comes_from(name: &str) -> String {
    format!("Camera of {name}")
}
