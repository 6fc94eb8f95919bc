//! On the way to the other device: invited, joining, connecting.
use super::{app::App, landing::Notice};
use crate::text::t;
use leptos::prelude::*;

/// A link was opened. Only a click joins: robots that preview links must not use the code up.
#[component]
pub(super) fn Invited(app: App) -> impl IntoView {
    let join = move |_| app.join(&app.code.get_untracked().unwrap_or_default());
    view! {
        <h1 tabindex="-1">{t!("invited")}</h1>
        <p class="lead">{t!("invited_hint")}</p>
        <p class="code faint" dir="ltr">
            {move || app.code.get()}
        </p>
        <div class="row">
            <button id="join" class="main" type="button" on:click=join>
                {t!("connect")}
            </button>
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {t!("not_now")}
            </button>
        </div>
        <Notice app />
    }
}

#[component]
pub(super) fn Joining(app: App) -> impl IntoView {
    view! {
        <h1 tabindex="-1">{t!("joining")}</h1>
        <p class="code faint" dir="ltr">
            {move || app.code.get()}
        </p>
        <div class="row">
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {t!("cancel")}
            </button>
        </div>
    }
}

/// The other side is known; the connection is being made, or somebody has to decide.
#[component]
pub(super) fn Connecting(app: App) -> impl IntoView {
    let heading = move || {
        let name = app.their_name();
        match (app.connected.get(), app.outgoing.get()) {
            (false, _) => t!("connecting", name = name),
            (true, true) => t!("deciding", name = name),
            (true, false) => t!("connected", name = name),
        }
    };
    view! {
        <h1 tabindex="-1">{heading}</h1>
        <Peer app hint=t!("sas_hint_sender") />
        <Notice app />
        <div class="row">
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {t!("cancel")}
            </button>
        </div>
    }
}

/// Who it is, and the words to compare.
#[component]
pub(super) fn Peer(app: App, #[prop(into)] hint: String) -> impl IntoView {
    view! {
        <div class="peer" hidden=move || app.sas.get().is_none()>
            <p>
                <span id="peer" class="unseen">
                    {move || app.peer.get()}
                </span>
                <span>{t!("sas_label")}</span>
                " "
                <strong id="sas" dir="ltr">
                    {move || app.sas.get()}
                </strong>
            </p>
            <p class="aside">{hint}</p>
        </div>
    }
}
