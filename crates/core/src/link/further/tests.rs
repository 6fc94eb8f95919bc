//! Two sides that arrange lanes, and what a hostile one may say.
use super::*;
use crate::{
    key::{Key, LanesJoiner, LanesOpener, Master, Secret},
    wire::control::Control,
    wire::negotiation::{Answer, Candidate as Gathered, JoinerHello, Offer},
};

const SDP: &str = "v=0\r\na=fingerprint:sha-256 AA\r\n";

fn at(seconds: u64) -> Time {
    Time::from_origin(Duration::from_secs(seconds))
}

fn pair() -> (FurtherLanes, FurtherLanes) {
    let master = || Key::<Master>::new(&Secret::new(vec![1; 32]), &[b"a"]);
    let opener = || Seal::new(master().derive::<LanesOpener>());
    let joiner = || Seal::new(master().derive::<LanesJoiner>());
    (FurtherLanes::new(true, opener(), joiner()), FurtherLanes::new(false, joiner(), opener()))
}

/// What one side says, to the other; and what the first asks of its driver.
fn deliver(
    from: &mut FurtherLanes,
    to: &mut FurtherLanes,
    now: Time,
) -> (Vec<RtcAction>, Result<(), Broken>) {
    let mut actions = Vec::new();
    for output in std::mem::take(&mut from.outputs) {
        match output {
            LinkOutput::Control(Control::Sealed(sealed)) => {
                if let Err(broken) = to.handle_sealed(&sealed, &[], now) {
                    return (actions, Err(broken));
                }
            }
            LinkOutput::Rtc(action) => actions.push(action),
            other => panic!("{other:?} is not for lanes"),
        }
    }
    (actions, Ok(()))
}

fn says(hostile: &mut FurtherLanes, honest: &mut FurtherLanes, what: impl Into<Negotiation>) -> bool {
    hostile.say(what.into());
    deliver(hostile, honest, at(0)).1.is_ok()
}

fn offer(lane: u8) -> Offer {
    Offer { lane, sdp: SDP.into(), round: None }
}

#[test]
fn a_lane_is_offered_answered_and_closed_by_either_side_and_then_its_number_is_free() {
    let (mut a, mut b) = pair();
    for closer in [true, false] {
        let lane = a.open(Vec::new()).expect("there is room");
        a.describe(lane, Description { kind: SdpKind::Offer, sdp: SDP.into() });
        a.candidate(lane, Candidate("candidate:1".into()));
        deliver(&mut a, &mut b, at(0)).1.expect("it is in order");
        b.describe(lane, Description { kind: SdpKind::Answer, sdp: SDP.into() });
        b.candidate(lane, Candidate("candidate:2".into()));
        let (asked, result) = deliver(&mut b, &mut a, at(0));
        result.expect("it is in order");
        assert!(matches!(
            asked[..],
            [
                RtcAction::Open { offerer: false, .. },
                RtcAction::SetRemote { .. },
                RtcAction::AddCandidate { .. }
            ]
        ));
        assert_eq!((a.open_lanes().collect::<Vec<_>>(), b.is_open(lane)), (vec![lane], true));

        if closer {
            a.close(lane)
        } else {
            b.close(lane)
        }
        for _ in 0..2 {
            deliver(&mut a, &mut b, at(0)).1.expect("it is in order");
            deliver(&mut b, &mut a, at(0)).1.expect("it is in order");
        }
        assert!(a.lanes.is_empty() && b.lanes.is_empty());
    }
}

#[test]
fn lanes_opened_in_the_same_instant_have_different_numbers() {
    let (mut a, mut b) = pair();
    let (one, other) = (a.open(Vec::new()).unwrap(), b.open(Vec::new()).unwrap());
    assert_ne!(one, other);
    a.describe(one, Description { kind: SdpKind::Offer, sdp: SDP.into() });
    b.describe(other, Description { kind: SdpKind::Offer, sdp: SDP.into() });
    deliver(&mut a, &mut b, at(0)).1.expect("it is in order");
    deliver(&mut b, &mut a, at(0)).1.expect("it is in order");
    assert!([one, other].iter().all(|lane| a.is_open(*lane) && b.is_open(*lane)));
}

#[test]
fn what_crosses_with_a_close_is_ignored() {
    let (mut a, mut b) = pair();
    let lane = a.open(Vec::new()).unwrap();
    a.describe(lane, Description { kind: SdpKind::Offer, sdp: SDP.into() });
    deliver(&mut a, &mut b, at(0)).1.unwrap();
    a.close(lane);
    b.describe(lane, Description { kind: SdpKind::Answer, sdp: SDP.into() });
    b.candidate(lane, Candidate("candidate:2".into()));
    b.close(lane);

    deliver(&mut b, &mut a, at(0)).1.expect("it was on its way");
    deliver(&mut a, &mut b, at(0)).1.expect("it was on its way");

    assert!(a.lanes.is_empty() && b.lanes.is_empty());
}

#[test]
fn a_side_that_opens_a_thousand_lanes_is_refused() {
    let (mut hostile, mut honest) = pair();
    let opened = (1..=127).map(|n| 2 * n).take_while(|lane| says(&mut hostile, &mut honest, offer(*lane)));
    assert_eq!(opened.count(), 15, "at the same time");

    let (mut hostile, mut honest) = pair();
    let opened = (0..1000).take_while(|_| {
        says(&mut hostile, &mut honest, offer(2)) && says(&mut hostile, &mut honest, Close { lane: 2 })
    });
    assert_eq!(opened.count(), 64, "one after another");
}

#[test]
fn this_side_opens_no_more_than_it_may() {
    let (mut a, _) = pair();
    assert_eq!(std::iter::from_fn(|| a.open(Vec::new())).count(), 15);
}

#[test]
fn messages_about_lanes_that_do_not_exist_or_out_of_turn_are_refused() {
    let answer = |lane| Negotiation::from(Answer { lane, sdp: SDP.into(), round: None });
    let candidate = |lane| Negotiation::from(Gathered { lane, candidate: "candidate:1".into() });
    let hello = JoinerHello { name: String::new(), commitment: [0; 32] };
    let lies: Vec<Vec<Negotiation>> = vec![
        vec![answer(2)],
        vec![candidate(4)],
        vec![Close { lane: 6 }.into()],
        vec![Close { lane: 0 }.into()],
        vec![offer(0).into()],
        vec![offer(1).into()],                  // the joiner's own numbers
        vec![offer(2).into(), offer(2).into()], // twice
        vec![offer(2).into(), answer(2)],       // its own offer
        vec![Offer { lane: 2, sdp: "v=0".into(), round: None }.into()], // no fingerprint
        vec![Offer { lane: 2, sdp: format!("{SDP}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"), round: None }.into()],
        vec![hello.into()],
        std::iter::once(Negotiation::from(offer(2))).chain((0..2000).map(|_| candidate(2))).collect(),
    ];
    for lie in lies {
        let (mut hostile, mut honest) = pair();
        let text = format!("{:?}", lie.first());
        assert!(!lie.into_iter().all(|message| says(&mut hostile, &mut honest, message)), "{text}");
    }
}
