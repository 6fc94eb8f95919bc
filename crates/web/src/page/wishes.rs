//! What a person can want.
use super::{
    app::{App, Saving, Stage, forget_code},
    bridge::{Bridge, OWN},
    capability,
    choose::Chosen,
    clipboard, download, window,
};
use crate::{
    browser,
    messages::{Offer, Progress, ToWorker},
    strings,
    text::t,
    worker::manifest_of,
};
use beeline_core::{code::Code, manifest::Manifest, wire::signal::PeerId};
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

impl App {
    /// Takes files to be sent: over the connection there is, or in a room that is made for them. While a room
    /// waits they join what waits in it.
    pub(super) fn choose(self, mut chosen: Vec<Chosen>) {
        if chosen.is_empty() {
            return;
        }
        let waiting = self.stage.get_untracked() == Stage::Waiting;
        if waiting {
            // Chosen again is chosen anew.
            let mut before = self.chosen.get_untracked();
            before.retain(|old| chosen.iter().all(|new| new.path != old.path));
            before.append(&mut chosen);
            chosen = before;
        }
        if let Err(said) = manifest_of(chosen.iter().map(Chosen::as_pair)) {
            return self.notice.set(Some(t!("cannot_offer", said = strings::sentence(&said))));
        }
        self.text.set(None);
        self.chosen.set(chosen);
        if !waiting {
            self.begin();
        }
    }

    /// Takes a text to be sent, in the same way.
    pub(super) fn send_text(self, text: String) {
        if text.trim().is_empty() {
            return self.notice.set(Some(t!("text_empty")));
        }
        self.chosen.set(Vec::new());
        self.text.set(Some(text));
        self.begin();
    }

    /// Takes something out of what waits: a file, or a folder with all in it.
    pub(super) fn remove(self, top: &str) {
        self.chosen.update(|chosen| chosen.retain(|one| one.top() != top));
        self.notice.set(self.is_nothing_chosen().then(|| t!("nothing_left")));
    }

    /// Whether there is nothing to send.
    pub(super) fn is_nothing_chosen(self) -> bool {
        self.chosen.with_untracked(Vec::is_empty) && self.text.with_untracked(Option::is_none)
    }

    /// The list of what is chosen.
    pub(super) fn manifest(self) -> Option<Manifest> {
        self.chosen.with(|chosen| manifest_of(chosen.iter().map(Chosen::as_pair)).ok())
    }

    /// Somebody is there: what was chosen is offered, and can't be changed any more.
    pub(super) fn offer_chosen(self) {
        self.offer_chosen_to(OWN);
    }

    /// The same for one of several.
    pub(super) fn offer_chosen_to(self, guest: PeerId) {
        if let Some(text) = self.text.get_untracked() {
            return self.bridge().send(guest, &ToWorker::Text { text }, &JsValue::NULL);
        }
        let chosen = self.chosen.get_untracked();
        let files: js_sys::Array =
            chosen.iter().map(|c| c.file.clone().map_or(JsValue::NULL, JsValue::from)).collect();
        let paths = chosen.into_iter().map(|c| c.path).collect();
        self.bridge().send(guest, &ToWorker::Offer { paths }, &files);
    }

    /// The same once more, for somebody else.
    pub(super) fn send_on(self) {
        let (chosen, text) = (self.chosen.get_untracked(), self.text.get_untracked());
        self.again();
        self.chosen.set(chosen);
        self.text.set(text);
        self.begin();
    }

    /// Joins the room of a code as it was typed.
    pub(super) fn join(self, typed: &str) {
        match Code::parse(typed) {
            Ok(code) => {
                self.notice.set(None);
                self.code.set(Some(code.to_string()));
                self.stage.set(Stage::Joining);
                let (name, lanes) = (capability::device_name(), capability::lanes());
                let join = ToWorker::Join { name, code: code.to_string(), lanes };
                self.tell(&join, &JsValue::NULL);
            }
            Err(error) => self.notice.set(Some(strings::no_code(&error))),
        }
    }

    /// Takes what is offered. Called within the click, because a download may need one.
    pub(super) fn accept(self) {
        let Some(offer) = self.offer.get_untracked() else { return };
        let saving = self.saving.get_untracked();
        let streams = saving == Saving::Stream;
        self.into_chosen.set(false);
        spawn_local(async move {
            let accept = ToWorker::Accept { transfer: offer.transfer };
            let size = if offer.archive { None } else { offer.bytes };
            let download = if streams { download::register(&offer.save_as, size).await } else { None };
            match download {
                Some((port, id)) => {
                    self.bridge().send_with_transfer(&accept, &port);
                    download::open(&id);
                }
                None if matches!(saving, Saving::Private(_)) => self.tell(&accept, &"private".into()),
                None => self.tell(&accept, &JsValue::NULL),
            }
        });
        self.started();
    }

    /// Takes what is offered to where the person chooses now: a folder for several files, else a file. Called
    /// within the click, because else no dialog opens.
    pub(super) fn accept_into(self) {
        let Some(offer) = self.offer.get_untracked() else { return };
        let Some(chosen) = capability::choose_where(offer.archive, &offer.save_as) else { return };
        spawn_local(async move {
            match JsFuture::from(chosen).await {
                Ok(handle) => {
                    self.into_chosen.set(true);
                    self.tell(&ToWorker::Accept { transfer: offer.transfer }, &handle);
                    self.started();
                }
                Err(error) if browser::kind(&error) == "AbortError" => {} // the dialog was closed
                Err(error) => self.notice.set(Some(browser::said(&error))),
            }
        });
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
        self.call.end();
        self.tell(&ToWorker::Close, &JsValue::NULL);
        self.bridge().restart(self);
        self.chosen.set(Vec::new());
        self.text.set(None);
        self.code.set(None);
        self.several.set(false);
        self.forget_receivers();
        self.peer.set(None);
        self.sas.set(None);
        self.connected.set(false);
        self.lost.set(false);
        self.path.set(None);
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
        let bytes = self.offer.with(|offer| offer.as_ref().and_then(|offer: &Offer| offer.bytes));
        let room = self.saving.get().room();
        bytes.zip(room).is_some_and(|(bytes, room)| bytes > room)
    }

    /// Copies a text, or selects it where the browser does not let a page copy.
    pub(super) fn copy(self, text: String, element: &'static str) {
        spawn_local(async move {
            let copied = clipboard::copy(&text, element).await;
            self.notice.set(Some(if copied { t!("copied") } else { t!("copy_yourself") }));
        });
    }

    /// Asks the connection how it goes.
    pub(super) fn look_at_path(self) {
        let bridge = self.bridge();
        spawn_local(async move {
            if let Some(path) = bridge.path().await {
                self.path.set(Some(path));
            }
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
        self.bridge().send(OWN, message, extra);
    }

    pub(super) fn bridge(self) -> Rc<Bridge> {
        self.bridge.get_untracked().expect("a page that offers anything has its worker")
    }

    fn begin(self) {
        self.outgoing.set(true);
        self.notice.set(None);
        if self.connected.get_untracked() {
            self.stage.set(Stage::Connecting);
            self.offer_chosen();
        } else {
            self.stage.set(Stage::Waiting);
            let (name, lanes) = (capability::device_name(), capability::lanes());
            self.tell(&ToWorker::Open { name, lanes }, &JsValue::NULL);
        }
    }
}
