//! mod_alias: maps URL paths onto the file system, and redirects clients.
//!
//! Hooks: `translate_name`, middle, before mod_userdir and mod_vhost_alias: redirects first, then aliases, each in the
//! order of the files, those of a `<Location>` before those of the server. `fixups`, middle: redirects that stand in
//! directories and .htaccess files, which hold only once the file is known.
//!
//! Differences: `Redirect gone` alone, outside of any section, never matches (Apache's children crash on it).
//! Manual: mod/mod_alias.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, UrlMeaning};
use crate::request::{Request, Status};
use crate::server::{self, escape};
use crate::sys::regex::{Captures, Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use std::borrow::Cow;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_alias.c",
    ident: "alias_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<AliasServer>(),
    dir: Config::of::<AliasDir>(),
    hooks,
};

const PLAIN: usize = 0;
const SCRIPT: usize = 1;
const LOCATION: Contexts = SERVER.and(DIRECTORY);

const DIRECTIVES: &[Directive] = &[
    take12("Alias", LOCATION, NO_OVERRIDE, alias, "a fakename and a realname, or a realname in a Location").info(PLAIN),
    take12("ScriptAlias", LOCATION, NO_OVERRIDE, alias, "a fakename and a realname, or a realname in a Location")
        .info(SCRIPT),
    take123(
        "Redirect",
        ANYWHERE,
        FILE_INFO,
        redirect,
        "an optional status, then document to be redirected and destination URL",
    ),
    take2("AliasMatch", SERVER, NO_OVERRIDE, alias_match, "a regular expression and a filename").info(PLAIN),
    take2("ScriptAliasMatch", SERVER, NO_OVERRIDE, alias_match, "a regular expression and a filename").info(SCRIPT),
    take23(
        "RedirectMatch",
        ANYWHERE,
        FILE_INFO,
        redirect_match,
        "an optional status, then a regular expression and destination URL",
    ),
    take2("RedirectTemp", ANYWHERE, FILE_INFO, redirect_two, "a document to be redirected, then the destination URL")
        .info(302),
    take2(
        "RedirectPermanent",
        ANYWHERE,
        FILE_INFO,
        redirect_two,
        "a document to be redirected, then the destination URL",
    )
    .info(301),
    flag(
        "RedirectRelative",
        ANYWHERE,
        FILE_INFO,
        |cx, on| {
            cx.dir::<AliasDir>().relative = Some(on);
            Ok(())
        },
        "Set to ON to allow relative redirect targets to be issued as-is",
    ),
    flag(
        "AliasPreservePath",
        ANYWHERE,
        FILE_INFO,
        |cx, on| {
            cx.dir::<AliasDir>().preserve_path = Some(on);
            Ok(())
        },
        "Set to ON to map the full path after the fakename to the realname.",
    ),
];

/// What a rule looks for in the path.
#[derive(Clone, Debug)]
enum Fake {
    Prefix(BString),
    Regex(Arc<Regex>),
}

/// One alias or redirect.
#[derive(Clone, Debug)]
struct Rule {
    fake: Fake,
    /// The directory, file or URL; empty for a redirect that is only a status.
    real: BString,
    /// `cgi-script` for ScriptAlias.
    handler: Option<&'static str>,
    /// For redirects.
    status: Status,
}

/// Rules of a server, in the order in which they are tried.
#[derive(Clone, Default)]
pub struct AliasServer {
    aliases: Vec<Rule>,
    redirects: Vec<Rule>,
}

impl Settings for AliasServer {
    crate::slot!();
    /// A virtual host's rules are tried before the main server's.
    fn merge(base: &Self, add: &Self) -> Self {
        AliasServer {
            aliases: [&add.aliases[..], &base.aliases[..]].concat(),
            redirects: [&add.redirects[..], &base.redirects[..]].concat(),
        }
    }
}

/// `Alias` or `ScriptAlias` with one argument.
#[derive(Clone)]
struct PlaceAlias {
    real: Arc<Expression>,
    /// Path of the `<Location>`; None in `<LocationMatch>`.
    fake: Option<BString>,
    handler: Option<&'static str>,
}

