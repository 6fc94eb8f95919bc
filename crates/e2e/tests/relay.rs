//! Two hosts that reach a server and a TURN server, but not each other.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, Ended, Host, Lab, Options, PATIENCE, Seat, Server, Terminal, Turn, beeline, random_file};

e2e::tests! {
    terminals_meet_at_a_turn_server: meet("");
    terminals_meet_at_a_turn_server_over_tcp: meet("?transport=tcp");
    a_browser_and_a_terminal_meet_at_a_turn_server: browser_to_terminal();
    terminals_that_reach_each_other_ask_no_turn_server: directly();
    a_transfer_whose_path_is_cut_goes_on_by_a_turn_server: cut_under_way();
    the_screen_says_that_a_path_is_relayed: in_words();
}

const SIZE: u64 = 8 << 20;
/// Enough to be cut in the middle.
const LONG: u64 = 256 << 20;

/// The hosts, a TURN server, and a server that names it.
struct Meeting {
    lab: Lab,
    turn: Turn,
    server: Server,
}

impl Meeting {
    fn new(query: &str) -> Result<Self> {
        let lab = Lab::new()?;
        let turn = Turn::start(lab.a.router())?;
        let server = Server::start_with(lab.a.router(), &["--ice", &turn.url(query)])?;
        Ok(Self { lab, turn, server })
    }
}

fn path_of(ended: &Ended) -> Result<(&str, &str)> {
    let path = ended.last("path").context("a path is told")?;
    Ok((path["kind"].as_str().context("a kind")?, path["protocol"].as_str().context("a protocol")?))
}

/// A file from host to host; how both ended.
async fn carry(meeting: &Meeting) -> Result<[Ended; 2]> {
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("a.bin");
    let digest = random_file(&file, SIZE, 1)?;
    let url = &meeting.server.lan_url;

    let mut sender = Terminal::send_at(&meeting.lab.a, url, &[&file])?;
    let receiver = Terminal::receive_at(&meeting.lab.b, url, &sender.code().await?, to.path())?;
    let received = receiver.end().await?.expect(0).context("the receiver")?;
    let sent = sender.end().await?.expect(0).context("the sender")?;

    ensure!(received.digests().values().eq([&digest]), "another digest");
    Ok([sent, received])
}

async fn meet(query: &str) -> Result<()> {
    let meeting = Meeting::new(query)?;
    meeting.lab.cut()?;

    let ends = carry(&meeting).await?;

    let turn = &meeting.turn;
    ensure!((1..=2).contains(&turn.allocations()), "{:#?}", turn.said());
    let deadline = Instant::now() + Duration::from_secs(5);
    while turn.ended() < turn.allocations() {
        ensure!(Instant::now() < deadline, "an address was not given back: {:#?}", turn.said());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for ended in &ends {
        // Whose TURN server it is decides which protocol is spoken to it.
        let (kind, protocol) = path_of(ended)?;
        ensure!(
            kind == "relay" && ["udp", &query.replace("?transport=", "")].contains(&protocol),
            "{protocol}"
        );
    }
    Ok(())
}

async fn directly() -> Result<()> {
    let meeting = Meeting::new("")?;

    let ends = carry(&meeting).await?;

    for ended in &ends {
        ensure!(path_of(ended)? == ("direct", "udp"));
    }
    ensure!(meeting.turn.allocations() == 0, "{:#?}", meeting.turn.said());
    Ok(())
}

async fn cut_under_way() -> Result<()> {
    let meeting = Meeting::new("")?;
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("a.bin");
    let digest = random_file(&file, LONG, 1)?;
    let url = &meeting.server.lan_url;
    let mut sender = Terminal::send_at(&meeting.lab.a, url, &[&file])?;
    let mut receiver = Terminal::receive_at(&meeting.lab.b, url, &sender.code().await?, to.path())?;
    receiver.midway().await?;

    meeting.lab.cut()?;
    let received = receiver.end_within(PATIENCE * 2).await?.expect(0).context("the receiver")?;
    sender.end().await?.expect(0).context("the sender")?;

    ensure!(received.digests().values().eq([&digest]), "another digest");
    ensure!(path_of(&received)?.0 == "relay");
    Ok(())
}

async fn browser_to_terminal() -> Result<()> {
    let meeting = Meeting::new("")?;
    meeting.lab.cut()?;
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("a.bin");
    let digest = random_file(&file, SIZE, 1)?;
    let url = &meeting.server.lan_url;
    let seat = Seat { host: &meeting.lab.a, secure: url };
    let sender = Browser::start_at(seat, Chromium, Options::default()).await?;
    sender.open(url).await?;

    let code = sender.send_files(&[&file]).await?;
    let receiver = Terminal::receive_at(&meeting.lab.b, url, &code, to.path())?;
    let received = receiver.end().await?.expect(0).context("the receiver")?;
    sender.finish().await.context("the sender")?;

    ensure!(received.digests().values().eq([&digest]), "another digest");
    ensure!(path_of(&received)?.0 == "relay");
    Ok(())
}

async fn in_words() -> Result<()> {
    let meeting = Meeting::new("")?;
    meeting.lab.cut()?;
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("a.bin");
    random_file(&file, 1000, 1)?;
    let url = &meeting.server.lan_url;

    let mut sender = Terminal::send_at(&meeting.lab.a, url, &[&file])?;
    let code = sender.code().await?;
    let receiver = receive_for_people(&meeting.lab.b, url, &code, to.path())?;
    let said = receiver.end().await?.expect(0)?.stderr;
    sender.end().await?.expect(0)?;

    ensure!(said.contains("Path: relayed by a TURN server, udp"), "{said}");
    Ok(())
}

fn receive_for_people(host: &Host, server: &str, code: &str, to: &Path) -> Result<Terminal> {
    let mut command = beeline()?;
    command.args(["receive", code, "--yes", "--server", server, "--output"]).arg(to);
    Terminal::start(&mut host.command(&command))
}
