//! How fast those send who have little to say, and how fast they are when there is more.
mod common;

use std::time::Duration;

use beeline_sctp::{ChannelConfig, Config};
use common::{Pair, numbered};

/// A round trip of 100 ms.
fn far_apart() -> Pair {
    let mut pair = Pair::with_channel(Config::default(), Config::default(), ChannelConfig::default());
    pair.delay = Duration::from_millis(50);
    pair
}

/// The receiver of a file reports and grants, a few bytes each time. It once took their rate for the path's, and the
/// grants waited for half a second while the sender stood still.
#[test]
fn who_only_reports_is_not_held_back_by_its_own_pace() {
    let mut pair = far_apart();
    let mut sent = 0;
    let mut report = |pair: &mut Pair, count: u32, pause: u64| {
        for _ in 0..count {
            pair.send(1, numbered(sent, 20));
            sent += 1;
            pair.run(Duration::from_millis(pause));
        }
        pair.run(Duration::from_millis(60));
        assert_eq!(pair.messages(0).len(), sent as usize);
    };

    for _ in 0..10 {
        report(&mut pair, 10, 150);
        report(&mut pair, 100, 1);
    }
}

/// A few words at first, as when files are offered, were once the rate from which a transfer began: a second later.
#[test]
fn a_transfer_after_a_few_words_begins_with_a_whole_window() {
    let mut pair = far_apart();
    pair.send(0, numbered(0, 30));
    pair.run(Duration::from_millis(300));
    pair.send(0, numbered(1, 30));
    pair.run(Duration::from_millis(300));

    pair.send(0, numbered(2, 60_000));
    // Ten packets, twenty, forty: three round trips, and what pacing adds to each.
    pair.run(Duration::from_millis(450));

    assert_eq!(pair.messages(1).len(), 3);
}
