//! Where a code is typed: words complete themselves, and a wrong one is named before anything is sent.
use super::{
    app::App,
    landing::input_of,
    ui::{Signal, View, group, live, tag},
};
use crate::text::t;
use beeline_core::code::Code;
use std::rc::Rc;

/// The browser's own list under a text field: it knows keyboards, touch and screen readers.
pub(super) fn code_field(app: App) -> View {
    let typed = Rc::new(Signal::new(String::new()));
    let [said, is_fine, is_valid] = [(); 3].map(|()| {
        let typed = typed.clone();
        move || typed.with(|typed| trouble(typed))
    });
    let (completed, joined) = (typed.clone(), typed.clone());
    let input = tag("input")
        .id("code-input")
        .attribute("type", "text")
        .attribute("dir", "ltr")
        .attribute("list", "codes")
        .attribute("autocomplete", "off")
        .attribute("autocapitalize", "none")
        .attribute("spellcheck", "false")
        .attribute("placeholder", t!("code_hint"))
        .attribute("aria-describedby", "code-trouble")
        .attribute("aria-invalid", move || is_valid().map(|_| "true"))
        .on("input", move |event| typed.set(input_of(&event).map(|input| input.value()).unwrap_or_default()));
    let join = tag("button").id("join").attribute("type", "submit").class("quiet").text(t!("receive"));
    let codes = live(move || {
        let codes = completed.with(|typed| complete(typed));
        group().children(codes.into_iter().map(|code| tag("option").attribute("value", code)))
    });
    let trouble = tag("p")
        .id("code-trouble")
        .class("notice")
        .attribute("role", "status")
        .hidden(move || is_fine().is_none())
        .text(said);
    tag("form")
        .class("code-form")
        .on("submit", move |event| {
            event.prevent_default();
            app.join(&joined.get_untracked());
        })
        .child(tag("label").attribute("for", "code-input").text(t!("code_label")))
        .child(tag("div").class("joined").child(input).child(join))
        .child(tag("datalist").id("codes").child(codes))
        .child(trouble)
}

/// What stands before the word that is being typed, with its hyphen, and the beginning of that word.
fn last_word(typed: &str) -> Option<(&str, &str)> {
    let start = typed.rfind(|c: char| !c.is_alphanumeric())?;
    let start = start + typed[start..].chars().next().map_or(1, char::len_utf8);
    Some(typed.split_at(start))
}

/// What the whole field could become: `7-gui` becomes `7-guitar`, `7-guide`.
fn complete(typed: &str) -> Vec<String> {
    let Some((before, word)) = last_word(typed) else { return Vec::new() };
    if is_link(typed) || words(typed).len() > 2 {
        return Vec::new();
    }
    let words = Code::complete(word).into_iter().filter(|full| *full != word);
    words.map(|word| format!("{before}{word}")).collect()
}

/// The first word that no code can have, in a sentence.
fn trouble(typed: &str) -> Option<String> {
    if is_link(typed) {
        return None; // said when it is sent, because a link is pasted, not typed
    }
    let wrong = words(typed).into_iter().find(|word| Code::complete(word).is_empty())?;
    Some(t!("code_unknown_word", word = beeline_core::quote::quote(wrong)))
}

/// All after the number.
fn words(typed: &str) -> Vec<&str> {
    typed.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty()).skip(1).collect()
}

fn is_link(typed: &str) -> bool {
    typed.contains(['#', '/'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_being_typed_is_completed_in_place() {
        let codes = complete("7-guitar-sun");

        assert!(codes.contains(&"7-guitar-sunset".to_owned()), "{codes:?}");
        assert!(codes.iter().all(|code| code.starts_with("7-guitar-sun")), "{codes:?}");
        assert_eq!(complete("7"), Vec::<String>::new());
        assert_eq!(complete("7-"), Vec::<String>::new());
    }

    #[test]
    fn a_word_of_no_code_is_named_and_a_beginning_is_not() {
        assert_eq!(trouble("7-gui"), None);
        assert_eq!(trouble("7-guitar-"), None);
        assert_eq!(trouble("https://host/#7-nonsenseword"), None);
        assert!(trouble("7-guitr").is_some_and(|said| said.contains("guitr")));
    }
}
