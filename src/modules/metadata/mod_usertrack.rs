//! mod_usertrack: a cookie that tells visitors apart, and a note with it for access logs (`%{cookie}n`).
//!
//! Hook: fixups, first. As in Apache, settings of a section take the place of all that stand above, but for CookieExpires,
//! which holds for a whole server wherever it stands. Manual: mod/mod_usertrack.html.

use crate::config::*;
use crate::module::{Answer, FIRST, Hooks, Linked, Module};
use crate::request::Request;
use crate::server::date;
use bstr::{BStr, BString, ByteSlice};
use std::hash::{BuildHasher, Hasher};

pub static MODULE: Module = Module {
    name: "mod_usertrack.c",
    ident: "usertrack_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<TrackServer>(),
    dir: Config::of::<TrackDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    take1("CookieExpires", ANYWHERE, FILE_INFO, expires, "an expiry date code"),
    take1("CookieDomain", ANYWHERE, FILE_INFO, domain, "domain to which this cookie applies"),
    take1("CookieStyle", ANYWHERE, FILE_INFO, style, "'Netscape', 'Cookie' (RFC2109), or 'Cookie2' (RFC2965)"),
    flag("CookieTracking", ANYWHERE, FILE_INFO, tracking, "whether or not to enable cookies"),
    take1("CookieName", ANYWHERE, FILE_INFO, name, "name of the tracking cookie"),
    take1("CookieSameSite", ANYWHERE, FILE_INFO, same_site, "SameSite setting"),
    flag("CookieSecure", ANYWHERE, FILE_INFO, secure, "is cookie secure"),
    flag("CookieHttpOnly", ANYWHERE, FILE_INFO, http_only, "is cookie http only"),
];

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Style {
    #[default]
    Netscape,
    Cookie,
    Cookie2,
}

/// Per-server settings: seconds that the cookie lasts.
#[derive(Clone, Default)]
pub struct TrackServer {
    expires: Option<i64>,
}

impl Settings for TrackServer {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct TrackDir {
    enabled: bool,
    style: Style,
    name: Option<BString>,
    domain: Option<BString>,
    same_site: Option<&'static str>,
    secure: bool,
    http_only: bool,
}

impl Settings for TrackDir {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

const YEAR: i64 = 60 * 60 * 24 * 365;
const MONTH: i64 = 60 * 60 * 24 * 30;
const WEEK: i64 = 60 * 60 * 24 * 7;

fn number(word: &[u8]) -> i64 {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0i64, |value, digit| value.saturating_mul(10).saturating_add(i64::from(digit - b'0')))
}

/// The seconds of a unit, by as many of its letters as tell it from the others.
fn unit(word: &[u8]) -> Option<i64> {
    let word = word.to_ascii_lowercase();
    let units: [(&[u8], i64); 7] =
        [(b"y", YEAR), (b"mo", MONTH), (b"w", WEEK), (b"d", 60 * 60 * 24), (b"h", 60 * 60), (b"mi", 60), (b"s", 1)];
    units.iter().find(|(start, _)| word.starts_with(start)).map(|(_, seconds)| *seconds)
}

fn expires(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    let is_digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
    let seconds = if is_digit(text.first()) && is_digit(text.last()) {
        number(text)
    } else {
        let mut words = text.fields().peekable();
        words.next_if(|word| word.first().is_some_and(|byte| byte.eq_ignore_ascii_case(&b'p')));
        let mut total = 0i64;
        while let Some(word) = words.next() {
            if !is_digit(word.first()) {
                return Err("bad expires code, numeric value expected.".into());
            }
            let Some(kind) = words.next() else { return Err("bad expires code, missing <type>".into()) };
            let Some(seconds) = unit(kind) else { return Err("bad expires code, unrecognized type".into()) };
            total = total.saturating_add(number(word).saturating_mul(seconds));
        }
        total
    };
    cx.server::<TrackServer>().expires = Some(seconds);
    Ok(())
}

fn domain(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    let Some(rest) = text.strip_prefix(b".") else {
        return Err("CookieDomain values must begin with a dot".into());
    };
    if !rest.contains(&b'.') {
        return Err("CookieDomain values must contain at least one embedded dot".into());
    }
    cx.dir::<TrackDir>().domain = Some(text.into());
    Ok(())
}

fn style(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let style = match word.to_ascii_lowercase().as_slice() {
        b"netscape" => Style::Netscape,
        b"cookie" | b"rfc2109" => Style::Cookie,
        b"cookie2" | b"rfc2965" => Style::Cookie2,
        _ => return Err(format!("Invalid CookieStyle keyword: '{word}'").into()),
    };
    cx.dir::<TrackDir>().style = style;
    Ok(())
}

fn tracking(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<TrackDir>().enabled = on;
    Ok(())
}

fn name(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<TrackDir>().name = Some(word.into());
    Ok(())
}

fn same_site(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let value = match word.to_ascii_lowercase().as_slice() {
        b"strict" => "SameSite=Strict",
        b"lax" => "SameSite=Lax",
        b"none" => "SameSite=None",
        _ => return Err("CookieSameSite accepts 'Strict', 'Lax', or 'None'".into()),
    };
    cx.dir::<TrackDir>().same_site = Some(value);
    Ok(())
}

fn secure(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<TrackDir>().secure = on;
    Ok(())
}

fn http_only(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<TrackDir>().http_only = on;
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.fixups(FIRST, track);
}

/// The value of the cookie `name` in a Cookie field.
fn find<'f>(field: &'f [u8], name: &[u8]) -> Option<&'f [u8]> {
    field.split(|byte| matches!(byte, b';' | b',')).enumerate().find_map(|(at, part)| {
        // Blanks count before the first one only.
        let part = if at == 0 { part } else { part.trim_start_with(|c| c == ' ' || c == '\t') };
        part.strip_prefix(name)?.strip_prefix(b"=").filter(|value| !value.is_empty())
    })
}

