//! The call's corner of the page: what comes, a small picture of what goes, and three buttons.
use super::{Capture, Device, Kind, devices, words};
use crate::{
    page::{
        app::App,
        ui::{View, button, effect, group, live, row, tag},
    },
    text::t,
};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{HtmlSelectElement, HtmlVideoElement, MediaStream};

pub(in crate::page) fn call_view(app: App) -> View {
    let call = &app.0.call;
    let [camera, microphone] = &call.captures;
    let [sees, hears] = &call.receives;
    let notice = tag("p").id("call-notice").class("notice").attribute("role", "status");
    let is_on = move || sees.get() || hears.get() || [camera, microphone].iter().any(|c| c.get().is_sent());
    let listen = move || if call.listening.get() { t!("call_sound_off") } else { t!("call_sound_on") };
    let buttons = tag("div")
        .class("row buttons")
        .child(device_button(app, Kind::Camera).id("camera"))
        .child(device_button(app, Kind::Microphone).id("microphone"))
        .child(button("quiet", listen, move || app.listen()).id("listen").hidden(move || !hears.get()))
        .child(
            button("quiet", t!("call_hang_up"), move || app.hang_up()).id("hang-up").hidden(move || !is_on()),
        );
    tag("section")
        .id("call")
        .class("call")
        .attribute("aria-label", t!("call"))
        .hidden(move || !call.possible.get())
        .attribute("data-camera", move || camera.get().name())
        .attribute("data-microphone", move || microphone.get().name())
        .attribute("data-sees", move || sees.get().then_some("1"))
        .attribute("data-hears", move || hears.get().then_some("1"))
        .child(pictures(app))
        .child(preview_choice(app))
        .child(device_choice(app, Kind::Camera))
        .child(device_choice(app, Kind::Microphone))
        .child(notice.hidden(move || call.notice.with(Option::is_none)).text(move || call.notice.get()))
        .child(buttons)
}

/// What comes from there, and a small one of what goes.
fn pictures(app: App) -> View {
    let call = &app.0.call;
    let sees = &call.receives[Kind::Camera as usize];
    let has_preview = move || call.preview.with(Option::is_some);
    let theirs = tag("video")
        .id("call-remote")
        .hidden(move || !sees.get())
        .attribute("aria-label", move || t!("call_camera_of", name = app.peer.get().unwrap_or_default()));
    let ours = tag("video")
        .id("call-preview")
        .hidden(move || !has_preview())
        .attribute("aria-label", t!("call_your_camera"));
    let (their_video, our_video) = (theirs.node(), ours.node());
    effect(move || {
        let (stream, muted) = (call.remote.get(), !call.listening.get());
        // A browser that makes no sound without being asked plays the picture at least.
        play(&their_video, stream.as_ref(), muted, move || call.listening.set(false));
    });
    effect(move || play(&our_video, call.preview.get().as_ref(), true, || {}));
    tag("div").class("pictures").hidden(move || !sees.get() && !has_preview()).child(theirs).child(ours)
}

/// Whether what is seen here is to be sent.
fn preview_choice(app: App) -> View {
    let [camera, microphone] = &app.0.call.captures;
    let previews = move || [camera, microphone].iter().any(|capture| capture.get() == Capture::Preview);
    let ready =
        tag("p").hidden(move || microphone.get() != Capture::Preview).text(t!("call_microphone_ready"));
    tag("div")
        .class("choice")
        .hidden(move || !previews())
        .child(ready)
        .child(tag("p").text(t!("call_preview")))
        .child(row([
            button("main", t!("call_send"), move || app.call_send()).id("call-send"),
            button("quiet", t!("call_not_now"), move || app.call_not_now()).id("call-not-now"),
        ]))
}

fn device_button(app: App, kind: Kind) -> View {
    let capture = app.0.call.capture(kind);
    button("quiet", move || words::action(kind, capture.get()), move || app.press(kind))
        .attribute("data-capture", move || capture.get().name())
}

/// Which device to use; shown while it is in use and there is more than one.
fn device_choice(app: App, kind: Kind) -> View {
    let call = &app.0.call;
    let label = match kind {
        Kind::Camera => t!("call_choose_camera"),
        Kind::Microphone => t!("call_choose_microphone"),
    };
    let of_kind = move || {
        let devices = call.devices.get();
        devices.into_iter().filter(|device| device.kind == kind).collect::<Vec<_>>()
    };
    let in_use = move || !matches!(call.capture(kind).get(), Capture::Off | Capture::Asking);
    let options = live(move || {
        let used = call.track(kind).and_then(|track| devices::id(&track));
        let option = |device: Device| {
            tag("option")
                .attribute("selected", used.as_ref() == Some(&device.id))
                .attribute("value", device.id)
                .text(device.label)
        };
        group().children(of_kind().into_iter().map(option))
    });
    let select = tag("select").child(options).on("change", move |event| {
        let select = event.current_target().and_then(|target| target.dyn_into::<HtmlSelectElement>().ok());
        app.capture(kind, select.map(|select| select.value()));
    });
    tag("label")
        .class("device")
        .hidden(move || !in_use() || of_kind().len() < 2)
        .child(tag("span").text(label))
        .child(select)
}

/// Plays a stream; `refused`: not with its sound.
fn play(video: &HtmlVideoElement, stream: Option<&MediaStream>, muted: bool, refused: impl Fn() + 'static) {
    let _ = video.set_attribute("playsinline", "");
    video.set_autoplay(true);
    video.set_muted(muted);
    if video.src_object().as_ref() != stream {
        video.set_src_object(stream);
    }
    if let (Some(_), Ok(playing)) = (stream, video.play()) {
        spawn_local(async move {
            let error = JsFuture::from(playing).await.err().map(|error| crate::browser::kind(&error));
            if !muted && error.as_deref() == Some("NotAllowedError") {
                refused();
            }
        });
    }
}
