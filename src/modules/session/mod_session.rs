//! mod_session: which places have sessions, how long they last, and who else may read and write them.
//!
//! Hooks: `fixups`, middle, loads the session and writes HTTP_SESSION; `insert_filter` and `insert_error_filter`, middle, add
//! the filter that takes SessionHeader from the response and saves the session. Offers `session`. Manual: mod/mod_session.html.

use crate::config::*;
use crate::engine;
use crate::log::{self, Level};
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, Session, SessionCoding, SessionStore, Sessions};
use crate::request::{Body, Filter, FilterContext, FilterInstance, FilterKind, Request, Status};
use crate::server::escape::{self, Slashes};
use bstr::{BStr, BString, ByteSlice};

pub static MODULE: Module = Module {
    name: "mod_session.c",
    ident: "session_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<SessionDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    flag("Session", ANYWHERE, AUTH_CONFIG, enable, "on if a session should be maintained for these URLs"),
    take1(
        "SessionMaxAge",
        ANYWHERE,
        AUTH_CONFIG,
        max_age,
        "length of time for which a session should be valid. Zero to disable",
    ),
    take1(
        "SessionHeader",
        ANYWHERE,
        AUTH_CONFIG,
        header,
        "output header, if present, whose contents will be injected into the session.",
    ),
    flag(
        "SessionEnv",
        ANYWHERE,
        AUTH_CONFIG,
        env,
        "on if a session should be written to the CGI environment. Defaults to off",
    ),
    take1(
        "SessionInclude",
        ANYWHERE,
        AUTH_CONFIG,
        include,
        "URL prefixes to include in the session. Defaults to all URLs",
    ),
    take1(
        "SessionExclude",
        ANYWHERE,
        AUTH_CONFIG,
        exclude,
        "URL prefixes to exclude from the session. Defaults to no URLs",
    ),
    take1(
        "SessionExpiryUpdateInterval",
        ANYWHERE,
        AUTH_CONFIG,
        update_interval,
        "time interval for which a session's expiry time may change without having to be rewritten. Zero to disable",
    ),
];

/// The entry that says when the session ends.
const EXPIRY: &[u8] = b"expiry";
const SECOND: i64 = 1_000_000;

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct SessionDir {
    enabled: Option<bool>,
    /// Seconds.
    max_age: Option<i64>,
    header: Option<BString>,
    env: Option<bool>,
    includes: Vec<BString>,
    excludes: Vec<BString>,
    /// Seconds.
    update_interval: Option<i64>,
}

impl Settings for SessionDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        SessionDir {
            enabled: add.enabled.or(base.enabled),
            max_age: add.max_age.or(base.max_age),
            header: add.header.clone().or_else(|| base.header.clone()),
            env: add.env.or(base.env),
            includes: base.includes.iter().chain(&add.includes).cloned().collect(),
            excludes: base.excludes.iter().chain(&add.excludes).cloned().collect(),
            update_interval: add.update_interval.or(base.update_interval),
        }
    }
}

fn enable(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<SessionDir>().enabled = Some(on);
    Ok(())
}

fn max_age(cx: &mut Cx<'_>, seconds: &BStr) -> Outcome {
    cx.dir::<SessionDir>().max_age = Some(crate::config::strtol(seconds));
    Ok(())
}

fn header(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    cx.dir::<SessionDir>().header = Some(name.into());
    Ok(())
}

fn env(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<SessionDir>().env = Some(on);
    Ok(())
}

fn include(cx: &mut Cx<'_>, prefix: &BStr) -> Outcome {
    cx.dir::<SessionDir>().includes.push(prefix.into());
    Ok(())
}

fn exclude(cx: &mut Cx<'_>, prefix: &BStr) -> Outcome {
    cx.dir::<SessionDir>().excludes.push(prefix.into());
    Ok(())
}

fn update_interval(cx: &mut Cx<'_>, seconds: &BStr) -> Outcome {
    let seconds = crate::config::strtol(seconds);
    if seconds < 0 {
        return Err("SessionExpiryUpdateInterval must be zero (disable) or a positive value".into());
    }
    cx.dir::<SessionDir>().update_interval = Some(seconds);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.fixups(MIDDLE, fixups);
    on.insert_filter(MIDDLE, insert);
    on.insert_error_filter(MIDDLE, insert);
    on.providers.offer::<dyn Sessions>("session", &Here);
}

/// Whether the request's path has a session.
fn included(r: &Request) -> bool {
    let dir = r.dir::<SessionDir>();
    if dir.enabled != Some(true) {
        return false;
    }
    let under = |prefixes: &[BString]| prefixes.iter().any(|prefix| r.uri.starts_with(prefix));
    let included = (dir.includes.is_empty() || under(&dir.includes)) && !under(&dir.excludes);
    if !included {
        r.log(
            Level::Debug,
            "session",
            format_args!("AH01814: excluded by configuration for: {}", crate::log::raw(&r.uri)),
        );
    }
    included
}

