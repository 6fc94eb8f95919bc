//! What the tests need beside a compiler: installed where we may, else named with the command to type.

use std::process::Command;
use std::sync::LazyLock;
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::run::{cargo, find, output, step, succeeds, target};

/// A program (or a file, with a slash) and the Debian package that has it.
const DEBIAN: &[(&str, &str)] = &[
    ("chromium", "chromium"),
    ("chromedriver", "chromium-driver"),
    ("firefox-esr", "firefox-esr"),
    ("ip", "iproute2"),
    ("unshare", "util-linux"),
    ("npm", "npm"),
    ("Xvfb", "xvfb"),
    ("xdotool", "xdotool"),
    ("WebKitWebDriver", "webkit2gtk-driver"),
    ("turnserver", "coturn"),
    ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf", "fonts-dejavu-core"),
    ("/usr/share/fonts/truetype/nanum/NanumGothic.ttf", "fonts-nanum"),
    ("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf", "fonts-noto-color-emoji"),
];

/// Only for `bench native`: what a terminal transfer is compared with.
pub(crate) const NETCAT: &[(&str, &str)] = &[("nc", "netcat-openbsd")];

/// Only for `soak`: what reads the page's archives.
pub(crate) const UNZIP: &[(&str, &str)] = &[("unzip", "unzip")];

const GECKODRIVER: &str = "0.37.1";
const AXE: &str = "4.14.1";

/// The npm packages that are run, with everything below them, pinned by their digests.
const NPM: [(&str, &str); 2] = [
    ("package.json", include_str!("../../crates/e2e/npm/package.json")),
    ("package-lock.json", include_str!("../../crates/e2e/npm/package-lock.json")),
];

/// The parts of the toolchain beyond the compiler.
pub(crate) fn components() -> Result<()> {
    let missing: Vec<_> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(command, _)| !succeeds(&mut cargo([*command, "--version"])))
        .map(|(_, component)| component)
        .collect();
    if !missing.is_empty() {
        step("add to the toolchain", Command::new("rustup").args(["component", "add"]).args(missing))?;
    }
    wasm_target()
}

/// The standard library for the page. The build of the server gets it, too; clippy of the page comes before that.
fn wasm_target() -> Result<()> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    if fs::exists(format!("{}/lib/rustlib/wasm32-unknown-unknown/lib", sysroot.trim()))? {
        return Ok(());
    }
    step("add the browser's target", Command::new("rustup").args(["target", "add", "wasm32-unknown-unknown"]))
}

/// Browsers, drivers, fonts, a TURN server, axe-core, libwebrtc.
pub(crate) fn for_tests() -> Result<()> {
    // geckodriver has no Debian package and compiles for minutes: beside apt's downloads.
    thread::scope(|scope| {
        let driver = scope.spawn(geckodriver);
        debian(DEBIAN)?;
        axe()?;
        libwebrtc();
        driver.join().expect("installing does not panic")
    })
}

/// Installs the Debian packages whose programs or files are missing.
pub(crate) fn debian(wanted: &[(&str, &str)]) -> Result<()> {
    let here = |what: &str| {
        if what.contains('/') { fs::exists(what).unwrap_or(false) } else { find(what).is_some() }
    };
    let missing: Vec<_> =
        wanted.iter().filter(|(what, _)| !here(what)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let Some(root) = root().filter(|_| find("apt-get").is_some()) else {
        bail!("missing: {0}\nhint: on Debian, as root: apt-get install {0}", missing.join(" "));
    };
    let apt = |arguments: &[&str]| {
        let mut command = as_root(root, "env");
        // Somebody else may be installing: a fresh machine updates itself.
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]);
        command.args(arguments);
        command
    };
    step("apt-get update", &mut apt(&["update"]))?;
    let install = ["install", "-y", "--no-install-recommends"];
    step(&format!("apt-get install {}", missing.join(" ")), apt(&install).args(&missing))?;
    // Its package starts a TURN server for everybody; the tests start their own, each in its sealed network.
    if missing.contains(&"coturn") && fs::exists("/run/systemd/system")? {
        let mut systemctl = as_root(root, "systemctl");
        step("stop the system's own coturn", systemctl.args(["disable", "--now", "coturn"]))?;
    }
    Ok(())
}

/// A program run as root.
fn as_root(root: &[&str], program: &str) -> Command {
    let mut words = root.iter().copied().chain([program]);
    let mut command = Command::new(words.next().unwrap_or(program));
    command.args(words);
    command
}

/// How to become root: nothing to do, `sudo` without a question, or not at all.
fn root() -> Option<&'static [&'static str]> {
    static ROOT: LazyLock<Option<&[&str]>> = LazyLock::new(|| {
        let user = output(Command::new("id").arg("-u")).unwrap_or_default();
        if user.trim() == "0" {
            return Some(&[]);
        }
        succeeds(Command::new("sudo").args(["-n", "true"])).then_some(&["sudo", "-n"])
    });
    *ROOT
}

fn geckodriver() -> Result<()> {
    if find("geckodriver").is_some() {
        return Ok(());
    }
    let install = ["install", "geckodriver", "--locked", "--version", GECKODRIVER, "--quiet"];
    step("cargo install geckodriver (Firefox's driver, about two minutes)", &mut cargo(install))
}

/// Only the one file of the accessibility checker's package; nothing of npm's runs.
fn axe() -> Result<()> {
    let folder = target().join("e2e");
    if folder.join("axe.min.js").exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    ensure!(find("npm").is_some(), "missing: npm\nhint: on Debian, as root: apt-get install npm");
    let pack = format!("axe-core@{AXE}");
    step(
        "npm pack axe-core (accessibility)",
        Command::new("npm").args(["pack", "--silent", &pack]).current_dir(&folder),
    )?;
    let archive = format!("axe-core-{AXE}.tgz");
    let unpack = ["-xzf", &archive, "--strip-components=1", "package/axe.min.js"];
    output(Command::new("tar").args(unpack).current_dir(&folder)).context("axe-core's package")?;
    fs::remove_file(folder.join(archive))?;
    Ok(())
}

/// Another native WebRTC stack, libwebrtc for Node, as it stands in the lock file: a binary, and nothing of npm's runs.
/// Without it the tests that talk to it fail, and everything else can still be tested.
pub(crate) fn libwebrtc() {
    if let Err(error) = npm() {
        eprintln!(
            "   npm can't install @roamhq/wrtc, libwebrtc for Node; what needs it will fail: {error:#}"
        );
    }
}

fn npm() -> Result<()> {
    let folder = target().join("npm");
    let is_current = |(name, content): &(&str, &str)| {
        fs::read_to_string(folder.join(name)).is_ok_and(|found| found == *content)
    };
    if NPM.iter().all(is_current) && folder.join("node_modules/@roamhq/wrtc").exists() {
        return Ok(());
    }
    ensure!(find("npm").is_some(), "missing: npm\nhint: on Debian, as root: apt-get install npm");
    fs::create_dir_all(&folder)?;
    for (name, content) in NPM {
        fs::write(folder.join(name), content)?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&folder);
    step("npm ci (libwebrtc for Node, which is talked to)", &mut npm)
}
