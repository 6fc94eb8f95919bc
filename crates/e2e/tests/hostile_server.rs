//! Servers that lie, strangers who guess, and peers of another version: both ends notice, and say it in words.
//!
//! A server cannot swap the fingerprints of an offer or answer: they are sealed under a key that it does not know. The
//! nearest that it can do is to change what is sealed, to repeat something older, or to make something up.

mod hostile_server {
    pub(crate) mod lying;
    pub(crate) mod stranger;
}

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use beeline_core::code::Code;
use beeline_core::output::Output;
use beeline_core::session::{Config, LaneRules, Session};
use beeline_core::time::Time;
use beeline_core::wire::meeting::{JoinerConfirm, Meeting};
use beeline_core::wire::signal::{Join, Locator, Open, Post, Reason, ToPeer, ToServer};
use beeline_server::Hostile;
use e2e::Kind::Chromium;
use e2e::{Browser, Server, Terminal, Tree, random_file};

use hostile_server::lying::{Change, Liar, Side, changes, flipped, noise, repeated};
use hostile_server::stranger::Stranger;

e2e::tests! {
    a_bit_of_a_sealed_message_that_flips_is_noticed_at_both_ends: tampered(flipped);
    an_older_sealed_message_in_place_of_a_newer_is_noticed_at_both_ends: tampered(repeated);
    a_made_up_sealed_message_is_noticed_at_both_ends: tampered(noise);
    pages_notice_a_server_that_tampers: tampered_with_pages();

    a_server_that_lets_anybody_join_for_ever_gains_no_fourth_guess: joined_for_ever();
    a_second_guess_within_one_join_is_not_heard: one_guess_a_join();

    a_joiner_of_another_version_is_turned_away_in_words: other_joiners();
    an_opener_of_another_version_is_left_in_words: other_openers();
}

/// Both are told within this time; nobody waits for a time limit of minutes.
const SOON: Duration = Duration::from_secs(15);

/// The opener's second sealed message is its offer, the joiner's third its answer: the ones with the fingerprints.
const WITH_FINGERPRINTS: [(Side, usize); 2] = [(Side::Opener, 1), (Side::Joiner, 2)];

async fn tampered(change: Change) -> Result<()> {
    let from = tempfile::tempdir()?;
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    for (side, nth) in WITH_FINGERPRINTS {
        let (server, to) = (Liar::start(changes(side, nth, change)).await?, tempfile::tempdir()?);

        let mut sender = Terminal::send(&server.url, &[&file])?;
        let receiver = Terminal::receive(&server.url, &sender.code().await?, to.path())?;
        let (sender, receiver) = tokio::try_join!(sender.end_within(SOON), receiver.end_within(SOON))?;

        for (who, ended) in [("the sender", sender), ("the receiver", receiver)] {
            let ended = ended.expect(1).with_context(|| format!("{who}, {side:?} changed"))?;
            let said = ended.error()?;
            ensure!(said.contains("tampered"), "{who}, {side:?} changed: {said}");
        }
        assert_eq!(Tree::of(to.path())?, Tree::default());
    }
    Ok(())
}

async fn tampered_with_pages() -> Result<()> {
    let from = tempfile::tempdir()?;
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    let (a, b) = tokio::try_join!(Browser::start(Chromium), Browser::start(Chromium))?;
    for (side, nth) in WITH_FINGERPRINTS {
        let server = Liar::start(changes(side, nth, flipped)).await?;

        a.open(&server.url).await?;
        a.send_files(&[&file]).await?;
        b.follow(&a.link().await?).await?;
        let (sender, receiver) = tokio::try_join!(a.failure(SOON), b.failure(SOON))?;

        for (who, (error, _)) in [("the sender", sender), ("the receiver", receiver)] {
            ensure!(error.contains("tampered"), "{who}, {side:?} changed: {error}");
        }
        assert_eq!(b.saved(), Vec::<std::path::PathBuf>::new());
    }
    Ok(())
}

/// The code with other words.
fn wrong(code: &str) -> String {
    format!("{}-zebra-abandon", nameplate(code))
}

fn nameplate(code: &str) -> &str {
    code.split('-').next().unwrap_or_default()
}

async fn joined_for_ever() -> Result<()> {
    let server = Liar::start(Hostile { ignore_lock: true, ..Hostile::default() }).await?;
    let (from, to) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;

    for _ in 0..3 {
        Terminal::receive(&server.url, &wrong(&code), to.path())?.end_within(SOON).await?.expect(1)?;
    }
    let sender = sender.end_within(Duration::from_secs(2)).await?.expect(1)?;
    let late = Terminal::receive(&server.url, &code, to.path())?.end_within(SOON).await?.expect(1)?;

    ensure!(sender.error()?.contains("burnt"), "{sender:?}");
    late.error()?;
    assert_eq!(Tree::of(to.path())?, Tree::default());
    Ok(())
}

