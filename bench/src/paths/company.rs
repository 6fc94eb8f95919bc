//! Others on the same line: the queue that a call would stand in, and a TCP flow that wants its share.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Result, ensure};
use e2e::{Pings, Tcp, Way};
use serde_json::{Value, json};

use super::LENGTH;
use super::arrivals::Event;
use super::cell::Cell;
use super::lab::{Carrier, Lab};
use crate::options::Options;

/// A transfer may let a queue stand for half the round trip, or so long.
const QUEUE: Duration = Duration::from_millis(20);

/// Two flows have found their shares by then.
const SETTLED: Duration = Duration::from_secs(30);

/// How long they are watched afterwards.
const WATCHED: Duration = Duration::from_secs(15);

pub(crate) async fn run(lab: &mut Lab, options: &Options) -> Result<Value> {
    let mut queues = Vec::new();
    for carrier in [Carrier::Tcp, Carrier::Bare, Carrier::Beeline] {
        queues.push(a_call(lab, carrier, options).await?);
    }
    let mut shares = Vec::new();
    for queue in [1.0, 4.0] {
        for carrier in [Carrier::Bare, Carrier::Beeline] {
            shares.push(beside_tcp(lab, carrier, queue, options).await?);
        }
    }
    Ok(json!({ "a_call_beside": queues, "beside_tcp": shares }))
}

/// A deep buffer, and packets as of a call that pass through it.
async fn a_call(lab: &mut Lab, carrier: Carrier, options: &Options) -> Result<Value> {
    let cell = Cell::new(20, 50, 4.0, 0.0);
    lab.prepare(cell.line()).await?;
    let pings = Rc::new(Pings::start(&lab.joined)?);
    let call = pings.clone();
    let second_half: Event = (
        LENGTH / 2,
        Box::new(move |line| {
            line.measure_anew();
            call.take();
        }),
    );
    let arrivals = lab.carry(carrier, &cell, LENGTH, vec![second_half]).await?;
    let (measured, call) = (lab.joined.line().measured(Way::AToB), pings.take());

    let share = arrivals.steady(LENGTH) / cell.mbit as f64;
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    let queue = [50.0, 95.0].map(|percentile| milliseconds(measured.queue_delay(percentile)));
    let round_trip = [50.0, 95.0].map(|percentile| call.percentile(percentile).map(milliseconds));
    let limit = milliseconds(QUEUE.max(Duration::from_millis(cell.round_trip) / 2));
    let carrier = format!("{carrier:?}");
    options.say(&format!(
        "{cell}  {carrier:7} {share:4.2}  queue {:3.0} ms, p95 {:3.0} ms (at most {limit:.0})  \
         a call's round trip {:.0} ms, p95 {:.0} ms, lost {:.1} %",
        queue[0],
        queue[1],
        round_trip[0].unwrap_or(f64::NAN),
        round_trip[1].unwrap_or(f64::NAN),
        call.lost * 100.0,
    ));
    Ok(json!({
        "cell": cell.json(), "carrier": carrier, "share": share, "limit_ms": limit,
        "queue_ms": { "p50": queue[0], "p95": queue[1] },
        "call_ms": { "p50": round_trip[0], "p95": round_trip[1] }, "call_lost": call.lost,
    }))
}

/// Both start together.
async fn beside_tcp(lab: &mut Lab, carrier: Carrier, queue: f64, options: &Options) -> Result<Value> {
    let cell = Cell::new(20, 50, queue, 0.0);
    lab.prepare(cell.line()).await?;
    let flow = Rc::new(Tcp::start(&lab.joined, "cubic", None)?);
    let counts = Rc::new(RefCell::new(Vec::new()));
    let counted = |at| -> Event {
        let (flow, counts) = (flow.clone(), counts.clone());
        (at, Box::new(move |_| counts.borrow_mut().push(flow.received())))
    };
    let (from, to) = (SETTLED, SETTLED + WATCHED);
    // A little longer, so that the last count is taken while both still run.
    let length = to + Duration::from_secs(1);
    let arrivals = lab.carry(carrier, &cell, length, vec![counted(from), counted(to)]).await?;
    let counts = counts.take();
    ensure!(counts.len() == 2, "the browsers took too long to answer");
    let tcp = (counts[1] - counts[0]) as f64 * 8.0 / 1e6 / WATCHED.as_secs_f64() / cell.mbit as f64;
    let ours = arrivals.mbit(from, to) / cell.mbit as f64;
    let carrier = format!("{carrier:?}");
    options.say(&format!("{cell}  after 30 s beside a TCP flow: {carrier:7} {ours:4.2}  TCP {tcp:4.2}"));
    Ok(json!({ "cell": cell.json(), "carrier": carrier, "share": ours, "tcp": tcp }))
}
