//! What a hostile peer or server may say: refused in words, never a panic, never a byte under a final name.
#![allow(clippy::unwrap_used, reason = "a helper of a test may unwrap as the test does")]
mod common;
use beeline_core::{
    output::*,
    rtc::Channel,
    wire::{
        control::{self, BlockDigests, BlockRun, CancelReason, Control, Entry, FileRoot},
        data::{self, Run},
    },
};
use beeline_sim::{Link, World};
use common::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};
use std::time::Duration;

/// Peer 1 has accepted one file of 3 MiB; peer 0's disk is stuck, so nothing moves by itself.
fn receiving() -> (World, TransferId) {
    let mut world = World::connected(1, Link::home());
    let transfer = offer(&mut world, 0, &[("a", 3 * MIB), ("b", 5), ("f/", 0)]);
    let how = Acceptance { window: 2 << 20, ..any() };
    accept(&mut world, 1, transfer, how);
    (world, transfer)
}

fn says(world: &mut World, to: usize, frame: impl Into<Control>) -> Option<Closed> {
    world.inject(to, Channel::Control, frame.into().encode());
    world.run(Duration::from_millis(1));
    closed(world, to)
}

fn data_frame(transfer: TransferId, run: Run) -> Vec<u8> {
    let mut frame = Vec::new();
    data::start(transfer, 0, &mut frame);
    data::run(&run, &vec![1; run.len as usize], &mut frame);
    frame
}

fn is_broken(closed: &Option<Closed>) -> bool {
    matches!(closed, Some(Closed::Protocol(_)))
}

#[test]
fn frames_out_of_turn_end_the_session_in_words() {
    let transfer = 0;
    let frames: Vec<Control> = vec![
        control::Offer { transfer: 0, entries: 1, text: None }.into(), // offered already
        control::Offer { transfer: 1, entries: 1, text: None }.into(), // the receiver's own numbers
        control::Page { transfer, entries: vec![] }.into(),
        control::Accept { transfer, sequential: false, grant: 0, held: vec![] }.into(),
        control::Grant { transfer: 77, position: 0 }.into(),
        control::Digests {
            transfer,
            digests: vec![BlockDigests { file: 9, first: 0, digests: vec![0; 32] }],
        }
        .into(),
        control::Digests {
            transfer,
            digests: vec![BlockDigests { file: 0, first: 3, digests: vec![0; 32] }],
        }
        .into(),
        control::Digests {
            transfer,
            digests: vec![BlockDigests { file: 0, first: 0, digests: vec![0; 31] }],
        }
        .into(),
        control::Digests {
            transfer,
            digests: vec![BlockDigests { file: 0, first: u32::MAX, digests: vec![0; 32] }],
        }
        .into(),
        control::FileEnd { transfer, file: 0, len: 5 }.into(),
        control::FileEnd { transfer, file: 77, len: u64::MAX }.into(),
        control::Cancel { transfer: 70, reason: CancelReason::Person, message: String::new() }.into(),
        control::Done { transfer: 99 }.into(),
        control::Pause { transfer: 99, paused: true }.into(),
    ];
    for frame in frames {
        let (mut world, _) = receiving();
        let said = says(&mut world, 1, frame.clone());
        assert!(is_broken(&said), "{frame:?}: {said:?}");
        assert!(world.peers[1].disk.finals.keys().all(|path| path.as_str() != "a"));
    }
}

#[test]
fn frames_that_come_together_count_as_if_each_came_alone() {
    let ping = || Control::from(control::Ping {}).encode();
    let together = |frames: Vec<Vec<u8>>| control::Together { frames };

    let (mut world, _) = receiving();
    assert_eq!(says(&mut world, 1, together(vec![ping(), vec![0x80, 0xff], ping()])), None);
    let nested = Control::from(together(vec![ping()])).encode();
    let said = says(&mut world, 1, together(vec![ping(), nested]));
    assert_eq!(said, Some(Closed::Protocol("frames within frames".into())));

    let (mut world, _) = receiving();
    assert!(is_broken(&says(&mut world, 1, together(vec![vec![0x7f, 0xa0], ping()]))));

    let (mut world, _) = receiving();
    let bye = Control::from(control::Bye {}).encode();
    let late = Control::from(control::Offer { transfer: 7, entries: 0, text: Some("late".into()) }).encode();
    says(&mut world, 1, together(vec![bye, late]));
    assert!(!world.peers[1].has(|e| matches!(e, Event::Text { .. })), "{:#?}", world.events());
}

