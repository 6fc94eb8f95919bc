//! A room is open: its code, its link, its picture, and what waits in it.
use super::{
    app::App,
    capability,
    choose::{self, Top},
    clipboard, document, format,
    landing::{file_input, input_of, notice},
    qr::qr_code,
    ui::{View, button, each, group, heading, live, row, svg, tag},
};
use crate::{
    strings,
    text::{n, t},
};
use wasm_bindgen::JsCast;
use web_sys::HtmlElement;

pub(super) fn sharing(app: App) -> View {
    let several = tag("input").id("several").attribute("type", "checkbox").on("change", move |event| {
        app.admit_several(input_of(&event).is_some_and(|input| input.checked()));
    });
    group()
        .child(heading().class("small").text(t!("waiting")))
        .child(live(move || invitation(app)))
        .child(notice(app))
        .child(waiting(app))
        .child(tag("label").class("check").child(several).text(t!("several")))
        .child(row([button("quiet", t!("cancel"), move || app.again()).id("stop")]))
}

/// The code and its link, once there are.
pub(super) fn invitation(app: App) -> View {
    match (app.code.get(), app.link()) {
        (Some(code), Some(link)) => code_and_link(app, code, link),
        _ => tag("p").class("code pending").text(t!("making_code")),
    }
}

fn code_and_link(app: App, code: String, link: String) -> View {
    let (code_to_copy, link_to_copy, link_to_share) = (code.clone(), link.clone(), link.clone());
    let can_share = capability::can_share();
    let share =
        can_share.then(|| button("main", t!("share"), move || clipboard::share(&link_to_share)).id("share"));
    let copy_link = button(if can_share { "quiet" } else { "main" }, t!("copy_link"), move || {
        app.copy(link_to_copy.clone(), "link");
    });
    let copy_code = button("quiet", t!("copy_code"), move || app.copy(code_to_copy.clone(), "code"));
    let picture = qr_code(&link);
    let field = tag("input")
        .id("link")
        .attribute("type", "text")
        .attribute("dir", "ltr")
        .attribute("readonly", true)
        .attribute("value", link);
    let links = tag("div")
        .class("links")
        .child(tag("label").class("unseen").attribute("for", "link").text(t!("link_label")))
        .child(field)
        .child(row(share.into_iter().chain([copy_link, copy_code])));
    group()
        .child(tag("p").id("code").class("code").attribute("dir", "ltr").text(code))
        .child(tag("p").class("lead").text(t!("waiting_hint")))
        .child(tag("div").class("invitation").children(picture).child(links))
}

/// What goes to whoever comes. Until then it can be changed.
fn waiting(app: App) -> View {
    let tops = move || app.chosen.with(|chosen| choose::tops(chosen));
    let amount = move || {
        app.manifest().map(|m| strings::amount(m.files(), m.folders(), m.bytes())).unwrap_or_default()
    };
    let is_text = move || app.text.with(Option::is_some);
    let text = live(move || group().children(is_text().then(|| tag("li").class("chip").text(t!("a_text")))));
    let more = file_input(app).id("more").attribute("multiple", true);
    let chips = tag("ul")
        .class("chips")
        .child(text)
        .child(each(tops, move |top| chip(app, top)))
        .child(tag("li").child(tag("label").class("chip add").text(t!("add_files")).child(more)));
    let title = tag("h2")
        .id("ready")
        .text(t!("ready_to_go"))
        .text(" ")
        .child(tag("span").id("amount").class("amount").text(amount));
    tag("section").class("waiting").attribute("aria-labelledby", "ready").child(title).child(chips)
}

fn chip(app: App, top: &Top) -> View {
    let name = beeline_core::quote::quote(&top.name);
    let inside = if top.folder { n!("files", top.files) + ", " } else { String::new() };
    let size = inside + &format::bytes(top.bytes);
    let path = top.name.clone();
    let cross = remove(t!("remove", name = name), move || app.remove(&path));
    tag("li")
        .class("chip")
        .attribute("data-path", top.name.clone())
        .child(tag("span").class("path-name").text(name))
        .child(tag("span").class("size").text(size))
        .child(cross)
}

/// A small cross that takes its item of a list away. What has the focus then is the next item, for who has only a
/// keyboard.
pub(super) fn remove(label: String, act: impl Fn() + 'static) -> View {
    let cross = svg("path").attribute("d", "M4 4l8 8M12 4l-8 8");
    let go_on = || {
        let next = document().active_element()?.closest("li").ok()??.next_element_sibling()?;
        next.query_selector("button, input").ok()??.unchecked_into::<HtmlElement>().focus().ok()
    };
    button("remove", "", move || {
        let _ = go_on();
        act();
    })
    .attribute("aria-label", label)
    .child(svg("svg").attribute("viewBox", "0 0 16 16").attribute("aria-hidden", "true").child(cross))
}
