//! WebSockets around [`Rooms`]: one task a socket, which waits for the peer, for its mailbox, and for time.
use crate::{
    limits::{AddressGroup, Bucket, Limits},
    rooms::{ConnectionId, NotAdmitted, Output, Rooms},
};
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use beeline_core::{time::Time, wire::signal::MAX_SIGNAL_LEN};
use bytes::Bytes;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until, timeout},
};

/// Frames waiting for one socket, at most. Rooms keep at most 256 messages from each of 16 joiners, and all of
/// them may go out at once after a resume; a socket that lets still more pile up does not read.
const MAILBOX: usize = 16 * 256 + 512;
/// A frame that takes longer to hand to the kernel meets a peer that does not read.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// For the closing handshake (RFC 6455 §7.1.2).
const CLOSE_WITHIN: Duration = Duration::from_secs(2);
/// WebSocket pings that a peer may send at once, and a second.
const PING_BURST: f64 = 60.0;
const PINGS_PER_SECOND: f64 = 1.0;

/// Buffers that fit our messages: the defaults cost 136 kB a socket, these 8 kB.
pub(crate) fn tune(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0)
        .max_write_buffer_size(256 * 1024)
        .max_message_size(MAX_SIGNAL_LEN)
        .max_frame_size(MAX_SIGNAL_LEN)
}

/// The rooms and the mailboxes of all sockets.
pub(crate) struct Hub {
    state: Mutex<State>,
    started: Instant,
    limits: Limits,
}

struct State {
    rooms: Rooms,
    /// A socket whose mailbox is taken away sends what is in it, and closes.
    mailboxes: HashMap<ConnectionId, mpsc::Sender<Bytes>>,
    next: u64,
    draining: bool,
}

impl Hub {
    pub(crate) fn new(rooms: Rooms, limits: Limits) -> Self {
        let state = State { rooms, mailboxes: HashMap::new(), next: 0, draining: false };
        Self { state: Mutex::new(state), started: Instant::now(), limits }
    }

    /// Lets a socket in, which then has to say hello. Dropping the result lets it out.
    pub(crate) fn admit(self: &Arc<Self>, from: AddressGroup) -> Result<Admitted, NotAdmitted> {
        let mut state = self.lock();
        if state.draining {
            return Err(NotAdmitted::Full);
        }
        let id = ConnectionId(state.next);
        state.next += 1;
        state.rooms.handle_connected(id, from, self.now())?;
        let (sender, mailbox) = mpsc::channel(MAILBOX);
        state.mailboxes.insert(id, sender);
        Ok(Admitted { hub: self.clone(), id, mailbox })
    }

    /// Time has passed.
    pub(crate) fn handle_time(&self) {
        self.with(|rooms, now| rooms.handle_time(now));
    }

    /// Tells everybody to come again later, and lets nobody in.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
        self.with(|rooms, now| rooms.drain(now));
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.lock().draining
    }

    fn now(&self) -> Time {
        Time::from_origin(self.started.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock would be our mistake; the other rooms go on.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(&self, input: impl FnOnce(&mut Rooms, Time) -> Vec<Output>) {
        let mut state = self.lock();
        let outputs = input(&mut state.rooms, self.now());
        for output in outputs {
            match output {
                Output::Send(id, frame) => {
                    let full =
                        state.mailboxes.get(&id).is_some_and(|m| m.try_send(frame.encode().into()).is_err());
                    if full {
                        state.mailboxes.remove(&id);
                    }
                }
                Output::Close(id) => {
                    state.mailboxes.remove(&id);
                }
            }
        }
    }
}

/// A socket that was let in.
pub(crate) struct Admitted {
    hub: Arc<Hub>,
    id: ConnectionId,
    mailbox: mpsc::Receiver<Bytes>,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.hub.lock().mailboxes.remove(&self.id);
        self.hub.with(|rooms, now| rooms.handle_closed(self.id, now));
    }
}

impl Admitted {
    /// Serves the socket until one side closes it.
    pub(crate) async fn run(mut self, mut socket: WebSocket) {
        let (ping_every, dead_after) = (self.hub.limits.ping_every, self.hub.limits.dead_after);
        let mut heard = Instant::now();
        // Spread out, so that sockets that came together do not ping together.
        let jitter = Duration::from_millis(self.id.0 % 16 * 100).min(ping_every / 10);
        let mut next_ping = heard + ping_every - jitter;
        let mut pings = Bucket::full(PING_BURST, PINGS_PER_SECOND, self.hub.now());
        let code = loop {
            tokio::select! {
                message = socket.recv() => {
                    heard = Instant::now();
                    match message {
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {
                            if pings.take(self.hub.now()).is_err() {
                                break close_code::POLICY;
                            }
                        }
                        // Read on for the answer to go out (RFC 6455 §5.5.1).
                        Some(Ok(Message::Close(_))) => return self.hear_out(&mut socket).await,
                        Some(Ok(message)) => self.handle(&message),
                        Some(Err(_)) => break close_code::SIZE, // or the connection broke: then nobody reads the code
                        None => return,
                    }
                }
                frame = self.mailbox.recv() => {
                    let Some(frame) = frame else { break close_code::NORMAL };
                    let sent = timeout(WRITE_WITHIN, socket.send(Message::Binary(frame))).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        return self.hear_out(&mut socket).await;
                    }
                }
                () = sleep_until(next_ping.min(heard + dead_after)) => {
                    if heard.elapsed() >= dead_after {
                        return;
                    }
                    next_ping += ping_every;
                    let sent = timeout(WRITE_WITHIN, socket.send(Message::Ping(Bytes::new()))).await;
                    if !matches!(sent, Ok(Ok(()))) {
                        return self.hear_out(&mut socket).await;
                    }
                }
            }
        };
        let farewell = Message::Close(Some(CloseFrame { code, reason: "".into() }));
        let _ = timeout(CLOSE_WITHIN, async {
            let _ = socket.send(farewell).await;
            while let Some(Ok(_)) = socket.recv().await {}
        })
        .await;
    }

    fn handle(&self, message: &Message) {
        match message {
            Message::Binary(bytes) => self.hub.with(|rooms, now| rooms.handle(self.id, bytes, now)),
            Message::Text(_) => self.hub.with(|rooms, now| rooms.handle_not_binary(self.id, now)),
            Message::Ping(_) | Message::Pong(_) | Message::Close(_) => {}
        }
    }

    /// A peer that takes nothing any more may have said something before: that it leaves, and why.
    async fn hear_out(&self, socket: &mut WebSocket) {
        let _ = timeout(CLOSE_WITHIN, async {
            while let Some(Ok(message)) = socket.recv().await {
                self.handle(&message);
            }
        })
        .await;
    }
}
