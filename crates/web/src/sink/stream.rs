//! A download through the service worker (`static/sw.js`), which asks for each block.
//!
//! ```text
//! here                          service worker                    download manager
//!   │<────────── "pull" ────────────│<──── wants bytes ────────────────│
//!   │── a list of pieces, a block ─>│──────────────────────────────────>
//!   │<────────── "cancel" ──────────│<──── stopped by the person ──────│
//!   │─ null: the end, or a text: why it failed ─>│
//! ```
use crate::browser;
use beeline_core::output::DiskError;
use futures_channel::oneshot;
use futures_util::future::{Either, select};
use js_sys::{Array, Uint8Array};
use std::{cell::RefCell, pin::pin, rc::Rc};
use wasm_bindgen::{JsCast, JsValue, prelude::Closure};
use web_sys::{MessageEvent, MessagePort};

/// The browser asks for the first piece as soon as it has started the download.
const START_MS: i32 = 60_000;

/// Bytes of a piece that is made here.
const PIECE: usize = 256 << 10;

/// The end of the pipe to the download manager.
pub(crate) struct StreamOut {
    port: MessagePort,
    state: Rc<RefCell<State>>,
    _heard: Closure<dyn FnMut(MessageEvent)>,
}

#[derive(Default)]
struct State {
    /// Lists of pieces that were asked for and not sent.
    wanted: u32,
    /// Whether any was ever asked for.
    started: bool,
    /// The person stopped the download, or the transfer was abandoned.
    over: bool,
    waiting: Option<oneshot::Sender<()>>,
}

impl StreamOut {
    /// Takes a port that the service worker knows; `cancelled` is called when the person stops the download.
    pub(crate) fn new(port: MessagePort, cancelled: impl Fn() + 'static) -> Self {
        let state = Rc::new(RefCell::new(State::default()));
        let heard = {
            let state = state.clone();
            Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| {
                let pull = event.data().as_string().as_deref() == Some("pull");
                {
                    let mut state = state.borrow_mut();
                    if pull {
                        state.wanted += 1;
                        state.started = true;
                    } else {
                        state.over = true;
                    }
                    if let Some(waiting) = state.waiting.take() {
                        let _ = waiting.send(());
                    }
                }
                if !pull {
                    cancelled();
                }
            })
        };
        port.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        Self { port, state, _heard: heard }
    }

    /// Hands over bytes once the download manager wants them.
    pub(super) async fn send(&self, bytes: &[u8]) -> Result<(), DiskError> {
        self.wanted().await?; // before memory is taken for them
        self.give(bytes.chunks(PIECE).map(Uint8Array::from))
    }

    /// The same for bytes in the browser's memory, which they leave.
    pub(super) async fn pass_on(&self, parts: Vec<Uint8Array>) -> Result<(), DiskError> {
        self.wanted().await?;
        self.give(parts.into_iter())
    }

    fn give(&self, pieces: impl Iterator<Item = Uint8Array>) -> Result<(), DiskError> {
        let (list, memory) = (Array::new(), Array::new());
        for piece in pieces {
            memory.push(&piece.buffer());
            list.push(&piece);
        }
        let sent = self.port.post_message_with_transferable(&list, &memory);
        sent.map_err(|error| DiskError::Other(browser::said(&error)))
    }

    /// Ends the download well.
    pub(super) async fn close(&self) -> Result<(), DiskError> {
        self.wanted().await?; // all pieces before are taken
        self.state.borrow_mut().over = true;
        self.port.post_message(&JsValue::NULL).map_err(|error| DiskError::Other(browser::said(&error)))
    }

    /// Makes the download fail, unless it has ended.
    pub(super) fn abandon(&self) {
        let mut state = self.state.borrow_mut();
        if !state.over {
            let _ = self.port.post_message(&"the transfer failed".into());
        }
        state.over = true;
        state.waiting = None;
    }

    async fn wanted(&self) -> Result<(), DiskError> {
        loop {
            let started = {
                let mut state = self.state.borrow_mut();
                if state.over {
                    return Err(DiskError::Other("the download was stopped".to_owned()));
                }
                if state.wanted > 0 {
                    state.wanted -= 1;
                    return Ok(());
                }
                state.started
            };
            let (sender, asked) = oneshot::channel();
            self.state.borrow_mut().waiting = Some(sender);
            if started {
                let _ = asked.await; // a person may pause a download for as long as they like
            } else if let Either::Right(_) = select(asked, pin!(browser::sleep(START_MS))).await {
                return Err(DiskError::Other("the browser did not start the download".to_owned()));
            }
        }
    }
}

impl Drop for StreamOut {
    fn drop(&mut self) {
        self.port.set_onmessage(None);
    }
}
