//! The worker: one session, or one for each of several receivers, driven by what the page, the socket and the clock report.
mod arrived;
mod channels;
mod clock;
mod driver;
mod events;
mod files;
mod guests;
mod socket;
mod source;
mod stream;
mod tell;

use crate::messages::{self, Message, ToPage};
use beeline_core::wire::signal::PeerId;
use driver::Driver;
use js_sys::ArrayBuffer;
pub(crate) use source::manifest_of;
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{DedicatedWorkerGlobalScope, MessageEvent};

/// Listens to the page until the page ends this thread.
pub(crate) fn start() {
    let driver = Driver::new();
    let heard =
        Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| match messages::parse(event.data()) {
            Message::Control { guest, value, extra } => {
                if let Some(driver) = driver.of(guest) {
                    driver.page_said(value, extra);
                }
            }
            Message::Data { guest, lane, channel, bytes } => {
                if let Some(driver) = driver.of(guest) {
                    driver.channel_said(lane, channel, &bytes);
                }
            }
        });
    scope().set_onmessage(Some(heard.as_ref().unchecked_ref()));
    heard.forget(); // as long as the worker
    post(OWN, &ToPage::Ready, &JsValue::UNDEFINED);
}

fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// The page's own session: every other is a guest's.
const OWN: PeerId = 0;

/// Tells the page.
fn post(guest: PeerId, value: &ToPage, extra: &JsValue) {
    scope().post_message(&messages::control(guest, value, extra)).expect("our own messages can be cloned");
}

/// Has the page send this on a channel that it kept.
fn post_data(guest: PeerId, lane: u8, channel: u16, bytes: &ArrayBuffer) {
    scope()
        .post_message_with_transfer(&messages::data(guest, lane, channel, bytes), &js_sys::Array::of1(bytes))
        .expect("a fresh buffer can be transferred");
}
