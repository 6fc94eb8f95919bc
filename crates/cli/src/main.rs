//! The `beeline` program: what a terminal shows.
//!
//! ```text
//! args ─> serve ─────────────────────> beeline_server
//!      ├> send ───> lan (a server of our own, mDNS) ──┐
//!      └> receive ─> meeting (which server) ──────────┴> beeline_peer ─> conversation ─> ui
//! ```
mod args;
mod conversation;
mod interrupts;
mod lan;
mod logs;
mod meeting;
mod outcome;
mod prompt;
mod receive;
mod send;
mod serve;
mod ui;

use args::{Arguments, Command};
use clap::{CommandFactory, Parser};
use outcome::{Failure, Status};
use std::{path::Path, process::ExitCode, time::Duration};
use tokio::runtime::Builder;
use ui::{Direction, Ui};

fn main() -> ExitCode {
    // clap writes what is wrong to stderr and exits with 2, which is our status for it, too.
    let arguments = Arguments::parse();
    logs::catch_panics();
    let log = arguments.log;
    match arguments.command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "beeline", &mut script);
            // Whoever closes the pipe has read enough.
            let _ = std::io::Write::write_all(&mut std::io::stdout(), &script);
            ExitCode::SUCCESS
        }
        Command::Serve(args) => {
            logs::start(log, true);
            let ui = Ui::new(Direction::Send, args.json, false);
            run(Builder::new_multi_thread(), ui, async |ui| serve::run(args, ui).await)
        }
        Command::Send(args) => {
            logs::start(log, false);
            let ui = Ui::new(Direction::Send, args.meeting.json, false);
            run(one_worker(), ui, async |ui| send::run(args, ui).await)
        }
        Command::Receive(args) => {
            logs::start(log, false);
            let ui = Ui::new(Direction::Receive, args.meeting.json, args.output == Path::new("-"));
            run(one_worker(), ui, async |ui| receive::run(args, ui).await)
        }
    }
}

/// A transfer's session and its connection take turns on one thread: on two they would wake each other 30,000 times a GB,
/// which costs more than it gains. The disk has threads of its own.
fn one_worker() -> Builder {
    let mut workers = Builder::new_multi_thread();
    workers.worker_threads(1);
    workers
}

/// Runs a command to its end and tells how it ended.
fn run(
    mut workers: Builder,
    mut ui: Ui,
    command: impl AsyncFnOnce(&mut Ui) -> Result<(), Failure>,
) -> ExitCode {
    let runtime = match workers.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.failure(&Failure::new("system", format!("the system gives no threads: {error}")));
            return ExitCode::from(Status::Failed as u8);
        }
    };
    let result = runtime.block_on(command(&mut ui));
    // A thread may still wait for a line of the terminal; nobody needs it any more.
    runtime.shutdown_timeout(Duration::ZERO);
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            ui.failure(&failure);
            ExitCode::from(failure.status as u8)
        }
    }
}
