//! Prints the share of the link that associations use, over a grid of paths, in virtual time.
//!
//! ```text
//! cargo run --release -p beeline-sctp --example sim -- [--short] [--fair] [--only ours-ours] [--mbit 100] [--rtt 50]
//!     [--loss 0.01] [--queue 1] [--seconds 20] [--seeds 3] [--window BYTES] [--blocks N] [--best]
//! ```
#[path = "../tests/sim/mod.rs"]
mod sim;

use std::time::Duration;

use beeline_sctp::{Config, Congestion, ReceiveWindow, Time};
use sim::{Path, Report, World, alone};

fn argument<T: std::str::FromStr>(name: &str) -> Option<T> {
    let mut args = std::env::args().skip_while(|arg| arg != name);
    args.nth(1)?.parse().ok()
}

fn flag(name: &str) -> bool {
    std::env::args().any(|arg| arg == name)
}

fn main() {
    if flag("--fair") {
        return fairness();
    }
    let short = flag("--short");
    let only: Option<String> = argument("--only");
    let mbits: &[f64] = if short { &[20.0, 100.0] } else { &[20.0, 100.0, 1000.0] };
    let rtts: &[u64] = if short { &[2, 50, 300] } else { &[2, 20, 50, 100, 300] };
    let losses: &[f64] = if short { &[0.0, 0.01, 0.03] } else { &[0.0, 0.001, 0.01, 0.03] };
    let queues: &[f64] = &[0.3, 1.0, 4.0];
    // A browser reports twenty holes at most, whatever it has: with more in a round trip, the sender is half blind.
    let blocks: Option<usize> = argument("--blocks");
    let (ours, browser) = (Config::default, Config::stock_browser);
    let stock = || Config { max_gap_blocks: blocks.unwrap_or(browser().max_gap_blocks), ..browser() };
    let window: Option<usize> = argument("--window");
    let ours_receiving =
        || Config { receive_window: window.map_or(ours().receive_window, ReceiveWindow::Fixed), ..ours() };
    println!(
        "{:>6} {:>5} {:>6} {:>5} | {:16}  {:16}  {:16}  {:16}  (share, dropped by the queue, queueing in round trips)",
        "Mbit/s", "ms", "loss", "queue", "ours-ours", "ours-stock", "stock-ours", "stock-stock"
    );
    for &mbit in mbits.iter().filter(|&&m| argument("--mbit").is_none_or(|only: f64| m == only)) {
        for &rtt in rtts.iter().filter(|&&r| argument("--rtt").is_none_or(|only: u64| r == only)) {
            for &loss in losses.iter().filter(|&&l| argument("--loss").is_none_or(|only: f64| l == only)) {
                for &queue in
                    queues.iter().filter(|&&q| argument("--queue").is_none_or(|only: f64| q == only))
                {
                    let path = Path { mbit, rtt: Duration::from_millis(rtt), loss, queue };
                    let lasts = argument("--seconds").unwrap_or((rtt as f64 * 0.1).clamp(8.0, 30.0));
                    let lasts = Duration::from_secs_f64(lasts);
                    let cell = |name: &str, sender: Config, receiver: Config| {
                        if only.as_deref().is_some_and(|only| only != name) {
                            return "        -       ".to_owned();
                        }
                        let report = median(path, &sender, &receiver, lasts);
                        let dropped = report.dropped as f64 / report.packets.max(1) as f64;
                        let queueing = report.queueing.as_secs_f64() / path.rtt.as_secs_f64();
                        format!("{:.3} {:4.1}% {queueing:4.2}", report.share, 100.0 * dropped)
                    };
                    let row = [
                        cell("ours-ours", ours(), ours()),
                        cell("ours-stock", ours(), stock()),
                        cell("stock-ours", stock(), ours_receiving()),
                        cell("stock-stock", stock(), stock()),
                    ];
                    let best = if flag("--best") { best_fixed(path, lasts) } else { String::new() };
                    println!(
                        "{mbit:>6} {rtt:>5} {:>5}% {queue:>5} | {} {best}",
                        loss * 100.0,
                        row.join("  ")
                    );
                }
            }
        }
    }
}

fn seeds() -> u64 {
    argument("--seeds").unwrap_or(1).max(1)
}

/// The run of median share among as many seeds as asked for.
fn median(path: Path, sender: &Config, receiver: &Config, lasts: Duration) -> Report {
    let run = |seed| alone(path, sender.clone(), receiver.clone(), lasts, seed);
    let mut reports: Vec<Report> = (1..=seeds()).map(run).collect();
    reports.sort_by(|a, b| a.share.total_cmp(&b.share));
    reports[reports.len() / 2]
}

/// What a browser's sender achieves at best if our window is fixed, over windows around the product.
fn best_fixed(path: Path, lasts: Duration) -> String {
    let share = |&factor: &f64| {
        let size = (path.bdp() * factor).max(16e3);
        let receiver = Config { receive_window: ReceiveWindow::Fixed(size as usize), ..Config::default() };
        (median(path, &Config::stock_browser(), &receiver, lasts).share, factor)
    };
    let best = [0.7, 1.0, 1.15, 1.3, 1.6, 2.0, 4.0].iter().map(share).max_by(|a, b| a.0.total_cmp(&b.0));
    best.map_or_else(String::new, |(share, factor)| format!("best fixed {share:.3} at {factor} BDP"))
}

/// Beside one CUBIC flow, beside another of its kind, and alone: after 30 s. Each seed is another start of the second
/// flow; shown is the run in which one of them gets least.
fn fairness() {
    println!("  ms queue | ours beside CUBIC | ours beside ours | alone: queueing, in round trips");
    for rtt in [20, 50, 100].into_iter().filter(|&r| argument("--rtt").is_none_or(|only: u64| r == only)) {
        for queue in [1.0, 4.0].into_iter().filter(|&q| argument("--queue").is_none_or(|only: f64| q == only))
        {
            let path = Path { mbit: 100.0, rtt: Duration::from_millis(rtt), loss: 0.0, queue };
            let run = |second: Congestion, seed: u64| {
                let mut world = World::new(path, seed);
                world.add_flow(Config::default(), Config::default(), Time::ZERO);
                let config = Config { congestion: second, ..Config::default() };
                world.add_flow(
                    config,
                    Config::default(),
                    Time::ZERO + Duration::from_millis(700 * seed - 200),
                );
                let reports = world.run(Duration::from_secs(60));
                [reports[0].share, reports[1].share]
            };
            let least = |shares: &[f64; 2]| shares[0].min(shares[1]);
            let pair = |second: Congestion| {
                let runs = (1..=seeds()).map(|seed| run(second, seed));
                let worst = runs.min_by(|a, b| least(a).total_cmp(&least(b))).expect("there is a run");
                format!("{:.2} {:.2}", worst[0], worst[1])
            };
            let alone = alone(path, Config::default(), Config::default(), Duration::from_secs(60), 1);
            let queueing = alone.queueing.as_secs_f64() / path.rtt.as_secs_f64();
            let (cubic, same) = (pair(Congestion::Cubic), pair(Congestion::Bbr));
            println!("{rtt:>4} {queue:>5} | {cubic:>17} | {same:>16} | {queueing:.2} ({:.2})", alone.share);
        }
    }
}
