//! A page that is open for several: they meet it, compare and receive side by side, and guesses count over all of them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Server, Terminal, random_file, sparse_file};
use tempfile::TempDir;

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

/// A page open for several, with a terminal that receives a file without end.
struct Meeting {
    server: Server,
    sender: Browser,
    code: String,
    terminal: Terminal,
    to: TempDir,
    _dir: TempDir,
}

impl Meeting {
    async fn with_one_inside() -> Result<Self> {
        let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let file = dir.path().join("holiday film.mkv");
        sparse_file(&file, 8 << 30)?;
        let server = Server::start()?;
        let sender = Browser::start(Chromium).await?;
        let code = open(&server, &sender, &file).await?;
        let mut terminal = Terminal::receive(&server.url, &code, to.path())?;
        terminal.midway().await?;
        Ok(Self { server, sender, code, terminal, to, _dir: dir })
    }

    /// What another terminal is told that comes with this code.
    async fn error_for(&self, code: &str) -> Result<String> {
        let late = Terminal::receive(&self.server.url, code, self.to.path())?;
        Ok(late.end().await?.expect(1)?.error()?.to_owned())
    }
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
    let mut meeting = Meeting::with_one_inside().await?;

    let sender = &meeting.sender;
    sender.click("#no-more").await?;
    sender.until("the code is gone", "!document.querySelector('#code')").await?;
    let said = meeting.error_for(&meeting.code).await?;
    ensure!(said.contains("nobody is waiting"), "{said}");
    meeting.terminal.midway().await?;

    // One line's button stops that one.
    let sender = &meeting.sender;
    sender.click("#receivers .remove").await?;
    meeting.terminal.end().await?.expect(3)?;
    sender.until("it is over", "document.querySelector('#finish.main')").await?;
    sender.click("#finish").await?;
    sender.until_state("landing").await
}

async fn burning() -> Result<()> {
    let mut meeting = Meeting::with_one_inside().await?;

    let code = &meeting.code;
    let nameplate = code.split('-').next().context("a code")?;
    let wrong = format!("{nameplate}-{}", if code.contains("zoo") { "able-acid" } else { "zoo-zebra" });
    for _ in 0..3 {
        let said = meeting.error_for(&wrong).await?;
        ensure!(said.contains("wrong code"), "{said}");
    }
    let sender = &meeting.sender;
    sender.until("the code is gone", "!document.querySelector('#code')").await?;
    ensure!(sender.text(".notice[role=alert]").await?.contains("Three wrong"), "it says why");
    let said = meeting.error_for(code).await?;
    ensure!(said.contains("nobody is waiting"), "{said}");

    tokio::time::sleep(Duration::from_secs(1)).await;
    meeting.terminal.midway().await
}