#[test]
fn a_sender_is_not_fooled_by_a_hostile_receiver() {
    let run = |file, first, count| BlockRun { file, first, count };
    let frames: Vec<Control> = vec![
        control::Accept { transfer: 0, sequential: false, grant: 0, held: vec![] }.into(), // twice
        control::Grant { transfer: 0, position: 1 }.into(),                                // taken back
        control::Acks { transfer: 0, blocks: vec![run(0, 3, 1)] }.into(),
        control::Acks { transfer: 0, blocks: vec![run(0, u32::MAX, u32::MAX)] }.into(),
        control::Acks { transfer: 0, blocks: vec![run(9, 0, 1)] }.into(),
        control::Resend { transfer: 0, file: 0, block: 3 }.into(),
        control::Resend { transfer: 0, file: 9, block: 0 }.into(),
        control::Complete { transfer: 0, files: vec![FileRoot { file: 2, root: [0; 32] }] }.into(), // a folder
        control::Complete { transfer: 0, files: vec![FileRoot { file: 9, root: [0; 32] }] }.into(),
        control::Done { transfer: 0 }.into(), // nothing is complete
    ];
    for frame in frames {
        let (mut world, _) = receiving();
        world.run(Duration::from_millis(60));
        let said = says(&mut world, 0, frame.clone());
        assert!(is_broken(&said), "{frame:?}: {said:?}");
        assert!(!world.peers[0].has(|e| matches!(e, Event::Done(_))));
    }
}

#[test]
fn a_root_that_differs_from_what_was_sent_is_no_success() {
    let mut world = World::connected(2, Link::home());
    let transfer = send(&mut world, 0, 1, &[("a", 100)], any());
    world.run(Duration::from_millis(30));
    says(&mut world, 0, control::Complete { transfer: 0, files: vec![FileRoot { file: 0, root: [9; 32] }] });
    world.run(Duration::from_secs(10));
    assert!(!world.peers[0].has(|e| *e == Event::Done(transfer)));
}

#[test]
fn bytes_that_were_not_offered_or_not_granted_end_the_session() {
    let transfer = TransferId(0);
    let runs = [
        Run { file: FileIndex(0), offset: 3 << 20, len: 1 }, // behind the end
        Run { file: FileIndex(1), offset: 0, len: 6 },       // longer than it said
        Run { file: FileIndex(2), offset: 0, len: 1 },       // a folder
        Run { file: FileIndex(3), offset: 0, len: 1 },       // no such entry
        Run { file: FileIndex(0), offset: 1 << 51, len: 1 },
    ];
    for run in runs {
        let (mut world, _) = receiving();
        world.inject(1, Channel::Data, data_frame(transfer, run));
        world.run(Duration::from_millis(1));
        assert!(is_broken(&closed(&world, 1)), "{run:?}");
    }
    let mut world = World::connected(1, Link::new(1000, Duration::from_millis(1)));
    let transfer = offer(&mut world, 0, &[("a", 100 * MIB)]);
    accept(&mut world, 1, transfer, any());
    world.inject(
        1,
        Channel::Data,
        data_frame(transfer, Run { file: FileIndex(0), offset: 50 << 20, len: 9 }),
    );
    world.run(Duration::from_millis(1));
    assert_eq!(closed(&world, 1), Some(Closed::Protocol("more bytes than were granted".into())));
}