/// `Redirect` without a path.
#[derive(Clone)]
struct PlaceRedirect {
    status: Status,
    to: Option<Arc<Expression>>,
}

/// Rules of a section.
#[derive(Clone, Default)]
pub struct AliasDir {
    redirects: Vec<Rule>,
    alias: Option<PlaceAlias>,
    redirect: Option<PlaceRedirect>,
    relative: Switch,
    preserve_path: Switch,
}

impl Settings for AliasDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        AliasDir {
            redirects: [&add.redirects[..], &base.redirects[..]].concat(),
            alias: add.alias.clone().or_else(|| base.alias.clone()),
            redirect: add.redirect.clone().or_else(|| base.redirect.clone()),
            relative: add.relative.or(base.relative),
            preserve_path: add.preserve_path.or(base.preserve_path),
        }
    }
}

fn handler_of(cx: &Cx<'_>) -> Option<&'static str> {
    (cx.directive.info == SCRIPT).then_some("cgi-script")
}

fn alias(cx: &mut Cx<'_>, first: &BStr, second: Option<&BStr>) -> Outcome {
    cx.forbid_in_limit()?;
    let handler = handler_of(cx);
    let Some(real) = second else { return place_alias(cx, first, handler) };
    if cx.path.is_some() {
        return Err(format!("{} cannot occur within directory context", cx.name).into());
    }
    warn_of_overlap(cx, first);
    let rule = Rule { fake: Fake::Prefix(first.into()), real: root_relative(cx, real), handler, status: Status(0) };
    cx.server::<AliasServer>().aliases.push(rule);
    Ok(())
}

fn place_alias(cx: &mut Cx<'_>, real: &BStr, handler: Option<&'static str>) -> Outcome {
    let innermost = cx.around.iter().rev().find(|opener| !is_about_methods(opener)).copied().unwrap_or_default();
    let word = innermost.trim_start_matches('<').trim_end_matches('>');
    let forbidden = ["Directory", "DirectoryMatch", "Files", "FilesMatch", "If", "ElseIf", "Else"];
    if let Some(section) = forbidden.iter().find(|name| name.eq_ignore_ascii_case(word)) {
        return Err(format!("{} cannot occur within <{section}> section", cx.name).into());
    }
    let Some(path) = cx.path.clone() else { return Err("Alias must have two arguments when used globally".into()) };
    let real = string_expression(cx, real)
        .map_err(|error| Complaint::from(format!("Cannot parse alias expression '{real}': {error}")))?;
    let fake = word.eq_ignore_ascii_case("Location").then_some(path);
    cx.dir::<AliasDir>().alias = Some(PlaceAlias { real: Arc::new(real), fake, handler });
    Ok(())
}

fn is_about_methods(opener: &str) -> bool {
    let word = opener.trim_start_matches('<');
    word.eq_ignore_ascii_case("Limit") || word.eq_ignore_ascii_case("LimitExcept")
}

/// AH00671: an earlier rule takes every path that this one would.
fn warn_of_overlap(cx: &mut Cx<'_>, fake: &BStr) {
    let covers = |rule: &&Rule| match &rule.fake {
        Fake::Regex(regex) => regex.is_match(fake),
        Fake::Prefix(prefix) => matched(fake, prefix).is_some(),
    };
    let Some(earlier) = cx.server::<AliasServer>().aliases.iter().find(covers) else { return };
    let script = if earlier.handler.is_some() { "Script" } else { "" };
    let kind = if matches!(earlier.fake, Fake::Regex(_)) { "Match" } else { "" };
    let text = format!(
        "AH00671: The {} directive in {} at line {} will probably never match because it overlaps an earlier {script}Alias{kind}.",
        cx.name, cx.file, cx.line
    );
    cx.warn(Level::Warn, text);
}

fn alias_match(cx: &mut Cx<'_>, pattern: &BStr, real: &BStr) -> Outcome {
    let (fake, handler) = (Fake::Regex(compile(pattern)?), handler_of(cx));
    let rule = Rule { fake, real: real.into(), handler, status: Status(0) };
    cx.server::<AliasServer>().aliases.push(rule);
    Ok(())
}

fn string_expression(cx: &Cx<'_>, text: &BStr) -> Result<Expression, String> {
    Expression::string(text, cx.rights(), cx.providers).map(|text| text.at("alias", cx.file, cx.line))
}

fn compile(pattern: &BStr) -> Result<Arc<Regex>, Complaint> {
    let regex = Regex::new(pattern, Flags::default());
    regex.map(Arc::new).map_err(|_| "Regular expression could not be compiled.".into())
}

fn root_relative(cx: &Cx<'_>, path: &BStr) -> BString {
    if path.starts_with(b"/") {
        return path.into();
    }
    use std::os::unix::ffi::OsStringExt;
    cx.server_root_relative(path).into_os_string().into_vec().into()
}

/// The status that a word or number stands for.
fn status_word(word: &BStr) -> Option<Status> {
    let known = [("gone", 410), ("permanent", 301), ("temp", 302), ("seeother", 303)];
    if let Some((_, code)) = known.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(word)) {
        return Some(Status(*code));
    }
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit());
    word.first()?.is_ascii_digit().then(|| {
        Status(digits.fold(0u16, |code, digit| code.saturating_mul(10).saturating_add(u16::from(digit - b'0'))))
    })
}

