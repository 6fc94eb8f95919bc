//! The other side offers files: who, what, where they will go.
use super::{
    app::{App, Saving},
    capability, format,
    joining::Peer,
    landing::Notice,
    tree::{self, Row},
};
use crate::{
    strings,
    text::{n, t},
};
use leptos::prelude::*;

/// From this size on a person is told to look whether it fits.
const LARGE: u64 = 1_000_000_000;

#[component]
pub(super) fn Incoming(app: App) -> impl IntoView {
    let amount = move || app.offer.get().map(|o| strings::amount(o.files, o.folders, o.bytes));
    // Until it is known where the bytes go there is nothing to accept.
    let impossible = move || app.too_large() || app.saving.get() == Saving::Unknown;
    view! {
        <h1 tabindex="-1">
            {move || t!("offers", name = app.their_name())} " " <span class="amount">{amount}</span>
        </h1>
        // It may scroll, so the keyboard has to get there.
        <ul id="offer" class="files" tabindex="0" aria-label=t!("offered")>
            {move || app.offer.get().map(|offer| tree::rows(&offer.entries).into_iter().map(row).collect_view())}
        </ul>
        {move || {
            let offer = app.offer.get()?;
            let rest = offer.files + offer.folders - offer.entries.len() as u32;
            (rest > 0).then(|| view! { <p class="aside">{n!("and_more", rest)}</p> })
        }}
        <Peer app hint=t!("sas_hint") />
        <p class="saving" class:warning=move || app.too_large()>
            {move || saving(app)}
        </p>
        <Notice app />
        <div class="row deciding">
            <button id="accept" class="main" type="button" disabled=impossible on:click=move |_| app.accept()>
                {t!("accept")}
            </button>
            {move || {
                let archive = app.offer.with(|offer| offer.as_ref().is_some_and(|offer| offer.archive));
                capability::can_choose(archive)
                    .then(|| {
                        view! {
                            <button
                                id="accept-into"
                                class="quiet"
                                type="button"
                                on:click=move |_| app.accept_into()
                            >
                                {if archive { t!("accept_into_folder") } else { t!("accept_as") }}
                            </button>
                        }
                    })
            }}
            <button id="decline" class="quiet" type="button" on:click=move |_| app.decline()>
                {t!("decline")}
            </button>
        </div>
    }
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

fn row(row: Row) -> impl IntoView {
    view! {
        <li data-path=row.path class:folder=row.folder style=("--depth", row.depth.to_string())>
            <span class="path-name">{beeline_core::quote::quote(&row.name)}</span>
            <span class="size">{row.size.map(format::bytes)}</span>
        </li>
    }
}
