//! A call beside the transfer: connection 0 changes while files move, whatever the path and the other side do.
mod common;
use beeline_core::{
    output::{Closed, Event, NotNegotiated},
    rtc::Channel,
};
use beeline_sim::{Link, World};
use common::*;
use std::time::Duration;

fn sees(world: &World) -> [bool; 2] {
    [world.peers[0].sees_media, world.peers[1].sees_media]
}

/// Connected, and each side knows that the other can take a call.
fn world(seed: u64) -> World {
    let mut world = World::connected(seed, Link::home());
    let can_call = |w: &World| w.peers.iter().all(|peer| peer.has(|event| *event == Event::CanCall));
    assert!(world.run_until(MINUTE, can_call), "{:#?}", world.events());
    world
}

fn connected_without_media() -> World {
    let mut world = World::new(1, Link::home());
    let opener = world.open();
    let code = world.code(opener);
    world.media = false;
    let joiner = world.join(&code);
    let both = |w: &World| [opener, joiner].iter().all(|p| w.peers[*p].has(|e| *e == Event::Connected));
    assert!(world.run_until(MINUTE, both), "{:#?}", world.events());
    world
}

#[test]
fn both_sides_add_a_camera_in_the_same_instant_while_files_move_both_ways() {
    let mut world = world(1);
    let there = send(&mut world, 0, 1, &[("a", 20 * MIB)], any());
    let back = send(&mut world, 1, 0, &[("b", 20 * MIB)], any());

    world.send_media(0, true);
    world.send_media(1, true);
    assert!(world.run_until(Duration::from_secs(2), |w| sees(w) == [true, true]), "{:#?}", world.events());

    arrives(&mut world, 0, 1, there, MINUTE);
    arrives(&mut world, 1, 0, back, MINUTE);
    world.send_media(0, false);
    assert!(world.run_until(Duration::from_secs(2), |w| sees(w) == [true, false]));
    world.send_media(1, false);
    assert!(world.run_until(Duration::from_secs(2), |w| sees(w) == [false, false]));
}

#[test]
fn a_call_needs_no_server() {
    let mut world = world(2);
    world.server_delay = Duration::from_secs(3600);

    world.send_media(1, true);

    assert!(world.run_until(Duration::from_secs(2), |w| sees(w) == [true, false]), "{:#?}", world.events());
}

#[test]
fn a_call_that_is_begun_while_the_path_is_lost_is_there_when_it_is_back() {
    let mut world = world(3);
    world.link.cut_until = world.now() + Duration::from_secs(40);
    world.run(Duration::from_millis(100));
    world.send_media(0, true); // its offer is on the way when the path is lost
    world.run(Duration::from_secs(8));
    assert!(world.peers[1].has(|event| *event == Event::PathLost));
    world.send_media(1, true);

    let both = |w: &World| sees(w) == [true, true];
    assert!(world.run_until(Duration::from_secs(40), both), "by the room: {:#?}", world.events());
    world.run(MINUTE);

    assert!(world.peers.iter().all(|peer| peer.has(|event| *event == Event::PathBack)));
    let transfer = send(&mut world, 0, 1, &[("a", MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
    world.send_media(0, false);
    assert!(world.run_until(Duration::from_secs(2), |w| sees(w) == [true, false]));
}

#[test]
fn a_side_that_takes_no_media_is_not_offered_any() {
    let mut world = connected_without_media();

    world.send_media(0, true);
    world.send_media(1, true);
    world.run(MINUTE);

    assert_eq!(sees(&world), [false, false]);
    assert!(!world.peers.iter().any(|peer| peer.has(|event| *event == Event::CanCall)));
}

#[test]
fn a_side_that_takes_no_media_refuses_what_is_offered_all_the_same() {
    use beeline_core::wire::control::{Control, Hello};
    let mut world = connected_without_media();
    // The other side believes, wrongly, that media can be taken.
    let hello = Hello { max_frame: 65_536, lanes: 1, media: Some(true) };
    world.inject(0, Channel::Control, Control::from(hello).encode());
    world.run(Duration::from_millis(10));

    world.send_media(0, true);
    world.run(Duration::from_secs(2));

    assert!(!sees(&world)[1], "its WebRTC never hears of it");
    let refused = |e: &Event| matches!(e, Event::NotNegotiated(NotNegotiated::Refused(_)));
    assert!(world.peers[0].has(refused), "{:#?}", world.events());
    let transfer = send(&mut world, 0, 1, &[("a", MIB)], any());
    arrives(&mut world, 0, 1, transfer, MINUTE);
}

#[test]
fn a_sealed_message_that_does_not_open_ends_the_session_where_only_the_other_side_can_have_sent_it() {
    use beeline_core::wire::control::{Control, Negotiate};
    let mut world = world(4);

    let frame = Negotiate { number: 3, bytes: vec![7; 40] };
    world.inject(0, Channel::Control, Control::from(frame).encode());
    world.run(Duration::from_secs(5));

    assert!(matches!(closed(&world, 0), Some(Closed::Protocol(_))), "{:#?}", world.events());
}
