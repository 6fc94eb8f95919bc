//! What people do with the page beyond the straight way: drop, mistype, pause, stop, change their files.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind, Server, Terminal, Tree, random_file, sparse_file};

e2e::tests! {
    a_dropped_file_arrives_from_chromium: a_drop(Chromium);
    a_dropped_file_arrives_from_firefox: a_drop(Firefox);
    a_code_is_completed_and_a_wrong_word_is_named_while_it_is_typed: a_code_being_typed();
    a_transfer_pauses_goes_on_and_is_stopped_without_being_called_a_failure: pause_and_stop();
    a_download_that_is_stopped_in_the_browser_ends_the_transfer: a_stopped_download();
    without_a_secure_context_more_than_memory_holds_is_refused: too_much_for_memory();
    a_file_that_changed_since_it_was_chosen_in_chromium_is_not_sent: a_changed_file(Chromium);
}

const SOON: Duration = Duration::from_secs(10);

async fn a_drop(kind: Kind) -> Result<()> {
    let to = tempfile::tempdir()?;
    let server = Server::start()?;
    let browser = Browser::start(kind).await?;

    browser.open(&server.url).await?;
    let drop = "const dropped = new DataTransfer();
        dropped.items.add(new File(['dropped'], 'note.txt'));
        const event = name => new DragEvent(name, { dataTransfer: dropped, bubbles: true, cancelable: true });
        document.querySelector('.drop').dispatchEvent(event('dragover'));
        document.querySelector('.drop').dispatchEvent(event('drop'))";
    browser.run::<()>(drop).await?;
    let receiver = Terminal::receive(&server.url, &browser.code().await?, to.path())?;
    browser.finish().await?;

    receiver.end().await?.expect(0)?;
    assert_eq!(fs::read(to.path().join("note.txt"))?, b"dropped");
    Ok(())
}

async fn a_code_being_typed() -> Result<()> {
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let field = browser.driver.find(thirtyfour::By::Css("#code-input"));

    browser.open(&server.url).await?;
    let field = field.await?;
    field.send_keys("7-guitar-sun").await?;
    let offered = "return [...document.querySelectorAll('#codes option')].map(option => option.value)";
    let offered: Vec<String> = browser.run(offered).await?;
    let quiet = browser.run::<bool>("return document.querySelector('#code-trouble').hidden").await?;
    field.send_keys("zzz").await?;
    browser.until("the word is named", "!document.querySelector('#code-trouble').hidden").await?;

    ensure!(offered.contains(&"7-guitar-sunset".to_owned()), "{offered:?}");
    ensure!(quiet, "the beginning of a word is not wrong");
    ensure!(browser.text("#code-trouble").await?.contains("sunzzz"));
    browser.click("#join").await?;
    assert_eq!(browser.state().await?, "landing", "nothing is sent");
    Ok(())
}

async fn pause_and_stop() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let endless = dir.path().join("film.mkv");
    sparse_file(&endless, 8 << 30)?;
    let server = Server::start()?;
    let (a, b) = tokio::try_join!(Browser::start(Chromium), Browser::start(Firefox))?;
    tokio::try_join!(a.open(&server.url), b.open(&server.url))?;

    let code = a.send_files(&[&endless]).await?;
    b.join(&code).await?;
    b.accept().await?;
    tokio::try_join!(a.midway(), b.midway())?;
    shown_in_its_tab(&a).await?;
    b.click("#pause").await?;
    let told = "[...document.querySelectorAll('.notice')].some(p => !p.hidden && p.textContent.includes('paused it'))";
    a.until("the other side's pause is told", told).await?;
    let stands = stands_still(&a).await?;
    b.click("#pause").await?;
    let value = "document.querySelector('#progress').value";
    let before: f64 = a.run(&format!("return {value}")).await?;
    a.until("it goes on", &format!("{value} > {before}")).await?;
    a.click("#cancel").await?;
    let ((here, _), (there, _)) = tokio::try_join!(a.failure(SOON), b.failure(SOON))?;

    ensure!(stands, "it moves while it is paused");
    assert_eq!((here.as_str(), there.as_str()), ("You stopped it", "The other side stopped it"));
    for browser in [&a, &b] {
        assert_eq!(browser.text("h1").await?, browser.text("#error").await?, "the heading is the sentence");
    }
    Ok(())
}

