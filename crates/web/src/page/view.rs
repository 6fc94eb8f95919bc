//! The frame around every state: header, the line, what the state shows, and what is said aloud.
use super::{
    app::{App, Stage},
    awake,
    call::CallView,
    capability, choose, document,
    done::{Done, Texts},
    failed::Failed,
    incoming::Incoming,
    joining::{Connecting, Invited, Joining},
    landing::Landing,
    line::Line,
    moving::Moving,
    receivers,
    several::Several,
    sharing::Sharing,
    tab, window,
};
use crate::text::t;
use beeline_core::code::Code;
use leptos::{mount::mount_to_body, prelude::*};
use std::cell::Cell;
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{
    BeforeUnloadEvent, ClipboardEvent, DragEvent, Event, File, HtmlElement, HtmlInputElement,
    HtmlTextAreaElement,
};

thread_local! {
    static APP: Cell<Option<App>> = const { Cell::new(None) };
}

/// Offers what came from outside of the page, if the page is at its beginning.
pub(crate) fn take(files: Vec<File>, text: String) {
    let Some(app) = APP.get().filter(|app| app.stage.get_untracked() == Stage::Landing) else { return };
    if files.is_empty() {
        app.send_text(text);
    } else {
        app.choose(files.into_iter().map(choose::Chosen::from).collect());
    }
}

/// Mounts the page in place of what the HTML shows until then.
pub(crate) fn start(module: JsValue) {
    let app = App::new(module);
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
    mount_to_body(move || view! { <Page app /> });
    listen(app);
    APP.set(Some(app));
}

#[component]
fn Page(app: App) -> impl IntoView {
    let stage = app.stage;
    view! {
        <header class="top">
            <a class="name" href="./">
                <img src="icon.svg" alt="" width="28" height="28" />
                {t!("title")}
            </a>
        </header>
        <main data-state=move || stage.get().name()>
            <Line app />
            <CallView app />
            {move || {
                match stage.get() {
                    Stage::Landing => view! { <Landing app /> }.into_any(),
                    Stage::Invited => view! { <Invited app /> }.into_any(),
                    Stage::Waiting => view! { <Sharing app /> }.into_any(),
                    Stage::Several => view! { <Several app /> }.into_any(),
                    Stage::Joining => view! { <Joining app /> }.into_any(),
                    Stage::Connecting => view! { <Connecting app /> }.into_any(),
                    Stage::Incoming => view! { <Incoming app /> }.into_any(),
                    Stage::Moving => view! { <Moving app /> }.into_any(),
                    Stage::Done => view! { <Done app /> }.into_any(),
                    Stage::Failed | Stage::Unsupported => view! { <Failed app /> }.into_any(),
                }
            }}
            <Show when=move || stage.get() != Stage::Done>
                <Texts app />
            </Show>
        </main>
        <p class="unseen" role="status">{move || aloud(app)}</p>
        <Show when=capability::is_plain_http>
            <footer class="warning">{t!("plain_http")}</footer>
        </Show>
    }
}

/// What a screen reader says: each state, and every quarter of the way, not every percent.
fn aloud(app: App) -> String {
    match app.stage.get() {
        Stage::Moving => {
            let quarter = Memo::new(move |_| (fraction(app) * 4.0) as u32 * 25);
            format!("{} %", quarter.get())
        }
        Stage::Several => receivers::delivered(app),
        Stage::Done => t!("verified_here"),
        Stage::Failed => app.trouble_or_default().what,
        _ => String::new(),
    }
}

/// How far the transfer is, from 0 to 1.
pub(super) fn fraction(app: App) -> f64 {
    let progress = app.progress.get();
    match (app.stage.get(), progress.total) {
        (Stage::Done, _) => 1.0,
        (Stage::Several, _) => receivers::fraction(app),
        (_, Some(0)) | (_, None) => 0.0,
        (_, Some(total)) => progress.bytes as f64 / total as f64,
    }
}

/// What concerns the whole window: title, focus, drops, leaving.
fn listen(app: App) {
    let show_in_tab = tab::show_progress(app);
    let stay_awake = awake::keep(app);
    let seen = stay_awake.clone();
    Effect::new(move |_| {
        app.stage.get();
        stay_awake();
    });
    on(&document(), "visibilitychange", move |_: Event| {
        seen();
        show_in_tab();
    });

    // Whoever uses a keyboard or a screen reader goes on where the new state begins.
    Effect::new(move |before: Option<Stage>| {
        let stage = app.stage.get();
        if before.is_some_and(|before| before != stage)
            && let Ok(Some(heading)) = document().query_selector("main h1")
        {
            let _ = heading.unchecked_into::<HtmlElement>().focus();
        }
        stage
    });

    let choosing = move || {
        let stage = app.stage.get_untracked();
        matches!(stage, Stage::Landing | Stage::Waiting)
            || (stage == Stage::Done && app.connected.get_untracked())
    };
    on(&document(), "dragover", move |event: DragEvent| {
        event.prevent_default(); // else a drop would open the file in place of the page
        mark_drag(choosing());
    });
    on(&document(), "dragleave", move |event: DragEvent| {
        if event.related_target().is_none() {
            mark_drag(false);
        }
    });
    on(&document(), "drop", move |event: DragEvent| {
        event.prevent_default();
        mark_drag(false);
        if let Some(dropped) = event.data_transfer().filter(|_| choosing()) {
            let chosen = choose::from_drop(&dropped);
            leptos::task::spawn_local(async move { app.choose(chosen.await) });
        }
    });
    on(&document(), "paste", move |event: ClipboardEvent| {
        let Some(pasted) = event.clipboard_data().filter(|_| choosing()) else { return };
        let into_field = event.target().is_some_and(|target| {
            target.has_type::<HtmlInputElement>() || target.has_type::<HtmlTextAreaElement>()
        });
        let text = pasted.get_data("text/plain").unwrap_or_default();
        if pasted.files().is_some_and(|files| files.length() > 0) {
            event.prevent_default();
            let chosen = choose::from_drop(&pasted);
            leptos::task::spawn_local(async move { app.choose(chosen.await) });
        } else if !into_field && !text.trim().is_empty() {
            event.prevent_default();
            // A code or its link is for receiving; anything else is something to send.
            match Code::parse(text.trim()) {
                Ok(_) if app.stage.get_untracked() == Stage::Landing => app.join(text.trim()),
                _ if app.stage.get_untracked() != Stage::Waiting => app.send_text(text),
                _ => {}
            }
        }
    });
    on(&window(), "beforeunload", move |event: BeforeUnloadEvent| {
        let stage = app.stage.get_untracked();
        if stage == Stage::Moving || (stage == Stage::Several && receivers::any_under_way(app)) {
            event.prevent_default();
            event.set_return_value("1"); // older browsers ask only then
        }
    });
    on(&window(), "pagehide", move |_: Event| {
        if app.stage.get_untracked() != Stage::Unsupported {
            app.leave();
        }
    });
}

fn on<E: wasm_bindgen::convert::FromWasmAbi + 'static>(
    target: &web_sys::EventTarget,
    event: &str,
    act: impl FnMut(E) + 'static,
) {
    let handler = Closure::<dyn FnMut(E)>::new(act);
    let _ = target.add_event_listener_with_callback(event, handler.as_ref().unchecked_ref());
    handler.forget(); // as long as the page
}

fn mark_drag(over: bool) {
    if let Some(body) = document().body() {
        let _ = body.toggle_attribute_with_force("data-drag", over);
    }
}
