//! Whatever happens in whatever order, the two sides end up agreeing, and only whole files have final names.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{output::*, session::LaneRules};
use beeline_sim::{Link, World};
use common::*;
use proptest::prelude::{Just, ProptestConfig, Strategy, prop_assert, prop_assert_eq, prop_oneof, proptest};
use std::time::Duration;

#[derive(Clone, Debug)]
enum Operation {
    Wait(u16),
    Cut(u16),
    DropSocket(bool),
    Pause(bool),
    Go(bool),
    Offer {
        from: bool,
        sizes: Vec<u32>,
    },
    Cancel(bool),
    Text(bool),
    /// One of the further lanes ends; both sides hear of it after so many milliseconds.
    KillLane(u8, u16),
    /// From now on it carries 10 kB/s.
    Crawl(u8),
    Full,
    Change,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        4 => (1u16..2000).prop_map(Wait),
        2 => (100u16..20_000).prop_map(Cut),
        2 => proptest::bool::ANY.prop_map(DropSocket),
        1 => proptest::bool::ANY.prop_map(Pause),
        2 => proptest::bool::ANY.prop_map(Go),
        3 => (proptest::bool::ANY, proptest::collection::vec(0u32..3_000_000, 1..6))
            .prop_map(|(from, sizes)| Offer { from, sizes }),
        1 => proptest::bool::ANY.prop_map(Cancel),
        1 => proptest::bool::ANY.prop_map(Text),
        2 => (proptest::num::u8::ANY, 0u16..8000).prop_map(|(lane, told)| KillLane(lane, told)),
        1 => proptest::num::u8::ANY.prop_map(Crawl),
        1 => Just(Full),
        1 => Just(Change),
    ]
}

/// Accepts all that is offered, in an order that depends on the transfer.
fn accept_all(world: &mut World) {
    for peer in [0, 1] {
        let offered: Vec<TransferId> = world.peers[peer]
            .events
            .iter()
            .filter_map(|e| match e {
                Event::Offered { transfer, .. } => Some(*transfer),
                _ => None,
            })
            .collect();
        for transfer in offered {
            let how = if transfer.0 % 4 < 2 { common::any() } else { sequential() };
            world.with(peer, |session, now| session.accept(transfer, how, now));
        }
    }
}

fn end(world: &World, peer: usize, transfer: TransferId) -> Option<bool> {
    world.peers[peer].events.iter().find_map(|e| match e {
        Event::Done(t) if *t == transfer => Some(true),
        Event::Failed { transfer: t, .. } | Event::Declined { transfer: t, .. } if *t == transfer => {
            Some(false)
        }
        _ => None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_sides_agree_in_the_end(seed: u64, loss in 0u32..50, least in 0u8..5, operations in proptest::collection::vec(operation(), 1..25)) {
        let lanes = LaneRules { least, ..LaneRules::default() };
        let mut world = World::connected_with(seed, Link::new(5_000_000, Duration::from_millis(20)), lanes);
        world.link.loss = loss;
        let mut transfers = Vec::new();
        let mut number = 0;
        for operation in operations {
            match operation {
                Operation::Wait(ms) => world.run(Duration::from_millis(ms.into())),
                Operation::Cut(ms) => world.link.cut_until = world.now() + Duration::from_millis(ms.into()),
                Operation::DropSocket(peer) => world.drop_socket(peer.into()),
                Operation::Pause(peer) | Operation::Go(peer) => {
                    let paused = matches!(operation, Operation::Pause(_));
                    for (_, transfer) in &transfers {
                        world.with(peer.into(), |session, now| session.pause(*transfer, paused, now));
                    }
                }
                Operation::Offer { from, sizes } => {
                    let from = usize::from(from);
                    let names: Vec<_> = sizes.iter().map(|_| { number += 1; format!("f{number}") }).collect();
                    let list: Vec<_> = names.iter().map(String::as_str).zip(sizes.iter().map(|s| *s as usize)).collect();
                    transfers.push((from, offer(&mut world, from, &list)));
                }
                Operation::Cancel(peer) => {
                    if let Some((_, transfer)) = transfers.last() {
                        world.with(peer.into(), |session, now| session.cancel(*transfer, "enough", now));
                    }
                }
                Operation::Text(peer) => {
                    world.with(peer.into(), |session, now| session.send_text("hello", now)).unwrap();
                }
                Operation::KillLane(number, told) => {
                    let lanes = world.further_lanes();
                    if let Some(lane) = lanes.get(usize::from(number) % lanes.len().max(1)) {
                        world.break_lane(*lane, Duration::from_millis(told.into()));
                    }
                }
                Operation::Crawl(number) => {
                    let lanes = world.further_lanes();
                    if let Some(lane) = lanes.get(usize::from(number) % lanes.len().max(1)) {
                        world.link.slow.insert(*lane, 10_000);
                    }
                }
                Operation::Full => world.peers[1].disk.full = true,
                Operation::Change => world.peers[0].disk.changed = true,
            }
            accept_all(&mut world);
        }
        for _ in 0..20 {
            world.run(Duration::from_secs(3));
            accept_all(&mut world);
            for peer in [0, 1] {
                for (_, transfer) in &transfers {
                    world.with(peer, |session, now| session.pause(*transfer, false, now));
                }
            }
        }
        world.run(MINUTE * 5);

        for peer in [0, 1] {
            prop_assert!(closed(&world, peer).is_none(), "peer {peer} closed: {:#?}", last_events(&world));
        }
        for (from, transfer) in &transfers {
            let (sent, received) = (end(&world, *from, *transfer), end(&world, 1 - from, *transfer));
            prop_assert!(sent.is_some() , "{transfer:?} does not end: {:#?}", last_events(&world));
            // The receiver may have finished just when the sender cancelled; never the other way round.
            prop_assert!(sent != Some(true) || received == Some(true), "{transfer:?}: {sent:?} {received:?}");
        }
        for peer in [0, 1] {
            for (path, content) in &world.peers[peer].disk.finals {
                let source = world.peers[1 - peer].disk.sources.get(path);
                prop_assert!(source.is_some() && content.as_ref() == source, "{path} is torn");
            }
            prop_assert_eq!(world.peers[peer].blocks.bytes(), 0, "blocks are left");
        }
    }
}
