//! The page between its states: languages, the keyboard alone, what waits and can still be changed, no network, files
//! from other apps.

use std::fs;

use anyhow::{Result, bail, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind, Options, Scheme, Server, Terminal, Tree, random_file, walk};
use thirtyfour::prelude::*;

e2e::tests! {
    every_state_is_accessible_in_korean_on_the_narrowest_screen: korean();
    firefox_speaks_the_language_of_its_person: korean_firefox();
    the_keyboard_alone_receives_a_file: keyboard();
    what_waits_can_be_changed_and_sent_to_somebody_else: change_and_send_on();
    a_pasted_text_is_sent_and_a_pasted_link_joins: paste();
    without_a_network_chromium_says_so: offline(Chromium);
    without_a_network_firefox_says_so: offline(Firefox);
    what_another_app_shares_waits_to_be_sent: shared();
}

const KOREAN: Options = Options { languages: "ko-KR,ko", ..Options::DEFAULT };

async fn korean() -> Result<()> {
    let server = Server::start()?;
    let browser = Browser::start_with(Chromium, KOREAN).await?;
    let mut found = Vec::new();

    walk(&server, &browser, async |browser, state| {
        browser.dress(320, 640, Scheme::Light).await?;
        found.extend(
            browser.accessibility().await?.into_iter().map(|violation| format!("{state}: {violation}")),
        );
        let cut = "const cut = document.documentElement.scrollWidth > innerWidth ? ['the page'] : [];
            for (const e of document.querySelectorAll('h1, h2, p, button, .button, label'))
                if (e.checkVisibility() && e.scrollWidth > e.clientWidth + 1 && !e.matches('.unseen'))
                    cut.push(e.textContent);
            return cut";
        let cut: Vec<String> = browser.run(cut).await?;
        found.extend(cut.into_iter().map(|text| format!("{state}: cut off: {text}")));
        let heading = browser.text("h1").await?;
        if !heading.chars().any(|c| ('가'..='힣').contains(&c)) {
            found.push(format!("{state}: not Korean: {heading}"));
        }
        Ok(())
    })
    .await?;

    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

async fn korean_firefox() -> Result<()> {
    let server = Server::start()?;
    let browser = Browser::start_with(Firefox, KOREAN).await?;

    browser.open(&server.url).await?;

    assert_eq!(browser.run::<String>("return document.documentElement.lang").await?, "ko");
    ensure!(browser.text("h1").await?.contains("파일"), "{}", browser.text("h1").await?);
    Ok(())
}

async fn keyboard() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("note.txt");
    let digest = random_file(&file, 5_000, 1)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;

    browser.open(&server.url).await?;
    tab_to(&browser, "code-input").await?;
    press(&browser, code + Key::Enter).await?;
    browser.until_state("incoming").await?;
    browser.until("it can be accepted", "!document.querySelector('#accept').disabled").await?;
    tab_to(&browser, "accept").await?;
    press(&browser, Key::Enter).await?;
    let shown = browser.finish().await?;
    browser.downloaded("note.txt", 5_000).await?;

    assert_eq!(shown.get("note.txt"), Some(&digest));
    Ok(())
}

/// Presses Tab until the element has the focus; everything on the way has to show that it has it.
async fn tab_to(browser: &Browser, id: &str) -> Result<()> {
    for _ in 0..20 {
        press(browser, Key::Tab).await?;
        let ringed = "const e = document.activeElement, ring = e.closest('label') ?? e;
            return [e.id, e === document.body || getComputedStyle(ring).outlineStyle !== 'none']";
        let (found, ringed): (String, bool) = browser.run(ringed).await?;
        ensure!(ringed, "{found:?} has the focus and does not show it");
        if found == id {
            return Ok(());
        }
    }
    bail!("Tab does not lead to #{id}")
}

/// Keys of the keyboard, whatever has the focus: an element is not asked, because a file chooser would take them for
/// a path.
async fn press(browser: &Browser, keys: impl Into<TypingData>) -> Result<()> {
    Ok(browser.driver.action_chain().send_keys(keys).perform().await?)
}

