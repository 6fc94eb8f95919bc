//! Those who come where several may: what happened to each, in a word.
use super::{
    app::{App, Stage},
    format,
};
use crate::{
    messages::{Ended, Failure, Progress, ToPage, ToWorker},
    strings,
    text::{n, t},
};
use beeline_core::{quote::quote, wire::signal::PeerId};
use std::cell::RefCell;
use wasm_bindgen::JsValue;

thread_local! {
    // Not in a signal: one of a type of its own is 3 kB of the page.
    static ALL: RefCell<Vec<Receiver>> = const { RefCell::new(Vec::new()) };
}

/// How far one of them is.
#[derive(Debug)]
pub(super) enum Going {
    Connecting,
    /// Its person is asked to accept.
    Asked,
    Moving(Progress),
    Done,
    /// It got nothing, or not all: why.
    Ended(String),
}

/// One of several receivers.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) guest: PeerId,
    /// How it calls itself, escaped.
    pub(super) name: String,
    pub(super) sas: String,
    pub(super) going: Going,
    /// Whether its person lets it stand still.
    paused: bool,
    /// Whether nothing has been heard of it for a while.
    lost: bool,
}

impl Receiver {
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self.going, Going::Done | Going::Ended(_))
    }

    /// For the style sheet and for tests.
    pub(super) fn state(&self) -> &'static str {
        match self.going {
            Going::Done => "done",
            Going::Ended(_) => "ended",
            _ => "under-way",
        }
    }

    /// The word at the end of its line.
    pub(super) fn word(&self) -> String {
        match &self.going {
            Going::Done => t!("delivered"),
            Going::Ended(why) => why.clone(),
            _ if self.lost => t!("interrupted"),
            Going::Connecting => t!("receiver_connecting"),
            Going::Asked => t!("receiver_asked"),
            Going::Moving(_) if self.paused => t!("paused"),
            Going::Moving(progress) => match progress.total {
                Some(total) => format!("{}\u{a0}%", progress.bytes * 100 / total.max(1)),
                None => format::bytes(progress.bytes),
            },
        }
    }

    /// What the worker says of it.
    fn heard(&mut self, message: ToPage) {
        match message {
            ToPage::Sas { words } => self.sas = words,
            ToPage::Connected => self.going = Going::Asked,
            ToPage::PathLost => self.lost = true,
            ToPage::PathBack => self.lost = false,
            ToPage::Accepted { .. } => self.going = Going::Moving(Progress::default()),
            ToPage::Progress(progress) => self.going = Going::Moving(progress),
            ToPage::Paused { paused, here: false, .. } => self.paused = paused,
            ToPage::Done { .. } => self.going = Going::Done,
            ToPage::Declined { message, .. } => {
                self.going = Going::Ended(strings::declined(&self.name, &quote(&message)).0);
            }
            ToPage::Failed { failure, .. } => self.going = Going::Ended(strings::failure(&failure).0),
            ToPage::NotOffered { why } => self.going = Going::Ended(strings::sentence(&why)),
            ToPage::Closed(why) => self.going = Going::Ended(strings::ended(&why).0),
            _ => {}
        }
    }
}

impl App {
    /// Whether more than one may come.
    pub(super) fn admit_several(self, several: bool) {
        self.several.set(several);
        self.tell(&ToWorker::AdmitSeveral { several }, &JsValue::NULL);
    }

    /// Those who are there go on; nobody else comes in.
    pub(super) fn admit_nobody(self) {
        self.several.set(false);
        self.tell(&ToWorker::AdmitNobody, &JsValue::NULL);
    }

    /// The code is no good any more, or the server is gone; what is under way goes on.
    pub(super) fn nobody_else(self, why: &Ended) {
        self.several.set(false);
        if !matches!(why, Ended::Bye | Ended::Here) {
            self.notice.set(Some(strings::sentence(&strings::ended(why).0)));
        }
    }

    /// Stops one of them.
    pub(super) fn stop(self, guest: PeerId) {
        self.change(guest, ToPage::Failed { transfer: 0, failure: Failure::CancelledHere });
    }

    /// One message of the worker about one of several.
    pub(super) fn heard_of(self, guest: PeerId, message: ToPage) {
        match message {
            ToPage::Peer { .. } => {
                self.change(guest, message);
                self.notice.set(None);
                self.stage.set(Stage::Several);
                self.offer_chosen_to(guest);
            }
            // Here is only sent; a text needs no answer.
            ToPage::Offered(offer) => {
                let decline = ToWorker::Decline { transfer: offer.transfer };
                self.bridge().send(guest, &decline, &JsValue::NULL);
            }
            ToPage::Text { text } => self.texts.update(|texts| texts.push(text)),
            message => self.change(guest, message),
        }
    }

    /// Whoever comes next is the first.
    pub(super) fn forget_receivers(self) {
        ALL.with_borrow_mut(Vec::clear);
        self.changed();
    }

    fn changed(self) {
        self.receivers.set(!self.receivers.get_untracked());
    }

    fn change(self, guest: PeerId, message: ToPage) {
        let is_over = ALL.with_borrow_mut(|all| match message {
            ToPage::Peer { name } => {
                let (name, going) = (quote(&name), Going::Connecting);
                all.push(Receiver { guest, name, sas: String::new(), going, paused: false, lost: false });
                false
            }
            message => {
                let one = all.iter_mut().find(|one| one.guest == guest && one.is_under_way());
                one.is_some_and(|one| {
                    one.heard(message);
                    !one.is_under_way()
                })
            }
        });
        self.changed();
        if is_over {
            // Its seat is for the next.
            self.bridge().send(guest, &ToWorker::Close, &JsValue::NULL);
        }
    }
}

/// Looks at all of them, and again when something changes.
pub(super) fn look(app: App, at: &mut dyn FnMut(&Receiver)) {
    app.receivers.get();
    ALL.with_borrow(|all| all.iter().for_each(at));
}

/// How many have come.
pub(super) fn count(app: App) -> usize {
    app.receivers.get();
    ALL.with_borrow(Vec::len)
}

/// Looks at one of them, by the order in which they came, and again when something changes.
pub(super) fn with<T>(app: App, at: usize, act: impl FnOnce(&Receiver) -> T) -> Option<T> {
    app.receivers.get();
    ALL.with_borrow(|all| all.get(at).map(act))
}

/// Whether somebody would miss something if the page went away.
pub(super) fn any_under_way(app: App) -> bool {
    let mut any = false;
    look(app, &mut |one| any |= one.is_under_way());
    any
}

/// How many have it all.
pub(super) fn delivered(app: App) -> String {
    let mut done = 0;
    look(app, &mut |one| done += u32::from(matches!(one.going, Going::Done)));
    n!("delivered_to", done)
}

/// How far all are together, from 0 to 1.
pub(super) fn fraction(app: App) -> f64 {
    let (mut sum, mut count) = (0.0, 0.0);
    look(app, &mut |one| {
        let part = match one.going {
            Going::Done => 1.0,
            Going::Moving(progress) => progress.bytes as f64 / progress.total.unwrap_or(0).max(1) as f64,
            Going::Connecting | Going::Asked => 0.0,
            Going::Ended(_) => return,
        };
        sum += part;
        count += 1.0;
    });
    if count > 0.0 { sum / count } else { 0.0 }
}
