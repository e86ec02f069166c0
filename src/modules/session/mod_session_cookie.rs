//! mod_session_cookie: keeps sessions in cookies of the visitors.
//!
//! No hooks: the store `cookie`. Differences: with SessionCookieRemove a session can be changed all the same, where Apache has
//! forgotten it when it comes to saving. Manual: mod/mod_session_cookie.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Hooks, Linked, Module, Session, SessionStore};
use crate::request::{Request, Status};
use bstr::{BStr, BString, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_session_cookie.c",
    ident: "session_cookie_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<CookieDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    raw_args("SessionCookieName", ANYWHERE, AUTH_CONFIG, name, "The name of the RFC2109 cookie carrying the session"),
    raw_args("SessionCookieName2", ANYWHERE, AUTH_CONFIG, name2, "The name of the RFC2965 cookie carrying the session"),
    flag(
        "SessionCookieRemove",
        ANYWHERE,
        AUTH_CONFIG,
        remove,
        "Set to 'On' to remove the session cookie from the headers and hide the cookie from a backend server or process",
    ),
];

/// Attributes of a cookie for which none are configured.
const USUAL: &str = "HttpOnly;Secure;Version=1";
/// Ends a cookie.
const PAST: &str = "Max-Age=0;";

/// A cookie's name and attributes.
#[derive(Clone)]
struct Cookie {
    name: BString,
    attributes: BString,
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct CookieDir {
    cookie: Option<Cookie>,
    cookie2: Option<Cookie>,
    remove: Option<bool>,
}

impl Settings for CookieDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CookieDir {
            cookie: add.cookie.clone().or_else(|| base.cookie.clone()),
            cookie2: add.cookie2.clone().or_else(|| base.cookie2.clone()),
            remove: add.remove.or(base.remove),
        }
    }
}

fn cookie(cx: &Cx<'_>, line: &BStr) -> Result<Cookie, Complaint> {
    // Quotes are part of the name.
    let line = line.trim_start();
    let end = line.find_byteset(b" \t").unwrap_or(line.len());
    let (name, attributes) = line.split_at(end);
    let attributes = attributes.trim_start();
    if name.is_empty() || name.contains(&b'=') || name.contains(&b'&') {
        return Err(format!("{} cannot be empty, or contain '=' or '&'.", cx.directive.name).into());
    }
    Ok(Cookie { name: name.into(), attributes: attributes.into() })
}

fn name(cx: &mut Cx<'_>, line: &BStr) -> Outcome {
    let cookie = cookie(cx, line)?;
    cx.dir::<CookieDir>().cookie = Some(cookie);
    Ok(())
}

fn name2(cx: &mut Cx<'_>, line: &BStr) -> Outcome {
    let cookie = cookie(cx, line)?;
    cx.dir::<CookieDir>().cookie2 = Some(cookie);
    Ok(())
}

fn remove(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<CookieDir>().remove = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn SessionStore>("cookie", &Cookies);
}

/// The value of a cookie; what is sent more than once does not count.
fn read(r: &mut Request, name: &BStr, remove: bool) -> Option<BString> {
    let (mut found, mut count) = (None, 0);
    let mut rest = Vec::new();
    for line in r.headers_in.all("Cookie") {
        for part in line.split(|byte| *byte == b';') {
            match part.trim_start().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(b"=")) {
                Some(value) => (found, count) = (Some(BString::from(value)), count + 1),
                None if part.trim().is_empty() => {}
                None => rest.push(BString::from(part)),
            }
        }
    }
    if count > 1 {
        let text = format_args!(
            "AH00011: ap_cookie: client submitted cookie '{name}' more than once: {}",
            crate::log::raw(&r.uri)
        );
        r.log(Level::Error, "core", text);
        return None;
    }
    if remove {
        let rest = bstr::join(";", rest);
        match rest.trim() {
            b"" => drop(r.headers_in.unset("Cookie")),
            rest => r.headers_in.set("Cookie", rest),
        }
    }
    found
}

/// `NAME=VALUE;Max-Age=N;ATTRIBUTES`
fn line(cookie: &Cookie, value: &BStr, max_age: i64) -> BString {
    let mut line = BString::from([cookie.name.as_slice(), b"=", value, b";"].concat());
    if value.is_empty() {
        line.extend_from_slice(PAST.as_bytes());
    } else if max_age != 0 {
        line.extend_from_slice(format!("Max-Age={max_age};").as_bytes());
    }
    match cookie.attributes.is_empty() && !value.is_empty() {
        true => line.extend_from_slice(USUAL.as_bytes()),
        false => line.extend_from_slice(&cookie.attributes),
    }
    line
}

struct Cookies;

impl SessionStore for Cookies {
    fn load(&self, r: &mut Request) -> Option<Result<Session, Status>> {
        let dir = r.dir::<CookieDir>();
        let name = dir.cookie2.as_ref().or(dir.cookie.as_ref())?.name.clone();
        let remove = dir.remove == Some(true);
        let encoded = read(r, name.as_bstr(), remove);
        // What depends on a session is nobody else's.
        r.headers_out.add("Cache-Control", "no-cache, private");
        Some(Ok(Session { encoded, ..Session::default() }))
    }
    fn save(&self, r: &mut Request, session: &Session, text: &BStr) -> bool {
        let dir = r.dir.clone();
        let dir = dir.settings.of::<CookieDir>();
        for (cookie, field) in [(&dir.cookie, "Set-Cookie"), (&dir.cookie2, "Set-Cookie2")] {
            if let Some(cookie) = cookie {
                let line = line(cookie, text, session.max_age);
                r.err_headers_out.add(field, &line);
                // As Apache does: an end is told twice where the response is no error.
                if text.is_empty() {
                    r.headers_out.add(field, line);
                }
            }
        }
        dir.cookie.is_some() || dir.cookie2.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let cookie = Cookie { name: "s".into(), attributes: "path=/".into() };
        assert_eq!(line(&cookie, "a=b".into(), 0), "s=a=b;path=/");
        assert_eq!(line(&cookie, "a=b".into(), 9), "s=a=b;Max-Age=9;path=/");
        assert_eq!(line(&cookie, "".into(), 9), "s=;Max-Age=0;path=/");
    }
}
