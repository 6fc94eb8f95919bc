//! How soon a person who opens a link can accept: from the start of the navigation to the button on the screen.
//!
//! Every time is a page's own, of a browser that has just begun an empty profile: nothing is cached, no code compiled,
//! no service worker there. The page asks for one click on the way, which comes with the first picture that has its button.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::{Browser, Kind, Server, Terminal, random_file};
use serde_json::{Value, json};

use crate::options::Options;
use crate::stats::{median, most};

/// What is asked of the median.
const LIMIT_MS: f64 = 1000.0;

/// A browser that has just started is still busy with itself; the one in which a person opens a link is not.
const SETTLED: Duration = Duration::from_secs(1);

/// Milliseconds since the navigation: when the click came, and the picture with a button that can be pressed.
const ACCEPT: &str = "new Promise((done, failed) => {
    let clicked;
    const look = () => {
        const join = document.querySelector('#join');
        const accept = document.querySelector('#accept');
        if (document.querySelector('#error')) return failed(document.querySelector('#error').textContent);
        if (!clicked && join?.checkVisibility()) {
            clicked = performance.now();
            join.click();
        }
        if (!accept?.checkVisibility() || accept.disabled) return requestAnimationFrame(look);
        requestAnimationFrame(() => done([clicked, performance.now()]));
    };
    requestAnimationFrame(look);
})";

/// The same of a page with nothing on it: its first picture.
const EMPTY: &str = "new Promise(done => requestAnimationFrame(() =>
    requestAnimationFrame(() => done(performance.now()))))";

pub(crate) async fn run(options: &Options) -> Result<()> {
    let runs = options.runs.unwrap_or(11);
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("open.bin");
    random_file(&file, 1 << 10, 42)?;
    let server = Server::start()?;
    let mut result = json!({ "limit_ms": LIMIT_MS });
    for kind in [Kind::Chromium, Kind::Firefox] {
        let mut times = Times::default();
        for run in 0..runs {
            // Each goes first every second time: what warms up or tires favours neither.
            for ours in [run % 2 == 0, run % 2 == 1] {
                if ours {
                    times.link(&server, kind, &file).await.with_context(|| format!("{kind:?}"))?;
                } else {
                    times.empty(&server, kind).await?;
                }
            }
        }
        options.say(&times.line(kind));
        result[format!("{kind:?}").to_lowercase()] = times.json();
    }
    options.result(&result);
    Ok(())
}

/// Milliseconds, one of each a run.
#[derive(Debug, Default)]
struct Times {
    click: Vec<f64>,
    accept: Vec<f64>,
    empty: Vec<f64>,
}

impl Times {
    async fn link(&mut self, server: &Server, kind: Kind, file: &Path) -> Result<()> {
        let mut sender = Terminal::send(&server.url, &[file])?;
        let link = sender.link().await?;
        let times = in_a_fresh_browser(kind, &link, ACCEPT).await?;
        let (click, accept) = serde_json::from_value(times)?;
        self.click.push(click);
        self.accept.push(accept);
        Ok(())
    }

    /// The server's health, a page without a script, a style sheet or a picture.
    async fn empty(&mut self, server: &Server, kind: Kind) -> Result<()> {
        let time = in_a_fresh_browser(kind, &format!("{}/healthz", server.url), EMPTY).await?;
        self.empty.push(serde_json::from_value(time)?);
        Ok(())
    }

    fn line(&self, kind: Kind) -> String {
        let kind = format!("{kind:?}");
        let middle = |times: &[f64]| median(times.to_vec());
        format!(
            "{kind:8}  {:4.0} ms from the link to the accept button (median of {}; at most {:.0}; {LIMIT_MS:.0} allowed), \
             of which {:.0} ms to the click on the way; an empty page {:.0} ms",
            middle(&self.accept),
            self.accept.len(),
            most(&self.accept),
            middle(&self.click),
            middle(&self.empty),
        )
    }

    fn json(&self) -> Value {
        let of = |times: &[f64]| json!({ "median": median(times.to_vec()), "most": most(times) });
        json!({ "accept_ms": of(&self.accept), "click_ms": of(&self.click), "empty_ms": of(&self.empty) })
    }
}

/// Opens an address in a browser with an empty profile, and takes what the script finds.
async fn in_a_fresh_browser(kind: Kind, url: &str, script: &str) -> Result<Value> {
    let browser = Browser::start(kind).await?;
    tokio::time::sleep(SETTLED).await;
    browser.driver.goto(url).await?;
    let found = browser.eval(script, vec![]).await;
    browser.kill()?; // all its processes: the next one is to have the machine to itself
    found
}