/// The session as the store gave it, kept for as long as the request and those that it is redirected to.
struct Kept(Session);

fn take_kept(r: &mut Request) -> Option<Session> {
    let mut earlier = Some(r);
    while let Some(request) = earlier {
        if let Some(Kept(session)) = request.extensions.take() {
            return Some(session);
        }
        earlier = request.prev.as_deref_mut();
    }
    None
}

/// Asks the stores in turn.
fn from_store(r: &mut Request) -> Option<Session> {
    let configuration = r.configuration;
    for name in configuration.providers.names::<dyn SessionStore>() {
        let store = configuration.providers.find::<dyn SessionStore>(name.as_bytes());
        match store.and_then(|store| store.load(r)) {
            None => {}
            Some(Ok(session)) => return Some(session),
            Some(Err(_)) => {
                let text = format_args!(
                    "AH01816: error while loading the session, session not loaded: {}",
                    crate::log::raw(&r.uri)
                );
                r.log(Level::Error, "session", text);
                return None;
            }
        }
    }
    let text = "AH01815: session is enabled but no session modules have been configured, session not loaded:";
    r.log(Level::Warn, "session", format_args!("{text} {}", crate::log::raw(&r.uri)));
    None
}

/// Lets something be done with the request's session; None: there is none here.
fn with<T>(r: &mut Request, act: impl FnOnce(&mut Request, &mut Session) -> T) -> Option<T> {
    if !included(r) {
        return None;
    }
    let stored = take_kept(r).or_else(|| from_store(r))?;
    let mut session = stored.clone();
    let mut fresh = false;
    if let Err(error) = decode(r, &mut session) {
        let text =
            format_args!("AH01817: error while decoding the session, session not loaded: {}", crate::log::raw(&r.uri));
        r.log_errno(Level::Error, "session", error, text);
        (session, fresh) = (Session::default(), true);
    }
    let now = log::clock::now();
    if session.expires != 0 && session.expires < now {
        r.log(Level::Trace2, "session", format_args!("session is expired"));
        (session, fresh) = (Session::default(), true);
    }
    if let Some(seconds) = r.dir::<SessionDir>().max_age.filter(|seconds| *seconds != 0) {
        session.max_age = seconds;
        if session.expires == 0 {
            session.expires = now.saturating_add(seconds.saturating_mul(SECOND));
        }
    }
    let result = act(r, &mut session);
    // A session that was no good and got no entries is no good when it is asked for again.
    r.extensions.put(Kept(if fresh && !session.dirty { stored } else { session }));
    Some(result)
}

fn codings(r: &Request) -> impl Iterator<Item = &'static dyn SessionCoding> + use<> {
    let providers = &r.configuration.providers;
    providers.names::<dyn SessionCoding>().filter_map(|name| providers.find::<dyn SessionCoding>(name.as_bytes()))
}

/// Turns the text into entries.
fn decode(r: &mut Request, session: &mut Session) -> Result<(), i32> {
    let Some(mut text) = session.encoded.clone().filter(|text| !text.is_empty()) else { return Ok(()) };
    for coding in codings(r) {
        text = engine::block(|| coding.decode(r, text))?;
    }
    parse(session, &text);
    session.encoded = None;
    Ok(())
}

/// Reads `key=value&...`. A key without a value is taken away.
fn parse(session: &mut Session, text: &[u8]) {
    for pair in text.split(|byte| *byte == b'&') {
        let pair = pair.trim_start_with(|c| c == '=');
        if pair.is_empty() {
            continue;
        }
        let (key, value) = pair.split_once_str("=").unwrap_or((pair, b""));
        if value.is_empty() {
            if let Some(key) = unescape(key) {
                session.set(&key, None);
            }
            continue;
        }
        let (Some(key), Some(value)) = (unescape(key), unescape(value)) else { continue };
        if key == EXPIRY {
            session.expires = crate::config::strtol(&value);
        } else {
            session.set(&key, Some(&value));
        }
    }
    session.dirty = false;
}

/// Decodes what a form encodes; None where it is malformed.
pub(in crate::modules) fn unescape(text: &[u8]) -> Option<Vec<u8>> {
    let mut text: Vec<u8> = text.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    escape::unescape_url(&mut text, Slashes::Decode).ok().map(|()| text)
}

