//! Somebody who speaks to the server frame by frame.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use beeline_core::wire::signal::{ToPeer, ToServer};
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Nothing on loopback takes this long.
const SOON: Duration = Duration::from_secs(10);

/// A socket to the server without a program behind it.
#[derive(Debug)]
pub(crate) struct Stranger(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Stranger {
    pub(crate) async fn connect(server: &str) -> Result<Self> {
        let address = server.replacen("http://", "ws://", 1) + "/ws";
        Ok(Self(tokio_tungstenite::connect_async(address).await?.0))
    }

    pub(crate) async fn say(&mut self, frame: impl Into<ToServer>) -> Result<()> {
        Ok(self.0.send(Message::binary(frame.into().encode())).await?)
    }

    /// The next frame as it came.
    pub(crate) async fn hear_bytes(&mut self) -> Result<Vec<u8>> {
        loop {
            match timeout(SOON, self.0.next()).await?.context("the socket is closed")?? {
                Message::Binary(bytes) => return Ok(bytes.to_vec()),
                Message::Close(_) => bail!("the server closes the socket"),
                _ => {}
            }
        }
    }

    pub(crate) async fn hear(&mut self) -> Result<ToPeer> {
        ToPeer::decode(&self.hear_bytes().await?)?.context("a frame that is known")
    }
}
