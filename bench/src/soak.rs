//! What takes gigabytes to show: memory while files grow, every place where a page puts what it receives, and what pages
//! and terminals carry to each other.
//!
//! ```text
//! memory                              256 MiB to 2 GiB between terminals, pages, and over a bare channel
//! chromium-stream  firefox-stream     a page receives 2 GiB as a download that its service worker streams
//! chromium-zip     firefox-zip        2 GiB in several files, and one of 4 GiB, as one such download
//! chromium-file                       2 GiB into a chosen file
//! chromium-folder                     2 GiB in several files into a chosen folder
//! chromium-private firefox-private    2 GiB into the browser's own storage, and out of it
//! engine                              1 GiB over our engine's data channel, to and from a browser's
//! interop                             1 GiB between pages and terminals
//! ```

mod archive;
mod engine;
mod interop;
mod memory;
mod sinks;

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use e2e::Kind::{Chromium, Firefox};
use e2e::{Browser, Kind, Server, usage};
use serde_json::{Value, json};

use crate::bare::Bare;
use crate::options::Options;
use crate::page::AWAKE;
use crate::stats::median;
use sinks::Place;

/// How often memory is looked at; reading smaps_rollup takes a millisecond or two.
const SAMPLE: Duration = Duration::from_millis(200);

const PATIENCE: Duration = Duration::from_secs(3600);

/// What a page may take over an idle one, MiB.
const ALLOWED: i64 = 150;

/// What it may take over a page with a bare channel, MiB.
const ALLOWED_OVER_BARE: i64 = 60;

/// What a page may grow from the second quarter of a long transfer to the last. Seen, of sender and receiver: -3 % and -1 %
/// over 1 GiB, +5.3 % and +3.9 % over 2 GiB.
const GROWTH: f64 = 0.05;

/// The cases by their names.
const CASES: [(&str, Case); 11] = [
    ("memory", Case::Memory),
    ("chromium-stream", Case::Sink(Chromium, Place::Stream)),
    ("chromium-zip", Case::Sink(Chromium, Place::Zip)),
    ("chromium-file", Case::Sink(Chromium, Place::File)),
    ("chromium-folder", Case::Sink(Chromium, Place::Folder)),
    ("chromium-private", Case::Sink(Chromium, Place::Private)),
    ("firefox-stream", Case::Sink(Firefox, Place::Stream)),
    ("firefox-zip", Case::Sink(Firefox, Place::Zip)),
    ("firefox-private", Case::Sink(Firefox, Place::Private)),
    ("engine", Case::Engine),
    ("interop", Case::Interop),
];

#[derive(Clone, Copy, Debug)]
enum Case {
    Memory,
    Sink(Kind, Place),
    Engine,
    Interop,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|part| name.contains(part));
    let cases: Vec<_> = CASES.into_iter().filter(|(name, _)| wanted(name)).collect();
    if cases.is_empty() {
        let names: Vec<_> = CASES.iter().map(|(name, _)| *name).collect();
        bail!("no such case: {:?}\nhint: a part of {}", options.only, names.join(", "));
    }
    let (mut bars, mut result) = (Bars::default(), json!({}));
    for (name, case) in cases {
        result[name] = match case {
            Case::Memory => memory::run(options, &mut bars).await,
            Case::Sink(kind, place) => sinks::run(options, &mut bars, name, kind, place).await,
            Case::Engine => engine::run(options).await,
            Case::Interop => interop::run(options).await,
        }
        .with_context(|| name.to_owned())?;
    }
    options.result(&result);
    ensure!(bars.broken.is_empty(), "more memory than allowed: {}", bars.broken.join("; "));
    Ok(())
}

/// What pages may take, and which have taken more.
#[derive(Debug, Default)]
struct Bars {
    /// Of a bare channel with so many MiB from Chromium to this browser: sender and receiver.
    bare: Vec<((Kind, u64), [i64; 2])>,
    broken: Vec<String>,
}

impl Bars {
    /// What the pages of a bare channel take over idle ones, sender and receiver; measured once.
    async fn bare(&mut self, to: Kind, mib: u64) -> Result<[i64; 2]> {
        if let Some((_, known)) = self.bare.iter().find(|(of, _)| *of == (to, mib)) {
            return Ok(*known);
        }
        let server = Server::start()?;
        let sender = Browser::start_with(Chromium, AWAKE).await?;
        let receiver = Browser::start_with(to, AWAKE).await?;
        let both = [&sender, &receiver];
        let bare = Bare::open(&server.url, &sender, &receiver).await?;
        let idle = settled(both).await;
        let ((), taken) = observe(both, bare.carry(mib << 20)).await?;
        let taken = over(&taken, idle).map(|memory| memory.page);
        // All their processes: they would want the machine.
        both.iter().try_for_each(|browser| browser.kill())?;
        self.bare.push(((to, mib), taken));
        Ok(taken)
    }

