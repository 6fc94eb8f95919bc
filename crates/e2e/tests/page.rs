//! The page by itself: its security policy, its accessibility, and life without a secure context.

use std::{collections::BTreeMap, time::Duration};

use anyhow::{Result, ensure};
use e2e::Kind::{Chromium, Firefox, WebKit};
use e2e::{Browser, Kind, Options, Sample, Scheme, Screen, Server, Terminal, Tree, random_file, walk};

e2e::tests! {
    the_policy_forbids_nothing_that_chromium_needs: no_violation(Chromium);
    the_policy_forbids_nothing_that_firefox_needs: no_violation(Firefox);
    every_state_is_accessible: accessible_in_every_state();
    several_files_arrive_as_one_archive: several_files();
    a_text_arrives: a_text();
    without_a_secure_context_a_file_arrives_in_chromium: over_plain_http(Chromium);
    without_a_secure_context_a_file_arrives_in_firefox: over_plain_http(Firefox);
    a_secret_leaves_the_address_at_once: the_fragment_goes();
    a_wrong_code_is_said_in_words: a_wrong_code();
    opening_the_page_transfers_little: light();
    firefox_without_webrtc_says_what_is_missing: without_webrtc(Firefox);
    webkitgtk_which_has_no_webrtc_says_what_is_missing: without_webrtc(WebKit);
}

/// Bytes of all that one opening of the page transfers, compressed with brotli.
const LIGHT: u64 = 250_000;

async fn no_violation(kind: Kind) -> Result<()> {
    let server = Server::start()?;
    let browser = Browser::start(kind).await?;
    browser.watch_policy().await?;

    walk(&server, &browser, async |browser, state| {
        let violations = browser.policy_violations().await?;
        ensure!(violations.is_empty(), "{state}: {violations:#?}");
        Ok(())
    })
    .await?;

    // The control: what the policy does forbid is seen.
    let inline =
        "document.body.append(Object.assign(document.createElement('script'), { text: 'window.ran = 1' }))";
    browser.run::<()>(inline).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    ensure!(!browser.policy_violations().await?.is_empty(), "an inline script is not reported");
    ensure!(!browser.run::<bool>("return !!window.ran").await?, "an inline script runs");
    Ok(())
}

async fn accessible_in_every_state() -> Result<()> {
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut found = Vec::new();

    walk(&server, &browser, async |browser, state| {
        for (scheme, width, height) in [(Scheme::Light, 1280, 800), (Scheme::Dark, 390, 844)] {
            browser.dress(width, height, scheme).await?;
            let violations = browser.accessibility().await?;
            found.extend(
                violations.into_iter().map(|violation| format!("{state}, {scheme:?}, {width}: {violation}")),
            );
            let overflow = "return document.documentElement.scrollWidth - innerWidth";
            let overflow: i64 = browser.run(overflow).await?;
            if overflow > 0 {
                found.push(format!("{state}, {width}: {overflow} pixels beyond the right edge"));
            }
        }
        Ok(())
    })
    .await?;

    ensure!(found.is_empty(), "{found:#?}");
    Ok(())
}

async fn several_files() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::make(dir.path())?;
    let [nothing, odd, _] = sample.paths();
    let server = Server::start()?;
    let (a, b) = tokio::try_join!(Browser::start(Chromium), Browser::start(Firefox))?;
    tokio::try_join!(a.open(&server.url), b.open(&server.url))?;

    let code = a.send_files(&[&nothing, &odd]).await?;
    b.join(&code).await?;
    let offered = b.offered().await?;
    b.accept().await?;
    let (ours, theirs) = tokio::try_join!(a.finish(), b.finish())?;

    let everything = Tree::of(&sample.root)?.0.into_iter();
    let expected = Tree(everything.filter(|(path, _)| !path.starts_with("things")).collect());
    assert_eq!(offered.len(), 2, "{offered:?}");
    expected.ensure_same(&b.downloaded_archive().await?)?;
    assert_eq!((&ours, &theirs), (&expected.files(), &expected.files()));
    Ok(())
}

