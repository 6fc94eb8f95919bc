//! A room is open: its code, its link, its picture.
use super::{app::App, capability, clipboard, landing::Notice, qr::QrCode};
use crate::strings;
use leptos::prelude::*;

#[component]
pub(super) fn Sharing(app: App) -> impl IntoView {
    let offered = move || {
        app.offer.get().map(|offer| {
            if offer.text {
                strings::TEXT_OFFERED.to_owned()
            } else {
                strings::amount(offer.files, offer.folders, offer.bytes)
            }
        })
    };
    view! {
        <h1 tabindex="-1">{strings::WAITING}</h1>
        {move || match (app.code.get(), app.link()) {
            (Some(code), Some(link)) => view! { <Invitation app code link /> }.into_any(),
            _ => view! { <p class="lead">{strings::MAKING_CODE}</p> }.into_any(),
        }}
        <Notice app />
        <p class="offered">{offered}</p>
        <div class="row">
            <button class="quiet" type="button" on:click=move |_| app.again()>
                {strings::STOP}
            </button>
        </div>
    }
}

#[component]
fn Invitation(app: App, code: String, link: String) -> impl IntoView {
    let (code_to_copy, link_to_copy, link_to_share) = (code.clone(), link.clone(), link.clone());
    view! {
        <p id="code" class="code">{code}</p>
        <p class="lead">{strings::WAITING_HINT}</p>
        <div class="invitation">
            <QrCode text=link.clone() />
            <div class="links">
                <label for="link">{strings::LINK_LABEL}</label>
                <input id="link" type="text" readonly prop:value=link />
                <div class="row">
                    <button class="main" type="button" on:click=move |_| app.copy(link_to_copy.clone(), "link")>
                        {strings::COPY_LINK}
                    </button>
                    <button class="quiet" type="button" on:click=move |_| app.copy(code_to_copy.clone(), "code")>
                        {strings::COPY_CODE}
                    </button>
                    {capability::can_share()
                        .then(|| {
                            view! {
                                <button
                                    class="quiet"
                                    type="button"
                                    on:click=move |_| clipboard::share(&link_to_share)
                                >
                                    {strings::SHARE}
                                </button>
                            }
                        })}
                </div>
            </div>
        </div>
    }
}
