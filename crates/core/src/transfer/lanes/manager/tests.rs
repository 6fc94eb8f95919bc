//! The manager over a made-up line: what a lane carries, what the line carries, and time.
use super::*;
use std::collections::BTreeMap;

const TICK: Duration = Duration::from_millis(200);

/// Lanes that carry so many bytes a second each, and all of them together.
struct Model {
    manager: Manager,
    now: Time,
    lane_rate: f64,
    line_rate: f64,
    round_trip: Duration,
    is_waiting: bool,
    is_limited: bool,
    is_contested: bool,
    is_alive: bool,
    /// What the queue adds to a round trip of control, while so many lanes carry file bytes.
    probe: fn(usize) -> Duration,
    /// Lanes do not open.
    opens: bool,
    crawling: Vec<LaneId>,
    /// This one carries half of what others do.
    slow: Option<LaneId>,
    delivered: BTreeMap<LaneId, u64>,
    next: u8,
    most: usize,
}

impl Model {
    fn new(lane_rate: f64, line_rate: f64, rules: LaneRules) -> Self {
        let mut manager = Manager::new(rules);
        manager.handle_hello(16);
        let now = Time::from_origin(Duration::from_secs(1000));
        manager.opened(LaneId::FIRST, now);
        Self {
            manager,
            now,
            lane_rate,
            line_rate,
            round_trip: Duration::from_millis(50),
            is_waiting: true,
            is_limited: true,
            is_contested: false,
            is_alive: true,
            probe: |_| Duration::ZERO,
            opens: true,
            crawling: Vec::new(),
            slow: None,
            delivered: BTreeMap::from([(LaneId::FIRST, 0)]),
            next: 0,
            most: 0,
        }
    }

    fn further(&self) -> Vec<LaneId> {
        self.delivered.keys().filter(|lane| **lane != LaneId::FIRST).copied().collect()
    }

    /// Runs for so long; returns the wishes to open and to close.
    fn run(&mut self, seconds: f64) -> (usize, usize) {
        let (mut opened, mut closed) = (0, 0);
        for _ in 0..(seconds / TICK.as_secs_f64()) as usize {
            self.now = self.now + TICK;
            let mut further = self.further();
            further.retain(|lane| !self.manager.pauses(*lane));
            let carrying: Vec<LaneId> = if further.is_empty() { vec![LaneId::FIRST] } else { further };
            if self.manager.wants_round_trips() {
                let round_trip = self.round_trip + (self.probe)(carrying.len());
                self.manager.handle_round_trip(round_trip, self.now);
            }
            let share = self.line_rate / carrying.len() as f64;
            for lane in &carrying {
                let slow = if self.slow == Some(*lane) { 0.5 } else { 1.0 };
                let rate = self.lane_rate.min(share) * slow;
                let rate = if self.crawling.contains(lane) { 2_000.0 } else { rate };
                *self.delivered.get_mut(lane).unwrap() += (rate * TICK.as_secs_f64()) as u64;
            }
            let view = |(id, delivered): (&LaneId, &u64)| View {
                id: *id,
                is_connected: true,
                delivered: *delivered,
                on_the_way: if carrying.contains(id) { 100_000 } else { 0 },
                round_trip: Some(self.round_trip),
                is_limited: self.is_limited && self.lane_rate <= share,
                is_contested: self.is_contested,
            };
            let lanes: Vec<View> = self.delivered.iter().map(view).collect();
            let (is_waiting, is_alive) = (self.is_waiting, self.is_alive);
            let look = Look { now: self.now, is_waiting, is_alive, lanes: &lanes };
            for wish in self.manager.look(&look) {
                match wish {
                    Wish::Open => {
                        opened += 1;
                        self.next += 2;
                        self.manager.opening(Some(LaneId(self.next)), self.now);
                        if self.opens {
                            self.delivered.insert(LaneId(self.next), 0);
                            self.manager.opened(LaneId(self.next), self.now);
                        }
                    }
                    Wish::Close(lane) => {
                        closed += 1;
                        self.delivered.remove(&lane);
                        self.manager.gone(lane, self.now);
                    }
                }
            }
            self.most = self.most.max(self.further().len());
        }
        (opened, closed)
    }
}

fn stock() -> LaneRules {
    LaneRules::default()
}

#[test]
fn it_grows_while_that_pays_and_goes_back_to_what_paid() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.run(12.0);
    assert_eq!(model.most, 15, "15 lanes carry 2.5 MB/s, 8 carry 1.6");

    let mut model = Model::new(600e3, 2.6e6, stock());
    model.run(15.0);
    assert_eq!((model.most, model.further().len()), (8, 4), "4 carry 2.4 MB/s, 8 carry 2.6");
}

