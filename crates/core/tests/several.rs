//! One opener, several receivers: at the same time, one after another, and with somebody who guesses between them.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{
    code::Code,
    output::{Closed, Event, TransferId},
    sas::Sas,
    wire::signal::PeerId,
};
use beeline_sim::{Id, Link, World};
use common::*;
use std::time::Duration;

const FILES: [(&str, usize); 2] = [("film.mkv", 9 * MIB + 5), ("notes.txt", 11)];

/// An opener that lets in several, and its code.
fn open() -> (World, Id, Code) {
    let mut world = World::new(3, Link::home());
    let host = world.open();
    world.with(host, |session, _| session.admit_several(true));
    let code = world.code(host);
    (world, host, code)
}

/// Somebody with the code is let in: its own end, and the session that the opener has with it.
fn admit(world: &mut World, host: Id, code: &Code) -> (Id, Id) {
    let joiner = world.join(code);
    let both = |w: &World| {
        let guest = w.guest(host, joiner as PeerId);
        [Some(joiner), guest]
            .iter()
            .all(|id| id.is_some_and(|id| w.peers[id].has(|e| *e == Event::Connected)))
    };
    assert!(world.run_until(MINUTE, both), "{:#?}", world.events());
    (world.guest(host, joiner as PeerId).unwrap(), joiner)
}

/// The opener offers its files to one of them, who takes them.
fn give(world: &mut World, guest: Id, joiner: Id) -> TransferId {
    send(world, guest, joiner, &FILES, any())
}

fn wrong(code: &Code) -> Code {
    Code::parse(&format!("{}-zoo-zebra", code.nameplate())).unwrap()
}

fn sas(world: &World, peer: Id) -> Sas {
    let sas = world.peers[peer].events.iter().find_map(|e| match e {
        Event::Sas(sas) => Some(*sas),
        _ => None,
    });
    sas.expect("words to compare are shown")
}

#[test]
fn two_receivers_at_the_same_time_get_the_files_with_words_of_their_own() {
    let (mut world, host, code) = open();
    let (guest_a, a) = admit(&mut world, host, &code);
    let (guest_b, b) = admit(&mut world, host, &code);
    assert_eq!(sas(&world, guest_a), sas(&world, a));
    assert_eq!(sas(&world, guest_b), sas(&world, b));
    assert_ne!(sas(&world, a), sas(&world, b));

    let to_a = give(&mut world, guest_a, a);
    let to_b = give(&mut world, guest_b, b);
    arrives(&mut world, guest_a, a, to_a, MINUTE);
    arrives(&mut world, guest_b, b, to_b, MINUTE);
    assert!(closed(&world, host).is_none(), "the opener still waits");
}

#[test]
fn one_receiver_comes_after_another_has_left_with_the_files() {
    let (mut world, host, code) = open();
    for _ in 0..20 {
        let (guest, joiner) = admit(&mut world, host, &code);
        let transfer = give(&mut world, guest, joiner);
        arrives(&mut world, guest, joiner, transfer, MINUTE);
        world.with(joiner, |session, now| session.close(now));
        assert!(
            world.run_until(MINUTE, |w| closed(w, guest) == Some(Closed::Bye)),
            "{:#?}",
            last_events(&world)
        );
    }
    assert!(closed(&world, host).is_none());
}

#[test]
fn wrong_words_count_over_all_joiners_and_the_third_burns_the_code_but_touches_nobody_who_is_in() {
    let (mut world, host, code) = open();
    world.hub.ignores_lock = true;
    let (guest, joiner) = admit(&mut world, host, &code);
    let guess = |world: &mut World, left| {
        let guesser = world.join(&wrong(&code));
        let told = |w: &World| closed(w, guesser) == Some(Closed::WrongCode { left });
        assert!(world.run_until(MINUTE, told), "{:#?}", world.events());
    };
    guess(&mut world, 2);
    let (later, _) = admit(&mut world, host, &code);
    guess(&mut world, 1);
    let transfer = give(&mut world, guest, joiner);
    guess(&mut world, 0);

    let late = world.join(&code);
    world.run(Duration::from_secs(1));
    assert!(!world.peers[late].has(|e| matches!(e, Event::Peer { .. })), "the right words come too late");
    assert!(closed(&world, host).is_none(), "its guests need the room");
    arrives(&mut world, guest, joiner, transfer, MINUTE);

    for guest in [guest, later] {
        assert!(closed(&world, guest).is_none());
        world.with(guest, |session, now| session.close(now));
    }
    assert!(world.run_until(MINUTE, |w| closed(w, host) == Some(Closed::Burnt)), "{:#?}", world.events());
}

