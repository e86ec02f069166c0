//! The environment of programs that a request runs (RFC 3875), and the head of what scripts answer.
//!
//! Manual: env.html, mod/core.html (CGIPassAuth, CGIVar, QualifyRedirectURL); the rest by looking at what scripts of the
//! real server see.

use super::{Want, conditional, date, error_page, escape, name};
use crate::config::{CoreServer, identity};
use crate::log::Level;
use crate::request::{MethodNumber, Request, Status, Table};
use bstr::{BStr, BString, ByteSlice};
use std::borrow::Cow;

/// Where programs are looked for when the server itself has no PATH.
const DEFAULT_PATH: &str = "/bin:/usr/bin:/usr/ucb:/usr/bsd:/usr/local/bin";

/// Puts into `r.env` what every program of a request sees, CGI or not (`ap_add_common_vars`).
pub fn common_env(r: &mut Request) {
    let mut env = Table::new();
    let pass_auth = r.dir.core().cgi_pass_auth == Some(true);
    for (field, value) in r.headers_in.iter() {
        let is = |name: &str| field.eq_ignore_ascii_case(name.as_bytes());
        if is("Content-Type") {
            env.add("CONTENT_TYPE", value);
        } else if is("Content-Length") {
            env.add("CONTENT_LENGTH", value);
        } else if is("Proxy") || (is("Proxy-Authorization") || is("Authorization")) && !pass_auth {
            // Proxy would become HTTP_PROXY, which libraries obey; passwords are nobody's business.
        } else if field.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-') {
            let name = field.iter().map(|byte| if *byte == b'-' { b'_' } else { byte.to_ascii_uppercase() });
            env.merge(b"HTTP_".iter().copied().chain(name).collect::<Vec<u8>>(), value);
        }
    }
    let path = match r.env.get("PATH") {
        Some(path) => path.to_owned(),
        None => from_os("PATH").unwrap_or_else(|| DEFAULT_PATH.into()),
    };
    env.add("PATH", path);
    if let Some(libraries) = from_os("LD_LIBRARY_PATH") {
        env.add("LD_LIBRARY_PATH", libraries);
    }
    let mut number = itoa::Buffer::new();
    env.add("SERVER_SIGNATURE", error_page::signature("", r));
    env.add("SERVER_SOFTWARE", identity::server_banner());
    env.add("SERVER_NAME", escape::html(&name::server_name(r)));
    env.add("SERVER_ADDR", &r.connection.local_ip);
    env.add("SERVER_PORT", number.format(name::server_port(r)));
    if let Some(host) = super::remote_host(r, Want::NameOnly) {
        env.add("REMOTE_HOST", host);
    }
    env.add("REMOTE_ADDR", &r.useragent_ip);
    let root = r.document_root.clone().or_else(|| r.server::<CoreServer>().document_root.clone()).unwrap_or_default();
    env.add("DOCUMENT_ROOT", &root);
    env.add("REQUEST_SCHEME", name::scheme(r));
    let (prefix, directory) = r.context.clone().unwrap_or_else(|| (BString::default(), root));
    env.add("CONTEXT_PREFIX", prefix);
    env.add("CONTEXT_DOCUMENT_ROOT", directory);
    env.add("SERVER_ADMIN", name::server_admin(r));
    env.add("SCRIPT_FILENAME", r.filename.strip_prefix(b"proxy:").unwrap_or(&r.filename));
    env.add("REMOTE_PORT", number.format(r.useragent.port()));
    if let Some(user) = &r.user {
        env.add("REMOTE_USER", user);
    } else if let Some(user) = earlier(r).find_map(|prev| prev.user.as_ref()) {
        env.add("REDIRECT_REMOTE_USER", user);
    }
    if let Some(kind) = r.auth_type.as_ref().filter(|_| r.user.is_some()) {
        env.add("AUTH_TYPE", kind);
    }
    if let Some(prev) = &r.prev {
        let qualified = r.dir.core().qualify_redirect_url == Some(true);
        let url = if qualified { name::construct_url(prev, &prev.unparsed_uri) } else { prev.uri.clone() };
        env.add("REDIRECT_URL", url);
        if let Some(args) = &prev.args {
            env.add("REDIRECT_QUERY_STRING", args);
        }
    }
    r.env.overlay(&env);
    // What SetEnv gives stands behind what SetEnvIf and RewriteRule gave, and wins from here on.
    r.env.keep_last();
}

/// The earlier requests of a chain of internal redirects.
fn earlier(r: &Request) -> impl Iterator<Item = &Request> {
    std::iter::successors(r.prev.as_deref(), |prev| prev.prev.as_deref())
}

