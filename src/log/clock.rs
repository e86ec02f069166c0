//! The time in logs: stamps rendered once a second and kept by the thread, and `strftime` in the C locale.

use crate::sys::strftime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use nix::time::{ClockId, clock_gettime};
use std::cell::RefCell;
use std::io::Write;

/// Microseconds since the epoch.
pub fn now() -> i64 {
    clock_gettime(ClockId::CLOCK_REALTIME).map_or(0, |now| now.tv_sec() * 1_000_000 + now.tv_nsec() / 1000)
}

/// Broken-down local time of one second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Civil {
    /// Seconds since the epoch.
    pub epoch: i64,
    pub year: i32,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// From Sunday, 0.
    pub weekday: u8,
    /// From 1.
    pub yearday: u16,
    /// Seconds east of Greenwich.
    pub offset: i32,
}

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

struct Kept {
    civil: Civil,
    /// `Mon Nov 23 04:22:13` and `2026`, around where a fraction goes.
    error: [u8; 24],
    /// `[23/Nov/2026:04:22:13 +0000]`
    common: [u8; 28],
}

thread_local! {
    static KEPT: RefCell<Kept> =
        const { RefCell::new(Kept { civil: UNSET, error: [b' '; 24], common: [b' '; 28] }) };
}

const UNSET: Civil = Civil {
    epoch: i64::MIN,
    year: 1970,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    weekday: 4,
    yearday: 1,
    offset: 0,
};

impl Civil {
    /// Local time at `micros` since the epoch.
    pub fn local(micros: i64) -> Civil {
        with(micros, |kept| kept.civil)
    }
    /// The same moment in Greenwich.
    pub fn utc(micros: i64) -> Civil {
        Civil::compute(micros.div_euclid(1_000_000), TimeZone::UTC)
    }
    fn broken_down(&self) -> strftime::BrokenDown {
        strftime::BrokenDown {
            year: self.year - 1900,
            month: self.month - 1,
            day: self.day,
            hour: self.hour,
            minute: self.minute,
            second: self.second,
            weekday: self.weekday,
            yearday: self.yearday - 1,
            offset: self.offset,
        }
    }
    fn compute(epoch: i64, zone: TimeZone) -> Civil {
        let zoned: Zoned = Timestamp::from_second(epoch).unwrap_or_default().to_zoned(zone);
        Civil {
            epoch,
            year: i32::from(zoned.year()),
            month: zoned.month() as u8,
            day: zoned.day() as u8,
            hour: zoned.hour() as u8,
            minute: zoned.minute() as u8,
            second: zoned.second() as u8,
            weekday: zoned.weekday().to_sunday_zero_offset() as u8,
            yearday: zoned.day_of_year() as u16,
            offset: zoned.offset().seconds(),
        }
    }
    fn day_name(&self) -> &'static str {
        DAYS.get(usize::from(self.weekday)).copied().unwrap_or("?")
    }
    fn month_name(&self) -> &'static str {
        MONTHS.get(usize::from(self.month).wrapping_sub(1)).copied().unwrap_or("?")
    }
    /// `+0100`
    pub fn zone(&self) -> Zone {
        let minutes = self.offset.abs() / 60;
        Zone { sign: if self.offset < 0 { '-' } else { '+' }, hours: minutes / 60, minutes: minutes % 60 }
    }
}

/// An offset from Greenwich, displayed as `+0100`.
pub struct Zone {
    sign: char,
    hours: i32,
    minutes: i32,
}

impl std::fmt::Display for Zone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{:02}{:02}", self.sign, self.hours, self.minutes)
    }
}

fn with<T>(micros: i64, use_it: impl FnOnce(&Kept) -> T) -> T {
    let epoch = micros.div_euclid(1_000_000);
    KEPT.with(|kept| {
        let mut kept = kept.borrow_mut();
        if kept.civil.epoch != epoch {
            let civil = Civil::compute(epoch, TimeZone::system());
            let Civil { year, day, hour, minute, second, .. } = civil;
            let (name, month) = (&civil.day_name()[..3], &civil.month_name()[..3]);
            let _ = write!(&mut kept.error[..], "{name} {month} {day:02} {hour:02}:{minute:02}:{second:02} {year:04}");
            let (zone, common) = (civil.zone(), &mut kept.common[..]);
            let mut common = common;
            let _ = write!(common, "[{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} {zone}]");
            kept.civil = civil;
        }
        use_it(&kept)
    })
}

