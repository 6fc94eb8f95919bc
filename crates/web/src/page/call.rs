//! A call beside the transfer: camera and microphone, each by its own button, on the connection that there is.
//!
//! ```text
//! off ──press──> asking ──allowed──> preview ──Send──> on ⇄ muted
//!  ^                └─ refused, missing ─┴── press, hang up, unplugged, the other side hung up ──┘
//! ```
//!
//! Nothing is asked for before a button is pressed, and nothing is sent before it was seen here. What the connection
//! carries is told to the worker, whose session brings it about (`Session::renegotiate`); what came of it is read from
//! the connection in [`App::call_settled`].
mod devices;
mod tracks;
mod view;
mod words;

use super::{app::App, ui::Signal};
use crate::messages::{NotNegotiated, ToWorker};
use devices::Device;
pub(super) use devices::Kind;
pub(super) use view::call_view;
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{MediaStream, MediaStreamTrack, RtcPeerConnection};

/// Where a camera or microphone is on its way to the other side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Capture {
    Off,
    Asking,
    Preview,
    On,
    /// On, and silent.
    Muted,
}

impl Capture {
    /// For the style sheet and for tests.
    const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Asking => "asking",
            Self::Preview => "preview",
            Self::On => "on",
            Self::Muted => "muted",
        }
    }

    const fn is_sent(self) -> bool {
        matches!(self, Self::On | Self::Muted)
    }
}

/// The state of the call.
pub(super) struct Call {
    /// Whether the other side can take one.
    possible: Signal<bool>,
    captures: [Signal<Capture>; 2],
    captured: Signal<[Option<MediaStreamTrack>; 2]>,
    /// What is shown of this side's camera.
    preview: Signal<Option<MediaStream>>,
    /// What comes from the other side, and of which kinds.
    remote: Signal<Option<MediaStream>>,
    receives: [Signal<bool>; 2],
    /// Sound is only made after somebody pressed something here.
    listening: Signal<bool>,
    devices: Signal<Vec<Device>>,
    notice: Signal<Option<String>>,
    connection: Signal<Option<RtcPeerConnection>>,
    /// Whether anything of this side was on its way to the other when last looked at.
    sending: Signal<bool>,
}

impl Call {
    pub(super) fn new() -> Self {
        Self {
            possible: Signal::new(false),
            captures: [Signal::new(Capture::Off), Signal::new(Capture::Off)],
            captured: Signal::new([None, None]),
            preview: Signal::new(None),
            remote: Signal::new(None),
            receives: [Signal::new(false), Signal::new(false)],
            listening: Signal::new(false),
            devices: Signal::new(Vec::new()),
            notice: Signal::new(None),
            connection: Signal::new(None),
            sending: Signal::new(false),
        }
    }

    /// The other side can take a call.
    pub(super) fn allow(&self) {
        self.possible.set(true);
    }

    /// The session is over, and with it the call.
    pub(super) fn end(&self) {
        self.release();
        self.possible.set(false);
        self.remote.set(None);
        self.receives.iter().for_each(|receives| receives.set(false));
        self.listening.set(false);
        self.notice.set(None);
        self.connection.set(None);
        self.sending.set(false);
    }

    fn capture(&self, kind: Kind) -> &Signal<Capture> {
        &self.captures[kind as usize]
    }

    fn track(&self, kind: Kind) -> Option<MediaStreamTrack> {
        self.captured.with_untracked(|captured| captured[kind as usize].clone())
    }

    /// Lets go of camera and microphone: their lights go out.
    fn release(&self) {
        Kind::BOTH.into_iter().for_each(|kind| self.turn_off(kind));
    }

    fn turn_off(&self, kind: Kind) {
        if let Some(track) = self.track(kind) {
            track.set_onended(None);
            track.stop();
        }
        self.keep(kind, None);
        self.capture(kind).set(Capture::Off);
    }

    fn keep(&self, kind: Kind, track: Option<MediaStreamTrack>) {
        if kind == Kind::Camera {
            self.preview.set(track.as_ref().and_then(|track| tracks::stream([track])));
        }
        self.captured.update(|captured| captured[kind as usize] = track);
    }
}

impl App {
    /// The button of a device was pressed.
    pub(super) fn press(self, kind: Kind) {
        let call = &self.0.call;
        call.notice.set(None);
        match (call.capture(kind).get_untracked(), kind) {
            (Capture::Off, _) => self.capture(kind, None),
            (Capture::Asking, _) => {}
            (Capture::Preview, _) => call.turn_off(kind),
            (Capture::On, Kind::Camera) | (Capture::Muted, Kind::Camera) => self.withdraw(kind),
            (Capture::On, Kind::Microphone) => self.mute(true),
            (Capture::Muted, Kind::Microphone) => self.mute(false),
        }
    }

    fn mute(self, muted: bool) {
        if let Some(track) = self.call.track(Kind::Microphone) {
            track.set_enabled(!muted);
            self.call.capture(Kind::Microphone).set(if muted { Capture::Muted } else { Capture::On });
        }
    }

