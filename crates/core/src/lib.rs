//! What is said: Beeline's protocol as a machine without I/O.
//!
//! A [`Session`](session::Session) is one side of one meeting. It has no socket, clock, disk, thread or
//! randomness: a driver tells it what happened (`handle_*`) and what the person wants (plain verbs), and asks
//! it what to do next (`poll_output`). File bytes never pass through it: it decides which block to read, send,
//! write and acknowledge, and learns digests.
//!
//! ```text
//! code ─ what people say          room ─ numbered messages through the server      wire ─ all bytes
//! meeting ─ PAKE                  link ─ sealed offers, answers, candidates, SAS
//! session ─ puts it together      transfer ─ manifest, blocks, grants, digests
//! ```
#![warn(missing_docs)]

pub mod blocks;
pub mod code;
pub mod digest;
mod key;
mod link;
mod liveness;
pub mod manifest;
pub mod map;
mod meeting;
mod meter;
pub mod output;
pub mod path;
pub mod quote;
mod random;
mod ranges;
mod renegotiation;
mod room;
pub mod rtc;
pub mod sas;
pub mod session;
pub mod time;
mod transfer;
pub mod wire;

pub use transfer::{TextTooLong, throttle};
