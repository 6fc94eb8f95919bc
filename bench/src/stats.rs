//! Medians and what a run cost.

use std::time::Duration;

use serde_json::{Value, json};

/// One transfer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub bytes: u64,
    pub wall: Duration,
    /// User and system time of everybody who took part.
    pub cpu: Duration,
}

impl Run {
    /// MB (10^6 bytes) a second.
    pub(crate) fn speed(&self) -> f64 {
        self.bytes as f64 / 1e6 / self.wall.as_secs_f64()
    }

    /// CPU seconds a GiB, both ends together.
    pub(crate) fn cost(&self) -> f64 {
        self.cpu.as_secs_f64() / (self.bytes as f64 / f64::from(1 << 30))
    }
}

/// Two ways of doing the same, measured in turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    pub ours: Vec<Run>,
    pub control: Vec<Run>,
}

impl Pairs {
    /// A ratio over 1 means that we are faster (`speed`) or dearer (`cost`) than the control.
    ///
    /// The median of each pair's ratio: what disturbs the machine for a while disturbs both of a pair.
    pub(crate) fn ratio(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.ours.iter().zip(&self.control).map(|(ours, control)| of(ours) / of(control)).collect())
    }

    /// The same from the two medians.
    pub(crate) fn ratio_of_medians(&self, of: impl Fn(&Run) -> f64) -> f64 {
        median(self.ours.iter().map(&of).collect()) / median(self.control.iter().map(&of).collect())
    }

    pub(crate) fn json(&self, control: &str) -> Value {
        let runs = |runs: &[Run]| -> Vec<Value> {
            let one = |run: &Run| json!({ "seconds": run.wall.as_secs_f64(), "mb_per_s": run.speed(), "cpu_s_per_gib": run.cost() });
            runs.iter().map(one).collect()
        };
        json!({
            "speed_ratio": self.ratio(Run::speed),
            "speed_ratio_of_medians": self.ratio_of_medians(Run::speed),
            "cost_ratio": self.ratio(Run::cost),
            "cost_ratio_of_medians": self.ratio_of_medians(Run::cost),
            "beeline": runs(&self.ours),
            control: runs(&self.control),
        })
    }

    /// Two lines for people.
    pub(crate) fn summary(&self, control: &str) -> String {
        let middle = |runs: &[Run], of: fn(&Run) -> f64| median(runs.iter().map(of).collect());
        format!(
            "speed  beeline {:.1} MB/s, {control} {:.1} MB/s: {:.2} of it (median of {} pairs; ratio of medians {:.2})\n\
             cost   beeline {:.1} CPU s/GiB, {control} {:.1}: {:.2} of it (ratio of medians {:.2})",
            middle(&self.ours, Run::speed),
            middle(&self.control, Run::speed),
            self.ratio(Run::speed),
            self.ours.len(),
            self.ratio_of_medians(Run::speed),
            middle(&self.ours, Run::cost),
            middle(&self.control, Run::cost),
            self.ratio(Run::cost),
            self.ratio_of_medians(Run::cost),
        )
    }
}

/// The middle one, or the mean of the two in the middle; not a number for none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

/// The largest; 0 for none, or for none above it.
pub(crate) fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(median(vec![9.0, 1.0, 2.0, 4.0]), 3.0);
        assert_eq!(median(vec![9.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn a_disturbance_that_hits_both_of_a_pair_does_not_move_the_ratio() {
        let run =
            |seconds| Run { bytes: 1 << 30, wall: Duration::from_secs(seconds), cpu: Duration::from_secs(1) };
        let pairs = Pairs { ours: vec![run(10), run(40), run(10)], control: vec![run(9), run(36), run(9)] };

        assert!((pairs.ratio(Run::speed) - 0.9).abs() < 1e-9);
    }
}
