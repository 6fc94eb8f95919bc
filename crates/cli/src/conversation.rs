//! What sending and receiving have in common: the other side, its transfers, and what they come to.
use crate::{
    interrupts::Interrupts,
    outcome::Failure,
    ui::{FileDone, Totals, Ui},
};
use beeline_core::{
    manifest::{EntryKind, Manifest},
    output::{Event as Told, TransferId},
};
use beeline_peer::{Event, Peer};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

/// From the wish to end until the end, at most: the other side is told within 3 s, and then files are
/// cleaned up.
const END: Duration = Duration::from_secs(4);

/// A peer, and what is known about its other side.
#[derive(Debug)]
pub(crate) struct Conversation {
    pub(crate) peer: Peer,
    name: Option<String>,
    transfers: HashMap<TransferId, Transfer>,
    totals: Totals,
    /// When the first transfer that counts was accepted.
    started: Option<Instant>,
    ending: Option<Ending>,
}

#[derive(Debug)]
struct Transfer {
    manifest: Arc<Manifest>,
    bytes: u64,
}

#[derive(Debug)]
struct Ending {
    deadline: tokio::time::Instant,
    result: Result<(), Failure>,
}

/// What [`Conversation::next`] leaves to its caller.
#[derive(Debug)]
pub(crate) enum Next {
    Told(Told),
    /// The conversation is over.
    Over(Result<(), Failure>),
}

impl Conversation {
    pub(crate) fn new(peer: Peer) -> Conversation {
        Conversation {
            peer,
            name: None,
            transfers: HashMap::new(),
            totals: Totals::default(),
            started: None,
            ending: None,
        }
    }

    /// Waits for something that the two commands treat differently; shows everything else.
    pub(crate) async fn next(&mut self, interrupts: &mut Interrupts, ui: &mut Ui) -> Next {
        loop {
            let deadline = self.ending.as_ref().map(|ending| ending.deadline);
            tokio::select! {
                event = self.peer.event() => match event {
                    Some(Event::Session(Told::Closed(closed))) => {
                        return Next::Over(match self.ending.take() {
                            Some(ending) => ending.result,
                            None => Err(closed.into()),
                        });
                    }
                    Some(event) => if let Some(told) = self.show(event, ui) {
                        return Next::Told(told);
                    },
                    None => return Next::Over(Err(Failure::new("fault", "the session ended without a reason"))),
                },
                () = interrupts.next() => match self.ending {
                    // Asked twice: no more manners.
                    Some(_) => return Next::Over(Err(Failure::interrupted())),
                    None => self.end(Err(Failure::interrupted())),
                },
                () = until(deadline) => {
                    return Next::Over(match self.ending.take() {
                        Some(ending) => ending.result,
                        None => Ok(()),
                    });
                }
            }
        }
    }

    /// Says goodbye to the other side; the first result given counts.
    pub(crate) fn end(&mut self, result: Result<(), Failure>) {
        if self.ending.is_none() {
            self.peer.close();
            self.ending = Some(Ending { deadline: tokio::time::Instant::now() + END, result });
        }
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.is_some()
    }

    /// From now on the events of this transfer have names and sizes.
    pub(crate) fn know(&mut self, transfer: TransferId, manifest: Arc<Manifest>) {
        self.transfers.insert(transfer, Transfer { manifest, bytes: 0 });
    }

    /// The clock of the totals starts with the first transfer.
    pub(crate) fn start(&mut self) {
        self.started.get_or_insert_with(Instant::now);
    }

    /// What was done so far, with this transfer. A text has no manifest.
    pub(crate) fn add(&mut self, transfer: TransferId) {
        if let Some(done) = self.transfers.get(&transfer) {
            self.totals.files += done.manifest.files();
            self.totals.folders += done.manifest.folders();
            self.totals.bytes += done.manifest.bytes().unwrap_or(done.bytes);
        }
        self.totals.seconds = self.started.map_or(0.0, |started| started.elapsed().as_secs_f64());
    }

    /// A text counts by its bytes.
    pub(crate) fn add_text(&mut self, text: &str) {
        self.totals.bytes += text.len() as u64;
    }

    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// Shows what both commands show alike; gives back what they do not.
    fn show(&mut self, event: Event, ui: &mut Ui) -> Option<Told> {
        match event {
            Event::Path(path) => ui.path(&path),
            Event::Progress { transfer, progress } => {
                if let Some(transfer) = self.transfers.get_mut(&transfer) {
                    transfer.bytes = progress.bytes;
                    if self.ending.is_none() {
                        ui.progress(&progress);
                    }
                }
            }
            Event::Session(Told::Peer { name }) => self.name = Some(name),
            Event::Session(Told::Sas(sas)) => {
                ui.peer(self.name.as_deref().unwrap_or("a device without a name"), &sas.to_string());
                return Some(Told::Sas(sas));
            }
            Event::Session(Told::PathLost) => ui.path_lost(),
            Event::Session(Told::PathBack) => ui.path_back(),
            Event::Session(Told::Paused { paused, .. }) => ui.paused(paused),
            Event::Session(Told::FileDone { transfer, file, digest }) => {
                let known = self.transfers.get(&transfer);
                if let Some((transfer, entry)) = known.and_then(|t| Some((t, t.manifest.entry(file)?)))
                    && let EntryKind::File { size } = entry.kind
                {
                    ui.file(&FileDone {
                        path: entry.path.as_str(),
                        bytes: size.unwrap_or(transfer.bytes),
                        blake3: digest.to_string(),
                    });
                }
            }
            Event::Session(Told::Connected) => {}
            Event::Session(told) => return Some(told),
        }
        None
    }
}

async fn until(deadline: Option<tokio::time::Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
