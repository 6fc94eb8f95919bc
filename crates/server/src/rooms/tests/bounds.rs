//! What no peer may do, and what none can break.
use super::*;

#[test]
fn wrong_codes_are_limited_for_an_address_whatever_its_sockets() {
    let mut world = World::new();
    world.from = AddressGroup::of([192, 0, 2, 7].into());
    let (_, opened) = world.open();
    for _ in 0..10 {
        let (socket, _) = world.ask_to_join(Locator::Nameplate(999_999));
        world.cut(socket);
    }

    // Even a right code gets no answer now, or the limit would tell right from wrong.
    let (socket, heard) = world.ask_to_join(Locator::Nameplate(opened.nameplate.unwrap()));

    assert!(
        matches!(&heard[..], [ToPeer::Refused(r)] if r.reason == Reason::RateLimited && r.retry_ms == Some(6000))
    );
    world.cut(socket);
    world.from = AddressGroup::of([192, 0, 2, 8].into());
    world.join(&opened);
}

#[test]
fn a_socket_that_floods_is_refused_and_may_resume() {
    let mut world = World::new();
    let (_, _, b, joined) = world.pair();

    for _ in 0..199 {
        world.say(b, Ack { peer: 0, seq: 0 });
    }
    assert_eq!(world.is_refused(b), None);
    world.say(b, Ack { peer: 0, seq: 0 });

    assert_eq!(world.is_refused(b), Some(Reason::RateLimited));
    let b = world.resume(joined.token, &[]);
    assert!(matches!(world.heard(b)[0], ToPeer::Resumed(_)));
}

#[test]
fn addresses_and_the_whole_server_have_limits() {
    let limits = Limits { sockets: 3, sockets_per_address: 2, room_burst: 1.0, ..Limits::default() };
    let mut world = World::with(limits, Hostile::default());
    world.from = AddressGroup::of([192, 0, 2, 7].into());
    let (first, _) = world.open();
    let second = world.connect();
    let third = ConnectionId(900);
    assert_eq!(world.rooms.handle_connected(third, world.from, world.now), Err(NotAdmitted::Address));
    world.say(second, Open { versions: vec![1], suites: vec![1], locator: None, joiners: 1 });
    assert_eq!(world.is_refused(second), Some(Reason::RateLimited));

    let elsewhere = AddressGroup::of([192, 0, 2, 8].into());
    assert_eq!(world.rooms.handle_connected(third, elsewhere, world.now), Ok(()));
    assert_eq!(world.rooms.handle_connected(ConnectionId(901), elsewhere, world.now), Err(NotAdmitted::Full));
    world.cut(first);
    assert_eq!(world.rooms.handle_connected(ConnectionId(902), elsewhere, world.now), Ok(()));
}

#[test]
fn a_peer_that_was_never_there_is_a_mistake_and_one_that_left_is_not() {
    let mut world = World::new();
    let (a, _, b, _) = world.pair();
    world.say(b, Leave {});
    world.heard(a);
    world.post(a, 1, 1, 0);
    assert_eq!(world.is_refused(a), None);
    world.post(a, 2, 1, 0);
    assert_eq!(world.is_refused(a), Some(Reason::BadMessage));
}

#[test]
fn joiners_do_not_reach_each_other_and_do_not_rule_the_room() {
    for frame in [
        ToServer::from(Post { to: 2, seq: 1, ack: 0, body: vec![] }),
        Post { to: 1, seq: 1, ack: 0, body: vec![] }.into(),
        Dismiss { peer: 2 }.into(),
        Lock {}.into(),
        Open { versions: vec![1], suites: vec![1], locator: None, joiners: 1 }.into(),
    ] {
        let mut world = World::new();
        let (_, opened) = world.open_with(None, 2);
        let (b, _) = world.join(&opened);
        world.join(&opened);
        world.say(b, frame);
        assert_eq!(world.is_refused(b), Some(Reason::BadMessage));
    }
}

#[test]
fn before_a_hello_nothing_else_makes_sense() {
    for frame in [
        ToServer::from(Post { to: 0, seq: 1, ack: 0, body: vec![] }),
        Ack { peer: 0, seq: 1 }.into(),
        Lock {}.into(),
        Leave {}.into(),
        Dismiss { peer: 1 }.into(),
        Open { versions: vec![1], suites: vec![1], locator: None, joiners: 0 }.into(),
        Open { versions: vec![1], suites: vec![1], locator: None, joiners: 17 }.into(),
        Open { versions: vec![], suites: vec![1], locator: None, joiners: 1 }.into(),
        Open { versions: vec![1], suites: vec![1], locator: Some(Locator::Nameplate(7)), joiners: 1 }.into(),
        Join { versions: vec![1; 33], suites: vec![1], locator: Locator::Nameplate(7) }.into(),
    ] {
        let mut world = World::new();
        let socket = world.connect();
        world.say(socket, frame);
        assert_eq!(world.is_refused(socket), Some(Reason::BadMessage));
    }
}

