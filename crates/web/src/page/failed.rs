//! What went wrong, or was stopped, and the one thing that helps.
use super::app::{App, Stage};
use crate::text::t;
use leptos::prelude::*;

#[component]
pub(super) fn Failed(app: App) -> impl IntoView {
    let supported = app.stage.get_untracked() != Stage::Unsupported;
    let trouble = app.trouble_or_default();
    view! {
        <h1 id="error" tabindex="-1">
            {trouble.what}
        </h1>
        <p id="hint" class="lead">
            {trouble.hint}
        </p>
        <div class="row" hidden=!supported>
            <button id="again" class="main" type="button" on:click=move |_| app.again()>
                {t!("start_over")}
            </button>
        </div>
    }
}
