//! SCTP (RFC 9260) for WebRTC data channels (RFC 8831), as a machine without I/O.

mod time;
pub mod wire;

pub use time::Time;
