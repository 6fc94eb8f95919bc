//! The WebSocket to the server that served the page.
use js_sys::{ArrayBuffer, Uint8Array};
use wasm_bindgen::{JsCast, prelude::Closure};
use web_sys::{BinaryType, CloseEvent, Event, MessageEvent, WebSocket};

/// What happened on a socket.
#[derive(Debug)]
pub(super) enum Happened {
    Open,
    Message(Vec<u8>),
    Closed(String),
}

/// An open or opening socket; closed and silent when dropped.
pub(super) struct Socket {
    socket: WebSocket,
    _open: Closure<dyn FnMut(Event)>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl Socket {
    /// Connects to `ws` beside this script, so that a path prefix of a proxy is kept.
    pub(super) fn connect(report: impl Fn(Happened) + Clone + 'static) -> Result<Self, String> {
        let here = super::scope().location().href();
        let url = web_sys::Url::new_with_base("ws", &here).map_err(|error| crate::browser::said(&error))?;
        url.set_protocol(if url.protocol() == "https:" { "wss:" } else { "ws:" });
        let socket = WebSocket::new(&url.href()).map_err(|error| crate::browser::said(&error))?;
        socket.set_binary_type(BinaryType::Arraybuffer);

        let tell = report.clone();
        let open = Closure::<dyn FnMut(_)>::new(move |_: Event| tell(Happened::Open));
        let tell = report.clone();
        let message = Closure::<dyn FnMut(_)>::new(move |event: MessageEvent| {
            // Text instead of bytes is the server's mistake; the session says so about an empty message, too.
            let buffer = event.data().dyn_into::<ArrayBuffer>();
            tell(Happened::Message(buffer.map(|b| Uint8Array::new(&b).to_vec()).unwrap_or_default()));
        });
        let close = Closure::<dyn FnMut(_)>::new(move |event: CloseEvent| {
            report(Happened::Closed(why(event.code(), &event.reason())));
        });
        socket.set_onopen(Some(open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(close.as_ref().unchecked_ref()));
        Ok(Self { socket, _open: open, _message: message, _close: close })
    }

    /// Sends one binary message. One that a closing socket loses is sent again after the resume.
    pub(super) fn send(&self, message: &[u8]) {
        let _ = self.socket.send_with_u8_array(message);
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}

/// A browser tells a page nothing but the code (RFC 6455 §7.4.1: 1006 is "no close frame").
fn why(code: u16, reason: &str) -> String {
    match (code, reason) {
        (_, reason) if !reason.is_empty() => reason.to_owned(),
        (1006, _) => "the server cannot be reached".to_owned(),
        (code, _) => format!("the server closed the connection ({code})"),
    }
}
