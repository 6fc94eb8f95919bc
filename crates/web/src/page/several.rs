//! Several receivers: the code for the next one, and a line for each that came.
use super::{
    app::App,
    landing::Notice,
    receivers::{self, Going, Receiver},
    sharing::Invitation,
};
use crate::{strings, text::t};
use leptos::prelude::*;

#[component]
pub(super) fn Several(app: App) -> impl IntoView {
    let any = Memo::new(move |_| receivers::any_under_way(app));
    let heading = move || match (app.several.get(), any.get()) {
        (true, _) => t!("waiting_next"),
        (false, true) => t!("sending_several"),
        (false, false) => match receivers::delivered(app) {
            nobody if nobody.is_empty() => t!("delivered_nobody"),
            delivered => delivered,
        },
    };
    let is_over = move || !app.several.get() && !any.get();
    let amount = move || {
        app.manifest().map(|m| strings::amount(m.files(), m.folders(), m.bytes())).unwrap_or_default()
    };
    view! {
        <h1 class="small" tabindex="-1">
            {heading}
        </h1>
        {move || {
            let (code, link) = (app.code.get()?, app.link()?);
            app.several.get().then(|| view! { <Invitation app code link /> })
        }}
        <Notice app />
        <section class="waiting" aria-labelledby="receivers-label">
            <h2 id="receivers-label">
                {t!("receivers")} " "
                <span class="amount">
                    {move || if app.text.get().is_some() { t!("a_text") } else { amount() }}
                </span>
            </h2>
            <ul id="receivers" class="receivers">
                <For each=move || app.receivers.get() key=|one| one.guest let:one>
                    <Row app one />
                </For>
            </ul>
            <p class="aside" hidden=move || !any.get()>
                {t!("sas_hint_several")}
            </p>
        </section>
        <div class="row">
            <button
                id="no-more"
                class="quiet"
                type="button"
                hidden=move || !app.several.get()
                on:click=move |_| app.admit_nobody()
            >
                {t!("no_more")}
            </button>
            <button
                id="finish"
                class=move || if is_over() { "main" } else { "quiet" }
                type="button"
                on:click=move |_| app.again()
            >
                {move || if any.get() { t!("cancel_all") } else { t!("finish") }}
            </button>
        </div>
    }
}

/// Who, the words to compare, how far, and a button to stop it.
#[component]
fn Row(app: App, one: Receiver) -> impl IntoView {
    let name = one.name.get_value();
    let label = t!("stop_one", name = name);
    let state = move || {
        one.going.with(|going| match going {
            Going::Done => "done",
            Going::Ended(_) => "ended",
            _ => "under-way",
        })
    };
    view! {
        <li class="receiver" data-state=state>
            <span class="who">
                <span class="path-name">{name}</span>
                " "
                <strong class="sas" dir="ltr" hidden=move || !one.is_under_way()>
                    {move || one.sas.get()}
                </strong>
            </span>
            <span class="size">{move || one.word()}</span>
            <button
                class="remove"
                type="button"
                aria-label=label
                hidden=move || !one.is_under_way()
                on:click=move |_| app.stop(one)
            >
                <svg viewBox="0 0 16 16" aria-hidden="true">
                    <path d="M4 4l8 8M12 4l-8 8" />
                </svg>
            </button>
        </li>
    }
}
