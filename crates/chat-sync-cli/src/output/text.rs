//! Words of other people on a terminal.

use console::truncate_str;

/// A UUID fits; a longer id would push what follows it off the screen.
const ID_COLUMNS: usize = 36;

/// The text without control characters, which could move the cursor or rename the window, and without characters that
/// are not seen but change what is; line breaks and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, '\n' | '\t') || !(c.is_control() || is_unseen(*c)))
        .collect()
}

/// Characters without a width, and those that turn the direction of the text around them.
fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// The id of a conversation on one line, cut where it is longer than ids usually are.
pub(crate) fn short_id(id: &str) -> String {
    truncate_str(&one_line(id), ID_COLUMNS, "…").into_owned()
}

/// The same on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace()
        .map(printable)
        .filter(|word| !word.is_empty())
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
    fn nothing_turns_the_text_around() {
        assert_eq!(printable("pay\u{202e}\u{2066}load\u{200b}\u{feff}"), "payload");
        assert_eq!(one_line("a \u{200f} b"), "a b");
        // Joiners are letters of some scripts, and hold emoji together.
        assert_eq!(
            printable("\u{1f469}\u{200d}\u{1f680}"),
            "\u{1f469}\u{200d}\u{1f680}"
        );
        assert_eq!(printable("日本語 ünïcode é"), "日本語 ünïcode é");
    }

    #[test]
    fn a_long_id_is_cut_and_a_uuid_is_not() {
        let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e";
        assert_eq!(short_id(uuid), uuid);
        let short = short_id(&"x".repeat(5000));
        assert_eq!(short, format!("{}…", "x".repeat(35)));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!(plural(1, "message"), "1 message");
        assert_eq!(plural(0, "message"), "0 messages");
    }
}
