//! A room is open: its code, its link, its picture, and what waits in it.
use super::{
    app::App,
    capability,
    choose::{self, Top},
    clipboard, format,
    landing::Notice,
    qr::QrCode,
};
use crate::{
    strings,
    text::{n, t},
};
use leptos::prelude::*;

#[component]
pub(super) fn Sharing(app: App) -> impl IntoView {
    view! {
        <h1 class="small" tabindex="-1">
            {t!("waiting")}
        </h1>
        {move || invitation(app)}
        <Notice app />
        <Waiting app />
        <label class="check">
            <input
                id="several"
                type="checkbox"
                on:change:target=move |event| app.admit_several(event.target().checked())
            />
            {t!("several")}
        </label>
        <div class="row">
            <button id="stop" class="quiet" type="button" on:click=move |_| app.again()>
                {t!("cancel")}
            </button>
        </div>
    }
}

/// The code and its link, once there are.
pub(super) fn invitation(app: App) -> AnyView {
    match (app.code.get(), app.link()) {
        (Some(code), Some(link)) => view! { <Invitation app code link /> }.into_any(),
        _ => view! { <p class="code pending">{t!("making_code")}</p> }.into_any(),
    }
}

#[component]
fn Invitation(app: App, code: String, link: String) -> impl IntoView {
    let (code_to_copy, link_to_copy, link_to_share) = (code.clone(), link.clone(), link.clone());
    view! {
        <p id="code" class="code" dir="ltr">
            {code}
        </p>
        <p class="lead">{t!("waiting_hint")}</p>
        <div class="invitation">
            <QrCode text=link.clone() />
            <div class="links">
                <label class="unseen" for="link">
                    {t!("link_label")}
                </label>
                <input id="link" type="text" dir="ltr" readonly prop:value=link />
                <div class="row">
                    {capability::can_share()
                        .then(|| {
                            view! {
                                <button
                                    id="share"
                                    class="main"
                                    type="button"
                                    on:click=move |_| clipboard::share(&link_to_share)
                                >
                                    {t!("share")}
                                </button>
                            }
                        })}
                    <button
                        class=if capability::can_share() { "quiet" } else { "main" }
                        type="button"
                        on:click=move |_| app.copy(link_to_copy.clone(), "link")
                    >
                        {t!("copy_link")}
                    </button>
                    <button class="quiet" type="button" on:click=move |_| app.copy(code_to_copy.clone(), "code")>
                        {t!("copy_code")}
                    </button>
                </div>
            </div>
        </div>
    }
}

/// What goes to whoever comes. Until then it can be changed.
#[component]
fn Waiting(app: App) -> impl IntoView {
    let tops = move || app.chosen.with(|chosen| choose::tops(chosen));
    let amount = move || {
        app.manifest().map(|m| strings::amount(m.files(), m.folders(), m.bytes())).unwrap_or_default()
    };
    view! {
        <section class="waiting" aria-labelledby="ready">
            <h2 id="ready">{t!("ready_to_go")} " " <span id="amount" class="amount">{amount}</span></h2>
            <ul class="chips">
                {move || app.text.get().map(|_| view! { <li class="chip">{t!("a_text")}</li> })}
                {move || tops().into_iter().map(|top| view! { <Chip app top /> }).collect_view()}
                <li>
                    <label class="chip add">
                        {t!("add_files")}
                        <input
                            id="more"
                            class="unseen"
                            type="file"
                            multiple
                            on:change:target=move |event| app.choose(choose::from_input(&event.target()))
                        />
                    </label>
                </li>
            </ul>
        </section>
    }
}

#[component]
fn Chip(app: App, top: Top) -> impl IntoView {
    let name = beeline_core::quote::quote(&top.name);
    let inside = if top.folder { n!("files", top.files) + ", " } else { String::new() };
    let label = t!("remove", name = name);
    let path = top.name.clone();
    let size = inside + &format::bytes(top.bytes);
    view! {
        <li class="chip" data-path=path>
            <span class="path-name">{name}</span>
            <span class="size">{size}</span>
            {remove(label, false, Box::new(move || app.remove(&top.name)))}
        </li>
    }
}

/// A small cross that takes something away.
pub(super) fn remove(label: String, hidden: bool, act: Box<dyn Fn()>) -> AnyView {
    view! {
        <button class="remove" type="button" aria-label=label hidden=hidden on:click=move |_| act()>
            <svg viewBox="0 0 16 16" aria-hidden="true">
                <path d="M4 4l8 8M12 4l-8 8" />
            </svg>
        </button>
    }
    .into_any()
}
