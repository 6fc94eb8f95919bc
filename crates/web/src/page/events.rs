//! What the worker reports, and what the page makes of it.
use super::{
    app::{self, App, FileDone, Stage, Trouble},
    download,
};
use crate::{
    browser,
    messages::{Ended, Failure, Offer, SHOWN, ToPage},
    strings,
    text::{n, t},
};
use beeline_core::quote::quote;
use wasm_bindgen::{JsCast, JsValue};

/// Every so many pictures of progress the collector is hurried: what they leave behind is little, and by itself it would
/// let minutes of it lie about.
const TIDY: u32 = 16;

impl App {
    /// One message of the worker that is not about connections.
    pub(super) fn heard(self, message: ToPage, extra: JsValue) {
        match message {
            ToPage::Code { code } => self.code.set(Some(code)),
            ToPage::Joined => {}
            ToPage::WrongGuess { left: 0 } if self.stage.get_untracked() == Stage::Several => {
                self.nobody_else(&Ended::Burnt);
            }
            ToPage::WrongGuess { left } => self.notice.set(Some(n!("wrong_guess", left.into()))),
            ToPage::TurnedAway(why) => self.notice.set(Some(strings::turned_away(&why))),
            ToPage::Peer { name } => {
                app::forget_code();
                self.peer.set(Some(quote(&name)));
                self.notice.set(None);
                if self.stage.get_untracked() == Stage::Waiting {
                    self.offer_chosen();
                }
                self.stage.set(Stage::Connecting);
                self.watch_local_network();
            }
            ToPage::Sas { words } => self.sas.set(Some(words)),
            ToPage::Connected => {
                self.connected.set(true);
                self.notice.set(None); // what kept the two apart does so no more
                self.look_at_path();
            }
            ToPage::CanCall => self.call.allow(),
            ToPage::NotNegotiated(why) => self.call_failed(why),
            ToPage::PathLost => self.lost.set(true),
            ToPage::PathBack => {
                self.lost.set(false);
                self.look_at_path();
            }
            ToPage::Offered(offer) => self.offered(offer),
            ToPage::Offering(offer) => self.offer.set(Some(offer)),
            ToPage::NotOffered { why } => self.not_offered(&why),
            ToPage::Text { text } => {
                self.texts.update(|texts| texts.push(text));
                if self.stage.get_untracked() == Stage::Connecting {
                    self.outgoing.set(false);
                    self.stage.set(Stage::Done);
                }
            }
            ToPage::Accepted { transfer } if self.is_current(transfer) => {
                self.started();
                self.look_at_path(); // the first pair that worked need not be the one that stays
            }
            ToPage::Declined { transfer, message } if self.is_current(transfer) => {
                let told = strings::declined(&self.their_name(), &quote(&message));
                self.fail(Trouble { wanted: true, ..told.into() });
            }
            ToPage::Progress(progress) if self.is_current(progress.transfer) => {
                self.progress.set(progress);
                let told = self.told.get() + 1;
                self.told.set(told);
                if told.is_multiple_of(TIDY) {
                    browser::hurry_collector(16 << 20);
                }
            }
            ToPage::Paused { transfer, paused, here } if self.is_current(transfer) => {
                if here {
                    self.paused_here.set(paused)
                } else {
                    self.paused_there.set(paused)
                }
            }
            ToPage::FileDone { transfer, path, digest } if self.is_current(transfer) => {
                self.files_done.update(|files| {
                    if files.len() < SHOWN {
                        files.push(FileDone { path, digest });
                    }
                });
            }
            ToPage::Saved { name } => {
                let blob: web_sys::Blob = extra.unchecked_into();
                download::save(&name, &blob);
                self.saved.set(Some((name, blob)));
            }
            ToPage::Done { transfer } if self.is_current(transfer) => {
                self.stage.set(Stage::Done);
                self.show_next();
            }
            ToPage::Failed { transfer, failure } if self.is_current(transfer) => self.failed(failure),
            ToPage::Closed(ended) => self.closed(&ended),
            ToPage::KeepAlive => download::keep_alive(),
            _ => {}
        }
    }

    fn is_current(self, transfer: u32) -> bool {
        self.offer.with_untracked(|offer| offer.as_ref().is_some_and(|offer| offer.transfer == transfer))
    }

    /// What to call the other side in a sentence.
    pub(super) fn their_name(self) -> String {
        self.peer.get_untracked().unwrap_or_else(|| t!("the_other_device"))
    }

    fn offered(self, offer: Offer) {
        let busy = match self.stage.get_untracked() {
            Stage::Incoming | Stage::Moving => true,
            Stage::Connecting => self.offer.with_untracked(Option::is_some),
            _ => false,
        };
        if busy {
            return self.queue.update(|queue| queue.push(offer));
        }
        self.outgoing.set(false);
        self.offer.set(Some(offer));
        self.stage.set(Stage::Incoming);
    }

    fn show_next(self) {
        let next = self.queue.update(|queue| (!queue.is_empty()).then(|| queue.remove(0)));
        if let Some(next) = next {
            self.offered(next);
        }
    }

    fn not_offered(self, why: &str) {
        let why = t!("cannot_offer", said = strings::sentence(why));
        if self.connected.get_untracked() {
            self.notice.set(Some(why));
            self.stage.set(Stage::Done);
        } else {
            self.again();
            self.notice.set(Some(why));
        }
    }

    fn failed(self, failure: Failure) {
        match failure {
            Failure::Session { ended } => self.closed(&ended),
            failure => {
                let wanted = matches!(failure, Failure::CancelledHere | Failure::CancelledThere { .. });
                self.fail(Trouble { wanted, ..strings::failure(&failure).into() });
            }
        }
    }

    fn closed(self, ended: &Ended) {
        // What was suspected while the two looked for each other, where it may be why; the other side may tell first.
        let looked = self.stage.get_untracked() == Stage::Connecting && !self.connected.get_untracked();
        let pathless = looked && matches!(ended, Ended::NoPath | Ended::Aborted { .. });
        let suspected = self.notice.get_untracked().filter(|_| pathless);
        self.connected.set(false);
        self.call.end();
        match self.stage.get_untracked() {
            // Nothing is missing then.
            Stage::Done | Stage::Failed | Stage::Landing | Stage::Invited => {}
            Stage::Several => self.nobody_else(ended),
            _ => {
                let (what, hint) = strings::ended(ended);
                let hint = hint.into_iter().chain(suspected).reduce(|hint, more| hint + " " + &more);
                self.fail((what, hint));
            }
        }
    }

    /// The sentence about a failure belongs to a transfer that ran; nothing of it is on this disk.
    pub(super) fn trouble_or_default(self) -> Trouble {
        self.trouble.get().unwrap_or_else(|| (t!("worker_broke"), None).into())
    }
}
