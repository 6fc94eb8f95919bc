//! The throttle over the browser model: what it promises, path by path.
use beeline_sim::{
    lanes::{Feed, Lanes},
    net::Path,
};
use std::time::Duration;

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// Share of a line in the next so many seconds, and the mean time in its queue.
fn measure(lanes: &mut Lanes, lasts: f64) -> (f64, Duration) {
    let (before, counts) = (lanes.total(), lanes.net.counts(0));
    lanes.run(seconds(lasts));
    let now = lanes.net.counts(0);
    let waited = (now.waited - counts.waited) / (now.packets - counts.packets).max(1) as f64;
    ((lanes.total() - before) as f64 * 8.0 / lasts / lanes.net.path.rate, seconds(waited))
}

fn one(path: Path) -> Lanes {
    Lanes::new(path, &[Feed::Throttled], 1)
}

#[test]
fn a_line_with_a_queue_of_a_product_or_more_is_filled_and_its_queue_is_short() {
    for rtt in [20, 50, 100] {
        for mbit in [10.0, 20.0, 40.0] {
            for queue in [1.0, 4.0] {
                let path = Path::new(mbit, rtt, queue, 0.0);
                let mut lanes = one(path);
                lanes.run(seconds(4.0));
                let (share, queued) = measure(&mut lanes, 8.0);
                let most = (path.rtt / 2).max(Duration::from_millis(20));
                assert!(share >= 0.85, "{mbit} Mbit/s, {rtt} ms, queue {queue}: {share:.2}");
                assert!(queued < most, "{mbit} Mbit/s, {rtt} ms, queue {queue}: {queued:?} in the queue");
            }
        }
    }
}