    /// Opens a device: any, or this one in place of the one in use.
    pub(super) fn capture(self, kind: Kind, device: Option<String>) {
        let call = &self.0.call;
        let before = call.capture(kind).get_untracked();
        if before == Capture::Off {
            call.capture(kind).set(Capture::Asking);
        }
        spawn_local(async move {
            match devices::open(kind, device.as_deref()).await {
                Ok(track) if call.capture(kind).get_untracked() == Capture::Off => track.stop(),
                Ok(track) => {
                    let muted = call.track(kind).is_some_and(|old| {
                        old.set_onended(None);
                        old.stop();
                        !old.enabled()
                    });
                    track.set_enabled(!muted);
                    let ended = Closure::once_into_js(move || {
                        call.notice.set(Some(words::unplugged(kind)));
                        self.withdraw(kind);
                    });
                    track.set_onended(Some(ended.unchecked_ref()));
                    if let (true, Some(pc)) = (before.is_sent(), call.connection.get_untracked()) {
                        tracks::replace(&pc, kind, &track);
                    } else {
                        call.capture(kind).set(Capture::Preview);
                    }
                    call.keep(kind, Some(track));
                    call.devices.set(devices::list().await);
                }
                Err(error) => {
                    call.notice.set(Some(words::refused(kind, &error)));
                    if before == Capture::Off {
                        call.capture(kind).set(Capture::Off);
                    }
                }
            }
        });
    }

    /// Sends what is previewed.
    pub(super) fn call_send(self) {
        let call = &self.0.call;
        let Some(pc) = call.connection.get_untracked() else { return };
        for kind in Kind::BOTH {
            if call.capture(kind).get_untracked() == Capture::Preview
                && let Some(track) = call.track(kind)
            {
                tracks::send(&pc, kind, &track);
                call.capture(kind).set(Capture::On);
            }
        }
        call.notice.set(None);
        call.listening.set(true);
        self.tell(&ToWorker::Renegotiate, &JsValue::NULL);
    }

    /// Closes the preview; what is sent already stays.
    pub(super) fn call_not_now(self) {
        for kind in Kind::BOTH {
            if self.call.capture(kind).get_untracked() == Capture::Preview {
                self.call.turn_off(kind);
            }
        }
    }

    /// Takes one device back; the call goes on.
    fn withdraw(self, kind: Kind) {
        let was_sent = self.call.capture(kind).get_untracked().is_sent();
        self.call.turn_off(kind);
        if let (true, Some(pc)) = (was_sent, self.call.connection.get_untracked()) {
            tracks::stop(&pc, kind);
            self.tell(&ToWorker::Renegotiate, &JsValue::NULL);
        }
    }

    /// Ends the call for both.
    pub(super) fn hang_up(self) {
        self.call.release();
        self.call.sending.set(false);
        self.call.notice.set(None);
        if let Some(pc) = self.call.connection.get_untracked() {
            tracks::hang_up(&pc);
            self.tell(&ToWorker::Renegotiate, &JsValue::NULL);
        }
    }

    /// Lets the other side be heard, or not.
    pub(super) fn listen(self) {
        self.call.listening.update(|listening| *listening = !*listening);
    }

    /// Descriptions of the first connection were set, or taken back: reads what it carries now.
    pub(super) fn call_settled(self, pc: &RtcPeerConnection) {
        let call = &self.0.call;
        call.connection.set(Some(pc.clone()));
        let carried = tracks::carried(pc);
        let hung_up = call.sending.get_untracked() && carried.is_idle && carried.wants;
        call.sending.set(carried.sends);
        for (receives, kind) in call.receives.iter().zip(Kind::BOTH) {
            let has = carried.received.iter().any(|track| track.kind() == kind.name());
            if receives.get_untracked() != has {
                receives.set(has);
            }
        }
        let same = call.remote.with_untracked(|remote| tracks::is_of(remote.as_ref(), &carried.received));
        if !same {
            call.remote.set(tracks::stream(&carried.received));
        }
        tracks::tidy(pc);
        if hung_up {
            call.release();
            Kind::BOTH.into_iter().for_each(|kind| tracks::stop(pc, kind));
            call.notice.set(Some(words::hung_up(&self.their_name())));
        }
    }

    /// What was wished did not come about: nothing goes on being captured for nobody.
    pub(super) fn call_failed(self, why: NotNegotiated) {
        let call = &self.0.call;
        if !Kind::BOTH.into_iter().any(|kind| call.capture(kind).get_untracked().is_sent()) {
            return; // the change was to send less
        }
        call.release();
        if let Some(pc) = call.connection.get_untracked() {
            Kind::BOTH.into_iter().for_each(|kind| tracks::stop(&pc, kind));
            tracks::tidy(&pc);
        }
        if call.sending.get_untracked() || why == NotNegotiated::Unanswered {
            self.tell(&ToWorker::Renegotiate, &JsValue::NULL);
        }
        call.notice.set(Some(words::failed(why, &self.their_name())));
    }
}
