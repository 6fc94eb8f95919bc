//! Ctrl-C and its kin.
use crate::outcome::Failure;
use std::io;

/// What asks this process to end.
#[derive(Debug)]
pub(crate) struct Interrupts {
    #[cfg(unix)]
    signals: [tokio::signal::unix::Signal; 3],
    #[cfg(windows)]
    ctrl_c: tokio::signal::windows::CtrlC,
}

impl Interrupts {
    pub(crate) fn listen() -> Result<Interrupts, Failure> {
        Interrupts::new().map_err(|error| Failure::new("system", format!("no signals can be had: {error}")))
    }

    #[cfg(unix)]
    fn new() -> io::Result<Interrupts> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Interrupts {
            signals: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
        })
    }

    #[cfg(windows)]
    fn new() -> io::Result<Interrupts> {
        Ok(Interrupts { ctrl_c: tokio::signal::windows::ctrl_c()? })
    }

    /// The next one. Cancel-safe.
    #[cfg(unix)]
    pub(crate) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }

    /// The next one. Cancel-safe.
    #[cfg(windows)]
    pub(crate) async fn next(&mut self) {
        self.ctrl_c.recv().await;
    }
}
