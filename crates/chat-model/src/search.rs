//! Finding words in messages: in either case, in what a person reads.

use std::fmt;

use crate::Content;

/// How many characters of a text show before and behind what was found.
const AROUND: usize = 40;

/// What a person searches for.
#[derive(Clone, PartialEq, Eq)]
pub struct Wanted(Vec<char>);

/// A line of a message around what was found. `Debug` prints no words.
#[derive(Clone, PartialEq, Eq)]
pub struct Snippet {
    /// The text around it, in one line; `…` where it was cut.
    pub text: String,
    /// Where in `text` what was found begins and ends, in characters.
    pub found: (usize, usize),
}

impl fmt::Debug for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wanted({} characters)", self.0.len())
    }
}

impl fmt::Debug for Snippet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snippet({} bytes)", self.text.len())
    }
}

impl Wanted {
    /// What to look for, without the white space around it; `None` when nothing is left.
    pub fn new(text: &str) -> Option<Self> {
        let folded: Vec<char> = text.trim().chars().flat_map(char::to_lowercase).collect();
        (!folded.is_empty()).then_some(Self(folded))
    }

    /// The first place in what a person reads of a message. Cost: a scan of its text.
    pub fn find(&self, content: &Content) -> Option<Snippet> {
        if !content.is_parts() {
            return self.find_in(content.raw());
        }
        self.find_in(&content.plain())
    }

    fn find_in(&self, text: &str) -> Option<Snippet> {
        // Nearly every text ends here. A letter that has no other case needs no folding.
        let first = self.0[0];
        let plain = first.is_ascii() && !matches!(first, 'i' | 'k');
        if plain && !text.bytes().any(|byte| byte.to_ascii_lowercase() == first as u8) {
            return None;
        }
        let characters: Vec<char> = text.chars().collect();
        // Folding can make several letters of one, so each knows where it came from.
        let folded: Vec<(char, usize)> = characters
            .iter()
            .enumerate()
            .flat_map(|(at, letter)| letter.to_lowercase().map(move |folded| (folded, at)))
            .collect();
        let start = folded
            .windows(self.0.len())
            .position(|window| window.iter().map(|(letter, _)| letter).eq(&self.0))?;
        let (from, to) = (folded[start].1, folded[start + self.0.len() - 1].1 + 1);
        Some(Self::snippet(&characters, from, to))
    }

    fn snippet(characters: &[char], from: usize, to: usize) -> Snippet {
        let begin = from.saturating_sub(AROUND);
        let end = (to + AROUND).min(characters.len());
        let mut text = String::new();
        let mut before = 0;
        if begin > 0 {
            text.push('…');
            before = 1;
        }
        text.extend(characters[begin..end].iter().map(|letter| {
            if letter.is_whitespace() || letter.is_control() {
                ' '
            } else {
                *letter
            }
        }));
        if end < characters.len() {
            text.push('…');
        }
        Snippet {
            text,
            found: (from - begin + before, to - begin + before),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(wanted: &str, text: &str) -> Option<(String, String)> {
        let snippet = Wanted::new(wanted)?.find(&Content::new(text))?;
        let (from, to) = snippet.found;
        let found = snippet.text.chars().skip(from).take(to - from).collect();
        Some((snippet.text, found))
    }

    #[test]
    fn words_are_found_in_either_case_with_the_line_around_them() {
        let (text, found) = find("ORANGE", "What rhymes\nwith Orange?").unwrap();
        assert_eq!(
            (text.as_str(), found.as_str()),
            ("What rhymes with Orange?", "Orange")
        );
        let long = format!("{} needle {}", "a".repeat(100), "b".repeat(100));
        let (text, found) = find("Needle", &long).unwrap();
        assert_eq!(found, "needle");
        assert!(text.starts_with("…a") && text.ends_with("b…"), "{text}");
        assert_eq!(find("lemon", "an orange"), None);
        assert_eq!(find("  ", "an orange"), None);
    }

    #[test]
    fn letters_that_fold_into_several_are_found_at_their_place() {
        assert_eq!(find("i\u{307}z", "a İz b").unwrap().1, "İz");
        assert_eq!(find("straße", "Die STRAßE").unwrap().1, "STRAßE");
        // The Kelvin sign is a k in lower case.
        assert_eq!(find("k", "300 \u{212a}").unwrap().1, "\u{212a}");
    }

    #[test]
    fn parts_are_searched_as_they_read() {
        let parts =
            r#"[{"type":"text","text":"see the lighthouse"},{"type":"image_url","image_url":{"url":"x"}}]"#;
        assert_eq!(find("lighthouse", parts).unwrap().1, "lighthouse");
        assert_eq!(find("type", parts), None);
    }
}