fn redirect(cx: &mut Cx<'_>, first: &BStr, second: Option<&BStr>, third: Option<&BStr>) -> Outcome {
    let status = status_word(first);
    let (status, path, url) = match (status, second, third) {
        (Some(status), second, third) => (status, second, third),
        (None, _, Some(_)) => return Err("Redirect: invalid first argument (of three)".into()),
        (None, Some(url), None) => (Status::FOUND, Some(first), Some(url)),
        (None, None, None) => (Status::FOUND, Some(first), None),
    };
    // In a section the path may be missing: what is there is then the URL.
    if cx.path.is_some() && url.is_none() {
        let place = match path {
            None if !status.is_redirect() => Some(PlaceRedirect { status, to: None }),
            Some(url) if status.is_redirect() => {
                let to = string_expression(cx, url)
                    .map_err(|error| Complaint::from(format!("Cannot parse redirect expression '{url}': {error}")))?;
                Some(PlaceRedirect { status, to: Some(Arc::new(to)) })
            }
            _ => None,
        };
        if place.is_some() {
            cx.dir::<AliasDir>().redirect = place;
            return Ok(());
        }
    }
    let Some(fake) = path else {
        // Without a path, outside of any section: nothing that it could match.
        return if status.is_redirect() { Err("URL to redirect to is missing".into()) } else { Ok(()) };
    };
    add_redirect(cx, status, Fake::Prefix(fake.into()), url)
}

fn redirect_two(cx: &mut Cx<'_>, path: &BStr, url: &BStr) -> Outcome {
    // A path that could be a status is one, and the URL is the path.
    if status_word(path).is_some() {
        return redirect(cx, path, Some(url), None);
    }
    add_redirect(cx, Status(cx.directive.info as u16), Fake::Prefix(path.into()), Some(url))
}

fn redirect_match(cx: &mut Cx<'_>, first: &BStr, second: &BStr, third: Option<&BStr>) -> Outcome {
    let (status, pattern, url) = match (status_word(first), third) {
        (Some(status), url) => (status, second, url),
        (None, Some(_)) => return Err("Redirect: invalid first argument (of three)".into()),
        (None, None) => (Status::FOUND, first, Some(second)),
    };
    let fake = Fake::Regex(compile(pattern)?);
    add_redirect(cx, status, fake, url)
}

fn add_redirect(cx: &mut Cx<'_>, status: Status, fake: Fake, url: Option<&BStr>) -> Outcome {
    match (status.is_redirect(), url) {
        (true, None) => return Err("URL to redirect to is missing".into()),
        (true, Some(url)) if matches!(fake, Fake::Prefix(_)) && !url.starts_with(b"/") && !server::is_url(url) => {
            return Err("Redirect to non-URL".into());
        }
        (false, Some(_)) => return Err("Redirect URL not valid for this status".into()),
        _ => {}
    }
    let rule = Rule { fake, real: url.map(BString::from).unwrap_or_default(), handler: None, status };
    if cx.path.is_some() {
        cx.dir::<AliasDir>().redirects.push(rule);
    } else {
        cx.server::<AliasServer>().redirects.push(rule);
    }
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.translate_name(MIDDLE, translate).before(&["mod_userdir.c", "mod_vhost_alias.c"]);
    on.fixups(MIDDLE, fixup);
    on.providers.offer::<dyn UrlMeaning>(MODULE.ident, &Alias);
}