fn track(r: &mut Request) -> Answer {
    let settings = r.dir.clone();
    let dir = settings.settings.of::<TrackDir>();
    if !dir.enabled {
        return Answer::Declined;
    }
    let name = dir.name.as_ref().map_or(b"Apache".as_bstr(), |name| name.as_bstr());
    if let Some(value) = r.headers_in.get("Cookie").and_then(|field| find(field, name)).map(BString::from) {
        // The log shows what the visitor had already.
        r.notes.set("cookie", value);
        return Answer::Declined;
    }
    let random = std::hash::RandomState::new().build_hasher().finish() as u32;
    let value = format!("{random:x}.{:x}", r.time);
    let mut cookie = format!("{name}={value}; path=/").into_bytes();
    if let Some(seconds) = r.server::<TrackServer>().expires.filter(|seconds| *seconds > 0) {
        match dir.style {
            Style::Netscape => {
                cookie.extend_from_slice(b"; expires=");
                cookie.extend_from_slice(&short_date(r.time / 1_000_000 + seconds));
            }
            Style::Cookie | Style::Cookie2 => cookie.extend_from_slice(format!("; max-age={seconds}").as_bytes()),
        }
    }
    if let Some(domain) = &dir.domain {
        cookie.extend_from_slice(b"; domain=");
        cookie.extend_from_slice(domain);
        if dir.style == Style::Cookie2 {
            cookie.extend_from_slice(b"; version=1");
        }
    }
    let flags = [dir.same_site, dir.secure.then_some("Secure"), dir.http_only.then_some("HttpOnly")];
    for flag in flags.into_iter().flatten() {
        cookie.extend_from_slice(b"; ");
        cookie.extend_from_slice(flag.as_bytes());
    }
    let field = if dir.style == Style::Cookie2 { "Set-Cookie2" } else { "Set-Cookie" };
    r.err_headers_out.add(field, cookie);
    r.notes.set("cookie", value);
    Answer::Ok
}

/// `Mon, 23-Nov-26 12:53:02 GMT`
fn short_date(second: i64) -> Vec<u8> {
    let long = date::format(second);
    // `Mon, 23 Nov 2026 12:53:02 GMT`
    let part = |from: usize, to: usize| long.as_bytes().get(from..to).unwrap_or_default();
    [part(0, 7), b"-", part(8, 11), b"-", part(14, 29)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_by_their_whole_name() {
        for (field, value) in [
            ("Apache=abc; x=y", Some("abc")),
            ("x=y;Apache=a b", Some("a b")),
            ("XApache=1", None),
            ("Apache=", None),
            ("Apache=1,2", Some("1")),
            (" Apache=1", None),
            ("foo=\"a, Apache=3", Some("3")),
        ] {
            assert_eq!(find(field.as_bytes(), b"Apache"), value.map(str::as_bytes), "{field}");
        }
    }
}
