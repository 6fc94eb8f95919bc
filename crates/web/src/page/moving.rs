//! Bytes on their way.
use super::{app::App, format, rtc::Path, tree, view::fraction};
use crate::{
    messages::{Entry, Progress},
    text::t,
};
use leptos::prelude::*;

#[component]
pub(super) fn Moving(app: App) -> impl IntoView {
    let heading = move || {
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
    let percent = Memo::new(move |_| (fraction(app) * 100.0).floor() as u32);
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
    view! {
        <h1 tabindex="-1">
            <span class="kicker">{heading}</span>
            " "
            <span class="percent">{move || percent.get()} <span class="unit">"%"</span></span>
        </h1>
        <progress id="progress" class="unseen" aria-label=t!("progress_label") max=total value=value></progress>
        <p class="figures">
            <span>{amount}</span>
            <span id="speed">{move || format::speed(app.progress.get().bytes_per_s)}</span>
            <span id="eta">{left}</span>
        </p>
        <Current app />
        <p id="path" class="aside">
            {move || app.path.get().map(|path| way(&path))}
        </p>
        <p class="notice" role="alert" hidden=move || !app.lost.get()>
            {t!("path_lost")}
        </p>
        <p class="notice" role="status" hidden=move || !app.paused_there.get()>
            {move || t!("paused_there", name = app.their_name())}
        </p>
        <div class="row">
            <button id="pause" class="quiet" type="button" on:click=move |_| app.pause()>
                {move || if app.paused_here.get() { t!("go_on") } else { t!("pause") }}
            </button>
            <button id="cancel" class="quiet" type="button" on:click=move |_| app.cancel()>
                {t!("cancel")}
            </button>
        </div>
        <Files app />
    }
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
#[component]
fn Current(app: App) -> impl IntoView {
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
    let name = move || current().map(|(name, _)| name);
    let which = move || current().map(|(_, which)| which);
    view! {
        <p id="current" class="current" hidden=move || current().is_none()>
            <span class="path-name">{name}</span>
            " "
            <span class="size">{which}</span>
        </p>
    }
}

/// Which file the acknowledged bytes end in, and how much of it they are: files go in the order of the list.
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
#[component]
fn Files(app: App) -> impl IntoView {
    let several = move || app.offer.with(|offer| offer.as_ref().is_some_and(|offer| offer.entries.len() > 1));
    let is_done = move |path: &str| app.files_done.with(|files| files.iter().any(|file| file.path == path));
    let open = RwSignal::new(false);
    view! {
        <details
            class="more"
            hidden=move || !several()
            on:toggle=move |_| open.update(|open| *open = !*open)
        >
            <summary>{t!("all_files")}</summary>
            <ul class="files" tabindex="0" aria-label=t!("all_files")>
                {move || {
                    // Nothing is drawn while it is closed.
                    let rows = open
                        .get()
                        .then(|| app.offer.with(|offer| offer.as_ref().map(|o| tree::rows(&o.entries))))
                        .flatten();
                    rows.into_iter()
                        .flatten()
                        .map(|row| {
                            let path = row.path.clone().unwrap_or_default();
                            view! {
                                <li
                                    class:folder=row.folder
                                    class:arrived=move || is_done(&path)
                                    style=("--depth", row.depth.to_string())
                                >
                                    <span class="path-name">{beeline_core::quote::quote(&row.name)}</span>
                                    <span class="size">{row.size.map(format::bytes)}</span>
                                </li>
                            }
                        })
                        .collect_view()
                }}
            </ul>
        </details>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_on_the_way_is_the_one_in_which_the_acknowledged_bytes_end() {
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
