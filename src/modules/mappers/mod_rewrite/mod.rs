//! mod_rewrite: rewrites URLs by rules.
//!
//! Hooks: `translate_name`, first: the rules of the server. `fixups`, first: the rules of directories, which work on
//! the file name and start over by an internal redirect; a handler of its own makes that redirect. `fixups`, last: types
//! and handlers that rules force.
//!
//! Differences: a program map is one process for each child, started when it is first asked; dbd maps are
//! refused, as they are without mod_dbd. `[P]` answers as Apache does without mod_proxy. Manual: mod/mod_rewrite.html.

mod apply;
mod directives;
mod expand;
mod map;
mod rules;

use crate::config::*;
use crate::log::{Level, raw};
use crate::module::{Answer, FIRST, Hooks, LAST, Linked, MIDDLE, Module, Phase, declined};
use crate::request::{FileKind, Request, Status};
use crate::server::{self, escape};
use bstr::{BString, ByteSlice};
use rules::{DirRules, RuleSet, ServerRules, option};

pub static MODULE: Module = Module {
    name: "mod_rewrite.c",
    ident: "rewrite_module",
    linked: Linked::Loadable,
    directives: &[directives::DIRECTIVES],
    server: Config::of::<ServerRules>(),
    dir: Config::of::<DirRules>(),
    hooks,
};

const REDIRECT_HANDLER: &str = "redirect-handler";
const FORCED_TYPE: &str = "rewrite-forced-mimetype";
const FORCED_HANDLER: &str = "rewrite-forced-handler";

/// A rule with END was met: this request and what it is redirected to are rewritten no more.
struct ReallyLast;

/// The result was a URL of this host: it is below DocumentRoot, whatever the file system holds.
struct Reduced;

fn hooks(on: &mut Hooks) {
    on.later(Phase::translate_name, FIRST, |r| {
        if !r.server::<ServerRules>().0.engine.unwrap_or(false) {
            return declined();
        }
        Box::pin(translate(r))
    });
    on.later(Phase::fixups, FIRST, |r| {
        let rules = &r.dir::<DirRules>().0;
        if rules.directory.is_none() || !rules.engine.unwrap_or(false) {
            return declined();
        }
        Box::pin(fixup(r))
    });
    on.fixups(LAST, force_type);
    on.later(Phase::handler, MIDDLE, |r| {
        if r.handler.as_ref().is_none_or(|handler| handler != REDIRECT_HANDLER) {
            return declined();
        }
        Box::pin(redirect(r))
    });
}

/// A line as Apache's: who asks, which request of which chain, which directory's rules.
fn trace(r: &Request, level: Level, directory: Option<&BString>, text: std::fmt::Arguments<'_>) {
    if !r.logs(level, "rewrite") {
        return;
    }
    let (mut redirects, mut earlier) = (0, r.prev.as_ref());
    while let Some(request) = earlier {
        redirects += 1;
        earlier = request.prev.as_ref();
    }
    let kind = if r.is_sub() { "subreq" } else { "initial" };
    let again = if redirects > 0 { format!("/redir#{redirects}") } else { String::new() };
    let place = directory.map(|path| format!("[perdir {path}] ")).unwrap_or_default();
    let user = r.user.as_ref().map_or("-".into(), |user| user.to_str_lossy());
    let (server, request) = (std::ptr::from_ref(r.server) as usize, std::ptr::from_ref(r) as usize);
    r.log(
        level,
        "rewrite",
        format_args!(
            "{} - {user} [{}/sid#{server:x}][rid#{request:x}/{kind}{again}] {place}{text}",
            r.useragent_ip,
            server::server_name(r)
        ),
    );
}

fn ended(r: &Request) -> bool {
    let mut request = Some(r);
    while let Some(current) = request {
        if current.extensions.of::<ReallyLast>().is_some() {
            return true;
        }
        request = current.prev.as_deref();
    }
    false
}

/// SCRIPT_URL and SCRIPT_URI: the request as it was before any rewriting.
fn note_script(r: &mut Request) {
    let earlier = r.prev.as_ref().and_then(|prev| prev.env.get("SCRIPT_URL"));
    let url = match earlier.or_else(|| r.main.as_ref().and(r.env.get("SCRIPT_URL"))) {
        Some(url) => BString::from(url),
        None => r.uri.clone(),
    };
    let uri = server::construct_url(r, &url);
    r.env.set("SCRIPT_URL", url);
    r.env.set("SCRIPT_URI", uri);
}

