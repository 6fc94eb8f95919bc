//! What goes wrong between two ends: wrong codes, refusals, processes that die, paths that fall silent, disks that fill.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, Lab, Server, Terminal, Tree, beeline, random_file, sparse_file};

e2e::tests! {
    a_wrong_code_is_said_at_both_ends_within_two_seconds: a_wrong_code();
    the_third_wrong_code_burns_it: three_wrong_codes();
    a_word_that_is_not_in_the_list_costs_no_guess: a_word_that_does_not_exist();
    an_offer_that_is_declined_ends_the_sender_with_3: declined();

    a_killed_sender_is_missed_within_fifteen_seconds: killed(Dying::Sender);
    a_killed_receiver_is_missed_within_fifteen_seconds: killed(Dying::Receiver);
    a_killed_browser_is_missed_by_a_terminal: killed_browser();
    a_killed_terminal_is_missed_by_a_page: killed_terminal();
    an_interrupted_sender_tells_the_receiver: interrupted(Dying::Sender);
    an_interrupted_receiver_tells_the_sender: interrupted(Dying::Receiver);
    a_page_that_cancels_tells_the_terminal: cancelled_by_the_page();

    a_path_that_is_silent_for_ten_seconds_goes_on_afterwards: silent_path();
    a_server_that_goes_away_does_not_end_a_transfer: server_gone();

    a_file_that_shrinks_is_an_error_at_both_ends: changed(|file| file.set_len(1 << 20));
    a_file_that_changes_is_an_error_at_both_ends: changed(|file| file.write_all_at(b"changed", HUGE - 7));
    a_full_disk_is_refused_before_the_first_byte: no_space();
    an_existing_name_is_refused_before_the_first_byte: existing_name();
    wrong_usage_ends_with_2: wrong_usage();
}

/// Takes longer than any of these tests needs to disturb it; all zeros, no room on the disk.
const HUGE: u64 = 4 << 30;

/// The one that does not see the end.
#[derive(Clone, Copy)]
enum Dying {
    Sender,
    Receiver,
}

/// The code with other words: the nameplate is right, the secret is not.
fn wrong(code: &str) -> String {
    let nameplate = code.split('-').next().unwrap_or_default();
    format!("{nameplate}-zebra-abandon")
}

async fn a_wrong_code() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;

    let start = Instant::now();
    let guess = Terminal::receive(&server.url, &wrong(&code), to.path())?;
    let guess = guess.end_within(Duration::from_secs(2)).await?.expect(1)?;
    let said =
        sender.event_that("a wrong guess", Duration::from_secs(2), |event| event["left"].is_u64()).await?;

    ensure!(start.elapsed() < Duration::from_secs(2), "it took {:?}", start.elapsed());
    assert_eq!(said["left"], 2);
    guess.error()?;
    // It lives through it: the right code still works.
    Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(0)?;
    sender.end().await?.expect(0)?;
    assert!(to.path().join("secret.txt").exists());
    Ok(())
}

async fn three_wrong_codes() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;

    for _ in 0..3 {
        Terminal::receive(&server.url, &wrong(&code), to.path())?
            .end_within(Duration::from_secs(5))
            .await?
            .expect(1)?;
    }
    let sender = sender.end_within(Duration::from_secs(2)).await?.expect(1)?;
    let late = Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(1)?;

    sender.error()?;
    late.error()?;
    assert_eq!(Tree::of(to.path())?, Tree::default());
    Ok(())
}

async fn a_word_that_does_not_exist() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;
    let nameplate = code.split('-').next().unwrap_or_default();

    for _ in 0..4 {
        let typo = format!("{nameplate}-qqqqq-zebra");
        Terminal::receive(&server.url, &typo, to.path())?.end().await?.expect(2)?;
    }
    Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(0)?;

    sender.end().await?.expect(0)?;
    Ok(())
}

async fn declined() -> Result<()> {
    let (server, from) = (Server::start()?, tempfile::tempdir()?);
    let file = from.path().join("unwanted.bin");
    random_file(&file, 1000, 1)?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;

    browser.follow(&sender.link().await?).await?;
    browser.decline().await?;
    sender.end_within(Duration::from_secs(5)).await?.expect(3)?.error()?;

    assert_eq!(browser.saved(), Vec::<std::path::PathBuf>::new());
    Ok(())
}

