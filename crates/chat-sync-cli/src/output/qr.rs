//! QR codes on a terminal.

use qrcode::{Color, EcLevel, QrCode};

/// Light modules around the code, on every side. The standard asks for four; readers on phones do with two, and a
/// large code then still fits a terminal.
const QUIET: usize = 2;
/// Black on white from the part of the 256 colours that no colour scheme changes: dark on light on every terminal. These
/// colours are what is said, so `NO_COLOR` does not take them away.
const BLACK_ON_WHITE: &str = "\x1b[38;5;16;48;5;231m";
const RESET: &str = "\x1b[0m";

/// `text` as a QR code of two modules a character, one above the other: lines of equal width, to be printed one below
/// the other. `None` for what no code holds: more than 2,953 bytes, or 4,296 characters of `0-9A-Z $%*+-./:`.
///
/// A code of level M where that is no larger than one of level L.
pub(crate) fn qr(text: &str) -> Option<String> {
    let code = |level| QrCode::with_error_correction_level(text, level).ok();
    let small = code(EcLevel::L)?;
    let code = code(EcLevel::M)
        .filter(|code| code.width() == small.width())
        .unwrap_or(small);
    let width = code.width();
    let dark = |column: usize, row: usize| {
        let inside = |place: usize| place.checked_sub(QUIET).filter(|place| *place < width);
        matches!((inside(column), inside(row)), (Some(x), Some(y)) if code[(x, y)] == Color::Dark)
    };
    let side = width + 2 * QUIET;
    let line = |row: usize| {
        let modules = (0..side).map(|column| match (dark(column, row), dark(column, row + 1)) {
            (true, true) => '█',
            (true, false) => '▀',
            (false, true) => '▄',
            (false, false) => ' ',
        });
        format!("{BLACK_ON_WHITE}{}{RESET}\n", modules.collect::<String>())
    };
    // An odd number of modules is made even by one more light row.
    Some((0..side).step_by(2).map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The modules as drawn, dark ones true, row by row.
    fn modules(drawn: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawn.lines() {
            let line = line
                .strip_prefix(BLACK_ON_WHITE)
                .and_then(|line| line.strip_suffix(RESET))
                .unwrap();
            rows.push(line.chars().map(|half| matches!(half, '█' | '▀')).collect());
            rows.push(line.chars().map(|half| matches!(half, '█' | '▄')).collect());
        }
        rows
    }

    /// What a camera reads, eight pixels a module.
    fn scan(drawn: &str) -> String {
        let rows = modules(drawn);
        let (width, height) = (8 * rows[0].len(), 8 * rows.len());
        let mut image = rqrr::PreparedImage::prepare_from_greyscale(width, height, |x, y| {
            if rows[y / 8][x / 8] { 0 } else { 255 }
        });
        let grids = image.detect_grids();
        assert_eq!(grids.len(), 1);
        grids[0].decode().unwrap().1
    }

    #[test]
    fn what_is_drawn_can_be_scanned() {
        for text in [
            "a",
            "nostrconnect://83f3b2ae6aa368e8275397b9c26cf550101d63ebaab900d19dd4a4429f5ad8f5?relay=wss%3A%2F%2Frelay.\
             example.com&secret=0s8j2djs&perms=nip44_encrypt%2Cnip44_decrypt&name=Chat+Sync",
            &format!("CHATKEYS1{}", "QPZRY9X8".repeat(80)),
        ] {
            assert_eq!(scan(&qr(text).unwrap()), text);
        }
    }

    #[test]
    fn every_line_is_as_wide_as_the_code_and_its_quiet_zone() {
        // Version 1: 21 modules, and two light ones on either side.
        let drawn = qr("a").unwrap();
        let rows = modules(&drawn);
        assert!(rows.iter().all(|row| row.len() == 25));
        assert_eq!(rows.len(), 26, "25 rows in pairs");
        for row in [0, 1, 23, 24, 25] {
            assert!(rows[row].iter().all(|dark| !dark), "row {row} is light");
        }
        assert!(rows[2][2] && rows[8][8] && !rows[3][3], "a finder begins at once");
        assert!(rows.iter().all(|row| !row[0] && !row[1] && !row[23] && !row[24]));
    }

    #[test]
    fn upper_case_makes_a_smaller_code() {
        let text = format!("chatkeys1{}", "qpzry9x8".repeat(80));
        let width = |text: &str| modules(&qr(text).unwrap())[0].len();
        assert!(width(&text.to_uppercase()) < width(&text));
    }

    #[test]
    fn a_text_that_no_code_holds_is_none() {
        assert!(qr(&"a".repeat(2_953)).is_some());
        assert!(qr(&"a".repeat(2_954)).is_none());
    }
}