async fn translate(r: &mut Request) -> Answer {
    if ended(r) {
        trace(r, Level::Trace8, None, format_args!("Declining, no further rewriting due to END flag"));
        return Answer::Declined;
    }
    let rules = &r.server::<ServerRules>().0;
    if rules.options & option::ANY_URI == 0 && (r.unparsed_uri == "*" || !r.uri.starts_with(b"/")) {
        let text = format_args!(
            "Declining, request-URI '{}' is not a URL-path. Consult the manual entry for the RewriteOptions directive \
             for options and caveats about matching other strings.",
            raw(&r.uri)
        );
        trace(r, Level::Trace1, None, text);
        return Answer::Declined;
    }
    note_script(r);
    let args = r.args.clone();
    r.filename = r.uri.clone();
    trace(r, Level::Trace2, None, format_args!("init rewrite engine with requested uri {}", raw(&r.filename)));
    let result = apply::list(r, rules, None).await;
    let outcome = match result {
        None => {
            trace(r, Level::Trace1, None, format_args!("pass through {}", raw(&r.filename)));
            r.filename.clear();
            return Answer::Declined;
        }
        Some(outcome) => outcome,
    };
    if let Some(answer) = remote(r, &outcome, args, None) {
        return answer;
    }
    if let Some(path) = r.filename.strip_prefix(b"passthrough:").map(BString::from) {
        r.uri = path;
        r.filename.clear();
        return Answer::Declined;
    }
    trace(r, Level::Trace2, None, format_args!("local path result: {}", raw(&r.filename)));
    if !r.filename.starts_with(b"/") {
        return Answer::Status(Status::BAD_REQUEST);
    }
    if !is_file_path(r, &outcome) || r.extensions.of::<Reduced>().is_some() {
        let uri = std::mem::replace(&mut r.uri, std::mem::take(&mut r.filename));
        let answer = server::translate_below_root(r);
        let rewritten = std::mem::replace(&mut r.uri, uri);
        if answer != Answer::Ok {
            let text = format_args!("prefixing with document_root of {} FAILED", raw(&rewritten));
            trace(r, Level::Trace1, None, text);
            return answer;
        }
        trace(r, Level::Trace2, None, format_args!("prefixed with document_root to {}", raw(&r.filename)));
    }
    trace(r, Level::Trace1, None, format_args!("go-ahead with {} [OK]", raw(&r.filename)));
    Answer::Ok
}

/// Whether the result names a file already: its first segment exists, and that was not up to the client: the rule says so
/// itself, or the file is below a document root, or UnsafePrefixStat allows it.
fn is_file_path(r: &Request, outcome: &apply::Outcome) -> bool {
    let rest = r.filename.trim_start_with(|c| c == '/');
    let first = [b"/", rest.split(|byte| *byte == b'/').next().unwrap_or_default()].concat();
    if !server::stat(&first).is_ok_and(|info| info.kind != FileKind::None) {
        return false;
    }
    let Some(rule) = &outcome.last else {
        trace(r, Level::Trace3, None, format_args!("prefix_stat no lastsub subst prefix {}", raw(&first)));
        return true;
    };
    let any = rule.flags.unsafe_prefix_stat || r.server::<ServerRules>().0.options & option::UNSAFE_PREFIX_STAT != 0;
    let text = format_args!(
        "prefix_stat compare statpath {} and lastsub output {} STATOK {} ",
        raw(&first),
        rule.output_text,
        u8::from(any)
    );
    trace(r, Level::Trace3, None, text);
    if any {
        return true;
    }
    let starts = |text: &[u8], start: &[u8]| {
        let starts = text.starts_with(start);
        let line = format_args!("prefix_stat startsWith({}, {}) {}", raw(text), raw(start), u8::from(starts));
        trace(r, Level::Trace5, None, line);
        starts
    };
    let root = document_root(r);
    let context = r.context.as_ref().map_or(root, |(_, root)| root.as_slice());
    starts(&rule.output_text, &first) || starts(&r.filename, root) || context != root && starts(&r.filename, context)
}

fn document_root(r: &Request) -> &[u8] {
    let configured = r.server::<CoreServer>().document_root.as_ref();
    r.document_root.as_ref().or(configured).map_or(b"", |root| root.as_slice())
}

