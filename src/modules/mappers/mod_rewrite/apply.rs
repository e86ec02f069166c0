//! Running rules: conditions, substitution, flags.

use super::rules::{Cond, Order, Rule, RuleSet, Test, option};
use super::{FORCED_HANDLER, FORCED_TYPE, ReallyLast, Reduced, trace};
use crate::config::atoi;
use crate::log::clock::{self, Civil};
use crate::log::{Level, raw};
use crate::request::{FileKind, Request, Status};
use crate::server::{self, escape};
use crate::sys::regex::Captures;
use bstr::{BStr, BString, ByteSlice};
use std::borrow::Cow;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

/// Groups of a match with the text that they are of.
#[derive(Clone, Default)]
pub struct Groups {
    subject: BString,
    captures: Captures,
}

impl Groups {
    pub fn get(&self, number: usize) -> Option<&[u8]> {
        self.captures.get(&self.subject, number)
    }
}

/// What rules know while they run.
#[derive(Default)]
pub struct State {
    pub directory: Option<Arc<BString>>,
    pub rule: Groups,
    pub cond: Groups,
    /// Request fields that the current condition looked at.
    seen: Vec<BString>,
}

impl State {
    /// The condition looks at this field of the request.
    pub fn varies(&mut self, name: &BStr) {
        // Every URL has its host: caches know.
        if !name.eq_ignore_ascii_case(b"Host") {
            self.seen.push(name.into());
        }
    }
}

/// LimitRequestLine where it is not set. A result may be twice as long.
const USUAL_LINE: usize = 8190;

/// What came of the rules.
pub struct Outcome {
    /// The request's status is the answer.
    pub status: bool,
    pub no_escape: bool,
    /// The last rule that replaced something.
    pub last: Option<Arc<Rule>>,
}

enum Matched {
    No,
    Kept,
    Replaced,
    Status,
}

/// Applies all rules to the request's file name; None where nothing changed.
pub async fn list(r: &mut Request, set: &RuleSet, directory: Option<&BString>) -> Option<Outcome> {
    let mut state = State { directory: directory.cloned().map(Arc::new), ..State::default() };
    let mut outcome: Option<Outcome> = None;
    let mut last: Option<Arc<Rule>> = None;
    // The first round counts.
    let (mut at, mut rounds) = (0, 1);
    while let Some(rule) = set.rules.get(at) {
        at += 1;
        if r.main.is_some() && (rule.flags.not_in_subrequests || rule.flags.redirect) {
            continue;
        }
        let mut fields = Vec::new();
        let matched = apply(r, rule, &mut state, set, &mut fields).await;
        if matches!(matched, Matched::No) {
            if rule.flags.chain {
                while set.rules.get(at - 1).is_some_and(|rule| rule.flags.chain) && at < set.rules.len() {
                    at += 1;
                }
            }
            continue;
        }
        if !rule.keeps {
            let text = format_args!("setting lastsub to rule with output {}", raw(&rule.output_text));
            trace(r, Level::Trace2, directory, text);
            last = Some(rule.clone());
        }
        if let Matched::Status = matched {
            return Some(Outcome { status: true, no_escape: false, last });
        }
        for name in fields {
            server::vary(&mut r.headers_out, &name);
        }
        if rule.flags.end {
            let text = format_args!("Rule has END flag, no further rewriting for this request");
            trace(r, Level::Trace8, directory, text);
            r.extensions.put(ReallyLast);
        }
        if let Matched::Replaced = matched {
            outcome = Some(Outcome { status: false, no_escape: rule.flags.no_escape, last: None });
        }
        if rule.flags.pass_through {
            let text = format_args!(
                "forcing '{}' to get passed through to next API URI-to-filename handler",
                raw(&r.filename)
            );
            trace(r, Level::Trace2, directory, text);
            r.filename = [b"passthrough:", r.filename.as_slice()].concat().into();
            // What looked like a redirect is a path for whoever comes next.
            r.status = Status::OK;
            outcome = Some(Outcome { status: false, no_escape: false, last: None });
            break;
        }
        if rule.flags.proxy || rule.flags.last || rule.flags.end {
            break;
        }
        if rule.flags.next {
            rounds += 1;
            if rounds >= rule.rounds {
                let text = format_args!(
                    "AH02596: RewriteRule '{}' and URI '{}' exceeded maximum number of rounds ({}) via the [N] flag",
                    rule.pattern,
                    raw(&r.uri),
                    rule.rounds
                );
                r.log(Level::Error, "rewrite", text);
                r.status = Status::INTERNAL_SERVER_ERROR;
                return Some(Outcome { status: true, no_escape: false, last });
            }
            at = 0;
            continue;
        }
        at += rule.skip;
    }
    outcome.map(|outcome| Outcome { last, ..outcome })
}

