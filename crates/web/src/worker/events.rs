//! What the page is told of the session: its events, and progress while something moves.
use super::{
    clock::now,
    driver::{Driver, Machine},
    post, scope, tell,
};
use crate::messages::ToPage;
use beeline_core::output::{Event, TransferId};
use wasm_bindgen::{JsCast, JsValue};

/// How often progress is shown at first; from [`SELDOM_TICKS`] on half as often. Where no graphics card draws it, a
/// picture costs each page 20 ms of a processor, which the channel could use.
const PROGRESS_MS: i32 = 500;
const SELDOM_TICKS: u32 = 3;
/// Browsers stop a service worker that hears nothing for 30 s; a slow download may.
const KEEP_ALIVE_TICKS: u32 = 20;

impl Driver {
    pub(super) fn event(&self, machine: &mut Machine, event: Event) {
        let said = match event {
            Event::Code(code) => ToPage::Code { code: code.to_string() },
            Event::Joined => ToPage::Joined,
            Event::WrongGuess { left } => ToPage::WrongGuess { left },
            Event::TurnedAway(closed) => ToPage::TurnedAway(tell::ended(closed)),
            Event::Peer { name } => ToPage::Peer { name },
            Event::Sas(sas) => ToPage::Sas { words: sas.to_string() },
            Event::Connected => ToPage::Connected,
            Event::CanCall => ToPage::CanCall,
            Event::NotNegotiated(why) => ToPage::NotNegotiated(tell::not_negotiated(&why)),
            Event::PathLost => ToPage::PathLost,
            Event::PathBack => ToPage::PathBack,
            Event::Offered { transfer, manifest } => ToPage::Offered(tell::offer(transfer, &manifest)),
            Event::Text { text } => ToPage::Text { text },
            Event::Accepted(transfer) => {
                self.moves(machine, transfer);
                ToPage::Accepted { transfer: transfer.0 }
            }
            Event::Declined { transfer, message } => {
                machine.rests(transfer);
                ToPage::Declined { transfer: transfer.0, message }
            }
            Event::Paused { transfer, paused, here } => ToPage::Paused { transfer: transfer.0, paused, here },
            Event::FileDone { transfer, file, digest } => {
                let manifest = machine.session.as_ref().and_then(|s| s.manifest(transfer));
                let Some(entry) = manifest.as_ref().and_then(|m| m.entry(file)) else { return };
                let path = entry.path.as_str().to_owned();
                ToPage::FileDone { transfer: transfer.0, path, digest: digest.to_string() }
            }
            Event::Done(transfer) => {
                machine.rests(transfer);
                ToPage::Done { transfer: transfer.0 }
            }
            Event::Failed { transfer, failure } => {
                machine.rests(transfer);
                let manifest = machine.session.as_ref().and_then(|s| s.manifest(transfer));
                let failure = tell::failure(failure, manifest.as_deref());
                ToPage::Failed { transfer: transfer.0, failure }
            }
            Event::Closed(closed) => {
                self.leave_host(machine);
                ToPage::Closed(tell::ended(closed))
            }
        };
        post(machine.guest, &said, &JsValue::UNDEFINED);
    }

    pub(super) fn moves(&self, machine: &mut Machine, transfer: TransferId) {
        machine.moving.insert(transfer);
        if machine.ticker.is_none() {
            machine.ticks = 0;
            let tick = machine.on_tick.as_ref().unchecked_ref();
            machine.ticker =
                scope().set_interval_with_callback_and_timeout_and_arguments_0(tick, PROGRESS_MS).ok();
        }
    }

    pub(super) fn tick(&self) {
        let mut machine = self.0.borrow_mut();
        machine.ticks += 1;
        if machine.ticks % KEEP_ALIVE_TICKS == 1 && !machine.sinks.is_empty() {
            post(machine.guest, &ToPage::KeepAlive, &JsValue::UNDEFINED);
        }
        if machine.ticks > SELDOM_TICKS && machine.ticks % 2 == 1 {
            return;
        }
        for transfer in machine.moving.iter() {
            let progress = machine.session.as_ref().and_then(|session| session.progress(*transfer, now()));
            if let Some(progress) = progress {
                post(machine.guest, &tell::progress(*transfer, progress), &JsValue::UNDEFINED);
            }
        }
    }
}

impl Machine {
    /// A transfer is over: its last progress, and no more.
    pub(super) fn rests(&mut self, transfer: TransferId) {
        if let Some(progress) = self.session.as_ref().and_then(|s| s.progress(transfer, now())) {
            post(self.guest, &tell::progress(transfer, progress), &JsValue::UNDEFINED);
        }
        self.sources.remove(&transfer);
        self.sinks.remove(&transfer);
        self.moving.remove(&transfer);
        if self.moving.is_empty()
            && let Some(ticker) = self.ticker.take()
        {
            scope().clear_interval_with_handle(ticker);
        }
    }
}
