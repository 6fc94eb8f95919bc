//! Prints the share of a line that throttled lanes of browsers use, over a grid of paths, in virtual time.
//!
//! ```text
//! cargo run --release -p beeline-sim --example paths -- [--lanes 1] [--busy 0] [--loss 0.1] [--fair | --change]
//! ```
use beeline_sim::{
    lanes::{Feed, Lanes},
    net::{Flow, Path},
};
use std::time::Duration;

fn argument<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::args().skip_while(|arg| arg != name).nth(1)?.parse().ok()
}

fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}

fn new(path: Path) -> Lanes {
    let feeds = vec![Feed::Throttled; argument("--lanes").unwrap_or(1)];
    let mut lanes = Lanes::new(path, &feeds, 1);
    lanes.busy = Duration::from_millis(argument("--busy").unwrap_or(0));
    lanes
}

/// Share of the line in the second half of 16 s, and in the first 4 s; queueing in ms; packets dropped.
fn cell(path: Path) -> (f64, f64, f64, u64) {
    let mut lanes = new(path);
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
    if flag("--fair") {
        return fairness();
    }
    if flag("--change") {
        return changes();
    }
    println!("share of the second 8 s (of the first 4 s), queueing ms, packets dropped in 16 s");
    let losses = [0.0, 0.1, 1.0].into_iter();
    for loss in losses.filter(|loss| argument("--loss").is_none_or(|only: f64| only == *loss)) {
        for queue in [0.3, 1.0, 4.0] {
            for mbit in [10.0, 20.0, 40.0] {
                print!("{loss:>4} % queue {queue:<3} {mbit:>3} Mbit/s |");
                for rtt in [20, 50, 100] {
                    let (share, early, queue, drops) = cell(Path::new(mbit, rtt, queue, loss));
                    print!(" {rtt:>3} ms {share:.2} ({early:.2}) {queue:4.1} {drops:>4} |");
                }
                println!();
            }
        }
    }
}

/// Beside one CUBIC flow: shares of both from 30 s to 60 s.
fn fairness() {
    println!("share of the lanes, of a CUBIC flow beside them, from 30 s to 60 s");
    for rtt in [20, 50, 100] {
        for queue in [1.0, 4.0] {
            let path = Path::new(20.0, rtt, queue, 0.0);
            let mut lanes = new(path);
            let cubic = lanes.net.neighbour();
            lanes.run(Duration::from_secs(30));
            let count = |lanes: &Lanes, flow: Flow| (lanes.total(), lanes.net.delivered(flow));
            let before = count(&lanes, cubic);
            lanes.run(Duration::from_secs(30));
            let after = count(&lanes, cubic);
            let share = |bytes: u64| bytes as f64 * 8.0 / 30.0 / path.rate;
            println!(
                "{rtt:>4} ms queue {queue} | {:.2} {:.2}",
                share(after.0 - before.0),
                share(after.1 - before.1)
            );
        }
    }
}

/// The line changes after 8 s: rate by the second, in Mbit/s.
fn changes() {
    let change = |name: &str, at: &dyn Fn(u32, &mut Lanes)| {
        let mut lanes = new(Path::new(20.0, 50, 1.0, 0.0));
        print!("{name:>24} |");
        for second in 0..24 {
            at(second, &mut lanes);
            let before = lanes.total();
            lanes.run(Duration::from_secs(1));
            print!(" {:4.1}", (lanes.total() - before) as f64 * 8e-6);
        }
        println!();
    };
    change("20, 5, 20 Mbit/s", &|second, lanes| match second {
        8 => lanes.net.path.rate = 5e6,
        16 => lanes.net.path.rate = 20e6,
        _ => {}
    });
    change("50, 150, 50 ms", &|second, lanes| match second {
        8 => lanes.net.path.rtt = Duration::from_millis(150),
        16 => lanes.net.path.rtt = Duration::from_millis(50),
        _ => {}
    });
    change("cut for 2 s", &|second, lanes| {
        if second == 8 {
            lanes.net.path.cut_until = lanes.net.now() + Duration::from_secs(2);
        }
    });
}