async fn apply(
    r: &mut Request,
    rule: &Arc<Rule>,
    state: &mut State,
    set: &RuleSet,
    fields: &mut Vec<BString>,
) -> Matched {
    let directory = state.directory.clone();
    let place = directory.as_deref();
    let mut subject = Cow::Borrowed(r.filename.as_slice());
    if let Some(path) = place {
        if !r.path_info.is_empty() {
            let whole = [&subject, r.path_info.as_slice()].concat();
            let text = format_args!("add path info postfix: {} -> {}", raw(&subject), raw(&whole));
            trace(r, Level::Trace3, place, text);
            subject = Cow::Owned(whole);
        }
        if let Some(rest) = subject.strip_prefix(path.as_slice()) {
            let text = format_args!("strip per-dir prefix: {} -> {}", raw(&subject), raw(rest));
            trace(r, Level::Trace3, place, text);
            subject = match subject {
                Cow::Borrowed(whole) => Cow::Borrowed(whole.get(path.len()..).unwrap_or_default()),
                Cow::Owned(_) => Cow::Owned(rest.to_vec()),
            };
        }
    }
    trace(r, Level::Trace3, place, format_args!("applying pattern '{}' to uri '{}'", rule.pattern, raw(&subject)));
    let captures = rule.regex.captures(&subject);
    if captures.is_some() == rule.negated {
        return Matched::No;
    }
    let subject = BString::from(subject.into_owned());
    state.cond = Groups::default();
    state.rule = match captures {
        Some(captures) => Groups { subject: subject.clone(), captures },
        None => Groups::default(),
    };
    if !conditions(r, rule, state, fields).await {
        return Matched::No;
    }
    let flags = rule.flags;
    let mut from_client = false;
    let mut new = None;
    if !rule.keeps {
        let output = rule.output.expand(r, state, Some(rule), &mut from_client).await;
        let text = format_args!("rewrite '{}' -> '{}'", raw(&subject), raw(&output));
        trace(r, Level::Trace2, place, text);
        let longest = 2 * r.server.limit_request_line.unwrap_or(USUAL_LINE);
        if output.len() > longest {
            let (pattern, uri) = (&rule.pattern, raw(&r.uri));
            let text = format_args!("RewriteRule '{pattern}' and URI '{uri}' exceeded maximum length ({longest})");
            r.log(Level::Error, "rewrite", text);
            r.status = Status::INTERNAL_SERVER_ERROR;
            return Matched::Status;
        }
        let encoded = r.unparsed_uri.to_ascii_lowercase().contains_str("%3f");
        if from_client && encoded && !flags.unsafe_allow_3f {
            let text = format_args!("AH10508: Unsafe URL with %3f URL rewritten without UnsafeAllow3F");
            r.log(Level::Error, "rewrite", text);
            r.status = Status::FORBIDDEN;
            return Matched::Status;
        }
        new = Some(output);
    }
    variables(r, rule, state).await;
    let Some(output) = new else {
        force(r, rule, state).await;
        if flags.status {
            let text = format_args!("forcing responsecode {} for {}", rule.status.0, raw(&r.filename));
            trace(r, Level::Trace2, place, text);
            r.status = rule.status;
            return Matched::Status;
        }
        // A proxy without a substitution goes where the request is already; a redirect there would only come back.
        if !flags.proxy {
            return Matched::Kept;
        }
        return ends(r, rule, place);
    };
    if flags.discard_path_info {
        r.path_info.clear();
    }
    r.filename = output;
    let inside = !flags.proxy && !r.filename.starts_with(b"/") && absolute(&r.filename).is_none();
    if let Some(path) = place.filter(|_| inside) {
        let whole = BString::from([path.as_slice(), r.filename.as_slice()].concat());
        let text = format_args!("add per-dir prefix: {} -> {}", raw(&r.filename), raw(&whole));
        trace(r, Level::Trace3, place, text);
        r.filename = whole;
    } else if place.is_none() && inside && !flags.redirect && set.options & option::ANY_URI == 0 {
        // A relative result of a server's rule stands at the root.
        let whole = BString::from([b"/", r.filename.as_slice()].concat());
        let text = format_args!("add root prefix: {} -> {}", raw(&r.filename), raw(&whole));
        trace(r, Level::Trace3, place, text);
        r.filename = whole;
    }
    split_query(r, rule);
    if flags.proxy || flags.redirect {
        return ends(r, rule, place);
    }
    reduce(r, place, set);
    if absolute(&r.filename).is_some() {
        let text = format_args!("implicitly forcing redirect (rc={} with {}", rule.status.0, raw(&r.filename));
        trace(r, Level::Trace2, place, text);
        r.status = rule.status;
        return Matched::Replaced;
    }
    force(r, rule, state).await;
    Matched::Replaced
}

