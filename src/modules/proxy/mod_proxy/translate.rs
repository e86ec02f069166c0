//! Which requests are a proxy's, and the URL that each is for.

use super::settings::{Pass, ProxyDir, ProxyServer, Reversal};
use crate::log::{Level, raw};
use crate::module::Answer;
use crate::request::{MethodNumber, Request, Status};
use crate::server::{self, vhost};
use bstr::{BString, ByteSlice};
use std::sync::Arc;

/// Whom the request is for: a forward proxy's names another server itself.
pub fn detect(r: &mut Request) -> Answer {
    if r.is_sub() {
        return Answer::Declined;
    }
    if !r.server::<ProxyServer>().requests.unwrap_or(false) {
        // Schemes of others are let in for a forward proxy alone.
        let scheme = scheme_of(&r.unparsed_uri).filter(|_| r.absolute_uri);
        let strange = scheme
            .is_some_and(|scheme| !scheme.eq_ignore_ascii_case(b"http") && !scheme.eq_ignore_ascii_case(b"https"));
        return if strange { Answer::Status(Status::BAD_REQUEST) } else { Answer::Declined };
    }
    let tunnel = r.method.is(MethodNumber::CONNECT) && r.hostname.is_some() && r.host_port.is_some();
    let scheme = scheme_of(&r.unparsed_uri).map(|scheme| scheme.to_ascii_lowercase());
    // A URL without an authority is for nobody here, whatever else it is.
    let names_nobody = r.unparsed_uri.split_once_str(":").is_some_and(|(scheme, rest)| {
        is_scheme(scheme) && !rest.starts_with(b"//") && !r.method.is(MethodNumber::CONNECT)
    });
    let elsewhere = match &scheme {
        Some(scheme) => {
            let host = r.hostname.clone().unwrap_or_default();
            let port = r.host_port.unwrap_or_else(|| super::worker::default_port(scheme));
            // No name is the name of the main server.
            let named = match host.is_empty() {
                true => r.server.addresses.is_empty(),
                false => vhost::is_own_host(r, &host, port),
            };
            let own = scheme.as_slice() == server::scheme(r).as_bytes() && named;
            r.absolute_uri && !own
        }
        None => names_nobody,
    };
    if !elsewhere && !tunnel {
        return Answer::Declined;
    }
    r.proxy_request = true;
    r.forward_proxy = true;
    r.uri = r.unparsed_uri.clone();
    r.filename = [b"proxy:", r.uri.as_slice()].concat().into();
    r.handler = Some("proxy-server".into());
    Answer::Ok
}

fn scheme_of(target: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = target.split_once_str(":")?;
    (rest.starts_with(b"//") && is_scheme(scheme)).then_some(scheme)
}

fn is_scheme(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
}

/// `mapping=encoded`: paths compared before they are decoded.
pub fn early(r: &mut Request) -> Answer {
    match run(r, true) {
        Answer::Ok => Answer::Done,
        other => other,
    }
}

pub fn translate(r: &mut Request) -> Answer {
    if r.proxy_request {
        return Answer::Ok;
    }
    run(r, false)
}

fn run(r: &mut Request, encoded: bool) -> Answer {
    let server = r.server::<ProxyServer>();
    let dir = r.dir.clone();
    let own = dir.settings.of::<ProxyDir>().alias.clone();
    if r.proxy_request || own.is_none() && server.aliases.is_empty() || r.env.contains("no-proxy") {
        return Answer::Declined;
    }
    if r.unparsed_uri == "*" || !r.uri.starts_with(b"/") {
        return Answer::Declined;
    }
    for pass in own.iter().chain(&server.aliases).filter(|pass| pass.encoded == encoded) {
        match matched(r, pass) {
            Found::No => {}
            Found::Excluded => return Answer::Declined,
            Found::Bad => return Answer::Status(Status::INTERNAL_SERVER_ERROR),
            Found::Url(url, raw_path) => {
                r.filename = [b"proxy:", url.as_slice()].concat().into();
                r.handler = Some("proxy-server".into());
                r.proxy_request = true;
                let note = if encoded { "proxy-noencode" } else { "proxy-nocanon" };
                if encoded || raw_path {
                    r.notes.set(note, "1");
                }
                if pass.no_query {
                    r.notes.set("proxy-noquery", "1");
                }
                return Answer::Ok;
            }
        }
    }
    Answer::Declined
}