/// How fine a stamp of the error log is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fraction {
    None,
    Milliseconds,
    Microseconds,
}

impl Fraction {
    fn append(self, out: &mut Vec<u8>, micros: i64) {
        let micros = micros.rem_euclid(1_000_000);
        let _ = match self {
            Fraction::None => Ok(()),
            Fraction::Milliseconds => write!(out, ".{:03}", micros / 1000),
            Fraction::Microseconds => write!(out, ".{micros:06}"),
        };
    }
}

/// Appends `Mon Nov 23 04:22:13.306512 2026`, fraction and zone as asked for.
pub fn append_error_stamp(out: &mut Vec<u8>, micros: i64, fraction: Fraction, zone: bool) {
    with(micros, |kept| {
        out.extend_from_slice(&kept.error[..19]);
        fraction.append(out, micros);
        out.extend_from_slice(&kept.error[19..]);
    });
    if zone {
        let _ = write!(out, " {}", Civil::local(micros).zone());
    }
}

/// Appends `2026-11-23 04:22:13.306513 +0000`, fraction and zone as asked for.
pub fn append_compact_stamp(out: &mut Vec<u8>, micros: i64, fraction: Fraction, zone: bool) {
    let Civil { year, month, day, hour, minute, second, .. } = Civil::local(micros);
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}");
    fraction.append(out, micros);
    if zone {
        let _ = write!(out, " {}", Civil::local(micros).zone());
    }
}

/// Appends `[23/Nov/2026:04:22:13 +0000]`.
pub fn append_common_stamp(out: &mut Vec<u8>, micros: i64) {
    with(micros, |kept| out.extend_from_slice(&kept.common));
}

/// Appends the time as `strftime(3)` does in the C locale. Unknown conversions are copied.
pub fn append_strftime(out: &mut Vec<u8>, format: &[u8], at: &Civil) {
    let mut rest = format;
    while let [byte, after @ ..] = rest {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let plain = after.iter().position(|byte| !b"_-0^#EO123456789".contains(byte));
        match (plain, after) {
            (Some(0), [letter, after @ ..]) => {
                conversion(out, *letter, at);
                rest = after;
            }
            // Flags, widths and other numerals: rare, and full of surprises that the C library knows.
            (at_letter, _) => {
                let (given, after) = after.split_at(at_letter.map_or(after.len(), |letter| letter + 1));
                strftime::append(out, &[b"%", given].concat(), &at.broken_down(), &abbreviation(at.epoch));
                rest = after;
            }
        }
    }
}

