//! `crates/rtc` against the browsers' own stacks and libwebrtc's native build, without Beeline: as offerer and as
//! answerer, messages of every size, channels that close and open again, ICE restarts by either side.

use anyhow::{Context, Result, bail, ensure};
use beeline_rtc::{ChannelConfig, Config, Handle, Notice, PathState, Reliability, SdpKind, Settings};
use bytes::Bytes;
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind, Node, PATIENCE};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};

e2e::tests! {
    chromium_answers: exchange(Other::browser(Chromium), true);
    chromium_offers: exchange(Other::browser(Chromium), false);
    firefox_answers: exchange(Other::browser(Firefox), true);
    firefox_offers: exchange(Other::browser(Firefox), false);
    libwebrtc_answers: exchange(Other::libwebrtc(), true);
    libwebrtc_offers: exchange(Other::libwebrtc(), false);
}

/// The channel that both sides know of.
const AGREED: u16 = 0;
/// In-band channels of one side at a time.
const CHANNELS: u16 = 16;
/// `a=max-message-size` of Chromium and of ours.
const LARGEST: usize = 262_144;

/// What runs `fixture/interop.js`.
enum Other {
    Browser(Box<Browser>),
    Node(Node),
}

impl Other {
    async fn browser(kind: Kind) -> Result<Self> {
        let browser = Browser::start(kind).await?;
        browser.driver.goto("about:blank").await?;
        browser.driver.execute(include_str!("fixture/interop.js"), vec![]).await?;
        Ok(Self::Browser(browser.into()))
    }

    async fn libwebrtc() -> Result<Self> {
        let mut node = Node::start()?;
        node.run(include_str!("fixture/interop.js")).await?;
        Ok(Self::Node(node))
    }

    async fn eval(&mut self, expression: &str, args: Vec<Value>) -> Result<Value> {
        match self {
            Self::Browser(browser) => browser.eval(expression, args).await,
            Self::Node(node) => node.eval(expression, args).await,
        }
    }

    async fn until(&mut self, what: &str, condition: &str) -> Result<()> {
        match self {
            Self::Browser(browser) => browser.until(what, condition).await,
            Self::Node(node) => node.until(what, condition).await,
        }
    }
}

/// Our end, and who it talks to.
struct Pair {
    other: Other,
    handle: Handle,
    notices: mpsc::UnboundedReceiver<Notice>,
    /// The first free stream of ours: even for DTLS's client, who is who answers.
    stream: u16,
}

async fn exchange(other: impl Future<Output = Result<Other>>, we_offer: bool) -> Result<()> {
    let mut pair = Pair::connect(other.await?, we_offer).await?;

    pair.echo_every_size().await.context("sizes")?;
    pair.open_and_close_channels().await.context("channels")?;
    pair.restart(true).await.context("a restart of ours")?;
    pair.restart(false).await.context("a restart of the other's")?;
    pair.echo(Bytes::from(vec![9; LARGEST]), false).await?;
    pair.say_good_bye().await
}

impl Pair {
    async fn connect(other: Other, we_offer: bool) -> Result<Self> {
        let connection = Config { negotiated: vec![(AGREED, ChannelConfig::default())], ..Config::default() };
        let (sender, notices) = mpsc::unbounded_channel();
        let listener = move |notice| drop(sender.send(notice));
        let settings = Settings { connection, ..Settings::default() };
        let (handle, task) = beeline_rtc::start(settings, we_offer, listener);
        tokio::spawn(task);
        let stream = if we_offer { 101 } else { 100 };
        let mut pair = Self { other, handle, notices, stream };
        if !we_offer {
            let offer = pair.other.eval("peer.offer(false)", vec![]).await?;
            pair.handle.set_remote(SdpKind::Offer, text(&offer)?);
        }
        pair.until("a channel", |notice| matches!(notice, Notice::ChannelOpened { stream: AGREED, .. }))
            .await?;
        Ok(pair)
    }

