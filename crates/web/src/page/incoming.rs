//! The other side offers files: who, what, where they will go.
use super::{
    app::{App, Saving},
    format,
    joining::Peer,
};
use crate::{messages::Entry, strings};
use leptos::prelude::*;

#[component]
pub(super) fn Incoming(app: App) -> impl IntoView {
    let amount = move || app.offer.get().map(|o| strings::amount(o.files, o.folders, o.bytes));
    let saving = move || {
        let name = app.offer.get().map(|offer| offer.save_as).unwrap_or_default();
        match app.saving.get() {
            _ if app.too_large() => strings::TOO_LARGE.to_owned(),
            Saving::Memory => strings::SAVE_MEMORY.to_owned() + &strings::save_as(&name),
            Saving::Stream | Saving::Unknown => strings::SAVE_STREAM.to_owned() + &strings::save_as(&name),
        }
    };
    // Until it is known where the bytes go there is nothing to accept.
    let impossible = move || app.too_large() || app.saving.get() == Saving::Unknown;
    view! {
        <h1 tabindex="-1">
            {move || strings::offers(&app.their_name())} " " <span class="amount">{amount}</span>
        </h1>
        // It may scroll, so the keyboard has to get there.
        <ul id="offer" class="files" tabindex="0" aria-label=strings::OFFERED>
            {move || app.offer.get().map(|offer| offer.entries.iter().map(row).collect_view())}
        </ul>
        {move || {
            let offer = app.offer.get()?;
            let rest = (offer.files + offer.folders) as usize - offer.entries.len();
            (rest > 0).then(|| view! { <p class="aside">{strings::and_more(rest)}</p> })
        }}
        <Peer app />
        <p class="saving" class:warning=move || app.too_large()>
            {saving}
        </p>
        <div class="row">
            <button id="accept" class="main" type="button" disabled=impossible on:click=move |_| app.accept()>
                {strings::ACCEPT}
            </button>
            <button id="decline" class="quiet" type="button" on:click=move |_| app.decline()>
                {strings::DECLINE}
            </button>
        </div>
    }
}

fn row(entry: &Entry) -> impl IntoView + use<> {
    let shown = beeline_core::quote::quote(&entry.path) + if entry.folder { "/" } else { "" };
    view! {
        <li data-path=entry.path.clone()>
            <span class="path-name">{shown}</span>
            <span class="size">{entry.size.map(format::bytes)}</span>
        </li>
    }
}