fn append_escaped(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    for &byte in text {
        match byte {
            b' ' => out.push(b'+'),
            b'*' | b'-' | b'.' | b'_' => out.push(byte),
            _ if byte.is_ascii_alphanumeric() => out.push(byte),
            _ => out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

/// The session as text. From now on its end is one of its entries.
fn text(session: &mut Session) -> BString {
    let mut out = Vec::new();
    if session.expires != 0 {
        let dirty = session.dirty;
        session.set(EXPIRY, Some(session.expires.to_string().as_bytes()));
        session.dirty = dirty;
    }
    for (key, value) in &session.entries {
        if !out.is_empty() {
            out.push(b'&');
        }
        append_escaped(&mut out, key);
        out.push(b'=');
        append_escaped(&mut out, value);
    }
    out.into()
}

fn fixups(r: &mut Request) -> Answer {
    let shown = with(r, |_, session| text(session));
    if let Some(shown) = shown.filter(|_| r.dir::<SessionDir>().env == Some(true)) {
        // A field of that name would look like the session to a script.
        r.headers_in.unset("Session");
        r.env.set("HTTP_SESSION", shown);
    }
    Answer::Ok
}

static OUT: Filter = Filter { name: "MOD_SESSION_OUT", kind: FilterKind::ContentSet, wrap: save_with_response };

fn insert(r: &mut Request) -> Answer {
    if r.dir::<SessionDir>().enabled == Some(true) && r.main.is_none() {
        r.output_filters.push(FilterInstance { filter: &OUT, context: None });
    }
    Answer::Ok
}

fn save_with_response(r: &mut Request, body: Body, _: &FilterContext) -> Result<Body, Status> {
    with(r, |r, session| {
        let name = r.dir::<SessionDir>().header.clone();
        if let Some(name) = name {
            let value = r.err_headers_out.get(&name).or_else(|| r.headers_out.get(&name)).map(BString::from);
            if let Some(value) = value {
                r.err_headers_out.unset(&name);
                r.headers_out.unset(&name);
                parse(session, &value);
                session.dirty = true;
            }
        }
        save(r, session);
    });
    Ok(body)
}

fn save(r: &mut Request, session: &mut Session) {
    let now = log::clock::now();
    let before = session.expires;
    if session.written {
        let text = format_args!(
            "AH01818: attempt made to save the session twice, session not saved: {}",
            crate::log::raw(&r.uri)
        );
        return r.log(Level::Debug, "session", text);
    }
    if session.expires != 0 && session.expires < now {
        let text = "AH01819: attempt made to save a session when the session had already expired, session not saved:";
        return r.log(Level::Debug, "session", format_args!("{text} {}", crate::log::raw(&r.uri)));
    }
    let dir = r.dir::<SessionDir>();
    if let Some(seconds) = dir.max_age.filter(|seconds| *seconds != 0) {
        session.expires = now.saturating_add(seconds.saturating_mul(SECOND));
        session.max_age = seconds;
    }
    let interval = dir.update_interval.unwrap_or(0).saturating_mul(SECOND);
    let little = interval != 0 && session.expires - before < interval;
    if !session.dirty && (session.max_age == 0 || little) {
        return;
    }
    let mut encoded = text(session);
    for coding in codings(r) {
        encoded = match engine::block(|| coding.encode(r, encoded)) {
            Ok(encoded) => encoded,
            Err(error) => {
                let text = format_args!(
                    "AH01820: error while encoding the session, session not saved: {}",
                    crate::log::raw(&r.uri)
                );
                return r.log_errno(Level::Error, "session", error, text);
            }
        };
    }
    let providers = &r.configuration.providers;
    let mut stores = providers.names::<dyn SessionStore>();
    let saved = stores.any(|name| {
        providers
            .find::<dyn SessionStore>(name.as_bytes())
            .is_some_and(|store| store.save(r, session, encoded.as_bstr()))
    });
    if !saved {
        let text = "AH01821: session is enabled but no session modules have been configured, session not saved:";
        r.log(Level::Warn, "session", format_args!("{text} {}", crate::log::raw(&r.uri)));
    }
    session.written = saved;
}

struct Here;

impl Sessions for Here {
    fn get(&self, r: &mut Request, key: &[u8]) -> Option<BString> {
        with(r, |_, session| session.get(key).map(BString::from))?
    }
    fn set(&self, r: &mut Request, key: &[u8], value: Option<&[u8]>) {
        with(r, |_, session| session.set(key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_sessions() {
        let mut session = Session::default();
        parse(&mut session, b"a=1&=&=x&b&c=%zz&d=e=f&a=2+%2b&expiry=7&g=%00");
        assert_eq!(text(&mut session), "a=2+%2b&d=e%3df&expiry=7");
        parse(&mut session, b"a=&h=%26");
        assert_eq!(text(&mut session), "d=e%3df&expiry=7&h=%26");
        session.set(b"d", None);
        session.set(b"h", None);
        session.expires = 0;
        session.set(EXPIRY, None);
        assert!(text(&mut session).is_empty() && session.dirty);
    }
}
