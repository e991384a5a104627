//! JavaScript's idea of white space and numbers, where the web app's data depends on it.

/// Trims ECMAScript white space: unlike [`str::trim`] it takes U+FEFF away and leaves U+0085.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(is_white_space)
}

fn is_white_space(c: char) -> bool {
    matches!(
        c,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'
            ..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}'
    )
}

/// `Number(text)`, or `None` where that is no finite number. An empty text is 0.
pub(crate) fn number(text: &str) -> Option<f64> {
    let text = trim(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let radix = match text.get(..2) {
        Some("0x" | "0X") => Some(16),
        Some("0o" | "0O") => Some(8),
        Some("0b" | "0B") => Some(2),
        _ => None,
    };
    let value = match radix {
        Some(radix) => whole(&text[2..], radix)?,
        // Rust also reads `inf`, `NaN` and `infinity`, which have other letters than an exponent's.
        None if text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) => text.parse().ok()?,
        None => return None,
    };
    value.is_finite().then_some(value)
}

fn whole(digits: &str, radix: u32) -> Option<f64> {
    let add = |value: f64, digit: char| Some(value * f64::from(radix) + f64::from(digit.to_digit(radix)?));
    (!digits.is_empty())
        .then(|| digits.chars().try_fold(0.0, add))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_javascript_reads_them() {
        for (text, value) in [
            ("", 0.0),
            (" \n", 0.0),
            ("-5000", -5000.0),
            ("1.7e12", 1.7e12),
            (" 7 ", 7.0),
            ("0x1F", 31.0),
            (".5", 0.5),
            ("0b11", 3.0),
        ] {
            assert_eq!(number(text), Some(value), "{text:?}");
        }
        for text in [
            "Infinity", "inf", "NaN", "nan", "1e400", "7abc", "0x", "0xg", "-", "1_000", "é",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_byte_order_mark_is_space_and_a_next_line_is_not() {
        assert_eq!(trim("\u{feff}\u{a0} hi\u{2029}\n"), "hi");
        assert_eq!(trim("\u{85}hi\u{200b}"), "\u{85}hi\u{200b}");
    }
}
