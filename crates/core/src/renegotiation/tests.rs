//! Two machines with made-up drivers between them, whatever happens in whatever order.
use super::*;
use proptest::prelude::{ProptestConfig, Strategy, prop_oneof, proptest};

const MEDIA: &str =
    "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n";

/// A driver's signalling state, as RTCPeerConnection has it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Signaling {
    Stable,
    HaveLocalOffer,
}

/// One side: its machine, and a driver that takes one action at a time.
struct End {
    machine: Renegotiation,
    signaling: Signaling,
    queue: VecDeque<RtcAction>,
    /// What its connection consists of, and what the other side knows of that. Offers tell it.
    revision: u32,
    told: u32,
    offered: u32,
    events: Vec<Event>,
}

/// Both, with what is on its way to each by either carrier.
struct Pair {
    ends: [End; 2],
    mail: [[VecDeque<Negotiation>; 2]; 2],
    carrier: usize,
    now: Time,
}

impl Pair {
    /// After the first offer and answer.
    fn new() -> Self {
        let end = |is_opener| End {
            machine: Renegotiation::new(is_opener, true),
            signaling: Signaling::Stable,
            queue: VecDeque::new(),
            revision: 0,
            told: 0,
            offered: 0,
            events: Vec::new(),
        };
        let mut pair = Self {
            ends: [end(true), end(false)],
            mail: Default::default(),
            carrier: 0,
            now: Time::default(),
        };
        pair.ends[0].queue.push_back(RtcAction::Offer { lane: LaneId::FIRST });
        pair.settle();
        pair
    }

    fn collect(&mut self, id: usize) {
        while let Some(outcome) = self.ends[id].machine.outcomes.pop_front() {
            match outcome {
                Outcome::Do(action) => self.ends[id].queue.push_back(action),
                Outcome::Say(message) => self.mail[1 - id][self.carrier].push_back(message),
                Outcome::Tell(event) => self.ends[id].events.push(event),
            }
        }
    }

    /// A driver carries out the next thing it was asked for; every one of it must be possible.
    fn drive(&mut self, id: usize) {
        let end = &mut self.ends[id];
        let describe = |kind, revision: u32| Description { kind, sdp: format!("v=0\r\ns={revision}\r\n") };
        let revision_of = |sdp: &str| sdp.trim().rsplit('=').next().and_then(|n| n.parse::<u32>().ok());
        match end.queue.pop_front() {
            Some(RtcAction::Offer { .. } | RtcAction::Restart { .. }) => {
                end.signaling = Signaling::HaveLocalOffer;
                end.offered = end.revision;
                end.machine.handle_local(describe(SdpKind::Offer, end.revision), self.now);
            }
            Some(RtcAction::SetRemote { description, .. }) if description.kind == SdpKind::Offer => {
                assert_eq!(end.signaling, Signaling::Stable, "{id} applies an offer over its own");
                let answer = describe(SdpKind::Answer, revision_of(&description.sdp).expect("as made above"));
                end.machine.handle_local(answer, self.now);
            }
            Some(RtcAction::SetRemote { description, .. }) => {
                assert_eq!(end.signaling, Signaling::HaveLocalOffer, "{id} applies an answer to nothing");
                assert_eq!(
                    revision_of(&description.sdp),
                    Some(end.offered),
                    "the answer is for another offer"
                );
                end.signaling = Signaling::Stable;
                end.told = end.offered;
            }
            Some(RtcAction::Rollback { .. }) => end.signaling = Signaling::Stable,
            Some(action) => panic!("{action:?} is not of a renegotiation"),
            None => {}
        }
        self.collect(id);
    }

    fn deliver(&mut self, id: usize, carrier: usize) {
        let Some(message) = self.mail[id][carrier].pop_front() else { return };
        let machine = &mut self.ends[id].machine;
        match message {
            Negotiation::Offer(offer) => machine.handle_offer(offer).unwrap(),
            Negotiation::Answer(answer) => _ = machine.handle_answer(answer).unwrap(),
            Negotiation::Refusal(refusal) => machine.handle_refusal(&refusal),
            other => panic!("{other:?} is not of a renegotiation"),
        }
        self.collect(id);
    }

    fn change(&mut self, id: usize) {
        self.ends[id].revision += 1;
        self.ends[id].machine.wish(Wish::Offer);
        self.collect(id);
    }

