//! Two browsers at the ends of an emulated Internet line: which share of it gets a transfer, a bare channel, TCP?
//!
//! ```text
//! --short     six lines (what runs if nothing is asked)                about five minutes
//! --full      81 lines between two Chromium, others with Firefox and a terminal, and the other two parts    over an hour
//! --changes   the rate, the delay, the line itself change under way
//! --company   the standing queue, a call and a TCP flow beside the transfer
//! --cell …    lines of one's own: MBIT,MS,BDP,PERCENT[,FROM,TO]
//! ```
//!
//! A share is of the line's rate, IP headers included, so that 0.94 is all there is for a data channel. It is the steady
//! one: of the second half of 16 s (48 s where what is asked is a multiple of a bare channel's), of which the first begins
//! with the click.

mod arrivals;
mod cell;
mod changes;
mod company;
mod lab;

use std::time::Duration;

use anyhow::Result;
use e2e::{Settings, Way};
use serde_json::{Value, json};

pub(crate) use cell::Cell;

use crate::options::{Options, Part};
use crate::stats::median;
use arrivals::Event;
use lab::{Carrier, Lab};

/// How long browsers are watched.
const LENGTH: Duration = Duration::from_secs(16);

/// So much longer where it is the bare channel that says what is asked: in 8 s it carries some twenty messages there.
const LONGER: u32 = 3;

/// TCP is over its beginning sooner.
const TCP_LENGTH: Duration = Duration::from_secs(8);

/// Under this share of a line without loss, TCP was disturbed, and so was what ran beside it.
const TRUSTWORTHY: f64 = 0.88;

/// A cell that misses its target is measured so often; the median counts.
const ATTEMPTS: usize = 3;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let mut lab = Lab::new()?;
    let cells = match (options.cells.as_slice(), options.wants(Part::Full)) {
        ([], true) => Cell::full(),
        ([], false) if options.parts.is_empty() || options.wants(Part::Short) => Cell::short(),
        (cells, _) => cells.to_vec(),
    };
    let mut result = json!({});
    let mut rows = Vec::new();
    for cell in &cells {
        let row = Row::measure(&mut lab, cell, options.runs.unwrap_or(ATTEMPTS)).await?;
        options.say(&row.line());
        rows.push(row);
    }
    if !rows.is_empty() {
        let counted = rows.iter().filter(|row| row.counts()).count();
        let reached = rows.iter().filter(|row| row.counts() && row.reached()).count();
        options.say(&format!(
            "{reached} of {counted} that count reached their target; {} were disturbed",
            rows.len() - counted
        ));
        result["cells"] = rows.iter().map(Row::json).collect();
    }
    if options.wants(Part::Changes) {
        result["changes"] = changes::run(&mut lab, options).await?;
    }
    if options.wants(Part::Company) {
        result["company"] = company::run(&mut lab, options).await?;
    }
    options.result(&result);
    Ok(())
}

/// Shares of one line.
struct Row {
    cell: Cell,
    tcp_without_loss: f64,
    tcp: f64,
    bare: Option<f64>,
    beeline: Vec<f64>,
    /// For so long both were watched.
    length: Duration,
    /// While Beeline ran, last.
    queue: [Duration; 2],
}

impl Row {
    async fn measure(lab: &mut Lab, cell: &Cell, attempts: usize) -> Result<Self> {
        let mut row = Self {
            cell: *cell,
            tcp_without_loss: 0.0,
            tcp: 0.0,
            bare: None,
            beeline: Vec::new(),
            length: LENGTH,
            queue: [Duration::ZERO; 2],
        };
        row.controls(lab, attempts).await?;
        if cell.to != cell::End::Terminal {
            let bare = share(lab, Carrier::Bare, cell, cell.line(), LENGTH).await?;
            row.bare = Some(bare);
            if cell.asks_of_bare(bare) {
                row.length = LENGTH * LONGER;
                row.bare = Some(share(lab, Carrier::Bare, cell, cell.line(), row.length).await?);
            }
        }
        while row.beeline.len() < attempts.max(1) {
            row.beeline.push(share(lab, Carrier::Beeline, cell, cell.line(), row.length).await?);
            let measured = lab.joined.line().measured(Way::AToB);
            row.queue = [50.0, 95.0].map(|percentile| measured.queue_delay(percentile));
            if row.beeline.len() == 1 && row.reached() {
                break;
            }
        }
        Ok(row)
    }

    /// TCP, first without the line's loss: again if the machine disturbs it.
    async fn controls(&mut self, lab: &mut Lab, attempts: usize) -> Result<()> {
        for _ in 0..attempts.max(1) {
            let found = share(lab, Carrier::Tcp, &self.cell, self.cell.clean_line(), TCP_LENGTH).await?;
            self.tcp_without_loss = self.tcp_without_loss.max(found);
            if self.counts() {
                break;
            }
        }
        self.tcp = match self.cell.loss {
            0.0 => self.tcp_without_loss,
            _ => share(lab, Carrier::Tcp, &self.cell, self.cell.line(), TCP_LENGTH).await?,
        };
        Ok(())
    }

    fn beeline(&self) -> f64 {
        median(self.beeline.clone())
    }

    fn counts(&self) -> bool {
        self.tcp_without_loss >= TRUSTWORTHY
    }

    fn reached(&self) -> bool {
        self.beeline() >= self.cell.target(self.bare)
    }

    fn line(&self) -> String {
        let (cell, tcp, beeline, target) = (self.cell, self.tcp, self.beeline(), self.cell.target(self.bare));
        let bare = self.bare.map_or_else(|| "   -".to_owned(), |bare| format!("{bare:4.2}"));
        let [middle, high] = self.queue.map(|wait| wait.as_secs_f64() * 1e3);
        let verdict = match (self.counts(), self.reached()) {
            (false, _) => format!("disturbed: TCP without loss {:.2}", self.tcp_without_loss),
            (true, true) => "ok".to_owned(),
            (true, false) => format!("missed ({:.2?})", self.beeline),
        };
        format!(
            "{cell}  TCP {tcp:4.2}  bare {bare}  Beeline {beeline:4.2} of {target:4.2}  \
             its queue {middle:3.0} ms, p95 {high:3.0} ms  {verdict}"
        )
    }

    fn json(&self) -> Value {
        json!({
            "cell": self.cell.json(),
            "tcp_without_loss": self.tcp_without_loss, "tcp": self.tcp, "bare": self.bare,
            "beeline": self.beeline(), "beeline_runs": self.beeline, "watched_s": self.length.as_secs(),
            "target": self.cell.target(self.bare), "counts": self.counts(), "reached": self.reached(),
            "queue_ms": { "p50": self.queue[0].as_secs_f64() * 1e3, "p95": self.queue[1].as_secs_f64() * 1e3 },
        })
    }
}

/// The steady share of the line. Its counters are of the second half, too.
async fn share(
    lab: &mut Lab,
    carrier: Carrier,
    cell: &Cell,
    line: Settings,
    length: Duration,
) -> Result<f64> {
    lab.prepare(line).await?;
    let second_half: Event = (length / 2, Box::new(|line| line.measure_anew()));
    let arrivals = lab.carry(carrier, cell, length, vec![second_half]).await?;
    Ok(arrivals.steady(length) / cell.mbit as f64)
}
