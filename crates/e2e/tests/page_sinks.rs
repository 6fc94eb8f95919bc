//! Where received files go, beyond the download that a service worker streams.
//!
//! A dialog can't be answered in a headless browser: a place in the browser's own storage stands in for what the
//! person would choose there. Of the two browsers only Chromium has such dialogs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind, LARGE, ODD_NAME, Options, Sample, Server, Terminal, Tree, random_file};

e2e::tests! {
    a_chosen_folder_keeps_its_structure_and_nothing_is_overwritten: a_chosen_folder();
    a_large_file_goes_where_it_is_told: a_chosen_file();
    without_a_service_worker_a_large_file_waits_on_the_disk_in_chromium: private_storage(Chromium);
    without_a_service_worker_a_large_file_waits_on_the_disk_in_firefox: private_storage(Firefox);
    a_service_worker_that_runs_is_used_while_registering_it_again_takes_long: registering_hangs(true);
    without_a_service_worker_in_time_a_file_goes_elsewhere: registering_hangs(false);
}

/// What Chromium may do for long after a page was left in the middle of a download.
const REGISTERING_HANGS: &str = "navigator.serviceWorker.register = () => new Promise(() => {})";

/// What the page asks instead of the person.
const CHOOSE: &str = "const place = navigator.storage.getDirectory();
    window.showDirectoryPicker = async () => (await place).getDirectoryHandle('chosen', { create: true });
    window.showSaveFilePicker = async ({ suggestedName }) =>
        (await place).getFileHandle(suggestedName, { create: true });";

/// Every path below the chosen folder with the length and the FNV-1a hash of the file; folders end in a slash.
const LOOK: &str = "(async () => {
    const found = {};
    const walk = async (folder, path) => {
        for await (const [name, entry] of folder.entries()) {
            if (entry.kind === 'directory') {
                found[`${path}${name}/`] = '';
                await walk(entry, `${path}${name}/`);
            } else {
                const bytes = new Uint8Array(await (await entry.getFile()).arrayBuffer());
                let hash = 0x811c9dc5;
                for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
                found[path + name] = `${bytes.length} ${hash >>> 0}`;
            }
        }
    };
    const place = await navigator.storage.getDirectory();
    await walk(args[0] ? await place.getDirectoryHandle(args[0]) : place, '');
    return found;
})()";

fn summary(bytes: &[u8]) -> String {
    let hash =
        bytes.iter().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193));
    format!("{} {hash}", bytes.len())
}

async fn a_chosen_folder() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let sample = Sample::make(dir.path())?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &sample.paths().each_ref().map(PathBuf::as_path))?;

    browser.open(&sender.link().await?).await?;
    let there_already = "(async () => {
        const place = await navigator.storage.getDirectory();
        const folder = await place.getDirectoryHandle('chosen', { create: true });
        const file = await folder.getFileHandle('nothing.bin', { create: true });
        const open = await file.createWritable();
        await open.write('mine');
        await open.close();
    })()";
    browser.eval(there_already, vec![]).await?;
    browser.run::<()>(CHOOSE).await?;
    browser.click("#join").await?;
    browser.until_state("incoming").await?;
    browser.click("#accept-into").await?;
    browser.finish().await?;
    let found = browser.eval(LOOK, vec!["chosen".into()]).await?;

    let found: BTreeMap<String, String> = serde_json::from_value(found)?;
    let mut expected = BTreeMap::new();
    for (path, entry) in Tree::of(&sample.root)?.0 {
        match entry {
            e2e::Entry::Folder => expected.insert(path + "/", String::new()),
            e2e::Entry::File { .. } => {
                let bytes = fs::read(sample.root.join(&path))?;
                expected.insert(path.replace("nothing.bin", "nothing (2).bin"), summary(&bytes))
            }
        };
    }
    expected.insert("nothing.bin".to_owned(), summary(b"mine"));
    assert_eq!(found, expected);
    ensure!(browser.saved().is_empty(), "nothing is downloaded besides: {:?}", browser.saved());
    Ok(())
}

async fn a_chosen_file() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(ODD_NAME);
    random_file(&file, LARGE, 7)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;

    browser.open(&sender.link().await?).await?;
    browser.run::<()>(CHOOSE).await?;
    browser.click("#join").await?;
    browser.until_state("incoming").await?;
    browser.click("#accept-into").await?;
    browser.finish().await?;
    let found = browser.eval(LOOK, vec!["".into()]).await?;

    sender.end().await?.expect(0)?;
    let found: BTreeMap<String, String> = serde_json::from_value(found)?;
    assert_eq!(found, BTreeMap::from([(ODD_NAME.to_owned(), summary(&fs::read(&file)?))]));
    Ok(())
}

async fn private_storage(kind: Kind) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(ODD_NAME);
    let digest = random_file(&file, LARGE, 8)?;
    let server = Server::start()?;
    let browser = Browser::start_with(kind, Options { service_worker: false, ..Options::default() }).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;

    browser.follow(&sender.link().await?).await?;
    browser.until_state("incoming").await?;
    browser
        .until(
            "it is said where it waits",
            "document.querySelector('.saving').textContent.includes('own storage')",
        )
        .await?;
    browser.accept().await?;
    browser.finish().await?;
    browser.downloaded(ODD_NAME, LARGE).await?;

    sender.end().await?.expect(0)?;
    assert_eq!(Tree::of(&browser.downloads)?.files().get(ODD_NAME), Some(&digest));
    Ok(())
}

async fn registering_hangs(one_runs: bool) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join(ODD_NAME);
    let digest = random_file(&file, 3 << 20, 9)?;
    let server = Server::start()?;
    let browser = Browser::start(Chromium).await?;
    if one_runs {
        browser.open(&server.url).await?;
        browser.eval("navigator.serviceWorker.ready.then(() => 1)", vec![]).await?;
    }
    let cdp = browser.driver.cdp();
    cdp.page().add_script_to_evaluate_on_new_document(REGISTERING_HANGS).await?;

    let mut sender = Terminal::send(&server.url, &[&file])?;
    browser.follow(&sender.link().await?).await?;
    browser.accept().await?;
    let shown = browser.finish().await?;
    assert_eq!(shown, BTreeMap::from([(ODD_NAME.to_owned(), digest)]));
    browser.downloaded(ODD_NAME, 3 << 20).await?;
    // A frame begins a streamed download.
    let streamed: bool = browser.run("return !!document.querySelector('iframe[title=download]')").await?;
    ensure!(streamed == one_runs, "streamed: {streamed}");
    Ok(())
}
