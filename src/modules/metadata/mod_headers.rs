//! mod_headers: changes header fields of requests and responses.
//!
//! Hooks: `insert_filter`, last, so that the fields are changed behind every other content filter (mod_deflate, mod_expires);
//! `insert_error_filter`, last, for the `always` fields of the server's own pages; `fixups`, last: what handlers and
//! scripts see of the request; `post_read_request`, first: what is marked `early`, which only a server's own settings
//! reach.
//!
//! Differences: `edit*` with a pattern that matches nothing replaces once (Apache's child crashes).
//! Manual: mod/mod_headers.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Answer, FIRST, Hooks, LAST, Linked, Module};
use crate::request::{Filter, FilterInstance, FilterKind, Request, Table};
use crate::server::{self, SlotState};
use crate::sys::regex::{Flags, Regex};
use bstr::{BString, ByteSlice};
use httpd_conf::next_word;
use std::io::Write;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_headers.c",
    ident: "headers_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<HeaderRules>(),
    hooks,
};

const RESPONSE: usize = 0;
const REQUEST: usize = 1;

const DIRECTIVES: &[Directive] = &[
    raw_args(
        "Header",
        ANYWHERE,
        FILE_INFO,
        header,
        "an optional condition, an action, header and value followed by optional env clause",
    )
    .info(RESPONSE),
    raw_args(
        "RequestHeader",
        ANYWHERE,
        FILE_INFO,
        header,
        "an action, header and value followed by optional env clause",
    )
    .info(REQUEST),
];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Add,
    Set,
    SetIfEmpty,
    Append,
    Merge,
    Unset,
    Echo,
    Note,
    Edit,
    EditAll,
}

impl Action {
    fn named(word: &[u8]) -> Option<Action> {
        use Action::*;
        Some(match word.to_ascii_lowercase().as_slice() {
            b"add" => Add,
            b"set" => Set,
            b"setifempty" => SetIfEmpty,
            b"append" => Append,
            b"merge" => Merge,
            b"unset" => Unset,
            b"echo" => Echo,
            b"note" => Note,
            b"edit" => Edit,
            b"edit*" => EditAll,
            _ => return None,
        })
    }
}

/// A part of a value.
#[derive(Clone, Debug)]
enum Part {
    Text(BString),
    /// `%t`
    Received,
    /// `%D`
    Duration,
    /// `%l`
    Load,
    /// `%i`
    Idle,
    /// `%b`
    Busy,
    /// `%{NAME}e`
    Variable(BString),
    /// `%{NAME}s`: nothing answers for TLS variables.
    Tls(BString),
}

#[derive(Clone)]
enum Value {
    Parts(Vec<Part>),
    Expression(Arc<Expression>),
}

#[derive(Clone)]
enum Condition {
    Always,
    /// Runs before the request is mapped.
    Early,
    /// Whether a variable must be set, or must not.
    Variable(BString, bool),
    Expression(Arc<Expression>),
}

#[derive(Clone)]
struct Rule {
    action: Action,
    name: BString,
    regex: Option<Arc<Regex>>,
    value: Value,
    condition: Condition,
}

/// The rules of a place, each list in order.
#[derive(Clone, Default)]
struct HeaderRules {
    request: Vec<Arc<Rule>>,
    /// `onsuccess`
    response: Vec<Arc<Rule>>,
    always: Vec<Arc<Rule>>,
}

impl Settings for HeaderRules {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        HeaderRules {
            request: [&base.request[..], &add.request[..]].concat(),
            response: [&base.response[..], &add.response[..]].concat(),
            always: [&base.always[..], &add.always[..]].concat(),
        }
    }
}

/// Which fields a rule changes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fields {
    Request,
    Response,
    Always,
}

impl Fields {
    fn of(self, r: &mut Request) -> &mut Table {
        match self {
            Fields::Request => &mut r.headers_in,
            Fields::Response => &mut r.headers_out,
            Fields::Always => &mut r.err_headers_out,
        }
    }
    fn rules(self, rules: &HeaderRules) -> &[Arc<Rule>] {
        match self {
            Fields::Request => &rules.request,
            Fields::Response => &rules.response,
            Fields::Always => &rules.always,
        }
    }
}

