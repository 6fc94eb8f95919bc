//! The page's state.
use super::{bridge::Bridge, call::Call, capability, choose::Chosen, document, download, rtc::Path, window};
use crate::{
    messages::{Offer, Progress},
    strings,
    text::t,
};
use beeline_core::code::Code;
use leptos::prelude::*;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

/// Where the page is. The names are those of `<main data-state>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Landing,
    Invited,
    Waiting,
    Several,
    Joining,
    Connecting,
    Incoming,
    Moving,
    Done,
    Failed,
    Unsupported,
}

impl Stage {
    /// For the style sheet and for tests.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Landing => "landing",
            Self::Invited => "invited",
            Self::Waiting => "waiting",
            Self::Several => "several",
            Self::Joining => "joining",
            Self::Connecting => "connecting",
            Self::Incoming => "incoming",
            Self::Moving => "moving",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Unsupported => "unsupported",
        }
    }
}

/// Where received files go in this browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saving {
    /// The service worker is being asked.
    Unknown,
    /// Streamed to the download manager.
    Stream,
    /// Kept in the browser's own storage, which has room for so many bytes.
    Private(u64),
    /// Kept in memory, and so limited.
    Memory,
}

impl Saving {
    /// Bytes that can be kept there, where it is known.
    pub(super) const fn room(self) -> Option<u64> {
        match self {
            Self::Unknown | Self::Stream => None,
            Self::Private(room) => Some(room),
            Self::Memory => Some(crate::sink::BLOB_CAP),
        }
    }
}

/// Something to read: what happened, and what helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) what: String,
    pub(super) hint: Option<String>,
    /// Whether a person wanted it so: then it is no failure, and is not called one.
    pub(super) wanted: bool,
}

impl From<strings::Told> for Trouble {
    fn from((what, hint): strings::Told) -> Self {
        Self { what, hint, wanted: false }
    }
}

/// A file that arrived, here or there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileDone {
    pub(super) path: String,
    pub(super) digest: String,
}

/// All state of the page; a handle, cheap to copy.
#[derive(Clone, Copy)]
pub(super) struct App {
    pub(super) stage: RwSignal<Stage>,
    /// What is to be sent. Until somebody joins it may change.
    pub(super) chosen: RwSignal<Vec<Chosen>, LocalStorage>,
    /// A text that is to be sent instead.
    pub(super) text: RwSignal<Option<String>>,
    pub(super) code: RwSignal<Option<String>>,
    /// Whether more than one may come.
    pub(super) several: RwSignal<bool>,
    /// Flips whenever something about those who came then changes; `receivers.rs` has them.
    pub(super) receivers: RwSignal<bool>,
    /// The other side's name, escaped.
    pub(super) peer: RwSignal<Option<String>>,
    pub(super) sas: RwSignal<Option<String>>,
    /// Whether files can go either way now.
    pub(super) connected: RwSignal<bool>,
    /// Whether nothing has been heard for a while.
    pub(super) lost: RwSignal<bool>,
    /// How the connection goes.
    pub(super) path: RwSignal<Option<Path>>,
    /// Whether this side lets the transfer stand still.
    pub(super) paused_here: RwSignal<bool>,
    /// Whether the other side does.
    pub(super) paused_there: RwSignal<bool>,
    /// What is offered now.
    pub(super) offer: RwSignal<Option<Offer>>,
    /// Offers of the other side that came while another was on the page.
    pub(super) queue: RwSignal<Vec<Offer>>,
    /// Whether it is this side's.
    pub(super) outgoing: RwSignal<bool>,
    pub(super) progress: RwSignal<Progress>,
    pub(super) files_done: RwSignal<Vec<FileDone>>,
    pub(super) texts: RwSignal<Vec<String>>,
    pub(super) trouble: RwSignal<Option<Trouble>>,
    /// A sentence beside the matter in hand: a wrong guess, a code that is none.
    pub(super) notice: RwSignal<Option<String>>,
    pub(super) saving: RwSignal<Saving>,
    /// Camera and microphone beside the transfer.
    pub(super) call: Call,
    /// Whether the person chose where the files of this transfer go.
    pub(super) into_chosen: RwSignal<bool>,
    /// A finished Blob and its name.
    pub(super) saved: RwSignal<Option<(String, web_sys::Blob)>, LocalStorage>,
    pub(super) bridge: StoredValue<Option<Rc<Bridge>>, LocalStorage>,
}