enum Found {
    No,
    Excluded,
    Bad,
    /// The URL, and whether it ends as the client wrote it.
    Url(BString, bool),
}

fn matched(r: &Request, pass: &Arc<Pass>) -> Found {
    let interpolates = pass.interpolate && r.dir::<ProxyDir>().interpolate == Some(true);
    let interpolated = |text: &BString| if interpolates { interpolate(r, text) } else { text.clone() };
    let (fake, real) = (interpolated(&pass.fake), interpolated(&pass.real));
    if let Some(regex) = &pass.regex {
        let Some(captures) = regex.captures(&r.uri) else { return Found::No };
        if real == "!" {
            return Found::Excluded;
        }
        let mut url = Vec::new();
        captures.substitute(&mut url, &real, &r.uri);
        // Where nothing is put in, the whole path is behind it.
        if url == real {
            let path = if pass.raw_path { &r.unparsed_uri } else { &r.uri };
            url.extend_from_slice(path);
        }
        if url.is_empty() {
            let text = "AH01135: Substitution in regular expression failed. Replacement too long?";
            r.log(Level::Error, "proxy", format_args!("{text}"));
            return Found::Bad;
        }
        return Found::Url(url.into(), pass.raw_path);
    }
    let Some(length) = covered(&r.uri, &fake) else { return Found::No };
    if real == "!" {
        return Found::Excluded;
    }
    let raw_path = pass.raw_path && covered(&r.unparsed_uri, &fake) == Some(length);
    if pass.raw_path && !raw_path {
        let text = "AH01136: Unescaped URL path matched ProxyPass; ignoring unsafe nocanon";
        r.log(Level::Warn, "proxy", format_args!("{text}"));
    }
    let path = if raw_path { &r.unparsed_uri } else { &r.uri };
    let rest = path.get(length..).unwrap_or_default();
    Found::Url([real.as_slice(), rest].concat().into(), raw_path)
}

/// How much of `uri` the path `fake` covers: whole segments, where runs of slashes count as one.
fn covered(uri: &[u8], fake: &[u8]) -> Option<usize> {
    let (mut at, mut of) = (0, 0);
    while let Some(&byte) = fake.get(of) {
        if byte == b'/' {
            if uri.get(at) != Some(&b'/') {
                return None;
            }
            while uri.get(at) == Some(&b'/') {
                at += 1;
            }
            while fake.get(of) == Some(&b'/') {
                of += 1;
            }
        } else {
            if uri.get(at) != Some(&byte) {
                return None;
            }
            at += 1;
            of += 1;
        }
    }
    let whole = fake.ends_with(b"/") || uri.get(at).is_none_or(|next| *next == b'/');
    (whole && at > 0).then_some(at)
}