/// A sender and a receiver in the middle of a huge file.
struct Midway {
    sender: Terminal,
    receiver: Terminal,
    _server: Server,
    _from: tempfile::TempDir,
    to: tempfile::TempDir,
}

impl Midway {
    async fn start() -> Result<Self> {
        let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
        let file = from.path().join("huge.bin");
        sparse_file(&file, HUGE)?;
        let mut sender = Terminal::send(&server.url, &[&file])?;
        let mut receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
        receiver.midway().await?;
        Ok(Self { sender, receiver, _server: server, _from: from, to })
    }
}

fn nothing_under_the_final_name(folder: &Path) -> Result<()> {
    ensure!(!folder.join("huge.bin").exists(), "{:?}", Tree::of(folder)?.0.keys());
    Ok(())
}

async fn killed(dying: Dying) -> Result<()> {
    let Midway { sender, receiver, to, _server, _from } = Midway::start().await?;
    let (victim, other) = match dying {
        Dying::Sender => (sender, receiver),
        Dying::Receiver => (receiver, sender),
    };

    victim.kill()?;
    other.end_within(Duration::from_secs(15)).await?.expect(1)?.error()?;

    nothing_under_the_final_name(to.path())
}

async fn killed_browser() -> Result<()> {
    let (server, from) = (Server::start()?, tempfile::tempdir()?);
    let file = from.path().join("huge.bin");
    sparse_file(&file, HUGE)?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    browser.follow(&sender.link().await?).await?;
    browser.accept().await?;
    sender.midway().await?;

    browser.kill()?;
    sender.end_within(Duration::from_secs(15)).await?.expect(1)?.error()?;

    nothing_under_the_final_name(&browser.downloads)
}

async fn killed_terminal() -> Result<()> {
    let (server, from) = (Server::start()?, tempfile::tempdir()?);
    let file = from.path().join("huge.bin");
    sparse_file(&file, HUGE)?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    browser.follow(&sender.link().await?).await?;
    browser.accept().await?;
    browser.midway().await?;

    sender.kill()?;
    let (error, _) = browser.failure(Duration::from_secs(15)).await?;

    ensure!(!error.is_empty(), "the page says what happened");
    nothing_under_the_final_name(&browser.downloads)
}

async fn interrupted(dying: Dying) -> Result<()> {
    let Midway { sender, receiver, to, _server, _from } = Midway::start().await?;
    let (victim, other) = match dying {
        Dying::Sender => (sender, receiver),
        Dying::Receiver => (receiver, sender),
    };

    victim.interrupt()?;
    victim.end_within(Duration::from_secs(3)).await?.expect(130)?;
    other.end_within(Duration::from_secs(3)).await?.expect(3)?.error()?;

    nothing_under_the_final_name(to.path())
}

async fn cancelled_by_the_page() -> Result<()> {
    let (server, from) = (Server::start()?, tempfile::tempdir()?);
    let file = from.path().join("huge.bin");
    sparse_file(&file, HUGE)?;
    let browser = Browser::start(Chromium).await?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    browser.follow(&sender.link().await?).await?;
    browser.accept().await?;
    browser.midway().await?;

    browser.click("#cancel").await?;
    sender.end_within(Duration::from_secs(5)).await?.expect(3)?;

    nothing_under_the_final_name(&browser.downloads)
}

