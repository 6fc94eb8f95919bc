//! What this browser can do, asked before anything is offered.
use super::window;
use crate::{browser, text::t};
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::StorageManager;

/// What is missing for any transfer, in words; nothing: all is there.
pub(super) fn missing() -> Vec<String> {
    let mut missing = Vec::new();
    let connection = browser::global("RTCPeerConnection");
    let prototype = connection.as_ref().and_then(|rtc| browser::property(rtc, "prototype"));
    if connection.is_none() {
        missing.push(t!("needs_webrtc"));
    } else if prototype.and_then(|p| browser::property(&p, "createDataChannel")).is_none() {
        missing.push(t!("needs_channels"));
    }
    if browser::global("Worker").is_none() {
        missing.push(t!("needs_worker"));
    }
    missing
}

/// Whether everybody on the way could have changed this page.
pub(super) fn is_plain_http() -> bool {
    let location = window().location();
    let local = matches!(location.hostname().as_deref(), Ok("localhost" | "127.0.0.1" | "[::1]"));
    location.protocol().is_ok_and(|protocol| protocol == "http:") && !local
}

/// Bytes that the browser's own storage has room for; `None` where there is none: on an insecure page, or in a
/// private window.
pub(super) async fn private_room() -> Option<u64> {
    let navigator = window().navigator();
    let storage: StorageManager = browser::property(&navigator, "storage")?.unchecked_into();
    browser::property(&storage, "getDirectory")?;
    JsFuture::from(storage.get_directory()).await.ok()?;
    let estimate = JsFuture::from(storage.estimate().ok()?).await.ok()?;
    let bytes = |name: &str| browser::property(&estimate, name).and_then(|bytes| bytes.as_f64());
    // The second file is the download, on the same disk.
    Some(((bytes("quota")? - bytes("usage").unwrap_or(0.0)).max(0.0) / 2.0) as u64)
}

/// Whether this browser lets a person choose a file to write (`false`) or a folder (`true`).
pub(super) fn can_choose(folder: bool) -> bool {
    browser::global(picker(folder)).is_some()
}

const fn picker(folder: bool) -> &'static str {
    if folder { "showDirectoryPicker" } else { "showSaveFilePicker" }
}

/// Opens the browser's dialog for a folder, or for a file of this name. It opens only within a click.
pub(super) fn choose_where(folder: bool, name: &str) -> Option<Promise> {
    let options = Object::new();
    let _ = match folder {
        true => Reflect::set(&options, &"mode".into(), &"readwrite".into()),
        false => Reflect::set(&options, &"suggestedName".into(), &name.into()),
    };
    let picker: Function = browser::global(picker(folder))?.dyn_into().ok()?;
    picker.call1(&window(), &options).ok()?.dyn_into().ok()
}

/// Further lanes that are opened whatever they bring: `?lanes=4` in the address, for tests on lines that want fewer.
pub(super) fn lanes() -> u8 {
    let search = window().location().search().unwrap_or_default();
    let value = search.trim_start_matches('?').split('&').find_map(|part| part.strip_prefix("lanes="));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// Whether this browser has a share sheet.
pub(super) fn can_share() -> bool {
    browser::property(&window().navigator(), "share").is_some()
}

/// Whether a device of this name (see [`device_name`]) is held in a hand.
pub(super) fn is_phone(name: &str) -> bool {
    ["Android", "iPhone", "iPad"].iter().any(|system| name.contains(system))
}

/// What the other side calls this device: `Firefox on Android`.
pub(super) fn device_name() -> String {
    let agent = window().navigator().user_agent().unwrap_or_default();
    // The order matters: each of these claims to be those after it.
    let browsers = [
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Chrome/", "Chrome"),
        ("CriOS/", "Chrome"),
        ("Safari/", "Safari"),
    ];
    let systems = [
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "Mac"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    let find =
        |list: &[(&str, &'static str)]| list.iter().find(|(mark, _)| agent.contains(mark)).map(|x| x.1);
    match (find(&browsers), find(&systems)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Browser".to_owned(),
    }
}
