//! A QR code of half blocks: two modules a character, with the quiet zone that cameras need.
use qrcode::{Color, EcLevel, QrCode};

/// Modules around the code. The standard says 4; 2 are enough for every camera tried, and small screens
/// are common.
const QUIET: usize = 2;

/// The lines of a QR code for `text`, each `width` characters; `None` if it does not fit in `columns`.
///
/// With `coloured`, dark is dark and light is light whatever the terminal's own colours are; without, a
/// terminal with a dark background is assumed (a camera also reads the inverse).
pub(crate) fn lines(text: &str, columns: usize, coloured: bool) -> Option<Vec<String>> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let side = code.width();
    let width = side + 2 * QUIET;
    if width > columns {
        return None;
    }
    let light = |row: usize, column: usize| {
        let inside = QUIET..QUIET + side;
        !(inside.contains(&row)
            && inside.contains(&column)
            && code[(column - QUIET, row - QUIET)] == Color::Dark)
    };
    let line = |row: usize| {
        let blocks: String = (0..width)
            .map(|column| match (light(row, column), row + 1 < width && light(row + 1, column)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            })
            .collect();
        // White on black, by numbers that themes leave alone.
        if coloured { format!("\u{1b}[38;5;231;48;5;16m{blocks}\u{1b}[0m") } else { blocks }
    };
    Some((0..width).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_fits_a_terminal_of_80_columns() {
        let lines = lines("http://192.168.178.123:8080/#1234-guitar-sunset", 80, false).unwrap();

        assert!(lines.len() <= 20, "{} lines", lines.len());
        assert!(lines.iter().all(|line| line.chars().count() == lines[0].chars().count()));
        assert!(lines[0].chars().all(|c| c == '█'), "the quiet zone is light");
    }

    #[test]
    fn a_narrow_terminal_gets_none() {
        assert_eq!(lines("http://192.168.178.123:8080/#1234-guitar-sunset", 20, false), None);
    }
}