async fn one_guess_a_join() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("secret.txt");
    random_file(&file, 1000, 1)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;

    let mut guesser = Stranger::connect(&server.url).await?;
    guess_twice(&mut guesser, &Code::parse(&wrong(&code))?).await?;
    let put_out = loop {
        if let ToPeer::Refused(refused) = guesser.hear().await? {
            break refused;
        }
    };
    Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(0)?;
    let sender = sender.end().await?.expect(0)?;

    assert_eq!(put_out.reason, Reason::Dismissed);
    assert_eq!(sender.events.iter().filter(|event| event["event"] == "wrong_guess").count(), 1);
    Ok(())
}

/// Joins with this code as a peer does, and says a second confirmation right behind the first.
async fn guess_twice(guesser: &mut Stranger, code: &Code) -> Result<()> {
    let now = Time::from_origin(Duration::from_secs(1));
    let mut session = Session::join(
        Config {
            name: "guesser".into(),
            seed: [7; 32],
            media: false,
            throttled: false,
            lanes: LaneRules::default(),
        },
        code,
        now,
    );
    session.handle_socket_open(now);
    loop {
        match session.poll_output() {
            Output::Signal(message) => {
                let frame = ToServer::decode(&message)?.context("a frame that is known")?;
                guesser.say(frame.clone()).await?;
                if let ToServer::Post(first) = frame
                    && let Ok(Some(Meeting::JoinerConfirm(_))) = Meeting::decode(&first.body)
                {
                    let body = Meeting::from(JoinerConfirm { tag: [7; 32] }).encode();
                    return guesser.say(Post { seq: first.seq + 1, body, ..first }).await;
                }
            }
            Output::Wait(_) => session.handle_socket_message(&guesser.hear_bytes().await?, now),
            Output::Disconnect => bail!("the session gives up before it has guessed"),
            _ => {}
        }
    }
}

/// Of a version that is not there yet, and of one that is there no longer; and what the other one says then.
const OTHER_VERSIONS: [(u8, &str); 2] = [(9, "update this side"), (0, "update the other side")];

async fn other_joiners() -> Result<()> {
    let (server, from, to) = (Server::start()?, tempfile::tempdir()?, tempfile::tempdir()?);
    let file = from.path().join("a");
    random_file(&file, 1000, 1)?;
    let mut sender = Terminal::send(&server.url, &[&file])?;
    let code = sender.code().await?;
    let locator = Locator::Nameplate(nameplate(&code).parse()?);

    for (version, advice) in OTHER_VERSIONS {
        let mut joiner = Stranger::connect(&server.url).await?;
        joiner.say(Join { versions: vec![version], suites: vec![1], locator: locator.clone() }).await?;
        let ToPeer::Joined(joined) = joiner.hear().await? else { bail!("not joined") };
        let said = sender.event_within("turned_away", SOON).await?;
        let ToPeer::Refused(refused) = joiner.hear().await? else { bail!("not put out") };

        ensure!(said["message"].as_str().is_some_and(|said| said.contains(advice)), "{said}");
        // The joiner's program has what it needs to say the same from its side.
        assert_eq!((joined.versions.as_slice(), refused.reason), (&[1][..], Reason::Dismissed));
    }
    // None of it was a guess, and the code is as good as before.
    Terminal::receive(&server.url, &code, to.path())?.end().await?.expect(0)?;
    sender.end().await?.expect(0)?;
    Ok(())
}

async fn other_openers() -> Result<()> {
    let (server, to) = (Server::start()?, tempfile::tempdir()?);
    for (version, advice) in OTHER_VERSIONS {
        let mut opener = Stranger::connect(&server.url).await?;
        opener.say(Open { versions: vec![version], suites: vec![1], locator: None, joiners: 1 }).await?;
        let ToPeer::Opened(opened) = opener.hear().await? else { bail!("not opened") };
        let code = format!("{}-zebra-abandon", opened.nameplate.context("a nameplate")?);

        let receiver = Terminal::receive(&server.url, &code, to.path())?.end_within(SOON).await?.expect(1)?;

        ensure!(receiver.error()?.contains(advice), "{receiver:?}");
        ensure!(matches!(opener.hear().await?, ToPeer::PeerJoined(joined) if joined.versions == [1]));
    }
    Ok(())
}
