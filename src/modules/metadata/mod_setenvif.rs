//! mod_setenvif: environment variables that depend on the request (SetEnvIf, BrowserMatch and kin).
//!
//! Every request runs through these lists, so that a list looks each attribute up once and most patterns never reach the
//! regex engine: plain text is searched for, and a pattern with a plain beginning behind `^` first looks at that.
//!
//! Hooks: `post_read_request`, middle: what stands in the server. `header_parser`, middle: what stands in directories,
//! once they are known.
//!
//! Differences: none known. That holds for two oddities too: a value is taken literally, `$0` and all, when the pattern
//! is plain text; and behind a SetEnvIfExpr a directive that looks at the same attribute as the one before it sees an
//! empty value. Manual: mod/mod_setenvif.html.

use crate::config::*;
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module};
use crate::request::{Request, Table};
use crate::server::{self, Want};
use crate::sys::regex::{Captures, Flags, Regex, plain_start};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::next_word;
use memchr::memmem::Finder;
use std::borrow::Cow;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_setenvif.c",
    ident: "setenvif_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<ServerRules>(),
    dir: Config::of::<DirRules>(),
    hooks,
};

const CASE: usize = 0;
const NO_CASE: usize = 1;

const DIRECTIVES: &[Directive] = &[
    raw_args("SetEnvIf", ANYWHERE, FILE_INFO, set_env_if, "A header-name, regex and a list of variables.").info(CASE),
    raw_args("SetEnvIfNoCase", ANYWHERE, FILE_INFO, set_env_if, "a header-name, regex and a list of variables.")
        .info(NO_CASE),
    raw_args("SetEnvIfExpr", ANYWHERE, FILE_INFO, set_env_if_expr, "an expression and a list of variables."),
    raw_args("BrowserMatch", ANYWHERE, FILE_INFO, browser_match, "A browser regex and a list of variables.").info(CASE),
    raw_args("BrowserMatchNoCase", ANYWHERE, FILE_INFO, browser_match, "A browser regex and a list of variables.")
        .info(NO_CASE),
];

/// What a rule looks at.
#[derive(Clone)]
enum Attribute {
    RemoteHost,
    RemoteAddr,
    ServerAddr,
    RequestUri,
    RequestMethod,
    RequestProtocol,
    /// A header field, else a variable that an earlier rule set.
    Named(BString),
    /// The last header field whose name matches.
    Matching(BString, Arc<Regex>),
}

impl Attribute {
    fn same(&self, other: &Attribute) -> bool {
        use Attribute::*;
        match (self, other) {
            (Named(a), Named(b)) | (Matching(a, _), Matching(b, _)) => a.eq_ignore_ascii_case(b),
            (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
        }
    }
}

#[derive(Clone)]
enum Test {
    /// Plain text, whatever the case of its letters.
    ContainsAnyCase(Arc<Regex>),
    /// Plain text somewhere in the value.
    Contains(Box<Finder<'static>>),
    Regex(Arc<Regex>),
}

/// One variable of a rule.
#[derive(Clone)]
struct Assignment {
    name: BString,
    /// None removes the variable.
    value: Option<BString>,
}

#[derive(Clone)]
enum Kind {
    Attribute { attribute: Attribute, test: Test },
    Expression(Arc<Expression>),
}

#[derive(Clone)]
struct Rule {
    kind: Kind,
    /// Equal for neighbours that look at the same attribute.
    group: u32,
    variables: Vec<Assignment>,
}

/// The rules of a server or a directory, in order.
#[derive(Clone, Default)]
struct Rules(Vec<Rule>);

impl Rules {
    fn push(&mut self, kind: Kind, variables: Vec<Assignment>) {
        let fresh = self.0.len() as u32;
        let before = self.0.iter().rev().find_map(|rule| match &rule.kind {
            Kind::Attribute { attribute, .. } => Some((attribute, rule.group)),
            Kind::Expression(_) => None,
        });
        let group = match (&kind, before) {
            (Kind::Attribute { attribute, .. }, Some((last, group))) if attribute.same(last) => group,
            _ => fresh,
        };
        self.0.push(Rule { kind, group, variables });
    }
    fn merged(base: &Rules, add: &Rules) -> Rules {
        let mut out = base.clone();
        for rule in &add.0 {
            out.push(rule.kind.clone(), rule.variables.clone());
        }
        out
    }
}

#[derive(Clone, Default)]
struct ServerRules(Rules);

impl Settings for ServerRules {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        ServerRules(Rules::merged(&base.0, &add.0))
    }
}

#[derive(Clone, Default)]
struct DirRules(Rules);

impl Settings for DirRules {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DirRules(Rules::merged(&base.0, &add.0))
    }
}

