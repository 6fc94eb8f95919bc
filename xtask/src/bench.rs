//! `cargo xtask bench NAME`: a measurement beside a control, in `bench/`.

use anyhow::{Result, bail};

use crate::install;
use crate::run::{cargo, find, step};

/// Installs what it needs and runs it; `options` are the measurement's own.
pub(crate) fn bench(name: &str, options: &[&str]) -> Result<()> {
    match name {
        "browser" | "code" | "open" | "paths" | "ui" => install::for_tests()?,
        "native" => {
            install::debian(install::NETCAT)?;
            install::libwebrtc();
        }
        "wan" => {}
        "sim" => {
            let mut command =
                cargo(["run", "--quiet", "--release", "-p", "beeline-sctp", "--example", "sim", "--"]);
            return step("bench sim", command.args(options));
        }
        "sim-paths" | "sim-sessions" => {
            let example = &name["sim-".len()..];
            let mut command =
                cargo(["run", "--quiet", "--release", "-p", "beeline-sim", "--example", example, "--"]);
            return step(&format!("bench {name}"), command.args(options));
        }
        _ => bail!(
            "no such measurement: {name}\n\
             hint: browser, code, native, open, paths, sim, sim-paths, sim-sessions, ui or wan"
        ),
    }
    run(name, options)
}

/// Runs a measurement of `bench/`; only what it prints goes to standard output.
pub(crate) fn run(name: &str, options: &[&str]) -> Result<()> {
    step("build beeline and its page", &mut cargo(["build", "--release"]))?;
    let mut command = cargo(["run", "--quiet", "--release", "-p", "beeline-bench", "--", name]);
    if let Some(driver) = find("geckodriver") {
        command.env("GECKODRIVER", driver);
    }
    step(&format!("bench {name}"), command.args(options))
}