    /// Remembers which side grew more than it may.
    fn compare_growth(&mut self, what: &str, growth: [f64; 2]) {
        for (side, growth) in ["sender", "receiver"].iter().zip(growth) {
            if growth.is_nan() || growth > GROWTH {
                self.broken.push(format!("{what}, {side}: grew by {:.1} %", 100.0 * growth));
            }
        }
    }

    /// Remembers which side took more than it may.
    fn compare(&mut self, what: &str, taken: [i64; 2], bare: [i64; 2]) {
        for (side, (taken, bare)) in ["sender", "receiver"].iter().zip(taken.into_iter().zip(bare)) {
            if taken >= ALLOWED || taken > bare + ALLOWED_OVER_BARE {
                self.broken.push(format!("{what}, {side}: {taken:+} MiB, bare channel {bare:+}"));
            }
        }
    }
}

/// Memory of a browser in MiB: a proportional set size, which divides what is shared among its users.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// Of the page's own process.
    page: i64,
    /// Of all the browser's processes and its driver.
    all: i64,
}

impl Memory {
    fn of(browser: &Browser) -> Self {
        let processes = usage(browser.pid());
        let all = processes.iter().map(|process| process.pss_kib).sum();
        let page = match browser.kind {
            // Of several renderers (spare, built-in pages) the busiest.
            Kind::Chromium => {
                let renderers = processes.iter().filter(|process| process.role == "renderer");
                renderers.max_by_key(|process| process.ticks).map_or(0, |process| process.pss_kib)
            }
            // The page's and its service worker's, which has a process of its own.
            _ => {
                let ours = processes.iter().filter(|process| process.role.starts_with("Isolated"));
                ours.map(|process| process.pss_kib).sum()
            }
        };
        let mib = |kib: u64| i64::try_from(kib >> 10).unwrap_or(i64::MAX);
        Self { page: mib(page), all: mib(all) }
    }
}

/// What a browser took while something was done.
#[derive(Debug, Default)]
struct Taken {
    most: Memory,
    /// Of its page, one moment after the other, in MiB.
    page: Vec<i64>,
}

impl Taken {
    fn add(&mut self, now: Memory) {
        self.most = Memory { page: now.page.max(self.most.page), all: now.all.max(self.most.all) };
        self.page.push(now.page);
    }

    /// How much more the page takes in the last quarter of the time than in the second, when it had got going; as a part.
    ///
    /// Medians, because a collector makes every course a saw, whose highest tooth is higher the longer one looks.
    fn growth(&self) -> f64 {
        let quarter = self.page.len() / 4;
        let typical = |moments: &[i64]| median(moments.iter().map(|mib| *mib as f64).collect());
        let last = typical(&self.page[self.page.len() - quarter..]);
        last / typical(&self.page[quarter..2 * quarter]) - 1.0
    }
}

fn over(taken: &[Taken; 2], idle: [Memory; 2]) -> [Memory; 2] {
    [0, 1].map(|side| {
        let most = taken[side].most;
        Memory { page: most.page - idle[side].page, all: most.all - idle[side].all }
    })
}

fn side([sender, receiver]: [i64; 2]) -> Value {
    json!({ "sender": sender, "receiver": receiver })
}

/// The browsers' memory once the collector has had time to run.
async fn settled(both: [&Browser; 2]) -> [Memory; 2] {
    tokio::time::sleep(Duration::from_secs(3)).await;
    both.map(Memory::of)
}

/// Does it, and takes what each browser takes meanwhile.
async fn observe<T>(both: [&Browser; 2], body: impl Future<Output = Result<T>>) -> Result<(T, [Taken; 2])> {
    let taken = [RefCell::new(Taken::default()), RefCell::new(Taken::default())];
    let watch = watch(async || {
        for (browser, taken) in both.iter().zip(&taken) {
            taken.borrow_mut().add(Memory::of(browser));
        }
    });
    let done = tokio::select! {
        done = body => done?,
        never = watch => never,
    };
    Ok((done, taken.map(RefCell::into_inner)))
}

async fn watch<T>(mut look: impl AsyncFnMut()) -> T {
    loop {
        look().await;
        tokio::time::sleep(SAMPLE).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(moments: &[i64]) -> f64 {
        let mut taken = Taken::default();
        moments.iter().for_each(|page| taken.add(Memory { page: *page, all: 0 }));
        taken.growth()
    }

    #[test]
    fn a_saw_does_not_grow_but_a_slope_does() {
        assert_eq!(growth(&[10, 70, 90, 80, 90, 70, 80, 95, 70, 80, 90, 80]), 0.0);
        let slope = growth(&[10, 10, 10, 100, 100, 100, 110, 110, 110, 120, 120, 120]);
        assert!((slope - 0.2).abs() < 1e-9, "{slope}");
        assert!(growth(&[100]).is_nan());
    }
}