struct Alias;

impl UrlMeaning for Alias {
    fn means(&self, r: &Request, uri: &BStr) -> bool {
        let (server, dir) = (r.server::<AliasServer>(), r.dir::<AliasDir>());
        let holds = |rule: &Rule| match &rule.fake {
            Fake::Prefix(fake) => matched(uri, fake).is_some(),
            Fake::Regex(regex) => regex.is_match(uri),
        };
        dir.alias.is_some()
            || dir.redirect.is_some()
            || server.redirects.iter().chain(&dir.redirects).chain(&server.aliases).any(holds)
    }
}

fn translate(r: &mut Request) -> Answer {
    if !r.uri.is_empty() && !r.uri.starts_with(b"/") {
        return Answer::Declined;
    }
    if let Some(answer) = redirect_here(r) {
        return answer;
    }
    let server = r.server::<AliasServer>();
    if let Some((rule, to)) = find(r, &server.redirects) {
        let status = rule.status;
        return send(r, status, to);
    }
    if let Some(answer) = alias_here(r) {
        return answer;
    }
    let Some((rule, real)) = find_alias(r, &server.aliases) else { return Answer::Declined };
    r.filename = real;
    if let Some(handler) = rule.handler {
        force_handler(r, handler);
    }
    Answer::Ok
}

fn fixup(r: &mut Request) -> Answer {
    if let Some(answer) = redirect_here(r) {
        return answer;
    }
    let dir = r.dir.clone();
    match find(r, &dir.settings.of::<AliasDir>().redirects) {
        Some((rule, to)) => send(r, rule.status, to),
        None => Answer::Declined,
    }
}

fn force_handler(r: &mut Request, handler: &'static str) {
    r.handler = Some(handler.into());
    r.notes.set("alias-forced-type", handler);
}

/// Octets of `uri` that `fake` takes, where it takes any: runs of slashes count as one, and the last segment must be
/// there as a whole.
fn matched(uri: &[u8], fake: &[u8]) -> Option<usize> {
    let slashes = |text: &[u8], at: usize| text.iter().skip(at).take_while(|&&byte| byte == b'/').count();
    let (mut at, mut want) = (0, 0);
    while let Some(&byte) = fake.get(want) {
        if uri.get(at) != Some(&byte) {
            return None;
        }
        let one = byte != b'/';
        at += if one { 1 } else { slashes(uri, at) };
        want += if one { 1 } else { slashes(fake, want) };
    }
    let whole = fake.last() == Some(&b'/') || matches!(uri.get(at), None | Some(b'/'));
    (whole && at > 0).then_some(at)
}

/// The first redirect that matches, with its target.
fn find<'a>(r: &mut Request, rules: &'a [Rule]) -> Option<(&'a Rule, Result<BString, Status>)> {
    rules.iter().find_map(|rule| match &rule.fake {
        Fake::Prefix(fake) => {
            let rest = r.uri.get(matched(&r.uri, fake)?..).unwrap_or_default();
            let to = if rule.real.is_empty() { BString::default() } else { with_rest(&rule.real, rest) };
            Some((rule, Ok(to)))
        }
        Fake::Regex(regex) => {
            let groups = regex.captures(&r.uri)?;
            Some((rule, substitute(r, rule, &groups).map(|to| escape_url(&to))))
        }
    })
}

fn with_rest(real: &[u8], rest: &[u8]) -> BString {
    [real, &escape::uri(rest)].concat().into()
}

fn substitute(r: &Request, rule: &Rule, groups: &Captures) -> Result<BString, Status> {
    expand(&rule.real, &r.uri, groups).ok_or_else(|| {
        let text = format_args!("AH00672: Regex substitution in '{}' failed. Replacement too long?", rule.real);
        r.log(Level::Error, "alias", text);
        Status::INTERNAL_SERVER_ERROR
    })
}

