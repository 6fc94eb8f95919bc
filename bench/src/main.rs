//! Measurements, each beside a control in the same run: a ratio says something on any machine, a bare time does not.
//!
//! ```text
//! browser   our page, disk to disk with digests     beside a bare data channel of the same two browsers
//! native    beeline send | receive on one cable     beside nc and libwebrtc
//! wan       beeline send | receive, long and lossy  beside TCP on the same lines
//! paths     page to page over emulated lines        beside a bare data channel and TCP on the same lines
//! code      from the choice of a file to the code on the screen
//! open      from opening a link to the accept button    beside the same browser's empty page
//! ui        work of the pages' own threads while a file passes    on a fast line beside a slow one
//! soak      memory of both ends while files grow, and in every sink of a page, beside the bare channel's; gigabytes
//!           between pages and terminals
//! ```
//!
//! `cargo xtask bench NAME` and `cargo xtask soak` install what they need and start this.

mod bare;
mod browser;
mod code;
mod memory;
mod native;
mod open;
mod options;
mod page;
mod paths;
mod soak;
mod stats;
mod ui;
mod wan;

use std::time::Duration;

use anyhow::{Result, bail};

use options::Options;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let options = Options::parse(arguments)?;
    let limit = Duration::from_secs(3 * 60 * 60);
    match name.as_str() {
        "browser" => e2e::sealed_program(limit, browser::run(&options)),
        "native" => e2e::sealed_program(limit, native::run(&options)),
        "code" => e2e::sealed_program(limit, code::run(&options)),
        "open" => e2e::sealed_program(limit, open::run(&options)),
        "paths" => e2e::sealed_program(limit, paths::run(&options)),
        "ui" => e2e::sealed_program(limit, ui::run(&options)),
        "wan" => e2e::sealed_program(limit, wan::run(&options)),
        "soak" => e2e::sealed_program(limit, soak::run(&options)),
        _ => {
            bail!("no such measurement: {name:?}\nhint: browser, code, native, open, paths, ui, wan or soak")
        }
    }
}
