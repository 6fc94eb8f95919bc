//! Looks sentences up in the language file that `static/boot.js` chose: `static/en.json`, `static/ko.json`, …
//!
//! A language is one file, fetched alone, so a person downloads one language and the wasm holds none. What a
//! language knows beyond words (plural forms, digits, separators) is the browser's own `Intl`, which has it for
//! every language; a Rust library would bring those tables again, for half the size of the page.
//!
//! ```text
//! "files": { "one": "{n} file", "other": "{n} files" }     forms by CLDR's plural categories
//! "offers": "{name} wants to send you"                     {name} is filled in
//! ```
use js_sys::{
    Array,
    Intl::{NumberFormat, PluralRules},
    Object, Reflect,
};
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue};

/// A sentence of the language file by its key, with values for what stands in braces. A key that English does
/// not have is no program.
macro_rules! t {
    ($key:literal $(, $name:ident = $value:expr)* $(,)?) => {{
        const { assert!($crate::text::is_key($key), concat!("en.json has no ", $key)) };
        $crate::text::fill($key, &[$((stringify!($name), AsRef::<str>::as_ref(&$value))),*])
    }};
}
pub(crate) use t;

/// The same in the form for `n` things, which is filled in for `{n}`.
macro_rules! n {
    ($key:literal, $n:expr) => {{
        const { assert!($crate::text::is_key($key), concat!("en.json has no ", $key)) };
        $crate::text::count($key, $n)
    }};
}
pub(crate) use n;

struct Language {
    texts: Object,
    plural: PluralRules,
    tag: JsValue,
    right_to_left: bool,
}

thread_local! {
    static LANGUAGE: RefCell<Option<Language>> = const { RefCell::new(None) };
}

/// Takes the parsed language file and its BCP 47 tag.
pub(crate) fn set_language(texts: &JsValue, tag: &str) {
    let tag = JsValue::from_str(tag);
    LANGUAGE.set(Some(Language {
        texts: texts.clone().unchecked_into(),
        plural: PluralRules::new(&Array::of1(&tag), &Object::new()),
        right_to_left: Reflect::get(texts, &"dir".into()).is_ok_and(|dir| dir == "rtl"),
        tag,
    }));
}

/// Whether the English file has this key; for the compiler.
pub(crate) const fn is_key(key: &str) -> bool {
    const ENGLISH: &[u8] = include_bytes!("../static/en.json");
    let key = key.as_bytes();
    let mut at = 0;
    while at + key.len() + 3 <= ENGLISH.len() {
        // Keys stand at the beginning of a line, so texts and plural forms are no keys.
        if ENGLISH[at] == b'\n' && ENGLISH[at + 3] == b'"' {
            let mut same = 0;
            while same < key.len() && ENGLISH[at + 4 + same] == key[same] {
                same += 1;
            }
            if same == key.len() && ENGLISH[at + 4 + same] == b'"' {
                return true;
            }
        }
        at += 1;
    }
    false
}

/// See [`t!`].
pub(crate) fn fill(key: &str, values: &[(&str, &str)]) -> String {
    let (text, isolate) = look_up(key, None);
    filled(&text, values, isolate)
}

/// See [`n!`].
pub(crate) fn count(key: &str, n: u32) -> String {
    let (text, isolate) = look_up(key, Some(n));
    filled(&text, &[("n", &number(f64::from(n), 0))], isolate)
}

/// `isolate`: a name in another direction must not reorder a sentence that runs from right to left (UAX #9 §2.4).
fn filled(text: &str, values: &[(&str, &str)], isolate: bool) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        out.push_str(before);
        let value = values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value);
        if isolate {
            out.extend(['\u{2068}']);
        }
        out.push_str(value);
        if isolate {
            out.extend(['\u{2069}']);
        }
        rest = after;
    }
    out + rest
}

/// A number as the language writes it, with so many digits after the point.
#[cfg(not(test))]
pub(crate) fn number(value: f64, digits: u8) -> String {
    let options = Object::new();
    for name in ["minimumFractionDigits", "maximumFractionDigits"] {
        let _ = Reflect::set(&options, &name.into(), &digits.into());
    }
    LANGUAGE.with_borrow(|language| {
        let tag = language.as_ref().map_or_else(|| "en".into(), |language| language.tag.clone());
        let format = NumberFormat::new(&Array::of1(&tag), &options).format();
        let text = format.call1(&JsValue::UNDEFINED, &value.into());
        text.ok().and_then(|text| text.as_string()).unwrap_or_default()
    })
}