#[test]
fn silence_after_connecting_ends_in_ten_seconds() {
    let mut world = World::new();
    let socket = world.connect();
    world.pass(9);
    assert!(world.closed.is_empty());
    world.pass(1);
    assert_eq!(world.is_refused(socket), Some(Reason::BadMessage));
}

#[test]
fn a_server_that_stops_says_when_to_come_again() {
    let mut world = World::new();
    let (a, _, b, _) = world.pair();

    let outputs = world.rooms.drain(world.now);
    world.take(outputs);

    for socket in [a, b] {
        let heard = world.heard(socket);
        assert!(matches!(heard.iter().find(|f| matches!(f, ToPeer::Refused(_))), Some(ToPeer::Refused(r))
            if r.reason == Reason::Draining && r.retry_ms.is_some_and(|ms| (500..5000).contains(&ms))));
        assert!(world.closed.contains(&socket));
    }
}

#[test]
fn a_hostile_server_changes_messages_and_lets_anybody_in() {
    let tamper: Arc<crate::Tamper> = Arc::new(|from, to, mut body| {
        body.push((from * 16 + to) as u8);
        body
    });
    let hostile = Hostile { tamper: Some(tamper), ignore_lock: true };
    let mut world = World::with(Limits::default(), hostile);
    let (a, opened, b, _) = world.pair();
    world.say(a, Lock {});
    world.post(a, 1, 1, 0);

    assert_eq!(world.heard(b), [Message { from: 0, seq: 1, ack: 0, body: vec![1, 1] }.into()]);
    world.join(&opened);
}

/// nothing is left behind.
#[test]
fn whatever_peers_do_the_rooms_stay_sound() {
    for seed in 0..200u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut roll = move |n: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % n
        };
        let mut world = World::new();
        let (mut sockets, mut tokens) = (Vec::new(), vec![[0; 16]]);
        for _ in 0..300 {
            let socket = match sockets.len() {
                0 => ConnectionId(u64::MAX),
                n => sockets[roll(n as u64) as usize],
            };
            let small = roll(5);
            let (versions, suites) = (vec![1], vec![1]);
            let locator = match roll(3) {
                0 => Locator::Resume([small as u8; 16]),
                _ => Locator::Nameplate(roll(100) as u32),
            };
            let frame: ToServer = match roll(14) {
                0 | 1 => {
                    sockets.push(world.connect());
                    continue;
                }
                2 => {
                    world.cut(socket);
                    sockets.retain(|s| *s != socket);
                    continue;
                }
                3 => {
                    world.pass([0, 1, 30, 61, 700, 90_000][roll(6) as usize]);
                    continue;
                }
                4 => {
                    let garbage: Vec<u8> = (0..roll(20)).map(|_| roll(256) as u8).collect();
                    let outputs = world.rooms.handle(socket, &garbage, world.now);
                    world.take(outputs);
                    continue;
                }
                5 => Open { versions, suites, locator: None, joiners: 1 + roll(3) as u8 }.into(),
                6 => Open { versions, suites, locator: Some(locator), joiners: 2 }.into(),
                7 => Join { versions, suites, locator }.into(),
                8 => {
                    let token = tokens[roll(tokens.len() as u64) as usize];
                    Resume { token, received: vec![Cursor { peer: small as u32, seq: roll(4) }] }.into()
                }
                9 => Lock {}.into(),
                10 => Leave {}.into(),
                11 => Dismiss { peer: small as u32 }.into(),
                12 => Ack { peer: small as u32, seq: roll(4) }.into(),
                _ => Post { to: roll(3) as u32, seq: 1 + roll(3), ack: roll(3), body: vec![0; 100] }.into(),
            };
            world.say(socket, frame);
            for frame in world.sent.values().flatten() {
                match frame {
                    ToPeer::Opened(o) => tokens.push(o.token),
                    ToPeer::Joined(j) => tokens.push(j.token),
                    _ => {}
                }
            }
            world.sent.clear();
            let bytes: usize = world.rooms.rooms.values().map(Room::bytes).sum();
            assert_eq!(world.rooms.kept_bytes, bytes);
        }
        for socket in sockets {
            world.cut(socket);
        }
        world.pass(700);
        let rooms = &world.rooms;
        assert_eq!(
            (rooms.rooms.len(), rooms.by_token.len(), rooms.by_locator.len()),
            (0, 0, 0),
            "seed {seed}"
        );
        assert_eq!((rooms.sockets.len(), rooms.kept_bytes), (0, 0), "seed {seed}");
    }
}
