//! Questions on the terminal, which do not hold up anything else.
use tokio::sync::oneshot;

/// Reads a line in the background; `None` at the end of the input.
///
/// The thread that reads is left behind if nobody wants the answer any more.
pub(crate) fn line() -> oneshot::Receiver<Option<String>> {
    let (answer, answered) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        let _ = answer.send(matches!(read, Ok(1..)).then(|| line.trim().to_owned()));
    });
    answered
}

/// What an answer to `[Y/n]` means; `None` if it means nothing.
pub(crate) fn is_yes(answer: Option<&str>) -> Option<bool> {
    match answer.map(str::to_lowercase).as_deref() {
        Some("" | "y" | "yes") => Some(true),
        Some("n" | "no") | None => Some(false),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_input_is_no_consent() {
        assert_eq!(is_yes(None), Some(false));
        assert_eq!(is_yes(Some("")), Some(true));
        assert_eq!(is_yes(Some("NO")), Some(false));
        assert_eq!(is_yes(Some("hm")), None);
    }
}
