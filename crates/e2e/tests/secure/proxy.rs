//! A proxy as `HTTPS_PROXY` names it: `CONNECT host:port` (RFC 9110 §9.3.6).

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::front::head;

/// It knows one name and refuses all others; stopped when dropped.
pub(crate) struct Proxy {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Connects whoever asks for `name` to this port of loopback.
    pub(crate) async fn start(name: &'static str, port: u16) -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let asks = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let asks = asks.clone();
                tokio::spawn(async move {
                    let head = head(&mut client).await?;
                    let target = head.split(' ').nth(1).context("a target")?.to_owned();
                    let known = head.starts_with("CONNECT ") && target.starts_with(&format!("{name}:"));
                    asks.lock().unwrap_or_else(PoisonError::into_inner).push(target);
                    if !known {
                        client.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await?;
                        return Ok(());
                    }
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
                    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
                    copy_bidirectional(&mut client, &mut server).await?;
                    Ok::<_, anyhow::Error>(())
                });
            }
        });
        Ok(Self { url, asked, task })
    }

    /// What it was asked to connect to, in this order.
    pub(crate) fn asked_for(&self) -> Vec<String> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}