/// Puts into `r.env` what RFC 3875 names (`ap_add_cgi_vars`). Asks the server where the path behind the script leads.
pub async fn cgi_env(r: &mut Request) {
    r.env.set("GATEWAY_INTERFACE", "CGI/1.1");
    r.env.set("SERVER_PROTOCOL", &r.protocol);
    r.env.set("REQUEST_METHOD", r.method.name.clone());
    r.env.set("QUERY_STRING", r.args.clone().unwrap_or_default());
    let rule = r.dir.core().cgi_vars.iter().find(|(name, _)| name == "REQUEST_URI");
    let current = rule.is_some_and(|(_, rule)| rule == "current-uri");
    let uri = if current { r.uri.clone() } else { original_uri(r) };
    r.env.set("REQUEST_URI", uri);
    if r.protocol == "INCLUDED" {
        r.env.set("SCRIPT_NAME", &r.uri);
        if !r.path_info.is_empty() {
            r.env.set("PATH_INFO", &r.path_info);
        }
    } else if r.path_info.is_empty() {
        r.env.set("SCRIPT_NAME", &r.uri);
    } else {
        let end = path_info_start(&r.uri, &r.path_info);
        r.env.set("SCRIPT_NAME", r.uri.get(..end).unwrap_or_default());
        r.env.set("PATH_INFO", &r.path_info);
    }
    if !r.path_info.is_empty() {
        let target = escape::uri(&r.path_info);
        let there = super::lookup_uri(r, &target).await;
        if !there.filename.is_empty() {
            r.env.set("PATH_TRANSLATED", [there.filename.as_slice(), &there.path_info].concat());
        }
    }
}

fn from_os(name: &str) -> Option<BString> {
    std::env::var_os(name).map(|value| value.as_encoded_bytes().into())
}

/// The target as the client wrote it.
fn original_uri(r: &Request) -> BString {
    let mut words = r.the_request.splitn(2, |byte| *byte == b' ');
    let target = words.nth(1).unwrap_or_default().trim_start();
    target.split(u8::is_ascii_whitespace).next().unwrap_or_default().into()
}

/// Where in `uri` the path behind the script starts; runs of slashes count as one (`ap_find_path_info`).
fn path_info_start(uri: &[u8], info: &[u8]) -> usize {
    let (mut at, mut left) = (uri.len(), info.len());
    while at > 0 && left > 0 && uri.get(at - 1) == info.get(left - 1) {
        at -= 1;
        left -= 1;
        if info.get(left) == Some(&b'/') {
            while at > 0 && uri.get(at - 1) == Some(&b'/') {
                at -= 1;
            }
        }
    }
    at + uri.get(at..).unwrap_or_default().find_byte(b'/').unwrap_or(uri.len() - at)
}

/// `r.env` as a program gets it: names hold letters, digits and `_` only.
pub fn environment(r: &Request) -> Vec<(BString, BString)> {
    let clean = |name: &BStr| {
        let mut clean: BString =
            name.iter().map(|&byte| if byte.is_ascii_alphanumeric() { byte } else { b'_' }).collect::<Vec<u8>>().into();
        if let Some(first) = clean.first_mut().filter(|first| first.is_ascii_digit()) {
            *first = b'_';
        }
        clean
    };
    let zone = from_os("TZ").filter(|_| !r.env.contains("TZ")).map(|zone| ("TZ".into(), zone));
    let usable = r.env.iter().filter(|(_, value)| !value.contains(&0));
    usable.map(|(name, value)| (clean(name), value.to_owned())).chain(zone).collect()
}

/// What became of one line of a script's head.
#[derive(Debug, PartialEq, Eq)]
pub enum HeadLine {
    More,
    /// The empty line, and the status that the head amounts to where it is not that of the request.
    End(Option<Status>),
    /// No field at all.
    Malformed,
}

/// The head of a script's answer, line by line (`ap_scan_script_header_err`).
#[derive(Default)]
pub struct ScriptHead {
    status: Option<Status>,
    cookies: Vec<BString>,
    others: Table,
    lines: usize,
    of_file: bool,
}

/// Longest line in the head of a script's answer.
pub const LONGEST_LINE: usize = 8190;

/// A line of a script's head as it is read: returns count for nothing, wherever they stand, and a NUL ends it.
pub fn script_line(line: &[u8]) -> Cow<'_, [u8]> {
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    match line.strip_suffix(b"\r").unwrap_or(line) {
        line if !line.contains(&b'\r') => Cow::Borrowed(line),
        line => Cow::Owned(line.iter().copied().filter(|byte| *byte != b'\r').collect()),
    }
}

impl ScriptHead {
    /// The head of a file that was written like a script's answer: the length it tells is believed.
    pub fn of_file() -> ScriptHead {
        ScriptHead { of_file: true, ..ScriptHead::default() }
    }

