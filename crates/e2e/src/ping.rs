//! A call's worth of small packets, each way and back: what a person on the same line would hear of a transfer.

use std::net::UdpSocket;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Joined;

/// As a voice call: one packet of 160 bytes every 20 ms.
const INTERVAL: Duration = Duration::from_millis(20);
const LEN: usize = 160;

/// Packets from host a that host b sends back, from [`Pings::start`] on.
#[derive(Debug)]
pub struct Pings {
    found: Arc<Mutex<Found>>,
}

#[derive(Debug, Default)]
struct Found {
    sent: usize,
    round_trips: Vec<Duration>,
    over: bool,
}

/// What came of them.
#[derive(Clone, Debug)]
pub struct RoundTrips {
    /// Sorted, the shortest first.
    times: Vec<Duration>,
    /// The part that never came back, 0 to 1.
    pub lost: f64,
}

impl Pings {
    /// Starts both ends.
    pub fn start(joined: &Joined) -> Result<Self> {
        let echo = joined.b.inside(|| Ok(UdpSocket::bind((Joined::B, 0))?))?;
        let socket = joined.a.inside(|| Ok(UdpSocket::bind((Joined::A, 0))?))?;
        socket.connect(echo.local_addr()?)?;
        for socket in [&echo, &socket] {
            socket.set_read_timeout(Some(Duration::from_millis(100)))?; // so that their threads end
        }
        let found = Arc::new(Mutex::new(Found::default()));
        let start = Instant::now();

        let (state, sender) = (found.clone(), socket.try_clone()?);
        std::thread::spawn(move || {
            for number in 0.. {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.over {
                    break;
                }
                state.sent += 1;
                drop(state);
                let mut packet = [0; LEN];
                packet[..8].copy_from_slice(&(start.elapsed().as_nanos() as u64).to_be_bytes());
                let _ = sender.send(&packet);
                let next = start + INTERVAL * (number + 1);
                std::thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        });
        let state = found.clone();
        std::thread::spawn(move || {
            let mut packet = [0; LEN];
            loop {
                let heard = socket.recv(&mut packet).is_ok();
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                if state.over {
                    break;
                }
                if heard {
                    let sent = packet[..8].try_into().expect("eight bytes");
                    state
                        .round_trips
                        .push(start.elapsed().saturating_sub(Duration::from_nanos(u64::from_be_bytes(sent))));
                }
            }
        });
        let state = found.clone();
        std::thread::spawn(move || {
            let mut packet = [0; LEN];
            while !state.lock().unwrap_or_else(PoisonError::into_inner).over {
                if let Ok((len, from)) = echo.recv_from(&mut packet) {
                    let _ = echo.send_to(&packet[..len], from);
                }
            }
        });
        Ok(Self { found })
    }

    /// What has been heard since the start or the last call; what is under way counts as lost.
    pub fn take(&self) -> RoundTrips {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let mut times = std::mem::take(&mut found.round_trips);
        let sent = std::mem::take(&mut found.sent);
        times.sort();
        RoundTrips { lost: 1.0 - (times.len() as f64 / sent.max(1) as f64).min(1.0), times }
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).over = true;
    }
}

impl RoundTrips {
    /// The round trip that so many of a hundred did not exceed; nothing if none came back.
    pub fn percentile(&self, percentile: f64) -> Option<Duration> {
        let last = self.times.len().checked_sub(1)?;
        self.times.get((last as f64 * percentile / 100.0).round() as usize).copied()
    }
}
