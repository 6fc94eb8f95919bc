//! The browser model beside what was measured with real browsers: Chromium to Chromium over emulated lines.
use beeline_sim::{
    lanes::{Feed, Lanes},
    net::Path,
};
use std::time::Duration;

/// Mbit/s between two moments, mean of three seeds.
fn rate(path: Path, feed: Feed, lanes: usize, from: u64, until: u64) -> f64 {
    let one = |seed| {
        let mut lanes = Lanes::new(path, &vec![feed; lanes], seed);
        lanes.run(Duration::from_secs(from));
        let before = lanes.total();
        lanes.run(Duration::from_secs(until - from));
        (lanes.total() - before) as f64 * 8e-6 / (until - from) as f64
    };
    (1..=3).map(one).sum::<f64>() / 3.0
}

const FED: Feed = Feed::Buffered(64 << 10);

#[test]
fn a_channel_fed_as_it_likes_collapses_for_seconds() {
    let collapsed = |path| rate(path, FED, 1, 2, 8);

    // Measured: 0.2 to 0.3, 0.2 and 0.13 Mbit/s.
    assert!(collapsed(Path::new(20.0, 50, 1.0, 0.0)) < 0.6);
    assert!(collapsed(Path::new(20.0, 50, 4.0, 0.0)) < 0.6);
    assert!(collapsed(Path::new(10.0, 100, 1.0, 0.0)) < 0.3);
}

#[test]
fn held_near_one_product_or_on_several_lanes_it_does_not() {
    let path = Path::new(20.0, 50, 1.0, 0.0);
    let held = Feed::Held(path.bdp() as u64 + (16 << 10));
    for (measured, found) in [
        (18.7, rate(path, held, 1, 8, 16)),
        (18.2, rate(path, FED, 4, 8, 16)),
        (36.7, rate(Path::new(40.0, 50, 1.0, 0.0), FED, 4, 8, 16)),
        (9.1, rate(Path::new(10.0, 100, 1.0, 0.0), FED, 4, 8, 16)),
    ] {
        assert!((0.8..1.2).contains(&(found / measured)), "{found:.1} for {measured}");
    }
}

#[test]
fn random_loss_costs_what_it_costs_real_ones() {
    for (loss, lanes, measured) in
        [(0.1, 1, 5.8), (0.1, 4, 17.9), (1.0, 1, 1.7), (1.0, 4, 7.8), (1.0, 8, 14.8), (1.0, 16, 17.7)]
    {
        let found = rate(Path::new(20.0, 50, 1.0, loss), FED, lanes, 8, 24);
        // A single lane at 1 % is a third better here than measured; no rule of the engine explains it yet.
        assert!(
            (0.75..1.35).contains(&(found / measured)),
            "{lanes} lanes at {loss} %: {found:.1} for {measured}"
        );
    }
}