/// The next word, and nothing where the line is over.
fn word(rest: &mut &[u8]) -> Option<BString> {
    if rest.is_empty() {
        return None;
    }
    let (word, after) = next_word(rest);
    *rest = after;
    Some(word)
}

fn header(cx: &mut Cx<'_>, arguments: Word<'_>) -> Outcome {
    let mut rest: &[u8] = arguments;
    let mut fields = if cx.directive.info == REQUEST { Fields::Request } else { Fields::Response };
    let mut action = word(&mut rest).unwrap_or_default();
    if fields == Fields::Response {
        if action.eq_ignore_ascii_case(b"always") {
            fields = Fields::Always;
            action = word(&mut rest).unwrap_or_default();
        } else if action.eq_ignore_ascii_case(b"onsuccess") {
            action = word(&mut rest).unwrap_or_default();
        }
    }
    let name = word(&mut rest).unwrap_or_default();
    let value = word(&mut rest);
    let substitute = word(&mut rest);
    let clause = word(&mut rest);
    if !rest.is_empty() {
        return Err(format!("{} has too many arguments", cx.name).into());
    }
    let rule = rule(cx, fields, &action, name, [value, substitute, clause])?;
    let rules = cx.dir::<HeaderRules>();
    let list = match fields {
        Fields::Request => &mut rules.request,
        Fields::Response => &mut rules.response,
        Fields::Always => &mut rules.always,
    };
    list.push(Arc::new(rule));
    Ok(())
}

fn rule(
    cx: &Cx<'_>,
    fields: Fields,
    action: &[u8],
    name: BString,
    words: [Option<BString>; 3],
) -> Result<Rule, Complaint> {
    let [mut value, substitute, mut clause] = words;
    let Some(action) = Action::named(action) else {
        return Err("first argument must be 'add', 'set', 'setifempty', 'append', 'merge', 'unset', 'echo', 'note', \
                    'edit', or 'edit*'."
            .into());
    };
    let mut regex = None;
    if matches!(action, Action::Edit | Action::EditAll) {
        let (Some(pattern), Some(text)) = (&value, substitute) else {
            return Err("Header edit requires a match and a substitution".into());
        };
        let compiled = Regex::new(pattern, Flags::default()).map_err(|_| "Header edit regex could not be compiled")?;
        regex = Some(Arc::new(compiled));
        value = Some(text);
    } else {
        if clause.is_some() {
            return Err("Too many arguments to directive".into());
        }
        clause = substitute;
    }
    match action {
        Action::Unset | Action::Echo => {
            let what = if action == Action::Unset { "header unset" } else { "Header echo" };
            if action == Action::Echo {
                if fields == Fields::Request {
                    return Err("Header echo only valid on Header directives".into());
                }
                let compiled =
                    Regex::new(&name, Flags::default()).map_err(|_| "Header echo regex could not be compiled")?;
                regex = Some(Arc::new(compiled));
            }
            if value.is_some() {
                if clause.is_some() {
                    return Err(format!("{what} takes two arguments").into());
                }
                clause = value.take();
            }
        }
        Action::Note if fields == Fields::Request => {
            return Err("RequestHeader does not support the 'note' action".into());
        }
        _ if value.is_none() => return Err("Header requires three arguments".into()),
        _ => {}
    }
    let condition = condition(cx, clause)?;
    let name = name.split(|byte| *byte == b':').next().unwrap_or_default().into();
    let value = match value {
        Some(text) => parse_value(cx, &text)?,
        None => Value::Parts(Vec::new()),
    };
    Ok(Rule { action, name, regex, value, condition })
}

fn condition(cx: &Cx<'_>, clause: Option<BString>) -> Result<Condition, Complaint> {
    let Some(clause) = clause else { return Ok(Condition::Always) };
    if clause.eq_ignore_ascii_case(b"early") {
        return Ok(Condition::Early);
    }
    let behind = |prefix: &[u8]| {
        let start = clause.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
        start.and(clause.get(prefix.len()..))
    };
    if let Some(variable) = behind(b"env=") {
        let (name, wanted) = match variable.strip_prefix(b"!") {
            Some(name) => (name, false),
            None => (variable, true),
        };
        if name.is_empty() {
            return Err("error: missing environment variable name. envclause should be in the form env=envar ".into());
        }
        return Ok(Condition::Variable(name.into(), wanted));
    }
    if let Some(text) = behind(b"expr=") {
        let expression = Expression::condition(text.as_bstr(), cx.rights(), cx.providers);
        return expression
            .map(|expression| Condition::Expression(Arc::new(expression.at("headers", cx.file, cx.line))))
            .map_err(|error| format!("Can't parse envclause/expression: {error}").into());
    }
    Err(format!("Unknown parameter: {clause}").into())
}