#[cfg(not(test))]
fn look_up(key: &str, n: Option<u32>) -> (String, bool) {
    LANGUAGE.with_borrow(|language| {
        let language = language.as_ref().expect("the language is set before anything is said");
        let mut text = Reflect::get(&language.texts, &key.into()).unwrap_or_default();
        if let Some(n) = n {
            let form = language.plural.select(f64::from(n));
            text = Reflect::get(&text, &form).unwrap_or_default();
        }
        (text.as_string().unwrap_or_else(|| key.to_owned()), language.right_to_left)
    })
}

#[cfg(test)]
pub(crate) fn number(value: f64, digits: u8) -> String {
    format!("{value:.0$}", usize::from(digits))
}

#[cfg(test)]
fn look_up(key: &str, n: Option<u32>) -> (String, bool) {
    let english: serde_json::Value = serde_json::from_str(include_str!("../static/en.json")).unwrap();
    let text = match n {
        Some(1) => &english[key]["one"],
        Some(_) => &english[key]["other"],
        None => &english[key],
    };
    (text.as_str().unwrap().to_owned(), false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::{collections::BTreeSet, fs, path::Path};

    /// Every language file with its name.
    fn languages() -> Vec<(String, Value)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("static");
        let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|end| end == "json"))
            .map(|path| {
                let text = fs::read_to_string(&path).unwrap();
                (path.file_stem().unwrap().to_str().unwrap().to_owned(), serde_json::from_str(&text).unwrap())
            })
            .collect()
    }

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).filter_map(|part| part.split_once('}')).map(|(name, _)| name).collect()
    }

    fn forms(text: &Value) -> Vec<&str> {
        match text {
            Value::Object(forms) => forms.values().filter_map(Value::as_str).collect(),
            text => text.as_str().into_iter().collect(),
        }
    }

    #[test]
    fn every_language_says_everything_and_fills_in_the_same() {
        let languages = languages();
        let english = &languages.iter().find(|(name, _)| name == "en").expect("English").1;
        let english = english.as_object().unwrap();

        assert!(languages.len() > 1);
        for (name, texts) in &languages {
            let texts = texts.as_object().unwrap();
            assert!(
                texts.keys().eq(english.keys()),
                "{name}.json has other keys, or another order, than en.json"
            );
            for (key, text) in texts {
                let expected = placeholders(forms(&english[key])[0]);
                assert!(!forms(text).is_empty(), "{name}.json: {key} is no text");
                for form in forms(text) {
                    assert!(!form.trim().is_empty(), "{name}.json: {key} is empty");
                    assert_eq!(placeholders(form), expected, "{name}.json: {key}");
                }
                if text.is_object() {
                    assert!(text.get("other").is_some(), "{name}.json: {key} lacks the form `other`");
                }
            }
        }
    }

    #[test]
    fn the_page_chooses_from_exactly_these_languages() {
        let names: BTreeSet<_> = languages().into_iter().map(|(name, _)| name).collect();
        let html = include_str!("../static/index.html");
        let listed = html.split_once("data-languages=\"").unwrap().1.split_once('"').unwrap().0;

        assert_eq!(listed.split(' ').map(str::to_owned).collect::<BTreeSet<_>>(), names);
        let worker = include_str!("../static/sw.js");
        assert!(
            names.iter().all(|name| worker.contains(&format!("\"{name}.json\""))),
            "sw.js keeps them all"
        );
    }

    #[test]
    fn what_the_html_shows_before_the_wasm_is_what_english_says() {
        let english = &languages().into_iter().find(|(name, _)| name == "en").unwrap().1;
        for html in [include_str!("../static/index.html"), include_str!("../static/offline.html")] {
            for part in html.split("data-t=\"").skip(1) {
                let (key, after) = part.split_once('"').unwrap();
                let text = after.split_once('>').unwrap().1.split_once('<').unwrap().0;
                assert_eq!(english[key].as_str(), Some(text.trim()), "{key}");
            }
        }
    }

    #[test]
    fn values_are_filled_in_where_their_names_stand() {
        assert_eq!(filled("{a} of {b}, {a}", &[("a", "1"), ("b", "{a}")], false), "1 of {a}, 1");
        assert_eq!(filled("{a}!", &[("a", "x")], true), "\u{2068}x\u{2069}!");
        assert_eq!(t!("offers", name = "vm"), "vm wants to send you");
        assert_eq!((n!("files", 1), n!("files", 2)), ("1 file".to_owned(), "2 files".to_owned()));
    }
}
