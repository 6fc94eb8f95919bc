//! A page from the Internet, and a browser that asks before it connects to a device on the local network.
//!
//! Chromium can do that to WebRTC, too, but does not by default. Nobody answers in a headless browser: the permission
//! stays a question, or is given or refused beforehand.

use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, Host, Joined, Options, Seat, Server, random_file};
use serde_json::json;

e2e::tests! {
    one_page_that_may_reach_the_local_network_is_enough: one_is_enough();
    pages_that_may_not_reach_the_local_network_say_so: neither();
}

const ASKING: Options =
    Options { chromium: &["--enable-features=LocalNetworkAccessChecksWebRTC"], ..Options::DEFAULT };

const SOON: Duration = Duration::from_secs(10);

/// The sentence beside the matter in hand; a call has one of its own.
const NOTICE: &str = ".notice[role=alert]";

/// A page whose browser was told `granted` or `denied`, or still asks: `prompt`.
async fn page(server: &Server, host: &Host, setting: &str) -> Result<Browser> {
    let url = &server.lan_url;
    let page = Browser::start_at(Seat { host, secure: url }, Chromium, ASKING).await?;
    let permission = json!({ "permission": { "name": "local-network" }, "setting": setting, "origin": url });
    page.driver.cdp().send_raw("Browser.setPermission", permission).await?;
    page.open(url).await?;
    Ok(page)
}

/// The sender's page with a file, and the receiver's that has joined it.
async fn meet(server: &Server, joined: &Joined, settings: [&str; 2]) -> Result<[Browser; 2]> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("note.txt");
    random_file(&file, 1000, 1)?;
    let (sender, receiver) =
        tokio::try_join!(page(server, &joined.a, settings[0]), page(server, &joined.b, settings[1]))?;
    let code = sender.send_files(&[&file]).await?;
    receiver.join(&code).await?;
    Ok([sender, receiver])
}

async fn one_is_enough() -> Result<()> {
    let joined = Joined::by_cable()?;
    let server = Server::start_on(Joined::SERVER)?;

    let [_sender, receiver] = meet(&server, &joined, ["denied", "granted"]).await?;

    receiver.until_state("incoming").await?;
    ensure!(receiver.text(NOTICE).await?.is_empty(), "nothing is said of what went well");
    Ok(())
}

async fn neither() -> Result<()> {
    let joined = Joined::by_cable()?;
    let server = Server::start_on(Joined::SERVER)?;

    let [sender, receiver] = meet(&server, &joined, ["prompt", "denied"]).await?;

    for (page, said) in [
        (&sender, "If the browser asks whether this page may reach devices on the local network, allow it."),
        (&receiver, "This browser keeps the page from devices on the local network."),
    ] {
        page.until(said, &format!("document.querySelector('{NOTICE}')?.textContent.includes('{said}')"))
            .await?;
        ensure!(page.state().await? == "connecting", "they have not found each other");
    }
    let cancel =
        "[...document.querySelectorAll('main button')].find(b => b.textContent === 'Cancel').click()";
    sender.run::<()>(cancel).await?;
    let (error, hint) = receiver.failure(SOON).await?;

    ensure!(hint.contains("local network"), "{error}: {hint}");
    Ok(())
}
