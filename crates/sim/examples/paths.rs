//! Prints the share of a line that throttled lanes of browsers use, over a grid of paths, in virtual time.
//!
//! ```text
//! cargo run --release -p beeline-sim --example paths -- [--lanes 1] [--busy 0] [--loss 0.1] [--bare]
//! ```
use beeline_sim::{
    lanes::{Feed, Lanes},
    net::Path,
};
use std::time::Duration;

fn argument<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args().skip_while(|arg| arg != name).nth(1)?.parse().ok()
}

/// Share of the line in the second half of 16 s, and in the first 4 s; queueing in ms; packets dropped.
fn cell(path: Path, feeds: &[Feed], busy: u64) -> (f64, f64, f64, u64) {
    let mut lanes = Lanes::new(path, feeds, 1);
    lanes.busy = Duration::from_millis(busy);
    lanes.run(Duration::from_secs(4));
    let early = lanes.total() as f64 * 8.0 / 4.0 / path.rate;
    lanes.run(Duration::from_secs(4));
    let (before, counts) = (lanes.total(), lanes.net.counts(0));
    lanes.run(Duration::from_secs(8));
    let (share, after) = ((lanes.total() - before) as f64 * 8.0 / 8.0 / path.rate, lanes.net.counts(0));
    let queue = (after.waited - counts.waited) / (after.packets - counts.packets).max(1) as f64;
    (share, early, queue * 1e3, after.dropped)
}

fn main() {
    let lanes = argument("--lanes").unwrap_or(1);
    let busy = argument("--busy").unwrap_or(0);
    println!("{lanes} lanes, programs late by {busy} ms: share (of the first 4 s), queueing ms, packets dropped");
    for loss in [0.0, 0.1, 1.0].into_iter().filter(|loss| argument("--loss").is_none_or(|only: f64| only == *loss)) {
        for queue in [0.3, 1.0, 4.0] {
            for mbit in [10.0, 20.0, 40.0] {
                print!("{loss:>4}% queue {queue:<3} {mbit:>3} Mbit/s |");
                for rtt in [20, 50, 100] {
                    let path = Path::new(mbit, rtt, queue, loss);
                    let (share, early, queue, drops) = cell(path, &vec![Feed::Throttled; lanes], busy);
                    print!(" {rtt:>3} ms {share:.2} ({early:.2}) {queue:4.1} {drops:>4} |");
                }
                println!();
            }
        }
    }
}
