//! How a browser does it: the page and its worker, one wasm for both.
//!
//! ```text
//! page thread                                     worker thread
//! page/      what a person sees                    worker/   the core's session, socket, files, clock
//! page/rtc   RTCPeerConnection                    sink/     downloads: streamed, or a Blob
//!      ├──────────────────────── messages: tagged arrays ──────────────────────────────────┤
//!      └──── channel: a data channel, which the page makes and the worker has if it can ───┘
//! ```
//!
//! Connections exist on the page only; everything that costs time is in the worker, so that the page stays
//! responsive whatever the line carries.
mod browser;
mod channel;
mod messages;
mod page;
mod sink;
mod strings;
mod text;
mod worker;

use wasm_bindgen::prelude::*;

/// Mounts the page; its worker is started with this wasm, compiled. `texts` is the parsed language file, `tag`
/// the language.
#[wasm_bindgen]
pub fn start_page(texts: &JsValue, tag: &str) {
    console_error_panic_hook::set_once(); // else a panic is only "unreachable executed"
    text::set_language(texts, tag);
    page::start(wasm_bindgen::module());
}

/// Offers files, or else a text, that came from outside of the page: an installed page is given them by the system.
#[wasm_bindgen]
pub fn take(files: Vec<web_sys::File>, text: String) {
    page::take(files, text);
}

/// Makes this thread, a dedicated worker, serve the page.
#[wasm_bindgen]
pub fn start_worker() {
    console_error_panic_hook::set_once();
    worker::start();
}
