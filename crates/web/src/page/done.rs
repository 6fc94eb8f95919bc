//! It is all there.
use super::{
    app::App,
    capability, download,
    landing::{Chooser, Notice, TextForm},
};
use crate::strings;
use leptos::prelude::*;

#[component]
pub(super) fn Done(app: App) -> impl IntoView {
    let heading = move || if app.outgoing.get() { strings::DELIVERED } else { strings::RECEIVED };
    let files = move || app.offer.with(|o| o.as_ref().is_some_and(|offer| !offer.text));
    let amount = move || app.offer.get().map(|o| strings::amount(o.files, o.folders, o.bytes));
    let verified = move || if app.outgoing.get() { strings::VERIFIED_SENT } else { strings::VERIFIED_HERE };
    let save_again = move |_| {
        app.saved.with_untracked(|saved| {
            if let Some((name, blob)) = saved {
                download::save(name, blob);
            }
        });
    };
    view! {
        <h1 tabindex="-1">
            {heading} " " <span class="amount" hidden=move || !files()>{amount}</span>
        </h1>
        <p class="lead">{verified}</p>
        <section aria-label=strings::FILES_DONE hidden=move || app.files_done.with(Vec::is_empty)>
            <ul id="files-done" class="files" tabindex="0" aria-label=strings::FILES_DONE>
                <For each=move || app.files_done.get() key=|file| file.path.clone() let:file>
                    <li data-path=file.path.clone() data-blake3=file.digest.clone()>
                        <span class="path-name">{beeline_core::quote::quote(&file.path)}</span>
                        <code class="digest" title=format!("BLAKE3 {}", file.digest)>{file.digest.clone()}</code>
                    </li>
                </For>
            </ul>
        </section>
        <p class="aside" hidden=move || app.saved.with(Option::is_none)>
            {if capability::is_plain_http() { strings::SAVED_INSECURE } else { strings::SAVED }}
        </p>
        <div class="row">
            {move || {
                app.saved
                    .with(Option::is_some)
                    .then(|| {
                        view! {
                            <button class="quiet" type="button" on:click=save_again>
                                {strings::SAVE_AGAIN}
                            </button>
                        }
                    })
            }}
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {move || if app.connected.get() { strings::LEAVE } else { strings::START_OVER }}
            </button>
        </div>
        <Texts app />
        <Notice app />
        <Show when=move || app.connected.get()>
            <section class="back">
                <h2>{strings::SEND_BACK}</h2>
                <Chooser app />
                <div class="ways">
                    <TextForm app />
                </div>
            </section>
        </Show>
    }
}

/// Texts from the other side stay on the page, whatever else happens.
#[component]
pub(super) fn Texts(app: App) -> impl IntoView {
    let newest = move || app.texts.with(|texts| texts.last().cloned());
    view! {
        <section class="received" hidden=move || newest().is_none()>
            <h2>{strings::TEXT_RECEIVED} " " {move || app.peer.get()}</h2>
            <p id="received-text" class="text">{newest}</p>
            <button
                class="quiet"
                type="button"
                on:click=move |_| app.copy(newest().unwrap_or_default(), "received-text")
            >
                {strings::COPY_TEXT}
            </button>
        </section>
    }
}
