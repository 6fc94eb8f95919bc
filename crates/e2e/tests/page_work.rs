//! What a transfer asks of the pages' own threads: pictures of how far it is, by the clock, and nothing for its bytes.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, LARGE, Server, Work, random_file};

e2e::tests! {
    a_page_is_told_by_the_clock_and_not_by_bytes: by_the_clock();
}

/// Pictures a second, at most: two at first, then one.
const PICTURES: u64 = 2;

/// What a transfer begins and ends with.
const STEPS: u64 = 12;

async fn by_the_clock() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("film.bin");
    random_file(&file, LARGE, 3)?;
    let server = Server::start()?;
    let (sender, receiver) = tokio::try_join!(Browser::start(Chromium), Browser::start(Chromium))?;
    tokio::try_join!(sender.count_work(), receiver.count_work())?;
    tokio::try_join!(sender.open(&server.url), receiver.open(&server.url))?;
    let code = sender.send_files(&[&file]).await?;
    receiver.join(&code).await?;
    receiver.until_state("incoming").await?;

    let before = [sender.work().await?, receiver.work().await?];
    let start = Instant::now();
    receiver.accept().await?;
    receiver.downloaded("film.bin", LARGE).await?;
    tokio::try_join!(sender.finish(), receiver.finish())?;
    let took = start.elapsed();
    let after = [sender.work().await?, receiver.work().await?];

    let allowed = STEPS + PICTURES * (took.as_secs() + 1);
    for (who, (before, after)) in ["sender", "receiver"].iter().zip(before.into_iter().zip(after)) {
        compare(before, after, allowed).with_context(|| format!("{who}, in {took:?}"))?;
    }
    Ok(())
}

fn compare(before: Work, after: Work, allowed: u64) -> Result<()> {
    let (messages, changes) = (after.messages - before.messages, after.changes - before.changes);
    println!("{messages} messages, {changes} changes, {allowed} allowed");
    ensure!(messages > 0 && changes > 0, "nothing is counted");
    ensure!(messages <= allowed, "{messages} messages of the worker, where {allowed} are enough");
    ensure!(changes <= 2 * allowed, "{changes} changes of the page, where {} are enough", 2 * allowed);
    Ok(())
}
