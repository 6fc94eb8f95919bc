//! Meeting: codes, guesses, comparing, hostile servers, lost sockets.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{
    code::Code,
    output::{Closed, Event},
    sas::Sas,
};
use beeline_sim::{Id, Link, World};
use common::*;
use std::time::Duration;

fn world() -> World {
    World::new(1, Link::home())
}

/// Another code of the same room.
fn wrong(code: &Code) -> Code {
    let text = code.to_string();
    let mut parts = text.split('-');
    let nameplate = parts.next().unwrap();
    let other = if parts.next() == Some("zoo") { "able" } else { "zoo" };
    Code::parse(&format!("{nameplate} {other} zebra")).unwrap()
}

fn sas(world: &World, peer: Id) -> Option<Sas> {
    world.peers[peer].events.iter().find_map(|e| match e {
        Event::Sas(sas) => Some(*sas),
        _ => None,
    })
}

#[test]
fn two_peers_with_the_same_code_connect_and_see_the_same_words_and_names() {
    let world = World::connected(1, Link::home());

    assert!(world.peers[0].has(|e| *e == Event::Peer { name: "joiner".into() }));
    assert!(world.peers[1].has(|e| *e == Event::Peer { name: "opener".into() }));
    assert!(sas(&world, 0).is_some());
    assert_eq!(sas(&world, 0), sas(&world, 1));
}

#[test]
fn a_wrong_code_is_said_on_both_sides_within_two_seconds_and_the_right_one_still_works() {
    let mut world = world();
    let opener = world.open();
    let code = world.code(opener);
    let start = world.now();

    let guesser = world.join(&wrong(&code));
    assert!(world.run_until(MINUTE, |w| closed(w, guesser) == Some(Closed::WrongCode { left: 2 })
        && w.peers[opener].has(|e| *e == Event::WrongGuess { left: 2 })));
    assert!(world.now().since(start) < Duration::from_secs(2));

    let friend = world.join(&code);
    assert!(world.run_until(MINUTE, |w| w.peers[friend].has(|e| *e == Event::Connected)));
}

#[test]
fn the_third_wrong_guess_burns_the_code_even_where_the_server_lets_anybody_in_for_ever() {
    let mut world = world();
    world.hub.ignores_lock = true;
    let opener = world.open();
    let code = world.code(opener);

    for left in [2, 1, 0] {
        let guesser = world.join(&wrong(&code));
        assert!(world.run_until(MINUTE, |w| closed(w, guesser) == Some(Closed::WrongCode { left })));
    }

    assert!(world.run_until(MINUTE, |w| closed(w, opener) == Some(Closed::Burnt)));
    let late = world.join(&code);
    world.run(MINUTE);
    assert!(
        !world.peers[late].has(|e| matches!(e, Event::Peer { .. })),
        "even the right code comes too late"
    );
}

#[test]
fn a_joiner_that_only_takes_the_openers_message_costs_no_guess_and_is_put_out() {
    let mut world = world();
    let opener = world.open();
    let code = world.code(opener);
    for _ in 0..5 {
        let silent = world.join(&code);
        world.run(Duration::from_millis(1));
        world.kill(silent);
        world.run(Duration::from_secs(30));
    }

    let friend = world.join(&code);
    assert!(
        world.run_until(MINUTE, |w| w.peers[friend].has(|e| *e == Event::Connected)),
        "{:#?}",
        world.events()
    );
    assert!(!world.peers[opener].has(|e| matches!(e, Event::WrongGuess { .. })));
}

#[test]
fn a_server_that_changes_sealed_messages_is_noticed_by_both_sides() {
    for changed in [0, 1] {
        let mut world = world();
        // 0x15 is a sealed message; its last byte is of the authentication tag.
        world.hub.tamper = Some(match changed {
            0 => |from, body| {
                if from == 0 && body[0] == 0x15 {
                    *body.last_mut().unwrap() ^= 1
                }
            },
            _ => |from, body| {
                if from != 0 && body[0] == 0x15 {
                    *body.last_mut().unwrap() ^= 1
                }
            },
        });
        let opener = world.open();
        let code = world.code(opener);
        let joiner = world.join(&code);
        world.run(MINUTE);

        for peer in [opener, joiner] {
            let said = closed(&world, peer).expect("ended").to_string();
            assert!(said.contains("tampered"), "{said}");
        }
    }
}

#[test]
fn a_server_that_changes_the_version_lists_gets_no_meeting() {
    let mut world = world();
    world.hub.versions = Some(vec![9, 1]);
    let opener = world.open();
    let code = world.code(opener);
    let joiner = world.join(&code);
    world.run(MINUTE);

    assert!(!world.peers[joiner].has(|e| matches!(e, Event::Peer { .. })));
    assert!(!world.peers[opener].has(|e| matches!(e, Event::Peer { .. })));
}

#[test]
fn sides_without_a_common_version_say_which_one_to_update() {
    let mut world = world();
    world.hub.versions = Some(vec![9]);
    let opener = world.open();
    let code = world.code(opener);
    let joiner = world.join(&code);
    world.run(MINUTE);

    let said = closed(&world, joiner).expect("ended").to_string();
    assert!(said.contains("update this side"), "{said}");
}

