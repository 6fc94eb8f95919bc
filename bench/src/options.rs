//! What can be asked of a measurement.

use anyhow::{Context, Result, bail};

use crate::paths::Cell;

/// Command line options; each measurement has its own defaults.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// `--mib N,N…`: file sizes in MiB.
    pub mib: Vec<u64>,
    /// `--pairs N` or `--runs N`.
    pub runs: Option<usize>,
    /// `--json`: one object on standard output instead of lines for people.
    pub json: bool,
    /// `--reuse`: `browser` in the same two browsers for all runs.
    pub reuse: bool,
    /// `--short`, `--full`, `--changes`, `--company`: which parts of `paths`.
    pub parts: Vec<Part>,
    /// `--only PART`: the cases of `soak` whose names have this part; may be given several times.
    pub only: Vec<String>,
    /// `--cell MBIT,MS,BDP,PERCENT[,FROM,TO]`: lines of one's own for `paths`.
    pub cells: Vec<Cell>,
}

/// A part of the measurement on emulated lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Six lines.
    Short,
    /// All lines, and the other two parts.
    Full,
    /// The line changes under way.
    Changes,
    /// The standing queue, a call and another flow beside the transfer.
    Company,
}

impl Options {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().with_context(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--mib" => {
                    let sizes = value()?;
                    let sizes: Result<Vec<u64>, _> = sizes.split(',').map(str::parse).collect();
                    options.mib = sizes.context("--mib wants numbers")?;
                }
                "--pairs" | "--runs" => options.runs = Some(value()?.parse().context("a number of runs")?),
                "--json" => options.json = true,
                "--reuse" => options.reuse = true,
                "--short" => options.parts.push(Part::Short),
                "--full" => options.parts.push(Part::Full),
                "--changes" => options.parts.push(Part::Changes),
                "--company" => options.parts.push(Part::Company),
                "--only" => options.only.push(value()?),
                "--cell" => options.cells.push(value()?.parse()?),
                _ => bail!("no such option: {argument}"),
            }
        }
        Ok(options)
    }

    /// Whether this part of the measurement is wanted: also as a part of everything.
    pub(crate) fn wants(&self, part: Part) -> bool {
        self.parts.contains(&part) || self.parts.contains(&Part::Full)
    }

    /// The one size, or the default.
    pub(crate) fn one_size(&self, default: u64) -> u64 {
        self.mib.first().copied().unwrap_or(default)
    }

    /// Says a line to people, on standard error where standard output is for a program.
    pub(crate) fn say(&self, line: &str) {
        if self.json { eprintln!("{line}") } else { println!("{line}") }
    }

    /// The result: an object for a program.
    pub(crate) fn result(&self, result: &serde_json::Value) {
        if self.json {
            println!("{result}");
        }
    }
}
