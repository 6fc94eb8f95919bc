//! A page that receives gigabytes, and where it puts them.
//!
//! A dialog can't be answered in a headless browser: a place in the browser's own storage stands in for what the person
//! would choose there. It is read by saving it as a download, as a person would.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, Kind, Options as Start, Server, Tree, random_file, sparse_file};
use serde_json::{Value, json};

use super::{ALLOWED, ALLOWED_OVER_BARE, Bars, PATIENCE, archive, observe, over, settled, side};
use crate::options::Options;
use crate::page::AWAKE;

/// Where a page puts what it receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A download that the service worker streams.
    Stream,
    /// The same of several files.
    Zip,
    /// A chosen file.
    File,
    /// A chosen folder.
    Folder,
    /// The browser's own storage, and from there a download.
    Private,
}

/// What is sent: a file or a folder of this name.
const FILE: &str = "soak.bin";
const FOLDER: &str = "soak";

/// The chosen folder.
const CHOSEN: &str = "chosen";

/// MiB by default.
const SIZE: u64 = 2048;

/// MiB over the bare channel: by then its pages take what they take.
const BARE: u64 = 512;

/// Too long for 32 bits, and what comes after it begins too far for them.
const LONG: u64 = (4 << 30) + 1;

/// Seldom enough not to disturb the page.
const LOOK: Duration = Duration::from_secs(1);

/// What the page asks instead of the person.
const CHOOSE: &str = "const place = navigator.storage.getDirectory();
    window.showDirectoryPicker = async () => (await place).getDirectoryHandle('chosen', { create: true });
    window.showSaveFilePicker = async ({ suggestedName }) =>
        (await place).getFileHandle(suggestedName, { create: true });";

/// Every file in the browser's own storage, by its path, and its length.
const LIST: &str = "(async () => {
    const files = {};
    const walk = async (folder, path) => {
        for await (const [name, entry] of folder.entries()) {
            if (entry.kind === 'directory') await walk(entry, `${path}${name}/`);
            else files[path + name] = (await entry.getFile()).size;
        }
    };
    await walk(await navigator.storage.getDirectory(), '');
    return files;
})()";

/// Saves the file at such a path as a download of such a name.
const SAVE: &str = "(async ([path, name]) => {
    let place = await navigator.storage.getDirectory();
    const parts = path.split('/'), last = parts.pop();
    for (const part of parts) place = await place.getDirectoryHandle(part);
    const file = await (await place.getFileHandle(last)).getFile();
    const link = document.createElement('a');
    link.href = URL.createObjectURL(file);
    link.download = name;
    link.click();
})(args)";

/// Carries it from a page in Chromium, compares what arrived, and says what the two pages took.
pub(super) async fn run(
    options: &Options,
    bars: &mut Bars,
    name: &str,
    kind: Kind,
    place: Place,
) -> Result<Value> {
    let mib = options.mib.last().copied().unwrap_or(SIZE);
    let bare = bars.bare(kind, mib.min(BARE)).await.context("bare channel")?;

    let source = tempfile::tempdir()?;
    let sent = make(source.path(), place, mib)?;
    let bytes = sent.bytes();
    let server = Server::start()?;
    let start = Start { service_worker: place != Place::Private, ..AWAKE };
    let sender = Browser::start_with(Chromium, AWAKE).await?;
    let receiver = Browser::start_with(kind, start).await?;
    let both = [&sender, &receiver];
    tokio::try_join!(sender.open(&server.url), receiver.open(&server.url))?;
    let code = match place {
        Place::Zip | Place::Folder => sender.send_folder(&source.path().join(FOLDER)).await?,
        _ => sender.send_files(&[&source.path().join(FILE)]).await?,
    };
    receiver.run::<()>(CHOOSE).await?;
    receiver.join(&code).await?;
    receiver.until_state("incoming").await?;

    let idle = settled(both).await;
    let start = Instant::now();
    let (saved, taken) = observe(both, receive(&receiver, place, mib << 20)).await?;
    let took = start.elapsed();
    let shown = [sender.finish().await.context("sender")?, receiver.finish().await.context("receiver")?];
    ensure!(shown.iter().all(|shown| *shown == sent.files()), "the pages show {shown:?}, not {sent:?}");
    match saved {
        Some(archive) if place == Place::Zip => archive::compare(&archive, &sent)?,
        Some(file) => ensure!(Some(&e2e::digest_of(&file)?) == sent.files().get(FILE), "another content"),
        None => compare_chosen(&receiver, &sent, place).await?,
    }
    both.iter().try_for_each(|browser| browser.kill())?;

    let taken = over(&taken, idle);
    let (pages, all) = (taken.map(|memory| memory.page), taken.map(|memory| memory.all));
    bars.compare(name, pages, bare);
    let speed = bytes as f64 / 1e6 / took.as_secs_f64();
    options.say(&format!(
        "{:5} MiB  {name:16}  sender {:+4} MiB, receiver {:+4} MiB over the idle page (bare channel {:+4}, {:+4}; \
         allowed {ALLOWED} and {ALLOWED_OVER_BARE} over the bare channel's); all processes {:+4}, {:+4}; {speed:5.1} MB/s",
        bytes >> 20, pages[0], pages[1], bare[0], bare[1], all[0], all[1],
    ));
    Ok(json!({
        "mib": bytes >> 20,
        "page_over_idle_mib": side(pages),
        "bare_channel_over_idle_mib": side(bare),
        "all_processes_over_idle_mib": side(all),
        "mb_per_s": speed,
    }))
}