#[test]
fn an_empty_room_is_told_apart_from_nothing() {
    let mut world = world();
    let joiner = world.join(&Code::parse("7-guitar-sunset").unwrap());
    assert!(world.run_until(MINUTE, |w| closed(w, joiner) == Some(Closed::NoRoom)));
}

#[test]
fn sockets_that_drop_while_waiting_and_meeting_are_opened_again() {
    for millis in [0, 1, 5, 11, 16, 21, 26, 31, 36, 41, 46, 51, 61] {
        let mut world = world();
        let opener = world.open();
        let code = world.code(opener);
        let joiner = world.join(&code);
        world.run(Duration::from_millis(millis));
        // A joiner that dropped before it was confirmed is put out: it would have to guess again.
        let peer = if millis > 40 { joiner } else { opener };
        world.drop_socket(peer);

        let connected =
            |w: &World| [opener, joiner].iter().all(|p| w.peers[*p].has(|e| *e == Event::Connected));
        assert!(world.run_until(MINUTE, connected), "after {millis} ms: {:#?}", world.events());
    }
}

#[test]
fn a_peer_that_leaves_before_the_connection_is_seen_to() {
    let mut world = world();
    let opener = world.open();
    let code = world.code(opener);
    let joiner = world.join(&code);
    world.run_until(MINUTE, |w| w.peers[opener].has(|e| matches!(e, Event::Peer { .. })));
    world.with(joiner, |session, now| session.close(now));

    assert!(
        world.run_until(Duration::from_secs(15), |w| closed(w, opener).is_some()),
        "{:#?}",
        world.events()
    );
}

#[test]
fn a_server_gets_one_proof_of_the_words_from_a_joiner_whatever_it_repeats() {
    use beeline_core::{
        output::Output,
        session::{Config, LaneRules, Session},
        time::Time,
        wire::{
            meeting::{Meeting, PakeOpener},
            signal::{Joined, Message, Post, Reason, Refused, ToPeer, ToServer},
        },
    };
    fn proofs(session: &mut Session) -> usize {
        let mut proofs = 0;
        loop {
            match session.poll_output() {
                Output::Signal(message) => {
                    if let Ok(Some(ToServer::Post(Post { body, .. }))) = ToServer::decode(&message) {
                        proofs += usize::from(matches!(
                            Meeting::decode(&body),
                            Ok(Some(Meeting::JoinerConfirm(_)))
                        ));
                    }
                }
                Output::Wait(_) => return proofs,
                _ => {}
            }
        }
    }
    let now = Time::default();
    let code = Code::parse("7-guitar-sunset").unwrap();
    let mut joiner = Session::join(
        Config {
            name: String::new(),
            seed: [3; 32],
            media: false,
            throttled: false,
            lanes: LaneRules::default(),
        },
        &code,
        now,
    );
    // Any message of the opener's side will do: that of somebody who guesses other words.
    let (password, joiners, openers) = (
        spake2::Password::new(b"abandon-abandon"),
        spake2::Identity::new(b"beeline joiner"),
        spake2::Identity::new(b"beeline opener"),
    );
    let random = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([1; 32]);
    let guess =
        spake2::Spake2::<spake2::Ed25519Group>::start_b_with_rng(&password, &joiners, &openers, random).1;

    let mut count = proofs(&mut joiner);
    for seq in 1..=20 {
        let (versions, suites) = (vec![1], vec![1]);
        let joined = Joined { peer: 1, token: [1; 16], ice: vec![], build: String::new(), versions, suites };
        let body = Meeting::from(PakeOpener { message: guess.clone() }).encode();
        let refused = Refused { reason: Reason::Draining, message: String::new(), retry_ms: Some(0) };
        joiner.handle_socket_open(now);
        for message in [joined.into(), Message { from: 0, seq, ack: 0, body }.into(), ToPeer::from(refused)] {
            joiner.handle_socket_message(&message.encode(), now);
            count += proofs(&mut joiner);
        }
        joiner.handle_timeout(now);
        count += proofs(&mut joiner);
    }
    assert_eq!(count, 1);
}

#[test]
fn a_side_that_withholds_its_nonce_gets_nothing() {
    let mut world = world();
    // The joiner's last sealed message of the meeting is its nonce; the server may hold it back as well as the joiner.
    world.hub.tamper = Some(|from, body| {
        thread_local!(static SEEN: std::cell::Cell<u32> = const { std::cell::Cell::new(0) });
        if from != 0 && body[0] == 0x15 {
            SEEN.set(SEEN.get() + 1);
            if SEEN.get() > 2 {
                *body = vec![0x80];
            }
        }
    });
    let opener = world.open();
    offer(&mut world, opener, &[("secret", 10)]);
    let code = world.code(opener);
    let joiner = world.join(&code);
    world.run(MINUTE);
    assert!(sas(&world, opener).is_none());
    assert!(!world.peers[joiner].has(|e| matches!(e, Event::Offered { .. })), "{:#?}", world.events());
}