/// The end of a rewriting that leaves this server: a status, a proxy's URL, a redirect.
fn remote(
    r: &mut Request,
    outcome: &apply::Outcome,
    old_args: Option<BString>,
    dir: Option<&RuleSet>,
) -> Option<Answer> {
    let directory = dir.and_then(|rules| rules.directory.as_ref());
    if outcome.status {
        let status = std::mem::replace(&mut r.status, Status::OK);
        return Some(Answer::Status(status));
    }
    let target = (!r.filename.starts_with(b"proxy:")).then(|| apply::absolute(&r.filename)).flatten();
    let escaped = target.is_some() && !outcome.no_escape;
    if !escaped && r.args.as_ref().is_some_and(|args| args.iter().any(|byte| *byte <= b' ' || *byte == 0x7f)) {
        let tag = if dir.is_some() { "AH10411" } else { "AH10410" };
        let text = format_args!("{tag}: Rewritten query string contains control characters or spaces");
        r.log(Level::Error, "rewrite", text);
        r.status = Status::OK;
        return Some(Answer::Status(Status::FORBIDDEN));
    }
    if r.filename.starts_with(b"proxy:") && r.configuration.process.has_module("proxy_module") {
        return Some(to_proxy(r, outcome.no_escape, directory));
    }
    if r.filename.starts_with(b"proxy:") {
        let tag = if dir.is_some() { "AH10160" } else { "AH00669" };
        let text = format_args!(
            "{tag}: attempt to make remote request from mod_rewrite without proxy enabled: {}",
            raw(&r.filename)
        );
        r.log(Level::Error, "rewrite", text);
        return Some(Answer::Status(Status::FORBIDDEN));
    }
    let skip = target?;
    if let Some((base, path)) = dir.and_then(|rules| Some((rules.base.as_ref()?, rules.directory.as_ref()?))) {
        let rest = r.filename.get(skip..).unwrap_or_default();
        if let Some(at) = rest.find_byte(b'/').map(|at| skip + at + 1).filter(|at| *at < r.filename.len()) {
            let text = format_args!("trying to replace prefix {path} with {base}");
            trace(r, Level::Trace2, directory, text);
            let (host, inner) = r.filename.split_at(at);
            let inner = replace_prefix(
                r,
                inner,
                path.strip_prefix(b"/").unwrap_or(path),
                base.get(1..).unwrap_or(b""),
                directory,
            );
            r.filename = [host, &inner].concat().into();
        }
    }
    if !outcome.no_escape {
        trace(r, Level::Trace1, directory, format_args!("escaping {} for redirect", raw(&r.filename)));
        r.filename = apply::escape_absolute(&r.filename, skip);
    }
    if let Some(args) = r.args.clone() {
        let plain = outcome.no_escape || old_args.as_ref() == Some(&args);
        let escaped = if plain { BString::default() } else { escape::uri(&args) };
        let verb = if plain { "copying" } else { "escaping" };
        let text = format_args!("{verb} {} to query string for redirect {escaped}", raw(&args));
        trace(r, Level::Trace1, directory, text);
        r.filename.push(b'?');
        r.filename.extend_from_slice(if plain { &args } else { &escaped });
    }
    let status = std::mem::replace(&mut r.status, Status::OK);
    let status = if status.is_redirect() { status } else { Status::FOUND };
    let text = format_args!("redirect to {} [REDIRECT/{}]", raw(&r.filename), status.0);
    trace(r, Level::Trace1, directory, text);
    let target = r.filename.clone();
    r.headers_out.set("Location", target);
    Some(Answer::Status(status))
}

/// Hands the request to mod_proxy, whose handler takes it from its file name.
fn to_proxy(r: &mut Request, no_escape: bool, directory: Option<&BString>) -> Answer {
    let path_info = r.path_info.clone();
    r.filename.extend_from_slice(&path_info);
    if no_escape {
        r.notes.set("proxy-nocanon", "1");
    }
    if let Some(args) = r.args.as_ref().filter(|_| no_escape || r.forward_proxy) {
        r.filename.push(b'?');
        r.filename.extend_from_slice(args);
    }
    r.proxy_request = true;
    r.handler = Some("proxy-server".into());
    trace(r, Level::Trace1, directory, format_args!("go-ahead with proxy request {} [OK]", raw(&r.filename)));
    Answer::Ok
}

/// `path` with `from` at its start replaced by `to`.
fn replace_prefix(r: &Request, path: &[u8], from: &[u8], to: &[u8], directory: Option<&BString>) -> BString {
    let from = from.strip_suffix(b"/").unwrap_or(from);
    let rest = match path.strip_prefix(from) {
        Some(rest) if rest.starts_with(b"/") || from.is_empty() => rest,
        _ => return path.into(),
    };
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    trace(r, Level::Trace5, directory, format_args!("strip matching prefix: {} -> {}", raw(path), raw(rest)));
    let mut out = BString::from(to);
    if !out.ends_with(b"/") && (!out.is_empty() || path.starts_with(b"/")) {
        out.push(b'/');
    }
    out.extend_from_slice(rest);
    trace(r, Level::Trace4, directory, format_args!("add subst prefix: {} -> {}", raw(rest), raw(&out)));
    out
}

