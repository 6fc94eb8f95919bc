//! Counters, and their Prometheus text (exposition format 0.0.4). No label comes from a user.
use std::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// What a server has done so far.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    pub(crate) connections: AtomicU64,
    pub(crate) rooms: AtomicU64,
    pub(crate) kept_bytes: AtomicU64,
    pub(crate) messages_in: AtomicU64,
    pub(crate) messages_out: AtomicU64,
    pub(crate) no_room: AtomicU64,
    pub(crate) limited_messages: AtomicU64,
    pub(crate) limited_guesses: AtomicU64,
    pub(crate) limited_rooms: AtomicU64,
    pub(crate) limited_sockets: AtomicU64,
    pub(crate) foreign_origins: AtomicU64,
    pub(crate) resumes: AtomicU64,
    pub(crate) resumes_unknown: AtomicU64,
}

impl Metrics {
    pub(crate) fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Relaxed);
    }

    pub(crate) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(n as u64, Relaxed);
    }

    pub(crate) fn set(gauge: &AtomicU64, value: usize) {
        gauge.store(value as u64, Relaxed);
    }

    /// All of it as text.
    pub(crate) fn text(&self, build: &str) -> String {
        let mut out = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(&str, &AtomicU64)]| {
            let _ = writeln!(out, "# HELP beeline_{name} {help}\n# TYPE beeline_{name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(out, "beeline_{name}{labels} {}", value.load(Relaxed));
            }
        };
        family("ws_connections", "gauge", "Open sockets.", &[("", &self.connections)]);
        family("rooms", "gauge", "Rooms.", &[("", &self.rooms)]);
        family("kept_bytes", "gauge", "Bytes kept for receivers.", &[("", &self.kept_bytes)]);
        family(
            "signal_messages_total",
            "counter",
            "Messages on sockets.",
            &[("{dir=\"in\"}", &self.messages_in), ("{dir=\"out\"}", &self.messages_out)],
        );
        family(
            "join_failures_total",
            "counter",
            "Joins that were refused.",
            &[("{reason=\"no_room\"}", &self.no_room), ("{reason=\"rate_limited\"}", &self.limited_guesses)],
        );
        family(
            "rate_limited_total",
            "counter",
            "What was refused for being too much.",
            &[
                ("{kind=\"messages\"}", &self.limited_messages),
                ("{kind=\"guesses\"}", &self.limited_guesses),
                ("{kind=\"rooms\"}", &self.limited_rooms),
                ("{kind=\"sockets\"}", &self.limited_sockets),
            ],
        );
        family(
            "foreign_origins_total",
            "counter",
            "Sockets of other sites' pages.",
            &[("", &self.foreign_origins)],
        );
        family(
            "resume_total",
            "counter",
            "Seats asked for again.",
            &[("{result=\"ok\"}", &self.resumes), ("{result=\"unknown\"}", &self.resumes_unknown)],
        );
        let one = AtomicU64::new(1);
        let labels = format!("{{version=\"{}\",build=\"{build}\"}}", env!("CARGO_PKG_VERSION"));
        family("build_info", "gauge", "What runs here.", &[(&labels, &one)]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads() {
        let metrics = Metrics::default();
        Metrics::count(&metrics.no_room);
        Metrics::set(&metrics.rooms, 3);

        let text = metrics.text("00ff");

        assert!(text.contains("# TYPE beeline_rooms gauge\nbeeline_rooms 3\n"));
        assert!(text.contains("\nbeeline_join_failures_total{reason=\"no_room\"} 1\n"));
        assert!(text.contains(",build=\"00ff\"} 1\n"));
        for line in text.lines().filter(|l| !l.starts_with('#')) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(name.starts_with("beeline_") && value.parse::<u64>().is_ok(), "{line}");
        }
    }
}
