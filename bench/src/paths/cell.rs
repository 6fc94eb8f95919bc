//! A line, who sends and who receives on it, and what is asked of the transfer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Error, Result, bail};
use e2e::{Kind, Settings};
use serde_json::{Value, json};

/// One end of a transfer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Page(Kind),
    /// Only as a receiver.
    Terminal,
}

/// One measurement of the table.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cell {
    pub mbit: u64,
    /// Milliseconds.
    pub round_trip: u64,
    /// In bandwidth-delay products; 30 packets at least.
    pub queue: f64,
    /// In percent, each way.
    pub loss: f64,
    pub from: Kind,
    pub to: End,
}

/// What is asked where packets are lost: this share, or so many times a bare channel's.
const LOSSY: f64 = 0.5;
const BARE: f64 = 12.0;

const CHROMIUM: End = End::Page(Kind::Chromium);
const FIREFOX: End = End::Page(Kind::Firefox);

impl Cell {
    /// Between two Chromium.
    pub(crate) const fn new(mbit: u64, round_trip: u64, queue: f64, loss: f64) -> Self {
        Self { mbit, round_trip, queue, loss, from: Kind::Chromium, to: CHROMIUM }
    }

    /// Six of them: the usual line with each depth of queue, a lossy, a long and a fast one.
    pub(crate) fn short() -> Vec<Self> {
        vec![
            Self::new(20, 50, 1.0, 0.0),
            Self::new(20, 50, 4.0, 0.0),
            Self::new(20, 50, 0.3, 0.0),
            Self::new(20, 50, 1.0, 1.0),
            Self::new(10, 100, 1.0, 0.0),
            Self::new(40, 20, 1.0, 0.1),
        ]
    }

    /// All 81 between two Chromium, six with a Firefox, three to a terminal.
    pub(crate) fn full() -> Vec<Self> {
        let mut cells = Vec::new();
        for mbit in [10, 20, 40] {
            for round_trip in [20, 50, 100] {
                for queue in [0.3, 1.0, 4.0] {
                    cells.extend([0.0, 0.1, 1.0].map(|loss| Self::new(mbit, round_trip, queue, loss)));
                }
            }
        }
        let lines = [Self::new(20, 50, 1.0, 0.0), Self::new(20, 50, 4.0, 0.0), Self::new(20, 50, 1.0, 1.0)];
        cells.extend(lines.map(|line| Self { from: Kind::Firefox, ..line }));
        cells.extend(lines.map(|line| Self { to: FIREFOX, ..line }));
        cells.extend(lines.map(|line| Self { to: End::Terminal, ..line }));
        cells
    }

    /// The line without random loss.
    pub(crate) fn clean_line(&self) -> Settings {
        Settings::symmetric(self.mbit * 1_000_000, Duration::from_millis(self.round_trip), self.queue)
    }

    /// The line.
    pub(crate) fn line(&self) -> Settings {
        self.clean_line().with_loss(self.loss / 100.0)
    }

    /// Whether that is so many times what a bare channel gets, if it gets this.
    pub(crate) fn asks_of_bare(&self, bare: f64) -> bool {
        self.loss >= 1.0 && BARE * bare < LOSSY
    }

    /// The share of the line that the transfer is to reach, when a bare channel got `bare` of it.
    pub(crate) fn target(&self, bare: Option<f64>) -> f64 {
        let asked = match (self.loss, self.queue) {
            (loss, _) if loss >= 1.0 => bare.map_or(LOSSY, |bare| (BARE * bare).min(LOSSY)),
            (loss, queue) if loss > 0.0 || queue < 1.0 => 0.7,
            _ => 0.85,
        };
        asked.max(bare.map_or(0.0, |bare| 0.9 * bare))
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "mbit": self.mbit, "rtt_ms": self.round_trip, "queue_bdp": self.queue, "loss_percent": self.loss,
            "from": format!("{:?}", self.from), "to": self.to.to_string(),
        })
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Page(kind) => write!(f, "{kind:?}"),
            Self::Terminal => f.write_str("Terminal"),
        }
    }
}

/// One line of fixed width.
impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mbit, round_trip, queue, loss, .. } = self;
        write!(f, "{mbit:3} Mbit/s {round_trip:3} ms  queue {queue:3}  loss {loss:3} %")?;
        if (self.from, self.to) != (Kind::Chromium, CHROMIUM) {
            write!(f, "  {:?} to {}", self.from, self.to)?;
        }
        Ok(())
    }
}

/// `MBIT,MS,BDP,PERCENT`, then perhaps who sends and who receives: `chromium` or `firefox`, `terminal` as a receiver.
impl FromStr for Cell {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let fields: Vec<_> = text.split(',').collect();
        let [mbit, round_trip, queue, loss, ends @ ..] = fields.as_slice() else {
            bail!("a cell is MBIT,MS,BDP,PERCENT[,FROM,TO], not {text:?}");
        };
        let mut cell = Self::new(
            mbit.parse().context("Mbit/s")?,
            round_trip.parse().context("milliseconds")?,
            queue.parse().context("bandwidth-delay products")?,
            loss.parse().context("percent")?,
        );
        if let [from, to] = ends {
            let end = |name: &str| match name {
                "chromium" => Ok(CHROMIUM),
                "firefox" => Ok(FIREFOX),
                "terminal" => Ok(End::Terminal),
                _ => bail!("chromium, firefox or terminal, not {name:?}"),
            };
            let End::Page(from) = end(from)? else { bail!("a terminal only receives here") };
            (cell.from, cell.to) = (from, end(to)?);
        }
        Ok(cell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_read_as_it_is_typed() -> Result<()> {
        let cell: Cell = "20,50,0.3,1,firefox,terminal".parse()?;

        assert_eq!(cell, Cell { from: Kind::Firefox, to: End::Terminal, ..Cell::new(20, 50, 0.3, 1.0) });
        assert!("20,50,1".parse::<Cell>().is_err());
        assert!("20,50,1,0,terminal,chromium".parse::<Cell>().is_err());
        Ok(())
    }

    #[test]
    fn the_targets_follow_loss_and_queue() {
        assert_eq!(Cell::new(20, 50, 1.0, 0.0).target(Some(0.1)), 0.85);
        assert_eq!(Cell::new(20, 50, 0.3, 0.0).target(Some(0.1)), 0.7);
        assert_eq!(Cell::new(20, 50, 4.0, 0.1).target(Some(0.1)), 0.7);
        assert_eq!(Cell::new(20, 50, 1.0, 1.0).target(Some(0.02)), 0.24, "twelve bare channels");
        assert_eq!(Cell::new(20, 50, 1.0, 1.0).target(Some(0.1)), 0.5);
        assert_eq!(
            Cell::new(20, 50, 1.0, 1.0).target(Some(0.9)),
            0.81,
            "never under 0.9 of the bare channel"
        );
    }
}
