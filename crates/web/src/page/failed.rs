//! What went wrong, and the one thing that helps.
use super::app::{App, Stage};
use crate::strings;
use leptos::prelude::*;

#[component]
pub(super) fn Failed(app: App) -> impl IntoView {
    let supported = move || app.stage.get() != Stage::Unsupported;
    view! {
        <h1 tabindex="-1">{move || if supported() { strings::FAILED } else { strings::UNSUPPORTED }}</h1>
        <p id="error" class="lead">{move || app.trouble_or_default().what}</p>
        <p id="hint" class="aside">{move || app.trouble_or_default().hint}</p>
        <div class="row" hidden=move || !supported()>
            <button id="again" class="main" type="button" on:click=move |_| app.again()>
                {strings::START_OVER}
            </button>
        </div>
    }
}
