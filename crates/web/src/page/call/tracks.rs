//! What the first connection carries of a call: one transceiver for each kind, kept for as long as the connection.
//!
//! ```text
//! send      sendrecv, with a track        stop      recvonly
//! hang up   inactive until both know, which tells the other side that nobody listens here, then recvonly again
//! ```
use super::Kind;
use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    MediaStream, MediaStreamTrack, RtcPeerConnection, RtcRtpSender, RtcRtpTransceiver,
    RtcRtpTransceiverDirection as Direction, RtcSignalingState,
};

/// Bits a second of this side's camera, at most: a picture beside a transfer, which gets the rest of the line.
const MAX_VIDEO_RATE: f64 = 1_200_000.0;

/// What both descriptions agree on.
pub(super) struct Carried {
    pub(super) received: Vec<MediaStreamTrack>,
    pub(super) sends: bool,
    /// Whether this side would send if the other let it.
    pub(super) wants: bool,
    /// Nothing goes either way.
    pub(super) is_idle: bool,
}

pub(super) fn carried(pc: &RtcPeerConnection) -> Carried {
    let mut carried = Carried { received: Vec::new(), sends: false, wants: false, is_idle: true };
    for transceiver in transceivers(pc) {
        let current = transceiver.current_direction();
        if matches!(current, Some(Direction::Sendrecv | Direction::Recvonly)) {
            carried.received.push(transceiver.receiver().track());
        }
        carried.sends |= matches!(current, Some(Direction::Sendrecv | Direction::Sendonly));
        carried.is_idle &= matches!(current, None | Some(Direction::Inactive));
        carried.wants |= transceiver.direction() == Direction::Sendrecv;
    }
    carried
}

/// Adds a track. The other side knows of it after the next offer.
pub(super) fn send(pc: &RtcPeerConnection, kind: Kind, track: &MediaStreamTrack) {
    match of(pc, kind) {
        Some(transceiver) => {
            set(&transceiver.sender(), Some(track));
            transceiver.set_direction(Direction::Sendrecv);
        }
        None => {
            // Not addTransceiver: an offer that crosses ours takes only tracks that were added for its sections.
            if let Some(stream) = stream([track]) {
                pc.add_track_0(track, &stream);
            }
        }
    }
}

/// Another device in place of the one in use: the other side need not know.
pub(super) fn replace(pc: &RtcPeerConnection, kind: Kind, track: &MediaStreamTrack) {
    if let Some(transceiver) = of(pc, kind) {
        set(&transceiver.sender(), Some(track));
    }
}

/// Removes what is sent of a kind.
pub(super) fn stop(pc: &RtcPeerConnection, kind: Kind) {
    if let Some(transceiver) = of(pc, kind) {
        set(&transceiver.sender(), None);
        transceiver.set_direction(Direction::Recvonly);
    }
}

/// Removes all, both ways.
pub(super) fn hang_up(pc: &RtcPeerConnection) {
    for transceiver in transceivers(pc) {
        set(&transceiver.sender(), None);
        transceiver.set_direction(Direction::Inactive);
    }
}

/// After descriptions were set: what was hung up can be called again, what the other side did not want is forgotten,
/// and what is sent keeps to its rate.
pub(super) fn tidy(pc: &RtcPeerConnection) {
    for transceiver in transceivers(pc) {
        let (sender, current) = (transceiver.sender(), transceiver.current_direction());
        if transceiver.direction() == Direction::Inactive && current == Some(Direction::Inactive) {
            transceiver.set_direction(Direction::Recvonly);
        }
        let is_stable = pc.signaling_state() == RtcSignalingState::Stable;
        match sender.track() {
            // Else every later offer, an ICE restart's too, would have its section.
            None if transceiver.mid().is_none() && is_stable => transceiver.stop(),
            Some(track) if track.kind() == Kind::Camera.name() => limit(&sender),
            _ => {}
        }
    }
}

/// A stream of these tracks; none: nothing.
pub(super) fn stream<'a>(tracks: impl IntoIterator<Item = &'a MediaStreamTrack>) -> Option<MediaStream> {
    let tracks: Array = tracks.into_iter().collect();
    if tracks.length() == 0 { None } else { MediaStream::new_with_tracks(&tracks).ok() }
}

/// Whether a stream is made of just these tracks.
pub(super) fn is_of(stream: Option<&MediaStream>, tracks: &[MediaStreamTrack]) -> bool {
    match stream {
        None => tracks.is_empty(),
        Some(stream) => {
            stream.get_tracks().length() as usize == tracks.len()
                && tracks.iter().all(|track| stream.get_track_by_id(&track.id()).is_some())
        }
    }
}

fn transceivers(pc: &RtcPeerConnection) -> impl Iterator<Item = RtcRtpTransceiver> {
    let all = pc.get_transceivers().to_vec();
    let all = all.into_iter().map(JsCast::unchecked_into::<RtcRtpTransceiver>);
    all.filter(|transceiver| {
        let stopped = Direction::Stopped;
        transceiver.direction() != stopped && transceiver.current_direction() != Some(stopped)
    })
}

fn of(pc: &RtcPeerConnection, kind: Kind) -> Option<RtcRtpTransceiver> {
    transceivers(pc).find(|transceiver| transceiver.receiver().track().kind() == kind.name())
}

fn set(sender: &RtcRtpSender, track: Option<&MediaStreamTrack>) {
    let replaced = sender.replace_track(track);
    spawn_local(async move {
        let _ = JsFuture::from(replaced).await; // fails only where the connection is closed
    });
}

fn limit(sender: &RtcRtpSender) {
    let parameters = sender.get_parameters();
    let encodings = crate::browser::property(&parameters, "encodings").map(|list| Array::from(&list));
    let Some(encoding) = encodings.map(|list| list.get(0)).filter(|first| first.is_object()) else { return };
    let rate: JsValue = MAX_VIDEO_RATE.into();
    if crate::browser::property(&encoding, "maxBitrate").is_some_and(|known| known == rate) {
        return;
    }
    let _ = Reflect::set(&encoding, &"maxBitrate".into(), &rate);
    let limited = sender.set_parameters_with_parameters(&parameters);
    spawn_local(async move {
        let _ = JsFuture::from(limited).await; // then it keeps to what the browser thinks right
    });
}
