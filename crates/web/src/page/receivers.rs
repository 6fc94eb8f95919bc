//! Those who come where several may: what happened to each, in a word.
use super::{
    app::{App, Stage},
    format,
};
use crate::{
    messages::{Ended, Progress, ToPage, ToWorker},
    strings,
    text::{n, t},
};
use beeline_core::{quote::quote, wire::signal::PeerId};
use leptos::prelude::*;
use wasm_bindgen::JsValue;

/// How far one of them is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Going {
    Connecting,
    /// Its person is asked to accept.
    Asked,
    Moving(Progress),
    Done,
    /// It got nothing, or not all: why.
    Ended(String),
}

/// One of several receivers. A handle, cheap to copy.
#[derive(Clone, Copy)]
pub(super) struct Receiver {
    pub(super) guest: PeerId,
    /// How it calls itself, escaped.
    pub(super) name: StoredValue<String>,
    pub(super) sas: RwSignal<String>,
    pub(super) going: RwSignal<Going>,
    /// Whether its person lets it stand still.
    paused: RwSignal<bool>,
    /// Whether nothing has been heard of it for a while.
    lost: RwSignal<bool>,
}

impl Receiver {
    pub(super) fn is_under_way(&self) -> bool {
        self.going.with(|going| !matches!(going, Going::Done | Going::Ended(_)))
    }

    /// The word at the end of its line.
    pub(super) fn word(&self) -> String {
        self.going.with(|going| match going {
            Going::Done => t!("delivered"),
            Going::Ended(why) => why.clone(),
            _ if self.lost.get() => t!("interrupted"),
            Going::Connecting => t!("receiver_connecting"),
            Going::Asked => t!("receiver_asked"),
            Going::Moving(_) if self.paused.get() => t!("paused"),
            Going::Moving(progress) => match progress.total {
                Some(total) => format!("{}\u{a0}%", progress.bytes * 100 / total.max(1)),
                None => format::bytes(progress.bytes),
            },
        })
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

    /// Stops one of them.
    pub(super) fn stop(self, receiver: Receiver) {
        receiver.going.set(Going::Ended(t!("cancelled_here")));
        self.dismiss(receiver.guest);
    }

    /// The code is no good any more, or the server is gone; what is under way goes on.
    pub(super) fn nobody_else(self, why: &Ended) {
        self.several.set(false);
        if !matches!(why, Ended::Bye | Ended::Here) {
            self.notice.set(Some(strings::sentence(&strings::ended(why).0)));
        }
    }

    /// One message of the worker about one of several.
    pub(super) fn heard_of(self, guest: PeerId, message: ToPage) {
        if let ToPage::Peer { name } = message {
            return self.welcome(guest, &name);
        }
        let found = self.receivers.with_untracked(|all| all.iter().find(|one| one.guest == guest).copied());
        let Some(one) = found.filter(|one| untrack(|| one.is_under_way())) else { return };
        let end = |how: Going| {
            one.going.set(how);
            self.dismiss(guest); // its seat is for the next
        };
        match message {
            ToPage::Sas { words } => one.sas.set(words),
            ToPage::Connected => one.going.set(Going::Asked),
            ToPage::PathLost => one.lost.set(true),
            ToPage::PathBack => one.lost.set(false),
            ToPage::Accepted { .. } => one.going.set(Going::Moving(Progress::default())),
            ToPage::Progress(progress) => one.going.set(Going::Moving(progress)),
            ToPage::Paused { paused, here: false, .. } => one.paused.set(paused),
            ToPage::Done { .. } => end(Going::Done),
            ToPage::Declined { message, .. } => {
                end(Going::Ended(strings::declined(&one.name.get_value(), &quote(&message)).0));
            }
            ToPage::Failed { failure, .. } => end(Going::Ended(strings::failure(&failure).0)),
            ToPage::NotOffered { why } => end(Going::Ended(strings::sentence(&why))),
            ToPage::Closed(why) => one.going.set(Going::Ended(strings::ended(&why).0)),
            // Here is only sent; a text needs no answer.
            ToPage::Offered(offer) => {
                let decline = ToWorker::Decline { transfer: offer.transfer };
                self.bridge().send(guest, &decline, &JsValue::NULL);
            }
            ToPage::Text { text } => self.texts.update(|texts| texts.push(text)),
            _ => {}
        }
    }

    fn welcome(self, guest: PeerId, name: &str) {
        let receiver = Receiver {
            guest,
            name: StoredValue::new(quote(name)),
            sas: RwSignal::new(String::new()),
            going: RwSignal::new(Going::Connecting),
            paused: RwSignal::new(false),
            lost: RwSignal::new(false),
        };
        self.notice.set(None);
        self.receivers.update(|all| all.push(receiver));
        self.stage.set(Stage::Several);
        self.offer_chosen_to(guest);
    }

    fn dismiss(self, guest: PeerId) {
        self.bridge().send(guest, &ToWorker::Close, &JsValue::NULL);
    }
}

/// Whether bytes would be lost by leaving.
pub(super) fn any_under_way(app: App) -> bool {
    app.receivers.with(|all| all.iter().any(Receiver::is_under_way))
}

/// How many have it all.
pub(super) fn delivered(app: App) -> String {
    let done = app.receivers.with(|all| all.iter().filter(|one| one.going.get() == Going::Done).count());
    if done == 0 { String::new() } else { n!("delivered_to", done as u32) }
}

/// How far all are together, from 0 to 1.
pub(super) fn fraction(app: App) -> f64 {
    let of_one = |one: &Receiver| {
        one.going.with(|going| match going {
            Going::Done => Some(1.0),
            Going::Moving(progress) => {
                progress.total.map(|total| progress.bytes as f64 / total.max(1) as f64)
            }
            Going::Connecting | Going::Asked => Some(0.0),
            Going::Ended(_) => None,
        })
    };
    let all: Vec<f64> = app.receivers.with(|all| all.iter().filter_map(of_one).collect());
    all.iter().sum::<f64>() / all.len().max(1) as f64
}
