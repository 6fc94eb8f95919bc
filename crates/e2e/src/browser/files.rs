//! Files into a page and out of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::{Value, json};
use thirtyfour::common::command::FormatRequestData;
use thirtyfour::prelude::*;
use thirtyfour::{RequestData, SessionId};

use super::{Browser, Kind};
use crate::{PATIENCE, Tree};

impl Browser {
    /// Chooses files in an `<input type=file>`.
    pub async fn choose(&self, input: &str, files: &[&Path]) -> Result<()> {
        let paths: Vec<_> =
            files.iter().map(|path| path.to_str().expect("paths in tests are UTF-8")).collect();
        Ok(self.driver.find(By::Css(input)).await?.send_keys(paths.join("\n")).await?)
    }

    /// Chooses a folder in an `<input webkitdirectory>`.
    pub async fn choose_folder(&self, input: &str, folder: &Path) -> Result<()> {
        if self.kind == Kind::Chromium {
            return self.choose(input, &[folder]).await;
        }
        // WebDriver and BiDi refuse folders here, and `mozSetDirectory` leaves `input.files` empty: answer the dialog.
        self.in_chrome(include_str!("folder.js"), vec![json!(input), json!(folder)]).await?;
        let start = Instant::now(); // "Are you sure you want to upload all files from …?"
        while let Err(error) = self.driver.accept_alert().await {
            ensure!(start.elapsed() < PATIENCE, "{error}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// [`Browser::eval`] with the rights of Firefox itself, in its own window.
    pub(super) async fn in_chrome(&self, expression: &str, args: Vec<Value>) -> Result<Value> {
        self.driver.cmd(MozContext("chrome")).await?;
        let answer = self.eval(expression, args).await;
        self.driver.cmd(MozContext("content")).await?;
        answer
    }

    /// The downloaded file, once it is complete: `len` bytes under this name.
    pub async fn downloaded(&self, name: &str, len: u64) -> Result<PathBuf> {
        self.downloaded_within(name, len, PATIENCE).await
    }

    /// The same with a deadline of its own.
    pub async fn downloaded_within(&self, name: &str, len: u64, limit: Duration) -> Result<PathBuf> {
        let path = self.downloads.join(name);
        let there = || fs::metadata(&path).is_ok_and(|found| found.len() == len).then(|| path.clone());
        self.when_downloaded(name, limit, there).await
    }

    /// The same for a file whose length nobody knows before.
    pub async fn downloaded_whole(&self, name: &str, limit: Duration) -> Result<PathBuf> {
        let path = self.downloads.join(name);
        let there = || fs::metadata(&path).is_ok_and(|found| found.len() > 0).then(|| path.clone());
        self.when_downloaded(name, limit, there).await
    }

    /// What is in the downloaded archive, `beeline-….zip`, once it is complete.
    pub async fn downloaded_archive(&self) -> Result<Tree> {
        let ours = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            name.starts_with("beeline-") && name.ends_with(".zip") && Tree::of_zip(path).is_ok()
        };
        let archive =
            self.when_downloaded("beeline-….zip", PATIENCE, || self.saved().into_iter().find(ours)).await?;
        Tree::of_zip(&archive)
    }

    /// Waits for `found`, while nothing is being written.
    ///
    /// Both browsers write beside the final name (.crdownload, .part) and rename; Firefox puts an empty file in the
    /// name's place first.
    async fn when_downloaded(
        &self,
        what: &str,
        limit: Duration,
        found: impl Fn() -> Option<PathBuf>,
    ) -> Result<PathBuf> {
        let start = Instant::now();
        while start.elapsed() < limit {
            let partial =
                |path: &PathBuf| path.extension().is_some_and(|end| end == "crdownload" || end == "part");
            if !self.saved().iter().any(partial)
                && let Some(path) = found()
            {
                return Ok(path);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        bail!("{:?}: no {what} among {:?}", self.kind, self.saved())
    }

    /// Everything in the download folder, complete or not.
    pub fn saved(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.downloads).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
    }
}

/// Whether geckodriver's scripts run in the page or in the browser's own window (geckodriver --allow-system-access).
#[derive(Debug)]
struct MozContext(&'static str);

impl FormatRequestData for MozContext {
    fn format_request(&self, session: &SessionId) -> RequestData {
        let address = format!("/session/{session}/moz/context");
        RequestData::new(http::Method::POST, address).add_body(json!({ "context": self.0 }))
    }
}
