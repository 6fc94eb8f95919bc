//! Prints the share of a line that a transfer between two browsers uses, lanes and all, over a grid of paths, in virtual
//! time: what `cargo xtask bench paths --full` measures with real ones.
//!
//! ```text
//! cargo xtask bench sim-sessions [--mbit 40] [--rtt 50] [--queue 1] [--loss 0.1] [--seeds 3] [--seed 1] [--pauses 0]
//! cargo xtask bench sim-sessions --beside tcp --loss 0 …     its share and that of a TCP flow, from 30 s to 45 s
//! ```
use beeline_sim::{Transfer, net::Path};
use std::time::Duration;

const HALF: Duration = Duration::from_secs(8);

fn argument<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args().skip_while(|arg| arg != name).nth(1)?.parse().ok()
}

fn wanted<T: std::str::FromStr + PartialEq>(name: &str, all: [T; 3]) -> impl Iterator<Item = T> {
    let only: Option<T> = argument(name);
    all.into_iter().filter(move |one| only.as_ref().is_none_or(|only| only == one))
}

/// From here to there shares beside TCP are measured.
const BESIDE: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(45)];

fn pauses() -> Duration {
    Duration::from_millis(argument("--pauses").unwrap_or(0))
}

/// Share of the line in the second half of 16 s, and the lanes beside the first at its end.
fn share(path: Path, seed: u64) -> (f64, usize) {
    let mut transfer = Transfer::accepted(path, seed, pauses());
    transfer.world.run(HALF);
    (transfer.share(HALF), transfer.lanes())
}

/// The share of the transfer and that of a TCP flow which begins with it, and the lanes.
fn beside(path: Path, seed: u64) -> (f64, f64, usize) {
    let mut transfer = Transfer::beside_tcp(path, seed, pauses());
    transfer.world.run(BESIDE[0]);
    let [ours, theirs] = transfer.shares(BESIDE[1] - BESIDE[0]);
    (ours, theirs, transfer.lanes())
}

fn main() {
    let seeds = argument("--seeds").unwrap_or(3);
    let is_beside = argument::<String>("--beside").is_some();
    match is_beside {
        true => println!(
            "share of the line and that of a TCP flow, 30 s to 45 s (lanes beside the first), by seed"
        ),
        false => println!("share of the line in the second half of 16 s (lanes beside the first), by seed"),
    }
    for mbit in wanted("--mbit", [10.0, 20.0, 40.0]) {
        for rtt in wanted("--rtt", [20, 50, 100]) {
            for queue in wanted("--queue", [0.3, 1.0, 4.0]) {
                for loss in wanted("--loss", [0.0, 0.1, 1.0]) {
                    print!("{mbit:>3} Mbit/s {rtt:>3} ms  queue {queue:<3}  loss {loss:>3} % |");
                    for seed in argument("--seed").unwrap_or(1)..=seeds {
                        let path = Path::new(mbit, rtt, queue, loss);
                        if is_beside {
                            let (share, tcp, lanes) = beside(path, seed);
                            print!(" {share:.2}/{tcp:.2} ({lanes:2})");
                        } else {
                            let (share, lanes) = share(path, seed);
                            print!(" {share:.2} ({lanes:2})");
                        }
                    }
                    println!();
                }
            }
        }
    }
}
