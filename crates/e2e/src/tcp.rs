//! A bulk TCP flow of this process's own between two hosts: what a line carries when nobody gets it wrong.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::net::sockopt::set_tcp_congestion;

use crate::{Host, Joined};

/// A flow from host a to host b, from [`Tcp::start`] on; ends when dropped.
#[derive(Debug)]
pub struct Tcp {
    received: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
    sender: TcpStream,
    sending: Option<JoinHandle<()>>,
}

impl Tcp {
    /// Connects and sends `bytes` (without end, if there is no number) under this congestion control (`cubic`, `bbr`).
    ///
    /// The kernel's buffers are the system's own, as they would be for anybody's program.
    pub fn start(joined: &Joined, congestion: &str, bytes: Option<u64>) -> Result<Self> {
        let listener = joined.b.inside(|| Ok(TcpListener::bind((Joined::B, 0))?))?;
        let address = listener.local_addr()?;
        let sender = joined.a.inside(|| connect(&joined.a, congestion, address.ip(), address.port()))?;
        let (mut receiver, _) = listener.accept().context("host a has connected")?;
        let (received, over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));

        let mut sink = sender.try_clone()?;
        let sending = std::thread::spawn(move || {
            let block = vec![0; 64 << 10];
            let mut left = bytes.unwrap_or(u64::MAX);
            while left > 0 {
                let part = &block[..left.min(block.len() as u64) as usize];
                if sink.write_all(part).is_err() {
                    return; // the flow has been dropped
                }
                left -= part.len() as u64;
            }
            let _ = sink.shutdown(Shutdown::Write);
        });
        let (count, ended) = (received.clone(), over.clone());
        std::thread::spawn(move || {
            let mut block = vec![0; 256 << 10];
            loop {
                match receiver.read(&mut block) {
                    Ok(0) => break,
                    Ok(len) => {
                        count.fetch_add(len as u64, Ordering::Relaxed);
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(_) => break,
                }
            }
            ended.store(true, Ordering::Relaxed);
        });
        Ok(Self { received, over, sender, sending: Some(sending) })
    }

    /// Bytes that have arrived.
    pub fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }

    /// Waits until all bytes have arrived.
    pub async fn arrived(&self, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while !self.over.load(Ordering::Relaxed) {
            ensure!(start.elapsed() < limit, "TCP has brought {} bytes in {limit:?}", self.received());
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(())
    }
}

impl Drop for Tcp {
    fn drop(&mut self) {
        // A reset instead of a good-bye: what is still in the buffers is not to occupy the line.
        let _ = rustix::net::sockopt::set_socket_linger(&self.sender, Some(Duration::ZERO));
        let _ = self.sender.shutdown(Shutdown::Both);
        // Only the sender's thread is waited for: the receiver's hears of the end when the line lets it through.
        if let Some(sending) = self.sending.take() {
            let _ = sending.join();
        }
    }
}

fn connect(host: &Host, congestion: &str, address: IpAddr, port: u16) -> Result<TcpStream> {
    let stream = TcpStream::connect((address, port)).with_context(|| format!("from {}", host.address()))?;
    set_tcp_congestion(&stream, congestion).with_context(|| format!("TCP {congestion}"))?;
    Ok(stream)
}

/// Whether this kernel has the congestion control.
pub fn has_congestion_control(name: &str) -> bool {
    let known = std::fs::read_to_string("/proc/sys/net/ipv4/tcp_available_congestion_control");
    known.is_ok_and(|known| known.split_whitespace().any(|known| known == name))
}
