//! The system's own dialogs for a file and for a folder, in a Chromium with windows: what the tests of the sinks stand
//! in for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use e2e::Kind::Chromium;
use e2e::{Browser, ODD_NAME, Options, Sample, Screen, Server, Terminal, Tree};

e2e::tests! {
    a_file_goes_where_the_systems_dialog_says: into_a_file();
    a_folder_goes_where_the_systems_dialog_says: into_a_folder();
}

const WINDOWS: Options = Options { windows: true, ..Options::DEFAULT };

async fn into_a_file() -> Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let sample = Sample::make(dir.path())?;
    let server = Server::start()?;
    let screen = Screen::start()?;
    let browser = Browser::start_with(Chromium, WINDOWS).await?;
    let mut sender = Terminal::send(&server.url, &[&sample.root.join(ODD_NAME)])?;

    browser.follow(&sender.link().await?).await?;
    browser.until_state("incoming").await?;
    browser.click("#accept-into").await?;
    screen.choose(&to.path().join("chosen.bin")).await?;
    browser.finish().await?;

    sender.end().await?.expect(0)?;
    let (sent, arrived) = (Tree::of(&sample.root)?.files(), Tree::of(to.path())?.files());
    assert_eq!(arrived.get("chosen.bin"), sent.get(ODD_NAME));
    assert_eq!(arrived.len(), 1, "nothing is left beside it");
    Ok(())
}

async fn into_a_folder() -> Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let sample = Sample::make(dir.path())?;
    let server = Server::start()?;
    let screen = Screen::start()?;
    let browser = Browser::start_with(Chromium, WINDOWS).await?;
    let paths = sample.paths();
    let mut sender = Terminal::send(&server.url, &paths.each_ref().map(PathBuf::as_path))?;

    browser.follow(&sender.link().await?).await?;
    browser.until_state("incoming").await?;
    choose_and_allow(&screen, &browser, to.path()).await?;
    browser.finish().await?;

    sender.end().await?.expect(0)?;
    Tree::of(&sample.root)?.ensure_same(&Tree::of(to.path())?)
}

/// After the folder Chromium asks whether the page may write there, with the refusal first. That question is a part of
/// its window, so nobody can see from outside whether it is there yet: what came too early is tried again.
async fn choose_and_allow(screen: &Screen, browser: &Browser, folder: &Path) -> Result<()> {
    for _ in 0..3 {
        browser.click("#accept-into").await?;
        screen.choose(folder).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        screen.press(&["Tab", "Return"]).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        if browser.state().await? != "incoming" {
            return Ok(());
        }
        screen.press(&["Escape"]).await?;
    }
    bail!("Chromium does not let the page write into the folder")
}
