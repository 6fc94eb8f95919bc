//! The page's state, and what a person can want.
use super::{bridge::Bridge, capability, choose::Chosen, clipboard, document, download, window};
use crate::{
    messages::{Offer, Progress, ToWorker},
    strings,
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
    /// Kept in memory, and so limited.
    Memory,
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
    pub(super) code: RwSignal<Option<String>>,
    /// The other side's name, escaped.
    pub(super) peer: RwSignal<Option<String>>,
    pub(super) sas: RwSignal<Option<String>>,
    /// Whether files can go either way now.
    pub(super) connected: RwSignal<bool>,
    /// Whether nothing has been heard for a while.
    pub(super) lost: RwSignal<bool>,
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
            what: strings::missing(&missing),
            hint: Some(strings::MISSING_HINT.to_owned()),
            wanted: false,
        });
        let app = Self {
            stage: RwSignal::new(stage),
            code: RwSignal::new(code),
            peer: RwSignal::new(None),
            sas: RwSignal::new(None),
            connected: RwSignal::new(false),
            lost: RwSignal::new(false),
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
            saved: RwSignal::new_local(None),
            bridge: StoredValue::new_local(None),
        };
        if stage == Stage::Unsupported {
            document().body().expect("a page has a body").set_attribute("data-ready", "1").ok();
        } else {
            app.bridge.set_value(Some(Bridge::new(app, module)));
            spawn_local(async move {
                let streams = download::prepare().await;
                app.saving.set(if streams { Saving::Stream } else { Saving::Memory });
            });
        }
        app
    }

    /// Offers files: makes a room for them, or sends them over the connection there is.
    pub(super) fn choose(self, chosen: Vec<Chosen>) {
        if chosen.is_empty() {
            return;
        }
        self.begin();
        let files: js_sys::Array =
            chosen.iter().map(|c| c.file.clone().map_or(JsValue::NULL, JsValue::from)).collect();
        let paths = chosen.into_iter().map(|c| c.path).collect();
        self.tell(&ToWorker::Offer { paths }, &files);
    }

    /// Sends a text in the same way.
    pub(super) fn send_text(self, text: String) {
        if text.trim().is_empty() {
            return self.notice.set(Some(strings::TEXT_EMPTY.to_owned()));
        }
        self.begin();
        self.tell(&ToWorker::Text { text }, &JsValue::NULL);
    }

    /// Joins the room of a code as it was typed.
    pub(super) fn join(self, typed: &str) {
        match Code::parse(typed) {
            Ok(code) => {
                self.notice.set(None);
                self.code.set(Some(code.to_string()));
                self.stage.set(Stage::Joining);
                let join = ToWorker::Join {
                    name: capability::device_name(),
                    code: code.to_string(),
                    lanes: capability::lanes(),
                };
                self.tell(&join, &JsValue::NULL);
            }
            Err(error) => self.notice.set(Some(strings::sentence(&error.to_string()))),
        }
    }

    /// Takes what is offered. Called within the click, because a download may need one.
    pub(super) fn accept(self) {
        let Some(offer) = self.offer.get_untracked() else { return };
        let streams = self.saving.get_untracked() == Saving::Stream;
        spawn_local(async move {
            let accept = ToWorker::Accept { transfer: offer.transfer };
            let size = if offer.archive { None } else { offer.bytes };
            let download = if streams { download::register(&offer.save_as, size).await } else { None };
            match download {
                Some((port, id)) => {
                    self.bridge().send_with_transfer(&accept, &port);
                    download::open(&id);
                }
                None => self.tell(&accept, &JsValue::NULL),
            }
        });
        self.started();
    }

    /// Does not want it.
    pub(super) fn decline(self) {
        if let Some(offer) = self.offer.get_untracked() {
            self.tell(&ToWorker::Decline { transfer: offer.transfer }, &JsValue::NULL);
        }
        self.again();
    }

    /// Stops what moves.
    pub(super) fn cancel(self) {
        if let Some(offer) = self.offer.get_untracked() {
            self.tell(&ToWorker::Cancel { transfer: offer.transfer }, &JsValue::NULL);
        }
    }

    /// Lets what moves stand still, or go on.
    pub(super) fn pause(self) {
        if let Some(offer) = self.offer.get_untracked() {
            let paused = !self.paused_here.get_untracked();
            self.tell(&ToWorker::Pause { transfer: offer.transfer, paused }, &JsValue::NULL);
        }
    }

    /// Back to the beginning: the session is ended, and a new worker waits.
    pub(super) fn again(self) {
        forget_code();
        self.tell(&ToWorker::Close, &JsValue::NULL);
        self.bridge().restart(self);
        self.code.set(None);
        self.peer.set(None);
        self.sas.set(None);
        self.connected.set(false);
        self.lost.set(false);
        self.offer.set(None);
        self.queue.set(Vec::new());
        self.files_done.set(Vec::new());
        self.texts.set(Vec::new());
        self.trouble.set(None);
        self.notice.set(None);
        self.saved.set(None);
        self.progress.set(Progress::default());
        self.stage.set(Stage::Landing);
    }

    /// The page is being left; whatever still gets out tells the other side.
    pub(super) fn leave(self) {
        self.tell(&ToWorker::Close, &JsValue::NULL);
    }

    /// The link that carries the code.
    pub(super) fn link(self) -> Option<String> {
        let code = Code::parse(&self.code.get()?).ok()?;
        let location = window().location();
        let folder = location.pathname().ok()?;
        let folder = folder.rsplit_once('/').map_or("", |(folder, _)| folder);
        Some(code.link(&format!("{}{folder}", location.origin().ok()?)))
    }

    /// Whether this offer is more than this browser can keep.
    pub(super) fn too_large(self) -> bool {
        let bytes = self.offer.with(|offer| offer.as_ref().and_then(|offer| offer.bytes));
        self.saving.get() == Saving::Memory && bytes.is_some_and(|bytes| bytes > crate::sink::BLOB_CAP)
    }

    /// Copies a text, or selects it where the browser does not let a page copy.
    pub(super) fn copy(self, text: String, element: &'static str) {
        spawn_local(async move {
            let copied = clipboard::copy(&text, element).await;
            self.notice.set(Some(if copied { strings::COPIED } else { strings::COPY_YOURSELF }.to_owned()));
        });
    }

    /// A transfer begins to move.
    pub(super) fn started(self) {
        self.progress.set(Progress::default());
        self.files_done.set(Vec::new());
        self.notice.set(None);
        self.paused_here.set(false);
        self.paused_there.set(false);
        self.stage.set(Stage::Moving);
    }

    pub(super) fn tell(self, message: &ToWorker, extra: &JsValue) {
        self.bridge().send(message, extra);
    }

    fn bridge(self) -> Rc<Bridge> {
        self.bridge.get_value().expect("a page that offers anything has its worker")
    }

    fn begin(self) {
        self.outgoing.set(true);
        self.notice.set(None);
        if self.connected.get_untracked() {
            self.stage.set(Stage::Connecting);
        } else {
            self.stage.set(Stage::Waiting);
            self.tell(
                &ToWorker::Open { name: capability::device_name(), lanes: capability::lanes() },
                &JsValue::NULL,
            );
        }
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
