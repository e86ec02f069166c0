//! Expressions with the answers that httpd gave to them.

use super::*;
use bstr::{BStr, BString};

/// As httpd with its core names alone.
fn check(used: Use<'_>) -> Result<(), BString> {
    let known: &[&str] = match used {
        Use::Variable(_) => &["http_host"],
        Use::Function { .. } => &["req", "http", "tolower", "toupper", "reqenv", "md5"],
        Use::ListFunction { .. } => &[],
        Use::Unary { .. } => &["f", "d", "F", "x", "T", "n", "z", "R"],
        Use::Binary { .. } => &["ipmatch", "strmatch", "strcmatch", "fnmatch"],
        Use::Regex(regex) => {
            let bad = regex.pattern == "(" || regex.pattern == "[" || regex.pattern.ends_with(b"\\");
            return if bad { Err(used.does_not_exist()) } else { Ok(()) };
        }
    };
    let has = |name: &BStr, fold: bool| {
        known.iter().any(|k| if fold { name.eq_ignore_ascii_case(k.as_bytes()) } else { *k == name })
    };
    match used {
        Use::Variable(name) | Use::Function { name, .. } | Use::ListFunction { name, .. } if has(name, true) => Ok(()),
        Use::Unary { name, argument } if has(name, false) => subnet(name, "R", argument),
        Use::Binary { name, right, .. } if has(name, true) => subnet(name, "ipmatch", right),
        _ => Err(used.does_not_exist()),
    }
}

fn subnet(name: &BStr, wanted: &str, argument: &Word) -> Result<(), BString> {
    match argument.as_constant() {
        _ if name != wanted => Ok(()),
        None => Err(format!("-{wanted} requires subnet/netmask as constant argument").into()),
        Some(address) if address == "1.2.3.4" => Ok(()),
        Some(_) => Err("parsing of subnet/netmask failed".into()),
    }
}

