//! What can be asked of a measurement.

use anyhow::{Context, Result, bail};

/// Command line options; each measurement has its own defaults.
#[derive(Debug, Default)]
pub(crate) struct Options {
    /// `--mib N,N…`: file sizes in MiB.
    pub mib: Vec<u64>,
    /// `--pairs N` or `--runs N`.
    pub runs: Option<usize>,
    /// `--json`: one object on standard output instead of lines for people.
    pub json: bool,
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
                _ => bail!("no such option: {argument}"),
            }
        }
        Ok(options)
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