/// Longest result of a substitution.
const LONGEST: usize = 64 * 1024;

/// `$0` to `$9` (and `&` with a backslash in front of neither) replaced by groups; `\$` is a dollar.
fn expand(template: &[u8], subject: &[u8], groups: &Captures) -> Option<BString> {
    let mut out = Vec::with_capacity(template.len() + subject.len());
    let mut rest = template;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match (byte, tail.first()) {
            (b'$', Some(digit)) if digit.is_ascii_digit() => {
                out.extend_from_slice(groups.get(subject, usize::from(digit - b'0')).unwrap_or_default());
                rest = tail.get(1..).unwrap_or_default();
            }
            (b'\\', Some(&next)) if next == b'$' || next == b'&' => {
                out.push(next);
                rest = tail.get(1..).unwrap_or_default();
            }
            _ => out.push(byte),
        }
    }
    (out.len() <= LONGEST).then(|| out.into())
}

/// Escapes the path of a URL and leaves scheme, host, query and fragment as they are; a default port goes.
fn escape_url(url: &[u8]) -> BString {
    let path_at = match url.find(b"://") {
        Some(colon) if scheme_length(url) == Some(colon) => {
            let from = colon + 3;
            let host = url.get(from..).unwrap_or_default();
            from + host.find_byteset(b"/?#").unwrap_or(host.len())
        }
        _ => scheme_length(url).map_or(0, |length| length + 1),
    };
    let (head, tail) = url.split_at(path_at);
    let (path, rest) = tail.split_at(tail.find_byteset(b"?#").unwrap_or(tail.len()));
    let head = match head.to_ascii_lowercase() {
        lower if lower.starts_with(b"http://") => head.strip_suffix(b":80").unwrap_or(head),
        lower if lower.starts_with(b"https://") => head.strip_suffix(b":443").unwrap_or(head),
        _ => head,
    };
    [head, &escape::uri(path), rest].concat().into()
}

/// Octets before the colon of a scheme.
fn scheme_length(text: &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)).count();
    (length > 0 && text.get(length) == Some(&b':')).then_some(length)
}

/// `Redirect` without a path in the section that holds.
fn redirect_here(r: &mut Request) -> Option<Answer> {
    let dir = r.dir.clone();
    let place = dir.settings.of::<AliasDir>().redirect.as_ref()?;
    let Some(to) = &place.to else { return Some(Answer::Status(place.status)) };
    let to = server::expression::text(to, r).map(|to| escape_url(&to)).map_err(|error| {
        r.log(Level::Error, "alias", format_args!("AH02826: Can't evaluate redirect expression: {error}"));
        Status::INTERNAL_SERVER_ERROR
    });
    Some(send(r, place.status, to))
}

/// Answers with a redirect, or with the plain status.
fn send(r: &mut Request, status: Status, to: Result<BString, Status>) -> Answer {
    let mut to = match to {
        Ok(to) => to,
        Err(status) => return Answer::Status(status),
    };
    if !status.is_redirect() {
        return Answer::Status(status);
    }
    let has_query = to.contains(&b'?');
    if to.starts_with(b"/") {
        if !r.dir::<AliasDir>().relative.unwrap_or(false) {
            let whole = server::construct_url(r, &to);
            let text = format_args!(
                "AH00673: incomplete redirection target of '{to}' for URI '{}' modified to '{whole}'",
                crate::log::raw(&r.uri)
            );
            r.log(Level::Debug, "alias", text);
            to = whole;
        }
    } else if !server::is_url(to.as_bstr()) {
        let text = format_args!(
            "AH00674: cannot redirect '{}' to '{to}'; target is not a valid absoluteURI or abs_path",
            crate::log::raw(&r.uri)
        );
        r.log(Level::Error, "alias", text);
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    }
    if let Some(args) = r.args.as_ref().filter(|_| !has_query) {
        to.push(b'?');
        to.extend_from_slice(args);
    }
    r.headers_out.set("Location", &to);
    Answer::Status(status)
}

