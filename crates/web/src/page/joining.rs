//! On the way to the other device: invited, joining, connecting.
use super::{app::App, landing::Notice};
use crate::strings;
use leptos::prelude::*;

/// A link was opened. Only a click joins: robots that preview links must not use the code up.
#[component]
pub(super) fn Invited(app: App) -> impl IntoView {
    let join = move |_| app.join(&app.code.get_untracked().unwrap_or_default());
    view! {
        <h1 tabindex="-1">{strings::INVITED}</h1>
        <p class="lead">{strings::INVITED_HINT}</p>
        <p class="code small">{move || app.code.get()}</p>
        <div class="row">
            <button id="join" class="main" type="button" on:click=join>
                {strings::CONNECT}
            </button>
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {strings::NOT_NOW}
            </button>
        </div>
        <Notice app />
    }
}

#[component]
pub(super) fn Joining(app: App) -> impl IntoView {
    view! {
        <h1 tabindex="-1">{strings::JOINING}</h1>
        <p class="code small">{move || app.code.get()}</p>
        <div class="row">
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {strings::STOP}
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
            (false, _) => strings::connecting(&name),
            (true, true) => strings::deciding(&name),
            (true, false) => strings::choosing(&name),
        }
    };
    view! {
        <h1 tabindex="-1">{heading}</h1>
        <Peer app />
        <div class="row">
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {strings::STOP}
            </button>
        </div>
    }
}

/// Who it is, and the words to compare.
#[component]
pub(super) fn Peer(app: App) -> impl IntoView {
    view! {
        <div class="peer" hidden=move || app.sas.get().is_none()>
            <p>
                <span id="peer" class="unseen">{move || app.peer.get()}</span>
                {strings::SAS_LABEL}
                " "
                <strong id="sas">{move || app.sas.get()}</strong>
            </p>
            <p class="aside">{strings::SAS_HINT}</p>
        </div>
    }
}