async fn fixup(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    let rules = &dir.settings.of::<DirRules>().0;
    let directory = rules.directory.as_ref();
    if ended(r) {
        trace(r, Level::Trace8, directory, format_args!("Declining, no further rewriting due to END flag"));
        return Answer::Declined;
    }
    // A directory asked for without its slash is mod_dir's, which says where it is.
    let bare = directory.and_then(|path| path.strip_suffix(b"/"));
    if rules.options & option::NO_SLASH == 0 && bare.is_some_and(|bare| *bare == **r.filename) {
        return Answer::Declined;
    }
    if server::allowed_options(r) & (options::SYM_LINKS | options::SYM_OWNER) == 0 {
        let text = format_args!(
            "AH00670: Options FollowSymLinks and SymLinksIfOwnerMatch are both off, so the RewriteRule directive is also \
             forbidden due to its similar ability to circumvent directory restrictions : {}",
            raw(&r.filename)
        );
        r.log(Level::Error, "rewrite", text);
        return Answer::Status(Status::FORBIDDEN);
    }
    let (args, before) = (r.args.clone(), r.filename.clone());
    let Some(outcome) = apply::list(r, rules, directory).await else {
        trace(r, Level::Trace1, directory, format_args!("pass through {}", raw(&r.filename)));
        r.filename = before;
        return Answer::Declined;
    };
    if let Some(answer) = remote(r, &outcome, args, Some(rules)) {
        return answer;
    }
    if let Some(path) = r.filename.strip_prefix(b"passthrough:").map(BString::from) {
        r.filename = path;
    }
    if !r.filename.starts_with(b"/") {
        return Answer::Status(Status::BAD_REQUEST);
    }
    if r.filename == before {
        let text = format_args!("initial URL equal rewritten URL: {} [IGNORING REWRITE]", raw(&r.filename));
        trace(r, Level::Trace1, directory, text);
        return Answer::Ok;
    }
    let path = to_url(r, rules);
    trace(r, Level::Trace1, directory, format_args!("internal redirect with {} [INTERNAL REDIRECT]", raw(&path)));
    r.filename = [b"redirect:", path.as_slice()].concat().into();
    r.handler = Some(REDIRECT_HANDLER.into());
    Answer::Ok
}

/// The URL path that a file name of a per-directory rewriting stands for.
fn to_url(r: &Request, rules: &RuleSet) -> BString {
    let directory = rules.directory.as_ref();
    if let (Some(base), Some(path)) = (&rules.base, directory) {
        trace(r, Level::Trace2, directory, format_args!("trying to replace prefix {path} with {base}"));
        return replace_prefix(r, &r.filename, path, base, directory);
    }
    let root = document_root(r);
    let root = root.strip_suffix(b"/").unwrap_or(root);
    if let Some(rest) = r.filename.strip_prefix(root).filter(|rest| !root.is_empty() && rest.starts_with(b"/")) {
        let text = format_args!("strip document_root prefix: {} -> {}", raw(&r.filename), raw(rest));
        trace(r, Level::Trace2, directory, text);
        return rest.into();
    }
    if rules.options & option::IGNORE_CONTEXT == 0 {
        let (prefix, root) = match &r.context {
            Some((prefix, root)) => (prefix.as_slice(), root.as_slice()),
            None => (b"".as_slice(), root),
        };
        let text = format_args!("trying to replace context docroot {} with context prefix {}", raw(root), raw(prefix));
        trace(r, Level::Trace2, directory, text);
        return replace_prefix(r, &r.filename, root, prefix, directory);
    }
    r.filename.clone()
}

fn force_type(r: &mut Request) -> Answer {
    if let Some(kind) = r.notes.get(FORCED_TYPE).map(BString::from) {
        let text = format_args!("force filename {} to have MIME-type '{kind}'", raw(&r.filename));
        trace(r, Level::Trace1, None, text);
        r.set_content_type(kind);
    }
    if let Some(handler) = r.notes.get(FORCED_HANDLER).map(BString::from) {
        let text = format_args!("force filename {} to have the Content-handler '{handler}'", raw(&r.filename));
        trace(r, Level::Trace1, None, text);
        r.handler = Some(handler);
    }
    Answer::Declined
}

async fn redirect(r: &mut Request) -> Answer {
    let Some(path) = r.filename.strip_prefix(b"redirect:") else { return Answer::Declined };
    let mut target = BString::from(path);
    if let Some(args) = &r.args {
        target.push(b'?');
        target.extend_from_slice(args);
    }
    server::internal_redirect_with_vary(r, &target).await
}