#[test]
fn lanes_that_lose_much_become_many_at_once() {
    let from_four_to_all = |lane_rate| {
        let mut model = Model::new(lane_rate, 20e6, stock());
        while model.most < 4 {
            model.run(0.2);
        }
        let four = model.now;
        while model.most < 15 {
            model.run(0.2);
        }
        model.now.since(four)
    };
    assert!(from_four_to_all(500e3) < Duration::from_secs(3), "25 kB a round trip: at once");
    assert!(from_four_to_all(600e3) > Duration::from_secs(4), "30 kB: eight in between");
}

/// What somebody's queue loses holds the first lane back as random loss does.
#[test]
fn before_there_are_several_control_tells_whether_somebody_fills_the_line() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.probe = |_| Duration::from_millis(25);
    model.run(60.0);
    assert_eq!(model.most, 1);

    model.probe = |_| Duration::ZERO;
    model.run(20.0);
    assert_eq!(model.most, 15, "nobody does any more");
}

#[test]
fn beside_others_it_does_not_take_all_it_could() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.is_contested = true;
    model.run(30.0);
    assert_eq!((model.most, model.further().len()), (1, 1));

    let mut longer = Model::new(200e3, 2.5e6, stock());
    longer.is_contested = true;
    longer.probe = |_| Duration::from_millis(140);
    longer.run(60.0);
    assert_eq!((longer.most, longer.further().len()), (3, 3), "so long is a round trip through the queue");

    model.is_contested = false;
    model.run(12.0);
    assert_eq!(model.most, 15, "the others have gone");
}

#[test]
fn of_lanes_that_a_full_line_does_not_need_half_pause_and_are_closed() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.run(12.0);
    assert_eq!(model.further().len(), 15);
    model.probe = |lanes| Duration::from_millis(if lanes > 3 { 40 } else { 2 });
    let (opened, closed) = model.run(20.0);
    assert_eq!((opened, closed, model.further().len()), (0, 11, 4), "with two the queue empties");
    let (opened, closed) = model.run(120.0);
    assert_eq!((opened, closed), (0, 0));

    model.probe = |_| Duration::from_millis(40);
    model.run(140.0);
    assert_eq!(model.further().len(), 1, "whatever they do: the queue is another's");
}

#[test]
fn while_the_queue_empties_now_and_then_no_lane_pauses() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.run(12.0);
    for _ in 0..100 {
        model.probe = |_| Duration::from_millis(40);
        assert_eq!(model.run(1.0), (0, 0));
        model.probe = |_| Duration::from_millis(5);
        assert_eq!(model.run(0.2), (0, 0));
    }
    assert_eq!(model.further().len(), 15);
}

#[test]
fn a_path_that_becomes_longer_is_not_taken_for_a_queue_for_good() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.run(12.0);
    model.round_trip = Duration::from_millis(150);
    model.run(60.0);
    assert_eq!(model.further().len(), 15);
}

#[test]
fn lanes_that_bring_nothing_are_closed_and_tried_again_ever_more_rarely() {
    let mut model = Model::new(650e3, 2.6e6, stock());
    let (opened, closed) = model.run(60.0);
    assert_eq!(model.further().len(), 4, "they carry all there is");
    assert!(opened == closed + 4 && (8..=16).contains(&opened), "{opened} in the first minute");
    model.run(600.0);
    let (opened, _) = model.run(600.0);
    assert!(opened <= 6 * 4, "{opened} in ten minutes");
}

#[test]
fn what_the_first_lane_had_from_its_start_up_is_not_asked_of_others() {
    let mut model = Model::new(2e6, 2.5e6, stock());
    model.run(1.8);
    model.lane_rate = 200e3;
    model.run(16.0);
    assert_eq!(model.most, 15, "four carry less than one did, and then 15 carry more");
}

#[test]
fn engines_that_stay_the_limit_keep_their_lanes_and_of_others_the_slowest_go() {
    // Eight carry 4.8 MB/s of 5.2; 15 that start take some of that away, and are still held back.
    let with_fifteen = |lane_rate| {
        let mut model = Model::new(600e3, 5.2e6, stock());
        while model.most < 15 {
            model.run(0.2);
        }
        model.lane_rate = lane_rate;
        model.run(6.0);
        model.further().len()
    };
    assert_eq!(with_fifteen(260e3), 15, "3.9 MB/s are enough");
    assert_eq!(with_fifteen(180e3), 8, "2.7 are not");

    // Of four that paid, and four more that did not, one of the first is slow.
    let mut model = Model::new(650e3, 2.6e6, stock());
    model.run(5.0);
    let first = model.further();
    model.slow = Some(first[2]);
    model.run(7.0);
    assert_eq!(model.most, 8);
    assert!(model.further().len() == 4 && !model.further().contains(&first[2]), "{:?}", model.further());
}

