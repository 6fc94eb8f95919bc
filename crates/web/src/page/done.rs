//! It is all there.
use super::{
    app::App,
    capability, download,
    landing::{Chooser, Notice},
};
use crate::{strings, text::t};
use leptos::prelude::*;

#[component]
pub(super) fn Done(app: App) -> impl IntoView {
    let heading = move || if app.outgoing.get() { t!("delivered") } else { t!("received") };
    let files = move || app.offer.with(|o| o.as_ref().is_some_and(|offer| !offer.text));
    let amount = move || app.offer.get().map(|o| strings::amount(o.files, o.folders, o.bytes));
    let verified = move || if app.outgoing.get() { t!("verified_sent") } else { t!("verified_here") };
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
        <p id="saved" class="aside" hidden=move || app.outgoing.get() || !files()>
            {move || {
                if app.into_chosen.get() {
                    t!("saved_folder")
                } else if capability::is_plain_http() {
                    t!("saved_insecure")
                } else {
                    t!("saved")
                }
            }}
        </p>
        <Texts app />
        <div class="row">
            {move || {
                app.saved
                    .with(Option::is_some)
                    .then(|| {
                        view! {
                            <button class="quiet" type="button" on:click=save_again>
                                {t!("save_again")}
                            </button>
                        }
                    })
            }}
            <Show when=move || app.outgoing.get() && !app.is_nothing_chosen()>
                <button id="send-on" class="quiet" type="button" on:click=move |_| app.send_on()>
                    {t!("send_on")}
                </button>
            </Show>
            <button
                id="finish"
                class=move || if app.connected.get() { "quiet" } else { "main" }
                type="button"
                on:click=move |_| app.again()
            >
                {move || if app.connected.get() { t!("finish") } else { t!("start_over") }}
            </button>
        </div>
        <Notice app />
        <Show when=move || app.connected.get()>
            <section class="back" aria-labelledby="back">
                <h2 id="back">{t!("send_back")}</h2>
                <Chooser app />
            </section>
        </Show>
        <section class="digests" hidden=move || app.files_done.with(Vec::is_empty)>
            <h2>{t!("digests")}</h2>
            <ul id="files-done" class="files" tabindex="0" aria-label=t!("files_done")>
                <For each=move || app.files_done.get() key=|file| file.path.clone() let:file>
                    <li data-path=file.path.clone() data-blake3=file.digest.clone()>
                        <span class="path-name">{beeline_core::quote::quote(&file.path)}</span>
                        <code class="digest" dir="ltr">
                            {file.digest.clone()}
                        </code>
                    </li>
                </For>
            </ul>
        </section>
    }
}

/// Texts from the other side stay on the page, whatever else happens.
#[component]
pub(super) fn Texts(app: App) -> impl IntoView {
    let newest = move || app.texts.with(|texts| texts.last().cloned());
    view! {
        <section class="received" hidden=move || newest().is_none()>
            <h2>{move || t!("text_received", name = app.their_name())}</h2>
            <p id="received-text" class="text">
                {newest}
            </p>
            <button
                class="main"
                type="button"
                on:click=move |_| app.copy(newest().unwrap_or_default(), "received-text")
            >
                {t!("copy_text")}
            </button>
        </section>
    }
}
