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
    ui::{View, svg, tag},
    view::fraction,
};
use crate::text::t;

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
pub(super) fn line(app: App) -> View {
    let incoming = move || match app.stage.get() {
        Stage::Invited | Stage::Joining | Stage::Incoming => true,
        Stage::Moving | Stage::Done => !app.outgoing.get(),
        _ => false,
    };
    let wanted = move || app.trouble.with(|t| t.as_ref().is_some_and(|t| t.wanted));
    let shape = move || match app.stage.get() {
        Stage::Failed | Stage::Unsupported if !wanted() => "broken",
        Stage::Connecting | Stage::Incoming | Stage::Moving if app.lost.get() => "broken",
        Stage::Connecting | Stage::Incoming | Stage::Moving | Stage::Done
            if app.path.with(|path| matches!(path, Some(Path::Relay(_)))) =>
        {
            "bent"
        }
        _ => "straight",
    };
    let there = move || match app.stage.get() {
        Stage::Several => t!("other_devices"),
        _ => app.peer.get().unwrap_or_else(|| t!("other_device")),
    };
    let phone_here = capability::is_phone(&capability::device_name());
    let phone_there = move || app.peer.with(|name| name.as_deref().is_some_and(capability::is_phone));
    // Where the bee is above the straight line, as a part of the bend.
    let lift = move || if shape() == "bent" { 1.0 - (fraction(app) * 2.0 - 1.0).abs() } else { 0.0 };
    let track = |class: &'static str| {
        svg("svg")
            .class(class)
            .attribute("viewBox", "0 0 100 100")
            .attribute("preserveAspectRatio", "none")
            .child(svg("path").attribute("d", move || course(shape())))
    };
    let here = tag("div")
        .class("end here")
        .child(device(move || phone_here))
        .child(tag("span").class("label").text(t!("this_device")));
    let path = tag("div")
        .class("path")
        .attribute("aria-hidden", "true")
        .style("--done", move || ten_thousandths(fraction(app)))
        .style("--lift", move || ten_thousandths(lift()))
        .child(track("track"))
        .child(track("track fill"))
        .child(tag("span").class("relay"))
        .child(tag("div").class("bee").child(bee()));
    let end = tag("div")
        .class("end there")
        .child(device(phone_there))
        .child(tag("span").class("label").text(there));
    tag("div")
        .class("line")
        .attribute("data-way", move || if incoming() { "in" } else { "out" })
        .attribute("data-known", move || app.peer.with(|peer| peer.as_ref().map(|_| "1")))
        .attribute("data-shape", shape)
        .child(here)
        .child(path)
        .child(end)
}

fn device(is_phone: impl Fn() -> bool + 'static) -> View {
    // A phone and its button; a laptop and its keyboard.
    let shape = move || {
        if is_phone() {
            "M16 6h16a3 3 0 0 1 3 3v30a3 3 0 0 1-3 3h-16a3 3 0 0 1-3-3v-30a3 3 0 0 1 3-3zM22 36h4"
        } else {
            "M12 11h24a3 3 0 0 1 3 3v15a3 3 0 0 1-3 3h-24a3 3 0 0 1-3-3v-15a3 3 0 0 1 3-3zM5 37h38"
        }
    };
    svg("svg")
        .class("device")
        .attribute("viewBox", "0 0 48 48")
        .attribute("aria-hidden", "true")
        .child(svg("path").attribute("d", shape))
}

/// Flies to the right.
fn bee() -> View {
    let ellipse = |class: &'static str, [cx, cy, rx, ry]: [&'static str; 4], turned: Option<&'static str>| {
        svg("ellipse")
            .class(class)
            .attribute("cx", cx)
            .attribute("cy", cy)
            .attribute("rx", rx)
            .attribute("ry", ry)
            .attribute("transform", turned)
    };
    svg("svg")
        .attribute("viewBox", "0 0 32 32")
        .child(ellipse("wing", ["13", "9", "5", "7"], Some("rotate(-24 13 9)")))
        .child(ellipse("wing", ["19", "9", "4", "6"], Some("rotate(14 19 9)")))
        .child(ellipse("body", ["16", "18", "11", "7.5"], None))
        .child(svg("path").class("stripe").attribute("d", "M12 11.6v12.8M17 10.9v14.2M21.5 12v12"))
}