/// Makes the file name a URL for a proxy or a redirect.
fn ends(r: &mut Request, rule: &Rule, place: Option<&BString>) -> Matched {
    if absolute(&r.filename).is_none() {
        let slash: &[u8] = if r.filename.starts_with(b"/") { b"" } else { b"/" };
        let path = [slash, r.filename.as_slice()].concat();
        r.filename = server::construct_url(r, &path);
    }
    if rule.flags.proxy {
        let text = format_args!("forcing proxy-throughput with {}", raw(&r.filename));
        trace(r, Level::Trace2, place, text);
        r.filename = [b"proxy:", r.filename.as_slice()].concat().into();
    } else {
        let text = format_args!("explicitly forcing redirect with {}", raw(&r.filename));
        trace(r, Level::Trace2, place, text);
        r.status = rule.status;
    }
    Matched::Replaced
}

/// Octets of scheme and `://` (or `:`), where a text begins with a scheme that the rules know.
pub fn absolute(text: &[u8]) -> Option<usize> {
    const SCHEMES: [&str; 15] = [
        "ajp://",
        "balancer://",
        "fcgi://",
        "ftp://",
        "gopher://",
        "http://",
        "https://",
        "h2://",
        "h2c://",
        "ldap://",
        "mailto:",
        "news:",
        "nntp://",
        "scgi://",
        "unix:",
    ];
    let more = ["ws://", "wss://"];
    SCHEMES
        .iter()
        .chain(&more)
        .find(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes())))
        .map(|scheme| scheme.len())
}

/// A URL with its path escaped; scheme and host stay as they are.
pub fn escape_absolute(url: &[u8], skip: usize) -> BString {
    let (scheme, rest) = url.split_at(skip.min(url.len()));
    if scheme.eq_ignore_ascii_case(b"ldap://") {
        // There question marks part attributes, scope and filter.
        let parts: Vec<BString> = rest.split(|byte| *byte == b'?').map(escape::uri).collect();
        return [scheme, &bstr::join(b"?", &parts)].concat().into();
    }
    let slash = rest.find_byte(b'/').map_or(rest.len(), |at| at + 1);
    let (host, path) = rest.split_at(slash);
    [scheme, host, &escape::uri(path)].concat().into()
}

/// Whether a question mark is part of such a URL like any other character.
fn without_query(url: &[u8]) -> bool {
    ["ldap:", "news:", "nntp:"]
        .iter()
        .any(|scheme| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme.as_bytes())))
}

fn split_query(r: &mut Request, rule: &Rule) {
    let flags = rule.flags;
    if rule.no_query {
        r.args = None;
        return trace(r, Level::Trace2, None, format_args!("discarding query string, no parse from substitution"));
    }
    if without_query(&r.filename) {
        r.args = None;
        return;
    }
    if flags.discard_query {
        r.args = None;
        trace(r, Level::Trace2, None, format_args!("discarding query string"));
    }
    let mark = if flags.last_question_mark { r.filename.rfind_byte(b'?') } else { r.filename.find_byte(b'?') };
    let Some(mark) = mark else { return };
    let old = r.filename.clone();
    let mut args = BString::from(old.get(mark + 1..).unwrap_or_default());
    r.filename.truncate(mark);
    if flags.append_query
        && let Some(before) = &r.args
    {
        if !args.is_empty() {
            args.push(b'&');
        }
        args.extend_from_slice(before);
    }
    if args.last() == Some(&b'&') {
        args.pop();
    }
    r.args = Some(args).filter(|args| !args.is_empty());
    let shown = r.args.as_ref().map_or(b"<none>".as_bstr(), |args| args.as_bstr());
    let text = format_args!("split uri={} -> uri={}, args={}", raw(&old), raw(&r.filename), raw(shown));
    trace(r, Level::Trace3, None, text);
}

