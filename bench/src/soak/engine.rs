//! Our engine and a browser's, without Beeline: a long stream each way, as offerer and as answerer, half of it on an
//! ordered channel and half on an unordered one.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use beeline_rtc::{ChannelConfig, Config, Handle, Notice, PathState, SdpKind, Settings};
use bytes::Bytes;
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout_at;

use super::PATIENCE;
use crate::options::Options;
use crate::page::AWAKE;

/// MiB by default.
const SIZE: u64 = 1024;

/// Words of 32 bits in a message.
const WORDS: u32 = 16_384;

/// Messages on their way, at most, on both channels together.
const AHEAD: u64 = 32;

/// Nothing is opened, sent or received for so long: it is stuck. What the path is like is told all the time.
const SILENCE: Duration = Duration::from_secs(60);

/// Each browser, each role, each way; each says its line.
pub(super) async fn run(options: &Options) -> Result<Value> {
    let mib = options.mib.last().copied().unwrap_or(SIZE);
    let each = u32::try_from((mib << 20) / u64::from(2 * 4 * WORDS)).context("a size")?;
    let mut rows = Vec::new();
    for kind in [Chromium, Firefox] {
        for we_offer in [true, false] {
            for we_send in [true, false] {
                let name = format!("{kind:?}");
                let (from, to) = if we_send { ("engine", &name[..]) } else { (&name[..], "engine") };
                let offerer = if we_offer { "engine" } else { &name[..] };
                let what = format!("{from} to {to}, offered by {offerer}");
                let took = carry(kind, we_offer, we_send, each).await.with_context(|| what.clone())?;
                let speed = (mib << 20) as f64 / 1e6 / took.as_secs_f64();
                options.say(&format!("{mib:5} MiB  {what:44}  {speed:6.1} MB/s"));
                rows.push(json!({ "from": from, "to": to, "offerer": offerer, "mb_per_s": speed }));
            }
        }
    }
    Ok(json!(rows))
}

/// How long so many messages on each channel take.
async fn carry(kind: Kind, we_offer: bool, we_send: bool, each: u32) -> Result<Duration> {
    let browser = Browser::start_with(kind, AWAKE).await?;
    browser.driver.goto("about:blank").await?;
    browser.driver.execute(include_str!("engine.js"), vec![]).await?;
    let mut end = End::connect(&browser, we_offer).await?;
    let start = Instant::now();
    let count = vec![json!(each)];
    let wrong = if we_send {
        let (wrong, ()) = tokio::try_join!(browser.eval("end.receive(args[0])", count), end.send(each))?;
        wrong
    } else {
        let (_, ()) = tokio::try_join!(browser.eval("end.send(args[0])", count), end.receive(each))?;
        json!("")
    };
    ensure!(wrong == "", "{wrong}");
    let took = start.elapsed();
    browser.kill()?; // all its processes: they would want the machine
    Ok(took)
}

/// Our end.
struct End<'a> {
    browser: &'a Browser,
    handle: Handle,
    notices: mpsc::UnboundedReceiver<Notice>,
    /// When something was last opened, sent or received.
    moved: Instant,
}

impl<'a> End<'a> {
    /// Until both channels are open.
    async fn connect(browser: &'a Browser, we_offer: bool) -> Result<Self> {
        let channel = |unordered| ChannelConfig { unordered, ..ChannelConfig::default() };
        let negotiated = vec![(0, channel(false)), (1, channel(true))];
        let settings =
            Settings { connection: Config { negotiated, ..Config::default() }, ..Settings::default() };
        let (sender, notices) = mpsc::unbounded_channel();
        let (handle, task) = beeline_rtc::start(settings, we_offer, move |notice| drop(sender.send(notice)));
        tokio::spawn(task);
        let mut end = Self { browser, handle, notices, moved: Instant::now() };
        if !we_offer {
            let offer = browser.eval("end.offer()", vec![]).await?;
            end.handle.set_remote(SdpKind::Offer, text(&offer)?);
        }
        let mut open = 0;
        while open < 2 {
            open += usize::from(matches!(end.next().await?, Notice::ChannelOpened { .. }));
        }
        Ok(end)
    }

    /// The next notice, after what it asks for in the browser is done.
    async fn next(&mut self) -> Result<Notice> {
        let deadline = (self.moved + SILENCE).into();
        let notice = timeout_at(deadline, self.notices.recv()).await.context("nothing moves")?;
        let notice = notice.context("the connection is over")?;
        match &notice {
            Notice::Description { kind: SdpKind::Offer, sdp } => {
                let answer = self.browser.eval("end.answer(args[0])", vec![json!(sdp)]).await?;
                self.handle.set_remote(SdpKind::Answer, text(&answer)?);
            }
            Notice::Description { kind: SdpKind::Answer, sdp } => {
                self.browser.eval("end.accept(args[0])", vec![json!(sdp)]).await?;
            }
            Notice::Candidate(candidate) => {
                self.browser.eval("end.add(args[0])", vec![json!(candidate)]).await?;
            }
            Notice::ChannelOpened { .. } | Notice::Sent { .. } | Notice::Message { .. } => {
                self.moved = Instant::now();
            }
            Notice::State(PathState::Failed) => bail!("the connection failed"),
            _ => {}
        }
        Ok(notice)
    }

    async fn send(&mut self, each: u32) -> Result<()> {
        let start = Instant::now();
        let len = u64::from(4 * WORDS);
        let mut ahead = 0;
        for number in 0..each {
            let message: Bytes = message(number).into();
            for stream in [0, 1] {
                self.handle.send(stream, false, message.clone());
                ahead += len;
            }
            while ahead > AHEAD * len {
                ensure!(start.elapsed() < PATIENCE, "it does not end");
                if let Notice::Sent { bytes, .. } = self.next().await? {
                    ahead -= bytes;
                }
            }
        }
        Ok(())
    }

    async fn receive(&mut self, each: u32) -> Result<()> {
        let start = Instant::now();
        let mut seen = [vec![false; each as usize], vec![false; each as usize]];
        let mut counts = [0, 0];
        while counts != [each, each] {
            ensure!(start.elapsed() < PATIENCE, "it does not end");
            let Notice::Message { stream, payload, .. } = self.next().await? else { continue };
            let number = payload.first_chunk().copied().map(u32::from_le_bytes).context("a number")?;
            let (count, seen) = (&mut counts[usize::from(stream)], &mut seen[usize::from(stream)]);
            ensure!(stream == 1 || number == *count, "number {number} after {count} messages");
            let once = seen.get_mut(number as usize).context("a number beyond the last")?;
            ensure!(!std::mem::replace(once, true), "number {number} again");
            ensure!(payload == message(number), "message {number} is another");
            *count += 1;
        }
        Ok(())
    }
}

/// Its number, then words that follow from it, as `engine.js` makes them.
fn message(number: u32) -> Vec<u8> {
    let word = |at: u32| if at == 0 { number } else { number.wrapping_mul(0x9e37_79b1).wrapping_add(at) };
    (0..WORDS).flat_map(|at| word(at).to_le_bytes()).collect()
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a description")?.to_owned())
}
