//! Files of a disk cache, as mod_cache_disk of Apache lays them out: names, heads, lists of fields. Either server may serve what
//! the other has stored, and htcacheclean of either may clean it up.
//!
//! `NAME.header` begins with a fixed head (format 6), the key, the fields of the response and those of its request, both ended by
//! an empty line. Where responses vary, `NAME.header` is instead a number (5), the time of expiry and the names of the fields;
//! the responses stand below `NAME.header.vary`. `NAME.data` is the content.

use crate::module::{CacheControl, CacheInfo};
use crate::request::Table;
use bstr::{BStr, BString, ByteSlice};
use md5::{Digest, Md5};

/// What a file with the head of a response begins with.
pub const HEADER_FORMAT: u32 = 6;
/// What a file with the names of fields begins with.
pub const VARY_FORMAT: u32 = 5;
/// Octets of the fixed head.
pub const HEAD: usize = 120;
/// Names of files in the making: this and six letters.
pub const TEMPORARY: &str = "aptmp";

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_@";

/// The name of a key's files: 22 letters in all, the first of them in `levels` directories of `length` letters.
pub fn name(key: &[u8], levels: usize, length: usize) -> String {
    let digest = Md5::digest(key);
    let mut letters = Vec::with_capacity(24);
    for three in digest.chunks(3) {
        let at = |index: usize| u32::from(three.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for shift in [18, 12, 6, 0].iter().take(three.len() + 1) {
            letters.push(LETTERS[(bits >> shift) as usize & 63]);
        }
    }
    let mut out = String::with_capacity(letters.len() + levels);
    for (at, letter) in letters.iter().enumerate() {
        if at > 0 && length > 0 && at % length == 0 && at / length <= levels {
            out.push('/');
        }
        out.push(char::from(*letter));
    }
    out
}

/// The fixed head of a response's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub info: CacheInfo,
    /// Octets of the key behind the head.
    pub key_length: u64,
    pub version: u64,
    /// The file with the content.
    pub inode: u64,
    pub device: u64,
    pub has_body: bool,
    /// The response to a HEAD.
    pub header_only: bool,
}

/// A number that has no value.
fn unset(value: Option<i64>) -> i64 {
    value.unwrap_or(-1)
}

fn set(value: i64) -> Option<i64> {
    (value != -1).then_some(value)
}

impl Head {
    /// As the octets of the file.
    pub fn encode(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        let mut put = |at: usize, octets: &[u8]| out[at..at + octets.len()].copy_from_slice(octets);
        put(0, &HEADER_FORMAT.to_ne_bytes());
        put(4, &i32::from(self.info.status).to_ne_bytes());
        put(8, &self.key_length.to_ne_bytes());
        put(16, &self.version.to_ne_bytes());
        let control = &self.info.control;
        let times = [self.info.date, self.info.expire, self.info.request_time, self.info.response_time];
        let seconds = [control.max_age, control.max_stale, control.min_fresh, control.s_maxage].map(unset);
        for (index, number) in times.iter().enumerate() {
            put(24 + 8 * index, &number.to_ne_bytes());
        }
        put(56, &self.inode.to_ne_bytes());
        put(64, &self.device.to_ne_bytes());
        put(72, &(u32::from(self.has_body) | u32::from(self.header_only) << 1).to_ne_bytes());
        put(80, &control.flags.to_ne_bytes());
        for (index, number) in seconds.iter().enumerate() {
            put(88 + 8 * index, &number.to_ne_bytes());
        }
        out
    }

    /// From the octets that a file begins with.
    pub fn decode(octets: &[u8]) -> Option<Head> {
        let octets = octets.first_chunk::<HEAD>()?;
        let word =
            |at: usize| octets.get(at..at + 4).and_then(|four| four.first_chunk()).map(|b| u32::from_ne_bytes(*b));
        let long =
            |at: usize| octets.get(at..at + 8).and_then(|part| part.first_chunk()).map(|b| u64::from_ne_bytes(*b));
        let time = |at: usize| long(at).map(|number| number as i64);
        if word(0)? != HEADER_FORMAT {
            return None;
        }
        let bits = word(72)?;
        Some(Head {
            info: CacheInfo {
                status: u16::try_from(word(4)?).ok()?,
                date: time(24)?,
                expire: time(32)?,
                request_time: time(40)?,
                response_time: time(48)?,
                control: CacheControl {
                    flags: word(80)?,
                    max_age: set(time(88)?),
                    max_stale: set(time(96)?),
                    min_fresh: set(time(104)?),
                    s_maxage: set(time(112)?),
                },
            },
            key_length: long(8)?,
            version: long(16)?,
            inode: long(56)?,
            device: long(64)?,
            has_body: bits & 1 != 0,
            header_only: bits & 2 != 0,
        })
    }
}

/// Appends fields and the empty line behind them.
pub fn append_fields(out: &mut Vec<u8>, fields: &Table) {
    for (_, line) in fields.lines() {
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b"\r\n");
}

/// Reads fields up to an empty line: them and what stands behind. None: they end too early, or are none.
pub fn read_fields(mut rest: &[u8]) -> Option<(Table, &[u8])> {
    let mut fields = Table::new();
    loop {
        let end = rest.find_byte(b'\n')?;
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n"))?;
        if line.is_empty() {
            return Some((fields, rest));
        }
        let colon = line.find_byte(b':')?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..)?.trim_start_with(|letter| letter == ' ' || letter == '\t');
        fields.add(name, value);
    }
}

/// A file that says by what responses vary.
pub fn encode_vary(expire: i64, names: &[BString]) -> Vec<u8> {
    let mut out = [VARY_FORMAT.to_ne_bytes().as_slice(), &expire.to_ne_bytes()].concat();
    for name in names {
        out.extend_from_slice(name);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out
}

/// What such a file says: the time of expiry and the names. None: it is none, or broken.
pub fn decode_vary(octets: &[u8]) -> Option<(i64, Vec<BString>)> {
    let (format, rest) = octets.split_first_chunk::<4>()?;
    if u32::from_ne_bytes(*format) != VARY_FORMAT {
        return None;
    }
    let (expire, mut rest) = rest.split_first_chunk::<8>()?;
    let mut names = Vec::new();
    loop {
        let end = rest.find_byte(b'\n')?;
        let (line, after) = rest.split_at(end + 1);
        rest = after;
        let line = line.strip_suffix(b"\r\n").or(line.strip_suffix(b"\n"))?;
        if line.is_empty() {
            return Some((i64::from_ne_bytes(*expire), names));
        }
        names.push(line.into());
    }
}

/// Names of a Vary field as they stand in files: in small letters, sorted.
pub fn vary_names(vary: &[u8]) -> Vec<BString> {
    let names = vary.split(|byte| *byte == b',').map(|name| name.trim_ascii()).filter(|name| !name.is_empty());
    let mut names: Vec<BString> = names.map(|name| name.to_ascii_lowercase().into()).collect();
    names.sort();
    names
}

/// The key of the response for a request, where responses under `key` vary by these fields.
pub fn varied_key(key: &BStr, names: &[BString], request: &Table) -> BString {
    let mut out = BString::default();
    for name in names {
        out.extend_from_slice(name);
        if let Some(value) = request.get(name) {
            out.extend_from_slice(value);
        }
    }
    out.extend_from_slice(key);
    out
}
