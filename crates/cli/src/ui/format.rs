//! Sizes, speeds and times for people.

/// Decimal units, as disks and lines are sold: `52.4 MB`.
pub(crate) fn bytes(count: u64) -> String {
    if count < 1000 {
        return format!("{count} B");
    }
    let mut value = count as f64;
    let mut unit = "B";
    for next in ["kB", "MB", "GB", "TB", "PB"] {
        // What would round to 1000 belongs to the next unit.
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = next;
    }
    if value < 99.95 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

/// `59.4 MB/s`.
pub(crate) fn speed(bytes_per_s: f64) -> String {
    format!("{}/s", bytes(bytes_per_s.clamp(0.0, 1e18) as u64))
}

/// `0:07`, `12:30`, `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    let seconds = seconds.clamp(0.0, 1e9).ceil() as u64;
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

/// `0.85 s`, `12.3 s`, `12:30`.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 60.0 => format!("{s:.1} s"),
        s => clock(s),
    }
}

/// `1 file`, `3 files`.
pub(crate) fn count(number: u32, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// `3 files, 1 folder`.
pub(crate) fn counts(files: u32, folders: u32) -> String {
    match (files, folders) {
        (files, 0) => count(files, "file"),
        (0, folders) => count(folders, "folder"),
        (files, folders) => format!("{}, {}", count(files, "file"), count(folders, "folder")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits_or_so() {
        for (count, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.0 kB"),
            (52_428_800, "52.4 MB"),
            (999_999, "1.0 MB"),
            (123_456_789, "123 MB"),
            (1 << 40, "1.1 TB"),
        ] {
            assert_eq!(bytes(count), text);
        }
    }

    #[test]
    fn times_are_rounded_up_so_that_zero_means_over() {
        assert_eq!(clock(0.2), "0:01");
        assert_eq!(clock(3723.0), "1:02:03");
        assert_eq!(duration(750.0), "12:30");
    }
}
