//! What a page's own thread is asked to do. Chromium only (DevTools protocol).

use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Browser;
use crate::usage;

/// Counted since the page was loaded.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Work {
    /// Messages of its worker.
    pub messages: u64,
    /// Times that its document was changed; what is changed together counts once.
    pub changes: u64,
    /// Tasks that took over 50 ms.
    pub long_tasks: u64,
}

/// What the system says of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Thread {
    /// How long it has been on a processor.
    pub cpu: Duration,
    /// How often it has waited for something and was woken.
    pub wakes: u64,
}

impl Browser {
    /// Counts the work of every page loaded from now on.
    pub async fn count_work(&self) -> Result<()> {
        let cdp = self.driver.cdp();
        cdp.page().add_script_to_evaluate_on_new_document(include_str!("work.js")).await?;
        Ok(())
    }

    /// What was counted.
    pub async fn work(&self) -> Result<Work> {
        self.run("return work").await
    }

    /// The thread of the page that has been busiest: a renderer's first.
    pub fn page_thread(&self) -> Result<Thread> {
        let renderers = usage(self.pid()).into_iter().filter(|usage| usage.role == "renderer");
        let page = renderers.max_by_key(|usage| usage.ticks).context("a renderer")?;
        Thread::main_of(page.pid).context("the page's process")
    }

    /// Samples what the page's thread does, until [`Browser::stop_profile`].
    pub async fn start_profile(&self) -> Result<()> {
        let cdp = self.driver.cdp();
        cdp.send_raw("Profiler.enable", json!({})).await?;
        cdp.send_raw("Profiler.start", json!({})).await?;
        Ok(())
    }

    /// Each function's share of the samples, the most frequent first; `(idle)` is none.
    pub async fn stop_profile(&self) -> Result<Vec<(String, f64)>> {
        let stopped = self.driver.cdp().send_raw("Profiler.stop", json!({})).await?;
        let nodes = stopped["profile"]["nodes"].as_array().context("a profile has nodes")?;
        let hits = |node: &Value| node["hitCount"].as_f64().unwrap_or(0.0);
        let all: f64 = nodes.iter().map(hits).sum();
        let mut shares: Vec<(String, f64)> = Vec::new();
        for node in nodes {
            let name = node["callFrame"]["functionName"].as_str().filter(|name| !name.is_empty());
            let name = name.unwrap_or("(no name)");
            match shares.iter_mut().find(|(known, _)| known == name) {
                Some((_, share)) => *share += hits(node) / all,
                None => shares.push((name.to_owned(), hits(node) / all)),
            }
        }
        shares.sort_by(|(_, one), (_, other)| other.total_cmp(one));
        Ok(shares)
    }
}

impl Thread {
    /// The first thread of a process, from Linux' /proc; nothing if the process has ended.
    fn main_of(pid: u32) -> Option<Self> {
        let of = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/{file}")).ok();
        let (schedstat, status) = (of("schedstat")?, of("status")?);
        let cpu = schedstat.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)?;
        let wakes = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?;
        Some(Self { cpu, wakes: wakes.trim().parse().ok()? })
    }
}
