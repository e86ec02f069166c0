//! strftime(3): flags and widths of conversions, which are the C library's own.

use crate::log::clock::Civil;
use std::ffi::CString;

/// What a conversion may become at most; a longer one is nothing, as for a buffer of this size.
const MOST: usize = 8192;

/// Appends the time as the C library writes it. `zone` is the abbreviation of the zone.
pub fn append(out: &mut Vec<u8>, format: &[u8], at: &Civil, zone: &str) {
    let (Ok(format), Ok(zone)) = (CString::new(format), CString::new(zone)) else {
        return;
    };
    let broken_down = libc::tm {
        tm_sec: at.second.into(),
        tm_min: at.minute.into(),
        tm_hour: at.hour.into(),
        tm_mday: at.day.into(),
        tm_mon: i32::from(at.month) - 1,
        tm_year: at.year - 1900,
        tm_wday: at.weekday.into(),
        tm_yday: i32::from(at.yearday) - 1,
        tm_isdst: 0,
        tm_gmtoff: at.offset.into(),
        tm_zone: zone.as_ptr(),
    };
    let mut buffer = [0u8; MOST];
    // SAFETY: the buffer has the length given; format and zone end with NUL and live until the call has returned.
    let length = unsafe { libc::strftime(buffer.as_mut_ptr().cast(), buffer.len(), format.as_ptr(), &broken_down) };
    out.extend_from_slice(buffer.get(..length).unwrap_or_default());
}
