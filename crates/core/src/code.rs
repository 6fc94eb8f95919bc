//! Codes that people say to each other, and the links that carry them.
use crate::key::Secret;
use std::fmt;

/// How many words a code has. Each is one of 2,048, so two are 22 bits; three wrong guesses burn a code.
const WORDS: usize = 2;

/// Where to meet and what to know: `7-guitar-sunset`.
///
/// The *nameplate* is public: the server finds the room by it. The *words* never leave the two devices.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    nameplate: u32,
    words: [u16; WORDS],
}

/// Why a text is not a code. None of these costs a guess.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodeError {
    /// Not a number and two words.
    #[error("a code is a number and two words, like 7-guitar-sunset")]
    Shape,
    /// Not in the list.
    #[error("{0} is not a word of the list")]
    UnknownWord(String),
    /// The beginning of several words.
    #[error("{word} could be {}", .candidates.join(", "))]
    Ambiguous {
        /// What was typed.
        word: String,
        /// Some of what it could be.
        candidates: Vec<&'static str>,
    },
    /// Not a link with a code in its fragment.
    #[error("a link has its code after the #, like https://host/#7-guitar-sunset")]
    NoCodeInLink,
}

impl Code {
    /// Draws the words; the nameplate came from the server.
    pub(crate) fn draw(nameplate: u32, random: &mut impl rand_core::RngCore) -> Self {
        // 2,048 divides 2^32: every word is equally likely.
        Self { nameplate, words: std::array::from_fn(|_| (random.next_u32() % 2048) as u16) }
    }

    /// Reads a code as people type it: any case, spaces or hyphens, words cut short where that is unique.
    /// A link with a code in its fragment is a code, too.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let text = match text.split_once('#') {
            Some((_, fragment)) => fragment,
            None if text.contains("://") => return Err(CodeError::NoCodeInLink),
            None => text,
        };
        let mut parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
        let nameplate = parts.next().ok_or(CodeError::Shape)?;
        if !nameplate.bytes().all(|b| b.is_ascii_digit()) {
            return Err(CodeError::Shape);
        }
        let nameplate = nameplate.parse().ok().filter(|n| *n > 0).ok_or(CodeError::Shape)?;
        let mut words = [0; WORDS];
        for word in &mut words {
            *word = find(parts.next().ok_or(CodeError::Shape)?)?;
        }
        if parts.next().is_some() {
            return Err(CodeError::Shape);
        }
        Ok(Self { nameplate, words })
    }

    /// The public number.
    pub fn nameplate(&self) -> u32 {
        self.nameplate
    }

    /// What the PAKE proves knowledge of.
    pub(crate) fn secret(&self) -> Secret {
        let words = self.words.map(word);
        Secret::new(words.join("-").into_bytes())
    }

    /// The link that opens the page with this code. The fragment never reaches a server (RFC 3986 §3.5).
    pub fn link(&self, server: &str) -> String {
        format!("{}/#{self}", server.trim_end_matches('/'))
    }

    /// The words of the list that begin like this, for completion while somebody types; at most 8.
    pub fn complete(partial: &str) -> Vec<&'static str> {
        let partial = partial.trim().to_ascii_lowercase();
        if partial.is_empty() {
            return Vec::new();
        }
        list().filter(|w| w.starts_with(&partial)).take(8).collect()
    }
}

/// A server's address with a code: `https://host/prefix/#7-guitar-sunset`.
#[derive(Clone, PartialEq, Eq)]
pub struct Link {
    /// All before the `#`.
    pub server: String,
    /// What stands after it.
    pub code: Code,
}

