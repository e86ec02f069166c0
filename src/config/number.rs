//! Numbers and durations in arguments, read as the C library and Apache read them.

/// The number that digits at the front of `word` make, as C's `atoi` reads it.
pub fn atoi(word: &[u8]) -> i64 {
    let word = word.trim_ascii_start();
    let (negative, digits) = match word.first() {
        Some(b'-') => (true, word.get(1..).unwrap_or_default()),
        Some(b'+') => (false, word.get(1..).unwrap_or_default()),
        _ => (false, word),
    };
    let value = digits
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0i64, |value, byte| value.saturating_mul(10).saturating_add(i64::from(byte - b'0')));
    if negative { -value } else { value }
}

/// The number that is all of `word`.
pub fn whole_number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.trim_ascii_start().parse().ok()
}

/// A duration with an optional unit (`ms`, `s`, `mi`, `h`, `us`), seconds without one, as
/// `ap_timeout_parameter_parse` reads it; microseconds.
pub fn duration(word: &[u8], default_unit: &[u8]) -> Option<i64> {
    let digits = word.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(word.len());
    // A unit without a number is none of it.
    let value = atoi(word.get(..digits)?);
    let unit = word.get(digits..).filter(|unit| !unit.is_empty()).unwrap_or(default_unit);
    let factor = match unit.to_ascii_lowercase().as_slice() {
        [b's', ..] => 1_000_000,
        [b'h', ..] => 3_600_000_000,
        [b'm', b's', ..] => 1_000,
        [b'm', b'i', ..] => 60_000_000,
        [b'u', b's', ..] => 1,
        _ => return None,
    };
    value.checked_mul(factor)
}