/// A URL of this very host is a path.
fn reduce(r: &mut Request, place: Option<&BString>, set: &RuleSet) {
    let scheme = server::scheme(r);
    let Some((start, rest)) = r.filename.split_at_checked(scheme.len()) else { return };
    let Some(rest) = rest.strip_prefix(b"://").filter(|_| start.eq_ignore_ascii_case(scheme.as_bytes())) else {
        return;
    };
    let (host, path) = rest.split_at(rest.find_byte(b'/').unwrap_or(rest.len()));
    let (host, port) = match host.split_once_str(":") {
        Some((host, port)) => (host, u16::try_from(atoi(port)).unwrap_or(0)),
        None => (host, if scheme == "https" { 443 } else { 80 }),
    };
    if !server::vhost::is_own_host(r, host, port) {
        return;
    }
    let path = if path.is_empty() { BString::from("/") } else { path.into() };
    trace(r, Level::Trace3, place, format_args!("reduce {} -> {}", raw(&r.filename), raw(&path)));
    r.filename = path;
    if set.options & option::LEGACY_DOCROOT == 0 {
        r.extensions.put(Reduced);
    }
}

async fn conditions(r: &mut Request, rule: &Arc<Rule>, state: &mut State, fields: &mut Vec<BString>) -> bool {
    let mut at = 0;
    while let Some(cond) = rule.conds.get(at) {
        state.seen.clear();
        let holds = condition(r, cond, state).await;
        if cond.no_vary {
            state.seen.clear();
        }
        if cond.or_next {
            if !holds {
                // The last of a row of alternatives decides.
                if at + 1 == rule.conds.len() {
                    return true;
                }
                at += 1;
                continue;
            }
            while rule.conds.get(at).is_some_and(|cond| cond.or_next) {
                at += 1;
            }
        } else if !holds {
            return false;
        }
        fields.append(&mut state.seen);
        at += 1;
    }
    true
}

async fn condition(r: &mut Request, cond: &Cond, state: &mut State) -> bool {
    let mut ignored = false;
    let mut input = BString::default();
    let mut holds = match &cond.test {
        Test::Expression(expression) => {
            let mut backrefs = server::expression::Backrefs::default();
            match server::expression::holds_with(expression, r, &mut backrefs) {
                Ok(holds) => holds,
                Err(error) => {
                    let text = format_args!("RewriteCond: expr='{}' evaluation failed: {error}", cond.pattern);
                    trace(r, Level::Trace1, state.directory.as_deref(), text);
                    return false;
                }
            }
        }
        test => {
            input = cond.input.expand(r, state, None, &mut ignored).await;
            let stat = |path: &[u8]| server::stat(path).ok();
            match test {
                Test::Regex(regex) => match regex.captures(&input) {
                    Some(captures) => {
                        if !cond.negated {
                            state.cond = Groups { subject: input.clone(), captures };
                        }
                        true
                    }
                    None => false,
                },
                Test::Text(order, other) => {
                    let other = other.expand(r, state, None, &mut ignored).await;
                    let (mut left, mut right) = (input.clone(), other);
                    if cond.no_case {
                        left.make_ascii_lowercase();
                        right.make_ascii_lowercase();
                    }
                    // Longer texts are greater, whatever stands in them.
                    order.holds((left.len(), &left).cmp(&(right.len(), &right)))
                }
                Test::Number(order, other) => {
                    let other = other.expand(r, state, None, &mut ignored).await;
                    order.holds(atoi(&input).cmp(&atoi(&other)))
                }
                Test::File => stat(&input).is_some_and(|info| info.kind == FileKind::File),
                Test::NotEmpty => stat(&input).is_some_and(|info| info.kind == FileKind::File && info.size > 0),
                Test::Directory => stat(&input).is_some_and(|info| info.kind == FileKind::Directory),
                Test::Link => server::lstat(&input).is_ok_and(|(_, link)| link),
                Test::Executable => {
                    let meta = std::fs::metadata(input.to_path_lossy());
                    meta.is_ok_and(|meta| meta.permissions().mode() & 0o111 != 0)
                }
                Test::Url if !input.is_empty() && r.main.is_none() => {
                    let sub = server::lookup_uri(r, &input).await;
                    let text =
                        format_args!("RewriteCond URI (-U check: path={} -> status={}", raw(&input), sub.status.0);
                    trace(r, Level::Trace5, state.directory.as_deref(), text);
                    sub.status.0 < 400
                }
                Test::Accessible if !input.is_empty() && r.main.is_none() => {
                    let sub = server::lookup_file(r, &input).await;
                    let text = format_args!(
                        "RewriteCond file (-F check: path={} -> file={} status={}",
                        raw(&input),
                        raw(&sub.filename),
                        sub.status.0
                    );
                    trace(r, Level::Trace5, state.directory.as_deref(), text);
                    sub.status.0 < 300 && server::stat(&sub.filename).is_ok()
                }
                Test::Url | Test::Accessible | Test::Expression(_) => false,
            }
        }
    };
    holds ^= cond.negated;
    let text = format_args!(
        "RewriteCond: input='{}' pattern='{}{}'{} => {}",
        raw(&input),
        if cond.negated { "!" } else { "" },
        cond.pattern,
        if cond.no_case { " [NC]" } else { "" },
        if holds { "matched" } else { "not-matched" }
    );
    trace(r, Level::Trace4, state.directory.as_deref(), text);
    holds
}

