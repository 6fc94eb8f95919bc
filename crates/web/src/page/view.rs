//! The frame around every state: header, the line, what the state shows, and what is said aloud.
use super::{
    app::{App, Stage},
    call::CallView,
    capability, choose, document,
    done::{Done, Texts},
    failed::Failed,
    incoming::Incoming,
    joining::{Connecting, Invited, Joining},
    landing::Landing,
    line::Line,
    moving::Moving,
    sharing::Sharing,
    window,
};
use crate::strings;
use leptos::{mount::mount_to_body, prelude::*};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{BeforeUnloadEvent, DragEvent, Event, HtmlElement};

/// Mounts the page in place of what the HTML shows until then.
pub(crate) fn start(module: JsValue) {
    let app = App::new(module);
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
    mount_to_body(move || view! { <Page app /> });
    listen(app);
}

#[component]
fn Page(app: App) -> impl IntoView {
    let stage = app.stage;
    view! {
        <header class="top">
            <a class="name" href="./">
                <img src="icon.svg" alt="" width="28" height="28" />
                {strings::TITLE}
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
            <footer class="warning">{strings::PLAIN_HTTP}</footer>
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
        Stage::Done => strings::VERIFIED_HERE.to_owned(),
        Stage::Failed => app.trouble_or_default().what,
        _ => String::new(),
    }
}

/// How far the transfer is, from 0 to 1.
pub(super) fn fraction(app: App) -> f64 {
    let progress = app.progress.get();
    match (app.stage.get(), progress.total) {
        (Stage::Done, _) => 1.0,
        (_, Some(0)) | (_, None) => 0.0,
        (_, Some(total)) => progress.bytes as f64 / total as f64,
    }
}

/// What concerns the whole window: title, focus, drops, leaving.
fn listen(app: App) {
    Effect::new(move |_| {
        let title = match app.stage.get() {
            Stage::Moving => format!("{:.0} % · {}", (fraction(app) * 100.0).floor(), strings::TITLE),
            Stage::Done => format!("✓ · {}", strings::TITLE),
            _ => strings::TITLE.to_owned(),
        };
        document().set_title(&title);
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
        stage == Stage::Landing || (stage == Stage::Done && app.connected.get_untracked())
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
    on(&window(), "beforeunload", move |event: BeforeUnloadEvent| {
        if app.stage.get_untracked() == Stage::Moving {
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
