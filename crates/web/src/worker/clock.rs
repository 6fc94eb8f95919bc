//! The worker's clock, and the one timer that the session waits for.
use super::{
    driver::{Driver, Machine},
    scope,
};
use beeline_core::{session::Session, time::Time};
use std::time::Duration;
use wasm_bindgen::JsCast;

impl Driver {
    pub(super) fn timer_fired(&self) {
        self.0.borrow_mut().timer = None;
        self.act(Session::handle_timeout);
    }
}

impl Machine {
    /// Sets the timer, unless one fires before: being called too early does no harm.
    pub(super) fn wait(&mut self, until: Option<Time>) {
        let Some(until) = until else { return };
        if let Some((earlier, handle)) = self.timer {
            if earlier <= until {
                return;
            }
            scope().clear_timeout_with_handle(handle);
        }
        let ms = (until.since(now()).as_secs_f64() * 1000.0 + 1.0).min(3_600_000.0) as i32;
        let callback = self.on_timer.as_ref().unchecked_ref();
        let handle = scope().set_timeout_with_callback_and_timeout_and_arguments_0(callback, ms);
        self.timer = handle.ok().map(|handle| (until, handle));
    }
}

/// Milliseconds since the worker started, from the browser's monotonic clock.
pub(super) fn now() -> Time {
    let ms = scope().performance().map_or(0.0, |performance| performance.now());
    Time::from_origin(Duration::from_secs_f64(ms / 1000.0))
}
