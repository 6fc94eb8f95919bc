//! Copying, sharing, selecting.
use super::{document, window};
use crate::browser;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{HtmlInputElement, ShareData};

/// Copies a text. Insecure pages have no clipboard: then the element that shows it is selected, and the
/// person presses the keys.
pub(super) async fn copy(text: &str, element: &str) -> bool {
    let navigator = window().navigator();
    if browser::property(&navigator, "clipboard").is_some()
        && JsFuture::from(navigator.clipboard().write_text(text)).await.is_ok()
    {
        return true;
    }
    if let Some(element) = document().get_element_by_id(element) {
        match element.dyn_into::<HtmlInputElement>() {
            Ok(input) => input.select(),
            Err(element) => select(&element),
        }
    }
    false
}

/// Opens the share sheet; a person who closes it has not failed.
pub(super) fn share(link: &str) {
    let data = ShareData::new();
    data.set_title("Beeline");
    data.set_url(link);
    let shared = window().navigator().share_with_data(&data);
    wasm_bindgen_futures::spawn_local(async move {
        let _ = JsFuture::from(shared).await;
    });
}

fn select(element: &web_sys::Element) {
    if let Ok(Some(selection)) = window().get_selection() {
        let _ = selection.select_all_children(element);
    }
}
