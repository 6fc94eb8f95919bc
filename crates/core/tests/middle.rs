//! Somebody in the middle: opens a room of its own to the one side, and joins the other side's.
mod common;
use beeline_core::{
    code::Code,
    output::{Closed, Event},
    sas::Sas,
};
use beeline_sim::{Id, Link, World};
use common::*;
use std::{collections::HashMap, time::Duration};

/// What a peer is asked to compare.
fn shown(world: &World, peer: Id) -> Option<Sas> {
    world.peers[peer].events.iter().find_map(|event| match event {
        Event::Sas(sas) => Some(*sas),
        _ => None,
    })
}

/// Two worlds whose openers draw the same code, of 2^22: about 2,600 are tried.
///
/// The one is the victim's, who opens; in the other the attacker opens, with the victim's code and secrets of its own.
fn two_rooms_with_one_code() -> (World, World, Code) {
    let mut seeds: HashMap<String, u64> = HashMap::new();
    for seed in 0.. {
        let mut world = World::new(seed, Link::home());
        let opener = world.open();
        let code = world.code(opener);
        if let Some(earlier) = seeds.insert(code.to_string(), seed) {
            let mut victims = World::new(earlier, Link::home());
            assert_eq!((victims.open(), opener), (0, 0));
            assert!(victims.code(0) == code);
            return (victims, world, code);
        }
    }
    unreachable!("there are only so many codes")
}

#[test]
fn somebody_in_the_middle_who_knows_the_code_makes_the_two_sides_see_different_words() {
    let (mut openers, mut joiners, code) = two_rooms_with_one_code();
    let attacker = openers.join(&code);
    let victim = joiners.join(&code);
    for world in [&mut openers, &mut joiners] {
        let connected = |w: &World| w.peers.iter().all(|peer| peer.has(|event| *event == Event::Connected));
        assert!(world.run_until(MINUTE, connected), "{:#?}", world.events());
    }

    let (opener_sees, joiner_sees) = (shown(&openers, 0), shown(&joiners, victim));

    assert!(opener_sees.is_some() && joiner_sees.is_some());
    assert_ne!(opener_sees, joiner_sees);
    // Within each of its two conversations the attacker sees what its victim sees, and can do nothing about it.
    assert_eq!(opener_sees, shown(&openers, attacker));
    assert_eq!(joiner_sees, shown(&joiners, 0));
}

#[test]
fn somebody_in_the_middle_who_does_not_know_the_code_is_found_out_by_both_sides() {
    let mut openers = World::new(1, Link::home());
    let opener = openers.open();
    let code = openers.code(opener);
    let mut joiners = World::new(2, Link::home());
    let attacker = joiners.open();
    let others = joiners.code(attacker);
    assert!(code != others, "the attacker does not know the code");

    let guesser = openers.join(&others);
    let victim = joiners.join(&code);
    openers.run(Duration::from_secs(2));
    joiners.run(Duration::from_secs(2));

    assert!(openers.peers[opener].has(|event| *event == Event::WrongGuess { left: 2 }));
    assert_eq!(closed(&openers, guesser), Some(Closed::WrongCode { left: 2 }));
    assert_eq!(closed(&joiners, victim), Some(Closed::WrongCode { left: 2 }));
    assert!(shown(&openers, opener).is_none() && shown(&joiners, victim).is_none());
}