/// Title and icon say how far it is while another tab is in front, and only then. Without a screen no tab is behind
/// another, so the page is only told so.
async fn shown_in_its_tab(browser: &Browser) -> Result<()> {
    let behind = |hidden: bool| {
        format!(
            "Object.defineProperty(document, 'hidden', {{ configurable: true, value: {hidden} }});
             document.dispatchEvent(new Event('visibilitychange'));"
        )
    };
    let icon = "document.querySelector('link[rel=icon]').href";
    let shown = format!("/^\\d+ % · /.test(document.title) && {icon}.startsWith('data:')");
    let plain = format!("document.title === 'Beeline' && {icon}.endsWith('/icon.svg')");
    browser.until("the page in front shows its name", &plain).await?;
    browser.run::<Option<()>>(&behind(true)).await?;
    browser.until("the tab behind shows progress", &shown).await?;
    browser.run::<Option<()>>(&behind(false)).await?;
    browser.until("the page is in front again", &plain).await
}

/// Whether progress rests within a few seconds: what is on the way still arrives after a pause.
async fn stands_still(browser: &Browser) -> Result<bool> {
    let mut before = -1.0;
    for _ in 0..10 {
        let now: f64 = browser.run("return document.querySelector('#progress').value").await?;
        if now == before {
            return Ok(true);
        }
        before = now;
        tokio::time::sleep(Duration::from_millis(1600)).await;
    }
    Ok(false)
}

async fn a_stopped_download() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let endless = dir.path().join("film.mkv");
    sparse_file(&endless, 8 << 30)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    // A download's file is called by its id then, which is what stopping it needs.
    let named = serde_json::json!({ "behavior": "allowAndName", "downloadPath": browser.downloads });
    let cdp = browser.driver.cdp();
    cdp.send_raw("Browser.setDownloadBehavior", named).await?;
    let mut sender = Terminal::send(&server.url, &[&endless])?;

    browser.follow(&sender.link().await?).await?;
    browser.accept().await?;
    browser.midway().await?;
    let file = browser.saved().into_iter().next().context("a download runs")?;
    let id = file.file_name().unwrap_or_default().to_string_lossy().replace(".crdownload", "");
    cdp.send_raw("Browser.cancelDownload", serde_json::json!({ "guid": id })).await?;
    browser.failure(SOON).await?;

    let ended = sender.end().await?;
    ensure!(ended.code == Some(3), "exit {:?}", ended.code);
    Ok(())
}

async fn too_much_for_memory() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let large = dir.path().join("film.mkv");
    sparse_file(&large, (256 << 20) + 1)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.lan_url, &[&large])?;

    browser.follow(&sender.link().await?).await?;
    browser.until_state("incoming").await?;

    ensure!(browser.text(".saving").await?.contains("beeline receive"), "the way out is named");
    ensure!(browser.run::<bool>("return document.querySelector('#accept').disabled").await?);
    browser.decline().await?;
    sender.end().await?.expect(3).map(drop)
}

/// Chromium alone: Firefox says nothing about a file that changed and kept its length.
async fn a_changed_file(kind: Kind) -> Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = dir.path().join("draft.txt");
    random_file(&file, 3_000_000, 1)?;
    let server = Server::start()?;
    let browser = Browser::start(kind).await?;

    browser.open(&server.url).await?;
    let code = browser.send_files(&[&file]).await?;
    tokio::time::sleep(Duration::from_millis(1100)).await; // times of files may be whole seconds
    random_file(&file, 3_000_000, 2)?;
    let receiver = Terminal::receive(&server.url, &code, to.path())?;
    let (error, _) = browser.failure(SOON).await?;

    ensure!(error.contains("draft.txt") && error.contains("chang"), "{error}");
    receiver.end().await?.expect(1)?;
    assert_eq!(Tree::of(to.path())?.files().len(), 0, "no torn file");
    Ok(())
}