    /// Lines so far.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Takes a line without its end. `script` and `module` are for the log.
    pub fn line(&mut self, r: &mut Request, line: &[u8], script: &BStr, module: &'static str) -> HeadLine {
        if self.lines == 0 {
            r.log(Level::Trace4, module, format_args!("Headers from script '{script}':"));
        }
        self.lines += 1;
        if line.is_empty() {
            return HeadLine::End(self.end(r));
        }
        r.log(Level::Trace4, module, format_args!("  {}", crate::log::raw(line)));
        let Some(colon) = line.find_byte(b':') else { return HeadLine::Malformed };
        let name = line.get(..colon).unwrap_or_default().as_bstr();
        let value = line.get(colon + 1..).unwrap_or_default().trim_ascii_start().as_bstr();
        match name.to_ascii_lowercase().as_slice() {
            b"content-type" => {
                // What stands behind the type may have capitals that count.
                let mut kind = value.trim_ascii_end().to_vec();
                let end = kind.find_byte(b';').unwrap_or(kind.len());
                kind.iter_mut().take(end).for_each(|byte| byte.make_ascii_lowercase());
                r.set_content_type(kind);
            }
            b"status" => self.set_status(r, value, script, module),
            // How the answer is cut is the server's business alone.
            b"transfer-encoding" => {}
            b"content-length" if !self.of_file && !r.env.contains("ap_trust_cgilike_cl") => {}
            b"location" | b"content-length" | b"content-range" | b"etag" => r.headers_out.set(name, value),
            b"last-modified" => {
                if let Some(seconds) = date::parse(value) {
                    r.mtime = r.mtime.max(seconds.saturating_mul(1_000_000));
                    conditional::set_last_modified(r);
                }
            }
            b"set-cookie" => self.cookies.push(value.into()),
            _ => self.others.merge(name, value),
        }
        HeadLine::More
    }

    fn set_status(&mut self, r: &mut Request, value: &BStr, script: &BStr, module: &'static str) {
        let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).take(4);
        let number = digits.fold(0u16, |sum, digit| sum * 10 + u16::from(digit - b'0'));
        let shown = crate::log::raw(value.get(..30).unwrap_or(value));
        let valid = (100..600).contains(&number);
        if valid {
            r.log(Level::Trace1, module, format_args!("Status line from script '{script}': {shown}"));
        } else {
            r.log(Level::Error, module, format_args!("Invalid status line from script '{script}': {shown}"));
        }
        self.status = Some(Status(number));
        r.status = Status(number);
        // Three digits go out, whatever they mean.
        r.status_line = Some(value.into()).filter(|_| (100..1000).contains(&number));
    }

    fn end(&mut self, r: &mut Request) -> Option<Status> {
        let failed = match self.status {
            None if r.method.is(MethodNumber::GET) => conditional::meets_conditions(r),
            _ => None,
        };
        for (name, value) in self.others.iter() {
            r.err_headers_out.merge(name, value);
        }
        for cookie in &self.cookies {
            r.err_headers_out.add("Set-Cookie", cookie);
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::request;

    #[test]
    fn the_path_behind_a_script() {
        assert_eq!(path_info_start(b"/cgi/env/a/b", b"/a/b"), 8);
        assert_eq!(path_info_start(b"/cgi/env//a//b", b"/a/b"), 8);
        assert_eq!(path_info_start(b"/x", b"/y"), 2);
    }

    #[test]
    fn fields_of_a_script() {
        let mut r = request();
        let mut head = ScriptHead::default();
        for line in ["Status: 404 Gone fishing", "X: 1", "x:2", "Transfer-Encoding: chunked", "Location: /a"] {
            assert_eq!(head.line(&mut r, line.as_bytes(), "x".into(), "cgi"), HeadLine::More);
        }
        assert_eq!(head.line(&mut r, b"", "x".into(), "cgi"), HeadLine::End(None));
        assert_eq!((r.status, r.err_headers_out.get("X")), (Status(404), Some("1, 2".into())));
        assert!(!r.headers_out.contains("Transfer-Encoding") && !r.err_headers_out.contains("Transfer-Encoding"));
        assert_eq!(head.line(&mut r, b"nothing", "x".into(), "cgi"), HeadLine::Malformed);
    }

    #[test]
    fn a_programs_length_is_believed_where_it_is_trusted() {
        for (mut head, trust, believed) in [
            (ScriptHead::default(), false, false),
            (ScriptHead::default(), true, true),
            (ScriptHead::of_file(), false, true),
        ] {
            let mut r = request();
            if trust {
                r.env.set("ap_trust_cgilike_cl", "");
            }
            assert_eq!(head.line(&mut r, b"content-length: 3", "x".into(), "cgi"), HeadLine::More);
            assert_eq!(r.headers_out.contains("Content-Length"), believed, "{trust}");
        }
    }

    #[test]
    fn passwords_and_proxies_are_not_passed() {
        let mut r = request();
        for (name, value) in [("Authorization", "x"), ("Proxy", "x"), ("X-A", "1"), ("x-a", "2"), ("X_B", "3")] {
            r.headers_in.add(name, value);
        }
        common_env(&mut r);
        assert_eq!(r.env.get("HTTP_X_A"), Some("1, 2".into()));
        assert!(["HTTP_AUTHORIZATION", "HTTP_PROXY", "HTTP_X_B"].iter().all(|name| !r.env.contains(name)));
    }
}
