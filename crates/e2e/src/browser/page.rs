//! The page's contract: what a test (or a user's script) may rely on in its document.
//!
//! ```text
//! body[data-ready=1]         the wasm runs
//! main[data-state=…]         landing · invited · waiting · several · joining · connecting · incoming · moving · done · failed · unsupported
//! landing                    #files #folder #code-input #join      invited: #join alone
//! landing                    #write opens #text #send-text
//! waiting                    #code #link #qr #more li.chip[data-path] #several
//! several                    #code #link #qr #no-more #finish      #receivers li[data-state=under-way|done|ended]
//! incoming                   #peer #sas #offer li[data-path] #accept #decline
//! moving                     #progress #speed #eta #path #pause #cancel      .line[data-shape=straight|bent|broken]
//! done                       #files-done li[data-path][data-blake3] #received-text
//! failed                     #error #hint #again
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use thirtyfour::prelude::*;

use super::Browser;

impl Browser {
    /// The page's state.
    pub async fn state(&self) -> Result<String> {
        self.run("return document.querySelector('main')?.dataset.state ?? ''").await
    }

    /// Waits until the page is in this state; a state from which nothing follows is an error at once.
    pub async fn until_state(&self, wanted: &str) -> Result<()> {
        self.until_state_within(wanted, crate::PATIENCE).await
    }

    /// The same with a deadline of its own.
    pub async fn until_state_within(&self, wanted: &str, limit: Duration) -> Result<()> {
        let start = Instant::now();
        loop {
            let state = self.state().await?;
            if state == wanted {
                return Ok(());
            }
            if state == "failed" || state == "unsupported" {
                let (error, hint) = (self.text("#error").await?, self.text("#hint").await?);
                bail!("{:?}: {state} instead of {wanted}: {error}\nhint: {hint}", self.kind);
            }
            ensure!(start.elapsed() < limit, "{:?}: {state} instead of {wanted} after {limit:?}", self.kind);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Offers files; the code to tell.
    pub async fn send_files(&self, files: &[&Path]) -> Result<String> {
        self.choose("#files", files).await?;
        self.code().await
    }

    /// Offers a folder; the code to tell.
    pub async fn send_folder(&self, folder: &Path) -> Result<String> {
        self.choose_folder("#folder", folder).await?;
        self.code().await
    }

    /// Offers a text; the code to tell.
    pub async fn send_text(&self, text: &str) -> Result<String> {
        self.click("#write").await?;
        self.driver.find(By::Css("#text")).await?.send_keys(text).await?;
        self.click("#send-text").await?;
        self.code().await
    }

    /// The code that the page shows.
    pub async fn code(&self) -> Result<String> {
        self.until_state("waiting").await?;
        self.until("a code", "document.querySelector('#code')?.textContent.trim()").await?;
        self.text("#code").await
    }

    /// The link that the page shows.
    pub async fn link(&self) -> Result<String> {
        self.until_state("waiting").await?;
        self.run("const link = document.querySelector('#link'); return link.value ?? link.href ?? link.textContent").await
    }

    /// Types a code on the landing page and joins.
    pub async fn join(&self, code: &str) -> Result<()> {
        self.driver.find(By::Css("#code-input")).await?.send_keys(code).await?;
        self.click("#join").await
    }

    /// Opens a link and joins.
    pub async fn follow(&self, link: &str) -> Result<()> {
        self.open(link).await?;
        self.until_state("invited").await?;
        self.click("#join").await
    }

    /// Waits for an offer and accepts it.
    pub async fn accept(&self) -> Result<()> {
        self.until_state("incoming").await?;
        self.click("#accept").await
    }

    /// Waits for an offer and declines it.
    pub async fn decline(&self) -> Result<()> {
        self.until_state("incoming").await?;
        self.click("#decline").await
    }

    /// The paths that are offered.
    pub async fn offered(&self) -> Result<Vec<String>> {
        self.until_state("incoming").await?;
        self.run("return [...document.querySelectorAll('#offer li[data-path]')].map(li => li.dataset.path)")
            .await
    }

    /// Waits until file data has moved and more is to come.
    pub async fn midway(&self) -> Result<()> {
        self.until_state("moving").await?;
        self.until("some progress", "document.querySelector('#progress')?.value > 0").await?;
        ensure!(self.state().await? == "moving", "{:?}: over before it could be disturbed", self.kind);
        Ok(())
    }

    /// Waits for the end of the transfer; the digests it shows.
    pub async fn finish(&self) -> Result<BTreeMap<String, String>> {
        self.until_state_within("done", Duration::from_secs(180)).await?;
        let shown = "const items = [...document.querySelectorAll('#files-done li[data-path]')];
            return Object.fromEntries(items.map(li => [li.dataset.path, li.dataset.blake3]))";
        self.run(shown).await
    }

    /// What it says went wrong, and what to do.
    pub async fn failure(&self, limit: Duration) -> Result<(String, String)> {
        let start = Instant::now();
        while self.state().await? != "failed" {
            ensure!(start.elapsed() < limit, "{:?}: no failure shown after {limit:?}", self.kind);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok((self.text("#error").await?, self.text("#hint").await?))
    }

    /// The text of an element; nothing if there is none.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let script = format!("return document.querySelector({selector:?})?.textContent.trim() ?? ''");
        self.run(&script).await
    }

    /// Clicks as a person would: the element has to be there, visible and enabled.
    pub async fn click(&self, selector: &str) -> Result<()> {
        // A driver clicks on a disabled one without a word, and nothing happens.
        let ready =
            format!("document.querySelector({:?})?.checkVisibility()", format!("{selector}:not(:disabled)"));
        self.until(selector, &ready).await?;
        Ok(self.driver.find(By::Css(selector)).await?.click().await?)
    }
}