/// `Alias` with one argument in the section that holds.
fn alias_here(r: &mut Request) -> Option<Answer> {
    let dir = r.dir.clone();
    let settings = dir.settings.of::<AliasDir>();
    let place = settings.alias.as_ref()?;
    let real = match server::expression::text(&place.real, r) {
        Ok(real) => real,
        Err(error) => {
            r.log(Level::Error, "alias", format_args!("AH02825: Can't evaluate alias expression: {error}"));
            return Some(Answer::Status(Status::INTERNAL_SERVER_ERROR));
        }
    };
    let fake = place.fake.as_ref().filter(|_| settings.preserve_path == Some(true));
    let file = match fake.and_then(|fake| Some((fake, matched(&r.uri, fake)?))) {
        Some((fake, taken)) => {
            r.context = Some((fake.clone(), real.clone()));
            [real.as_slice(), r.uri.get(taken..).unwrap_or_default()].concat().into()
        }
        None => real,
    };
    r.filename = below_root(r, &file).into_owned().into();
    if let Some(handler) = place.handler {
        force_handler(r, handler);
    }
    Some(Answer::Ok)
}

fn find_alias(r: &mut Request, rules: &'static [Rule]) -> Option<(&'static Rule, BString)> {
    for rule in rules {
        match &rule.fake {
            Fake::Prefix(fake) => {
                let Some(taken) = matched(&r.uri, fake) else { continue };
                r.context = Some((fake.clone(), rule.real.clone()));
                let rest = r.uri.get(taken..).unwrap_or_default();
                return Some((rule, [rule.real.as_slice(), rest].concat().into()));
            }
            Fake::Regex(regex) => {
                let Some(groups) = regex.captures(&r.uri) else { continue };
                // Too long a result leaves the request to the next rule's mapping.
                let Ok(real) = substitute(r, rule, &groups) else { continue };
                let real = below_root(r, &real).into_owned();
                return Some((rule, real.into()));
            }
        }
    }
    None
}

/// A relative path stands below ServerRoot.
fn below_root<'a>(r: &Request, path: &'a [u8]) -> Cow<'a, [u8]> {
    use std::os::unix::ffi::OsStringExt;
    if path.starts_with(b"/") {
        return Cow::Borrowed(path);
    }
    Cow::Owned(r.configuration.process.server_root.join(path.to_path_lossy()).into_os_string().into_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_match_whole_segments() {
        let cases: [(&str, &str, Option<usize>); 10] = [
            ("/image/x", "/image", Some(6)),
            ("/imagex", "/image", None),
            ("/image", "/image", Some(6)),
            ("/icons", "/icons/", None),
            ("/icons/", "/icons/", Some(7)),
            ("/icons//x", "/icons/", Some(8)),
            ("/m//x", "//m/x", Some(5)),
            ("/m/x", "//m//x", Some(4)),
            ("/", "/", Some(1)),
            ("/a", "rel", None),
        ];
        for (uri, fake, taken) in cases {
            assert_eq!(matched(uri.as_bytes(), fake.as_bytes()), taken, "{uri} {fake}");
        }
    }

    #[test]
    fn only_the_path_of_a_target_is_escaped() {
        for (from, to) in [
            ("http://e/a%20b c/q", "http://e/a%2520b%20c/q"),
            ("http://u@e:80/x[y]#f g", "http://u@e/x%5by%5d#f g"),
            ("/x y?q z", "/x%20y?q z"),
            ("https://e:443", "https://e"),
            ("http://e:8080/", "http://e:8080/"),
        ] {
            assert_eq!(escape_url(from.as_bytes()), to);
        }
    }

    #[test]
    fn groups_fill_templates() {
        let regex = Regex::new(b"^/amp/(a)(b)?$", Flags::default()).unwrap();
        let groups = regex.captures(b"/amp/a").unwrap();
        assert_eq!(expand(b"http://e/&/$0/$2/\\$1/$9", b"/amp/a", &groups).unwrap(), "http://e/&//amp/a//$1/");
    }

    #[test]
    fn words_of_status() {
        assert_eq!(status_word("Gone".into()), Some(Status::GONE));
        assert_eq!(status_word("300x".into()), Some(Status(300)));
        assert_eq!(status_word("/x".into()), None);
    }
}
