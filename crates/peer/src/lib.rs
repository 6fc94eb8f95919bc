//! How a machine does it: a native Beeline peer over tokio.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use beeline_peer::{Config, Event, Peer, Source, core::output};
//!
//! let config = Config { server: "https://example.org".parse()?, name: "build machine".into() };
//! let mut peer = Peer::open(config)?;
//! peer.offer(Source::walk(&["report.pdf"])?).await;
//! while let Some(event) = peer.event().await {
//!     match event {
//!         Event::Session(output::Event::Code(code)) => println!("the code is {code}"),
//!         Event::Session(output::Event::Done(_)) => peer.close(),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A [`Peer`] is the handle of one task (`driver`), which runs the session of [`beeline_core`] with the
//! socket to the server, the WebRTC `transport` and the `disk`.
mod disk;
mod driver;
mod socket;
pub mod transport;

/// The protocol, whose types appear in this crate's interface.
pub use beeline_core as core;
pub use disk::{Folder, Refusal, Sink, Skipped, Source, SourceError, Stream};
pub use socket::{ServerAddress, ServerAddressError};
pub use transport::PathKind;

use beeline_core::{
    TextTooLong,
    code::Code,
    manifest::Manifest,
    output::{self, Progress, TransferId},
};
use std::{fmt, io, sync::Arc, time::Duration};
use tokio::sync::{
    mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    oneshot,
};

/// What a peer needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the two sides meet.
    pub server: ServerAddress,
    /// What this device is called on the other side.
    pub name: String,
}

/// What a caller should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// From the session. `Closed` comes last, after everything here is cleaned up.
    Session(output::Event),
    /// The way that the bytes go is known, or changed.
    Path(Path),
    /// How far a transfer is: at most four times a second, and once at its end.
    Progress {
        /// Which transfer.
        transfer: TransferId,
        /// Its state.
        progress: Progress,
    },
}

/// The way that the bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// Straight or through a server.
    pub kind: PathKind,
    /// Between here and the next hop: `udp`, `tcp` or `tls`.
    pub protocol: &'static str,
    /// The round trip as last measured.
    pub rtt: Option<Duration>,
}

pub(crate) enum Role {
    Opener,
    Joiner(Code),
}

pub(crate) enum Command {
    Offer { source: Source, reply: oneshot::Sender<TransferId> },
    Text { text: String, reply: oneshot::Sender<Result<TransferId, TextTooLong>> },
    Accept { transfer: TransferId, sink: Arc<dyn Sink> },
    Decline { transfer: TransferId, message: String },
    Cancel { transfer: TransferId, message: String },
    Pause { transfer: TransferId, paused: bool },
    Close,
}

/// One side of a session. Dropping it closes the session.
pub struct Peer {
    commands: UnboundedSender<Command>,
    events: UnboundedReceiver<Event>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Peer")
    }
}

impl Peer {
    /// Makes a room, whose code comes as an event.
    ///
    /// Needs a tokio runtime with I/O and time.
    pub fn open(config: Config) -> io::Result<Peer> {
        Peer::start(config, Role::Opener)
    }

    /// Joins the room of a code.
    ///
    /// Needs a tokio runtime with I/O and time.
    pub fn join(config: Config, code: Code) -> io::Result<Peer> {
        Peer::start(config, Role::Joiner(code))
    }

    fn start(config: Config, role: Role) -> io::Result<Peer> {
        let (commands, inbox) = unbounded_channel();
        let (outbox, events) = unbounded_channel();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|error| io::Error::other(error.to_string()))?;
        let transport = transport::Transport::start(transport::Config::default());
        let driver = driver::Driver::new(config, role, transport, inbox, outbox, seed);
        tokio::spawn(driver.run());
        Ok(Peer { commands, events })
    }

    /// The next event; `None` after `Closed`. Cancel-safe.
    pub async fn event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// Offers files, also before the other side is there. `None`: the session is over.
    pub async fn offer(&self, source: Source) -> Option<TransferId> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Offer { source, reply });
        answer.await.ok()
    }

    /// Sends a text, also before the other side is there. `None`: the session is over.
    pub async fn send_text(&self, text: &str) -> Option<Result<TransferId, TextTooLong>> {
        let (reply, answer) = oneshot::channel();
        self.command(Command::Text { text: text.to_owned(), reply });
        answer.await.ok()
    }

    /// Takes what is offered into `sink`, which is asked whether it can.
    pub fn accept(
        &self,
        transfer: TransferId,
        manifest: Arc<Manifest>,
        sink: Arc<dyn Sink>,
    ) -> Result<(), Refusal> {
        sink.begin(manifest)?;
        self.command(Command::Accept { transfer, sink });
        Ok(())
    }

    /// Declines what is offered; the other side sees `message`.
    pub fn decline(&self, transfer: TransferId, message: &str) {
        self.command(Command::Decline { transfer, message: message.to_owned() });
    }

    /// Cancels a transfer of either direction; the other side sees `message`.
    pub fn cancel(&self, transfer: TransferId, message: &str) {
        self.command(Command::Cancel { transfer, message: message.to_owned() });
    }

    /// Lets a transfer stand still, or go on.
    pub fn pause(&self, transfer: TransferId, paused: bool) {
        self.command(Command::Pause { transfer, paused });
    }

    /// Says goodbye and ends within 3 s. The events go on until `Closed`.
    pub fn close(&self) {
        self.command(Command::Close);
    }

    fn command(&self, command: Command) {
        // After the end there is nobody to do it, and nothing that it could be done to.
        let _ = self.commands.send(command);
    }
}