#[test]
fn offers_that_cannot_be_taken_are_declined_and_the_session_lives_on() {
    let entry = |path: &str, size| Entry {
        path: path.into(),
        folder: false,
        size,
        modified: None,
        executable: false,
    };
    let offers: Vec<(u32, Vec<Entry>)> = vec![
        (1_000_000, vec![]),
        (1, vec![entry("../../etc/passwd", Some(1))]),
        (1, vec![entry("/etc/passwd", Some(1))]),
        (1, vec![entry("a\u{1b}[2Jb", Some(1))]),
        (1, vec![entry("con.txt", Some(1))]),
        (1, vec![entry("a", Some(u64::MAX))]),
        (2, vec![entry("a", Some(1)), entry("a", Some(1))]),
        (2, vec![entry("a", Some(1)), entry("a/b", Some(1))]),
        (2, vec![entry("a", Some(1 << 52)), entry("b", Some(1 << 52))]),
        (2, vec![entry("a", None), entry("b", Some(1))]),
    ];
    let mut world = World::connected(3, Link::home());
    let mut refused = 0;
    for (number, (entries, page)) in offers.into_iter().enumerate() {
        let transfer = 100 + 2 * number as u32;
        let may_pass = entries == 2 && page[0].size == Some(1 << 52);
        world.inject(
            1,
            Channel::Control,
            Control::from(control::Offer { transfer, entries, text: None }).encode(),
        );
        if !page.is_empty() {
            world.inject(
                1,
                Channel::Control,
                Control::from(control::Page { transfer, entries: page }).encode(),
            );
        }
        world.run(Duration::from_millis(1));
        let failed = |e: &Event| matches!(e, Event::Failed { transfer: t, .. } if t.0 == transfer);
        assert!(may_pass || world.peers[1].has(failed), "offer {number}");
        refused += 1;
    }
    assert_eq!(refused, 10);
    assert!(closed(&world, 1).is_none());
}

#[test]
fn a_flood_of_offers_is_bounded() {
    let mut world = World::connected(4, Link::home());
    for number in 0..200 {
        let offer = control::Offer { transfer: 2 * number, entries: 5, text: None };
        world.inject(1, Channel::Control, Control::from(offer).encode());
    }
    world.run(Duration::from_millis(1));
    assert!(closed(&world, 1).is_none());
    assert!(!world.peers[1].has(|e| matches!(e, Event::Offered { .. })));
}

#[test]
fn garbage_on_any_channel_never_panics() {
    let mut random = ChaCha20Rng::seed_from_u64(5);
    for round in 0..400 {
        let (mut world, transfer) = receiving();
        world.run(Duration::from_millis(u64::from(random.next_u32() % 100)));
        for _ in 0..20 {
            let to = (random.next_u32() % 2) as usize;
            let channel = if random.next_u32() % 2 == 0 { Channel::Control } else { Channel::Data };
            let mut bytes = match round % 3 {
                0 => vec![0; (random.next_u32() % 64) as usize],
                1 => data_frame(transfer, Run { file: FileIndex(random.next_u32() % 3), offset: 0, len: 5 }),
                _ => Control::from(control::Acks {
                    transfer: random.next_u32() % 3,
                    blocks: vec![BlockRun {
                        file: random.next_u32() % 4,
                        first: random.next_u32() % 5,
                        count: 1,
                    }],
                })
                .encode(),
            };
            if round % 3 == 0 {
                random.fill_bytes(&mut bytes);
            } else if !bytes.is_empty() {
                let at = random.next_u32() as usize % bytes.len();
                bytes[at] ^= 1 << (random.next_u32() % 8);
            }
            world.inject(to, channel, bytes);
        }
        world.run(Duration::from_secs(30));
    }
}

#[test]
fn garbage_from_the_server_never_panics() {
    let mut random = ChaCha20Rng::seed_from_u64(6);
    for _ in 0..300 {
        let mut world = World::new(7, Link::home());
        let opener = world.open();
        let code = world.code(opener);
        let joiner = world.join(&code);
        world.run(Duration::from_millis(u64::from(random.next_u32() % 60)));
        let mut bytes = vec![0; (random.next_u32() % 48) as usize];
        random.fill_bytes(&mut bytes);
        if let Some(first) = bytes.first_mut().filter(|_| random.next_u32() % 4 != 0) {
            *first = 0x41 + (random.next_u32() % 8) as u8;
        }
        for peer in [opener, joiner] {
            world.with(peer, |session, now| session.handle_socket_message(&bytes, now));
        }
        world.run(Duration::from_secs(60));
    }
}