fn parse_value(cx: &Cx<'_>, text: &BString) -> Result<Value, Complaint> {
    if let Some(text) = text.strip_prefix(b"expr=") {
        let expression = Expression::string(text.as_bstr(), cx.rights().without_vary(), cx.providers);
        return expression
            .map(|expression| Value::Expression(Arc::new(expression.at("headers", cx.file, cx.line))))
            .map_err(|error| format!("Can't parse value expression : {error}").into());
    }
    let (mut parts, mut plain) = (Vec::new(), BString::default());
    let mut rest = text.as_slice();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'\\', Some(&next)) => {
                rest = after.get(1..).unwrap_or_default();
                match next {
                    b'\\' => plain.push(b'\\'),
                    b'r' => plain.push(b'\r'),
                    b'n' => plain.push(b'\n'),
                    b't' => plain.push(b'\t'),
                    other => plain.extend_from_slice(&[b'\\', other]),
                }
            }
            (b'%', None) => plain.push(b'%'),
            (b'%', Some(b'%')) => {
                plain.push(b'%');
                rest = after.get(1..).unwrap_or_default();
            }
            (b'%', Some(_)) => {
                if !plain.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut plain)));
                }
                let mut argument = BString::default();
                let mut tag = after;
                if let Some(inside) = after.strip_prefix(b"{") {
                    let end = inside.find_byte(b'}');
                    argument = inside.get(..end.unwrap_or(inside.len())).unwrap_or_default().into();
                    tag = end.and_then(|end| inside.get(end + 1..)).unwrap_or_default();
                }
                parts.push(match tag.first() {
                    Some(b't') => Part::Received,
                    Some(b'D') => Part::Duration,
                    Some(b'l') => Part::Load,
                    Some(b'i') => Part::Idle,
                    Some(b'b') => Part::Busy,
                    Some(b'e') => Part::Variable(argument),
                    Some(b's') => Part::Tls(argument),
                    other => {
                        let shown: &[u8] = other.map(std::slice::from_ref).unwrap_or_default();
                        return Err(BString::from([b"Unrecognized header format %", shown].concat()).into());
                    }
                });
                rest = tag.get(1..).unwrap_or_default();
            }
            _ => plain.push(byte),
        }
    }
    if !plain.is_empty() {
        parts.push(Part::Text(plain));
    }
    Ok(Value::Parts(parts))
}

fn hooks(on: &mut Hooks) {
    on.output_filter(&OUT);
    on.output_filter(&ERROR);
    on.post_read_request(FIRST, early);
    on.fixups(LAST, |r| {
        if !r.dir::<HeaderRules>().request.is_empty() {
            apply(r, Fields::Request, false);
        }
        Answer::Declined
    });
    on.insert_filter(LAST, |r| insert(r, &OUT));
    on.insert_error_filter(LAST, |r| insert(r, &ERROR));
}

static OUT: Filter = Filter {
    name: "FIXUP_HEADERS_OUT",
    kind: FilterKind::ContentSet,
    wrap: |r, body, _| {
        r.log(Level::Trace2, "headers", format_args!("AH01502: headers: ap_headers_output_filter()"));
        apply(r, Fields::Always, false);
        apply(r, Fields::Response, false);
        Ok(body)
    },
};

static ERROR: Filter = Filter {
    name: "FIXUP_HEADERS_ERR",
    kind: FilterKind::ContentSet,
    wrap: |r, body, _| {
        r.log(Level::Trace2, "headers", format_args!("AH01503: headers: ap_headers_error_filter()"));
        apply(r, Fields::Always, false);
        Ok(body)
    },
};

fn insert(r: &mut Request, filter: &'static Filter) -> Answer {
    let rules = r.dir::<HeaderRules>();
    let needless = rules.always.is_empty() && (rules.response.is_empty() || std::ptr::eq(filter, &ERROR));
    if !needless {
        r.output_filters.push(FilterInstance { filter, context: None });
    }
    Answer::Ok
}

