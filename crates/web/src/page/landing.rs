//! The beginning: files, a folder or a text to send, or a code to receive.
use super::{
    app::App,
    choose,
    code_field::code_field,
    ui::{Signal, View, button, group, heading, live, row, tag},
};
use crate::text::t;
use std::rc::Rc;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Event, HtmlInputElement, HtmlTextAreaElement};

pub(super) fn landing(app: App) -> View {
    group()
        .child(heading().text(t!("landing")))
        .child(tag("p").class("lead").text(t!("promise")))
        .child(chooser(app))
        .child(notice(app))
        .child(code_field(app))
}

/// What to send: from the disk, or from the keyboard.
pub(super) fn chooser(app: App) -> View {
    let writing = Rc::new(Signal::new(false));
    let (expanded, shown) = (writing.clone(), writing.clone());
    // An input, so that the browser's own keys and readers know it.
    let files = file_input(app).id("files").attribute("multiple", true);
    let folder = file_input(app).id("folder").attribute("webkitdirectory", true);
    let write = button("quiet", t!("write_text"), move || writing.update(|writing| *writing = !*writing))
        .id("write")
        .attribute("aria-expanded", move || if expanded.get() { "true" } else { "false" });
    tag("div")
        .class("drop")
        .child(row([
            tag("label").class("button main").text(t!("choose_files")).child(files),
            tag("label").class("button quiet").text(t!("choose_folder")).child(folder),
            write,
        ]))
        .child(tag("p").class("only-mouse").attribute("data-now", t!("drop_now")).text(t!("drop_here")))
        .child(live(move || group().children(shown.get().then(|| text_form(app)))))
}

/// Gives the page what is chosen there.
pub(super) fn file_input(app: App) -> View {
    tag("input").class("unseen").attribute("type", "file").on("change", move |event| {
        if let Some(input) = input_of(&event) {
            app.choose(choose::from_input(&input));
        }
    })
}

/// The input that an event is about.
pub(super) fn input_of(event: &Event) -> Option<HtmlInputElement> {
    event.current_target()?.dyn_into().ok()
}

/// A text to send.
fn text_form(app: App) -> View {
    let area = tag("textarea").id("text").attribute("rows", "3").attribute("placeholder", t!("text_hint"));
    let field: HtmlTextAreaElement = area.node();
    let wanted = field.clone();
    spawn_local(async move {
        let _ = wanted.focus(); // whoever asked for it wants to write; it is on the page by then
    });
    tag("form")
        .class("writing")
        .on("submit", move |event| {
            event.prevent_default();
            app.send_text(field.value());
        })
        .child(tag("label").class("unseen").attribute("for", "text").text(t!("text_label")))
        .child(area)
        .child(tag("button").id("send-text").attribute("type", "submit").class("main").text(t!("send_text")))
}

/// A sentence beside the matter in hand.
pub(super) fn notice(app: App) -> View {
    tag("p")
        .class("notice")
        .attribute("role", "alert")
        .hidden(move || app.notice.with(Option::is_none))
        .text(move || app.notice.get())
}
