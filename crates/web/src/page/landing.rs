//! The beginning: files, a folder or a text to send, or a code to receive.
use super::{app::App, choose, code_field::CodeField};
use crate::strings;
use leptos::prelude::*;
use web_sys::{HtmlInputElement, HtmlTextAreaElement, SubmitEvent};

#[component]
pub(super) fn Landing(app: App) -> impl IntoView {
    view! {
        <h1 tabindex="-1">{strings::LANDING}</h1>
        <p class="lead">{strings::PROMISE}</p>
        <Chooser app />
        <Notice app />
        <div class="ways">
            <TextForm app />
            <CodeField app />
        </div>
    }
}

/// What to send, from the disk.
#[component]
pub(super) fn Chooser(app: App) -> impl IntoView {
    let chosen = move |input: HtmlInputElement| app.choose(choose::from_input(&input));
    view! {
        <div class="drop">
            <p class="only-mouse">{strings::DROP_HERE}</p>
            <div class="row">
                <label class="button main">
                    {strings::CHOOSE_FILES}
                    <input
                        id="files"
                        class="unseen"
                        type="file"
                        multiple
                        on:change:target=move |event| chosen(event.target())
                    />
                </label>
                <label class="button quiet">
                    {strings::CHOOSE_FOLDER}
                    <input
                        id="folder"
                        class="unseen"
                        type="file"
                        prop:webkitdirectory=true
                        on:change:target=move |event| chosen(event.target())
                    />
                </label>
            </div>
        </div>
    }
}

/// What to send, from the keyboard.
#[component]
pub(super) fn TextForm(app: App) -> impl IntoView {
    let area = NodeRef::<leptos::html::Textarea>::new();
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(area) = area.get_untracked() {
            let area: &HtmlTextAreaElement = &area;
            app.send_text(area.value());
        }
    };
    view! {
        <form class="way" on:submit=send>
            <label for="text">{strings::TEXT_LABEL}</label>
            <textarea id="text" rows="2" placeholder=strings::TEXT_HINT node_ref=area></textarea>
            <button id="send-text" type="submit" class="quiet">
                {strings::SEND_TEXT}
            </button>
        </form>
    }
}

/// A sentence beside the matter in hand.
#[component]
pub(super) fn Notice(app: App) -> impl IntoView {
    view! {
        <p class="notice" role="alert" hidden=move || app.notice.get().is_none()>
            {move || app.notice.get()}
        </p>
    }
}
