//! The call's corner of the page: what comes, a small picture of what goes, and three buttons.
use super::{Capture, Kind, words};
use crate::{page::app::App, text::t};
use leptos::{ev, html, prelude::*};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{HtmlVideoElement, MediaStream};

#[component]
pub(in crate::page) fn CallView(app: App) -> impl IntoView {
    let call = app.call;
    let [camera, microphone] = call.captures;
    let [sees, hears] = call.receives;
    let previews = move || [camera, microphone].iter().any(|capture| capture.get() == Capture::Preview);
    let is_on = move || sees.get() || hears.get() || [camera, microphone].iter().any(|c| c.get().is_sent());
    let has_preview = move || call.preview.with(Option::is_some);

    let theirs = NodeRef::<html::Video>::new();
    let ours = NodeRef::<html::Video>::new();
    Effect::new(move |_| {
        let (stream, muted) = (call.remote.get(), !call.listening.get());
        if let Some(video) = theirs.get() {
            // A browser that makes no sound without being asked plays the picture at least.
            show(&video, stream.as_ref(), muted, move || call.listening.set(false));
        }
    });
    Effect::new(move |_| {
        let stream = call.preview.get();
        if let Some(video) = ours.get() {
            show(&video, stream.as_ref(), true, || {});
        }
    });

    view! {
        <section
            id="call"
            class="call"
            aria-label=t!("call")
            hidden=move || !call.possible.get()
            data-camera=move || camera.get().name()
            data-microphone=move || microphone.get().name()
            data-sees=move || sees.get().then_some("1")
            data-hears=move || hears.get().then_some("1")
        >
            <div class="pictures" hidden=move || !sees.get() && !has_preview()>
                <video
                    id="call-remote"
                    node_ref=theirs
                    hidden=move || !sees.get()
                    aria-label=move || t!("call_camera_of", name = app.peer.get().unwrap_or_default())
                ></video>
                <video
                    id="call-preview"
                    node_ref=ours
                    hidden=move || !has_preview()
                    aria-label=t!("call_your_camera")
                ></video>
            </div>
            <div class="choice" hidden=move || !previews()>
                <p hidden=move || microphone.get() != Capture::Preview>{t!("call_microphone_ready")}</p>
                <p>{t!("call_preview")}</p>
                <div class="row">
                    <button id="call-send" class="main" type="button" on:click=move |_| app.call_send()>
                        {t!("call_send")}
                    </button>
                    <button id="call-not-now" class="quiet" type="button" on:click=move |_| app.call_not_now()>
                        {t!("call_not_now")}
                    </button>
                </div>
            </div>
            <Choice app kind=Kind::Camera />
            <Choice app kind=Kind::Microphone />
            <p id="call-notice" class="notice" role="status" hidden=move || call.notice.get().is_none()>
                {move || call.notice.get()}
            </p>
            <div class="row buttons">
                <Button app kind=Kind::Camera id="camera" />
                <Button app kind=Kind::Microphone id="microphone" />
                <button
                    id="listen"
                    class="quiet"
                    type="button"
                    hidden=move || !hears.get()
                    on:click=move |_| app.listen()
                >
                    {move || if call.listening.get() { t!("call_sound_off") } else { t!("call_sound_on") }}
                </button>
                <button
                    id="hang-up"
                    class="quiet"
                    type="button"
                    hidden=move || !is_on()
                    on:click=move |_| app.hang_up()
                >
                    {t!("call_hang_up")}
                </button>
            </div>
        </section>
    }
}

#[component]
fn Button(app: App, kind: Kind, id: &'static str) -> impl IntoView {
    let capture = app.call.capture(kind);
    view! {
        <button
            id=id
            class="quiet"
            type="button"
            data-capture=move || capture.get().name()
            on:click=move |_| app.press(kind)
        >
            {move || words::action(kind, capture.get())}
        </button>
    }
}

/// Which device to use; shown while it is in use and there is more than one.
#[component]
fn Choice(app: App, kind: Kind) -> impl IntoView {
    let call = app.call;
    let label = match kind {
        Kind::Camera => t!("call_choose_camera"),
        Kind::Microphone => t!("call_choose_microphone"),
    };
    let of_kind = move || {
        let devices = call.devices.get();
        devices.into_iter().filter(|device| device.kind == kind).collect::<Vec<_>>()
    };
    let in_use = move || !matches!(call.capture(kind).get(), Capture::Off | Capture::Asking);
    let chosen = move |event: ev::Event| app.capture(kind, Some(event_target_value(&event)));
    view! {
        <label class="device" hidden=move || !in_use() || of_kind().len() < 2>
            <span>{label}</span>
            <select on:change=chosen>
                {move || {
                    of_kind()
                        .into_iter()
                        .map(|device| view! { <option value=device.id>{device.label}</option> })
                        .collect_view()
                }}
            </select>
        </label>
    }
}

/// Plays a stream; `refused`: not with its sound.
fn show(video: &HtmlVideoElement, stream: Option<&MediaStream>, muted: bool, refused: impl Fn() + 'static) {
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
