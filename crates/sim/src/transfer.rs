//! A transfer between two browsers over a line, and what part of the line it has.
use crate::{
    World, files,
    net::{Flow, Net, Path},
};
use beeline_core::{
    manifest::Manifest,
    output::{Acceptance, Event, Order, TransferId},
};
use std::time::Duration;

/// A transfer under way: 400 MiB from peer 0 to peer 1.
#[derive(Debug)]
pub struct Transfer {
    /// The peers, and the line in [`World::net`].
    pub world: World,
    id: TransferId,
    /// The TCP flow beside it.
    beside: Option<Flow>,
}

impl Transfer {
    /// One that was accepted just now. Programs pause for up to `pauses`, as in [`World::pauses`].
    ///
    /// # Panics
    /// If the peers do not meet, or the offer does not arrive within five seconds.
    pub fn accepted(path: Path, seed: u64, pauses: Duration) -> Self {
        let mut world = World::browsers(seed, path);
        world.pauses = pauses;
        let entries = files(&mut world.peers[0].disk, &[("a", 400 << 20)]);
        let manifest = Manifest::new(entries).expect("one file");
        let id = world.with(0, |session, now| session.offer(manifest, now));
        let offered = |event: &Event| matches!(event, Event::Offered { .. });
        let in_time = world.run_until(Duration::from_secs(5), |world| world.peers[1].has(offered));
        assert!(in_time, "offered: {:#?}", world.events());
        let how = Acceptance { order: Order::Sequential, window: 8 << 20, held: vec![] };
        world.with(1, |session, now| session.accept(id, how, now));
        Self { world, id, beside: None }
    }

    /// The same, and a TCP flow that begins with it.
    pub fn beside_tcp(path: Path, seed: u64, pauses: Duration) -> Self {
        let mut transfer = Self::accepted(path, seed, pauses);
        transfer.beside = transfer.world.net.as_mut().map(Net::neighbour);
        transfer
    }

    /// Bytes that the receiver has, and those of the TCP flow.
    fn arrived(&self) -> [u64; 2] {
        let progress = self.world.peers[1].session.progress(self.id, self.world.now());
        let theirs = self.world.net.as_ref().zip(self.beside).map(|(net, flow)| net.delivered(flow));
        [progress.map_or(0, |progress| progress.bytes), theirs.unwrap_or(0)]
    }

    /// Goes on for so long, and tells what part of the line it has meanwhile, and what the TCP flow beside it.
    pub fn shares(&mut self, time: Duration) -> [f64; 2] {
        let before = self.arrived();
        self.world.run(time);
        let after = self.arrived();
        let line = self.world.net.as_ref().map_or(0.0, |net| net.path.rate) * time.as_secs_f64();
        [0, 1].map(|at| (after[at] - before[at]) as f64 * 8.0 / line)
    }

    /// The first of [`shares`](Self::shares).
    pub fn share(&mut self, time: Duration) -> f64 {
        self.shares(time)[0]
    }

    /// Lanes beside the first.
    pub fn lanes(&self) -> usize {
        self.world.further_lanes().len()
    }
}
