//! Terminal to terminal over long and lossy lines, beside TCP on the same lines; set-up included on both sides.
//!
//! ```text
//! 100 Mbit/s  40 ms  1 % loss each way    64 MiB    beside TCP BBR (CUBIC where the kernel has no BBR)
//! 300 Mbit/s 100 ms  no loss             128 MiB    beside TCP CUBIC
//! ```

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::{Joined, Server, Settings, Tcp, Terminal, Way, has_congestion_control, random_file};
use serde_json::{Value, json};

use crate::options::Options;
use crate::stats::median;

/// Long enough for an engine that gets two hundredths of the line.
const LIMIT: Duration = Duration::from_secs(600);

struct Case {
    mbit: u64,
    /// Milliseconds.
    round_trip: u64,
    /// Each way, 0 to 1.
    loss: f64,
    mib: u64,
    congestion: &'static str,
    /// Of TCP's speed.
    target: f64,
}

impl Case {
    /// With a queue of one bandwidth-delay product.
    fn line(&self) -> Settings {
        let round_trip = Duration::from_millis(self.round_trip);
        Settings::symmetric(self.mbit * 1_000_000, round_trip, 1.0).with_loss(self.loss)
    }
}

const CASES: [Case; 2] = [
    Case { mbit: 100, round_trip: 40, loss: 0.01, mib: 64, congestion: "bbr", target: 0.8 },
    Case { mbit: 300, round_trip: 100, loss: 0.0, mib: 128, congestion: "cubic", target: 0.95 },
];

pub(crate) async fn run(options: &Options) -> Result<()> {
    let joined = Joined::by_line(CASES[0].line())?;
    let server = Server::start_on(Joined::SERVER)?;
    let mut cases = Vec::new();
    for case in &CASES {
        joined.line().set(case.line());
        cases.push(measure(case, &joined, &server, options).await?);
    }
    options.result(&json!({ "lines": cases }));
    Ok(())
}

async fn measure(case: &Case, joined: &Joined, server: &Server, options: &Options) -> Result<Value> {
    let &Case { mbit, round_trip, loss, target, .. } = case;
    let mib = options.one_size(case.mib);
    let bytes = mib << 20;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("wan.bin");
    let digest = random_file(&file, bytes, 42)?;
    let congestion = if has_congestion_control(case.congestion) { case.congestion } else { "cubic" };
    if congestion != case.congestion {
        options.say(&format!("this kernel has no TCP {}: beside {congestion}", case.congestion));
    }
    let speed = |time: Duration| bytes as f64 * 8.0 / 1e6 / time.as_secs_f64();
    let (mut ours, mut tcp) = (Vec::new(), Vec::new());
    for _ in 0..options.runs.unwrap_or(3) {
        let start = Instant::now();
        Tcp::start(joined, congestion, Some(bytes))?.arrived(LIMIT).await?;
        tcp.push(speed(start.elapsed()));

        joined.line().measure_anew();
        let start = Instant::now();
        send(joined, server, &file, &digest).await?;
        ours.push(speed(start.elapsed()));
        let late = joined.line().measured(Way::AToB).lateness;
        options.say(&format!(
            "{mbit} Mbit/s {round_trip} ms  loss {:.0} %  {mib} MiB  TCP {congestion} {:6.1} Mbit/s  \
             Beeline {:6.1} Mbit/s  (the line was late by {:.1} ms at most)",
            loss * 100.0,
            tcp.last().copied().unwrap_or_default(),
            ours.last().copied().unwrap_or_default(),
            late.as_secs_f64() * 1e3,
        ));
    }
    let ratio = median(ours.iter().zip(&tcp).map(|(ours, tcp)| ours / tcp).collect());
    let share = median(ours.clone()) / mbit as f64;
    options.say(&format!(
        "  {ratio:.2} of TCP {congestion} (median; {target} is asked), {share:.2} of the line  {}",
        if ratio >= target { "ok" } else { "missed" }
    ));
    Ok(json!({
        "mbit": mbit, "rtt_ms": round_trip, "loss": loss, "mib": mib, "tcp": congestion, "ratio": ratio, "target": target,
        "beeline_mbit": ours, "tcp_mbit": tcp, "share": share,
    }))
}

/// From the start of the sender to both exits.
async fn send(joined: &Joined, server: &Server, file: &std::path::Path, digest: &str) -> Result<()> {
    let to = tempfile::tempdir()?;
    let mut sender = Terminal::send_at(&joined.a, &server.lan_url, &[file])?;
    let receiver = Terminal::receive_at(&joined.b, &server.lan_url, &sender.code().await?, to.path())?;
    let ended = receiver.end_within(LIMIT).await?.expect(0).context("the receiver")?;
    sender.end_within(LIMIT).await?.expect(0).context("the sender")?;
    ensure!(ended.digests().values().eq([digest]), "another digest");
    Ok(())
}
