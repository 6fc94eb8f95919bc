//! On the way to the other device: invited, joining, connecting.
use super::{
    app::App,
    landing::notice,
    ui::{View, button, group, heading, row, tag},
};
use crate::text::t;

/// A link was opened. Only a click joins: robots that preview links must not use the code up.
pub(super) fn invited(app: App) -> View {
    let join = move || app.join(&app.code.get_untracked().unwrap_or_default());
    group()
        .child(heading().text(t!("invited")))
        .child(tag("p").class("lead").text(t!("invited_hint")))
        .child(code(app))
        .child(row([
            button("main", t!("connect"), join).id("join"),
            button("quiet", t!("not_now"), move || app.again()),
        ]))
        .child(notice(app))
}

pub(super) fn joining(app: App) -> View {
    group().child(heading().text(t!("joining"))).child(code(app)).child(cancel(app))
}

fn code(app: App) -> View {
    tag("p").class("code faint").attribute("dir", "ltr").text(move || app.code.get())
}

fn cancel(app: App) -> View {
    row([button("quiet", t!("cancel"), move || app.again())])
}

/// The other side is known; the connection is being made, or somebody has to decide.
pub(super) fn connecting(app: App) -> View {
    let title = move || {
        let name = app.their_name();
        match (app.connected.get(), app.outgoing.get()) {
            (false, _) => t!("connecting", name = name),
            (true, true) => t!("deciding", name = name),
            (true, false) => t!("connected", name = name),
        }
    };
    group()
        .child(heading().text(title))
        .child(peer(app, t!("sas_hint_sender")))
        .child(notice(app))
        .child(cancel(app))
}

/// Who it is, and the words to compare.
pub(super) fn peer(app: App, hint: String) -> View {
    let words = tag("p")
        .child(tag("span").id("peer").class("unseen").text(move || app.peer.get()))
        .child(tag("span").text(t!("sas_label")))
        .text(" ")
        .child(tag("strong").id("sas").attribute("dir", "ltr").text(move || app.sas.get()));
    tag("div")
        .class("peer")
        .hidden(move || app.sas.with(Option::is_none))
        .child(words)
        .child(tag("p").class("aside").text(hint))
}
