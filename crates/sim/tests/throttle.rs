//! The throttle over the browser model: what it promises, path by path.
use beeline_sim::{
    Transfer, World,
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

#[test]
fn a_short_queue_is_not_overrun() {
    for (mbit, rtt) in [(10.0, 50), (20.0, 50), (40.0, 50), (10.0, 100), (20.0, 100), (40.0, 100)] {
        let mut lanes = one(Path::new(mbit, rtt, 0.3, 0.0));
        lanes.run(seconds(6.0));

        let (share, _) = measure(&mut lanes, 8.0);

        assert!(share >= 0.7, "{mbit} Mbit/s, {rtt} ms: {share:.2}");
    }
}

/// Everything is seen late by 10 ms on average: delays used to be taken for a queue, and a lane fell to 0.01.
#[test]
fn busy_programs_do_not_starve_a_lane() {
    for (mbit, rtt, queue) in
        [(20.0, 50, 4.0), (40.0, 50, 4.0), (20.0, 100, 4.0), (40.0, 100, 1.0), (20.0, 20, 1.0)]
    {
        let share = |seed| {
            let mut lanes = Lanes::new(Path::new(mbit, rtt, queue, 0.0), &[Feed::Throttled], seed);
            lanes.busy = Duration::from_millis(10);
            lanes.run(seconds(4.0));
            measure(&mut lanes, 8.0).0
        };

        let shares: Vec<f64> = (1..=4).map(share).collect();

        let mean = shares.iter().sum::<f64>() / 4.0;
        assert!(mean >= 0.65, "{mbit} Mbit/s, {rtt} ms, queue {queue}: {shares:.2?}");
    }
}

#[test]
fn a_path_that_becomes_longer_is_filled_again_within_five_seconds() {
    let mut lanes = one(Path::new(20.0, 50, 1.0, 0.0));
    lanes.run(seconds(8.0));
    lanes.net.path.rtt = Duration::from_millis(150);

    let rates: Vec<f64> = (0..5).map(|_| measure(&mut lanes, 1.0).0).collect();

    assert!(rates[2..].iter().any(|rate| *rate >= 0.75), "{rates:.2?}");
}

/// The longer path looks like a queue of somebody else's. The lane that takes over then was as slow as over an unknown path, and
/// it took more than five seconds: what was carried in this second was 0.70 to 0.84 of the line.
#[test]
fn a_transfer_fills_a_path_that_becomes_longer_within_five_seconds() {
    let share = |seed| {
        let path = Path::new(20.0, 50, 1.0, 0.0);
        let mut transfer = Transfer::accepted(path, seed, Duration::from_millis(30));
        transfer.world.run(seconds(8.0));
        let net = transfer.world.net.as_mut().expect("between browsers");
        net.path.rtt = Duration::from_millis(150);
        transfer.world.run(seconds(4.5));
        let carried = |world: &World| world.net.as_ref().map_or(0, |net| net.counts(0).bytes);
        let before = carried(&transfer.world);
        transfer.world.run(seconds(1.0));
        (carried(&transfer.world) - before) as f64 * 8.0 / path.rate
    };

    let shares: Vec<f64> = (1..=8).map(share).collect();

    // 0.8 of the line, and headers.
    assert!(shares.iter().all(|share| *share >= 0.86), "{shares:.2?}");
}

/// One pause is no noise to be answered by a search for a larger window, nor made up for at once; and what is lost all the same
/// does not hold up control. It was 0.6 on average, and next to nothing for one in six.
#[test]
fn programs_that_pause_now_and_then_do_not_ruin_a_transfer_over_a_short_queue() {
    let shares = shares_with_pauses(Path::new(40.0, 100, 0.3, 0.0), 30);

    let mean = shares.iter().sum::<f64>() / 6.0;
    assert!(mean >= 0.7 && shares.iter().all(|share| *share >= 0.5), "{shares:.2?}");
}

/// A packet every five seconds. A lane that has 400 on the way needs twenty seconds after each: it was 0.71 to 0.92 of the line.
#[test]
fn a_rare_loss_on_a_long_fast_line_costs_little() {
    let shares = shares_with_pauses(Path::new(40.0, 100, 1.0, 0.005), 10);

    assert!(shares.iter().all(|share| *share >= 0.85), "{shares:.2?}");
}

/// A lane that a queue of losses has made look held back by its engine got more beside it, up to fifteen, and TCP a tenth.
#[test]
fn lanes_leave_a_tcp_flow_its_quarter() {
    for (queue, least) in [(1.0, 0.15), (4.0, 0.15)] {
        for seed in 1..=8 {
            let path = Path::new(20.0, 50, queue, 0.0);
            let mut transfer = Transfer::beside_tcp(path, seed, Duration::from_millis(30));
            transfer.world.run(seconds(30.0));

            let [ours, theirs] = transfer.shares(seconds(15.0));

            assert!(transfer.lanes() <= 4, "queue {queue}, seed {seed}: {}", transfer.lanes());
            assert!(theirs >= 0.25 && ours >= least, "queue {queue}, seed {seed}: {ours:.2} and {theirs:.2}");
        }
    }
}

/// Of a line, in the second half of 16 s of a transfer; six times. Programs pause for up to so many milliseconds.
fn shares_with_pauses(path: Path, pauses: u64) -> Vec<f64> {
    let share = |seed| {
        let mut transfer = Transfer::accepted(path, seed, Duration::from_millis(pauses));
        transfer.world.run(seconds(8.0));
        transfer.share(seconds(8.0))
    };
    (1..=6).map(share).collect()
}

/// A LAN whose programs do 10 MB/s and see everything late.
#[test]
fn a_lan_is_not_held_back_however_busy_its_programs() {
    for (rtt_us, busy) in [(500, 0), (1500, 5), (1500, 15), (5500, 10)] {
        let path = Path { rtt: Duration::from_micros(rtt_us), queue: 2e7, ..Path::new(80.0, 1, 1.0, 0.0) };
        let mut lanes = one(path);
        lanes.busy = Duration::from_millis(busy);
        lanes.run(seconds(2.0));

        let (share, _) = measure(&mut lanes, 3.0);

        assert!(share >= 0.9, "{rtt_us} us, {busy} ms late: {share:.2}");
    }
}

/// Parts of ten seconds in which the engine holds a lane back, and in which others have a queue standing.
fn seen(mut lanes: Lanes) -> (f64, f64) {
    lanes.run(seconds(4.0));
    let (mut limited, mut contested) = (0, 0);
    for _ in 0..100 {
        lanes.run(seconds(0.1));
        let estimate = lanes.throttle(0).estimate();
        limited += u32::from(estimate.engine_limited);
        contested += u32::from(estimate.is_contested);
    }
    (f64::from(limited) / 100.0, f64::from(contested) / 100.0)
}

#[test]
fn it_is_known_whether_the_engine_or_the_path_is_the_limit() {
    for (mbit, rtt) in [(10.0, 100), (20.0, 50), (40.0, 20)] {
        let (limited, contested) = seen(one(Path::new(mbit, rtt, 1.0, 1.0)));
        assert!(limited > 0.5, "1 % of loss, {mbit} Mbit/s, {rtt} ms: {limited}");
        assert!(contested < 0.3, "1 % of loss, {mbit} Mbit/s, {rtt} ms: {contested}");

        // On a short line windows that are too large are tried where programs are busy: those the engine does hold back.
        for busy in if rtt < 50 { vec![0.0] } else { vec![0.0, 0.003] } {
            let mut lanes = one(Path::new(mbit, rtt, 1.0, 0.0));
            lanes.busy = seconds(busy);
            let (limited, contested) = seen(lanes);
            assert!(limited < 0.2, "{mbit} Mbit/s, {rtt} ms, busy {busy}: {limited}");
            assert!(contested < 0.2 || busy > 0.0, "{mbit} Mbit/s, {rtt} ms: {contested}");
        }
    }
}

#[test]
fn another_flow_on_the_line_is_noticed() {
    for queue in [1.0, 4.0] {
        let mut lanes = one(Path::new(20.0, 50, queue, 0.0));
        lanes.net.neighbour();

        let (_, contested) = seen(lanes);

        assert!(contested > 0.5, "a queue of {queue}: {contested}");
    }
}
