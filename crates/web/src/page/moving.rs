//! Bytes on their way.
use super::{
    app::App,
    format,
    rtc::Path,
    tree,
    ui::{Signal, View, button, group, heading, live, row, tag},
    view::fraction,
};
use crate::{
    messages::{Entry, Progress},
    text::t,
};
use std::rc::Rc;

pub(super) fn moving(app: App) -> View {
    let kicker = move || {
        let name = app.their_name();
        if app.outgoing.get() { t!("sending_to", name = name) } else { t!("receiving_from", name = name) }
    };
    let amount = move || {
        let progress = app.progress.get();
        let done = format::bytes(progress.bytes);
        match progress.total {
            Some(total) => t!("of", done = done, total = format::bytes(total)),
            None => done,
        }
    };
    let percent = move || ((fraction(app) * 100.0).floor() as u32).to_string();
    let total = move || app.progress.with(|progress| progress.total.unwrap_or(0).max(1).to_string());
    let value = move || app.progress.with(|progress| progress.total.map(|_| progress.bytes.to_string()));
    let left = move || {
        let progress = app.progress.get();
        if progress.total == Some(progress.bytes) {
            t!("almost")
        } else if app.paused_here.get() || app.paused_there.get() {
            t!("paused")
        } else {
            format::left(progress.eta_s)
        }
    };
    let title = heading().child(tag("span").class("kicker").text(kicker)).text(" ").child(
        tag("span").class("percent").text(percent).text(" ").child(tag("span").class("unit").text("%")),
    );
    let bar = tag("progress")
        .id("progress")
        .class("unseen")
        .attribute("aria-label", t!("progress_label"))
        .attribute("max", total)
        .attribute("value", value);
    let figures = tag("p")
        .class("figures")
        .child(tag("span").text(amount))
        .child(tag("span").id("speed").text(move || format::speed(app.progress.get().bytes_per_s)))
        .child(tag("span").id("eta").text(left));
    let lost = tag("p").class("notice").attribute("role", "alert").text(t!("path_lost"));
    let paused_there = tag("p")
        .class("notice")
        .attribute("role", "status")
        .text(move || t!("paused_there", name = app.their_name()));
    let pause_label = move || if app.paused_here.get() { t!("go_on") } else { t!("pause") };
    group()
        .child(title)
        .child(bar)
        .child(figures)
        .child(current_file(app))
        .child(tag("p").id("path").class("aside").text(move || app.path.get().map(|path| way(&path))))
        .child(lost.hidden(move || !app.lost.get()))
        .child(paused_there.hidden(move || !app.paused_there.get()))
        .child(row([
            button("quiet", pause_label, move || app.pause()).id("pause"),
            button("quiet", t!("cancel"), move || app.cancel()).id("cancel"),
        ]))
        .child(all_files(app))
}

/// Direct, or by which kind of relay.
pub(super) fn way(path: &Path) -> String {
    match path {
        Path::Direct => t!("path_direct"),
        Path::Relay(None) => t!("path_relay"),
        Path::Relay(Some(protocol)) => t!("path_relay_over", protocol = protocol.to_ascii_uppercase()),
    }
}

/// The file that is on the way, where there are several.
fn current_file(app: App) -> View {
    let current = move || {
        app.offer.with(|offer| {
            let offer = offer.as_ref().filter(|offer| offer.files > 1)?;
            let (entry, at) = current(&offer.entries, app.progress.get())?;
            let name = beeline_core::quote::quote(entry.path.rsplit('/').next().unwrap_or_default());
            let n = (app.progress.with(|progress| progress.files) + 1).min(offer.files);
            let which = t!("file_of", n = n.to_string(), total = offer.files.to_string());
            Some((name, format!("{which}, {}\u{a0}%", (at * 100.0) as u32)))
        })
    };
    tag("p")
        .id("current")
        .class("current")
        .hidden(move || current().is_none())
        .child(tag("span").class("path-name").text(move || current().map(|(name, _)| name)))
        .text(" ")
        .child(tag("span").class("size").text(move || current().map(|(_, which)| which)))
}

/// Which file the bytes that arrived end in, and how much of it they are: files go in the order of the list.
fn current(entries: &[Entry], progress: Progress) -> Option<(&Entry, f64)> {
    let mut start = 0;
    entries.iter().filter(|entry| !entry.folder).find_map(|entry| {
        let size = entry.size?;
        let within = progress.bytes.checked_sub(start)?;
        start += size;
        (within < size).then(|| (entry, within as f64 / size as f64))
    })
}

/// All of them, for whoever wants to see.
fn all_files(app: App) -> View {
    let several = move || app.offer.with(|offer| offer.as_ref().is_some_and(|offer| offer.entries.len() > 1));
    let is_done = move |path: &str| app.files_done.with(|files| files.iter().any(|file| file.path == path));
    let open = Rc::new(Signal::new(false));
    let shown = open.clone();
    let line = move |row: tree::Row| {
        let (folder, path) = (row.folder, row.path.clone().unwrap_or_default());
        tree::line(&row, move || match (folder, is_done(&path)) {
            (true, true) => Some("folder arrived"),
            (true, false) => Some("folder"),
            (false, true) => Some("arrived"),
            (false, false) => None,
        })
    };
    let rows = live(move || {
        // Nothing is drawn while it is closed.
        let rows = shown
            .get()
            .then(|| app.offer.with(|offer| offer.as_ref().map(|offer| tree::rows(&offer.entries))));
        group().children(rows.flatten().into_iter().flatten().map(line))
    });
    let list = tag("ul")
        .class("files")
        .attribute("tabindex", "0")
        .attribute("aria-label", t!("all_files"))
        .child(rows);
    tag("details")
        .class("more")
        .hidden(move || !several())
        .on("toggle", move |_| open.update(|open| *open = !*open))
        .child(tag("summary").text(t!("all_files")))
        .child(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_on_the_way_is_the_one_in_which_the_bytes_that_arrived_end() {
        let entry = |path: &str, size| Entry { path: path.to_owned(), size: Some(size), folder: false };
        let entries = [entry("a", 100), entry("empty", 0), entry("b", 200)];
        let at = |bytes| {
            let progress = Progress { bytes, ..Progress::default() };
            current(&entries, progress).map(|(entry, at)| (entry.path.as_str(), at))
        };

        assert_eq!(at(0), Some(("a", 0.0)));
        assert_eq!(at(100), Some(("b", 0.0)));
        assert_eq!(at(200), Some(("b", 0.5)));
        assert_eq!(at(300), None);
    }
}
