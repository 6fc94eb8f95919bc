//! Rooms under a made-up clock: no socket, nothing sleeps.
use super::*;
use beeline_core::wire::signal::{Cursor, Join, Joined, Open, Opened, PeerJoined, Resume, Resumed};

/// Rooms, the time, and what each socket was sent.
struct World {
    rooms: Rooms,
    now: Time,
    next: u64,
    sent: HashMap<ConnectionId, Vec<ToPeer>>,
    closed: Vec<ConnectionId>,
    from: AddressGroup,
}

impl World {
    fn new() -> Self {
        Self::with(Limits::default(), Hostile::default())
    }

    fn with(limits: Limits, hostile: Hostile) -> Self {
        let settings = Settings { ice: Vec::new(), build: "test".into(), limits, hostile };
        let random = Box::new(|bytes: &mut [u8]| getrandom::fill(bytes).unwrap());
        Self {
            rooms: Rooms::new(settings, Arc::new(Metrics::default()), random),
            now: Time::default(),
            next: 0,
            sent: HashMap::new(),
            closed: Vec::new(),
            from: AddressGroup::of([127, 0, 0, 1].into()),
        }
    }

    fn take(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(to, frame) => {
                    assert!(!self.closed.contains(&to), "{frame:?} to a closed socket");
                    self.sent.entry(to).or_default().push(frame);
                }
                Output::Close(socket) => self.closed.push(socket),
            }
        }
    }

    fn connect(&mut self) -> ConnectionId {
        let id = ConnectionId(self.next);
        self.next += 1;
        self.rooms.handle_connected(id, self.from, self.now).unwrap();
        id
    }

    fn say(&mut self, socket: ConnectionId, frame: impl Into<ToServer>) {
        let outputs = self.rooms.handle(socket, &frame.into().encode(), self.now);
        self.take(outputs);
    }

    fn cut(&mut self, socket: ConnectionId) {
        let outputs = self.rooms.handle_closed(socket, self.now);
        self.take(outputs);
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        let outputs = self.rooms.handle_time(self.now);
        self.take(outputs);
    }

    /// What the socket was sent since the last time.
    fn heard(&mut self, socket: ConnectionId) -> Vec<ToPeer> {
        self.sent.remove(&socket).unwrap_or_default()
    }

    fn open_with(&mut self, locator: Option<Locator>, joiners: u8) -> (ConnectionId, Opened) {
        let socket = self.connect();
        self.say(socket, Open { versions: vec![1], suites: vec![1], locator, joiners });
        match self.heard(socket).remove(0) {
            ToPeer::Opened(opened) => (socket, opened),
            other => panic!("{other:?}"),
        }
    }

    fn open(&mut self) -> (ConnectionId, Opened) {
        self.open_with(None, 1)
    }

    fn ask_to_join(&mut self, locator: Locator) -> (ConnectionId, Vec<ToPeer>) {
        let socket = self.connect();
        self.say(socket, Join { versions: vec![1, 2], suites: vec![1], locator });
        let heard = self.heard(socket);
        (socket, heard)
    }

    fn join(&mut self, opened: &Opened) -> (ConnectionId, Joined) {
        let (socket, mut heard) = self.ask_to_join(Locator::Nameplate(opened.nameplate.unwrap()));
        match heard.remove(0) {
            ToPeer::Joined(joined) => (socket, joined),
            other => panic!("{other:?}"),
        }
    }

    /// An opener and its only joiner, who have heard of each other.
    fn pair(&mut self) -> (ConnectionId, Opened, ConnectionId, Joined) {
        let (a, opened) = self.open();
        let (b, joined) = self.join(&opened);
        assert!(matches!(self.heard(a)[..], [ToPeer::PeerJoined(PeerJoined { peer: 1, .. })]));
        (a, opened, b, joined)
    }

    fn post(&mut self, socket: ConnectionId, to: PeerId, seq: u64, ack: u64) {
        self.say(socket, Post { to, seq, ack, body: vec![seq as u8] });
    }

    fn resume(&mut self, token: Token, received: &[(PeerId, u64)]) -> ConnectionId {
        let socket = self.connect();
        let received = received.iter().map(|&(peer, seq)| Cursor { peer, seq }).collect();
        self.say(socket, Resume { token, received });
        socket
    }

    fn is_refused(&mut self, socket: ConnectionId) -> Option<Reason> {
        let heard = self.heard(socket);
        let Some(ToPeer::Refused(refused)) = heard.last() else { return None };
        assert!(self.closed.contains(&socket), "refused but not closed");
        Some(refused.reason)
    }
}

fn message(from: PeerId, seq: u64, ack: u64) -> ToPeer {
    Message { from, seq, ack, body: vec![seq as u8] }.into()
}

fn state(peer: PeerId, presence: Presence) -> ToPeer {
    PeerState { peer, presence }.into()
}

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

/// Operations at random, garbage among them: nothing panics, nothing is sent to a closed socket, and at the end
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