impl Link {
    /// Reads a link.
    pub fn parse(text: &str) -> Result<Self, CodeError> {
        let (server, fragment) = text.trim().split_once('#').ok_or(CodeError::NoCodeInLink)?;
        if !server.starts_with("http://") && !server.starts_with("https://") {
            return Err(CodeError::NoCodeInLink);
        }
        Ok(Self { server: server.to_owned(), code: Code::parse(fragment)? })
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({}#…)", self.server)
    }
}

/// The English list of BIP-39: 2,048 common words, in order, distinct in their first four letters. One text, because a
/// table of pointers is as large as the words, and the page carries it.
const LIST: &str = include_str!("words.txt");

fn list() -> impl Iterator<Item = &'static str> {
    LIST.lines()
}

fn word(number: u16) -> &'static str {
    list().nth(number.into()).expect("there are 2,048")
}

/// The two words that 22 bits stand for.
pub(crate) fn two_words(bits: u32) -> [&'static str; 2] {
    [bits >> 11, bits].map(|bits| word((bits & 0x7ff) as u16))
}

/// The number of a word or of a beginning that only one word has.
fn find(word: &str) -> Result<u16, CodeError> {
    let word = word.to_ascii_lowercase();
    let first = list().take_while(|w| *w < word.as_str()).count();
    let candidates: Vec<_> = list().skip(first).take_while(|w| w.starts_with(&word)).collect();
    match &candidates[..] {
        [] => Err(CodeError::UnknownWord(crate::quote::quote(&word))),
        [_] => Ok(first as u16),
        [whole, ..] if *whole == word => Ok(first as u16),
        _ => Err(CodeError::Ambiguous { word, candidates: candidates.into_iter().take(8).collect() }),
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.nameplate)?;
        self.words.iter().try_for_each(|w| write!(f, "-{}", word(*w)))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}-…)", self.nameplate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_reads_as_people_type_it() {
        let code = Code::parse("7-guitar-sunset").unwrap();
        for text in [
            "7 guitar sunset",
            " 7-GUITAR-Sunset ",
            "7 guit suns",
            "7--guitar  sunset",
            "https://host/x/#7-guitar-sunset",
        ] {
            assert_eq!(Code::parse(text), Ok(code.clone()), "{text}");
        }
        assert_eq!(code.to_string(), "7-guitar-sunset");
        assert_eq!(code.nameplate(), 7);
    }

    #[test]
    fn what_is_no_code_is_refused_in_words() {
        assert_eq!(Code::parse(""), Err(CodeError::Shape));
        assert_eq!(Code::parse("7-guitar"), Err(CodeError::Shape));
        assert_eq!(Code::parse("guitar-sunset"), Err(CodeError::Shape));
        assert_eq!(Code::parse("7-guitar-sunset-x"), Err(CodeError::Shape));
        assert_eq!(Code::parse("99999999999-guitar-sunset"), Err(CodeError::Shape));
        assert_eq!(Code::parse("7-guitar-sunsett"), Err(CodeError::UnknownWord("sunsett".into())));
        assert!(matches!(Code::parse("7-guitar-su"), Err(CodeError::Ambiguous { .. })));
        assert_eq!(Code::parse("https://host/"), Err(CodeError::NoCodeInLink));
    }

    #[test]
    fn the_words_are_those_of_bip39() {
        assert!(list().eq(bip39::Language::English.word_list().iter().copied()));
    }

    #[test]
    fn every_word_is_told_by_its_first_four_letters() {
        for (number, word) in list().enumerate() {
            assert_eq!(find(word), Ok(number as u16));
            if word.len() > 4 {
                assert_eq!(find(&word[..4]), Ok(number as u16));
            }
        }
    }

    #[test]
    fn a_link_carries_server_and_code() {
        let link = Link::parse("https://host/prefix/#7-guitar-sunset").unwrap();
        assert_eq!(link.server, "https://host/prefix/");
        assert_eq!(link.code.link(&link.server), "https://host/prefix/#7-guitar-sunset");
        assert!(Link::parse("ftp://host/#7-guitar-sunset").is_err());
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        let code = Code::parse("7-guitar-sunset").unwrap();
        assert_eq!(format!("{code:?}"), "Code(7-…)");
    }
}
