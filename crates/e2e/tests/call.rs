//! A call beside the transfer: camera and microphone on the connection that carries the files.

use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, FAKE_DEVICES, Joined, Kind, Options, Seat, Server, Settings, random_file, sparse_file};
use serde::Deserialize;

const LEN: u64 = 32 << 20;

e2e::tests! {
    two_chromiums_call_each_other_in_the_same_instant_while_a_file_passes: a_call(Chromium, Chromium);
    chromium_and_firefox_call_each_other_in_the_same_instant_while_a_file_passes: a_call(Chromium, Firefox);
    two_firefoxes_call_each_other_in_the_same_instant_while_a_file_passes: a_call(Firefox, Firefox);
    another_camera_can_be_chosen_before_and_during_a_call: another_camera();
    a_refused_and_a_missing_device_are_said_in_words: refused();
    on_a_narrow_line_the_call_is_heard_and_the_file_has_most_of_what_it_leaves: a_narrow_line();
}

/// From now on `pcs` holds every connection that the page makes.
const RECORD: &str = "
    const Real = window.RTCPeerConnection;
    window.pcs = [];
    window.RTCPeerConnection = function (...args) {
        const pc = new Real(...args);
        window.pcs.push(pc);
        return pc;
    };
    window.RTCPeerConnection.prototype = Real.prototype;";

/// Frames and bytes of sound that came on connection 0.
const RECEIVED: &str = "(async () => {
    let frames = 0, sound = 0;
    (await window.pcs[0].getStats()).forEach(stat => {
        if (stat.type !== 'inbound-rtp') return;
        if (stat.kind === 'video') frames += stat.framesDecoded ?? 0;
        if (stat.kind === 'audio') sound += stat.bytesReceived ?? 0;
    });
    return [frames, sound];
})()";

async fn received(page: &Browser) -> Result<(u64, u64)> {
    Ok(serde_json::from_value(page.eval(RECEIVED, vec![]).await?)?)
}

