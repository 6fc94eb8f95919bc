//! Builds the page and makes it ready to embed. Called by the server's build script; needs no tool but cargo.
//!
//! ```text
//! crates/web ──cargo, wasm32──> web.wasm ──wasm-bindgen──> web.js, web_bg.wasm ─┐
//! crates/web/static ────────────────────────────────────────────────────────────┴─shrink─> a folder     build()
//! a folder ──brotli, gzip, BLAKE3──> page.rs, a table of files for `include!`                            embed()
//! ```
mod compile;
mod embed;
mod progress;
mod shrink;

pub use compile::build;
pub use embed::embed;
