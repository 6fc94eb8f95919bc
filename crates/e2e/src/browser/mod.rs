//! One real browser with its driver, profile and download folder.

mod files;
mod inspect;
mod page;
mod work;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use thirtyfour::prelude::*;

pub use inspect::Scheme;
pub use work::{Thread, Work};

use crate::{Host, PATIENCE, Process, Screen};

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's Chromium by chromedriver.
    Chromium,
    /// Debian's Firefox ESR by geckodriver.
    Firefox,
    /// Debian's WebKitGTK, which has no WebRTC, in its small browser; needs a [`crate::Screen`] that runs already.
    WebKit,
}

/// What a browser is started with.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Further arguments for Chromium.
    pub chromium: &'static [&'static str],
    /// Further preferences for Firefox.
    pub firefox: &'static [(&'static str, bool)],
    /// What the person reads, best first: `navigator.languages`.
    pub languages: &'static str,
    /// Whether pages may have a service worker.
    pub service_worker: bool,
    /// Whether it has windows, on a [`crate::Screen`] that runs already. Chromium only.
    pub windows: bool,
}

impl Options {
    /// What most tests start it with.
    pub const DEFAULT: Self =
        Self { chromium: &[], firefox: &[], languages: "en-US,en", service_worker: true, windows: false };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Cameras and microphones that are made up, and allowed without a question.
pub const FAKE_DEVICES: Options = Options {
    chromium: &["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"],
    firefox: &[("media.navigator.streams.fake", true), ("media.navigator.permission.disabled", true)],
    ..Options::DEFAULT
};

/// Where a browser runs: on a host of a lab.
#[derive(Clone, Copy, Debug)]
pub struct Seat<'a> {
    /// The host.
    pub host: &'a Host,
    /// The server's `http://ADDRESS:PORT`, which the browser takes for a secure context, as if it were https; Chromium
    /// also for one on the Internet.
    pub secure: &'a str,
}

/// A running browser. Its processes end with the test's namespace.
#[derive(Debug)]
pub struct Browser {
    /// For everything that has no method here.
    pub driver: WebDriver,
    /// Which browser it is.
    pub kind: Kind,
    /// Where it saves.
    pub downloads: PathBuf,
    process: Process,
    _dir: TempDir,
}

impl Browser {
    /// Starts it with an empty profile, headless.
    pub async fn start(kind: Kind) -> Result<Self> {
        Self::start_with(kind, Options::default()).await
    }

    /// The same with options.
    pub async fn start_with(kind: Kind, options: Options) -> Result<Self> {
        Self::launch(kind, options, None).await
    }

    /// The same on a host of a lab.
    pub async fn start_at(seat: Seat<'_>, kind: Kind, options: Options) -> Result<Self> {
        Self::launch(kind, options, Some(seat)).await
    }

    async fn launch(kind: Kind, options: Options, seat: Option<Seat<'_>>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let downloads = dir.path().join("downloads");
        fs::create_dir(&downloads)?;
        let (mut command, capabilities) = match kind {
            Kind::Chromium => chromium(&dir, &downloads, options, seat),
            Kind::Firefox => firefox(&downloads, options, seat),
            Kind::WebKit => webkit(),
        };
        let address = seat.map_or_else(|| "127.0.0.1".to_owned(), |seat| seat.host.address());
        if let Some(seat) = seat {
            command = seat.host.command(&command);
        }
        // A driver takes the same port on IPv4 and IPv6, and on the second of them somebody else may have it already.
        let (process, port) =
            Process::start(&mut command, port).or_else(|_| Process::start(&mut command, port))?;
        let driver = WebDriver::new(format!("http://{address}:{port}"), capabilities).await?;
        driver.set_script_timeout(PATIENCE * 10).await?;
        if kind == Kind::Chromium && !options.service_worker {
            let page = driver.cdp();
            page.page().add_script_to_evaluate_on_new_document(NO_SERVICE_WORKER).await?;
        }
        Ok(Self { driver, kind, downloads, process, _dir: dir })
    }

    /// Loads the page and waits until its wasm runs.
    pub async fn open(&self, url: &str) -> Result<()> {
        // From nowhere: a link to the page that is open already would only change its fragment.
        self.driver.goto("about:blank").await?;
        self.driver.goto(url).await?;
        self.until("the page is ready", "document.body?.dataset.ready === '1'").await
    }

