//! Numbers and durations in arguments, read as the C library and Apache read them.

/// The number that digits at the front of `word` make, as C's `strtol` reads it: what is too large is the limit.
pub fn strtol(word: &[u8]) -> i64 {
    let word = word.trim_ascii_start();
    let (negative, digits) = match word.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, word),
    };
    digits.iter().take_while(|byte| byte.is_ascii_digit()).fold(0i64, |value, byte| {
        let digit = i64::from(byte - b'0');
        let value = value.saturating_mul(10);
        if negative { value.saturating_sub(digit) } else { value.saturating_add(digit) }
    })
}

/// The same as C's `atoi`: of a number that is too large its low 32 bits are left.
pub fn atoi(word: &[u8]) -> i64 {
    i64::from(strtol(word) as i32)
}

/// The number that is all of `word`.
pub fn whole_number(word: &[u8]) -> Option<i64> {
    std::str::from_utf8(word).ok()?.trim_ascii_start().parse().ok()
}

/// A duration with an optional unit (`ms`, `s`, `mi`, `h`, in small letters, what follows is not looked at), as
/// `ap_timeout_parameter_parse` reads it; microseconds.
pub fn duration(word: &[u8], default_unit: &[u8]) -> Option<i64> {
    let start = word.trim_ascii_start();
    let start = start.strip_prefix(b"+").unwrap_or(start);
    let digits = start.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(start.len());
    if digits == 0 && start.len() < word.len() {
        return None;
    }
    // A unit without a number is none of it.
    let value = strtol(start.get(..digits)?);
    let unit = start.get(digits..).filter(|unit| !unit.is_empty()).unwrap_or(default_unit);
    let factor = match unit {
        [b's', ..] => 1_000_000,
        [b'h', ..] => 3_600_000_000,
        [b'm', b's', ..] => 1_000,
        [b'm', b'i', ..] => 60_000_000,
        _ => return None,
    };
    value.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (word, long, int) in [
            ("12abc", 12, 12),
            (" -7", -7, -7),
            ("+3", 3, 3),
            ("x", 0, 0),
            ("99999999999", 99_999_999_999, 1_215_752_191),
            ("-99999999999999999999", i64::MIN, 0),
            ("99999999999999999999", i64::MAX, -1),
        ] {
            assert_eq!((strtol(word.as_bytes()), atoi(word.as_bytes())), (long, int), "{word}");
        }
    }
}
