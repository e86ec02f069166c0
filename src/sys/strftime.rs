//! strftime(3): flags and widths of conversions, which are the C library's own.

use std::ffi::CString;

/// What a conversion may become at most; a longer one is nothing, as for a buffer of this size.
const MOST: usize = 8192;

/// A moment in a zone, as `struct tm` has it: years since 1900, months and days of the year from 0, weekdays from Sunday.
#[derive(Clone, Copy, Debug)]
pub struct BrokenDown {
    pub year: i32,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub weekday: u8,
    pub yearday: u16,
    /// Seconds east of Greenwich.
    pub offset: i32,
}

/// Appends the time as the C library writes it. `zone` is the abbreviation of the zone.
pub fn append(out: &mut Vec<u8>, format: &[u8], at: &BrokenDown, zone: &str) {
    let (Ok(format), Ok(zone)) = (CString::new(format), CString::new(zone)) else {
        return;
    };
    let broken_down = libc::tm {
        tm_sec: at.second.into(),
        tm_min: at.minute.into(),
        tm_hour: at.hour.into(),
        tm_mday: at.day.into(),
        tm_mon: at.month.into(),
        tm_year: at.year,
        tm_wday: at.weekday.into(),
        tm_yday: at.yearday.into(),
        tm_isdst: 0,
        tm_gmtoff: at.offset.into(),
        tm_zone: zone.as_ptr(),
    };
    let mut buffer = [0u8; MOST];
    // SAFETY: the buffer has the length given; format and zone end with NUL and live until the call has returned.
    let length = unsafe { libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &broken_down) };
    out.extend_from_slice(buffer.get(..length).unwrap_or_default());
}
