//! The share of the link in simulated time: a few cells of what `examples/sim.rs` prints.
mod sim;

use std::time::Duration;

use beeline_sctp::Config;
use sim::{Path, alone};

fn share(mbit: f64, rtt_ms: u64, loss: f64, queue: f64, sender: Config, receiver: Config) -> f64 {
    let path = Path { mbit, rtt: Duration::from_millis(rtt_ms), loss, queue };
    alone(path, sender, receiver, Duration::from_secs(if rtt_ms > 100 { 20 } else { 10 }), 1).share
}

#[test]
fn ours_fills_a_link_that_loses_nothing() {
    for (mbit, rtt, queue) in [(20.0, 2, 0.3), (100.0, 50, 1.0), (20.0, 300, 4.0)] {
        let share = share(mbit, rtt, 0.0, queue, Config::default(), Config::default());
        assert!(share > 0.9, "{mbit} Mbit/s {rtt} ms queue {queue}: {share}");
    }
}

#[test]
fn ours_fills_a_link_that_loses_three_in_a_hundred() {
    for (mbit, rtt) in [(20.0, 2), (100.0, 2), (100.0, 50), (20.0, 100)] {
        let share = share(mbit, rtt, 0.03, 1.0, Config::default(), Config::default());
        assert!(share > 0.85, "{mbit} Mbit/s {rtt} ms: {share}");
    }
}

#[test]
fn ours_fills_a_lossy_link_to_a_browser() {
    let share = share(20.0, 50, 0.01, 1.0, Config::default(), Config::stock_browser());
    assert!(share > 0.85, "{share}");
}

#[test]
fn a_browser_fills_a_link_to_us() {
    for (mbit, rtt) in [(20.0, 50), (100.0, 50), (20.0, 300)] {
        let share = share(mbit, rtt, 0.0, 1.0, Config::stock_browser(), Config::default());
        assert!(share > 0.85, "{mbit} Mbit/s {rtt} ms: {share}");
    }
}

#[test]
fn alone_on_a_deep_queue_ours_leaves_it_nearly_empty() {
    let path = Path { mbit: 20.0, rtt: Duration::from_millis(50), loss: 0.0, queue: 4.0 };
    let report = alone(path, Config::default(), Config::default(), Duration::from_secs(20), 1);
    assert!(report.queueing < path.rtt, "{report:?}");
}
