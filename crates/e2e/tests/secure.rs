//! A terminal reaches its server as companies arrange it: over https, under a path prefix, through a proxy.
//!
//! ```text
//! beeline ──(CONNECT)──> Proxy ──> Front (TLS, takes the prefix away) ──> beeline serve
//! ```

mod secure {
    pub(crate) mod front;
    pub(crate) mod proxy;
}

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use e2e::{Server, Terminal, Tree, beeline, random_file};

use secure::front::{Authority, Front};
use secure::proxy::Proxy;

e2e::tests! {
    a_file_passes_over_https_under_a_prefix: over_https();
    a_server_that_only_the_proxy_can_reach_is_reached_through_it: through_the_proxy();
    a_certificate_of_a_stranger_is_refused_in_words: a_strangers_certificate();
    a_proxy_that_refuses_is_said_in_words: a_proxy_that_refuses();
}

/// Only the proxy knows where this is: a name that no resolver has.
const NAME: &str = "beeline.invalid";

async fn over_https() -> Result<()> {
    let server = Server::start()?;
    let authority = Authority::new()?;
    let front = Front::start(&authority, "localhost", "/files", &server.url).await?;
    let trusting = |command: &mut Command| {
        command.env("SSL_CERT_FILE", authority.file());
    };

    carry(&format!("https://localhost:{}/files", front.port), trusting).await?;

    ensure!(front.connections() == 2, "{} connections came to the front", front.connections());
    Ok(())
}

async fn through_the_proxy() -> Result<()> {
    let server = Server::start()?;
    let authority = Authority::new()?;
    let front = Front::start(&authority, NAME, "/", &server.url).await?;
    let proxy = Proxy::start(NAME, front.port).await?;
    let through = |command: &mut Command| {
        command.env("SSL_CERT_FILE", authority.file()).env("HTTPS_PROXY", &proxy.url);
    };

    carry(&format!("https://{NAME}"), through).await?;

    ensure!(
        proxy.asked_for() == vec![format!("{NAME}:443"); 2],
        "the proxy was asked for {:?}",
        proxy.asked_for()
    );
    Ok(())
}

async fn a_strangers_certificate() -> Result<()> {
    let server = Server::start()?;
    let (known, stranger) = (Authority::new()?, Authority::new()?);
    let front = Front::start(&stranger, "localhost", "/", &server.url).await?;
    let trusting_another = |command: &mut Command| {
        command.env("SSL_CERT_FILE", known.file());
    };

    let said = refused(&format!("https://localhost:{}", front.port), trusting_another).await?;

    ensure!(said.contains("cannot be trusted"), "{said}");
    Ok(())
}

async fn a_proxy_that_refuses() -> Result<()> {
    let proxy = Proxy::start("somebody.invalid", 1).await?;
    let through = |command: &mut Command| {
        command.env("HTTPS_PROXY", &proxy.url);
    };

    let said = refused(&format!("https://{NAME}"), through).await?;

    ensure!(said.contains("proxy"), "{said}");
    Ok(())
}

/// Sends a file from terminal to terminal; both reach the server in this way.
async fn carry(url: &str, way: impl Fn(&mut Command)) -> Result<()> {
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("file.bin");
    let digest = random_file(&file, 100_000, 1)?;

    let mut sender = start(sending(&file)?, url, &way)?;
    let link = sender.link().await?;
    ensure!(link.starts_with(&format!("{url}/#")), "the link is {link}");
    let mut receive = beeline()?;
    receive.args(["receive", &link, "--yes", "--output"]).arg(to.path());
    let receiver = start(receive, url, &way)?;
    let (sender, receiver) = tokio::try_join!(sender.end(), receiver.end())?;

    sender.expect(0)?;
    receiver.expect(0)?;
    assert_eq!(Tree::of(to.path())?.files(), [("file.bin".to_owned(), digest)].into());
    Ok(())
}

/// What a sender says that cannot reach its server.
async fn refused(url: &str, way: impl Fn(&mut Command)) -> Result<String> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("file.bin");
    random_file(&file, 10, 1)?;
    let ended = start(sending(&file)?, url, &way)?.end().await?.expect(1)?;
    Ok(ended.error()?.to_owned())
}

fn sending(file: &Path) -> Result<Command> {
    let mut command = beeline()?;
    command.arg("send").arg(file);
    Ok(command)
}

fn start(mut command: Command, url: &str, way: &impl Fn(&mut Command)) -> Result<Terminal> {
    for name in [
        "HTTPS_PROXY",
        "https_proxy",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    way(command.args(["--server", url, "--json"]));
    Terminal::start(&mut command)
}
