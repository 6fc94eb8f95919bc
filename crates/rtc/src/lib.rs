//! A WebRTC peer connection without a browser: data channels only.
//!
//! [`Connection`] is the machine: descriptions, ICE, DTLS and SCTP, without I/O, and with datagrams in batches.
//! [`start`] gives it sockets, a clock and names, as a task of tokio. It speaks to browsers as to its own kind, and
//! knows nothing of what the channels are for.

mod connection;
mod driver;
mod dtls;
mod ice;
mod sdp;
mod transmit;

pub use beeline_sctp::{ChannelConfig, Pool, Reliability, SendError};
pub use connection::{CloseReason, Config, Connection, Event, NoCertificate, Path};
pub use driver::{Handle, IceServer, Listener, Notice, PathState, Settings, start};
pub use ice::Route;
pub use sdp::{SdpError, SdpKind, candidates};
pub use transmit::Transmit;