    /// Carries what our side has to say to the other until the notice comes.
    async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Notice) -> bool) -> Result<Notice> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // The path is told every few seconds, so the deadline is for all of them.
            let notice = timeout_at(deadline, self.notices.recv()).await;
            let notice = notice.with_context(|| format!("waiting for {what}"))?;
            let notice = notice.context("the connection is over")?;
            match &notice {
                Notice::Description { kind: SdpKind::Offer, sdp } => {
                    let answer = self.other.eval("peer.answer(args[0])", vec![json!(sdp)]).await?;
                    self.handle.set_remote(SdpKind::Answer, text(&answer)?);
                }
                Notice::Description { kind: SdpKind::Answer, sdp } => {
                    self.other.eval("peer.accept(args[0])", vec![json!(sdp)]).await?;
                }
                Notice::Candidate(candidate) => {
                    self.other.eval("peer.add(args[0])", vec![json!(candidate)]).await?;
                }
                Notice::State(PathState::Failed) => bail!("failed while waiting for {what}"),
                _ => {}
            }
            if wanted(&notice) {
                return Ok(notice);
            }
        }
    }

    async fn message(&mut self, on: u16) -> Result<(Bytes, bool)> {
        let wanted = |notice: &Notice| matches!(notice, Notice::Message { stream, .. } if *stream == on);
        match self.until("a message", wanted).await? {
            Notice::Message { payload, text, .. } => Ok((payload, text)),
            other => bail!("{other:?}"),
        }
    }

    async fn echo(&mut self, payload: Bytes, text: bool) -> Result<()> {
        self.handle.send(AGREED, text, payload.clone());
        let (back, is_text) = self.message(AGREED).await?;
        ensure!(back == payload && is_text == text, "{} bytes came back as {}", payload.len(), back.len());
        Ok(())
    }

    async fn echo_every_size(&mut self) -> Result<()> {
        for len in [0, 1, 2, 1_150, 1_163, 1_178, 1_200, 16_384, 65_535, 65_536, 200_001, LARGEST] {
            let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + len) as u8).collect();
            self.echo(bytes.into(), false).await?;
            self.echo("é".repeat(len / 2).into(), true).await?;
        }
        // Many at once, in order.
        for number in 0..500u32 {
            self.handle.send(AGREED, false, Bytes::copy_from_slice(&number.to_be_bytes()));
        }
        for number in 0..500u32 {
            let (back, _) = self.message(AGREED).await?;
            ensure!(back[..] == number.to_be_bytes(), "not in order");
        }
        Ok(())
    }

    /// Ours, then the other's, twice: numbers are used again.
    async fn open_and_close_channels(&mut self) -> Result<()> {
        for round in 1..=2 {
            let ours: Vec<u16> = (0..CHANNELS).map(|at| self.stream + 2 * at).collect();
            for &stream in &ours {
                let config = ChannelConfig {
                    label: format!("ours {stream}"),
                    unordered: stream % 4 > 1,
                    reliability: Reliability::MaxRetransmissions(7),
                    ..ChannelConfig::default()
                };
                self.handle.open_channel(stream, config);
            }
            let opened = self.opened().await?;
            ensure!(opened.iter().map(|(stream, _)| *stream).eq(ours.iter().copied()), "{opened:?}");
            let seen = self.other.eval("peer.log.opened", vec![]).await?;
            let seen: Vec<(String, bool, u16)> = serde_json::from_value(seen)?;
            ensure!(seen.len() == usize::from(CHANNELS) * round, "{seen:?}");
            let mut seen = seen[seen.len() - ours.len()..].to_vec();
            seen.sort();
            for (stream, (label, ordered, retransmits)) in ours.iter().zip(&seen) {
                let expected = (format!("ours {stream}"), stream % 4 <= 1, 7);
                ensure!(
                    (label.clone(), *ordered, *retransmits) == expected,
                    "{label} {ordered} {retransmits}"
                );
            }
            self.try_and_close(opened).await?;

            self.other.eval("peer.open(args[0])", vec![json!(CHANNELS)]).await?;
            let theirs = self.opened().await?;
            for (at, (_, config)) in theirs.iter().enumerate() {
                ensure!(
                    config.label == format!("theirs {at}") && config.unordered == (at % 2 == 1),
                    "{config:?}"
                );
            }
            self.try_and_close(theirs).await?;
        }
        Ok(())
    }

    async fn opened(&mut self) -> Result<Vec<(u16, ChannelConfig)>> {
        let mut opened = Vec::new();
        while opened.len() < usize::from(CHANNELS) {
            let notice =
                self.until("channels", |notice| matches!(notice, Notice::ChannelOpened { .. })).await?;
            if let Notice::ChannelOpened { stream, config, .. } = notice {
                opened.push((stream, config));
            }
        }
        opened.sort_by_key(|(stream, _)| *stream);
        Ok(opened)
    }

    async fn try_and_close(&mut self, channels: Vec<(u16, ChannelConfig)>) -> Result<()> {
        let closed = self.other.eval("peer.log.closed", vec![]).await?.as_u64().context("a number")?;
        for (stream, _) in &channels {
            self.handle.send(*stream, true, "there and back".into());
            ensure!(self.message(*stream).await?.0 == "there and back");
        }
        channels.iter().for_each(|(stream, _)| self.handle.close_channel(*stream));
        for _ in &channels {
            self.until("a closed channel", |notice| matches!(notice, Notice::ChannelClosed { .. })).await?;
        }
        let all = closed + channels.len() as u64;
        self.other.until("channels are closed", &format!("peer.log.closed === {all}")).await
    }

    /// New credentials; data goes on, and another pair of candidates is found.
    async fn restart(&mut self, ours: bool) -> Result<()> {
        if ours {
            self.handle.restart();
        } else {
            let offer = self.other.eval("peer.offer(true)", vec![]).await?;
            self.handle.set_remote(SdpKind::Offer, text(&offer)?);
        }
        let described = |notice: &Notice| matches!(notice, Notice::Description { .. });
        self.until("a description", described).await?;
        let connected = "['connected', 'completed'].includes(peer.pc.iceConnectionState)";
        self.other.until("ICE is connected", connected).await?;
        for number in 0..100 {
            self.echo(vec![number; 10_000].into(), false).await?;
        }
        Ok(())
    }

    async fn say_good_bye(&mut self) -> Result<()> {
        self.other.eval("peer.pc.close()", vec![]).await?;
        self.until("the good-bye", |notice| *notice == Notice::State(PathState::Closed)).await?;
        Ok(())
    }
}

fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().context("a description")?.to_owned())
}