#[test]
fn over_a_far_path_one_lane_is_there_before_it_is_needed() {
    let mut model = Model::new(2.5e6, 2.5e6, stock());
    (model.round_trip, model.is_limited) = (Duration::from_millis(100), false);
    assert_eq!(model.run(60.0), (1, 0));

    let mut little = Model::new(100e3, 2.5e6, stock());
    (little.round_trip, little.is_limited) = (Duration::from_millis(100), false);
    assert_eq!(little.run(0.8), (0, 0), "it is not worth it for so little");
    assert_eq!(little.run(1.0), (1, 0));
}

#[test]
fn a_lane_that_would_take_long_to_make_good_a_loss_gets_others_beside_it() {
    // 500 packets on the way, of which half come back in 25 s.
    let fat = || {
        let mut model = Model::new(6e6, 6e6, stock());
        (model.round_trip, model.is_limited) = (Duration::from_millis(100), false);
        model
    };
    let mut model = fat();
    assert_eq!(model.run(60.0), (4, 0), "they bring no more, and stay");

    let mut thin = fat();
    (thin.lane_rate, thin.line_rate) = (2e6, 2e6);
    assert_eq!(thin.run(60.0), (1, 0), "9 s");

    let mut contested = fat();
    contested.is_contested = true;
    assert_eq!(contested.run(60.0), (1, 0));
}

#[test]
fn a_lan_has_three_lanes_unless_they_bring_less() {
    let lan = || {
        let mut model = Model::new(20e6, 20e6, stock());
        (model.round_trip, model.is_limited) = (Duration::from_micros(600), false);
        model
    };
    let mut model = lan();
    assert_eq!(model.run(60.0), (3, 0), "they bring no more, and cost less");

    let mut worse = lan();
    worse.run(2.0);
    assert_eq!(worse.further().len(), 3);
    worse.line_rate = 15e6;
    worse.run(4.0);
    assert!(worse.further().is_empty());

    let mut idle = lan();
    idle.is_waiting = false;
    assert_eq!(idle.run(60.0), (0, 0), "the disk or the receiver is the limit");
}

#[test]
fn without_evidence_nothing_is_opened() {
    let quiet = |change: fn(&mut Model)| {
        let mut model = Model::new(200e3, 2.5e6, stock());
        change(&mut model);
        model.run(60.0).0
    };
    assert_eq!(quiet(|model| model.round_trip = Duration::from_millis(6)), 0, "a short path");
    assert_eq!(quiet(|model| model.is_limited = false), 0, "the path is the limit");
    assert_eq!(quiet(|model| model.is_waiting = false), 0, "the disk or the receiver is the limit");
    assert_eq!(quiet(|model| model.manager.handle_path(true)), 0, "a relay has room for one");
    assert_eq!(quiet(|model| model.manager.handle_hello(1)), 0, "the other side has one");
    assert_eq!(quiet(|model| model.manager.rules.engine = SenderEngine::Own), 0);
}

#[test]
fn a_lane_that_crawls_is_replaced_but_not_one_on_a_silent_path() {
    let mut model = Model::new(200e3, 2.5e6, LaneRules { least: 3, ..stock() });
    model.round_trip = Duration::from_millis(6);
    model.run(8.0);
    let lanes = model.further();
    model.crawling = vec![lanes[0]];
    model.is_alive = false;
    assert_eq!(model.run(10.0), (0, 0), "nobody is heard: the path is silent, not the lane");

    model.is_alive = true;
    assert_eq!(model.run(10.0), (1, 1));
    assert!(!model.further().contains(&lanes[0]) && model.further().len() == 3);
}

#[test]
fn a_first_lane_that_crawls_gets_one_beside_it() {
    let mut model = Model::new(2.5e6, 2.5e6, stock());
    model.round_trip = Duration::from_millis(6);
    model.run(8.0);
    model.crawling = vec![LaneId::FIRST];
    assert_eq!(model.run(10.0), (1, 0));
    assert_eq!(model.run(60.0), (0, 0), "and that is enough");
}

#[test]
fn where_lanes_do_not_open_it_does_not_insist() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.opens = false;
    let (opened, _) = model.run(120.0);
    assert!(model.manager.has_failed() && opened < 30, "{opened} in two minutes");
}

#[test]
fn a_lane_that_ends_is_made_good() {
    let mut model = Model::new(200e3, 2.5e6, LaneRules { least: 4, ..stock() });
    model.run(3.0);
    let lanes = model.further();
    model.delivered.remove(&lanes[1]);
    model.manager.gone(lanes[1], model.now);
    model.run(1.0);
    assert!(model.further().len() >= 4);
}

#[test]
fn lanes_are_closed_after_half_a_minute_without_work() {
    let mut model = Model::new(200e3, 2.5e6, stock());
    model.run(12.0);
    assert!(model.manager.idle(model.now).is_empty());
    let later = model.manager.timeout().expect("it wants to be asked again");
    assert_eq!(later.since(model.now), IDLE);
    assert_eq!(model.manager.idle(later).len(), 15);
}
