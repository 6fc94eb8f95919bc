//! The beeline: two devices and one straight line, on which progress travels.
//!
//! ```text
//! straight   ─────────    direct, or not known yet
//! bent       ──╱o╲──      through a relay
//! broken     ───╲ ╲───    lost; it heals when the path is back
//! ```
use super::{
    app::{App, Stage},
    capability,
    rtc::Path,
    view::fraction,
};
use crate::text::t;
use leptos::prelude::*;

/// The course of the line in a box of 100 by 100, which is stretched.
fn course(shape: &str) -> &'static str {
    match shape {
        "bent" => "M0 50L50 -5L100 50",
        "broken" => "M0 50H43L47 66M53 34L57 50H100",
        _ => "M0 50H100",
    }
}

/// A part of one for the style sheet. From integers: the code and tables that write a float are 10 kB of the page.
fn ten_thousandths(part: f64) -> String {
    format!("{}e-4", (part * 10_000.0).round() as u32)
}

/// First is always this device. What comes in flies towards it.
#[component]
pub(super) fn Line(app: App) -> impl IntoView {
    let incoming = move || match app.stage.get() {
        Stage::Invited | Stage::Joining | Stage::Incoming => true,
        Stage::Moving | Stage::Done => !app.outgoing.get(),
        _ => false,
    };
    let wanted = move || app.trouble.with(|t| t.as_ref().is_some_and(|t| t.wanted));
    let shape = Memo::new(move |_| match app.stage.get() {
        Stage::Failed | Stage::Unsupported if !wanted() => "broken",
        Stage::Connecting | Stage::Incoming | Stage::Moving if app.lost.get() => "broken",
        Stage::Connecting | Stage::Incoming | Stage::Moving | Stage::Done
            if matches!(app.path.get(), Some(Path::Relay(_))) =>
        {
            "bent"
        }
        _ => "straight",
    });
    let there = move || match app.stage.get() {
        Stage::Several => t!("other_devices"),
        _ => app.peer.get().unwrap_or_else(|| t!("other_device")),
    };
    let phone_there = move || app.peer.with(|name| name.as_deref().is_some_and(capability::is_phone));
    // Where the bee is above the straight line, as a part of the bend.
    let lift = move || if shape.get() == "bent" { 1.0 - (fraction(app) * 2.0 - 1.0).abs() } else { 0.0 };
    view! {
        <div
            class="line"
            data-way=move || if incoming() { "in" } else { "out" }
            data-known=move || app.peer.get().map(|_| "1")
            data-shape=move || shape.get()
        >
            <div class="end here">
                <Device phone=Signal::stored(capability::is_phone(&capability::device_name())) />
                <span class="label">{t!("this_device")}</span>
            </div>
            <div
                class="path"
                aria-hidden="true"
                style=("--done", move || ten_thousandths(fraction(app)))
                style=("--lift", move || ten_thousandths(lift()))
            >
                <svg class="track" viewBox="0 0 100 100" preserveAspectRatio="none">
                    <path d=move || course(shape.get()) />
                </svg>
                <svg class="track fill" viewBox="0 0 100 100" preserveAspectRatio="none">
                    <path d=move || course(shape.get()) />
                </svg>
                <span class="relay"></span>
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
