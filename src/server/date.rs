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

/// What may stand behind the name of the day: digits of day, year and time, letters of the month; `_` is a digit or a
/// space. Anything may follow.
const FORMS: [&[u8]; 4] =
    [b"dd MMM yyyy HH:NN:SS ", b"d MMM yyyy HH:NN:SS ", b"dd-MMM-yy HH:NN:SS ", b"MMM _d HH:NN:SS yyyy"];

/// Seconds since the epoch of any of the three forms; None for anything else. The name of the day is not looked at, nor
/// what stands behind the date.
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = text.trim_ascii_start();
    let blank = text.iter().position(|byte| *byte == b' ')?;
    let rest = text.get(blank + 1..)?;
    let [day, year, hour, minute, second, month] = FORMS.iter().find_map(|form| read(form, rest))?;
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if year < 1970 || !(1..=longest).contains(&day) || hour > 23 || minute > 59 || second > 61 {
        return None;
    }
    // Days before the year, with March as the first month, as in `civil`.
    let shifted = year - i64::from(month <= 2);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = shifted.div_euclid(400) * 146_097 + shifted.rem_euclid(400) * 365 + shifted.rem_euclid(400) / 4
        - shifted.rem_euclid(400) / 100
        + of_year
        - 719_468;
    // The very first second is how Apache marks what is no date.
    Some(days * 86_400 + hour * 3600 + minute * 60 + second).filter(|seconds| *seconds != 0)
}

/// Day, year, hour, minute, second and month (1..=12) of a text that has the form.
fn read(form: &[u8], text: &[u8]) -> Option<[i64; 6]> {
    let text = text.get(..form.len())?;
    let mut numbers = [0; 6];
    let mut short_year = true;
    for (at, (want, byte)) in form.iter().zip(text).enumerate() {
        let slot = match want {
            b'_' if *byte == b' ' => continue,
            b'd' | b'_' => 0,
            b'y' => 1,
            b'H' => 2,
            b'N' => 3,
            b'S' => 4,
            b'M' => {
                if form.get(at.wrapping_sub(1)) != Some(&b'M') {
                    let name = text.get(at..at + 3)?;
                    numbers[5] = MONTHS.iter().position(|month| *month == name)? as i64 + 1;
                }
                continue;
            }
            other if other == byte => continue,
            _ => return None,
        };
        if !byte.is_ascii_digit() {
            return None;
        }
        short_year &= form.get(at..at + 3) != Some(b"yyy");
        numbers[slot] = numbers[slot] * 10 + i64::from(byte - b'0');
    }
    if short_year {
        numbers[1] += if numbers[1] < 70 { 2000 } else { 1900 };
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn formats_as_the_library_does() {
        for second in [1, 784_111_777, 951_782_400, 1_709_164_800, 4_102_444_799, 1_795_407_518] {
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
        for text in ["Sun, 6 Nov 1994 08:49:37 +0100", "Sun 06 Nov 1994 08:49:37 ", "Sun Nov 06 08:49:37 1994GMT"] {
            assert_eq!(parse(text.as_bytes()), Some(784_111_777), "{text}");
        }
        for text in [
            "Sun, 06 Nov 1994 08:49 GMT",
            "Sun, 06 Nov 1994 24:49:37 GMT",
            "Sun, 6x Nov 1994 08:49:37 GMT",
            "Sun, 06 nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06-Nov-1994 08:49:37 GMT",
            "Sun, 31 Nov 1994 08:49:37 GMT",
            "06 Nov 1994 08:49:37 GMT",
            "",
        ] {
            assert_eq!(parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parse(b"tomorrow"), None);
        assert_eq!(parse(b"\xff"), None);
    }
}
