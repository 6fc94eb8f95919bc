//! The page's state.
use super::{
    bridge::Bridge, call::Call, capability, choose::Chosen, document, download, rtc::Path, ui::Signal, window,
};
use crate::{
    messages::{Offer, Progress},
    strings,
    text::t,
};
use beeline_core::code::Code;
use std::{cell::Cell, ops::Deref, rc::Rc};
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

/// A handle to all state of the page, which is there for as long as the page.
#[derive(Clone, Copy)]
pub(super) struct App(pub(super) &'static State);

impl Deref for App {
    type Target = State;

    fn deref(&self) -> &State {
        self.0
    }
}

/// All state of the page.
pub(super) struct State {
    pub(super) stage: Signal<Stage>,
    /// What is to be sent. Until somebody joins it may change.
    pub(super) chosen: Signal<Vec<Chosen>>,
    /// A text that is to be sent instead.
    pub(super) text: Signal<Option<String>>,
    pub(super) code: Signal<Option<String>>,
    /// Whether more than one may come.
    pub(super) several: Signal<bool>,
    /// Flips whenever something about those who came then changes; `receivers.rs` has them.
    pub(super) receivers: Signal<bool>,
    /// The other side's name, escaped.
    pub(super) peer: Signal<Option<String>>,
    pub(super) sas: Signal<Option<String>>,
    /// Whether files can go either way now.
    pub(super) connected: Signal<bool>,
    /// Whether nothing has been heard for a while.
    pub(super) lost: Signal<bool>,
    /// How the connection goes.
    pub(super) path: Signal<Option<Path>>,
    /// Whether this side lets the transfer stand still.
    pub(super) paused_here: Signal<bool>,
    /// Whether the other side does.
    pub(super) paused_there: Signal<bool>,
    /// What is offered now.
    pub(super) offer: Signal<Option<Offer>>,
    /// Offers of the other side that came while another was on the page.
    pub(super) queue: Signal<Vec<Offer>>,
    /// Whether it is this side's.
    pub(super) outgoing: Signal<bool>,
    pub(super) progress: Signal<Progress>,
    /// How often it was told.
    pub(super) told: Cell<u32>,
    pub(super) files_done: Signal<Vec<FileDone>>,
    pub(super) texts: Signal<Vec<String>>,
    pub(super) trouble: Signal<Option<Trouble>>,
    /// A sentence beside the matter in hand: a wrong guess, a code that is none.
    pub(super) notice: Signal<Option<String>>,
    pub(super) saving: Signal<Saving>,
    /// Camera and microphone beside the transfer.
    pub(super) call: Call,
    /// Whether the person chose where the files of this transfer go.
    pub(super) into_chosen: Signal<bool>,
    /// A finished Blob and its name.
    pub(super) saved: Signal<Option<(String, web_sys::Blob)>>,
    pub(super) bridge: Signal<Option<Rc<Bridge>>>,
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
        let app = Self(Box::leak(Box::new(State {
            stage: Signal::new(stage),
            chosen: Signal::new(Vec::new()),
            text: Signal::new(None),
            code: Signal::new(code),
            several: Signal::new(false),
            receivers: Signal::new(false),
            peer: Signal::new(None),
            sas: Signal::new(None),
            connected: Signal::new(false),
            lost: Signal::new(false),
            path: Signal::new(None),
            paused_here: Signal::new(false),
            paused_there: Signal::new(false),
            offer: Signal::new(None),
            queue: Signal::new(Vec::new()),
            outgoing: Signal::new(false),
            progress: Signal::new(Progress::default()),
            told: Cell::new(0),
            files_done: Signal::new(Vec::new()),
            texts: Signal::new(Vec::new()),
            trouble: Signal::new(trouble),
            notice: Signal::new(None),
            saving: Signal::new(Saving::Unknown),
            call: Call::new(),
            into_chosen: Signal::new(false),
            saved: Signal::new(None),
            bridge: Signal::new(None),
        })));
        if stage == Stage::Unsupported {
            document().body().expect("a page has a body").set_attribute("data-ready", "1").ok();
        } else {
            app.bridge.set(Some(Bridge::new(app, module)));
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