/// Waits until more of both has come than was there.
async fn sees_and_hears(page: &Browser) -> Result<()> {
    let before = received(page).await?;
    let start = Instant::now();
    loop {
        let now = received(page).await?;
        if now.0 > before.0 + 5 && now.1 > before.1 + 1000 {
            return Ok(());
        }
        ensure!(start.elapsed() < e2e::PATIENCE, "{:?}: {before:?} became {now:?}", page.kind);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn start(server: &Server, kind: Kind, options: Options) -> Result<Browser> {
    ready(Browser::start_with(kind, options).await?, &server.url).await
}

async fn ready(page: Browser, url: &str) -> Result<Browser> {
    page.open(url).await?;
    page.driver.execute(RECORD, vec![]).await?;
    Ok(page)
}

/// Offers a file; both pages are connected then, and it is not accepted yet.
async fn meet(sender: &Browser, receiver: &Browser, file: &std::path::Path) -> Result<()> {
    let code = sender.send_files(&[file]).await?;
    receiver.join(&code).await?;
    receiver.until_state("incoming").await?;
    for page in [sender, receiver] {
        page.until("a call is offered", "document.querySelector('#call').checkVisibility()").await?;
    }
    Ok(())
}

/// Presses a button of the call, wherever the page has scrolled to: on a small window, what is to be decided about the
/// files stays in sight above it.
async fn press(page: &Browser, button: &str) -> Result<()> {
    page.until(button, &format!("document.querySelector('{button}').checkVisibility()")).await?;
    page.driver
        .execute(format!("document.querySelector('{button}').scrollIntoView({{ block: 'center' }})"), vec![])
        .await?;
    page.click(button).await
}

async fn is(page: &Browser, camera: &str, microphone: &str) -> Result<()> {
    let condition = format!(
        "(call => call.dataset.camera === '{camera}' && call.dataset.microphone === '{microphone}')
            (document.querySelector('#call'))"
    );
    page.until(&format!("camera {camera}, microphone {microphone}"), &condition).await
}

async fn preview(page: &Browser) -> Result<()> {
    press(page, "#camera").await?;
    is(page, "preview", "off").await?;
    press(page, "#microphone").await?;
    is(page, "preview", "preview").await?;
    page.until("its own picture", "document.querySelector('#call-preview').videoWidth > 0").await?;
    let senders: u64 = page.run("return window.pcs[0].getSenders().length").await?;
    ensure!(senders == 0, "nothing is sent before it is wanted");
    Ok(())
}

async fn a_call(from: Kind, to: Kind) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("film.bin");
    let digest = random_file(&file, LEN, 1)?;
    let server = Server::start()?;
    let (sender, receiver) =
        tokio::try_join!(start(&server, from, FAKE_DEVICES), start(&server, to, FAKE_DEVICES))?;
    meet(&sender, &receiver, &file).await?;
    tokio::try_join!(preview(&sender), preview(&receiver))?;

    receiver.accept().await?;
    tokio::try_join!(press(&sender, "#call-send"), press(&receiver, "#call-send"))?;
    tokio::try_join!(sees_and_hears(&sender), sees_and_hears(&receiver))?;
    let (sent, arrived) = tokio::try_join!(sender.finish(), receiver.finish())?;
    assert_eq!(sent.get("film.bin"), Some(&digest), "what the sender says");
    assert_eq!(arrived, sent, "what the receiver says");
    assert_eq!(
        blake3::hash(&std::fs::read(receiver.downloaded("film.bin", LEN).await?)?).to_string(),
        digest
    );
    tokio::try_join!(sees_and_hears(&sender), sees_and_hears(&receiver))?;
    let sections: u64 = sender.run("return window.pcs[0].getTransceivers().length").await?;
    assert_eq!(sections, 2, "both directions share a section of each kind");

    press(&sender, "#microphone").await?;
    is(&sender, "on", "muted").await?;
    press(&sender, "#microphone").await?;
    is(&sender, "on", "on").await?;
    press(&sender, "#camera").await?;
    receiver
        .until("only sound comes", "(c => c.hears && !c.sees)(document.querySelector('#call').dataset)")
        .await?;

    press(&receiver, "#hang-up").await?;
    for page in [&sender, &receiver] {
        is(page, "off", "off").await?;
        page.until("nothing comes", "(c => !c.hears && !c.sees)(document.querySelector('#call').dataset)")
            .await?;
    }
    let notice = sender.text("#call-notice").await?;
    ensure!(notice.contains("hung up"), "the sender is told: {notice:?}");

    press(&receiver, "#camera").await?;
    press(&receiver, "#call-send").await?;
    sender.until("it can be called again", "document.querySelector('#call').dataset.sees").await?;
    Ok(())
}

/// Chooses a camera by its place in the list; what the page then shows and has chosen is that one.
async fn choose_camera(page: &Browser, place: usize) -> Result<()> {
    let choose = format!(
        "const list = document.querySelector('#call .device select');
        list.selectedIndex = {place};
        list.dispatchEvent(new Event('change', {{ bubbles: true }}));
        return list.options[{place}].textContent"
    );
    let name: String = page.run(&choose).await?;
    let shown = format!(
        "document.querySelector('#call-preview').srcObject?.getVideoTracks()[0].label === '{name}'
            && document.querySelector('#call .device select').selectedOptions[0].textContent === '{name}'"
    );
    page.until(&format!("{name} is in use"), &shown).await
}

async fn another_camera() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("note.txt");
    random_file(&file, 1000, 1)?;
    let server = Server::start()?;
    // The second of Chromium's fake cameras has pictures of depth, which no call can send.
    let three = Options {
        chromium: &["--use-fake-device-for-media-stream=device-count=3", "--use-fake-ui-for-media-stream"],
        ..Options::default()
    };
    let (sender, receiver) =
        tokio::try_join!(start(&server, Chromium, three), start(&server, Chromium, FAKE_DEVICES))?;
    meet(&sender, &receiver, &file).await?;
    tokio::try_join!(preview(&sender), preview(&receiver))?;
    let choice = "document.querySelector('#call .device select').checkVisibility()";
    sender.until("there is a choice", choice).await?;
    ensure!(!receiver.eval(choice, vec![]).await?.as_bool().unwrap_or(true), "no choice of one");
    choose_camera(&sender, 2).await?;

    tokio::try_join!(press(&sender, "#call-send"), press(&receiver, "#call-send"))?;
    tokio::try_join!(sees_and_hears(&sender), sees_and_hears(&receiver))?;
    choose_camera(&sender, 0).await?;
    is(&sender, "on", "on").await?;
    sees_and_hears(&receiver).await?;
    let sent = "const track = window.pcs[0].getSenders().map(s => s.track).find(t => t?.kind === 'video');
        return track.label === document.querySelector('#call-preview').srcObject.getVideoTracks()[0].label";
    ensure!(sender.run::<bool>(sent).await?, "what is sent is what is shown");
    Ok(())
}

