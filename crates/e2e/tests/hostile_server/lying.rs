//! The real server, in this process, that lies.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use beeline_core::wire::signal::PeerId;
use beeline_server::{Config, Hostile, Server, Tamper};
use tokio::task::JoinHandle;

/// The first byte of a sealed message (`beeline_core::wire::meeting`).
const SEALED: u8 = 0x15;

/// A server that lies; stopped when dropped.
#[derive(Debug)]
pub(crate) struct Liar {
    /// Without a slash at the end: a secure context.
    pub(crate) url: String,
    task: JoinHandle<()>,
}

impl Liar {
    pub(crate) async fn start(hostile: Hostile) -> Result<Self> {
        let mut config = Config::default();
        config.listen = vec!["127.0.0.1:0".parse()?];
        config.hostile = hostile;
        let server = Server::bind(config).await?;
        let url = server.urls().first().context("a server has an address")?.trim_end_matches('/').to_owned();
        Ok(Self { url, task: tokio::spawn(server.run()) })
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Whose messages are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Opener,
    Joiner,
}

/// What becomes of a sealed message; the first argument is what the same side had sealed before.
pub(crate) type Change = fn(&[Vec<u8>], Vec<u8>) -> Vec<u8>;

/// A server that changes one sealed message of one side, the `nth` from 0, and no other.
pub(crate) fn changes(side: Side, nth: usize, change: Change) -> Hostile {
    let before = Mutex::new(Vec::new());
    let tamper = move |from: PeerId, _to: PeerId, body: Vec<u8>| {
        if (from == 0) != (side == Side::Opener) || body.first() != Some(&SEALED) {
            return body;
        }
        let mut before = before.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = if before.len() == nth { change(&before, body.clone()) } else { body.clone() };
        before.push(body);
        changed
    };
    Hostile { tamper: Some(Arc::new(tamper) as Arc<Tamper>), ..Hostile::default() }
}

/// One bit of the authentication tag.
pub(crate) fn flipped(_: &[Vec<u8>], mut body: Vec<u8>) -> Vec<u8> {
    if let Some(last) = body.last_mut() {
        *last ^= 1;
    }
    body
}

/// The first one once more.
pub(crate) fn repeated(before: &[Vec<u8>], body: Vec<u8>) -> Vec<u8> {
    before.first().cloned().unwrap_or(body)
}

/// As long, and nothing but noise behind the first byte.
pub(crate) fn noise(_: &[Vec<u8>], mut body: Vec<u8>) -> Vec<u8> {
    let mut random = blake3::Hasher::new().update(&body).finalize_xof();
    random.fill(&mut body[1..]);
    body
}
