//! The only form in which a name from a peer reaches a disk.
use std::fmt;

/// Bytes of a path, at most.
const MAX_PATH_LEN: usize = 4096;
/// Bytes of one component, at most: what ext4, APFS and NTFS (in its own units) allow.
const MAX_COMPONENT_LEN: usize = 255;
/// Components, at most.
const MAX_DEPTH: usize = 64;

/// A relative path that is safe below any directory on any system.
///
/// Components are joined by `/`. None is empty, `.` or `..`; none holds a separator, a colon or another
/// character that Windows refuses, a control character, or a mark that reorders text; none ends in a dot
/// or a space; none is a device name of Windows (`CON`, `nul.txt`, …). So the path cannot leave its
/// directory, name an alternate stream, or look like something else.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

/// Why a text is not a [`RelPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// Nothing at all.
    #[error("a name is empty")]
    Empty,
    /// Longer than 4,096 bytes, deeper than 64, or a component over 255 bytes.
    #[error("the name {0} is too long")]
    TooLong(String),
    /// `.`, `..`, an absolute path or an empty component.
    #[error("the name {0} leads elsewhere")]
    Escapes(String),
    /// A character that a file name cannot have everywhere.
    #[error("the name {name} has the character {character:?}, which not every system allows")]
    Character {
        /// The whole name, quoted.
        name: String,
        /// The first such character.
        character: char,
    },
    /// A device name of Windows, or an end that Windows cuts off.
    #[error("the name {0} means something else on Windows")]
    Reserved(String),
}

impl RelPath {
    /// Parses components joined by `/`.
    pub fn parse(text: &str) -> Result<Self, PathError> {
        let quoted = || crate::quote::quote(&text.chars().take(200).collect::<String>());
        if text.is_empty() {
            return Err(PathError::Empty);
        }
        if text.len() > MAX_PATH_LEN || text.split('/').count() > MAX_DEPTH {
            return Err(PathError::TooLong(quoted()));
        }
        for component in text.split('/') {
            if component.is_empty() || component == "." || component == ".." {
                return Err(PathError::Escapes(quoted()));
            }
            if component.len() > MAX_COMPONENT_LEN {
                return Err(PathError::TooLong(quoted()));
            }
            let bad = |c: &char| {
                matches!(c, '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|') || crate::quote::is_tricky(*c)
            };
            if let Some(character) = component.chars().find(bad) {
                return Err(PathError::Character { name: quoted(), character });
            }
            if component.ends_with(['.', ' ']) || component.starts_with(' ') || is_device(component) {
                return Err(PathError::Reserved(quoted()));
            }
        }
        Ok(Self(text.to_owned()))
    }

    /// The components joined by `/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// From the outermost to the name itself; at least one.
    pub fn components(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split('/')
    }

    /// The last component.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or(&self.0)
    }

    /// The path without its last component; `None` at the top.
    pub fn parent(&self) -> Option<&str> {
        self.0.rsplit_once('/').map(|(parent, _)| parent)
    }
}

/// Device names of Windows, with or without an extension, in any case.
fn is_device(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or(component).trim_end();
    let upper = stem.to_ascii_uppercase();
    match upper.as_str() {
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" => true,
        _ => {
            let port = upper.strip_prefix("COM").or_else(|| upper.strip_prefix("LPT"));
            port.is_some_and(|n| {
                let mut chars = n.chars();
                matches!((chars.next(), chars.next()), (Some('0'..='9' | '¹' | '²' | '³'), None))
            })
        }
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RelPath({:?})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_names_pass() {
        for name in [
            "a",
            "a b.txt",
            "한글 🐝.bin",
            "deep/er/file",
            ".hidden",
            "a..b",
            "COM",
            "CONSOLE",
            "nul1",
            "été/Ü",
        ] {
            assert_eq!(RelPath::parse(name).unwrap().as_str(), name);
        }
    }

    #[test]
    fn hostile_names_are_refused() {
        let long = "x".repeat(256);
        let deep = "a/".repeat(64) + "a";
        for name in [
            "",
            "/",
            "/etc/passwd",
            "..",
            "../x",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            "a\\b",
            "C:x",
            "a:stream",
            "con",
            "Nul.txt",
            "aux.tar.gz",
            "lpt1",
            "COM¹",
            "x.",
            "x ",
            " x",
            "a\0b",
            "a\nb",
            "a\u{1b}[2Jb",
            "txt\u{202e}exe",
            "a\u{200b}b",
            "a\u{feff}",
            "a?b",
            "a|b",
            "\u{85}",
            &long,
            &deep,
        ] {
            assert!(RelPath::parse(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn an_error_shows_the_name_without_its_tricks() {
        let message = RelPath::parse("a\u{1b}[31m/../b").unwrap_err().to_string();
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
}