async fn change_and_send_on() -> Result<()> {
    let (dir, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let [one, two, three] = ["one.txt", "two.txt", "three.txt"].map(|name| dir.path().join(name));
    for (seed, path) in [&one, &two, &three].into_iter().enumerate() {
        random_file(path, 1_000, seed as u64)?;
    }
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;

    browser.open(&server.url).await?;
    let code = browser.send_files(&[&one, &two]).await?;
    browser.run::<()>("document.querySelector(\".chip[data-path='one.txt'] .remove\").focus()").await?;
    press(&browser, Key::Enter).await?;
    browser.until("it is gone", "!document.querySelector(\".chip[data-path='one.txt']\")").await?;
    let focus = browser.run::<String>("return document.activeElement.closest('li').dataset.path").await?;
    assert_eq!(focus, "two.txt", "whoever removes with the keyboard goes on there");
    browser.choose("#more", &[&three]).await?;
    browser.until("it is there", "document.querySelector(\".chip[data-path='three.txt']\")").await?;
    let receiver = Terminal::receive(&server.url, &code, to.path())?;
    browser.finish().await?;
    receiver.end().await?.expect(0)?;
    browser.click("#send-on").await?;
    let again = browser.code().await?;

    let names: Vec<_> = Tree::of(to.path())?.files().into_keys().collect();
    assert_eq!(names, ["three.txt", "two.txt"]);
    assert_ne!(code, again, "a code is for one");
    let chips = "return [...document.querySelectorAll('.chip[data-path]')].map(chip => chip.dataset.path)";
    assert_eq!(browser.run::<Vec<String>>(chips).await?, ["two.txt", "three.txt"]);
    Ok(())
}

async fn paste() -> Result<()> {
    let server = Server::start()?;
    let (a, b) = tokio::try_join!(Browser::start(Chromium), Browser::start(Chromium))?;
    tokio::try_join!(a.open(&server.url), b.open(&server.url))?;
    let paste = "const pasted = new DataTransfer();
        pasted.setData('text/plain', arguments[0]);
        document.body.dispatchEvent(new ClipboardEvent('paste', { clipboardData: pasted, bubbles: true }))";

    a.driver.execute(paste, vec!["see you at eight".into()]).await?;
    a.code().await?;
    b.driver.execute(paste, vec![a.link().await?.into()]).await?;
    b.until_state("done").await?;

    assert_eq!(b.text("#received-text").await?, "see you at eight");
    Ok(())
}

async fn offline(kind: Kind) -> Result<()> {
    let mut server = Server::start()?;
    let browser = Browser::start(kind).await?;

    browser.open(&server.url).await?;
    browser.until("the service worker has the page", "navigator.serviceWorker.controller").await?;
    server.kill();
    browser.driver.goto(&server.url).await?;

    browser.until_state("offline").await?;
    assert_eq!(browser.text("h1").await?, "No network");
    Ok(())
}

async fn shared() -> Result<()> {
    let to = tempfile::tempdir()?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;

    browser.open(&server.url).await?;
    browser.until("the service worker has the page", "navigator.serviceWorker.controller").await?;
    // What the system does with an installed page's share target.
    let share = "(async () => {
        const form = new FormData();
        form.append('files', new File(['a sea'], 'photo 한글.jpg', { type: 'image/jpeg' }));
        form.append('files', new File(['a hill'], 'two.jpg'));
        const answer = await fetch('share', { method: 'POST', body: form });
        return answer.redirected && answer.url;
    })()";
    let there = browser.eval(share, vec![]).await?;
    browser.open(there.as_str().unwrap_or_default()).await?;
    let receiver = Terminal::receive(&server.url, &browser.code().await?, to.path())?;
    browser.finish().await?;
    receiver.end().await?.expect(0)?;

    assert_eq!(fs::read(to.path().join("photo 한글.jpg"))?, b"a sea");
    assert_eq!(fs::read(to.path().join("two.jpg"))?, b"a hill");
    assert_eq!(browser.run::<String>("return location.search").await?, "");
    Ok(())
}
