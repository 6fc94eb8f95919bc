//! How soon the code is there: on the page after files were chosen, in the terminal after its start.
//!
//! Both times are longer than what is asked for, which is from the server's answer on: they hold the WebSocket's
//! opening and the room's making, too, and the terminal's the start of the process.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use e2e::{Browser, Kind, Server, Terminal, random_file};
use serde_json::json;

use crate::options::Options;
use crate::stats::{median, most};

/// Notes when files were chosen, and when the code is in the document.
const WATCH: &str = "
    addEventListener('change', () => window.chosen ??= performance.now(), true);
    new MutationObserver(() => {
        if (document.querySelector('#code')?.textContent.trim()) window.shown ??= performance.now();
    }).observe(document.body, { subtree: true, childList: true, characterData: true });";

pub(crate) async fn run(options: &Options) -> Result<()> {
    let runs = options.runs.unwrap_or(11);
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("code.bin");
    random_file(&file, 1 << 10, 42)?;
    let server = Server::start()?;
    let (mut page, mut terminal) = (Vec::new(), Vec::new());

    let browser = Browser::start(Kind::Chromium).await?;
    for _ in 0..runs {
        browser.open(&server.url).await?;
        browser.driver.execute(WATCH, vec![]).await?;
        browser.send_files(&[&file]).await?;
        page.push(browser.run::<f64>("return window.shown - window.chosen").await?);
    }
    drop(browser);
    for _ in 0..runs {
        let start = Instant::now();
        let mut sender = Terminal::send(&server.url, &[&file])?;
        sender.event_within("code", Duration::from_secs(10)).await.context("the code")?;
        terminal.push(start.elapsed().as_secs_f64() * 1e3);
    }

    let (page_most, terminal_most) = (most(&page), most(&terminal));
    let (page, terminal) = (median(page), median(terminal));
    options.say(&format!("page      {page:5.1} ms from the choice to the code in the document (median of {runs}; at most {page_most:.1})"));
    options.say(&format!("terminal  {terminal:5.1} ms from the start to the code on standard output (median of {runs}; at most {terminal_most:.1})"));
    options.result(&json!({
        "page_ms": { "median": page, "most": page_most },
        "terminal_ms": { "median": terminal, "most": terminal_most },
    }));
    Ok(())
}
