//! QR codes in a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

/// `text` as a QR code of half blocks, two modules a line, with the quiet zone that readers need. Light modules are
/// drawn, so that it reads on a dark terminal, and the quiet zone keeps it readable on a light one. `None` when the
/// text is too long for any code.
///
/// Damage is the terminal's least concern, so the lowest error correction keeps the code small. Upper-case text makes
/// a smaller code than lower-case text.
pub(crate) fn qr(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let drawn = code
        .render::<Dense1x2>()
        .dark_color(Dense1x2::Light)
        .light_color(Dense1x2::Dark)
        .quiet_zone(true)
        .build();
    Some(drawn)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules as they are drawn, light ones `true`.
    fn modules(drawn: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            rows.push(line.chars().map(|cell| matches!(cell, '▀' | '█')).collect());
            rows.push(line.chars().map(|cell| matches!(cell, '▄' | '█')).collect());
        }
        rows
    }

    #[test]
    fn what_is_drawn_is_the_code_with_a_quiet_zone() {
        let text = "NOSTRCONNECT://EXAMPLE";
        let code = QrCode::with_error_correction_level(text, EcLevel::L).unwrap();
        let drawn = modules(&qr(text).unwrap());
        for (y, row) in drawn.iter().enumerate().take(code.width() + 8) {
            assert_eq!(row.len(), code.width() + 8, "four modules of quiet on each side");
            for (x, light) in row.iter().enumerate() {
                let inside = (4..code.width() + 4).contains(&x) && (4..code.width() + 4).contains(&y);
                let dark = inside && code[(x - 4, y - 4)] == qrcode::Color::Dark;
                assert_eq!(*light, !dark, "module {x}, {y}");
            }
        }
    }

    #[test]
    fn a_text_too_long_for_a_code_has_none() {
        assert!(qr(&"x".repeat(3_000)).is_none());
    }
}