fn conversion(out: &mut Vec<u8>, letter: u8, at: &Civil) {
    let twelve = match at.hour % 12 {
        0 => 12,
        hour => hour,
    };
    let half = if at.hour < 12 { "AM" } else { "PM" };
    let monday = (at.weekday + 6) % 7;
    let week = |weekday: u8| (i32::from(at.yearday) + 6 - i32::from(weekday)) / 7;
    let compound: &[u8] = match letter {
        b'c' => b"%a %b %e %H:%M:%S %Y",
        b'D' | b'x' => b"%m/%d/%y",
        b'F' => b"%Y-%m-%d",
        b'R' => b"%H:%M",
        b'r' => b"%I:%M:%S %p",
        b'T' | b'X' => b"%H:%M:%S",
        _ => b"",
    };
    if !compound.is_empty() {
        return append_strftime(out, compound, at);
    }
    let _ = match letter {
        b'a' => write!(out, "{}", at.day_name().get(..3).unwrap_or_default()),
        b'A' => write!(out, "{}", at.day_name()),
        b'b' | b'h' => write!(out, "{}", at.month_name().get(..3).unwrap_or_default()),
        b'B' => write!(out, "{}", at.month_name()),
        b'C' => write!(out, "{:02}", at.year.div_euclid(100)),
        b'd' => write!(out, "{:02}", at.day),
        b'e' => write!(out, "{:2}", at.day),
        b'G' => write!(out, "{}", iso_week(at).0),
        b'g' => write!(out, "{:02}", iso_week(at).0.rem_euclid(100)),
        b'H' => write!(out, "{:02}", at.hour),
        b'I' => write!(out, "{twelve:02}"),
        b'j' => write!(out, "{:03}", at.yearday),
        b'k' => write!(out, "{:2}", at.hour),
        b'l' => write!(out, "{twelve:2}"),
        b'M' => write!(out, "{:02}", at.minute),
        b'm' => write!(out, "{:02}", at.month),
        b'n' => out.write_all(b"\n"),
        b'p' => write!(out, "{half}"),
        b'P' => write!(out, "{}", half.to_ascii_lowercase()),
        b'S' => write!(out, "{:02}", at.second),
        b's' => write!(out, "{}", at.epoch),
        b't' => out.write_all(b"\t"),
        b'u' => write!(out, "{}", monday + 1),
        b'U' => write!(out, "{:02}", week(at.weekday)),
        b'V' => write!(out, "{:02}", iso_week(at).1),
        b'W' => write!(out, "{:02}", week(monday)),
        b'w' => write!(out, "{}", at.weekday),
        b'Y' => write!(out, "{}", at.year),
        b'y' => write!(out, "{:02}", at.year.rem_euclid(100)),
        b'Z' => write!(out, "{}", abbreviation(at.epoch)),
        b'z' => write!(out, "{}", at.zone()),
        b'%' => out.write_all(b"%"),
        other => out.write_all(&[b'%', other]),
    };
}

/// Year and number of the ISO 8601 week.
fn iso_week(at: &Civil) -> (i32, i32) {
    let date = jiff::civil::Date::new(at.year as i16, at.month as i8, at.day as i8);
    date.map_or((at.year, 1), |date| {
        let week = date.iso_week_date();
        (i32::from(week.year()), i32::from(week.week()))
    })
}

fn abbreviation(epoch: i64) -> String {
    let at = Timestamp::from_second(epoch).unwrap_or_default();
    TimeZone::system().to_offset_info(at).abbreviation().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn formatted(format: &str) -> String {
        // Friday, 1 January 2021, 15:04:05 UTC: ISO week 53 of 2020.
        let mut out = Vec::new();
        append_strftime(&mut out, format.as_bytes(), &Civil::utc(1_609_513_445_000_000));
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn conversions_of_the_c_locale() {
        assert_eq!(formatted("%d/%b/%Y %T %I%p %P"), "01/Jan/2021 15:04:05 03PM pm");
        assert_eq!(formatted("%G-W%V %U %W %j %u %w %e|%k|%l"), "2020-W53 00 00 001 5 5  1|15| 3");
        assert_eq!(formatted("%c %x %s %C%y %z%%"), "Fri Jan  1 15:04:05 2021 01/01/21 1609513445 2021 +0000%");
        assert_eq!(formatted("%EY %Q %-d|%_5p|%+ %"), "2021 %Q 1|   PM|%+ %");
    }

    #[test]
    fn stamps_keep_their_second() {
        let mut out = Vec::new();
        append_error_stamp(&mut out, 1_609_513_445_000_042, Fraction::Microseconds, false);
        out.push(b'|');
        append_error_stamp(&mut out, 1_609_513_445_000_042, Fraction::None, false);
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains(".000042 2021|"), "{text}");
        assert!(text.ends_with(" 2021"), "{text}");
        let mut out = Vec::new();
        append_common_stamp(&mut out, 1_609_513_446_000_000);
        assert_eq!(out.len(), 28);
        assert!(out.starts_with(b"[01/Jan/2021:") && out.ends_with(b"]"));
    }
}
