//! Messages from peer to peer: each once and in order, over whatever sockets.
use super::*;

#[test]
fn two_peers_meet_and_talk() {
    let mut world = World::new();
    let (a, opened, b, joined) = world.pair();
    assert_eq!((joined.peer, joined.versions, joined.build.as_str()), (1, vec![1], "test"));
    assert_ne!(opened.token, joined.token);

    world.post(a, 1, 1, 0);
    world.post(b, 0, 1, 1);
    world.say(a, Ack { peer: 1, seq: 1 });

    assert_eq!(world.heard(b), [message(0, 1, 0), Acked { peer: 0, seq: 1 }.into()]);
    assert_eq!(world.heard(a), [message(1, 1, 1)]);
}

#[test]
fn a_repetition_is_dropped_but_its_acknowledgement_counts() {
    let mut world = World::new();
    let (a, _, b, _) = world.pair();
    world.post(a, 1, 1, 0);
    world.post(b, 0, 1, 0);
    world.heard(a);
    world.heard(b);

    world.post(b, 0, 1, 1);
    world.post(b, 0, 1, 1);

    assert_eq!(world.heard(a), [Acked { peer: 1, seq: 1 }.into()]);
    assert_eq!(world.heard(b), []);
}

#[test]
fn a_gap_is_refused_and_the_seat_waits() {
    let mut world = World::new();
    let (a, _, b, joined) = world.pair();

    world.post(b, 0, 2, 0);

    assert_eq!(world.is_refused(b), Some(Reason::BadMessage));
    assert_eq!(world.heard(a), [state(1, Presence::Away)]);
    world.cut(b);
    let b = world.resume(joined.token, &[]);
    assert!(matches!(world.heard(b)[0], ToPeer::Resumed(_)));
}

#[test]
fn a_dropped_socket_resumes_where_it_was() {
    let mut world = World::new();
    let (a, _, b, joined) = world.pair();
    world.post(a, 1, 1, 0);
    world.post(b, 0, 1, 1);
    world.cut(b);
    world.post(a, 1, 2, 1);
    world.post(a, 1, 3, 1);

    let b = world.resume(joined.token, &[(0, 1)]);

    let resumed = Resumed { accepted: vec![Cursor { peer: 0, seq: 1 }], ice: vec![] };
    assert_eq!(
        world.heard(b),
        [
            resumed.into(),
            state(0, Presence::Here),
            message(0, 2, 1),
            message(0, 3, 1),
            Acked { peer: 0, seq: 1 }.into()
        ]
    );
    let heard = world.heard(a);
    assert_eq!(heard[heard.len() - 2..], [state(1, Presence::Away), state(1, Presence::Here)]);
}

#[test]
fn what_is_not_acknowledged_is_sent_again_until_it_is() {
    let mut world = World::new();
    let (a, _, mut b, joined) = world.pair();
    (1..=3).for_each(|seq| world.post(a, 1, seq, 0));

    for (cursor, missing) in [(0, vec![1, 2, 3]), (0, vec![1, 2, 3]), (2, vec![3]), (3, vec![]), (0, vec![])]
    {
        world.cut(b);
        b = world.resume(joined.token, &[(0, cursor)]);

        let heard = world.heard(b);
        let seqs: Vec<u64> = heard
            .iter()
            .filter_map(|f| if let ToPeer::Message(m) = f { Some(m.seq) } else { None })
            .collect();
        assert_eq!(seqs, missing);
    }
}

#[test]
fn a_newer_socket_of_a_peer_replaces_the_older_one() {
    let mut world = World::new();
    let (a, _, old, joined) = world.pair();

    let new = world.resume(joined.token, &[]);

    assert_eq!(world.is_refused(old), Some(Reason::Superseded));
    world.post(old, 0, 1, 0);
    world.cut(old);
    assert_eq!(world.heard(a), [], "the peer was here all the time");
    world.post(new, 0, 1, 0);
    assert_eq!(world.heard(a), [message(1, 1, 0)]);
}

#[test]
fn an_opener_that_was_away_hears_who_came_and_who_left() {
    let mut world = World::new();
    let (a, opened) = world.open_with(None, 3);
    world.cut(a);
    let (b, _) = world.join(&opened);
    let (c, _) = world.join(&opened);
    world.post(b, 0, 1, 0);
    world.say(b, Leave {});
    assert!(world.closed.contains(&b));
    world.cut(c);

    let a = world.resume(opened.token, &[(7, 0)]);

    let came = |peer| PeerJoined { peer, versions: vec![1, 2], suites: vec![1] }.into();
    assert_eq!(
        world.heard(a)[1..],
        [
            came(1),
            message(1, 1, 0),
            state(1, Presence::Left),
            came(2),
            state(2, Presence::Away),
            state(7, Presence::Left)
        ]
    );
    world.cut(a);
    let a = world.resume(opened.token, &[]);
    assert_eq!(world.heard(a)[1..], [came(2), state(2, Presence::Away)]);
}

#[test]
fn a_receiver_that_does_not_acknowledge_stops_its_sender() {
    let mut world = World::new();
    let (a, _, b, joined) = world.pair();
    let body = vec![0; MAX_BODY_LEN];
    for seq in 1..=4 {
        world.say(a, Post { to: 1, seq, ack: 0, body: body.clone() });
    }
    assert_eq!(world.is_refused(a), None);

    world.say(a, Post { to: 1, seq: 5, ack: 0, body: body.clone() });

    assert_eq!(world.is_refused(a), Some(Reason::Busy));
    let kept = world.rooms.kept_bytes;
    assert_eq!(kept, 4 * MAX_BODY_LEN);
    world.cut(b);
    world.resume(joined.token, &[(0, 4)]);
    assert_eq!(world.rooms.kept_bytes, 0);
}

#[test]
fn what_a_server_puts_around_the_longest_body_still_fits() {
    let body = vec![0; MAX_BODY_LEN];
    let longest = ToPeer::from(Message { from: u32::MAX, seq: u64::MAX, ack: u64::MAX, body });
    assert!(longest.encode().len() <= MAX_SIGNAL_LEN);
}
