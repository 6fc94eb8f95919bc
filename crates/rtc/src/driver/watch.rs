//! Whether a connection's path lives: turns what is heard, and when, into [`PathState`]s.
//!
//! ```text
//! New ──ICE and DTLS done──> Connected ⇄ Disconnected (silent 5 s) ──silent 30 s──> Failed
//!  └── 15 s without progress ──────────────────────────────────────────────────────> Failed
//! Failed or Disconnected ──heard again, also after an ICE restart──> Connected
//! ```
//!
//! Both sides ask each other for consent at least every 3 s (RFC 7675 says 5), so an idle path is never silent.
use std::time::{Duration, Instant};

use super::PathState;

/// Longer than the 3 s between two consent checks and the first repetitions of a lost one.
const DISCONNECTED: Duration = Duration::from_secs(5);
/// RFC 7675 §5.1: consent expires after 30 s.
const FAILED: Duration = Duration::from_secs(30);
/// For a pair, and the handshake on it, once there is something to try.
const CONNECTING: Duration = Duration::from_secs(15);

/// The last word said to the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    New,
    Connected,
    Disconnected,
    Failed,
}

/// The clock of one connection.
#[derive(Debug)]
pub(super) struct Watch {
    state: State,
    /// ICE and DTLS have been done once.
    established: bool,
    /// When the other side's description, the last candidate or a working pair came; none: nothing to wait for.
    progress: Option<Instant>,
    /// When the other side was last heard, or the path was started anew.
    heard: Option<Instant>,
}

impl Watch {
    pub(super) fn new() -> Self {
        Self { state: State::New, established: false, progress: None, heard: None }
    }

    /// Something new to try: a description, a candidate, a pair.
    pub(super) fn handle_progress(&mut self, now: Instant) {
        self.progress = Some(now);
    }

    /// ICE and DTLS are done.
    pub(super) fn handle_established(&mut self, now: Instant) {
        self.established = true;
        self.heard = Some(now);
    }

    /// The other side said something.
    pub(super) fn handle_heard(&mut self, now: Instant) {
        self.heard = Some(now);
    }

    /// New ICE credentials are under way: one that failed gets another chance.
    pub(super) fn restart(&mut self, now: Instant) {
        self.progress = Some(now);
        if self.state == State::Failed {
            self.state = if self.established { State::Disconnected } else { State::New };
            // Silence counts as if it had begun so that 15 s are left.
            self.heard = self.heard.map(|_| now.checked_sub(FAILED - CONNECTING).unwrap_or(now));
        }
    }

    /// The state to report, if it is another one than before.
    pub(super) fn poll(&mut self, now: Instant) -> Option<PathState> {
        let next = match (self.established, self.heard, self.progress) {
            (true, Some(heard), _) => match now.saturating_duration_since(heard) {
                silent if silent >= FAILED => State::Failed,
                silent if silent >= DISCONNECTED => State::Disconnected,
                _ => State::Connected,
            },
            (false, _, Some(progress)) if now.saturating_duration_since(progress) >= CONNECTING => {
                State::Failed
            }
            _ => return None,
        };
        // Only what is heard, or a restart, leads out of Failed.
        if next == self.state || (self.state == State::Failed && next == State::Disconnected) {
            return None;
        }
        tracing::debug!(from = ?self.state, to = ?next, "path");
        self.state = next;
        match next {
            State::New => None,
            State::Connected => Some(PathState::Connected),
            State::Disconnected => Some(PathState::Disconnected),
            State::Failed => Some(PathState::Failed),
        }
    }

    /// When [`Watch::poll`] has something to say at the latest; none: not by itself.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        match (self.state, self.established) {
            (State::Failed, _) => None,
            (State::Disconnected, true) => self.heard.map(|heard| heard + FAILED),
            (_, true) => self.heard.map(|heard| heard + DISCONNECTED),
            (_, false) => self.progress.map(|progress| progress + CONNECTING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_path_silent_for_ten_seconds_survives() {
        let start = Instant::now();
        let mut watch = Watch::new();
        watch.handle_progress(start);
        watch.handle_established(start);

        assert_eq!(watch.poll(start), Some(PathState::Connected));
        assert_eq!(watch.poll_timeout(), Some(start + seconds(5)));
        assert_eq!(watch.poll(start + seconds(4)), None);
        assert_eq!(watch.poll(start + seconds(5)), Some(PathState::Disconnected));
        watch.handle_heard(start + seconds(10));
        assert_eq!(watch.poll(start + seconds(10)), Some(PathState::Connected));
    }

    #[test]
    fn silence_ends_in_failed_once_and_a_restart_gives_fifteen_seconds_more() {
        let start = Instant::now();
        let mut watch = Watch::new();
        watch.handle_established(start);
        watch.poll(start);

        assert_eq!(watch.poll(start + seconds(30)), Some(PathState::Failed));
        assert_eq!(watch.poll(start + seconds(31)), None);
        assert_eq!(watch.poll_timeout(), None);
        watch.restart(start + seconds(40));
        assert_eq!(watch.poll(start + seconds(54)), None);
        assert_eq!(watch.poll(start + seconds(55)), Some(PathState::Failed));
        watch.handle_heard(start + seconds(56));
        assert_eq!(watch.poll(start + seconds(56)), Some(PathState::Connected));
    }

    #[test]
    fn a_connection_that_never_connects_fails_fifteen_seconds_after_the_last_candidate() {
        let start = Instant::now();
        let mut watch = Watch::new();

        assert_eq!(watch.poll(start + seconds(100)), None);
        watch.handle_progress(start);
        watch.handle_progress(start + seconds(10));
        assert_eq!(watch.poll(start + seconds(24)), None);
        assert_eq!(watch.poll(start + seconds(25)), Some(PathState::Failed));
    }
}
