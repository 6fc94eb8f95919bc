//! Bytes on their way.
use super::{app::App, format, view::fraction};
use crate::strings;
use leptos::prelude::*;

#[component]
pub(super) fn Moving(app: App) -> impl IntoView {
    let heading = move || if app.outgoing.get() { strings::SENDING } else { strings::RECEIVING };
    let amount = move || {
        let progress = app.progress.get();
        match progress.total {
            Some(total) => format!("{} of {}", format::bytes(progress.bytes), format::bytes(total)),
            None => format::bytes(progress.bytes),
        }
    };
    let total = move || app.progress.with(|progress| progress.total.unwrap_or(0).max(1).to_string());
    let value = move || app.progress.with(|progress| progress.total.map(|_| progress.bytes.to_string()));
    let left = move || {
        let progress = app.progress.get();
        if progress.total == Some(progress.bytes) {
            strings::ALMOST.to_owned()
        } else if app.paused_here.get() || app.paused_there.get() {
            strings::PAUSED.to_owned()
        } else {
            format::left(progress.eta_s)
        }
    };
    view! {
        <h1 tabindex="-1">
            {heading} " " <span class="amount">{move || format!("{:.0}\u{a0}%", (fraction(app) * 100.0).floor())}</span>
        </h1>
        <progress id="progress" class="unseen" aria-label=strings::PROGRESS_LABEL max=total value=value></progress>
        <p class="figures">
            <span>{amount}</span>
            <span id="speed">{move || format::speed(app.progress.get().bytes_per_s)}</span>
            <span id="eta">{left}</span>
        </p>
        <p class="notice" role="alert" hidden=move || !app.lost.get()>
            {strings::PATH_LOST}
        </p>
        <p class="notice" role="status" hidden=move || !app.paused_there.get()>
            {move || strings::paused_there(&app.their_name())}
        </p>
        <div class="row">
            <button id="pause" class="quiet" type="button" on:click=move |_| app.pause()>
                {move || if app.paused_here.get() { strings::GO_ON } else { strings::PAUSE }}
            </button>
            <button id="cancel" class="quiet" type="button" on:click=move |_| app.cancel()>
                {strings::STOP}
            </button>
        </div>
    }
}