async fn a_text() -> Result<()> {
    const TEXT: &str = "see https://example.org/?a=1&b=<2>\nzweite Zeile 한글 🐝";
    let to = tempfile::tempdir()?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;

    browser.open(&server.url).await?;
    // A line break typed by a driver is a key press: put the text in as a paste would.
    let typed = "const text = document.querySelector('#text'); text.value = arguments[0];
        text.dispatchEvent(new Event('input', { bubbles: true }))";
    browser.click("#write").await?;
    browser.driver.execute(typed, vec![TEXT.into()]).await?;
    browser.click("#send-text").await?;
    let code = browser.code().await?;
    let mut receiver = Terminal::receive(&server.url, &code, to.path())?;
    let heard = receiver.event("text").await?;
    receiver.end().await?.expect(0)?;

    let mut sender =
        Terminal::start(e2e::beeline()?.args(["send", "--text", TEXT, "--server", &server.url, "--json"]))?;
    browser.follow(&sender.link().await?).await?;
    browser
        .until(
            "a text or a question",
            "['incoming', 'done'].includes(document.querySelector('main').dataset.state)",
        )
        .await?;
    if browser.state().await? == "incoming" {
        browser.accept().await?;
    }
    browser.finish().await?;

    assert_eq!(heard["text"], TEXT);
    let shown: String = browser
        .run("const t = document.querySelector('#received-text'); return t.value ?? t.textContent")
        .await?;
    assert_eq!(shown, TEXT);
    Ok(())
}

async fn over_plain_http(kind: Kind) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("photo 한글.jpg");
    let digest = random_file(&file, 3_000_000, 5)?;
    let server = Server::start()?;
    let browser = Browser::start(kind).await?;

    let mut sender = Terminal::send(&server.lan_url, &[&file])?;
    browser.follow(&sender.link().await?).await?;
    ensure!(!browser.run::<bool>("return isSecureContext").await?, "this is about an insecure page");
    browser.accept().await?;
    let shown = browser.finish().await?;
    browser.downloaded("photo 한글.jpg", 3_000_000).await?;

    sender.end().await?.expect(0)?;
    assert_eq!(shown.get("photo 한글.jpg"), Some(&digest));
    assert_eq!(Tree::of(&browser.downloads)?.files().get("photo 한글.jpg"), Some(&digest));
    Ok(())
}

async fn the_fragment_goes() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("a");
    random_file(&file, 100, 1)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;

    browser.open(&sender.link().await?).await?;
    browser.until_state("invited").await?;
    let address: String = browser.run("return location.href").await?;
    browser.driver.refresh().await?;
    browser.until("the page is ready again", "document.body?.dataset.ready === '1'").await?;

    ensure!(!address.contains('#'), "the secret is still in the address");
    assert_eq!(browser.state().await?, "invited", "a reload keeps the invitation");
    Ok(())
}

async fn a_wrong_code() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("a");
    random_file(&file, 100, 1)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;
    let nameplate = code.split('-').next().unwrap_or_default();

    browser.open(&server.url).await?;
    browser.join(&format!("{nameplate}-zebra-abandon")).await?;
    let (error, hint) = browser.failure(Duration::from_secs(2)).await?;

    ensure!(!error.is_empty() && !hint.is_empty(), "error {error:?}, hint {hint:?}");
    browser.click("#again").await?;
    browser.until_state("landing").await
}

async fn light() -> Result<()> {
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    browser.open(&server.url).await?;

    // What workers fetch is not among the page's own entries, so those files are fetched once more. Not the texts: the
    // page has fetched its language, and from the worker's cache they would come unpacked.
    let measured = browser
        .eval(
            "(async () => {
                const others = ['worker.js', 'sw.js', 'offline.html', 'manifest.webmanifest'];
                await Promise.all(others.map(async (name) => (await fetch(name)).arrayBuffer()));
                const sizes = {};
                for (const type of ['navigation', 'resource']) {
                    for (const entry of performance.getEntriesByType(type)) {
                        const name = new URL(entry.name).pathname;
                        sizes[name] = Math.max(sizes[name] ?? 0, entry.encodedBodySize);
                    }
                }
                return sizes;
            })()",
            vec![],
        )
        .await?;

    let sizes: BTreeMap<String, u64> = serde_json::from_value(measured)?;
    for name in ["/", "/web_bg.wasm", "/web.js", "/style.css", "/boot.js", "/lang.js", "/worker.js", "/sw.js"]
    {
        ensure!(sizes.get(name).is_some_and(|size| *size > 0), "{name} was not measured: {sizes:?}");
    }
    let total: u64 = sizes.values().sum();
    ensure!(total <= LIGHT, "{total} bytes: {sizes:#?}");
    println!("{total} bytes: {sizes:?}");
    Ok(())
}

async fn without_webrtc(kind: Kind) -> Result<()> {
    let server = Server::start()?;
    let _screen = (kind == WebKit).then(Screen::start).transpose()?;
    let switched_off = Options { firefox: &[("media.peerconnection.enabled", false)], ..Options::default() };
    let browser = Browser::start_with(kind, switched_off).await?;

    browser.open(&server.url).await?;

    assert_eq!(browser.state().await?, "unsupported");
    let (error, hint) = (browser.text("#error").await?, browser.text("#hint").await?);
    ensure!(error.contains("WebRTC"), "what is missing is named: {error}");
    ensure!(hint.contains("beeline receive"), "a way out is named: {hint}");
    Ok(())
}
