//! Our page in two browsers, ready for the click on "accept".

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use e2e::{Browser, Kind, Options, Server, digest_of};

/// So that a page in the background is not slowed down; both ways are measured with the same browsers.
pub(crate) const AWAKE: Options = Options {
    chromium: &[
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
    ],
    ..Options::DEFAULT
};

/// Two Chromium.
pub(crate) async fn browsers() -> Result<(Browser, Browser)> {
    tokio::try_join!(Browser::start_with(Kind::Chromium, AWAKE), Browser::start_with(Kind::Chromium, AWAKE))
}

/// Sends one file from page to page.
#[derive(Debug)]
pub(crate) struct Transfer<'a> {
    sender: &'a Browser,
    receiver: &'a Browser,
    name: String,
    len: u64,
}

impl<'a> Transfer<'a> {
    /// Goes as far as the receiver's question.
    pub(crate) async fn offer(
        server: &Server,
        sender: &'a Browser,
        receiver: &'a Browser,
        file: &Path,
    ) -> Result<Self> {
        tokio::try_join!(sender.open(&server.url), receiver.open(&server.url))?;
        let code = sender.send_files(&[file]).await?;
        receiver.join(&code).await?;
        receiver.until_state("incoming").await?;
        let name = file.file_name().and_then(|name| name.to_str()).context("a file's name")?;
        Ok(Self { sender, receiver, name: name.to_owned(), len: fs::metadata(file)?.len() })
    }

    /// From the click to the complete file on disk. Asks the file system, not the browsers, so as not to disturb them.
    pub(crate) async fn accept(&self, patience: std::time::Duration) -> Result<PathBuf> {
        self.receiver.click("#accept").await?;
        self.receiver.downloaded_within(&self.name, self.len, patience).await
    }

    /// Checks the digests that both ends show, and takes the file away.
    pub(crate) async fn finish(self, saved: &Path, digest: &str) -> Result<()> {
        for (who, browser) in [("sender", self.sender), ("receiver", self.receiver)] {
            let shown = browser.finish().await.context(who)?;
            ensure!(shown.get(&self.name).is_some_and(|shown| shown == digest), "the {who} shows {shown:?}");
        }
        let there = digest_of(saved)?;
        ensure!(there == digest, "{} is not what was sent: {there}", saved.display());
        Ok(fs::remove_file(saved)?)
    }
}