async fn refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("note.txt");
    let digest = random_file(&file, 1000, 1)?;
    let server = Server::start()?;
    let denied = Options {
        chromium: &["--use-fake-device-for-media-stream", "--deny-permission-prompts"],
        ..Options::default()
    };
    let (sender, receiver) =
        tokio::try_join!(start(&server, Firefox, Options::default()), start(&server, Chromium, denied))?;
    meet(&sender, &receiver, &file).await?;

    for (page, button, said) in [
        (&sender, "#camera", "No camera was found."),
        (&receiver, "#camera", "The camera was not allowed."),
        (&receiver, "#microphone", "The microphone was not allowed."),
    ] {
        press(page, button).await?;
        page.until(said, &format!("document.querySelector('#call-notice').textContent.includes('{said}')"))
            .await?;
        is(page, "off", "off").await?;
    }

    receiver.accept().await?;
    assert_eq!(receiver.finish().await?.get("note.txt"), Some(&digest), "the transfer does not mind");
    Ok(())
}

/// What has come since the page was opened: bytes of files and of media, pictures, and sound by packets and samples.
const ARRIVED: &str = "(async () => {
    const sum = { file: 0, media: 0, mediaPackets: 0, pictures: 0, sound: 0, samples: 0, concealed: 0 };
    for (const pc of window.pcs) (await pc.getStats()).forEach(stat => {
        if (stat.type === 'data-channel') sum.file += stat.bytesReceived;
        if (stat.type !== 'inbound-rtp') return;
        sum.media += stat.bytesReceived + stat.headerBytesReceived;
        sum.mediaPackets += stat.packetsReceived;
        sum.pictures += stat.framesDecoded ?? 0;
        if (stat.kind !== 'audio') return;
        sum.sound += stat.packetsReceived;
        sum.samples += stat.totalSamplesReceived;
        sum.concealed += stat.concealedSamples;
    });
    return sum;
})()";

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arrived {
    file: f64,
    media: f64,
    media_packets: f64,
    pictures: f64,
    sound: f64,
    samples: f64,
    concealed: f64,
}

/// Bits a second, of IP packets.
const NARROW: f64 = 10e6;

/// IPv4 and UDP headers, and the tag of SRTP (RFC 7714): what `getStats` leaves out of a packet.
const AROUND: f64 = 20.0 + 8.0 + 16.0;

async fn a_narrow_line() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("film.mkv");
    sparse_file(&file, 1 << 30)?;
    let joined = Joined::by_line(Settings::symmetric(NARROW as u64, Duration::from_millis(40), 2.0))?;
    let server = Server::start_on(Joined::SERVER)?;
    let url = &server.lan_url;
    let start = async |host| {
        ready(Browser::start_at(Seat { host, secure: url }, Chromium, FAKE_DEVICES).await?, url).await
    };
    let (sender, receiver) = tokio::try_join!(start(&joined.a), start(&joined.b))?;
    meet(&sender, &receiver, &file).await?;
    tokio::try_join!(preview(&sender), preview(&receiver))?;
    receiver.accept().await?;
    tokio::try_join!(press(&sender, "#call-send"), press(&receiver, "#call-send"))?;
    tokio::try_join!(sees_and_hears(&sender), sees_and_hears(&receiver))?;

    // Where the machine is disturbed, so is the line: one of these has to be as it should.
    let mut found = Vec::new();
    for _ in 0..5 {
        let (start, before) = (Instant::now(), arrived(&receiver).await?);
        tokio::time::sleep(Duration::from_secs(6)).await;
        let shares = Shares::of(&before, &arrived(&receiver).await?, start.elapsed());
        println!("{shares:?}");
        if shares.are_right() {
            return Ok(());
        }
        found.push(shares);
    }
    bail!("{NARROW} bit/s: {found:#?}")
}

async fn arrived(page: &Browser) -> Result<Arrived> {
    Ok(serde_json::from_value(page.eval(ARRIVED, vec![]).await?)?)
}

/// What a while on the narrow line brought.
#[derive(Debug)]
struct Shares {
    /// The part of what the media leave that the file has.
    file: f64,
    pictures_per_s: f64,
    sound_packets_per_s: f64,
    /// The part of the sound that the receiver made up.
    made_up: f64,
}

impl Shares {
    fn of(before: &Arrived, after: &Arrived, time: Duration) -> Self {
        let rate = |of: fn(&Arrived) -> f64| (of(after) - of(before)) / time.as_secs_f64();
        let media = 8.0 * (rate(|a| a.media) + AROUND * rate(|a| a.media_packets));
        Self {
            file: 8.0 * rate(|a| a.file) / (NARROW - media),
            pictures_per_s: rate(|a| a.pictures),
            sound_packets_per_s: rate(|a| a.sound),
            made_up: rate(|a| a.concealed) / rate(|a| a.samples),
        }
    }

    /// A packet has 20 ms of sound.
    fn are_right(&self) -> bool {
        self.file >= 0.7
            && self.pictures_per_s > 1.0
            && self.sound_packets_per_s > 45.0
            && self.made_up < 0.05
    }
}