async fn silent_path() -> Result<()> {
    let (lab, from, to) = (Lab::new()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let server = Server::start_on(lab.a.router())?;
    let file = from.path().join("film.bin");
    let digest = random_file(&file, 512 << 20, 3)?;
    let mut send = beeline()?;
    send.arg("send").arg(&file).args(["--server", &server.lan_url, "--json"]);
    let mut sender = Terminal::start(&mut lab.a.command(&send))?;
    let mut receive = beeline()?;
    receive.args([
        "receive",
        &sender.code().await?,
        "--yes",
        "--server",
        &server.lan_url,
        "--json",
        "--output",
    ]);
    receive.arg(to.path());
    let mut receiver = Terminal::start(&mut lab.b.command(&receive))?;
    receiver.midway().await?;

    lab.cut()?;
    tokio::time::sleep(Duration::from_secs(10)).await;
    lab.mend()?;
    let receiver = receiver.end_within(Duration::from_secs(120)).await?.expect(0).context("the receiver")?;
    sender.end().await?.expect(0).context("the sender")?;

    assert_eq!(receiver.digests().get("film.bin"), Some(&digest));
    assert_eq!(Tree::of(to.path())?.files().get("film.bin"), Some(&digest));
    Ok(())
}

async fn server_gone() -> Result<()> {
    let (mut server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("film.bin");
    let digest = random_file(&file, 256 << 20, 3)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let mut receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
    receiver.midway().await?;

    server.kill();
    let receiver = receiver.end_within(Duration::from_secs(120)).await?.expect(0)?;
    sender.end().await?.expect(0)?;

    assert_eq!(receiver.digests().get("film.bin"), Some(&digest));
    Ok(())
}

async fn changed(change: fn(&File) -> std::io::Result<()>) -> Result<()> {
    let Midway { sender, receiver, to, _from, _server } = Midway::start().await?;

    change(&File::options().write(true).open(_from.path().join("huge.bin"))?)?;
    let limit = Duration::from_secs(200);
    let (sender, receiver) = tokio::try_join!(sender.end_within(limit), receiver.end_within(limit))?;

    for (who, ended) in [("sender", sender.expect(1)), ("receiver", receiver.expect(1))] {
        ended.context(who)?.error().context(who)?;
    }
    nothing_under_the_final_name(to.path())
}

async fn no_space() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let mounted =
        Command::new("mount").args(["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).arg(to.path()).status()?;
    ensure!(mounted.success(), "a small disk");
    let file = from.path().join("huge.bin");
    sparse_file(&file, 64 << 20)?;

    let mut sender = Terminal::send(&server.url, &[&file])?;
    let receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
    let receiver = receiver.end().await?.expect(1)?;
    let sender = sender.end().await?;

    let _ = Command::new("umount").arg(to.path()).status();
    ensure!(receiver.last("error").is_some_and(|error| error["hint"].is_string()), "{receiver:?}");
    ensure!(receiver.last("progress").is_none_or(|progress| progress["bytes"] == 0), "{receiver:?}");
    ensure!(matches!(sender.code, Some(1 | 3)), "{sender:?}");
    Ok(())
}

async fn existing_name() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("thesis.tex");
    fs::write(&file, "theirs")?;
    fs::write(to.path().join("thesis.tex"), "mine")?;

    let mut sender = Terminal::send(&server.url, &[&file])?;
    let receiver =
        Terminal::receive(&server.url, &sender.code().await?, to.path())?.end().await?.expect(1)?;
    let sender = sender.end().await?;

    ensure!(receiver.error()?.contains("thesis.tex"), "{receiver:?}");
    ensure!(matches!(sender.code, Some(1 | 3)), "{sender:?}");
    assert_eq!(fs::read_to_string(to.path().join("thesis.tex"))?, "mine");
    Ok(())
}

async fn wrong_usage() -> Result<()> {
    let nowhere = ["--server", "http://127.0.0.1:1"];
    let usages: [&[&str]; 6] = [
        &["send"],
        &["send", "/etc/hostname", "--no-such-flag"],
        &["receive"],
        &["receive", "7-guitar-sunset"], // nobody to ask, and no --yes
        &["receive", "not a code", "--yes"],
        &["fly"],
    ];
    let limit = Duration::from_secs(5);
    for usage in usages {
        let ended = Terminal::start(beeline()?.args(usage).args(nowhere))?.end_within(limit).await?;
        let ended = ended.expect(2).with_context(|| format!("beeline {usage:?}"))?;
        ensure!(!ended.stderr.is_empty(), "beeline {usage:?} says nothing");
    }
    let missing = ["send", "/does/not/exist", "--json"];
    let missing = Terminal::start(beeline()?.args(missing).args(nowhere))?.end_within(limit).await?;
    ensure!(missing.code.is_some_and(|code| code != 0), "{missing:?}");
    ensure!(missing.error()?.contains("/does/not/exist"), "{missing:?}");
    Ok(())
}
