//! Sessions: the route that a client's URL or cookie names, and the member that has it.

use super::super::mod_proxy::{Balancer, Worker, bits, live, word};
use crate::log::{Level, raw};
use crate::request::Request;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

/// A route that was found, and by which name. It may be empty, which leads to nobody.
pub struct Found {
    pub route: BString,
    pub sticky: BString,
}

/// The route that the request names.
pub fn route(balancer: &Balancer, r: &Request, url: &BStr) -> Option<Found> {
    let words = balancer.words();
    let cookie = words.text(live::STICKY);
    if cookie.is_empty() {
        return None;
    }
    let path = words.text(live::STICKY_PATH);
    let (value, sticky) = match in_path(url, &path, balancer.parameters.semicolons) {
        Some(value) => {
            tell(r, "AH01159", value, &path);
            (value, path)
        }
        None => {
            let value = in_cookie(r.headers_in.get("Cookie")?, &cookie)?;
            tell(r, "AH01160", value, &cookie);
            (value, cookie)
        }
    };
    let route = match balancer.parameters.separator {
        Some(separator) => value.get(value.find_byte(separator)? + 1..)?,
        None => value,
    };
    if route.is_empty() {
        return Some(Found { route: route.into(), sticky });
    }
    r.log(Level::Debug, "proxy_balancer", format_args!("AH01161: Found route {}", raw(route)));
    Some(Found { route: route.into(), sticky })
}

fn tell(r: &Request, tag: &str, value: &[u8], name: &[u8]) {
    let text = format_args!("{tag}: Found value {} for stickysession {}", raw(value), raw(name));
    r.log(Level::Debug, "proxy_balancer", text);
}

/// The value of `name=` anywhere in a URL, up to the next delimiter.
fn in_path<'u>(url: &'u [u8], name: &[u8], semicolons: bool) -> Option<&'u [u8]> {
    let mut from = 0;
    while let Some(at) = url.get(from..)?.find(name) {
        let rest = url.get(from + at + name.len()..)?;
        if let Some(value) = rest.strip_prefix(b"=")
            && !value.is_empty()
        {
            let ends = |byte: &u8| b"?&".contains(byte) || semicolons && *byte == b';';
            // Delimiters at its beginning are skipped.
            let start = value.iter().position(|byte| !ends(byte))?;
            return value.get(start..)?.split(ends).next();
        }
        from += at + 1;
    }
    None
}

/// The value of a cookie.
fn in_cookie<'c>(cookies: &'c [u8], name: &[u8]) -> Option<&'c [u8]> {
    let mut from = 0;
    while let Some(at) = cookies.get(from..)?.find(name) {
        let start = from + at;
        let before = start.checked_sub(1).and_then(|before| cookies.get(before));
        if before.is_none_or(|byte| b";,".contains(byte) || byte.is_ascii_whitespace()) {
            let rest = cookies.get(start + name.len()..)?.trim_ascii_start();
            if let Some(value) = rest.strip_prefix(b"=")
                && !value.is_empty()
            {
                return value.split(|byte| b";,".contains(byte)).next();
            }
        }
        from = start + 1;
    }
    None
}

/// The member with that route: hot standbys after all others; where it is out of order, the one that it redirects to.
pub fn member(members: &[Arc<Worker>], route: &BString, r: &Request, depth: usize) -> Option<Arc<Worker>> {
    let standby = |member: &&Arc<Worker>| member.state().has(bits::HOT_STANDBY);
    let first = members.iter().filter(|member| !standby(member));
    for member in first.chain(members.iter().filter(standby)) {
        if member.state().route() != *route {
            continue;
        }
        if member.retry(r) {
            return Some(member.clone());
        }
        let redirect = member.state().0.text(word::REDIRECT);
        if !redirect.is_empty()
            && depth < members.len()
            && let Some(other) = self::member(members, &redirect, r, depth + 1)
        {
            return Some(other);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_urls_and_cookies() {
        assert_eq!(in_path(b"/x;sid=a.b", b"sid", false), Some(&b"a.b"[..]));
        assert_eq!(in_path(b"/x?sid=&sid=a.b&c", b"sid", false), Some(&b"sid=a.b"[..]));
        assert_eq!(in_path(b"/x;sid=a.b;c?d", b"sid", true), Some(&b"a.b"[..]));
        assert_eq!(in_path(b"/sid/x", b"sid", true), None);
        assert_eq!(in_cookie(b"a=b; S = x.y ,z", b"S"), Some(&b" x.y "[..]));
        assert_eq!(in_cookie(b"aS=1,S=2;c", b"S"), Some(&b"2"[..]));
        assert_eq!(in_cookie(b"S", b"S"), None);
    }
}
