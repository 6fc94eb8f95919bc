//! What the pages' own threads do while a file passes: by the clock, whatever the rate of the bytes.
//!
//! The same transfer over slow lines and over none; on each, after it has settled, a window in which is counted, for
//! either page's thread: its time on a processor and how often it was woken (as the system has it), messages of its
//! worker, changes of its document. Bytes are counted by the length of the file that the receiver's browser writes.
//! Nothing is asked of the pages meanwhile. On the fastest a profiler then says what the threads did.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::Kind::Chromium;
use e2e::{Browser, Joined, Seat, Server, Settings, Thread, Work, sparse_file};
use serde_json::{Value, json};

use crate::options::Options;
use crate::page::{AWAKE, browsers};

/// The longest measurement does not come to the end of this file.
const ENDLESS: u64 = 16 << 30;

/// Mbit/s of emulated lines; the last pair of pages has none between them, and goes as fast as the machine can.
const LINES: [Option<u64>; 3] = [Some(10), Some(40), None];

/// After the transfer has begun.
const SETTLE: Duration = Duration::from_secs(4);

/// What is counted on each line.
const WINDOW: Duration = Duration::from_secs(10);

/// Messages a second, at most.
const MESSAGES: f64 = 4.0;

/// Milliseconds on a processor a second, at most.
const BUSY_MS: f64 = 50.0;

/// How much longer a page's thread may be busy a second on the fastest line than on the slowest, which carries a
/// fraction of the bytes.
const GROWTH: f64 = 2.0;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("endless.bin");
    sparse_file(&file, ENDLESS)?;
    let joined = Joined::by_line(line(1))?;
    let server = Server::start_on(Joined::SERVER)?;
    let mut rows = Vec::new();
    options.say(
        "line        moved        page      main thread                 woken  messages           changes",
    );
    for mbit in LINES {
        let (url, [sender, receiver]) = match mbit {
            Some(mbit) => {
                joined.line().set(line(mbit));
                let seat = |host| Seat { host, secure: &server.lan_url };
                let sender = Browser::start_at(seat(&joined.a), Chromium, AWAKE).await?;
                (&server.lan_url, [sender, Browser::start_at(seat(&joined.b), Chromium, AWAKE).await?])
            }
            None => (&server.url, browsers().await?.into()),
        };
        tokio::try_join!(sender.count_work(), receiver.count_work())?;
        tokio::try_join!(sender.open(url), receiver.open(url))?;
        let code = sender.send_files(&[&file]).await?;
        receiver.join(&code).await?;
        receiver.accept().await?;
        receiver.midway().await?;
        tokio::time::sleep(SETTLE).await;

        let row = Row::measure(mbit, [&sender, &receiver]).await?;
        row.lines().iter().for_each(|line| options.say(line));
        rows.push(row);
        if mbit.is_none() {
            profile(options, [&sender, &receiver]).await?;
        }
        // All their processes: they would want the machine.
        [&sender, &receiver].iter().try_for_each(|browser| browser.kill())?;
    }
    options.result(&json!({ "lines": rows.iter().map(Row::json).collect::<Vec<_>>() }));
    judge(options, &rows)
}

/// What either thread does, by samples.
async fn profile(options: &Options, both: [&Browser; 2]) -> Result<()> {
    for (who, browser) in WHO.iter().zip(both) {
        browser.start_profile().await?;
        tokio::time::sleep(WINDOW).await;
        let shares = browser.stop_profile().await?.into_iter().take(6);
        let shares: Vec<_> = shares.map(|(name, share)| format!("{name} {:.1} %", share * 100.0)).collect();
        options.say(&format!("no line     the {who}'s thread by samples: {}", shares.join(", ")));
    }
    Ok(())
}

/// Whether the rate of the bytes makes no difference.
fn judge(options: &Options, rows: &[Row]) -> Result<()> {
    let (slowest, fastest) = (rows.first().context("lines")?, rows.last().context("lines")?);
    ensure!(fastest.mib_per_s() > 4.0 * slowest.mib_per_s(), "the lines hardly differ");
    for (side, who) in WHO.iter().enumerate() {
        let growth = fastest.busy_ms(side) / slowest.busy_ms(side);
        options.say(&format!(
            "{who:8}  {:.1} times the bytes a second, {growth:.2} times the work ({GROWTH} allowed)",
            fastest.mib_per_s() / slowest.mib_per_s()
        ));
        ensure!(growth <= GROWTH, "the {who}'s thread works for bytes");
        for row in rows {
            let (busy, messages) = (row.busy_ms(side), row.per_s(row.sides[side].work.messages));
            ensure!(busy <= BUSY_MS, "the {who}'s thread is busy for {busy:.1} ms a second");
            ensure!(messages <= MESSAGES, "the {who}'s thread gets {messages:.1} messages a second");
        }
    }
    Ok(())
}