/// Writes what is sent: one file, or a folder with two large files, small ones, and for an archive a very long one.
fn make(into: &Path, place: Place, mib: u64) -> Result<Tree> {
    if !matches!(place, Place::Zip | Place::Folder) {
        random_file(&into.join(FILE), mib << 20, mib)?;
        return Tree::of(into);
    }
    let inner = into.join(FOLDER).join("inner folder");
    fs::create_dir_all(inner.join("한글"))?;
    random_file(&into.join(FOLDER).join("a first half.bin"), mib << 19, 1)?;
    random_file(&inner.join("second half.bin"), mib << 19, 2)?;
    for number in 0..5 {
        random_file(&inner.join(format!("한글/{number} small.dat")), 70_000 * number + 1, number)?;
    }
    if place == Place::Zip {
        // It takes no room here; the archive has all its zeros.
        sparse_file(&into.join(FOLDER).join("b long.bin"), LONG)?;
    }
    Tree::of(into)
}

/// From the click to the end of the transfer; the download, where it is one.
///
/// A download is waited for in the file system, so as not to disturb the page.
async fn receive(receiver: &Browser, place: Place, len: u64) -> Result<Option<PathBuf>> {
    let chosen = matches!(place, Place::File | Place::Folder);
    receiver.click(if chosen { "#accept-into" } else { "#accept" }).await?;
    match place {
        Place::Stream | Place::Private => receiver.downloaded_within(FILE, len, PATIENCE).await.map(Some),
        Place::Zip => receiver.downloaded_whole(&format!("beeline-{FOLDER}.zip"), PATIENCE).await.map(Some),
        Place::File | Place::Folder => {
            let start = Instant::now();
            // The page asks for the place first.
            let is_under_way = |state: String| state == "incoming" || state == "moving";
            while is_under_way(receiver.state().await?) && start.elapsed() < PATIENCE {
                tokio::time::sleep(LOOK).await;
            }
            Ok(None)
        }
    }
}

/// Saves what is in the chosen place as downloads, one after another.
async fn compare_chosen(receiver: &Browser, sent: &Tree, place: Place) -> Result<()> {
    let listed: BTreeMap<String, u64> = serde_json::from_value(receiver.eval(LIST, vec![]).await?)?;
    let mut found = BTreeMap::new();
    for (number, (path, len)) in listed.iter().enumerate() {
        let name = format!("{number}.bin");
        receiver.eval(SAVE, vec![json!(path), json!(name)]).await?;
        let saved = receiver.downloaded_within(&name, *len, PATIENCE).await?;
        let path =
            if place == Place::Folder { path.strip_prefix(&format!("{CHOSEN}/")) } else { Some(&path[..]) };
        found.insert(path.context("outside the chosen folder")?.to_owned(), e2e::digest_of(&saved)?);
        fs::remove_file(saved)?;
    }
    ensure!(found == sent.files(), "found {found:?}, not {:?}", sent.files());
    Ok(())
}
