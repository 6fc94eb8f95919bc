//! The page's end of the wire to its worker.
use super::{
    app::{App, Stage, Trouble},
    document,
    rtc::{Path, Rtc},
};
use crate::{
    browser,
    messages::{self, Message, ToPage, ToWorker},
    text::t,
};
use beeline_core::wire::signal::PeerId;
use js_sys::Array;
use std::{cell::RefCell, rc::Rc};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{ErrorEvent, MessageEvent, Worker, WorkerOptions, WorkerType};

/// The page's own session: every other is a guest's.
pub(super) const OWN: PeerId = 0;

/// How long an ended session may take to say goodbye before its worker is stopped.
const GOODBYE_MS: i32 = 3500;

/// The worker, and the connections that it has the page hold.
pub(super) struct Bridge {
    module: JsValue,
    /// `None` where the browser refuses module workers.
    line: RefCell<Option<Line>>,
}

/// One worker with its connections.
struct Line {
    worker: Worker,
    rtc: Rtc,
    /// What is to be said once the worker listens.
    early: RefCell<Option<Vec<(Array, Array)>>>,
}

impl Bridge {
    /// Starts the worker.
    pub(super) fn new(app: App, module: JsValue) -> Rc<Self> {
        let bridge = Rc::new(Self { module, line: RefCell::new(None) });
        bridge.begin(app);
        bridge
    }

    /// Sends a message about the session of this guest, or the page's own.
    pub(super) fn send(&self, guest: PeerId, message: &ToWorker, extra: &JsValue) {
        self.post(messages::control(guest, message, extra), Array::new());
    }

    /// Sends a message with something that the page gives away.
    pub(super) fn send_with_transfer(&self, message: &ToWorker, extra: &JsValue) {
        self.post(messages::control(OWN, message, extra), Array::of1(extra));
    }

    /// How the connection goes, if there is one.
    pub(super) async fn path(&self) -> Option<Path> {
        let rtc = self.line.borrow().as_ref().map(|line| line.rtc.clone())?;
        rtc.path().await
    }

    /// Gives the old worker time to say goodbye and starts a new one.
    pub(super) fn restart(self: &Rc<Self>, app: App) {
        if let Some(old) = self.line.borrow_mut().take() {
            old.worker.set_onerror(None);
            wasm_bindgen_futures::spawn_local(async move {
                browser::sleep(GOODBYE_MS).await;
                old.worker.terminate();
                old.rtc.close_all();
            });
        }
        self.begin(app);
    }

    fn begin(self: &Rc<Self>, app: App) {
        let options = WorkerOptions::new();
        options.set_type(WorkerType::Module);
        let Ok(worker) = Worker::new_with_options("worker.js", &options) else {
            return app.fail(Trouble {
                what: t!("worker_broke"),
                hint: Some(t!("missing_hint")),
                wanted: false,
            });
        };
        // Each worker is heard by a closure of its own, so that an old one cannot speak for a new session.
        let rtc = {
            let (bridge, own) = (Rc::downgrade(self), worker.clone());
            let settled = move |guest: PeerId, lane: u8, pc: &web_sys::RtcPeerConnection| {
                let current = bridge.upgrade().is_some_and(|bridge| bridge.is_current(&own));
                if current && (guest, lane) == (OWN, 0) {
                    app.call_settled(pc);
                }
            };
            Rtc::new(worker.clone(), settled)
        };
        let heard = {
            let (bridge, worker, rtc) = (Rc::downgrade(self), worker.clone(), rtc.clone());
            Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| match messages::parse(event.data()) {
                Message::Data { guest, lane, channel, bytes } => rtc.send(guest, lane, channel, &bytes),
                Message::Control { guest, value, extra } => {
                    let current = bridge.upgrade().is_some_and(|bridge| bridge.is_current(&worker));
                    match value {
                        ToPage::Ready if current => bridge.upgrade().iter().for_each(|b| b.listening()),
                        value if rtc.acts(guest, &value) => {}
                        value if current && guest == OWN => app.heard(value, extra),
                        value if current => app.heard_of(guest, value),
                        _ => {}
                    }
                }
            })
        };
        let broke = Closure::<dyn FnMut(_)>::new(move |event: ErrorEvent| {
            browser::log(&format!("worker: {}", event.message()));
            app.fail(Trouble { what: t!("worker_broke"), hint: Some(t!("reload_hint")), wanted: false });
        });
        worker.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        worker.set_onerror(Some(broke.as_ref().unchecked_ref()));
        heard.forget(); // both live as long as the worker, of which there are few
        broke.forget();
        let _ = worker.post_message(&self.module);
        *self.line.borrow_mut() = Some(Line { worker, rtc, early: RefCell::new(Some(Vec::new())) });
    }

    fn is_current(&self, worker: &Worker) -> bool {
        self.line.borrow().as_ref().is_some_and(|line| &line.worker == worker)
    }

    fn listening(&self) {
        let early = self.line.borrow().as_ref().and_then(|line| line.early.take());
        for (message, transfer) in early.into_iter().flatten() {
            self.post(message, transfer);
        }
        let body = document().body().expect("a page has a body");
        let _ = body.set_attribute("data-ready", "1");
    }

    fn post(&self, message: Array, transfer: Array) {
        let line = self.line.borrow();
        let Some(line) = &*line else { return };
        match &mut *line.early.borrow_mut() {
            Some(early) => early.push((message, transfer)),
            None => {
                line.worker
                    .post_message_with_transfer(&message, &transfer)
                    .expect("our own messages can be cloned");
            }
        }
    }
}

impl App {
    /// Shows what went wrong, unless the page already shows an end.
    pub(super) fn fail(self, trouble: impl Into<Trouble>) {
        self.trouble.set(Some(trouble.into()));
        self.stage.set(Stage::Failed);
    }
}