impl Order {
    fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Order::Less => order.is_lt(),
            Order::LessEqual => order.is_le(),
            Order::Equal => order.is_eq(),
            Order::NotEqual => order.is_ne(),
            Order::Greater => order.is_gt(),
            Order::GreaterEqual => order.is_ge(),
        }
    }
}

/// The number that a text begins with, 0 where it begins with none.
/// E= and CO=.
async fn variables(r: &mut Request, rule: &Arc<Rule>, state: &mut State) {
    let mut ignored = false;
    for template in &rule.env {
        let text = template.expand(r, state, Some(rule), &mut ignored).await;
        if let Some(name) = text.strip_prefix(b"!") {
            r.env.unset(name);
            let line = format_args!("unsetting env variable '{}'", raw(name));
            trace(r, Level::Trace5, None, line);
            continue;
        }
        let (name, value) = text.split_once_str(":").unwrap_or((&text, b""));
        r.env.set(name, value);
        let line = format_args!("setting env variable '{}' to '{}'", raw(name), raw(value));
        trace(r, Level::Trace5, None, line);
    }
    for template in &rule.cookies {
        let text = template.expand(r, state, Some(rule), &mut ignored).await;
        cookie(r, &text);
    }
}

/// `name:value:domain[:minutes[:path[:secure[:httponly[:samesite]]]]]`, with another separator where the text begins
/// with `;`.
fn cookie(r: &mut Request, text: &[u8]) {
    let (separator, text) = match text.split_first() {
        Some((b';', rest)) => (b';', rest),
        _ => (b':', text),
    };
    // Of separators that follow each other only the first counts.
    let mut words = text.split(|byte| *byte == separator).filter(|word| !word.is_empty());
    let mut next = || words.next();
    let (Some(name), Some(value), Some(domain)) = (next(), next(), next()) else { return };
    let (minutes, path, secure, http_only, same_site) = (next(), next(), next(), next(), next());
    let note = [name, b"_rewrite"].concat();
    if r.notes.contains(&note) {
        trace(r, Level::Trace5, None, format_args!("skipping already set cookie '{}'", raw(name)));
        return;
    }
    let mut out = BString::from([name, b"=", value, b"; path=", path.unwrap_or(b"/"), b"; domain=", domain].concat());
    if let Some(minutes) = minutes.map(atoi).filter(|minutes| *minutes != 0) {
        let at = Civil::utc(r.time.saturating_add(minutes.saturating_mul(60_000_000)));
        let mut date = Vec::new();
        clock::append_strftime(&mut date, b"%a, %d-%b-%Y %H:%M:%S GMT", &at);
        out.extend_from_slice(b"; expires=");
        out.extend_from_slice(&date);
    }
    let is = |word: Option<&[u8]>, names: [&str; 3]| {
        word.is_some_and(|word| names.iter().any(|name| name.as_bytes().eq_ignore_ascii_case(word)))
    };
    if is(secure, ["true", "1", "secure"]) {
        out.extend_from_slice(b"; secure");
    }
    if is(http_only, ["true", "1", "HttpOnly"]) {
        out.extend_from_slice(b"; HttpOnly");
    }
    if let Some(same_site) = same_site.filter(|word| *word != b"0" && !word.eq_ignore_ascii_case(b"false")) {
        out.extend_from_slice(b"; SameSite=");
        out.extend_from_slice(same_site);
    }
    r.notes.set(note, "1");
    trace(r, Level::Trace5, None, format_args!("setting cookie '{}'", raw(&out)));
    r.err_headers_out.add("Set-Cookie", out);
}

/// T= and H=.
async fn force(r: &mut Request, rule: &Arc<Rule>, state: &mut State) {
    let mut ignored = false;
    let forced = [(&rule.kind, FORCED_TYPE, "MIME-type"), (&rule.handler, FORCED_HANDLER, "Content-handler")];
    for (template, note, what) in forced {
        let Some(template) = template else { continue };
        let mut text = template.expand(r, state, Some(rule), &mut ignored).await;
        if text.is_empty() {
            continue;
        }
        text.make_ascii_lowercase();
        let line = format_args!("remember {} to have {what} '{text}'", raw(&r.filename));
        trace(r, Level::Trace2, state.directory.as_deref(), line);
        r.notes.set(note, text);
    }
}
