//! The socket to the server: connecting within a deadline, whole binary messages, and knowing when it is dead.
mod address;
mod connect;

pub use address::{ServerAddress, ServerAddressError};
use connect::Stream;

use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{Message, protocol::CloseFrame},
};

/// Until the server has answered the request for a WebSocket, at most.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A ping this often keeps address translators awake and finds out about a dead path.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Without any message or pong for this long the socket counts as dead: two pings and some patience.
const DEAD_AFTER: Duration = Duration::from_secs(50);
/// For the last messages and the close handshake, at most.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a socket reports.
#[derive(Debug)]
pub(crate) enum SocketEvent {
    Open,
    Message(Vec<u8>),
    /// Could not be connected, or is closed; nothing follows.
    Closed(String),
}

/// A socket that is connecting, open or closed. Dropping it closes it at once.
pub(crate) struct Socket {
    outgoing: Option<UnboundedSender<Vec<u8>>>,
    incoming: UnboundedReceiver<SocketEvent>,
    task: JoinHandle<()>,
}

impl Socket {
    /// Begins to connect.
    pub(crate) fn connect(server: ServerAddress) -> Socket {
        let (outgoing, outbox) = unbounded_channel();
        let (reports, incoming) = unbounded_channel();
        let task = tokio::spawn(async move {
            let why = run(&server, outbox, &reports).await;
            let _ = reports.send(SocketEvent::Closed(why));
        });
        Socket { outgoing: Some(outgoing), incoming, task }
    }

    /// Sends a message, if the socket is still open.
    pub(crate) fn send(&self, message: Vec<u8>) {
        if let Some(outgoing) = &self.outgoing {
            let _ = outgoing.send(message);
        }
    }

    /// What happened next. Cancel-safe; pending for ever after `Closed`.
    pub(crate) async fn event(&mut self) -> SocketEvent {
        match self.incoming.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Sends what is queued, says goodbye and waits a second for it, at most.
    pub(crate) async fn close(mut self) {
        self.outgoing = None;
        let _ = timeout(CLOSE_TIMEOUT, &mut self.task).await;
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Runs until the socket is closed and says why.
async fn run(
    server: &ServerAddress,
    mut outbox: UnboundedReceiver<Vec<u8>>,
    reports: &UnboundedSender<SocketEvent>,
) -> String {
    let mut socket = match timeout(CONNECT_TIMEOUT, connect::connect(server)).await {
        Err(_) => return format!("{server} does not answer"),
        Ok(Err(error)) => return error.to_string(),
        Ok(Ok(socket)) => socket,
    };
    let _ = reports.send(SocketEvent::Open);
    let mut heard = Instant::now();
    let mut pings = interval(PING_INTERVAL);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            message = socket.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Binary(bytes))) => {
                        let _ = reports.send(SocketEvent::Message(bytes.into()));
                    }
                    Some(Ok(Message::Close(frame))) => return closed(server, frame),
                    // Pings are answered by the library.
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return format!("the connection to {server} broke: {error}"),
                    None => return format!("{server} closed the connection"),
                }
            }
            message = outbox.recv() => {
                let Some(message) = message else {
                    let _ = timeout(CLOSE_TIMEOUT, say_goodbye(&mut socket)).await;
                    return "closed".into();
                };
                match timeout(DEAD_AFTER, socket.send(Message::Binary(message.into()))).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        let _ = timeout(CLOSE_TIMEOUT, hear_out(&mut socket, reports)).await;
                        return format!("the connection to {server} broke: {error}");
                    }
                    Err(_) => return format!("{server} is silent"),
                }
            }
            _ = pings.tick() => {
                if heard.elapsed() > DEAD_AFTER {
                    return format!("{server} is silent");
                }
                if let Ok(Err(error)) = timeout(DEAD_AFTER, socket.send(Message::Ping(Vec::new().into()))).await {
                    return format!("the connection to {server} broke: {error}");
                }
            }
        }
    }
}

/// The close handshake (RFC 6455 §7.1.2). A connection closed with bytes unread is reset, and may take with it what was
/// sent last.
async fn say_goodbye(socket: &mut WebSocketStream<impl Stream>) {
    if socket.close(None).await.is_ok() {
        while let Some(Ok(_)) = socket.next().await {}
    }
}

/// A server that takes nothing any more may have said why before.
async fn hear_out(socket: &mut WebSocketStream<impl Stream>, reports: &UnboundedSender<SocketEvent>) {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Binary(bytes) = message {
            let _ = reports.send(SocketEvent::Message(bytes.into()));
        }
    }
}

fn closed(server: &ServerAddress, frame: Option<CloseFrame>) -> String {
    match frame {
        Some(frame) if !frame.reason.is_empty() => {
            format!("{server} closed the connection: {}", beeline_core::quote::quote(&frame.reason))
        }
        _ => format!("{server} closed the connection"),
    }
}
