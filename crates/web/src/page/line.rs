//! The beeline: two devices and one straight line, on which progress travels.
use super::{
    app::{App, Stage},
    capability,
    view::fraction,
};
use crate::strings;
use leptos::prelude::*;

/// Left is always this device. What comes in flies from right to left.
#[component]
pub(super) fn Line(app: App) -> impl IntoView {
    let incoming = move || match app.stage.get() {
        Stage::Invited | Stage::Joining | Stage::Incoming => true,
        Stage::Moving | Stage::Done => !app.outgoing.get(),
        _ => false,
    };
    let there = move || app.peer.get().unwrap_or_else(|| strings::OTHER_DEVICE_LABEL.to_owned());
    let phone_there = move || app.peer.with(|name| name.as_deref().is_some_and(capability::is_phone));
    view! {
        <div
            class="line"
            data-way=move || if incoming() { "in" } else { "out" }
            data-known=move || app.peer.get().map(|_| "1")
            data-lost=move || app.lost.get().then_some("1")
            data-wanted=move || app.trouble.with(|t| t.as_ref().is_some_and(|t| t.wanted)).then_some("1")
        >
            <div class="end here">
                <Device phone=Signal::stored(capability::is_phone(&capability::device_name())) />
                <span class="label">{strings::THIS_DEVICE}</span>
            </div>
            <div class="path" aria-hidden="true" style=("--done", move || format!("{:.4}", fraction(app)))>
                <div class="fill"></div>
                <div class="bee">
                    <Bee />
                </div>
            </div>
            <div class="end there">
                <Device phone=Signal::derive(phone_there) />
                <span class="label">{there}</span>
            </div>
        </div>
    }
}

#[component]
fn Device(phone: Signal<bool>) -> impl IntoView {
    // A phone and its button; a laptop and its keyboard.
    let shape = move || {
        if phone.get() {
            "M16 6h16a3 3 0 0 1 3 3v30a3 3 0 0 1-3 3h-16a3 3 0 0 1-3-3v-30a3 3 0 0 1 3-3zM22 36h4"
        } else {
            "M12 11h24a3 3 0 0 1 3 3v15a3 3 0 0 1-3 3h-24a3 3 0 0 1-3-3v-15a3 3 0 0 1 3-3zM5 37h38"
        }
    };
    view! {
        <svg class="device" viewBox="0 0 48 48" aria-hidden="true">
            <path d=shape />
        </svg>
    }
}

/// Flies to the right.
#[component]
fn Bee() -> impl IntoView {
    view! {
        <svg viewBox="0 0 32 32">
            <ellipse class="wing" cx="13" cy="9" rx="5" ry="7" transform="rotate(-24 13 9)" />
            <ellipse class="wing" cx="19" cy="9" rx="4" ry="6" transform="rotate(14 19 9)" />
            <ellipse class="body" cx="16" cy="18" rx="11" ry="7.5" />
            <path class="stripe" d="M12 11.6v12.8M17 10.9v14.2M21.5 12v12" />
        </svg>
    }
}
