//! Text from a peer, made safe to print.
use std::fmt::Write;

/// The text with everything escaped that could move a cursor, ring a bell, hide or reorder characters.
///
/// ```
/// assert_eq!(beeline_core::quote::quote("a\u{1b}[2J\u{202e}b"), r"a\u{1b}[2J\u{202e}b");
/// ```
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_tricky(c) {
            write!(out, "\\u{{{:x}}}", c as u32).expect("writing to a String does not fail");
        } else {
            out.push(c);
        }
    }
    out
}

/// Control characters (Unicode Cc, so C0 and C1), line and paragraph separators, and the marks that
/// reorder or hide text (UAX #9 §2, zero-width and tag characters).
pub fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{61c}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A name that a person chose for a device or that a program made: one line, at most 64 characters.
pub(crate) fn clean_name(name: &str) -> String {
    name.chars().filter(|c| !is_tricky(*c)).take(64).collect::<String>().trim().to_owned()
}