/// The code of a link survives a reload here.
const STORED_CODE: &str = "beeline-code";

impl App {
    /// The state of a fresh page; a code in the address makes it an invitation.
    pub(super) fn new(module: JsValue) -> Self {
        let missing = capability::missing();
        let code = take_code();
        let stage = match (&missing[..], &code) {
            ([_, ..], _) => Stage::Unsupported,
            ([], Some(_)) => Stage::Invited,
            ([], None) => Stage::Landing,
        };
        let trouble = (!missing.is_empty()).then(|| Trouble {
            what: t!("missing", what = missing.join(", ")),
            hint: Some(t!("missing_hint")),
            wanted: false,
        });
        let app = Self {
            stage: RwSignal::new(stage),
            chosen: RwSignal::new_local(Vec::new()),
            text: RwSignal::new(None),
            code: RwSignal::new(code),
            several: RwSignal::new(false),
            receivers: RwSignal::new(false),
            peer: RwSignal::new(None),
            sas: RwSignal::new(None),
            connected: RwSignal::new(false),
            lost: RwSignal::new(false),
            path: RwSignal::new(None),
            paused_here: RwSignal::new(false),
            paused_there: RwSignal::new(false),
            offer: RwSignal::new(None),
            queue: RwSignal::new(Vec::new()),
            outgoing: RwSignal::new(false),
            progress: RwSignal::new(Progress::default()),
            files_done: RwSignal::new(Vec::new()),
            texts: RwSignal::new(Vec::new()),
            trouble: RwSignal::new(trouble),
            notice: RwSignal::new(None),
            saving: RwSignal::new(Saving::Unknown),
            call: Call::new(),
            into_chosen: RwSignal::new(false),
            saved: RwSignal::new_local(None),
            bridge: StoredValue::new_local(None),
        };
        if stage == Stage::Unsupported {
            document().body().expect("a page has a body").set_attribute("data-ready", "1").ok();
        } else {
            app.bridge.set_value(Some(Bridge::new(app, module)));
            spawn_local(async move {
                let saving = match download::prepare().await {
                    true => Saving::Stream,
                    false => capability::private_room().await.map_or(Saving::Memory, Saving::Private),
                };
                app.saving.set(saving);
            });
        }
        app
    }
}

/// The code of the link that opened the page. It leaves the address bar at once, so that no screenshot or
/// history keeps it, and stays for a reload.
fn take_code() -> Option<String> {
    let location = window().location();
    let storage = window().session_storage().ok().flatten();
    let fragment = location.hash().ok().filter(|fragment| fragment.len() > 1);
    if let Some(fragment) = fragment {
        let address = location.pathname().unwrap_or_default() + &location.search().unwrap_or_default();
        if let Ok(history) = window().history() {
            let _ = history.replace_state_with_url(&JsValue::NULL, "", Some(&address));
        }
        let code = Code::parse(&fragment).ok().map(|code| code.to_string());
        if let (Some(storage), Some(code)) = (&storage, &code) {
            let _ = storage.set_item(STORED_CODE, code);
        }
        return code;
    }
    storage?.get_item(STORED_CODE).ok().flatten()
}

/// A reload does not invite again: the code is spent, or not wanted.
pub(super) fn forget_code() {
    if let Ok(Some(storage)) = window().session_storage() {
        let _ = storage.remove_item(STORED_CODE);
    }
}
