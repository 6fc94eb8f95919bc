//! A page that is open for several: they meet it, compare and receive side by side, and guesses count over all of them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Server, Terminal, random_file, sparse_file};

e2e::tests! {
    two_receive_at_the_same_time_and_a_third_comes_later: side_by_side();
    nobody_else_is_let_in_once_told_so: closing();
    wrong_words_burn_the_code_and_touch_nobody_who_is_in: burning();
}

/// Opens a page for several; its code.
async fn open(server: &Server, sender: &Browser, file: &Path) -> Result<String> {
    sender.open(&server.url).await?;
    let code = sender.send_files(&[file]).await?;
    sender.click("#several").await?;
    Ok(code)
}

/// What the lines of the receivers say: the words, and how it stands.
async fn lines(sender: &Browser) -> Result<Vec<(String, String)>> {
    let lines = "return [...document.querySelectorAll('#receivers li')]
        .map(li => [li.querySelector('.sas').textContent, li.dataset.state])";
    sender.run(lines).await
}

async fn until_delivered(sender: &Browser, count: usize) -> Result<()> {
    let script = format!("document.querySelectorAll('#receivers [data-state=done]').length === {count}");
    sender.until("deliveries", &script).await
}

async fn side_by_side() -> Result<()> {
    let (dir, to, later) = (tempfile::tempdir()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = dir.path().join("holiday film.mkv");
    let digest = random_file(&file, 48 << 20, 11)?;
    let expected = BTreeMap::from([("holiday film.mkv".to_owned(), digest)]);
    let server = Server::start()?;
    let (sender, page) = tokio::try_join!(Browser::start(Chromium), Browser::start(Firefox))?;
    let code = open(&server, &sender, &file).await?;
    let link = sender.link().await?;

    // The page decides while the terminal receives.
    page.follow(&link).await?;
    page.until_state("incoming").await?;
    let words = page.text("#sas").await?;
    let mut terminal = Terminal::receive(&server.url, &code, to.path())?;
    let theirs = terminal.event("peer").await?;
    terminal.midway().await?;
    page.accept().await?;

    let shown: Vec<String> = lines(&sender).await?.into_iter().map(|(words, _)| words).collect();
    assert_eq!(shown, [words, theirs["sas"].as_str().context("words to compare")?.to_owned()]);
    assert_ne!(shown[0], shown[1]);
    assert_eq!(page.finish().await?, expected);
    assert_eq!(terminal.end().await?.expect(0)?.digests(), expected);
    until_delivered(&sender, 2).await?;

    let third = Terminal::receive(&server.url, &code, later.path())?;
    assert_eq!(third.end().await?.expect(0)?.digests(), expected);
    until_delivered(&sender, 3).await?;
    ensure!(sender.state().await? == "several", "the page is still open");
    Ok(())
}

async fn closing() -> Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = dir.path().join("holiday film.mkv");
    sparse_file(&file, 8 << 30)?;
    let server = Server::start()?;
    let sender = Browser::start(Chromium).await?;
    let code = open(&server, &sender, &file).await?;
    let mut terminal = Terminal::receive(&server.url, &code, to.path())?;
    terminal.midway().await?;

    sender.click("#no-more").await?;
    sender.until("the code is gone", "!document.querySelector('#code')").await?;
    let late = Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(1)?;
    ensure!(late.error()?.contains("nobody is waiting"), "{late:?}");
    terminal.midway().await?;

    // One line's button stops that one.
    sender.click("#receivers .remove").await?;
    terminal.end().await?.expect(3)?;
    sender.until("it is over", "document.querySelector('#finish.main')").await?;
    sender.click("#finish").await?;
    sender.until_state("landing").await
}

async fn burning() -> Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = dir.path().join("holiday film.mkv");
    sparse_file(&file, 8 << 30)?;
    let server = Server::start()?;
    let sender = Browser::start(Chromium).await?;
    let code = open(&server, &sender, &file).await?;
    let mut terminal = Terminal::receive(&server.url, &code, to.path())?;
    terminal.midway().await?;

    let nameplate = code.split('-').next().context("a code")?;
    let wrong = format!("{nameplate}-{}", if code.contains("zoo") { "able-acid" } else { "zoo-zebra" });
    for _ in 0..3 {
        let guess = Terminal::receive(&server.url, &wrong, to.path())?.end().await?.expect(1)?;
        ensure!(guess.error()?.contains("wrong code"), "{guess:?}");
    }
    sender.until("the code is gone", "!document.querySelector('#code')").await?;
    ensure!(sender.text(".notice[role=alert]").await?.contains("Three wrong"), "it says why");
    let late = Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(1)?;
    ensure!(late.error()?.contains("nobody is waiting"), "{late:?}");

    tokio::time::sleep(Duration::from_secs(1)).await;
    terminal.midway().await
}
