//! What went wrong, or was stopped, and the one thing that helps.
use super::{
    app::{App, Stage},
    ui::{View, button, group, heading, row, tag},
};
use crate::text::t;

pub(super) fn failed(app: App) -> View {
    let supported = app.stage.get_untracked() != Stage::Unsupported;
    let trouble = app.trouble_or_default();
    let again = button("main", t!("start_over"), move || app.again()).id("again");
    group()
        .child(heading().id("error").text(trouble.what))
        .child(tag("p").id("hint").class("lead").text(trouble.hint))
        .child(row([again]).hidden(!supported))
}
