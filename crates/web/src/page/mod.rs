//! The page: what a person sees and does.
//!
//! ```text
//! landing ──choose──> waiting ──somebody joins──┐          (or several: open for more, a line each)
//!    └─code─> joining <── invited <── link      ├─> connecting ──offer──> incoming ──accept──┐
//!                └──────────────────────────────┘        └──accepted──────────────> moving ──┴─> done
//!                             from anywhere: failed ──again──> landing
//! ```
mod app;
mod awake;
mod bridge;
mod call;
mod capability;
mod choose;
mod clipboard;
mod code_field;
mod done;
mod download;
mod events;
mod failed;
mod format;
mod held;
mod incoming;
mod joining;
mod landing;
mod line;
mod local_network;
mod moving;
mod qr;
mod receivers;
mod rtc;
mod several;
mod sharing;
mod tab;
mod tree;
mod ui;
mod view;
mod wishes;

pub(crate) use format::bytes;
pub(crate) use view::{start, take};

/// The page's document.
fn document() -> web_sys::Document {
    window().document().expect("a page has a document")
}

/// The page's window.
fn window() -> web_sys::Window {
    web_sys::window().expect("this runs on a page")
}