fn set_env_if(cx: &mut Cx<'_>, arguments: Word<'_>) -> Outcome {
    let (name, rest) = next_word(arguments);
    if name.is_empty() {
        return Err(format!("Missing header-field name for {}", cx.name).into());
    }
    add(cx, name, rest)
}

fn browser_match(cx: &mut Cx<'_>, arguments: Word<'_>) -> Outcome {
    add(cx, "User-Agent".into(), arguments)
}

fn add(cx: &mut Cx<'_>, name: BString, arguments: &[u8]) -> Outcome {
    let icase = cx.directive.info == NO_CASE;
    let (pattern, rest) = next_word(arguments);
    if pattern.is_empty() {
        return Err(format!("Missing regular expression for {}", cx.name).into());
    }
    let test = Test::compile(&pattern, icase).ok_or_else(|| format!("{} regex could not be compiled.", cx.name))?;
    let attribute = match name.to_ascii_lowercase().as_slice() {
        b"remote_host" => Attribute::RemoteHost,
        b"remote_addr" => Attribute::RemoteAddr,
        b"server_addr" => Attribute::ServerAddr,
        b"request_uri" => Attribute::RequestUri,
        b"request_method" => Attribute::RequestMethod,
        b"request_protocol" => Attribute::RequestProtocol,
        _ if name.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(byte)) => Attribute::Named(name),
        _ => {
            let regex = Regex::new(&name, Flags { icase, ..Flags::default() })
                .map_err(|_| format!("{}Header name regex could not be compiled.", cx.name))?;
            Attribute::Matching(name, Arc::new(regex))
        }
    };
    let variables = variables(cx, rest)?;
    rules(cx).push(Kind::Attribute { attribute, test }, variables);
    Ok(())
}

fn set_env_if_expr(cx: &mut Cx<'_>, arguments: Word<'_>) -> Outcome {
    let (text, rest) = next_word(arguments);
    if text.is_empty() {
        return Err(format!("Missing expression for {}", cx.name).into());
    }
    let expression = Expression::condition(text.as_bstr(), cx.rights(), cx.providers)
        .map_err(|error| format!("Could not parse expression \"{text}\": {error}"))?
        .at("setenvif", cx.file, cx.line);
    let variables = variables(cx, rest)?;
    rules(cx).push(Kind::Expression(Arc::new(expression)), variables);
    Ok(())
}

/// The list that the directive's place has.
fn rules<'c>(cx: &'c mut Cx<'_>) -> &'c mut Rules {
    if cx.path.is_some() { &mut cx.dir::<DirRules>().0 } else { &mut cx.server::<ServerRules>().0 }
}

fn variables(cx: &Cx<'_>, mut rest: &[u8]) -> Result<Vec<Assignment>, Complaint> {
    let mut variables = Vec::new();
    loop {
        let (word, after) = next_word(rest);
        if word.is_empty() {
            break;
        }
        rest = after;
        variables.push(match (word.split_once_str("="), word.strip_prefix(b"!")) {
            (_, Some(name)) => Assignment { name: name.into(), value: None },
            (Some((name, value)), None) => Assignment { name: name.into(), value: Some(value.into()) },
            (None, None) => Assignment { name: word, value: Some("1".into()) },
        });
    }
    if variables.is_empty() {
        return Err(format!("Missing envariable expression for {}", cx.name).into());
    }
    Ok(variables)
}

