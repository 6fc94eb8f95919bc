//! Who gets into a room, and how long it lives.
use super::*;

#[test]
fn missing_full_locked_and_expired_rooms_answer_alike() {
    let mut world = World::new();
    let (_, full) = world.open();
    world.join(&full);
    let (locker, locked) = world.open();
    world.say(locker, Lock {});
    let (expiring, expired) = world.open();
    world.cut(expiring);
    world.pass(61);

    let answers = [Some(999_999_999), full.nameplate, locked.nameplate, expired.nameplate]
        .map(|number| world.ask_to_join(Locator::Nameplate(number.unwrap())).1);

    assert!(
        matches!(&answers[0][..], [ToPeer::Refused(r)] if r.reason == Reason::NoRoom && r.retry_ms.is_none())
    );
    assert!(answers.iter().all(|a| *a == answers[0]));
}

#[test]
fn a_lock_keeps_newcomers_out_and_peers_in() {
    let mut world = World::new();
    let (a, opened) = world.open_with(None, 2);
    let (b, joined) = world.join(&opened);
    world.say(a, Lock {});

    let (_, answer) = world.ask_to_join(Locator::Nameplate(opened.nameplate.unwrap()));
    assert!(matches!(&answer[..], [ToPeer::Refused(_)]));
    world.cut(b);
    world.pass(599);
    let b = world.resume(joined.token, &[]);
    world.heard(a);
    world.post(b, 0, 1, 0);
    assert_eq!(world.heard(a), [message(1, 1, 0)]);
}

#[test]
fn a_dismissed_joiner_gets_what_was_posted_and_goes() {
    let mut world = World::new();
    let (a, opened, b, _) = world.pair();
    world.post(a, 1, 1, 0);

    world.say(a, Dismiss { peer: 1 });
    world.say(a, Dismiss { peer: 1 });

    let heard = world.heard(b);
    assert_eq!(heard[0], message(0, 1, 0));
    assert!(matches!(&heard[1], ToPeer::Refused(r) if r.reason == Reason::Dismissed));
    assert!(world.closed.contains(&b));
    assert_eq!(world.join(&opened).1.peer, 2, "its seat is free, its id is not used again");
}

#[test]
fn a_joiner_dismissed_while_away_hears_of_it_when_it_comes_back() {
    let mut world = World::new();
    let (a, opened, b, joined) = world.pair();
    world.cut(b);
    world.post(a, 1, 1, 0);
    world.say(a, Dismiss { peer: 1 });
    world.join(&opened);
    world.heard(a);

    let b = world.resume(joined.token, &[]);

    let heard = world.heard(b);
    assert_eq!(heard[2], message(0, 1, 0));
    assert!(matches!(heard.last(), Some(ToPeer::Refused(r)) if r.reason == Reason::Dismissed));
    assert_eq!(world.heard(a), [], "the opener is not told of somebody it put out");
    let b = world.resume(joined.token, &[]);
    assert_eq!(world.is_refused(b), Some(Reason::NoRoom));
}

#[test]
fn the_opener_ends_the_room_when_it_leaves() {
    let mut world = World::new();
    let (a, opened, b, joined) = world.pair();

    world.say(a, Leave {});

    assert_eq!(world.heard(b), [state(0, Presence::Left)]);
    world.post(b, 0, 1, 0);
    assert_eq!(world.heard(b), [], "what comes after the end is ignored");
    world.pass(10);
    assert!(world.closed.contains(&b));
    for token in [opened.token, joined.token] {
        let socket = world.resume(token, &[]);
        assert_eq!(world.is_refused(socket), Some(Reason::NoRoom));
    }
}

#[test]
fn rooms_die_a_minute_after_the_last_socket_and_later_if_locked() {
    let mut world = World::new();
    let (a, opened) = world.open();
    let (c, locked) = world.open();
    world.say(c, Lock {});
    world.cut(a);
    world.cut(c);

    world.pass(59);
    assert_eq!(world.rooms.rooms.len(), 2);
    world.pass(1);
    assert_eq!(world.rooms.rooms.len(), 1);
    let a = world.resume(opened.token, &[]);
    assert_eq!(world.is_refused(a), Some(Reason::NoRoom));
    world.pass(539);
    let c = world.resume(locked.token, &[]);
    assert!(matches!(world.heard(c)[..], [ToPeer::Resumed(_)]));
    world.cut(c);
    world.pass(600);
    assert_eq!(
        (world.rooms.rooms.len(), world.rooms.by_token.len(), world.rooms.by_locator.len()),
        (0, 0, 0)
    );
}

#[test]
fn a_code_lives_a_day_and_a_meeting_longer() {
    let mut world = World::new();
    let (alone, code) = world.open();
    let (a, _, b, _) = world.pair();

    world.pass(24 * 3600);

    assert_eq!(world.is_refused(alone), Some(Reason::NoRoom));
    let (_, answer) = world.ask_to_join(Locator::Nameplate(code.nameplate.unwrap()));
    assert!(matches!(&answer[..], [ToPeer::Refused(_)]));
    world.post(a, 1, 1, 0);
    assert_eq!(world.heard(b), [message(0, 1, 0)]);

    // Once nobody is in it any more, an opener that goes on waiting would do so for ever.
    world.say(b, Leave {});
    world.pass(1);
    assert_eq!(world.is_refused(a), Some(Reason::NoRoom));
}

#[test]
fn an_absent_opener_keeps_its_code_for_a_minute() {
    let mut world = World::new();
    let (a, opened) = world.open_with(None, 3);
    let (_b, _) = world.join(&opened);
    world.cut(a);
    world.pass(60);
    let (_, heard) = world.ask_to_join(Locator::Nameplate(opened.nameplate.unwrap()));
    assert!(matches!(&heard[..], [ToPeer::Joined(_), ToPeer::PeerState(s)] if s.presence == Presence::Away));

    world.pass(1);

    let (_, heard) = world.ask_to_join(Locator::Nameplate(opened.nameplate.unwrap()));
    assert!(matches!(&heard[..], [ToPeer::Refused(_)]));
}

#[test]
fn a_room_with_a_resume_id_can_be_made_again_when_its_opener_is_away() {
    let mut world = World::new();
    let id = Locator::Resume([7; 16]);
    let (a, opened) = world.open_with(Some(id.clone()), 1);
    assert_eq!(opened.nameplate, None);
    let (b, heard) = world.ask_to_join(id.clone());
    assert!(matches!(heard[..], [ToPeer::Joined(_)]));

    let second = world.connect();
    world.say(second, Open { versions: vec![1], suites: vec![1], locator: Some(id.clone()), joiners: 1 });
    assert_eq!(world.is_refused(second), Some(Reason::NoRoom), "its opener is here");
    world.cut(a);
    world.heard(b);
    let (a, again) = world.open_with(Some(id.clone()), 1);

    assert_ne!(again.token, opened.token);
    assert_eq!(world.heard(b), [state(0, Presence::Left)]);
    let old = world.resume(opened.token, &[]);
    assert_eq!(world.is_refused(old), Some(Reason::NoRoom));
    let (_, heard) = world.ask_to_join(id);
    assert!(matches!(heard[..], [ToPeer::Joined(_)]));
    assert!(matches!(world.heard(a)[..], [ToPeer::PeerJoined(_)]));
}