/// `text` with `${NAME}` replaced by the request's variables.
pub fn interpolate(r: &Request, text: &[u8]) -> BString {
    let mut out = BString::default();
    let mut rest = text;
    while let Some(start) = rest.find(b"${") {
        out.extend_from_slice(rest.get(..start).unwrap_or_default());
        rest = rest.get(start + 2..).unwrap_or_default();
        let Some(end) = rest.find_byte(b'}') else {
            out.extend_from_slice(b"${");
            break;
        };
        let name = rest.get(..end).unwrap_or_default();
        out.extend_from_slice(r.env.get(name).unwrap_or_default());
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}

/// What `<Proxy>` sections say of the URL.
pub fn sections(r: &mut Request) -> Answer {
    let Some(url) = r.filename.strip_prefix(b"proxy:").filter(|_| r.proxy_request).map(BString::from) else {
        return Answer::Declined;
    };
    server::proxy_walk(r, &r.server::<ProxyServer>().sections, &url);
    Answer::Ok
}

/// A field that holds a backend's URL, as clients shall read it.
pub fn reversed(r: &Request, url: &[u8]) -> Option<BString> {
    let dir = r.dir.clone();
    for rule in &dir.settings.of::<ProxyDir>().reversals {
        let internal = resolved(r, &rule.internal, rule);
        let mut part = url;
        if internal.starts_with(b"/") {
            let path = url.find(b"://").and_then(|at| {
                let start = at + 3 + url.get(at + 3..)?.find_byte(b'/')?;
                url.get(start..)
            });
            part = path.unwrap_or(url);
        }
        let Some(start) = part.get(..internal.len()).filter(|_| !internal.is_empty()) else { continue };
        if !start.eq_ignore_ascii_case(&internal) {
            continue;
        }
        let rest = part.get(internal.len()..).unwrap_or_default();
        let public = resolved(r, &rule.public, rule);
        let whole = BString::from([public.as_slice(), rest].concat());
        return Some(if server::is_url(whole.as_bstr()) { whole } else { server::construct_url(r, &whole) });
    }
    None
}

fn resolved(r: &Request, text: &BString, rule: &Reversal) -> BString {
    let on = rule.interpolate && r.dir::<ProxyDir>().interpolate == Some(true);
    if on { interpolate(r, text) } else { text.clone() }
}

/// A backend's Set-Cookie with its path and domain as clients shall read them.
pub fn reversed_cookie(r: &Request, value: &[u8]) -> BString {
    let dir = r.dir.clone();
    let dir = dir.settings.of::<ProxyDir>();
    let path = attribute(value, b"path=").and_then(|(from, to)| {
        let old = value.get(from..to)?;
        dir.cookie_paths.iter().find_map(|rule| {
            // What stands behind the part that is known is dropped.
            let begins = old.starts_with(&resolved(r, &rule.internal, rule));
            begins.then(|| (from, to, resolved(r, &rule.public, rule).to_vec()))
        })
    });
    let domain = attribute(value, b"domain=").and_then(|(from, to)| {
        let old = value.get(from..to)?;
        let fits = |rule: &&Reversal| old.eq_ignore_ascii_case(&resolved(r, &rule.internal, rule));
        let rule = dir.cookie_domains.iter().find(fits)?;
        Some((from, to, resolved(r, &rule.public, rule).to_vec()))
    });
    let mut changes: Vec<(usize, usize, Vec<u8>)> = path.into_iter().chain(domain).collect();
    changes.sort_by_key(|(from, ..)| *from);
    let mut out = BString::default();
    let mut at = 0;
    for (from, to, new) in changes {
        out.extend_from_slice(value.get(at..from).unwrap_or_default());
        out.extend_from_slice(&new);
        at = to;
    }
    out.extend_from_slice(value.get(at..).unwrap_or_default());
    out
}

/// Where the value of a cookie's attribute lies.
fn attribute(value: &[u8], name: &[u8]) -> Option<(usize, usize)> {
    let at = value.to_ascii_lowercase().find(name)?;
    let from = at + name.len();
    let to = value.get(from..)?.find_byte(b';').map_or(value.len(), |end| from + end);
    Some((from, to))
}

/// Why a proxied request fails, as the client reads it (`ap_proxyerror`).
#[track_caller]
pub fn proxy_error(r: &mut Request, status: Status, why: &str) -> Answer {
    proxy_error_errno(r, status, 0, why)
}

/// As [`proxy_error`], with the system's reason for the log.
#[track_caller]
pub fn proxy_error_errno(r: &mut Request, status: Status, errno: i32, why: &str) -> Answer {
    let shown = server::escape::html(why.as_bytes());
    let notes =
        [b"The proxy server could not handle the request<p>Reason: <strong>", shown.as_slice(), b"</strong></p>"];
    r.notes.set("error-notes", notes.concat());
    r.notes.set("verbose-error-to", "*");
    r.status_line = Some(format!("{:03} Proxy Error", status.0).into());
    r.log_errno(Level::Error, "proxy", errno, format_args!("AH00898: {why} returned by {}", raw(&r.uri)));
    Answer::Status(status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::request;

    #[test]
    fn a_path_covers_whole_segments() {
        assert_eq!(covered(b"/a/b", b"/a"), Some(2));
        assert_eq!(covered(b"//a///b", b"/a/"), Some(6));
        assert_eq!(covered(b"/ab", b"/a"), None);
        assert_eq!(covered(b"/a", b"/a/"), None);
        assert_eq!(covered(b"/x", b"/"), Some(1));
    }

    #[test]
    fn variables_and_cookies() {
        let mut r = request();
        r.env.set("A", "b");
        assert_eq!(interpolate(&r, b"x${A}${NONE}y${open"), "xby${open");
        assert_eq!(attribute(b"a=b; Path=/x; Secure", b"path="), Some((10, 12)));
        assert_eq!(reversed_cookie(&r, b"a=b; path=/x"), "a=b; path=/x");
    }
}
