//! Several connections between two browsers, one of which ends under way.
//!
//! A line as good as a test's wants three lanes, and only after a while, so the page is asked for four with `?lanes=`.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, Server, Tree, random_file};

e2e::tests! {
    a_lane_that_ends_under_way_loses_nothing: a_lane_ends();
}

const SIZE: u64 = 32 << 20;

/// Keeps every connection that the page makes where a script can find it.
const KEEP: &str = "window.connections = [];
    window.RTCPeerConnection = class extends RTCPeerConnection {
        constructor(...settings) { super(...settings); connections.push(this); }
    };";

/// Bytes that each connection has sent, the first one first.
const SENT: &str = "Promise.all(connections.map(async connection => {
        const all = [...(await connection.getStats()).values()];
        return all.find(one => one.type === 'transport')?.bytesSent ?? 0;
    }))";

async fn page(server: &Server) -> Result<Browser> {
    let browser = Browser::start(Chromium).await?;
    let cdp = browser.driver.cdp();
    cdp.page().add_script_to_evaluate_on_new_document(KEEP).await?;
    browser.open(&format!("{}/?lanes=4", server.url)).await?;
    Ok(browser)
}

async fn a_lane_ends() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("lanes.bin");
    let digest = random_file(&file, SIZE, 11)?;
    let server = Server::start()?;
    let (sender, receiver) = tokio::try_join!(page(&server), page(&server))?;
    let code = sender.send_files(&[&file]).await?;
    receiver.join(&code).await?;
    receiver.accept().await?;
    let all_carry =
        |sent: &[f64]| sent.len() >= 5 && sent[1..].iter().filter(|bytes| **bytes > 3e5).count() >= 4;
    let mut sent: Vec<f64> = Vec::new();
    while !all_carry(&sent) {
        ensure!(sender.state().await? == "moving", "it is over, and the lanes have sent {sent:?}");
        sent = serde_json::from_value(sender.eval(SENT, vec![]).await?)?;
    }

    sender.run::<Option<()>>("connections[2].close()").await?;

    let expected = BTreeMap::from([("lanes.bin".to_owned(), digest)]);
    assert_eq!(receiver.finish().await.context("the receiver")?, expected);
    assert_eq!(sender.finish().await.context("the sender")?, expected);
    receiver.downloaded("lanes.bin", SIZE).await?;
    assert_eq!(Tree::of(&receiver.downloads)?.files(), expected);
    let before = sent[0]; // it was alone at the beginning
    let sent: Vec<f64> = serde_json::from_value(sender.eval(SENT, vec![]).await?)?;
    let later = sent[0] - before;
    assert!(later < SIZE as f64 / 16.0, "the first connection keeps free for control: {later} of {sent:?}");
    Ok(())
}