/// The text that a pattern without special meaning stands for.
fn plain(pattern: &[u8]) -> Option<BString> {
    let (text, rest) = plain_start(pattern);
    // A backslash at the end escapes nothing, and is nothing.
    matches!(rest, b"" | b"\\").then_some(text)
}

/// An octet as itself in a pattern.
fn quoted(byte: u8) -> impl Iterator<Item = u8> {
    let special = byte.is_ascii_punctuation().then_some(b'\\');
    special.into_iter().chain([byte])
}

impl Test {
    fn compile(pattern: &BString, icase: bool) -> Option<Test> {
        if let Some(text) = plain(pattern) {
            if !icase {
                return Some(Test::Contains(Box::new(Finder::new(&text).into_owned())));
            }
            let quoted: Vec<u8> = text.iter().flat_map(|&byte| quoted(byte)).collect();
            let regex = Regex::new(&quoted, Flags { icase, ..Flags::default() }).ok()?;
            return Some(Test::ContainsAnyCase(Arc::new(regex)));
        }
        let regex = Regex::new(pattern, Flags { icase, ..Flags::default() }).ok()?;
        Some(Test::Regex(Arc::new(regex)))
    }

    /// The groups of a match, none for plain text.
    fn run(&self, value: &[u8], groups_wanted: bool) -> Option<Option<Captures>> {
        match self {
            Test::Contains(finder) if finder.needle().len() > value.len() => None,
            Test::Contains(finder) => finder.find(value).map(|_| None),
            Test::ContainsAnyCase(regex) => regex.is_match(value).then_some(None),
            Test::Regex(regex) if groups_wanted => regex.captures(value).map(Some),
            Test::Regex(regex) => regex.is_match(value).then_some(None),
        }
    }
}

fn hooks(on: &mut Hooks) {
    on.post_read_request(MIDDLE, |r| run(r, &r.server::<ServerRules>().0));
    on.header_parser(MIDDLE, |r| {
        if r.dir::<DirRules>().0.0.is_empty() {
            return Answer::Ok;
        }
        let dir = r.dir.clone();
        run(r, &dir.settings.of::<DirRules>().0)
    });
}

fn run(r: &mut Request, rules: &Rules) -> Answer {
    // The value that the current group looks at; a header's octets are not copied while nothing changes them.
    let (mut group, mut value) = (u32::MAX, BString::default());
    for rule in &rules.0 {
        let (test, backrefs);
        match &rule.kind {
            Kind::Expression(expression) => {
                value.clear();
                let mut found = server::expression::Backrefs::default();
                match server::expression::holds_with(expression, r, &mut found) {
                    Ok(true) => (test, backrefs) = (None, Some(found)),
                    // A failure has been logged where it was met.
                    Ok(false) | Err(_) => continue,
                }
            }
            Kind::Attribute { attribute, test: how } => {
                if group != rule.group {
                    group = rule.group;
                    value.clear();
                    attribute.append(&mut value, r);
                }
                let groups_wanted = rule
                    .variables
                    .iter()
                    .any(|variable| variable.value.as_ref().is_some_and(|value| value.contains(&b'$')));
                match how.run(&value, groups_wanted) {
                    Some(groups) => (test, backrefs) = (groups, None),
                    None => continue,
                }
            }
        }
        for Assignment { name, value: template } in &rule.variables {
            let Some(template) = template else {
                r.env.unset(name);
                continue;
            };
            let text: Cow<'_, [u8]> = match (&test, &backrefs) {
                (Some(groups), _) => {
                    let mut text = Vec::new();
                    groups.substitute(&mut text, template, &value);
                    text.into()
                }
                (None, Some(backrefs)) => backrefs.substitute(template).into(),
                (None, None) => template.as_slice().into(),
            };
            r.env.set(name, text);
        }
    }
    Answer::Ok
}

