//! Two sessions, one clock, links with rate, delay, loss and cuts: minutes of network in milliseconds.
//!
//! ```text
//! Peer a ─ signal ──> Hub ──> signal ─ Peer b        the hub keeps rooms, and can be told to misbehave
//!    └──── control, data: Link with rate, delay ────┘
//! ```
//!
//! Everything follows from a seed. A [`World`] holds the events to come in a heap and moves its clock from one
//! to the next; nothing sleeps.
mod disk;
mod hub;
pub mod lanes;
mod link;
pub mod net;
mod peer;
mod transfer;
mod world;

pub use disk::{Disk, files};
pub use hub::Hub;
pub use link::Link;
pub use peer::Peer;
pub use transfer::Transfer;
pub use world::{Id, World};
