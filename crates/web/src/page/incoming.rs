//! The other side offers files: who, what, where they will go.
use super::{
    app::{App, Saving},
    capability, format,
    joining::peer,
    landing::notice,
    tree::{self, Row},
    ui::{View, button, group, heading, live, tag},
};
use crate::{
    messages::Offer,
    strings,
    text::{n, t},
};

/// From this size on a person is told to look whether it fits.
const LARGE: u64 = 1_000_000_000;

pub(super) fn incoming(app: App) -> View {
    let amount = move || app.offer.get().map(|o| strings::amount(o.files, o.folders, o.bytes));
    let title = heading()
        .text(move || t!("offers", name = app.their_name()))
        .text(" ")
        .child(tag("span").class("amount").text(amount));
    let rows = live(move || {
        let line =
            |row: Row| tree::line(&row, row.folder.then_some("folder")).attribute("data-path", row.path);
        let rows = app.offer.with(|offer| offer.as_ref().map(|offer| tree::rows(&offer.entries)));
        group().children(rows.into_iter().flatten().map(line))
    });
    // It may scroll, so the keyboard has to get there.
    let list = tag("ul")
        .id("offer")
        .class("files")
        .attribute("tabindex", "0")
        .attribute("aria-label", t!("offered"))
        .child(rows);
    let rest = live(move || {
        let rest = |offer: &Offer| offer.files + offer.folders - offer.entries.len() as u32;
        let rest = app.offer.with(|offer| offer.as_ref().map(rest)).filter(|rest| *rest > 0);
        group().children(rest.map(|rest| tag("p").class("aside").text(n!("and_more", rest))))
    });

    // Until it is known where the bytes go there is nothing to accept.
    let impossible = move || app.too_large() || app.saving.get() == Saving::Unknown;
    let accept = button("main", t!("accept"), move || app.accept()).id("accept");
    let elsewhere = live(move || {
        let archive = app.offer.with(|offer| offer.as_ref().is_some_and(|offer| offer.archive));
        let label = if archive { t!("accept_into_folder") } else { t!("accept_as") };
        let elsewhere = capability::can_choose(archive)
            .then(|| button("quiet", label, move || app.accept_into()).id("accept-into"));
        group().children(elsewhere)
    });
    let deciding = tag("div")
        .class("row deciding")
        .child(accept.attribute("disabled", impossible))
        .child(elsewhere)
        .child(button("quiet", t!("decline"), move || app.decline()).id("decline"));

    group()
        .child(title)
        .child(list)
        .child(rest)
        .child(peer(app, t!("sas_hint")))
        .child(
            tag("p")
                .class(move || if app.too_large() { "saving warning" } else { "saving" })
                .text(move || saving(app)),
        )
        .child(notice(app))
        .child(deciding)
}

/// Where it will be saved, and what to look out for.
fn saving(app: App) -> String {
    let Some(offer) = app.offer.get() else { return String::new() };
    let name = offer.save_as;
    let saving = app.saving.get();
    if let Some(room) = saving.room().filter(|_| app.too_large()).map(format::bytes) {
        return match saving {
            Saving::Private(_) => t!("too_large_private", size = room),
            _ => t!("too_large", size = room),
        };
    }
    let mut said = match saving {
        Saving::Unknown => t!("saving_unknown"),
        Saving::Private(room) => {
            t!("save_private", name = name) + " " + &t!("save_room", size = format::bytes(room))
        }
        Saving::Memory => t!("save_memory", name = name),
        Saving::Stream => t!("save_stream", name = name),
    };
    if let Some(bytes) = offer.bytes.filter(|bytes| *bytes >= LARGE) {
        said.push(' ');
        said += &t!("save_check_space", size = format::bytes(bytes));
    }
    said
}
