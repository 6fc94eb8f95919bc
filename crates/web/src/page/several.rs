//! Several receivers: the code for the next one, and a line for each that came.
use super::{
    app::App,
    landing::Notice,
    receivers,
    sharing::{invitation, remove},
};
use crate::{strings, text::t};
use leptos::prelude::*;

#[component]
pub(super) fn Several(app: App) -> impl IntoView {
    let heading = move || match (app.several.get(), receivers::any_under_way(app)) {
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
    let rows = move || {
        let mut count = 0;
        receivers::look(app, &mut |_| count += 1);
        (0..count).map(|at| view! { <Row app at /> }).collect_view()
    };
    view! {
        <h1 class="small" tabindex="-1">
            {heading}
        </h1>
        {move || if app.several.get() { invitation(app) } else { ().into_any() }}
        <Notice app />
        <section class="waiting" aria-labelledby="receivers-label">
            <h2 id="receivers-label">{t!("receivers")} " " <span class="amount">{what}</span></h2>
            <ul id="receivers" class="receivers">
                {rows}
            </ul>
            <p class="aside">{t!("sas_hint_several")}</p>
        </section>
        {move || {
            let (several, under_way) = (app.several.get(), receivers::any_under_way(app));
            view! {
                <div class="row">
                    <button
                        id="no-more"
                        class="quiet"
                        type="button"
                        hidden=!several
                        on:click=move |_| app.admit_nobody()
                    >
                        {t!("no_more")}
                    </button>
                    <button
                        id="finish"
                        class=if several || under_way { "quiet" } else { "main" }
                        type="button"
                        on:click=move |_| app.again()
                    >
                        {if under_way { t!("cancel_all") } else { t!("finish") }}
                    </button>
                </div>
            }
            .into_any()
        }}
    }
}

/// Who, the words to compare, how far, and a button to stop it. Drawn anew into the same elements when something changes.
#[component]
fn Row(app: App, at: usize) -> impl IntoView {
    receivers::with(at, |one| {
        let (guest, is_over) = (one.guest, !one.is_under_way());
        view! {
            <li class="receiver" data-state=one.state()>
                <span class="who">
                    <span class="path-name">{one.name.clone()}</span>
                    " "
                    <strong class="sas" dir="ltr" hidden=is_over>
                        {one.sas.clone()}
                    </strong>
                </span>
                <span class="size">{one.word()}</span>
                {remove(t!("stop_one", name = one.name), is_over, Box::new(move || app.stop(guest)))}
            </li>
        }
    })
}