#[test]
fn guesses_at_the_same_time_are_no_more_than_three() {
    let (mut world, host, code) = open();
    let guessers: Vec<Id> = (0..10).map(|_| world.join(&wrong(&code))).collect();
    assert!(world.run_until(MINUTE, |w| closed(w, host) == Some(Closed::Burnt)), "{:#?}", world.events());
    world.run(MINUTE);
    let told = guessers.iter().filter(|id| matches!(closed(&world, **id), Some(Closed::WrongCode { .. })));
    assert_eq!(told.count(), 3);
}

#[test]
fn nobody_comes_in_any_more_once_told_so_and_the_last_guest_ends_it() {
    let (mut world, host, code) = open();
    let (guest, joiner) = admit(&mut world, host, &code);
    let transfer = give(&mut world, guest, joiner);
    world.with(host, |session, now| session.admit_nobody(now));

    let late = world.join(&code);
    assert!(world.run_until(MINUTE, |w| closed(w, late) == Some(Closed::NoRoom)));
    arrives(&mut world, guest, joiner, transfer, MINUTE);
    assert!(closed(&world, host).is_none());

    world.with(joiner, |session, now| session.close(now));
    assert!(world.run_until(MINUTE, |w| closed(w, host) == Some(Closed::Bye)), "{:#?}", world.events());
}

#[test]
fn the_first_alone_is_let_in_unless_told_otherwise_and_who_tries_meanwhile_is_put_out() {
    let mut world = World::new(3, Link::home());
    let host = world.open();
    world.with(host, |session, _| {
        session.admit_several(true);
        session.admit_several(false);
    });
    let code = world.code(host);
    let joiners = [world.join(&code), world.join(&code)];
    world.run(MINUTE);

    let connected = |id: &Id| world.peers[*id].has(|e| *e == Event::Connected);
    assert!(connected(&host) && world.guest(host, joiners[0] as PeerId).is_none());
    assert_eq!(joiners.iter().filter(|id| connected(id)).count(), 1);
    assert!(closed(&world, joiners[1]).is_some(), "{:#?}", world.events());
}

#[test]
fn a_dropped_socket_of_the_opener_delays_those_who_are_coming_in_and_touches_nobody_who_is() {
    for millis in [1, 11, 21, 31, 41, 51, 61, 81] {
        let (mut world, host, code) = open();
        let (guest_a, a) = admit(&mut world, host, &code);
        let to_a = give(&mut world, guest_a, a);
        let b = world.join(&code);
        world.run(Duration::from_millis(millis));
        world.drop_socket(host);

        let connected = |w: &World| w.peers[b].has(|e| *e == Event::Connected);
        assert!(world.run_until(MINUTE, connected), "after {millis} ms: {:#?}", world.events());
        arrives(&mut world, guest_a, a, to_a, MINUTE);
    }
}

#[test]
fn one_who_vanishes_while_coming_in_or_later_is_told_of_and_others_are_not_touched() {
    for millis in [1, 15, 25, 35, 45, 55, 500] {
        let (mut world, host, code) = open();
        let (guest_a, a) = admit(&mut world, host, &code);
        let to_a = give(&mut world, guest_a, a);
        let b = world.join(&code);
        world.run(Duration::from_millis(millis));
        world.kill(b);
        world.run(MINUTE);

        if let Some(guest_b) = world.guest(host, b as PeerId) {
            assert!(closed(&world, guest_b).is_some(), "after {millis} ms: {:#?}", world.events());
        }
        arrives(&mut world, guest_a, a, to_a, MINUTE);
        admit(&mut world, host, &code);
    }
}

#[test]
fn a_server_that_goes_away_ends_the_waiting_and_no_transfer() {
    let (mut world, host, code) = open();
    let (guest, joiner) = admit(&mut world, host, &code);
    let transfer = give(&mut world, guest, joiner);
    world.with(host, |session, now| {
        use beeline_core::wire::signal::{Reason, Refused, ToPeer};
        let refused = Refused { reason: Reason::NoRoom, message: String::new(), retry_ms: None };
        session.handle_socket_message(&ToPeer::from(refused).encode(), now);
    });
    assert_eq!(closed(&world, host), Some(Closed::NoRoom));
    arrives(&mut world, guest, joiner, transfer, MINUTE);
}

#[test]
fn one_in_the_middle_shows_different_words_to_the_receiver_it_deceives() {
    // It knows the code, comes in as a receiver, and poses as the opener in a room of its own.
    let (mut world, host, code) = open();
    let (guest, middle) = admit(&mut world, host, &code);
    let mut other = World::new(4, Link::home());
    let posing = other.open();
    let deceived = {
        let code = other.code(posing);
        other.join(&code)
    };
    assert!(other.run_until(MINUTE, |w| w.peers[deceived].has(|e| *e == Event::Connected)));
    assert_eq!(sas(&world, guest), sas(&world, middle));
    assert_ne!(sas(&world, guest), sas(&other, deceived));
}
