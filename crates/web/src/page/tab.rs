//! What another tab shows of this one: its title and its icon.
use super::{
    app::{App, Stage},
    document,
    ui::{Signal, effect},
    view::fraction,
};
use crate::text::t;
use std::rc::Rc;

/// Steps of the icon's ring; each is an icon for the browser to draw.
const STEPS: u32 = 20;

/// Keeps title and icon up to date: how far it is only while nobody sees the page, because each change costs the
/// browser as much as a picture. Returns what has to be called when the page is hidden or seen again.
pub(super) fn show_progress(app: App) -> impl Fn() + 'static {
    let hidden = Rc::new(Signal::new(document().hidden()));
    let seen = hidden.clone();
    let part = move |of: u32| {
        let moves_unseen = seen.get() && app.stage.get() == Stage::Moving;
        moves_unseen.then(|| (fraction(app) * f64::from(of)).floor() as u32)
    };
    let step = part.clone();
    follow(
        move || match (app.stage.get(), part(100)) {
            (Stage::Moving, Some(percent)) => format!("{percent} % · {}", t!("title")),
            (Stage::Incoming, _) => format!("● {}", t!("title")),
            (Stage::Done, _) => format!("✓ {}", t!("title")),
            (Stage::Failed, _) => format!("! {}", t!("title")),
            _ => t!("title"),
        },
        |title| document().set_title(title),
    );
    follow(
        move || step(STEPS).map_or_else(|| "icon.svg".to_owned(), ring),
        |icon| {
            if let Ok(Some(link)) = document().query_selector("link[rel=icon]") {
                let _ = link.set_attribute("href", icon);
            }
        },
    );
    move || hidden.set(document().hidden())
}

/// Shows a text, and again whenever it is another.
fn follow(read: impl Fn() -> String + 'static, show: impl Fn(&str) + 'static) {
    let mut shown = String::new();
    effect(move || {
        let text = read();
        if text != shown {
            show(&text);
            shown = text;
        }
    });
}

/// A ring that is so many twentieths full, as a data URL.
fn ring(step: u32) -> String {
    format!(
        "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32' fill='none' stroke-width='7'%3E\
         %3Ccircle cx='16' cy='16' r='12' stroke='%23998f7d'/%3E\
         %3Ccircle cx='16' cy='16' r='12' stroke='%23ffb71f' pathLength='{STEPS}' stroke-dasharray='{step} {STEPS}' \
         transform='rotate(-90 16 16)'/%3E%3C/svg%3E"
    )
}
