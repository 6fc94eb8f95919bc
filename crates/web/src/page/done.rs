//! It is all there.
use super::{
    app::{App, FileDone},
    capability, download,
    landing::{chooser, notice},
    ui::{View, button, group, heading, live, row, show, tag},
};
use crate::{strings, text::t};

pub(super) fn done(app: App) -> View {
    let title = move || if app.outgoing.get() { t!("delivered") } else { t!("received") };
    let files = move || app.offer.with(|o| o.as_ref().is_some_and(|offer| !offer.text));
    let amount = move || app.offer.get().map(|o| strings::amount(o.files, o.folders, o.bytes));
    let verified = move || if app.outgoing.get() { t!("verified_sent") } else { t!("verified_here") };
    let where_to = move || {
        if app.into_chosen.get() {
            t!("saved_folder")
        } else if capability::is_plain_http() {
            t!("saved_insecure")
        } else {
            t!("saved")
        }
    };
    let saved =
        tag("p").id("saved").class("aside").hidden(move || app.outgoing.get() || !files()).text(where_to);
    let save_again = move || {
        app.saved.with_untracked(|saved| {
            if let Some((name, blob)) = saved {
                download::save(name, blob);
            }
        });
    };
    let save_again =
        show(move || app.saved.with(Option::is_some), move || button("quiet", t!("save_again"), save_again));
    let send_on = show(
        move || app.outgoing.get() && !app.is_nothing_chosen(),
        move || button("quiet", t!("send_on"), move || app.send_on()).id("send-on"),
    );
    let finish = button(
        move || if app.connected.get() { "quiet" } else { "main" },
        move || if app.connected.get() { t!("finish") } else { t!("start_over") },
        move || app.again(),
    );
    let back = move || {
        tag("section")
            .class("back")
            .attribute("aria-labelledby", "back")
            .child(tag("h2").id("back").text(t!("send_back")))
            .child(chooser(app))
    };
    group()
        .child(
            heading()
                .text(title)
                .text(" ")
                .child(tag("span").class("amount").hidden(move || !files()).text(amount)),
        )
        .child(tag("p").class("lead").text(verified))
        .child(saved)
        .child(texts(app))
        .child(row([save_again, send_on, finish.id("finish")]))
        .child(notice(app))
        .child(show(move || app.connected.get(), back))
        .child(digests(app))
}

/// What was checked: each file and its BLAKE3.
fn digests(app: App) -> View {
    let line = |file: &FileDone| {
        tag("li")
            .attribute("data-path", file.path.clone())
            .attribute("data-blake3", file.digest.clone())
            .child(tag("span").class("path-name").text(beeline_core::quote::quote(&file.path)))
            .child(tag("code").class("digest").attribute("dir", "ltr").text(file.digest.clone()))
    };
    let list = tag("ul")
        .id("files-done")
        .class("files")
        .attribute("tabindex", "0")
        .attribute("aria-label", t!("files_done"))
        .child(live(move || app.files_done.with(|files| group().children(files.iter().map(line)))));
    tag("section")
        .class("digests")
        .hidden(move || app.files_done.with(Vec::is_empty))
        .child(tag("h2").text(t!("digests")))
        .child(list)
}

/// Texts from the other side stay on the page, whatever else happens.
pub(super) fn texts(app: App) -> View {
    let newest = move || app.texts.with(|texts| texts.last().cloned());
    let copy =
        button("main", t!("copy_text"), move || app.copy(newest().unwrap_or_default(), "received-text"));
    tag("section")
        .class("received")
        .hidden(move || newest().is_none())
        .child(tag("h2").text(move || t!("text_received", name = app.their_name())))
        .child(tag("p").id("received-text").class("text").text(newest))
        .child(copy)
}
