//! Keeps the screen on while something moves (Screen Wake Lock), because a sleeping phone stops its pages.
use super::{
    app::{App, Stage},
    window,
};
use crate::browser;
use js_sys::{Function, Promise};
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// Holds a lock whenever a transfer moves. Returns what has to be called when the page is seen again: the browser
/// takes the lock away from a page that is not.
pub(super) fn keep(app: App) -> impl Fn() + Clone + 'static {
    let held: Rc<RefCell<Option<JsValue>>> = Rc::default();
    move || {
        let wanted = matches!(app.stage.get_untracked(), Stage::Moving | Stage::Several);
        let held = held.clone();
        spawn_local(async move {
            if let Some(before) = held.take() {
                call(&before, "release", None);
            }
            if !wanted {
                return;
            }
            let lock = browser::property(&window().navigator(), "wakeLock");
            let asked = lock.and_then(|lock| call(&lock, "request", Some("screen")));
            // Refused with little battery, or while the page is hidden: then there is none.
            if let Some(asked) = asked
                && let Ok(lock) = JsFuture::from(asked).await
            {
                *held.borrow_mut() = Some(lock);
            }
        });
    }
}

/// Calls a method that gives a promise, where it is there.
fn call(object: &JsValue, method: &str, argument: Option<&str>) -> Option<Promise> {
    let method: Function = browser::property(object, method)?.dyn_into().ok()?;
    let answer = method.call1(object, &argument.map_or(JsValue::UNDEFINED, JsValue::from)).ok()?;
    answer.dyn_into().ok()
}
