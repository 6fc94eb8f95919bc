//! Several receivers: the code for the next one, and a line for each that came.
use super::{
    app::App,
    landing::notice,
    receivers::{self, Receiver},
    sharing::{invitation, remove},
    ui::{View, button, each, group, heading, live, row, tag},
};
use crate::{strings, text::t};

pub(super) fn several(app: App) -> View {
    let title = move || match (app.several.get(), receivers::any_under_way(app)) {
        (true, _) => t!("waiting_next"),
        (false, true) => t!("sending_several"),
        (false, false) => receivers::delivered(app),
    };
    let what = match (app.text.get_untracked(), app.manifest()) {
        (Some(_), _) => t!("a_text"),
        (None, manifest) => {
            manifest.map(|m| strings::amount(m.files(), m.folders(), m.bytes())).unwrap_or_default()
        }
    };
    let more = live(move || if app.several.get() { invitation(app) } else { group() });
    let label = tag("h2")
        .id("receivers-label")
        .text(t!("receivers"))
        .text(" ")
        .child(tag("span").class("amount").text(what));
    let list = each(move || 0..receivers::count(app), move |at| receiver(app, *at));
    let waiting = tag("section")
        .class("waiting")
        .attribute("aria-labelledby", "receivers-label")
        .child(label)
        .child(tag("ul").id("receivers").class("receivers").child(list))
        .child(tag("p").class("aside").text(t!("sas_hint_several")));

    let under_way = move || receivers::any_under_way(app);
    let no_more = button("quiet", t!("no_more"), move || app.admit_nobody()).id("no-more");
    let finish = button(
        move || if app.several.get() || under_way() { "quiet" } else { "main" },
        move || if under_way() { t!("cancel_all") } else { t!("finish") },
        move || app.again(),
    );
    group()
        .child(heading().class("small").text(title))
        .child(more)
        .child(notice(app))
        .child(waiting)
        .child(row([no_more.hidden(move || !app.several.get()), finish.id("finish")]))
}

/// Who, the words to compare, how far, and a button to stop it.
fn receiver(app: App, at: usize) -> View {
    let is_over = move || receivers::with(app, at, |one| !one.is_under_way());
    let stop = move || {
        if let Some(guest) = receivers::with(app, at, |one| one.guest) {
            app.stop(guest);
        }
    };
    let name = receivers::with(app, at, |one| one.name.clone()).unwrap_or_default();
    let words = tag("strong")
        .class("sas")
        .attribute("dir", "ltr")
        .hidden(is_over)
        .text(move || receivers::with(app, at, |one| one.sas.clone()));
    let cross = remove(t!("stop_one", name = name), stop).hidden(is_over);
    tag("li")
        .class("receiver")
        .attribute("data-state", move || receivers::with(app, at, Receiver::state))
        .child(
            tag("span").class("who").child(tag("span").class("path-name").text(name)).text(" ").child(words),
        )
        .child(tag("span").class("size").text(move || receivers::with(app, at, Receiver::word)))
        .child(cross)
}
