//! Whether the browser lets this page reach devices on the local network.
//!
//! A browser may ask before a page from the Internet connects there (Local Network Access), and as long as nobody
//! answers it says nothing to the page: two devices in one Wi-Fi then seem to be without a path. One of the two that is
//! allowed is enough, so nothing is said while all may still go well.
use super::{
    app::{App, Stage},
    window,
};
use crate::{browser, text::t};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// Two devices that see each other connect within a fraction of this.
const PATIENCE_MS: i32 = 3_000;

impl App {
    /// Says what may keep the two devices apart, for as long as they look for each other.
    pub(super) fn watch_local_network(self) {
        spawn_local(async move {
            loop {
                browser::sleep(PATIENCE_MS).await;
                let said = said().await;
                if self.stage.get_untracked() != Stage::Connecting || self.connected.get_untracked() {
                    return;
                }
                if self.notice.get_untracked() != said {
                    self.notice.set(said);
                }
            }
        });
    }
}

/// What a person can do about it. Browsers that don't ask call it a question that is still open, so nothing more than
/// "if" can be said of one.
async fn said() -> Option<String> {
    match state().await?.as_str() {
        "prompt" => Some(t!("local_network_asked")),
        "denied" => Some(t!("local_network_denied")),
        _ => None,
    }
}

/// The permission's state. Over plain http it is always "denied", also where it is not needed.
async fn state() -> Option<String> {
    if !window().is_secure_context() {
        return None;
    }
    let permissions = browser::property(&window().navigator(), "permissions")?;
    let query: Function = browser::property(&permissions, "query")?.dyn_into().ok()?;
    let descriptor = Object::new();
    Reflect::set(&descriptor, &"name".into(), &"local-network".into()).ok()?;
    let asked: Promise = query.call1(&permissions, &descriptor).ok()?.dyn_into().ok()?;
    browser::property(&JsFuture::from(asked).await.ok()?, "state")?.as_string()
}
