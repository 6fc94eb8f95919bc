//! A line that changes under way: how soon does a transfer have what the line allows then?

use std::time::Duration;

use anyhow::Result;
use e2e::{Line, Settings, Way};
use serde_json::{Value, json};

use super::arrivals::{Arrivals, Event};
use super::cell::Cell;
use super::lab::{Carrier, Lab};
use crate::options::Options;

/// 20 Mbit/s, 50 ms, a queue of one bandwidth-delay product.
const USUAL: Cell = Cell::new(20, 50, 1.0, 0.0);

/// The part of the line's rate that counts as being back.
const BACK: f64 = 0.8;

/// How soon.
const SOON: Duration = Duration::from_secs(5);

/// From this time on the line allows so much.
struct Phase {
    name: &'static str,
    at: Duration,
    mbit: u64,
}

struct Scenario {
    name: &'static str,
    phases: Vec<Phase>,
    events: fn() -> Vec<Event>,
    end: Duration,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn scenarios() -> [Scenario; 3] {
    let phase = |name, at, mbit| Phase { name, at: seconds(at), mbit };
    [
        Scenario {
            name: "20 -> 5 -> 20 Mbit/s",
            phases: vec![phase("at 5", 8, 5), phase("at 20 again", 18, 20)],
            events: || vec![event(8, |line| rate(line, 5)), event(18, |line| rate(line, 20))],
            end: seconds(28),
        },
        Scenario {
            name: "50 -> 150 ms",
            phases: vec![phase("at 150 ms", 8, 20)],
            events: || vec![event(8, |line| delay(line, Duration::from_millis(75)))],
            end: seconds(18),
        },
        Scenario {
            name: "cut for 2 s",
            phases: vec![phase("after the cut", 10, 20)],
            events: || vec![event(8, Line::cut), event(10, Line::mend)],
            end: seconds(20),
        },
    ]
}

pub(crate) async fn run(lab: &mut Lab, options: &Options) -> Result<Value> {
    let mut found = Vec::new();
    for scenario in scenarios() {
        for carrier in [Carrier::Tcp, Carrier::Bare, Carrier::Beeline] {
            lab.prepare(USUAL.line()).await?;
            let arrivals = lab.carry(carrier, &USUAL, scenario.end, (scenario.events)()).await?;
            for (index, phase) in scenario.phases.iter().enumerate() {
                let until = scenario.phases.get(index + 1).map_or(scenario.end, |next| next.at);
                found.push(report(&scenario, phase, until, carrier, &arrivals, options));
            }
        }
    }
    Ok(found.into())
}

fn report(
    scenario: &Scenario,
    phase: &Phase,
    until: Duration,
    carrier: Carrier,
    arrivals: &Arrivals,
    options: &Options,
) -> Value {
    let mbit = phase.mbit as f64;
    let before = arrivals.mbit(seconds(4), seconds(8)) / USUAL.mbit as f64;
    let back = arrivals.recovery(phase.at, until, BACK * mbit);
    let afterwards = arrivals.mbit(phase.at + SOON, until) / mbit;
    let reached = back.is_some_and(|back| back <= SOON);
    let said = back.map_or_else(|| "never".to_owned(), |back| format!("{:.1} s", back.as_secs_f64()));
    let (name, phase) = (scenario.name, phase.name);
    let carrier = format!("{carrier:?}");
    options.say(&format!(
        "{name:20}  {carrier:7}  before {before:4.2}  {phase}: back after {said}, then {afterwards:4.2} of the line  {}",
        if reached { "ok" } else { "missed" }
    ));
    json!({
        "change": name, "phase": phase, "carrier": carrier, "share_before": before,
        "back_after_s": back.map(|back| back.as_secs_f64()), "share_after_5_s": afterwards, "reached": reached,
    })
}

fn event(at: u64, change: impl FnOnce(&Line) + 'static) -> Event {
    (seconds(at), Box::new(change))
}

/// The buffer in front of it stays as large as it was, as a router's would.
fn rate(line: &Line, mbit: u64) {
    for way in [Way::AToB, Way::BToA] {
        line.set_way(way, Settings { bits_per_s: mbit * 1_000_000, ..line.settings(way) });
    }
}

fn delay(line: &Line, one_way: Duration) {
    for way in [Way::AToB, Way::BToA] {
        line.set_way(way, Settings { delay: one_way, ..line.settings(way) });
    }
}
