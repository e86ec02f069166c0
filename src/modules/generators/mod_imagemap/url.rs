//! Values of a map as URLs.

use super::Broken;
use crate::log::{Level, raw};
use crate::request::Request;
use crate::server;
use bstr::{BString, ByteSlice};

/// The URL that a value means, relative to `base`; `nocontent` and `error` stay as they are.
pub(super) fn resolve(r: &Request, base: &[u8], value: &[u8]) -> Result<BString, Broken> {
    let is = |word: &str| value.eq_ignore_ascii_case(word.as_bytes());
    if is("map") || is("menu") {
        return Ok(server::construct_url(r, &r.uri));
    }
    if is("nocontent") || is("error") {
        return Ok(value.into());
    }
    let value = match r.headers_in.get("Referer").filter(|page| !page.is_empty()) {
        Some(page) if is("referer") => return Ok(page.into()),
        _ if is("referer") => b"",
        _ => value,
    };
    let letters = value.iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
    if value.get(letters) == Some(&b':') {
        return Ok(value.into());
    }
    match (base, value) {
        (b"", b"") => Ok(server::construct_url(r, b"/")),
        (b"", value) => Ok(value.into()),
        (base, value) => join(r, base, value),
    }
}

fn goes_up(value: &[u8]) -> bool {
    value.starts_with(b"../") || value == b".."
}

fn join(r: &Request, base: &[u8], mut value: &[u8]) -> Result<BString, Broken> {
    if !base.contains(&b'/') && goes_up(value) {
        let text = format_args!("AH00677: invalid base directive in map file: {}", raw(&r.uri));
        r.log(Level::Error, "imagemap", text);
        return Err(Broken);
    }
    // The path begins at the first slash that is not one of two.
    let mut at = 0;
    let mut path = None;
    while let Some(byte) = base.get(at) {
        match (byte, base.get(at + 1)) {
            (b'/', Some(b'/')) => at += 2,
            (b'/', _) => {
                path = Some(at);
                break;
            }
            _ => at += 1,
        }
    }
    let Some(start) = path else { return Ok([base, value].concat().into()) };
    let (host, directory) = base.split_at(start);
    if value.starts_with(b"/") {
        return Ok([host, value].concat().into());
    }
    let mut directory = directory.get(..directory.rfind_byte(b'/').map_or(0, |slash| slash + 1)).unwrap_or_default();
    while goes_up(value) {
        if directory.is_empty() {
            let text = format_args!("AH00678: invalid directory name in map file: {}", raw(&r.uri));
            r.log(Level::Error, "imagemap", text);
            return Err(Broken);
        }
        let bare = directory.strip_suffix(b"/").unwrap_or(directory);
        directory = bare.get(..bare.rfind_byte(b'/').unwrap_or(0)).unwrap_or_default();
        value = value.get(2..).unwrap_or_default();
        if value.starts_with(b"/../") || value == b"/.." {
            value = value.get(1..).unwrap_or_default();
        }
    }
    Ok([host, directory, value].concat().into())
}
