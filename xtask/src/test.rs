//! `cargo xtask test`: every test, one line at the end.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::install;
use crate::run::{cargo, find, step, target};

/// Builds and runs everything; `filter` is passed on to the tests' binaries.
pub(crate) fn test(filter: &[&str]) -> Result<()> {
    let start = Instant::now();
    eprintln!("== what the tests need (browsers, drivers, fonts)");
    install::for_tests()?;
    step("build beeline and its page", &mut cargo(["build", "--release"]))?;

    let mut command =
        cargo(["test", "--release", "--workspace", "--exclude", "beeline-web", "--no-fail-fast"]);
    command.arg("--").args(filter).env("BEELINE_BIN", target().join("release/beeline"));
    if let Some(driver) = find("geckodriver") {
        command.env("GECKODRIVER", driver);
    }
    eprintln!("== tests");
    let tests = Instant::now();
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("cargo test")?;
    let stdout = child.stdout.take().expect("piped");
    let mut total = Total::default();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        let line = String::from_utf8_lossy(&line);
        println!("{line}");
        total.add(&line);
    }
    let status = child.wait()?;
    eprintln!(
        "   tests took {:.0} s, everything {:.0} s",
        tests.elapsed().as_secs_f32(),
        start.elapsed().as_secs_f32()
    );
    // The last line, in this form, is what a continuous integration reads.
    println!("{} passed, {} failed", total.passed, total.failed);
    ensure!(status.success() && total.failed == 0, "tests failed ({status})");
    ensure!(total.passed > 0, "no test ran");
    Ok(())
}

/// Summed over all test binaries.
#[derive(Debug, Default, PartialEq, Eq)]
struct Total {
    passed: u32,
    failed: u32,
}

impl Total {
    /// Takes a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …` into account; others say nothing.
    ///
    /// Only at its beginning: what a test in a sealed network prints is indented.
    fn add(&mut self, line: &str) {
        let Some(result) = line.strip_prefix("test result: ") else { return };
        for part in result.split([';', '.']) {
            let mut words = part.split_whitespace();
            let (number, what) = (words.next().and_then(|word| word.parse::<u32>().ok()), words.next());
            match (number, what) {
                (Some(number), Some("passed")) => self.passed += number,
                (Some(number), Some("failed")) => self.failed += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_binaries_are_summed() {
        let mut total = Total::default();

        total.add(
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 1.20s",
        );
        total.add("test a_test ... ok");
        total.add("test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s");

        assert_eq!(total, Total { passed: 4, failed: 2 });
    }
}
