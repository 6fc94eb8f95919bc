//! Tasks for people who work on Beeline: `cargo xtask TASK`.
//!
//! ```text
//! check                  format, clippy, documentation, `core` on wasm32, layers, cargo-deny      minutes
//! test                   every test, with the browsers and drivers they need                      under 30 minutes
//! soak                   memory and content over gigabytes: sinks of the page, terminals, browsers' channels    longer
//! bench NAME [--json]    a measurement beside a control
//! shots                  pictures of every state of the page, in target/shots
//! ```

mod bench;
mod check;
mod install;
mod layers;
mod run;
mod shots;
mod soak;
mod test;

use std::process::ExitCode;

use anyhow::{Result, bail};

const USAGE: &str = "\
usage: cargo xtask TASK

  check [--install]              format, lints, documentation, layers, licences
                                 --install: also cargo-deny, if it is missing
  test [FILTER]                  every test; installs the browsers and drivers they need
  soak [--only PART]… [--mib N,N…] [--json]
                                 memory while files grow, each sink of the page, pages with terminals
                                 --only: the cases with this in their name, like zip, firefox or memory
  bench browser [--mib N] [--pairs N] [--reuse] [--json]
  bench native [--mib N] [--runs N] [--json]
  bench code [--runs N] [--json]
  bench open [--runs N] [--json]
  bench paths [--short] [--full] [--changes] [--company] [--cell MBIT,MS,BDP,PERCENT[,FROM,TO]]… [--runs N] [--json]
  bench ui [--json]
  bench wan [--mib N] [--runs N] [--json]
  bench sim [--short] [--fair] [--mbit M] [--rtt MS] [--loss PERCENT]
  bench sim-paths [--lanes N] [--busy MS] [--loss PERCENT] [--fair]
  bench sim-sessions [--mbit M] [--rtt MS] [--queue BDP] [--loss PERCENT] [--seeds N] [--beside tcp]
  shots                          pictures of the page in target/shots";

fn main() -> ExitCode {
    match task() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn task() -> Result<()> {
    std::env::set_current_dir(run::root())?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["check"] => check::check(false),
        ["check", "--install"] => check::check(true),
        ["test", filter @ ..] => test::test(filter),
        ["soak", options @ ..] => soak::soak(options),
        ["bench", name, options @ ..] => bench::bench(name, options),
        ["shots"] => shots::shots(),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("no such task\n{USAGE}"),
    }
}