const WHO: [&str; 2] = ["sender", "receiver"];

/// What was counted on one line.
#[derive(Debug)]
struct Row {
    mbit: Option<u64>,
    took: Duration,
    bytes: u64,
    sides: [Count; 2],
}

/// What one page's thread did.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    thread: Thread,
    work: Work,
}

impl Count {
    fn since(self, before: Self) -> Self {
        let thread = Thread {
            cpu: self.thread.cpu.saturating_sub(before.thread.cpu),
            wakes: self.thread.wakes - before.thread.wakes,
        };
        let work = Work {
            messages: self.work.messages - before.work.messages,
            changes: self.work.changes - before.work.changes,
            long_tasks: self.work.long_tasks - before.work.long_tasks,
        };
        Self { thread, work }
    }
}

impl Row {
    async fn measure(mbit: Option<u64>, both: [&Browser; 2]) -> Result<Self> {
        let downloads = &both[1].downloads;
        // Asking a page makes work for its thread: outside of the window.
        let mut before = [Count::default(); 2];
        for (count, browser) in before.iter_mut().zip(both) {
            count.work = browser.work().await?;
        }
        for (count, browser) in before.iter_mut().zip(both) {
            count.thread = browser.page_thread()?;
        }
        let (start, bytes) = (Instant::now(), written(downloads));
        tokio::time::sleep(WINDOW).await;
        let (took, bytes) = (start.elapsed(), written(downloads) - bytes);
        let mut after = [Count::default(); 2];
        for (count, browser) in after.iter_mut().zip(both) {
            count.thread = browser.page_thread()?;
        }
        for (count, browser) in after.iter_mut().zip(both) {
            count.work = browser.work().await?;
        }
        ensure!(bytes > 0, "nothing moves");
        Ok(Self { mbit, took, bytes, sides: [0, 1].map(|side| after[side].since(before[side])) })
    }

    fn mib_per_s(&self) -> f64 {
        self.bytes as f64 / f64::from(1 << 20) / self.took.as_secs_f64()
    }

    fn busy_ms(&self, side: usize) -> f64 {
        self.sides[side].thread.cpu.as_secs_f64() * 1000.0 / self.took.as_secs_f64()
    }

    fn per_s(&self, count: u64) -> f64 {
        count as f64 / self.took.as_secs_f64()
    }

    fn lines(&self) -> [String; 2] {
        let line = self.mbit.map_or_else(|| "no line".to_owned(), |mbit| format!("{mbit} Mbit/s"));
        [0, 1].map(|side| {
            let Count { thread, work } = self.sides[side];
            let mib = self.bytes as f64 / f64::from(1 << 20);
            format!(
                "{line:10}  {:5.1} MiB/s  {:8}  {:4.1} ms/s {:6.2} ms/MiB  {:5.1}/s  {:3.1}/s {:6.3}/MiB  {:3.1}/s  {} long tasks",
                self.mib_per_s(),
                WHO[side],
                self.busy_ms(side),
                thread.cpu.as_secs_f64() * 1000.0 / mib,
                self.per_s(thread.wakes),
                self.per_s(work.messages),
                work.messages as f64 / mib,
                self.per_s(work.changes),
                work.long_tasks,
            )
        })
    }

    fn json(&self) -> Value {
        let side = |side: usize| {
            let Count { thread, work } = self.sides[side];
            json!({
                "busy_ms_per_s": self.busy_ms(side),
                "wakes_per_s": self.per_s(thread.wakes),
                "messages_per_s": self.per_s(work.messages),
                "changes_per_s": self.per_s(work.changes),
                "long_tasks": work.long_tasks,
            })
        };
        json!({ "mbit": self.mbit, "mib_per_s": self.mib_per_s(), "sender": side(0), "receiver": side(1) })
    }
}

fn line(mbit: u64) -> Settings {
    Settings::symmetric(mbit * 1_000_000, Duration::from_millis(20), 2.0)
}

/// Bytes of what the browser is downloading.
fn written(downloads: &Path) -> u64 {
    let files = std::fs::read_dir(downloads).into_iter().flatten().flatten();
    files.filter_map(|file| Some(file.metadata().ok()?.len())).sum()
}