fn early(r: &mut Request) -> Answer {
    for fields in [Fields::Request, Fields::Always, Fields::Response] {
        if !fields.rules(r.dir::<HeaderRules>()).is_empty() {
            apply(r, fields, true);
        }
    }
    Answer::Declined
}

fn apply(r: &mut Request, fields: Fields, early: bool) {
    let dir = r.dir.clone();
    for rule in fields.rules(dir.settings.of::<HeaderRules>()) {
        if matches!(rule.condition, Condition::Early) == early && applies(r, &rule.condition) {
            change(r, fields, rule);
        }
    }
}

fn applies(r: &mut Request, condition: &Condition) -> bool {
    match condition {
        Condition::Always | Condition::Early => true,
        Condition::Variable(name, wanted) => r.env.contains(name) == *wanted,
        Condition::Expression(expression) => match server::expression::holds(expression, r) {
            Ok(holds) => holds,
            Err(error) => {
                let text = format_args!("AH01501: Failed to evaluate expression ({error}) - ignoring");
                r.log(Level::Error, "headers", text);
                // It is the condition that is ignored.
                true
            }
        },
    }
}

fn change(r: &mut Request, fields: Fields, rule: &Rule) {
    let name = &rule.name;
    let of_content = fields != Fields::Request && name.eq_ignore_ascii_case(b"Content-Type");
    match rule.action {
        Action::Add => {
            let value = text(r, &rule.value);
            fields.of(r).add(name, value);
        }
        Action::Append => {
            let value = text(r, &rule.value);
            fields.of(r).merge(name, value);
        }
        Action::Merge => {
            let value = text(r, &rule.value);
            let table = fields.of(r);
            if !table.get(name).is_some_and(|list| lists(list, &value)) {
                table.merge(name, value);
            }
        }
        Action::SetIfEmpty if fields.of(r).contains(name) => {}
        Action::Set | Action::SetIfEmpty => {
            let value = text(r, &rule.value);
            if of_content {
                r.set_content_type(value.clone());
            }
            fields.of(r).set(name, value);
        }
        Action::Unset => {
            if of_content {
                r.content_type = None;
            }
            fields.of(r).unset(name);
        }
        Action::Echo => {
            let Some(regex) = &rule.regex else { return };
            let matching: Vec<(BString, BString)> = r
                .headers_in
                .iter()
                .filter(|(name, _)| regex.is_match(name))
                .map(|(name, value)| (name.into(), value.into()))
                .collect();
            for (name, value) in matching {
                fields.of(r).add(name, value);
            }
        }
        Action::Note => {
            let note = text(r, &rule.value);
            if let Some(value) = fields.of(r).get(name).map(BString::from) {
                r.notes.set(note, value);
            }
        }
        Action::Edit | Action::EditAll => {
            if of_content && let Some(kind) = r.content_type.clone() {
                let kind = edited(r, rule, &kind);
                r.set_content_type(kind);
            }
            if fields.of(r).contains(name) {
                let values: Vec<BString> = fields.of(r).all(name).map(BString::from).collect();
                let values: Vec<BString> = values.iter().map(|value| edited(r, rule, value)).collect();
                let table = fields.of(r);
                table.unset(name);
                for value in values {
                    table.add(name, value);
                }
            }
        }
    }
}

/// Whether a list of values separated by commas has that one; commas in quotes separate nothing.
fn lists(list: &[u8], wanted: &[u8]) -> bool {
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (at, byte) in list.iter().copied().chain([b',']).enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted || at == list.len() => {
                if list.get(start..at).is_some_and(|value| value.trim_ascii() == wanted) {
                    return true;
                }
                start = at + 1;
            }
            _ => {}
        }
    }
    false
}

/// A value with the first match, or every one, replaced.
fn edited(r: &mut Request, rule: &Rule, value: &BString) -> BString {
    let Some(regex) = &rule.regex else { return value.clone() };
    let mut out = Vec::new();
    let mut rest = value.as_slice();
    // What is behind a match is searched like a value of its own: `^` matches again.
    while let Some(groups) = regex.captures(rest) {
        let Some((from, to)) = groups.0.first().copied().flatten() else { break };
        out.extend_from_slice(rest.get(..from).unwrap_or_default());
        let template = text(r, &rule.value);
        groups.substitute(&mut out, &template, rest);
        rest = rest.get(to..).unwrap_or_default();
        if rule.action == Action::Edit || to == 0 {
            break;
        }
    }
    out.extend_from_slice(rest);
    out.into()
}