/// Lines of an expression, a unit separator and httpd's answer, recorded from the real server; without one where it accepts.
fn compare(table: &str, parse: impl Fn(&[u8]) -> Option<ParseError>) {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for line in table.lines() {
        let (source, expected) = line.split_once('\u{1f}').unwrap_or((line, ""));
        let got = parse(source.as_bytes()).map_or(String::new(), |error| error.to_string());
        seen += 1;
        if got != expected {
            wrong.push(format!("{source}\n  httpd: {expected}\n  here:  {got}"));
        }
    }
    assert!(seen > 20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn conditions_are_refused_as_httpd_does() {
    compare(include_str!("conditions.txt"), |source| parse_condition(source, check).err());
}

#[test]
fn strings_are_refused_as_httpd_does() {
    compare(include_str!("strings.txt"), |source| parse_string(source, check).err());
}

/// A short form of a condition's shape.
fn shape(condition: &Condition) -> String {
    let all = |list: &[Condition], op: &str| list.iter().map(shape).collect::<Vec<_>>().join(op);
    match &condition.kind {
        ConditionKind::Constant(value) => value.to_string(),
        ConditionKind::Not(inner) => format!("!{}", shape(inner)),
        ConditionKind::And(list) => format!("({})", all(list, " & ")),
        ConditionKind::Or(list) => format!("({})", all(list, " | ")),
        other => format!("{other:?}"),
    }
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    let shaped = |source: &str| shape(&parse_condition(source.as_bytes(), check).unwrap());
    assert_eq!(shaped("true || true && false"), "(true | (true & false))");
    assert_eq!(shaped("false and false or true"), "((false & false) | true)");
    assert_eq!(shaped("! true || not false && true"), "(!true | (!false & true))");
    assert_eq!(shaped("!(true || false)"), "!(true | false)");
}

#[test]
fn strings_hold_pieces() {
    let parts = |source: &str| parse_string(source.as_bytes(), check).unwrap().parts;
    let text = |text: &str| Part::Text(text.into());
    assert_eq!(parts(r"a\tb\\\x\101"), [text("a\tb\\xA")]);
    assert_eq!(parts(r#"a"b'c%d$e"#), [text("a\"b'c%d$e")]);
    assert_eq!(parts(r"\%{HTTP_HOST}\$1"), [text("%{HTTP_HOST}$1")]);
    assert_eq!(parts("$$0x"), [text("$"), Part::Backref(0), text("x")]);
    let Part::Function { name, argument, span } = parts(r"x%{tolower:A\}%%{HTTP_HOST}}").remove(1) else { panic!() };
    assert_eq!((name, span), ("tolower".into(), 1..28));
    assert_eq!(argument.parts[0], text("A}%"));
    assert!(matches!(&argument.parts[1], Part::Variable { name, span } if name == "HTTP_HOST" && *span == (15..27)));
}

#[test]
fn spans_cut_what_was_written() {
    let source = "  req('a') . \"b%{HTTP_HOST}\" =~ m#x/y#i && ( -f '/z' )";
    let condition = parse_condition(source.as_bytes(), check).unwrap();
    assert_eq!(&source[condition.span.clone()], source.trim());
    let ConditionKind::And(both) = condition.kind else { panic!() };
    assert_eq!(&source[both[1].span.clone()], "( -f '/z' )");
    let ConditionKind::Match { subject, regex, negated } = &both[0].kind else { panic!() };
    assert_eq!(&source[subject.span.clone()], "req('a') . \"b%{HTTP_HOST}\"");
    assert_eq!(&source[regex.span.clone()], "m#x/y#i");
    assert_eq!((regex.pattern.as_slice(), regex.ignore_case, *negated), (&b"x/y"[..], true, false));
    assert_eq!(subject.parts.len(), 3);
}

#[test]
fn only_a_single_text_is_constant() {
    let word = |source: &str| match parse_condition(source.as_bytes(), check).unwrap().kind {
        ConditionKind::Unary { argument, .. } => argument.as_constant().map(|text| text.to_string()),
        other => panic!("{other:?}"),
    };
    assert_eq!(word("-n 'a b'"), Some("a b".into()));
    assert_eq!(word("-n ''"), Some("".into()));
    assert_eq!(word("-n '5'"), Some("5".into()));
    assert_eq!(word("-n 5"), None);
    assert_eq!(word("-n 'a' . 'b'"), None);
    assert_eq!(word("-n $0"), None);
}

#[test]
fn a_scanner_that_gives_up_is_fatal() {
    for source in ["a\\", "%{req:'a'}"] {
        let error = parse_string(source.as_bytes(), check).unwrap_err();
        assert!(error.fatal);
        assert_eq!(error.to_string(), "flex scanner jammed");
    }
}

#[test]
fn nesting_and_length_are_bounded() {
    let nest = |open: &str, core: &str, close: &str, n: usize| {
        let source = [open.repeat(n), core.to_owned(), close.repeat(n)].concat();
        parse_condition(source.as_bytes(), check).err().map(|error| error.to_string())
    };
    for (open, core, close) in
        [("(", "true", ")"), ("!", "true", ""), ("-n req(", "'a'", ")"), ("%{req:", "a", "} == 'a'")]
    {
        let (first, open) = if let Some(rest) = open.strip_prefix("-n ") { ("-n ", rest) } else { ("", open) };
        let (close, last) = if let Some(rest) = close.strip_prefix("}") { ("}", rest) } else { (close, "") };
        let run = |n: usize| {
            let source = format!("{first}{}{core}{}{last}", open.repeat(n), close.repeat(n));
            parse_condition(source.as_bytes(), check).err().map(|error| error.to_string())
        };
        assert_eq!(run(MAX_DEPTH), None, "{open}");
        assert_eq!(run(100_000), Some("memory exhausted".into()), "{open}");
    }
    assert_eq!(nest("true && ", "true", "", 50_000), None);
    let long = |n: usize| format!("'{}' == 'a'", "a".repeat(n));
    assert!(parse_condition(long(8191).as_bytes(), check).is_ok());
    assert_eq!(parse_condition(long(8192).as_bytes(), check).unwrap_err().to_string(), "String too long");
    let long = format!("'a' =~ /{}/", "a".repeat(8192));
    let text = "syntax error, unexpected T_ERROR, expecting T_REGEX or T_REGEX_I: Regexp too long";
    assert_eq!(parse_condition(long.as_bytes(), check).unwrap_err().to_string(), text);
}

proptest::proptest! {
    #[test]
    fn any_bytes_give_an_answer(source in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..60)) {
        let _ = (parse_condition(&source, check), parse_string(&source, check));
    }

    #[test]
    fn any_tokens_give_an_answer(
        source in r#"(true|[!()={}.,:"'$%/m# a5]|%\{|req\(|&&|=~ |-f |in |\\|\x00|\xff){0,40}"#
    ) {
        for parsed in [parse_condition(source.as_bytes(), check).map(|c| c.span), parse_string(source.as_bytes(), check).map(|w| w.span)] {
            match parsed {
                Ok(span) => proptest::prop_assert!(span.start <= span.end && span.end <= source.len()),
                Err(error) => proptest::prop_assert!(!error.message().is_empty() && error.offset <= source.len()),
            }
        }
    }
}
