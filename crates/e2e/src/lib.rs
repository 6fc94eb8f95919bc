//! Real browsers and real processes against the real server: a sealed network, what runs in it, their files and their
//! appetite.
//!
//! ```text
//! #[test] fn name() ── sealed ──> unshare: own network, own pids ──> the same test again
//!                                                                     ├─ Server    beeline serve
//!                                                                     ├─ Turn      coturn
//!                                                                     ├─ Browser   chromedriver or geckodriver, and the page's contract
//!                                                                     ├─ Node      libwebrtc without a browser
//!                                                                     ├─ Screen    a monitor's place, for the system's dialogs
//!                                                                     ├─ Terminal  beeline send | receive
//!                                                                     ├─ Lab       two hosts whose path can be cut
//!                                                                     └─ Joined    two hosts and an emulated line between them
//! ```
//!
//! A test is its name and an asynchronous body; [`tests!`] writes the rest.

mod browser;
mod files;
mod joined;
mod lab;
mod node;
mod ping;
mod process;
mod screen;
mod sealed;
mod server;
mod tcp;
mod terminal;
mod tree;
mod turn;
mod usage;
mod walk;

pub use browser::{Browser, FAKE_DEVICES, Kind, Options, Scheme, Seat, Thread, Work};
pub use files::{LARGE, ODD_NAME, Sample, digest_of, random_file, sparse_file};
pub use joined::Joined;
pub use lab::{Host, Lab};
pub use netlab::{Line, Settings, Way};
pub use node::{Node, node_modules};
pub use ping::{Pings, RoundTrips};
pub use process::{Process, beeline, target_dir};
pub use screen::Screen;
pub use sealed::{LAN_ADDRESS, sealed, sealed_program};
pub use server::Server;
pub use tcp::{Tcp, has_congestion_control};
pub use terminal::{Ended, Terminal};
pub use tree::{Entry, Tree};
pub use turn::Turn;
pub use usage::{Usage, high_water_mark, ticks_by_role, ticks_since, usage};
pub use walk::{STATES, walk};

use std::time::Duration;

/// How long one test may take, unless it says otherwise.
pub const TEST_LIMIT: Duration = Duration::from_secs(240);

/// How long one wait may take: long, because two browsers share two busy cores. A wait that succeeds costs nothing.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Declares tests that run in a sealed network: `name: body;`, or `name(limit): body;` with a limit in seconds.
#[macro_export]
macro_rules! tests {
    ($($(#[$attribute:meta])* $name:ident $(($limit:expr))? : $body:expr;)*) => { $(
        $(#[$attribute])*
        #[test]
        fn $name() -> ::anyhow::Result<()> {
            #[allow(unused_variables)]
            let limit = $crate::TEST_LIMIT;
            $( let limit = ::std::time::Duration::from_secs($limit); )?
            $crate::sealed(stringify!($name), limit, $body)
        }
    )* };
}
