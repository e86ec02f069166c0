//! HTTP dates (RFC 9110 section 5.6.7): the three forms read, the one form written, and the clock of a request.

/// Length of `Sun, 06 Nov 1994 08:49:37 GMT`.
pub const LENGTH: usize = 29;
/// A formatted date.
pub type Text = [u8; LENGTH];

const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];

pub use crate::log::clock::now;

/// Whole seconds of a time in microseconds, rounded down.
pub fn seconds(micros: i64) -> i64 {
    micros.div_euclid(1_000_000)
}

/// Formats seconds since the epoch.
pub fn format(seconds: i64) -> Text {
    let days = seconds.div_euclid(86_400);
    let rest = seconds.rem_euclid(86_400) as u32;
    let (year, month, day) = civil(days);
    let mut text = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    text[..3].copy_from_slice(DAYS.get(days.rem_euclid(7) as usize).copied().unwrap_or(b"Thu"));
    text[5..7].copy_from_slice(&two(day));
    text[8..11].copy_from_slice(MONTHS.get(month as usize - 1).copied().unwrap_or(b"Jan"));
    text[12..14].copy_from_slice(&two((year / 100) as u32));
    text[14..16].copy_from_slice(&two((year % 100) as u32));
    text[17..19].copy_from_slice(&two(rest / 3600));
    text[20..22].copy_from_slice(&two(rest / 60 % 60));
    text[23..25].copy_from_slice(&two(rest % 60));
    text
}

fn two(number: u32) -> [u8; 2] {
    [b'0' + (number / 10 % 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month (1..=12) and day of a count of days since the epoch, in the proleptic Gregorian calendar.
fn civil(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * of_year + 2) / 153;
    let day = (of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year.clamp(0, 9999), month, day)
}

/// Seconds since the epoch of any of the three forms; None for anything else. The name of the day is not looked at.
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii();
    let words: smallvec::SmallVec<[&[u8]; 8]> =
        text.split(|byte| matches!(byte, b' ' | b'-' | b',')).filter(|word| !word.is_empty()).collect();
    let (day, month, year, time) = match words.as_slice() {
        [_, day, month, year, time, zone] if *zone == b"GMT" => (*day, *month, *year, *time),
        [_, month, day, time, year] => (*day, *month, *year, *time),
        _ => return None,
    };
    let month = MONTHS.iter().position(|name| name.eq_ignore_ascii_case(month))? as i64 + 1;
    let (day, written) = (number(day, 1..=2)?, number(year, 2..=4)?);
    let year = match year.len() {
        2 => written + if written < 70 { 2000 } else { 1900 },
        _ => written,
    };
    let mut clock = time.split(|byte| *byte == b':').map(|part| number(part, 2..=2));
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if clock.next().is_some() || hour > 23 || minute > 59 || second > 60 || !(1..=31).contains(&day) {
        return None;
    }
    // Days before the year, with March as the first month, as in `civil`.
    let shifted = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted.div_euclid(400) * 146_097 + shifted.rem_euclid(400) * 365 + shifted.rem_euclid(400) / 4
        - shifted.rem_euclid(400) / 100
        + of_year
        - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

fn number(digits: &[u8], len: std::ops::RangeInclusive<usize>) -> Option<i64> {
    if !len.contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn formats_as_the_library_does() {
        for second in [0, 784_111_777, 951_782_400, 1_709_164_800, 4_102_444_799, 1_795_407_518] {
            let time = UNIX_EPOCH + Duration::from_secs(second as u64);
            assert_eq!(std::str::from_utf8(&format(second)).unwrap(), httpdate::fmt_http_date(time));
            assert_eq!(parse(&format(second)), Some(second));
        }
    }

    #[test]
    fn reads_three_forms() {
        for text in ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        assert_eq!(parse(b"Mon, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
        for text in ["Sun, 06 Nov 1994 08:49 GMT", "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 6x Nov 1994 08:49:37 GMT", ""]
        {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"tomorrow"), None);
        assert_eq!(parse(b"\xff"), None);
    }
}
