//! What went wrong, or was stopped, and the one thing that helps.
use super::app::{App, Stage, Trouble};
use crate::strings;
use leptos::prelude::*;

#[component]
pub(super) fn Failed(app: App) -> impl IntoView {
    let supported = app.stage.get_untracked() != Stage::Unsupported;
    let Trouble { what, hint, wanted } = app.trouble_or_default();
    let heading = if supported { strings::FAILED } else { strings::UNSUPPORTED };
    view! {
        {if wanted {
            view! {
                <h1 id="error" tabindex="-1">
                    {what}
                </h1>
            }
                .into_any()
        } else {
            view! {
                <h1 tabindex="-1">{heading}</h1>
                <p id="error" class="lead">{what}</p>
            }
                .into_any()
        }}
        <p id="hint" class="aside">{hint}</p>
        <div class="row" hidden=!supported>
            <button id="again" class="main" type="button" on:click=move |_| app.again()>
                {strings::START_OVER}
            </button>
        </div>
    }
}
