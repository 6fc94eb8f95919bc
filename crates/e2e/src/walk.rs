//! One page through all the states that last, for pictures and for the accessibility checker.

use std::time::Duration;

use anyhow::Result;

use crate::{Browser, Sample, Server, Terminal, sparse_file};

/// The states that [`walk`] visits, in this order.
pub const STATES: [&str; 9] =
    ["landing", "waiting", "invited", "joining", "incoming", "moving", "lost", "failed", "done"];

/// Calls `visit` in each state of [`STATES`], while the page stays in it.
///
/// A frozen terminal keeps the page joining or waiting for the path to come back, an endless file keeps it moving.
pub async fn walk(
    server: &Server,
    browser: &Browser,
    mut visit: impl AsyncFnMut(&Browser, &str) -> Result<()>,
) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::make(dir.path())?;
    let paths = sample.paths();
    let endless = dir.path().join("holiday film.mkv");
    sparse_file(&endless, 8 << 30)?;

    browser.open(&server.url).await?;
    browser.until_state("landing").await?;
    visit(browser, "landing").await?;

    browser.send_files(&[&paths[0], &paths[1]]).await?;
    visit(browser, "waiting").await?;

    let mut terminal = Terminal::send(&server.url, &[&endless, &paths[0], &paths[2]])?;
    let link = terminal.link().await?;
    terminal.freeze()?;
    browser.open(&link).await?;
    browser.until_state("invited").await?;
    visit(browser, "invited").await?;

    browser.click("#join").await?;
    browser.until("the page joins", "document.querySelector('main').dataset.state !== 'invited'").await?;
    visit(browser, "joining").await?;

    terminal.thaw()?;
    browser.until_state("incoming").await?;
    visit(browser, "incoming").await?;

    browser.click("#accept").await?;
    browser.midway().await?;
    visit(browser, "moving").await?;

    terminal.freeze()?;
    browser.until("the line breaks", "document.querySelector('.line').dataset.shape === 'broken'").await?;
    visit(browser, "lost").await?;
    terminal.thaw()?;
    browser.until("the line heals", "document.querySelector('.line').dataset.shape === 'straight'").await?;

    terminal.kill()?;
    browser.failure(Duration::from_secs(20)).await?;
    visit(browser, "failed").await?;

    let mut terminal = Terminal::send(&server.url, &[&paths[0], &paths[1]])?;
    browser.follow(&terminal.link().await?).await?;
    browser.accept().await?;
    browser.finish().await?;
    visit(browser, "done").await
}
