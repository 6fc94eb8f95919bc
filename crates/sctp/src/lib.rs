//! SCTP (RFC 9260) for WebRTC data channels (RFC 8831), as a machine without I/O.
//!
//! Made for rate: loss is found by time and not by counting, the sending rate follows what the path delivers and
//! not what it loses, packets are spread, and the window offered to a peer grows with what the path carries.
//!
//! Start at [`Association`]. [`wire`] holds packets and chunks, a file each.

mod association;
mod config;
mod congestion;
mod dcep;
mod path_mtu;
mod pool;
mod ranges;
mod recv;
mod send;
mod seq;
mod time;
pub mod wire;

pub use association::{Association, CloseReason, Entropy, Event, SendError};
pub use config::{Config, Congestion, ReceiveWindow, Recovery};
pub use dcep::{ChannelConfig, ppid};
pub use pool::Pool;
pub use recv::Message;
pub use send::Reliability;
pub use time::Time;