fn text(r: &mut Request, value: &Value) -> BString {
    let parts = match value {
        Value::Parts(parts) => parts,
        Value::Expression(expression) => {
            return server::expression::text(expression, r).unwrap_or_else(|error| {
                r.log(Level::Error, "headers", format_args!("AH02557: Can't evaluate value expression: {error}"));
                BString::default()
            });
        }
    };
    if let [Part::Text(text)] = parts.as_slice() {
        return text.clone();
    }
    let mut out = BString::default();
    for part in parts {
        // Writing into memory cannot fail.
        let _ = match part {
            Part::Text(text) => out.write_all(text),
            Part::Received => write!(out, "t={}", r.time),
            Part::Duration => write!(out, "D={}", server::date::now() - r.time),
            Part::Load => {
                let [one, five, fifteen] = load();
                write!(out, "l={one:.2}/{five:.2}/{fifteen:.2}")
            }
            Part::Idle => write!(out, "i={}", workers().0),
            Part::Busy => write!(out, "b={}", workers().1),
            Part::Variable(name) => out.write_all(r.env.get(name).map_or(b"(null)", |value| value.as_bytes())),
            Part::Tls(name) => match server::tls_variable(r, name.as_bstr()).filter(|value| !value.is_empty()) {
                Some(value) => out.write_all(&value),
                None => out.write_all(b"(null)"),
            },
        };
    }
    out
}

fn load() -> [f64; 3] {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().unwrap_or(0.0));
    std::array::from_fn(|_| words.next().unwrap_or(0.0))
}

/// Per cent of the workers that are idle, and that are busy.
fn workers() -> (usize, usize) {
    let (mut idle, mut busy) = (0, 0);
    if let Some(mpm) = server::mpm() {
        let snapshot = mpm.snapshot();
        for process in snapshot.processes.iter().filter(|process| !process.quiescing && process.pid != 0) {
            for slot in &process.slots {
                match slot.state {
                    SlotState::Ready if process.generation == snapshot.generation => idle += 1,
                    SlotState::Ready | SlotState::Dead | SlotState::Starting | SlotState::IdleKill => {}
                    _ => busy += 1,
                }
            }
        }
    }
    let share = |part: usize| (part * 100).checked_div(idle + busy).unwrap_or(0);
    (share(idle), share(busy))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing;

    fn rule(action: Action, name: &str, pattern: Option<&str>, value: &str) -> Rule {
        Rule {
            action,
            name: name.into(),
            regex: pattern.map(|text| Arc::new(Regex::new(text.as_bytes(), Flags::default()).unwrap())),
            value: Value::Parts(vec![Part::Text(value.into())]),
            condition: Condition::Always,
        }
    }

    #[test]
    fn lists_split_at_commas_outside_of_quotes() {
        assert!(lists(b"one, two", b"two") && lists(b"one", b"one") && lists(b"a,\"b,c\"", b"\"b,c\""));
        assert!(!lists(b"one, two", b"on") && !lists(b"\"b,c\"", b"c\""));
    }

    #[test]
    fn edit_all_goes_on_behind_each_match_and_ends() {
        let mut r = testing::request();
        let every = rule(Action::EditAll, "X", Some("^a"), "b");
        assert_eq!(edited(&mut r, &every, &"aaab".into()), "bbbb");
        let nothing = rule(Action::EditAll, "X", Some("x*"), "-");
        assert_eq!(edited(&mut r, &nothing, &"ab".into()), "-ab");
        let once = rule(Action::Edit, "X", Some("(a)(b)"), "<$2$1>");
        assert_eq!(edited(&mut r, &once, &"aabab".into()), "a<ba>ab");
    }

    #[test]
    fn content_type_is_the_requests() {
        let mut r = testing::request();
        change(&mut r, Fields::Response, &rule(Action::Set, "content-type", None, "a/b"));
        assert_eq!(r.content_type, Some("a/b".into()));
        change(&mut r, Fields::Response, &rule(Action::Unset, "Content-Type", None, ""));
        assert!(r.content_type.is_none() && !r.headers_out.contains("Content-Type"));
    }
}
