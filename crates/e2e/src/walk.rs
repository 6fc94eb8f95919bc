//! One page through all the states that last, for pictures and for the accessibility checker.

use std::{path::Path, time::Duration};

use anyhow::Result;

use crate::{Browser, Sample, Server, Terminal, sparse_file};

/// The states that [`walk`] visits, in this order.
pub const STATES: [&str; 10] =
    ["landing", "waiting", "several", "invited", "joining", "incoming", "moving", "lost", "failed", "done"];

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

    several(server, browser, &endless, &paths[0], &mut visit).await?;

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

/// A page that is open for several, with one receiver on the way and one that stopped.
async fn several(
    server: &Server,
    browser: &Browser,
    film: &Path,
    nothing: &Path,
    visit: &mut impl AsyncFnMut(&Browser, &str) -> Result<()>,
) -> Result<()> {
    browser.open(&server.url).await?;
    let code = browser.send_files(&[film, nothing]).await?;
    browser.click("#several").await?;
    let (to_a, to_b) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut a = Terminal::receive(&server.url, &code, to_a.path())?;
    let mut b = Terminal::receive(&server.url, &code, to_b.path())?;
    a.midway().await?;
    b.midway().await?;
    b.interrupt()?;
    browser.until("one has stopped", "document.querySelector('#receivers [data-state=ended]')").await?;
    visit(browser, "several").await?;
    browser.click("#finish").await?; // else the browser would ask whether to leave
    browser.until_state("landing").await
}
