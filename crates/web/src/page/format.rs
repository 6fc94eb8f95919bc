//! Numbers for people, as their language writes them.
use crate::text::{number, t};

/// `12.3 MB`: decimal units, three digits.
pub(crate) fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    number(value, digits) + "\u{a0}" + UNITS[unit]
}

/// `12.3 MB/s`; nothing while there is no speed.
pub(super) fn speed(bytes_per_s: f64) -> String {
    if bytes_per_s < 1.0 { String::new() } else { t!("per_second", size = bytes(bytes_per_s as u64)) }
}

/// `2 min 5 s left`; nothing while it is not known.
pub(super) fn left(eta_s: Option<f64>) -> String {
    let Some(seconds) = eta_s.filter(|eta| eta.is_finite()) else { return String::new() };
    let seconds = seconds.ceil() as u64;
    let (h, min, s) = (seconds / 3600, (seconds / 60 % 60).to_string(), (seconds % 60).to_string());
    match (h, seconds / 60 % 60) {
        (0, 0) => t!("left_s", s = s),
        (0, _) => t!("left_min", min = min, s = s),
        (h, _) => t!("left_h", h = h.to_string(), min = min),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_keep_three_digits_and_never_show_a_thousand_of_a_unit() {
        assert_eq!(bytes(0), "0\u{a0}B");
        assert_eq!(bytes(999), "999\u{a0}B");
        assert_eq!(bytes(1_234), "1.2\u{a0}kB");
        assert_eq!(bytes(999_600), "1.0\u{a0}MB");
        assert_eq!(bytes(123_456_789), "123\u{a0}MB");
    }

    #[test]
    fn an_unknown_end_is_not_shown() {
        assert_eq!(left(None), "");
        assert_eq!(left(Some(f64::INFINITY)), "");
        assert_eq!(left(Some(125.0)), "2 min 5 s left");
    }
}