#[test]
fn the_same_block_asked_for_again_and_again_is_sent_once_more() {
    let mut world = World::connected(1, Link::home());
    let transfer = offer(&mut world, 0, &[("a", 8 * MIB)]);
    accept(&mut world, 1, transfer, any());
    world.run(Duration::from_millis(60));
    for block in [0, 0, 0, 1, 7, 7] {
        let resend = control::Resend { transfer: 0, file: 0, block };
        world.inject(0, Channel::Control, Control::from(resend).encode());
    }
    arrives(&mut world, 0, 1, transfer, MINUTE);
}

/// What a hostile sender says to peer 1, which has accepted one stream.
fn hostile_stream(size: Option<u64>) -> World {
    let mut world = World::connected(1, Link::home());
    world.kill(0);
    let entry = Entry { path: "s".into(), folder: false, size, modified: None, executable: false };
    let frames: [Control; 2] = [
        control::Offer { transfer: 0, entries: 1, text: None }.into(),
        control::Page { transfer: 0, entries: vec![entry] }.into(),
    ];
    for frame in frames {
        world.inject(1, Channel::Control, frame.encode());
        world.run(Duration::from_millis(5));
    }
    world.with(1, |session, now| session.accept(TransferId(0), any(), now));
    world
}

#[test]
fn the_end_of_a_stream_does_not_hide_a_missing_block() {
    use beeline_core::digest::BlockDigest;
    let mut world = hostile_stream(None);
    let block = vec![1u8; MIB];
    for index in 1..3 {
        let digest = BlockDigest::of(&block, index, false);
        let digests = vec![BlockDigests { file: 0, first: index, digests: digest.0.to_vec() }];
        world.inject(1, Channel::Control, Control::from(control::Digests { transfer: 0, digests }).encode());
        for at in (0..MIB as u64).step_by(32_768) {
            let offset = (u64::from(index) << 20) + at;
            let run = Run { file: FileIndex(0), offset, len: 32_768 };
            world.inject(1, Channel::Data, data_frame(TransferId(0), run));
        }
        world.run(Duration::from_millis(20));
    }
    let end = control::FileEnd { transfer: 0, file: 0, len: 2 << 20 };
    world.inject(1, Channel::Control, Control::from(end).encode());
    world.run(Duration::from_millis(100));
    assert!(is_broken(&closed(&world, 1)), "{:#?}", world.events());
    assert!(world.peers[1].disk.finals.is_empty(), "a file with a hole");
}

#[test]
fn a_block_in_a_thousand_pieces_is_refused() {
    let mut world = hostile_stream(Some(1 << 20));
    let mut frame = Vec::new();
    data::start(TransferId(0), 0, &mut frame);
    for piece in 0..2000 {
        data::run(&Run { file: FileIndex(0), offset: piece * 2, len: 1 }, &[1], &mut frame);
    }
    world.inject(1, Channel::Data, frame);
    world.run(Duration::from_millis(1));
    assert!(is_broken(&closed(&world, 1)));
}

#[test]
fn a_peer_that_asks_and_never_reads_is_not_served_for_ever() {
    let mut world = World::connected(8, Link::new(1000, Duration::from_millis(1)));
    for number in 0..2_000_000u32 {
        let text = control::Offer { transfer: 2 * number, entries: 0, text: Some(String::new()) };
        let now = world.now();
        let session = &mut world.peers[1].session;
        session.handle_message(
            beeline_core::rtc::LaneId::FIRST,
            Channel::Control,
            &Control::from(text).encode(),
            now,
        );
        if session.is_closed() {
            return;
        }
    }
    panic!("still served");
}
