//! CPU a packet and side: two associations in one process, no sockets, batches as GSO and GRO would make them.
//!
//! ```text
//! cargo run --release -p beeline-sctp --example cpu -- [--checksum] [--loss-one-in 100] [--packet 1448]
//! ```
use std::time::Duration;

use beeline_sctp::{Association, ChannelConfig, Config, Entropy, Event, Time};
use bytes::Bytes;

const BATCH: usize = 50;
const TOTAL: u64 = 4 << 30;

#[allow(clippy::disallowed_methods)] // the one that measures has a clock
fn main() {
    let checksum = std::env::args().any(|arg| arg == "--checksum");
    let one_in: u64 = std::env::args()
        .skip_while(|arg| arg != "--loss-one-in")
        .nth(1)
        .map_or(0, |n| n.parse().unwrap_or(0));
    let mtu: usize =
        std::env::args().skip_while(|arg| arg != "--packet").nth(1).map_or(0, |n| n.parse().unwrap_or(0));
    let config = || Config {
        zero_checksum: !checksum,
        max_packet_size: mtu,
        peer_max_message_size: 64 << 10,
        ..Config::default()
    };
    let mut ends = [1, 2].map(|n| Association::new(config(), Entropy([n; 16])));
    let message = Bytes::from(vec![7; 64 << 10]);
    let mut now = Time::ZERO;
    ends.iter_mut().for_each(|end| end.connect(now));

    let (mut received, mut packets, mut data_packets) = (0u64, 0u64, 0u64);
    let mut batch = Vec::with_capacity(64 << 10);
    let mut cuts = Vec::with_capacity(BATCH);
    let mut spent = [Duration::ZERO; 2];
    while received < TOTAL {
        now = now + Duration::from_micros(20);
        for end in 0..2 {
            let from = &mut ends[end];
            let started = std::time::Instant::now();
            if from.poll_timeout().is_some_and(|at| at <= now) {
                from.handle_timeout(now);
            }
            while end == 0 && from.is_established() && from.buffered(0) < 256 << 10 {
                _ = from.send(0, false, message.clone(), now);
            }
            batch.clear();
            cuts.clear();
            while cuts.len() < BATCH
                && (from.poll_probe(now, &mut batch) || from.poll_transmit(now, &mut batch))
            {
                cuts.push(batch.len());
            }
            spent[end] += started.elapsed();

            let to = &mut ends[1 - end];
            let started = std::time::Instant::now();
            let mut start = 0;
            for &cut in &cuts {
                packets += 1;
                data_packets += u64::from(end == 0);
                if one_in == 0 || !packets.is_multiple_of(one_in) {
                    to.handle_packet(&batch[start..cut], now + Duration::from_micros(5));
                }
                start = cut;
            }
            while let Some(event) = to.poll_event() {
                match event {
                    Event::Established => _ = to.open_negotiated(0, ChannelConfig::default()),
                    Event::Message { payload, .. } => received += payload.len() as u64,
                    _ => {}
                }
            }
            spent[1 - end] += started.elapsed();
        }
    }
    let each = |spent: Duration| spent.as_nanos() as f64 / data_packets as f64;
    let rate = received as f64 / (spent[0] + spent[1]).as_secs_f64() / 1e6;
    println!(
        "{data_packets} data packets, {} others: sender {:.0} ns, receiver {:.0} ns a data packet; {rate:.0} MB/s on one core",
        packets - data_packets,
        each(spent[0]),
        each(spent[1]),
    );
}
