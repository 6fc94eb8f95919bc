//! What the simulated tests share.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
use beeline_core::{
    manifest::{Entry, Manifest},
    output::*,
};
use beeline_sim::{Id, World, files};
use std::time::Duration;

pub(crate) const MINUTE: Duration = Duration::from_secs(60);
pub(crate) const MIB: usize = 1 << 20;

/// Offers files from one peer; the other takes them as they come.
pub(crate) fn send(
    world: &mut World,
    from: Id,
    to: Id,
    list: &[(&str, usize)],
    how: Acceptance,
) -> TransferId {
    let transfer = offer(world, from, list);
    accept(world, to, transfer, how);
    transfer
}

pub(crate) fn offer(world: &mut World, from: Id, list: &[(&str, usize)]) -> TransferId {
    let entries = files(&mut world.peers[from].disk, list);
    let manifest = Manifest::new(entries).unwrap();
    world.with(from, |session, now| session.offer(manifest, now))
}

pub(crate) fn accept(world: &mut World, to: Id, transfer: TransferId, how: Acceptance) {
    let offered = |e: &Event| matches!(e, Event::Offered { transfer: t, .. } if *t == transfer);
    assert!(world.run_until(MINUTE, |w| w.peers[to].has(offered)), "offered: {:#?}", world.events());
    world.with(to, |session, now| session.accept(transfer, how, now));
}

pub(crate) fn any() -> Acceptance {
    Acceptance { order: Order::Any, window: 8 << 20, held: vec![] }
}

pub(crate) fn sequential() -> Acceptance {
    Acceptance { order: Order::Sequential, ..any() }
}

/// Both sides say that it is done, and what is on the one disk is on the other.
pub(crate) fn arrives(world: &mut World, from: Id, to: Id, transfer: TransferId, within: Duration) {
    let done = |w: &World| [from, to].iter().all(|p| w.peers[*p].has(|e| *e == Event::Done(transfer)));
    let is_done = world.run_until(within, done);
    assert!(is_done, "done within {within:?}: {:#?}", last_events(world));
    same(world, from, to);
}

pub(crate) fn same(world: &World, from: Id, to: Id) {
    let received = &world.peers[to].disk.finals;
    for (path, content) in &world.peers[from].disk.sources {
        let there =
            received.get(path).and_then(|c| c.as_ref()).unwrap_or_else(|| panic!("{path} is missing"));
        assert!(there == content, "{path} differs");
        let digest = blake3::hash(content);
        for peer in [from, to] {
            let shows =
                |e: &Event| matches!(e, Event::FileDone { digest: d, .. } if d.0 == *digest.as_bytes());
            assert!(world.peers[peer].has(shows), "{path}: peer {peer} shows its digest");
        }
    }
}

pub(crate) fn last_events(world: &World) -> Vec<Vec<&Event>> {
    world.events().into_iter().map(|events| events.iter().rev().take(6).collect()).collect()
}

pub(crate) fn failure(world: &World, peer: Id) -> Option<TransferFailure> {
    world.peers[peer].events.iter().find_map(|e| match e {
        Event::Failed { failure, .. } => Some(failure.clone()),
        _ => None,
    })
}

pub(crate) fn closed(world: &World, peer: Id) -> Option<Closed> {
    world.peers[peer].events.iter().find_map(|e| match e {
        Event::Closed(closed) => Some(closed.clone()),
        _ => None,
    })
}

pub(crate) fn entries(world: &mut World, peer: Id, list: &[(&str, usize)]) -> Vec<Entry> {
    files(&mut world.peers[peer].disk, list)
}
