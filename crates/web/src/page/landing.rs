//! The beginning: files, a folder or a text to send, or a code to receive.
use super::{app::App, choose, code_field::CodeField};
use crate::text::t;
use leptos::prelude::*;
use web_sys::{HtmlInputElement, HtmlTextAreaElement, SubmitEvent};

#[component]
pub(super) fn Landing(app: App) -> impl IntoView {
    view! {
        <h1 tabindex="-1">{t!("landing")}</h1>
        <p class="lead">{t!("promise")}</p>
        <Chooser app />
        <Notice app />
        <CodeField app />
    }
}

/// What to send: from the disk, or from the keyboard.
#[component]
pub(super) fn Chooser(app: App) -> impl IntoView {
    let writing = RwSignal::new(false);
    view! {
        <div class="drop">
            <div class="row">
                <FileButton app />
                <label class="button quiet">
                    {t!("choose_folder")}
                    <input
                        id="folder"
                        class="unseen"
                        type="file"
                        prop:webkitdirectory=true
                        on:change:target=move |event| app.choose(choose::from_input(&event.target()))
                    />
                </label>
                <button
                    id="write"
                    class="quiet"
                    type="button"
                    aria-expanded=move || if writing.get() { "true" } else { "false" }
                    on:click=move |_| writing.update(|writing| *writing = !*writing)
                >
                    {t!("write_text")}
                </button>
            </div>
            <p class="only-mouse" data-now=t!("drop_now")>
                {t!("drop_here")}
            </p>
            {move || writing.get().then(|| view! { <TextForm app /> })}
        </div>
    }
}

/// The one button that most people want. An input, so that the browser's own keys and readers know it.
#[component]
fn FileButton(app: App) -> impl IntoView {
    view! {
        <label class="button main">
            {t!("choose_files")}
            <input
                id="files"
                class="unseen"
                type="file"
                multiple
                on:change:target=move |event| {
                    let input: HtmlInputElement = event.target();
                    app.choose(choose::from_input(&input));
                }
            />
        </label>
    }
}

/// A text to send.
#[component]
fn TextForm(app: App) -> impl IntoView {
    let area = NodeRef::<leptos::html::Textarea>::new();
    let send = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(area) = area.get_untracked() {
            let area: &HtmlTextAreaElement = &area;
            app.send_text(area.value());
        }
    };
    Effect::new(move |_| {
        if let Some(area) = area.get() {
            let _ = area.focus(); // whoever asked for it wants to write
        }
    });
    view! {
        <form class="writing" on:submit=send>
            <label class="unseen" for="text">
                {t!("text_label")}
            </label>
            <textarea id="text" rows="3" placeholder=t!("text_hint") node_ref=area></textarea>
            <button id="send-text" type="submit" class="main">
                {t!("send_text")}
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
