//! Words of other people on a terminal.

/// The text without control characters, which could move the cursor or rename the window; line breaks and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control() || matches!(c, '\n' | '\t'))
        .collect()
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace()
        .map(printable)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `1 message`, `2 messages`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    if count == 1 {
        format!("{count} {noun}")
    } else {
        format!("{count} {noun}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_lose_their_power() {
        assert_eq!(printable("a\u{1b}[2Jb\r\n\tc\u{7}\u{9b}"), "a[2Jb\n\tc");
        assert_eq!(one_line(" two\nlines\u{1b}]0;x\u{7} "), "two lines]0;x");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(plural(1, "message"), "1 message");
        assert_eq!(plural(0, "message"), "0 messages");
    }
}
