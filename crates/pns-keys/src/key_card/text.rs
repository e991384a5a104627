//! The text of a card: bech32 without its limit of 90 characters.

use bech32::primitives::decode::{CheckedHrpstring, UncheckedHrpstring};
use bech32::{Bech32, Checksum, Hrp, NoChecksum};

use super::{FRONT_BYTES, HEADER_BYTES, KEY_CARD_BYTES_MAX, KEY_CARD_PREFIX, KeyCardError, TAG_BYTES};

/// Characters of the checksum.
const CHECKSUM: usize = 6;

/// The checksum of bech32 (BIP-173) over texts of any length, as NIP-19 uses it. Up to 1,023 characters it notices any
/// four wrong ones; past that any single one, and the cipher notices the rest.
enum LongBech32 {}

impl Checksum for LongBech32 {
    type MidstateRepr = <Bech32 as Checksum>::MidstateRepr;
    type CorrectionField = <Bech32 as Checksum>::CorrectionField;
    const ROOT_GENERATOR: Self::CorrectionField = Bech32::ROOT_GENERATOR;
    const ROOT_EXPONENTS: core::ops::RangeInclusive<usize> = Bech32::ROOT_EXPONENTS;
    const CODE_LENGTH: usize = usize::MAX;
    const CHECKSUM_LENGTH: usize = CHECKSUM;
    const GENERATOR_SH: [Self::MidstateRepr; 5] = Bech32::GENERATOR_SH;
    const TARGET_RESIDUE: Self::MidstateRepr = Bech32::TARGET_RESIDUE;
}

/// `data` as text in lower case.
pub(super) fn write(data: &[u8]) -> String {
    let prefix = KEY_CARD_PREFIX.trim_end_matches('1');
    let hrp = Hrp::parse(prefix).expect("eight lower-case letters are a prefix");
    bech32::encode_lower::<LongBech32>(hrp, data).expect("the checksum covers texts of any length")
}

/// The data of a text that is whole: at least as much as the shortest card, and as much as its header says.
pub(super) fn read(text: &str) -> Result<Vec<u8>, KeyCardError> {
    let text: String = text
        .chars()
        .filter(|character| !character.is_whitespace())
        .take(characters(KEY_CARD_BYTES_MAX) + 1)
        .collect();
    let begins = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if text.is_empty() {
        return Err(KeyCardError::Empty);
    }
    if begins("nsec1") {
        return Err(KeyCardError::SecretKey);
    }
    if begins("ncryptsec1") {
        return Err(KeyCardError::EncryptedSecretKey);
    }
    if !begins(KEY_CARD_PREFIX) {
        return Err(KeyCardError::NotACard);
    }
    let upper = text.bytes().any(|byte| byte.is_ascii_uppercase());
    let lower = text.bytes().any(|byte| byte.is_ascii_lowercase());
    if upper && lower {
        return Err(KeyCardError::MixedCase);
    }
    let found = text.chars().count();
    let length = |wanted| KeyCardError::WrongLength { found, wanted };
    if found > characters(KEY_CARD_BYTES_MAX) {
        return Err(length(characters(KEY_CARD_BYTES_MAX)));
    }
    if found < characters(FRONT_BYTES + TAG_BYTES) {
        return Err(length(characters(FRONT_BYTES + TAG_BYTES)));
    }
    let parsed = UncheckedHrpstring::new(&text).map_err(|_| KeyCardError::Mistyped)?;
    // A `1` further on would have ended another prefix.
    if parsed.data_part_ascii().len() + KEY_CARD_PREFIX.len() != text.len() {
        return Err(KeyCardError::Mistyped);
    }
    let whole = parsed.has_valid_checksum::<LongBech32>();
    let data: Vec<u8> = match CheckedHrpstring::new::<LongBech32>(&text) {
        Ok(checked) => checked.byte_iter().collect(),
        // For the header alone, to tell what is missing.
        Err(_) => parsed.remove_checksum::<NoChecksum>().byte_iter().collect(),
    };
    let wanted = data
        .get(HEADER_BYTES - 4..HEADER_BYTES)
        .and_then(|bytes| <[u8; 4]>::try_from(bytes).ok())
        .map(|bytes| u32::from_be_bytes(bytes) as usize)
        .filter(|ciphertext| (TAG_BYTES..=KEY_CARD_BYTES_MAX - FRONT_BYTES).contains(ciphertext))
        .map(|ciphertext| FRONT_BYTES + ciphertext);
    match wanted {
        Some(wanted) if whole && wanted == data.len() => Ok(data),
        Some(wanted) if found != characters(wanted) => Err(length(characters(wanted))),
        _ => Err(KeyCardError::Mistyped),
    }
}

/// How long the text of `bytes` bytes is.
fn characters(bytes: usize) -> usize {
    KEY_CARD_PREFIX.len() + (8 * bytes).div_ceil(5) + CHECKSUM
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_bech32s() {
        LongBech32::sanity_check();
        let short = write(&[7; 40]);
        let (hrp, data) = bech32::decode(&short).unwrap();
        assert_eq!((hrp.as_str(), data), ("chatkeys", vec![7; 40]));
        assert_eq!(short.len(), characters(40));
    }
}