    /// Waits until the JavaScript expression is true.
    pub async fn until(&self, what: &str, condition: &str) -> Result<()> {
        let start = Instant::now();
        while !self.run::<bool>(&format!("return !!({condition})")).await? {
            ensure!(start.elapsed() < PATIENCE, "{:?}: not in time: {what}", self.kind);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Runs a script and takes what it returns.
    pub async fn run<T: DeserializeOwned>(&self, script: &str) -> Result<T> {
        Ok(self.driver.execute(script, vec![]).await?.convert()?)
    }

    /// Evaluates an asynchronous JavaScript expression, which sees `args`; a rejection is an error.
    pub async fn eval(&self, expression: &str, args: Vec<Value>) -> Result<Value> {
        let script = format!(
            "const args = [...arguments], done = args.pop();
             (async () => ({{ ok: await (\n{expression}\n) ?? null }}))().catch(e => ({{ error: String(e) }})).then(done)"
        );
        let answer = self.driver.execute_async(script, args).await?.json().clone();
        ensure!(answer.get("error").is_none(), "{:?}: {}", self.kind, answer["error"]);
        Ok(answer["ok"].clone())
    }

    /// The driver's process id: the root of the browser's process tree.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Ends all its processes at once, as a power cut would.
    pub fn kill(&self) -> Result<()> {
        // Leaves first would let their parents say good-bye for them, so the whole tree in one go, root first.
        let pids: Vec<_> = crate::usage(self.pid()).iter().map(|usage| usage.pid.to_string()).collect();
        let status = Command::new("sh").args(["-c", "kill -9 \"$@\"", "sh"]).args(pids).status();
        status.context("sh").map(drop)
    }
}

impl Drop for Browser {
    /// `quit` takes Firefox seconds, and thirtyfour's own drop can block for two minutes.
    fn drop(&mut self) {
        let _ = self.driver.clone().leak();
    }
}

/// Chromium has no switch for it.
const NO_SERVICE_WORKER: &str = "if (navigator.serviceWorker) navigator.serviceWorker.register = async () => { throw new Error('switched off'); }";

fn tool(name: &str, variable: &str) -> Command {
    Command::new(env::var_os(variable).unwrap_or_else(|| name.into()))
}

fn chromium(
    dir: &TempDir,
    downloads: &PathBuf,
    options: Options,
    seat: Option<Seat<'_>>,
) -> (Command, Map<String, Value>) {
    let mut args: Vec<String> = [
        "--no-sandbox", // it runs as root in its namespace
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-dev-shm-usage", // a container's /dev/shm may be small
        "--disable-sync",
    ]
    .map(String::from)
    .into();
    args.push(format!("--user-data-dir={}/profile", dir.path().display()));
    args.extend((!options.windows).then(|| "--headless".to_owned()));
    args.extend(options.chromium.iter().map(|argument| (*argument).to_owned()));
    if let Some(Seat { secure, .. }) = seat {
        args.push(format!("--unsafely-treat-insecure-origin-as-secure={secure}"));
        let server = secure.trim_start_matches("http://");
        args.push(format!("--ip-address-space-overrides={server}=public"));
    }
    let capabilities = json!({
        "browserName": "chrome",
        "goog:chromeOptions": {
            "args": args,
            "prefs": {
                "intl.accept_languages": options.languages,
                "download.default_directory": downloads,
                "download.prompt_for_download": false,
                "profile.default_content_setting_values.automatic_downloads": 1, // more than one without a question
                // Downloads from plain http, which else may wait for a person who presses "Keep".
                "profile.default_content_setting_values.mixed_script": 1,
            },
        },
        "goog:loggingPrefs": { "browser": "ALL" },
    });
    let mut command = tool("chromedriver", "CHROMEDRIVER");
    if options.windows {
        command.env("DISPLAY", Screen::DISPLAY);
    }
    command.arg("--port=0");
    if seat.is_some() {
        command.args(["--allowed-ips=", "--allowed-origins=*"]); // the host's own network ends at the router
    }
    (command, object(capabilities))
}

fn firefox(downloads: &PathBuf, options: Options, seat: Option<Seat<'_>>) -> (Command, Map<String, Value>) {
    let secure = seat.and_then(|seat| seat.secure.strip_prefix("http://")?.split(':').next());
    let mut capabilities = json!({
        "browserName": "firefox",
        "moz:firefoxOptions": {
            "args": ["-headless"],
            "binary": env::var("FIREFOX").unwrap_or_else(|_| "/usr/bin/firefox-esr".into()),
            "prefs": {
                "intl.accept_languages": options.languages,
                "dom.serviceWorkers.enabled": options.service_worker,
                "browser.download.folderList": 2,
                "browser.download.dir": downloads,
                "browser.download.useDownloadDir": true,
                "browser.download.always_ask_before_handling_new_types": false,
                "browser.download.alwaysOpenPanel": false,
                // Else an accepted question's button is still disabled, and the driver waits for ever.
                "security.dialog_enable_delay": 0,
                "dom.securecontext.allowlist": secure.unwrap_or_default(),
                "devtools.console.stdout.content": true, // the console shows in geckodriver's output
            },
        },
    });
    for (name, value) in options.firefox {
        capabilities["moz:firefoxOptions"]["prefs"][*name] = (*value).into();
    }
    let mut command = tool("geckodriver", "GECKODRIVER");
    command.args(["--port", "0", "--websocket-port", "0", "--allow-system-access"]);
    if let Some(seat) = seat {
        command.args(["--host", &seat.host.address(), "--allow-hosts", &seat.host.address()]);
    }
    (command, object(capabilities))
}

/// Its driver does not say when it listens, so a shell looks. No other has its port: the network is the test's own.
fn webkit() -> (Command, Map<String, Value>) {
    let mut command = Command::new("bash");
    let script = "(until : < /dev/tcp/127.0.0.1/4444; do sleep 0.05; done) 2> /dev/null \
        && echo 'Listening on 127.0.0.1:4444' & exec WebKitWebDriver --port=4444";
    command.args(["-c", script]).env("DISPLAY", Screen::DISPLAY);
    (command, object(json!({ "browserName": "MiniBrowser" })))
}

fn object(value: Value) -> Map<String, Value> {
    value.as_object().cloned().expect("written as an object")
}

/// Where the driver listens, from what it says: "… started successfully on port 4321." or "… Listening on 127.0.0.1:4321".
///
/// Before that chromedriver says "Starting ChromeDriver … on port 0".
fn port(line: &str) -> Option<u16> {
    if !line.contains("on port") && !line.contains("Listening on") {
        return None;
    }
    let port = line.rsplit([' ', ':']).next()?.trim_end_matches('.').parse().ok()?;
    (port != 0).then_some(port)
}
