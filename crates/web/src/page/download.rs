//! Downloads through the service worker, and from a Blob.
use super::{document, window};
use crate::browser;
use futures_channel::oneshot;
use futures_util::future::{Either, pending, select};
use js_sys::{Array, Object, Reflect};
use std::{cell::RefCell, pin::pin, rc::Rc};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Blob, HtmlAnchorElement, HtmlElement, HtmlIFrameElement, MessageChannel, MessageEvent, MessagePort,
    ServiceWorker, ServiceWorkerRegistration, Url,
};

/// How long the service worker may take to start or answer before a Blob is used instead.
const PATIENCE_MS: i32 = 5_000;
/// A Blob's address may go once the browser has certainly begun to read it.
const REVOKE_MS: i32 = 60_000;

thread_local! {
    static SERVICE: RefCell<Option<ServiceWorker>> = const { RefCell::new(None) };
}

/// Starts the service worker; whether downloads can be streamed. Never so on an insecure page.
pub(super) async fn prepare() -> bool {
    let navigator = window().navigator();
    if browser::property(&navigator, "serviceWorker").is_none() {
        return false;
    }
    let container = navigator.service_worker();
    let registered = JsFuture::from(container.register("sw.js"));
    let Ok(ready) = container.ready() else { return false };
    // One that runs already is ready at once. Registering it again need not be: in Chromium that was seen to take three
    // seconds after a page was left in the middle of a download.
    let refused = pin!(async {
        if registered.await.is_ok() {
            pending::<()>().await;
        }
    });
    let patience = pin!(browser::sleep(PATIENCE_MS));
    let given_up = select(refused, patience);
    let Either::Left((Ok(registration), _)) = select(JsFuture::from(ready), given_up).await else {
        return false;
    };
    let service = registration.unchecked_into::<ServiceWorkerRegistration>().active();
    SERVICE.set(service);
    SERVICE.with_borrow(Option::is_some)
}

/// Announces a download; the port to feed it, and its id.
pub(super) async fn register(name: &str, size: Option<u64>) -> Option<(MessagePort, String)> {
    let service = SERVICE.with_borrow(Clone::clone)?;
    let id: String = browser::random::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    let channel = MessageChannel::new().ok()?;
    let (ours, theirs) = (channel.port1(), channel.port2());
    let (sender, registered) = oneshot::channel();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let heard = Closure::<dyn FnMut(_)>::new(move |_: MessageEvent| {
        if let Some(sender) = sender.borrow_mut().take() {
            let _ = sender.send(());
        }
    });
    ours.set_onmessage(Some(heard.as_ref().unchecked_ref()));
    let download = object(&[
        ("type", "download".into()),
        ("id", id.as_str().into()),
        ("name", name.into()),
        ("size", size.map_or(JsValue::NULL, |size| JsValue::from_f64(size as f64))),
    ]);
    service.post_message_with_transferable(&download, &Array::of1(&theirs)).ok()?;
    let patience = pin!(browser::sleep(PATIENCE_MS));
    let answered = select(registered, patience).await;
    ours.set_onmessage(None);
    matches!(answered, Either::Left((Ok(()), _))).then_some((ours, id))
}

/// Has the browser begin the download that was announced. A frame, so that the page stays.
pub(super) fn open(id: &str) {
    let frame: HtmlIFrameElement =
        document().create_element("iframe").expect("\"iframe\" is a valid name").unchecked_into();
    frame.set_hidden(true);
    frame.set_title("download");
    frame.set_src(&format!("dl/{id}/"));
    let body: HtmlElement = document().body().expect("a page has a body");
    let _ = body.append_child(&frame);
    spawn_local(async move {
        browser::sleep(REVOKE_MS).await;
        frame.remove();
    });
}

/// Keeps the service worker from being stopped while a download is slow.
pub(super) fn keep_alive() {
    SERVICE.with_borrow(|service| {
        if let Some(service) = service {
            let _ = service.post_message(&object(&[("type", "alive".into())]));
        }
    });
}

/// Saves a Blob under a name.
pub(super) fn save(name: &str, blob: &Blob) {
    let Ok(url) = Url::create_object_url_with_blob(blob) else { return };
    let link: HtmlAnchorElement =
        document().create_element("a").expect("\"a\" is a valid name").unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    spawn_local(async move {
        browser::sleep(REVOKE_MS).await;
        let _ = Url::revoke_object_url(&url);
    });
}

fn object(fields: &[(&str, JsValue)]) -> Object {
    let object = Object::new();
    for (name, value) in fields {
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object
}
