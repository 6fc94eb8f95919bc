//! A line between two hosts, emulated by this process: it needs no kernel module for traffic shaping.
//!
//! ```text
//!             ┌──────────────── Line ─────────────────┐
//! host a ═ TUN│──> queue ─ rate ─ loss ─ delay ──────>│TUN ═ host b
//!             │<────── delay ─ loss ─ rate ─ queue <──│
//!             └───────────────────────────────────────┘
//! ```
//!
//! [`Pipe`] is one direction, without clock, socket or randomness of its own: it is tested in virtual time. [`Line`]
//! gives it two TUN devices, which the caller moves into the hosts' network namespaces, and a thread a direction.

mod gauge;
mod line;
mod pipe;
mod settings;

pub use gauge::Measured;
pub use line::{Line, Way};
pub use pipe::{MTU, Packet, Pipe};
pub use settings::Settings;
