//! The frame around every state: header, the line, what the state shows, and what is said aloud.
use super::{
    app::{App, Stage},
    awake,
    call::call_view,
    capability, choose, document,
    done::{done, texts},
    failed::failed,
    incoming::incoming,
    joining::{connecting, invited, joining},
    landing::landing,
    line::line,
    moving::moving,
    receivers,
    several::several,
    sharing::sharing,
    tab,
    ui::{View, effect, group, show, switch, tag},
    window,
};
use crate::text::t;
use beeline_core::code::Code;
use std::{cell::Cell, mem};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{
    BeforeUnloadEvent, ClipboardEvent, DragEvent, Event, File, HtmlElement, HtmlInputElement,
    HtmlTextAreaElement, Node,
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
    let body = document().body().expect("a page has a body");
    let _ = body.append_child(&page(app).node::<Node>());
    listen(app);
    APP.set(Some(app));
}

fn page(app: App) -> View {
    let logo = tag("img")
        .attribute("src", "icon.svg")
        .attribute("alt", "")
        .attribute("width", "28")
        .attribute("height", "28");
    let name = tag("a").class("name").attribute("href", "./").child(logo).text(t!("title"));
    let state = move |stage: &Stage| match stage {
        Stage::Landing => landing(app),
        Stage::Invited => invited(app),
        Stage::Waiting => sharing(app),
        Stage::Several => several(app),
        Stage::Joining => joining(app),
        Stage::Connecting => connecting(app),
        Stage::Incoming => incoming(app),
        Stage::Moving => moving(app),
        Stage::Done => done(app),
        Stage::Failed | Stage::Unsupported => failed(app),
    };
    let main = tag("main")
        .attribute("data-state", move || app.stage.get().name())
        .child(line(app))
        .child(call_view(app))
        .child(switch(move || app.stage.get(), state))
        .child(show(move || app.stage.get() != Stage::Done, move || texts(app)));
    let warning = || tag("footer").class("warning").text(t!("plain_http"));
    group()
        .child(tag("header").class("top").child(name))
        .child(main)
        .child(tag("p").class("unseen").attribute("role", "status").text(move || aloud(app)))
        .children(capability::is_plain_http().then(warning))
}

/// What a screen reader says: each state, and every quarter of the way, not every percent.
fn aloud(app: App) -> String {
    match app.stage.get() {
        Stage::Moving => {
            let quarter = (fraction(app) * 4.0) as u32 * 25;
            format!("{quarter} %")
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
    effect(move || {
        app.stage.get();
        stay_awake();
    });
    on(&document(), "visibilitychange", move |_: Event| {
        seen();
        show_in_tab();
    });

    // Whoever uses a keyboard or a screen reader goes on where the new state begins.
    let mut before = app.stage.get_untracked();
    effect(move || {
        let stage = app.stage.get();
        if mem::replace(&mut before, stage) != stage
            && let Ok(Some(heading)) = document().query_selector("main h1")
        {
            let _ = heading.unchecked_into::<HtmlElement>().focus();
        }
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
            wasm_bindgen_futures::spawn_local(async move { app.choose(chosen.await) });
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
            wasm_bindgen_futures::spawn_local(async move { app.choose(chosen.await) });
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
