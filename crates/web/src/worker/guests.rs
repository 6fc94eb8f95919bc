//! Receivers that are let in beside others: each has a session and a driver of its own, in this same worker.
use super::{
    OWN,
    driver::{Driver, Machine},
    scope,
};
use beeline_core::wire::signal::PeerId;
use std::rc::Rc;
use wasm_bindgen_futures::spawn_local;

impl Driver {
    /// The driver of this guest's session, while it runs, or of the page's own.
    pub(super) fn of(&self, guest: PeerId) -> Option<Self> {
        if guest == OWN { Some(self.clone()) } else { self.0.borrow().guest(guest) }
    }

    /// Somebody was let in: its session is driven from now on.
    pub(super) fn admit(&self, machine: &mut Machine, guest: PeerId) {
        let Some(session) = machine.session.as_mut().and_then(|session| session.take_guest()) else { return };
        let driver = Self::with(guest, Rc::downgrade(&self.0), Some(session));
        machine.guests.push((guest, driver.clone()));
        driver.soon(Box::new(|driver| driver.act(|_, _| {})));
    }

    /// Acts when nothing else is being done: sessions are told of each other's outputs in turn, not within one another.
    pub(super) fn soon(&self, act: Box<dyn FnOnce(&Self)>) {
        let driver = self.clone();
        spawn_local(async move { act(&driver) });
    }

    pub(super) fn each_guest(&self, act: impl Fn(&Self)) {
        let guests = self.0.borrow().guests.clone();
        guests.iter().for_each(|(_, guest)| act(guest));
    }

    /// The session is over; if it is a guest's, it is forgotten.
    pub(super) fn leave_host(&self, machine: &Machine) {
        let guest = machine.guest;
        if let Some(host) = machine.host() {
            host.soon(Box::new(move |host| {
                host.0.borrow_mut().guests.retain(|(one, _)| *one != guest);
            }));
        }
    }
}

impl Machine {
    pub(super) fn guest(&self, guest: PeerId) -> Option<Driver> {
        self.guests.iter().find(|(one, _)| *one == guest).map(|(_, driver)| driver.clone())
    }

    pub(super) fn host(&self) -> Option<Driver> {
        self.let_in_by.upgrade().map(Driver)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // What they would call is gone.
        if let Some((_, timer)) = self.timer.take() {
            scope().clear_timeout_with_handle(timer);
        }
        if let Some(ticker) = self.ticker.take() {
            scope().clear_interval_with_handle(ticker);
        }
    }
}