    fn restart(&mut self) {
        self.ends[0].machine.wish(Wish::Restart);
        self.collect(0);
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        for id in [0, 1] {
            self.ends[id].machine.handle_timeout(self.now);
            self.collect(id);
        }
    }

    /// Until nothing is under way.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let idle = self.ends.iter().all(|end| end.queue.is_empty());
            if idle && self.mail.iter().flatten().all(VecDeque::is_empty) {
                return;
            }
            for id in [0, 1] {
                self.drive(id);
                self.deliver(id, 0);
                self.deliver(id, 1);
            }
        }
        panic!("the two sides never come to rest");
    }

    /// Both are at rest, and each knows what the other consists of.
    fn agrees(&self) {
        for (id, end) in self.ends.iter().enumerate() {
            assert_eq!((end.machine.state, end.signaling), (State::Stable, Signaling::Stable), "{id}");
            assert_eq!(end.told, end.revision, "the other side knows what {id} has");
        }
    }
}

#[test]
fn either_side_changes_the_connection() {
    let mut pair = Pair::new();
    pair.agrees();

    for id in [0, 1, 1, 0] {
        pair.change(id);
        pair.settle();
        pair.agrees();
    }
    assert!(pair.ends.iter().all(|end| end.events.is_empty()));
}

#[test]
fn both_sides_in_the_same_instant_end_with_both_changes() {
    let mut pair = Pair::new();

    pair.change(0);
    pair.change(1);
    pair.drive(0);
    pair.drive(1);
    assert_eq!(pair.mail.iter().flatten().flatten().count(), 2, "the offers cross");
    pair.settle();

    pair.agrees();
    assert_eq!([pair.ends[0].told, pair.ends[1].told], [1, 1]);
}

#[test]
fn an_offer_that_comes_while_the_polite_sides_is_being_made_is_answered_first() {
    let mut pair = Pair::new();

    pair.change(0);
    pair.drive(0);
    pair.change(1);
    pair.deliver(1, 0);
    assert!(matches!(pair.ends[1].machine.state, State::Making { .. }));
    pair.settle();

    pair.agrees();
}

#[test]
fn an_offer_that_cannot_be_made_does_not_leave_the_other_sides_unanswered() {
    let mut pair = Pair::new();

    pair.change(1);
    pair.drive(1);
    pair.change(0);
    pair.deliver(0, 0);
    pair.ends[0].queue.clear();
    pair.ends[0].machine.handle_failed(Step::MakeOffer);
    pair.collect(0);
    pair.settle();

    assert_eq!(pair.ends[1].told, 1);
    assert_eq!(pair.ends[0].events, [Event::NotNegotiated(NotNegotiated::Failed)]);
    assert_eq!(pair.ends.each_ref().map(|end| end.machine.state), [State::Stable; 2]);
}

#[test]
fn an_answer_that_never_comes_is_said_and_the_offer_made_again() {
    let mut pair = Pair::new();

    pair.change(0);
    pair.drive(0);
    pair.mail[1][0].clear();
    pair.wait(ANSWER - Duration::from_millis(1));
    assert_eq!(pair.ends[0].events, []);
    pair.wait(Duration::from_millis(1));
    assert_eq!(pair.ends[0].events, [Event::NotNegotiated(NotNegotiated::Unanswered)]);
    pair.settle();

    pair.agrees();
}

#[test]
fn an_answer_that_is_overtaken_by_another_offer_is_not_taken_for_its_answer() {
    let mut pair = Pair::new();

    pair.change(0);
    pair.drive(0);
    pair.deliver(1, 0);
    pair.drive(1); // its answer is on the way by the one carrier
    pair.carrier = 1;
    pair.restart();
    pair.drive(0);
    pair.deliver(1, 1);
    pair.drive(1);
    pair.deliver(0, 1);
    pair.settle();

    pair.agrees();
}

#[test]
fn a_restart_does_not_wait_for_an_answer_that_is_lost_with_the_path() {
    let mut pair = Pair::new();
    pair.change(1);
    pair.change(0);
    pair.drive(0);
    pair.drive(1);

    pair.carrier = 1;
    pair.restart();
    pair.drive(0);
    pair.deliver(1, 1); // the joiner's own offer gives way to it
    pair.drive(1);
    pair.drive(1);
    pair.deliver(0, 1);
    pair.drive(0);

    assert_eq!(pair.ends[0].told, 1, "all of this without the first carrier");
    pair.settle();
    pair.agrees();
}

