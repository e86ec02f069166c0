//! iconv(3): the system's character sets.

use std::ffi::CString;
use std::io;

/// A conversion from one character set into another.
pub struct Converter(libc::iconv_t);

// SAFETY: a descriptor may be used by any thread, by one at a time; `&mut self` sees to that.
unsafe impl Send for Converter {}

/// Why a conversion stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stopped {
    /// Everything was converted.
    Done,
    /// A character at the end of the input is not whole.
    Incomplete,
    /// What follows is no character of the one set, or has none in the other.
    Invalid,
}

impl Converter {
    /// Names are those of `iconv -l`. EINVAL: there is no such conversion.
    pub fn new(to: &[u8], from: &[u8]) -> io::Result<Converter> {
        let name = |name: &[u8]| CString::new(name).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL));
        let (to, from) = (name(to)?, name(from)?);
        // SAFETY: both names are NUL-terminated.
        let handle = unsafe { libc::iconv_open(to.as_ptr(), from.as_ptr()) };
        match handle as isize {
            -1 => Err(io::Error::last_os_error()),
            _ => Ok(Converter(handle)),
        }
    }

    /// Converts `input` and appends what comes of it; how many octets were used, and why no more.
    pub fn convert(&mut self, input: &[u8], out: &mut Vec<u8>) -> (usize, Stopped) {
        let mut from = input.as_ptr().cast_mut().cast::<libc::c_char>();
        let mut left = input.len();
        loop {
            let error = self.step(&mut from, &mut left, out);
            let stopped = match error {
                None => Stopped::Done,
                Some(libc::E2BIG) => continue,
                Some(libc::EINVAL) => Stopped::Incomplete,
                Some(_) => Stopped::Invalid,
            };
            return (input.len() - left, stopped);
        }
    }

    /// Whether every octet becomes one other: lengths stay.
    pub fn keeps_length(to: &[u8], from: &[u8]) -> bool {
        let all: Vec<u8> = (0..=u8::MAX).collect();
        let mut out = Vec::new();
        let done = Converter::new(to, from).map(|mut converter| converter.convert(&all, &mut out));
        done.is_ok_and(|done| done == (all.len(), Stopped::Done)) && out.len() == all.len()
    }

    /// One call; its error number. `left` is the count of readable octets behind `from`.
    fn step(&mut self, from: &mut *mut libc::c_char, left: &mut usize, out: &mut Vec<u8>) -> Option<i32> {
        let mut room = [0u8; 4096];
        let mut to = room.as_mut_ptr().cast::<libc::c_char>();
        let mut free = room.len();
        // SAFETY: the descriptor is open; `from` with `left` describes octets that live as long as the call, which
        // iconv only reads; `to` with `free` describes `room`.
        let done = unsafe { libc::iconv(self.0, &raw mut *from, &raw mut *left, &raw mut to, &raw mut free) };
        let error = (done == usize::MAX).then(|| io::Error::last_os_error().raw_os_error().unwrap_or(libc::EILSEQ));
        out.extend_from_slice(room.get(..room.len() - free).unwrap_or_default());
        error
    }
}

impl Drop for Converter {
    fn drop(&mut self) {
        // SAFETY: the descriptor is open, and closed nowhere else.
        unsafe { libc::iconv_close(self.0) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions() {
        let mut latin = Converter::new(b"ISO-8859-1", b"UTF-8").unwrap();
        let mut out = Vec::new();
        assert_eq!(latin.convert("é\u{20ac}x".as_bytes(), &mut out), (2, Stopped::Invalid));
        assert_eq!(latin.convert(b"ab\xc3", &mut out), (2, Stopped::Incomplete));
        assert_eq!(out, b"\xe9ab");
        let mut wide = Converter::new(b"UTF-16LE", b"UTF-8").unwrap();
        let mut out = Vec::new();
        let text = "é".repeat(10_000);
        assert_eq!(wide.convert(text.as_bytes(), &mut out), (20_000, Stopped::Done));
        assert_eq!(out.len(), 20_000);
        assert!(Converter::new(b"UTF-8", b"nonsense").is_err());
        assert!(Converter::keeps_length(b"ISO-8859-1", b"IBM1047"));
        assert!(!Converter::keeps_length(b"UTF-8", b"ISO-8859-1"));
    }
}
