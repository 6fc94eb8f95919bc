//! What many states of the page have.
use super::element::{IntoValue, View, tag};

/// Where a state begins. Whoever uses a keyboard or a screen reader is taken there.
pub(in crate::page) fn heading() -> View {
    tag("h1").attribute("tabindex", "-1")
}

/// A button that does something here.
pub(in crate::page) fn button(
    class: impl IntoValue,
    label: impl IntoValue,
    act: impl Fn() + 'static,
) -> View {
    tag("button").attribute("type", "button").class(class).text(label).on_click(act)
}

/// Buttons side by side.
pub(in crate::page) fn row(children: impl IntoIterator<Item = View>) -> View {
    tag("div").class("row").children(children)
}