#[test]
fn what_is_refused_is_taken_back_and_said() {
    let mut pair = Pair::new();
    pair.ends[1].machine.takes_media = false;

    pair.change(0);
    pair.ends[0].queue.clear();
    let sdp = MEDIA.to_owned();
    pair.ends[0].machine.handle_local(Description { kind: SdpKind::Offer, sdp }, pair.now);
    pair.collect(0);
    pair.settle();

    let why = "no camera or microphone can be taken here".to_owned();
    assert_eq!(pair.ends[0].events, [Event::NotNegotiated(NotNegotiated::Refused(why))]);
    assert!(
        pair.ends[1].events.is_empty() && pair.ends[1].queue.is_empty(),
        "its driver hears nothing of it"
    );
    assert_eq!(pair.ends.each_ref().map(|end| end.machine.state), [State::Stable; 2]);
}

#[test]
fn a_side_without_media_takes_no_offer_from_a_joiner_at_all() {
    let mut pair = Pair::new();
    pair.ends[0].machine.takes_media = false;

    pair.change(1);
    pair.settle();

    assert!(matches!(&pair.ends[1].events[..], [Event::NotNegotiated(NotNegotiated::Refused(_))]));
}

#[test]
fn an_offer_that_is_not_understood_is_refused() {
    let mut pair = Pair::new();

    pair.change(0);
    pair.drive(0);
    pair.deliver(1, 0);
    pair.ends[1].queue.clear();
    pair.ends[1].machine.handle_failed(Step::Answer);
    pair.collect(1);
    pair.settle();

    assert!(matches!(&pair.ends[0].events[..], [Event::NotNegotiated(NotNegotiated::Refused(_))]));
    pair.change(1);
    pair.settle();
    assert_eq!(pair.ends[1].told, 1, "the connection is as it was");
}

#[test]
fn old_answers_long_descriptions_and_endless_offers_do_no_harm() {
    let offer = |round, sdp: String| Offer { lane: 0, sdp, round: Some(round) };
    let mut pair = Pair::new();
    let machine = &mut pair.ends[1].machine;

    for round in [None, Some(0), Some(1), Some(u32::MAX)] {
        let answer = Answer { lane: 0, sdp: "v=0".into(), round };
        assert_eq!(machine.handle_answer(answer), Ok(false));
        machine.handle_refusal(&Refusal { lane: 0, round, message: "no".into() });
    }
    assert_eq!(machine.handle_offer(offer(0, "v=0".into())), Ok(()));
    assert!(machine.outcomes.is_empty(), "that number has been");
    assert!(machine.handle_offer(offer(1, "a".repeat(MAX_SDP_LEN + 1))).is_err());
    assert!(machine.handle_offer(offer(2, "m=video 9\r\n".repeat(MAX_SECTIONS + 1))).is_err());
    assert!(machine.handle_offer(offer(u32::MAX, "v=0".into())).is_err());
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Change(usize),
    Drive(usize),
    Deliver(usize, usize),
    Restart,
    Carrier(usize),
    Wait,
}

fn operation() -> impl Strategy<Value = Operation> {
    use Operation::*;
    prop_oneof![
        2 => (0usize..2).prop_map(Change),
        4 => (0usize..2).prop_map(Drive),
        4 => (0usize..2, 0usize..2).prop_map(|(id, carrier)| Deliver(id, carrier)),
        1 => proptest::strategy::Just(Restart),
        1 => (0usize..2).prop_map(Carrier),
        1 => proptest::strategy::Just(Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_crosses_and_overtakes_both_sides_end_up_agreeing(
        operations in proptest::collection::vec(operation(), 1..60)
    ) {
        let mut pair = Pair::new();
        for operation in operations {
            match operation {
                Operation::Change(id) => pair.change(id),
                Operation::Drive(id) => pair.drive(id),
                Operation::Deliver(id, carrier) => pair.deliver(id, carrier),
                Operation::Restart => pair.restart(),
                Operation::Carrier(carrier) => pair.carrier = carrier,
                Operation::Wait => pair.wait(Duration::from_secs(7)),
            }
        }
        pair.settle();
        // An offer that overtook the answer before it may have been ignored: then it is made again.
        for _ in 0..3 {
            pair.wait(ANSWER);
            pair.settle();
        }
        pair.agrees();
    }
}