impl Attribute {
    fn append(&self, value: &mut BString, r: &Request) {
        match self {
            Attribute::RemoteHost => value.extend(server::remote_host(r, Want::Name).unwrap_or_default().as_bytes()),
            Attribute::RemoteAddr => value.extend_from_slice(&r.useragent_ip),
            Attribute::ServerAddr => value.extend_from_slice(&r.connection.local_ip),
            Attribute::RequestUri => value.extend_from_slice(&r.uri),
            Attribute::RequestMethod => value.extend_from_slice(r.method.name()),
            Attribute::RequestProtocol => value.extend_from_slice(&r.protocol),
            Attribute::Named(name) if r.headers_in.contains(name) => join(value, &r.headers_in, name.as_bstr()),
            Attribute::Named(name) => value.extend_from_slice(r.env.get(name).unwrap_or_default()),
            Attribute::Matching(_, regex) => {
                let last = r.headers_in.iter().rfind(|(name, _)| regex.is_match(name));
                if let Some((name, _)) = last {
                    join(value, &r.headers_in, name);
                }
            }
        }
    }
}

/// A field's values as one, however many lines it came in.
fn join(out: &mut BString, table: &Table, name: &BStr) {
    for (index, value) in table.all(name.as_bytes()).enumerate() {
        if index > 0 {
            out.extend_from_slice(b", ");
        }
        out.extend_from_slice(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing;

    fn rule(rules: &mut Rules, attribute: Attribute, pattern: &str, variable: &str, value: &str) {
        let test = Test::compile(&pattern.into(), false).unwrap();
        let variables = vec![Assignment { name: variable.into(), value: Some(value.into()) }];
        rules.push(Kind::Attribute { attribute, test }, variables);
    }
    fn named(name: &str) -> Attribute {
        Attribute::Named(name.into())
    }

    #[test]
    fn plain_patterns_take_their_value_literally() {
        let (mut rules, mut r) = (Rules::default(), testing::request());
        r.headers_in.add("User-Agent", "curl/7.88");
        rule(&mut rules, named("user-agent"), "curl/", "A", "$0");
        rule(&mut rules, named("User-Agent"), "^cur", "B", "[$0]");
        rule(&mut rules, named("User-Agent"), "curl/(\\d)", "C", "a$1&b$9");
        rule(&mut rules, Attribute::RequestUri, "x\\.t", "D", "$0");
        rule(&mut rules, Attribute::RequestUri, "^/y|x", "E", "1");
        rule(&mut rules, Attribute::RequestUri, "^/yx?", "F", "1");
        rule(&mut rules, named("D"), "\\$", "G", "chain");
        rule(&mut rules, named("X-None"), "^$", "H", "1");
        assert_eq!(run(&mut r, &rules), Answer::Ok);
        let expected =
            [("A", "$0"), ("B", "[cur]"), ("C", "a7&b"), ("D", "$0"), ("E", "1"), ("G", "chain"), ("H", "1")];
        assert_eq!(r.env.iter().collect::<Vec<_>>(), expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(rules.0.iter().map(|rule| rule.group).collect::<Vec<_>>(), [0, 0, 0, 3, 3, 3, 6, 7]);
    }

    #[test]
    fn quantifiers_take_the_octet_before_them() {
        assert_eq!(plain_start(b"gvfs/1\\.0+x"), ("gvfs/1.".into(), &b"0+x"[..]));
        assert_eq!(plain(b"MSIE 4\\.0b2;"), Some("MSIE 4.0b2;".into()));
        assert_eq!((plain(b"a\\d"), plain(b"a{2}")), (None, None));
        assert_eq!(plain(b"a\\"), Some("a".into()));
    }

    #[test]
    fn header_names_may_be_patterns() {
        let (mut rules, mut r) = (Rules::default(), testing::request());
        r.headers_in.add("X-T1", "va");
        r.headers_in.add("X-T2", "vb");
        let names = Attribute::Matching("^X-T".into(), Arc::new(Regex::new(b"^X-T", Flags::default()).unwrap()));
        rule(&mut rules, names, "v(.)", "A", "$1");
        run(&mut r, &rules);
        assert_eq!(r.env.get("A"), Some("b".into()));
    }
}
