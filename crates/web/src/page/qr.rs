//! A QR code as one SVG path, drawn without markup from a string.
use super::ui::{View, svg};
use crate::text::t;
use qrcode::{Color, EcLevel, QrCode as Matrix};
use std::fmt::Write;

/// Modules of white around it that scanners need (ISO/IEC 18004).
const QUIET: usize = 4;

pub(super) fn qr_code(text: &str) -> Option<View> {
    // A link longer than the largest code has no picture; it can still be copied.
    let matrix = Matrix::with_error_correction_level(text.as_bytes(), EcLevel::M).ok()?;
    let side = matrix.width() + 2 * QUIET;
    let picture = svg("svg")
        .id("qr")
        .class("qr")
        .attribute("role", "img")
        .attribute("aria-label", t!("qr_label"))
        .attribute("viewBox", format!("0 0 {side} {side}"))
        .attribute("shape-rendering", "crispEdges")
        .child(svg("path").attribute("d", path(&matrix)));
    Some(picture)
}

/// One rectangle for each run of dark modules in a row.
fn path(matrix: &Matrix) -> String {
    let mut path = String::new();
    for (y, row) in matrix.to_colors().chunks(matrix.width()).enumerate() {
        let mut x = 0;
        while x < row.len() {
            let run = row[x..].iter().take_while(|module| **module == Color::Dark).count();
            if run > 0 {
                let _ = write!(path, "M{} {}h{run}v1h-{run}z", x + QUIET, y + QUIET);
            }
            x += run.max(1);
        }
    }
    path
}
