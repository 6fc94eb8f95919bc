//! Small things that both threads need from the browser.
use js_sys::{Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};
use wasm_bindgen_futures::JsFuture;

/// A property of the global object, where it is there: the way to ask whether this browser can do something.
pub(crate) fn global(name: &str) -> Option<JsValue> {
    property(&js_sys::global(), name)
}

/// A property that may be missing.
pub(crate) fn property(object: &JsValue, name: &str) -> Option<JsValue> {
    Reflect::get(object, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

/// Ends after so many milliseconds.
pub(crate) async fn sleep(ms: i32) {
    let promise = Promise::new(&mut |resolve: Function, _| {
        let set_timeout: Function =
            global("setTimeout").expect("every global scope has setTimeout").unchecked_into();
        let _ = set_timeout.call2(&JsValue::UNDEFINED, &resolve, &ms.into());
    });
    let _ = JsFuture::from(promise).await;
}

/// Fills the bytes from the browser's cryptographic generator, which insecure pages have, too.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let crypto: web_sys::Crypto = global("crypto").expect("every browser has crypto").unchecked_into();
    crypto.get_random_values_with_u8_array(&mut bytes).expect("fewer than 65,536 bytes are asked for");
    bytes
}

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = ArrayBuffer)]
    type Room;
    #[wasm_bindgen(constructor, catch, js_class = "ArrayBuffer")]
    fn new(len: f64) -> Result<Room, JsValue>;
}

/// Has the collector come by sooner, after `bytes` of messages.
///
/// In Chromium it waits for tens of MiB of buffers. It sees this one too, of which no page is ever touched.
pub(crate) fn hurry_collector(bytes: u32) {
    let _ = Room::new(4.0 * f64::from(bytes)); // if there is not as much room, nothing is hurried
}

/// Leaves a line for whoever looks for what went wrong.
pub(crate) fn log(line: &str) {
    web_sys::console::error_1(&line.into());
}

/// What a thrown value says.
pub(crate) fn said(error: &JsValue) -> String {
    match property(error, "message").and_then(|message| message.as_string()) {
        Some(message) => message,
        None => format!("{error:?}"),
    }
}

/// The `name` of a DOMException: `NotReadableError`, …
pub(crate) fn kind(error: &JsValue) -> String {
    property(error, "name").and_then(|name| name.as_string()).unwrap_or_default()
}
