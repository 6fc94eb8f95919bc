//! The control: a bare data channel between the same two browsers.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use e2e::Browser;
use serde_json::{Value, json};

/// No transfer takes longer.
const PATIENCE: Duration = Duration::from_secs(3600);

/// An open channel between two pages that do nothing else.
#[derive(Debug)]
pub(crate) struct Bare<'a> {
    sender: &'a Browser,
    receiver: &'a Browser,
}

impl<'a> Bare<'a> {
    /// Loads a page without a script of its own (the server's health) in both, and connects them.
    pub(crate) async fn open(server: &str, sender: &'a Browser, receiver: &'a Browser) -> Result<Self> {
        let address = format!("{server}/healthz");
        tokio::try_join!(sender.driver.goto(&address), receiver.driver.goto(&address))?;
        for browser in [sender, receiver] {
            browser.driver.execute(include_str!("bare.js"), vec![]).await?;
        }
        let offer = sender.eval("bare.offer()", vec![]).await?;
        let answer = receiver.eval("bare.answer(args[0])", vec![offer]).await?;
        sender.eval("bare.accept(args[0])", vec![answer]).await?;
        tokio::try_join!(sender.eval("bare.ready()", vec![]), receiver.eval("bare.ready()", vec![]))?;
        Ok(Self { sender, receiver })
    }

    /// Sends so many bytes and waits until the receiver has counted them.
    pub(crate) async fn carry(&self, bytes: u64) -> Result<()> {
        let (sent, received) = tokio::try_join!(
            done(self.sender, "bare.send(args[0])", bytes),
            done(self.receiver, "bare.receive(args[0])", bytes),
        )?;
        ensure!(sent == received && received == json!(bytes), "sent {sent}, received {received}");
        Ok(())
    }

    /// Sends until it is closed, and does not wait.
    pub(crate) async fn keep_sending(&self) -> Result<()> {
        self.sender.run("bare.keepSending()").await
    }

    /// Bytes that have arrived so far.
    pub(crate) async fn received(&self) -> Result<u64> {
        self.receiver.run("return bare.received()").await
    }

    /// Closes the connection.
    pub(crate) async fn close(self) -> Result<()> {
        tokio::try_join!(
            self.sender.eval("bare.close()", vec![]),
            self.receiver.eval("bare.close()", vec![])
        )?;
        Ok(())
    }
}

/// What becomes of a promise that may take long: a driver's answer is waited for only so long.
async fn done(browser: &Browser, promise: &str, bytes: u64) -> Result<Value> {
    browser.eval(&format!("(window.job = {promise}, null)"), vec![json!(bytes)]).await?;
    let start = Instant::now();
    loop {
        ensure!(start.elapsed() < PATIENCE, "the bare channel does not end");
        let wait = "Promise.race([window.job, new Promise(over => setTimeout(over, 30_000, null))])";
        let result = browser.eval(wait, vec![]).await?;
        if !result.is_null() {
            return Ok(result);
        }
    }
}
