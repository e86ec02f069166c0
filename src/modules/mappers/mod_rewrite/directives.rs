//! Rows and setters: how rules, conditions and maps are written.

use super::expand::Template;
use super::map::Map;
use super::rules::{Cond, DirRules, Order, Rule, RuleFlags, RuleSet, ServerRules, Test, option};
use crate::config::*;
use crate::log::Level;
use crate::request::Status;
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub const DIRECTIVES: &[Directive] = &[
    flag(
        "RewriteEngine",
        ANYWHERE,
        FILE_INFO,
        |cx, on| {
            rules(cx).engine = Some(on);
            Ok(())
        },
        "On or Off to enable or disable (default) the whole rewriting engine",
    ),
    iterate("RewriteOptions", ANYWHERE, FILE_INFO, options, "List of option strings to set"),
    take1("RewriteBase", ANYWHERE, FILE_INFO, base, "the base URL of the per-directory context"),
    raw_args("RewriteCond", ANYWHERE, FILE_INFO, cond, "an input string and a to be applied regexp-pattern"),
    raw_args("RewriteRule", ANYWHERE, FILE_INFO, rule, "an URL-applied regexp-pattern and a substitution URL"),
    take23("RewriteMap", SERVER, NO_OVERRIDE, map, "a mapname and a filename and options"),
];

/// The rules of the directive's place.
fn rules<'c>(cx: &'c mut Cx<'_>) -> &'c mut RuleSet {
    match cx.path.clone() {
        None => &mut cx.server::<ServerRules>().0,
        Some(mut path) => {
            if !path.ends_with(b"/") {
                path.push(b'/');
            }
            let rules = &mut cx.dir::<DirRules>().0;
            rules.directory = Some(path);
            rules
        }
    }
}

/// A quoted word may hold several.
fn options(cx: &mut Cx<'_>, words: &BStr) -> Outcome {
    httpd_conf::words(words).filter(|word| !word.is_empty()).try_for_each(|word| set_option(cx, &word))
}

fn set_option(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let lower = word.to_ascii_lowercase();
    let bit = match lower.as_slice() {
        b"inherit" => option::INHERIT,
        b"inheritbefore" => option::INHERIT_BEFORE,
        b"inheritdown" => option::INHERIT_DOWN,
        b"inheritdownbefore" => option::INHERIT_DOWN_BEFORE,
        b"ignoreinherit" => option::IGNORE_INHERIT,
        b"allownoslash" => option::NO_SLASH,
        b"allowanyuri" => option::ANY_URI,
        b"mergebase" => option::MERGE_BASE,
        b"ignorecontextinfo" => option::IGNORE_CONTEXT,
        b"legacyprefixdocroot" => option::LEGACY_DOCROOT,
        b"unsafeprefixstat" => option::UNSAFE_PREFIX_STAT,
        lower if lower.starts_with(b"maxredirects=") => {
            cx.warn(
                Level::Warn,
                "AH00664: RewriteOptions: MaxRedirects option has been removed in favor of the global \
                 LimitInternalRecursion directive and will be ignored.",
            );
            0
        }
        _ => return Err(format!("RewriteOptions: unknown option '{word}'").into()),
    };
    let rules = rules(cx);
    rules.options |= bit;
    rules.options_set = true;
    Ok(())
}

fn base(cx: &mut Cx<'_>, path: &BStr) -> Outcome {
    if cx.path.is_none() {
        return Err("RewriteBase: only valid in per-directory config files".into());
    }
    if path.is_empty() {
        return Err("RewriteBase: empty URL not allowed".into());
    }
    if !path.starts_with(b"/") {
        return Err("RewriteBase: argument is not a valid URL".into());
    }
    rules(cx).base = Some(path.into());
    Ok(())
}

fn map(cx: &mut Cx<'_>, name: &BStr, source: &BStr, _: Option<&BStr>) -> Outcome {
    let map = Map::parse(cx, name, source)?;
    let maps = &mut cx.server::<ServerRules>().0.maps;
    maps.retain(|(known, _)| known != name);
    maps.push((name.into(), Arc::new(map)));
    Ok(())
}

/// Input or pattern, pattern or substitution, flags.
type Arguments<'a> = (&'a [u8], &'a [u8], Option<&'a [u8]>);

/// Two or three arguments; what follows the third is left out. A backslash keeps a space behind it from ending a word, and
/// stays. The second may be empty where the first stands in quotes.
fn arguments(line: &[u8]) -> Option<Arguments<'_>> {
    let (first, rest) = argument(line.trim_ascii_start());
    let (second, rest) = argument(rest?);
    Some((first, second, rest.map(|rest| argument(rest).0).filter(|third| !third.is_empty())))
}

/// A word, and what stands behind its end; None where the line ends with it.
fn argument(text: &[u8]) -> (&[u8], Option<&[u8]>) {
    let quote = text.first().copied().filter(|first| matches!(first, b'"' | b'\''));
    let text = if quote.is_some() { text.get(1..).unwrap_or_default() } else { text };
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        if quote.map_or(byte.is_ascii_whitespace(), |quote| byte == quote) {
            let rest = text.get(at + 1..).unwrap_or_default().trim_ascii_start();
            return (text.get(..at).unwrap_or_default(), Some(rest));
        }
        at += if byte == b'\\' && text.get(at + 1).is_some_and(u8::is_ascii_whitespace) { 2 } else { 1 };
    }
    (text, None)
}

/// The flags in brackets, each with what stands behind its `=`.
fn flags<'a>(name: &str, text: &'a [u8]) -> Result<Vec<(&'a BStr, &'a BStr)>, Complaint> {
    let inside = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]"));
    let inside = inside.ok_or_else(|| format!("{name}: bad flag delimiters"))?;
    let flag = |word: &'a [u8]| {
        let word = word.trim_ascii();
        match word.find_byte(b'=') {
            Some(at) => {
                let (key, value) = word.split_at(at);
                (key.trim_ascii_end().as_bstr(), value.get(1..).unwrap_or_default().trim_ascii_start().as_bstr())
            }
            None => (word.as_bstr(), b"".as_bstr()),
        }
    };
    Ok(inside.split(|byte| *byte == b',').map(flag).collect())
}

fn cond(cx: &mut Cx<'_>, line: Word<'_>) -> Outcome {
    let Some((input, pattern, words)) = arguments(line) else {
        return Err(format!("RewriteCond: bad argument line '{line}'").into());
    };
    let (mut no_case, mut or_next, mut no_vary) = (false, false, false);
    for (key, _) in words.map(|words| flags("RewriteCond", words)).transpose()?.unwrap_or_default() {
        match key.to_ascii_lowercase().as_slice() {
            b"nc" | b"nocase" => no_case = true,
            b"or" | b"ornext" => or_next = true,
            b"nv" | b"novary" => no_vary = true,
            _ => return Err(format!("RewriteCond: unknown flag '{key}'").into()),
        }
    }
    let (negated, text) = match pattern.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let test = if input.eq_ignore_ascii_case(b"expr") {
        let rights = if no_vary { cx.rights().without_vary() } else { cx.rights() };
        let expression = Expression::condition(text.as_bstr(), rights, cx.providers).map_err(|error| {
            let place = if cx.in_htaccess() { " in htaccess context" } else { "" };
            format!("RewriteCond: cannot compile expression{place} \"{}\" {error}", text.as_bstr())
        })?;
        Test::Expression(Arc::new(expression.at("rewrite", cx.file, cx.line)))
    } else {
        match plain_test(text) {
            Some(test) => test,
            None => {
                let flags = Flags { icase: no_case, ..Flags::default() };
                let regex = Regex::new(text, flags)
                    .map_err(|_| format!("RewriteCond: cannot compile regular expression '{}'", pattern.as_bstr()))?;
                Test::Regex(Arc::new(regex))
            }
        }
    };
    if no_case && !matches!(test, Test::Regex(_) | Test::Text(..)) {
        let text = format!(
            "AH00665: RewriteCond: NoCase option for non-regex pattern '{}' is not supported and will be ignored. ({}:{})",
            text.as_bstr(),
            cx.file,
            cx.line
        );
        cx.warn(Level::Warn, text);
        no_case = false;
    }
    let input = Template::parse(input);
    rules(cx).pending.push(Cond { input, pattern: text.into(), test, negated, or_next, no_case, no_vary });
    Ok(())
}

/// A test that is no pattern.
fn plain_test(text: &[u8]) -> Option<Test> {
    let behind = |count: usize| Template::parse(text.get(count..).unwrap_or_default());
    Some(match text {
        b"-f" => Test::File,
        b"-s" => Test::NotEmpty,
        b"-l" | b"-h" | b"-L" => Test::Link,
        b"-d" => Test::Directory,
        b"-x" => Test::Executable,
        b"-U" => Test::Url,
        b"-F" => Test::Accessible,
        _ if text.starts_with(b"-lt") => Test::Number(Order::Less, behind(3)),
        _ if text.starts_with(b"-le") => Test::Number(Order::LessEqual, behind(3)),
        _ if text.starts_with(b"-eq") => Test::Number(Order::Equal, behind(3)),
        _ if text.starts_with(b"-ne") => Test::Number(Order::NotEqual, behind(3)),
        _ if text.starts_with(b"-gt") => Test::Number(Order::Greater, behind(3)),
        _ if text.starts_with(b"-ge") => Test::Number(Order::GreaterEqual, behind(3)),
        b"=\"\"" | b"=" => Test::Text(Order::Equal, Template::parse(b"")),
        _ if text.starts_with(b"<=") => Test::Text(Order::LessEqual, behind(2)),
        _ if text.starts_with(b">=") => Test::Text(Order::GreaterEqual, behind(2)),
        _ if text.starts_with(b"<") => Test::Text(Order::Less, behind(1)),
        _ if text.starts_with(b">") => Test::Text(Order::Greater, behind(1)),
        _ if text.starts_with(b"=") => Test::Text(Order::Equal, behind(1)),
        _ => return None,
    })
}

fn rule(cx: &mut Cx<'_>, line: Word<'_>) -> Outcome {
    let Some((pattern, output, words)) = arguments(line) else {
        return Err(format!("RewriteRule: bad argument line '{line}'").into());
    };
    let mut rule = Made::default();
    for (key, value) in words.map(|words| flags("RewriteRule", words)).transpose()?.unwrap_or_default() {
        rule.flag(key, value)?;
    }
    let (negated, text) = match pattern.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, pattern),
    };
    let regex = Regex::new(text, Flags { icase: rule.flags.no_case, ..Flags::default() })
        .map_err(|_| format!("RewriteRule: cannot compile regular expression '{}'", text.as_bstr()))?;
    // A question mark at the end takes the query away, and then no other one begins a query.
    let without = output.strip_suffix(b"?").filter(|_| !rule.flags.append_query);
    let output = without.unwrap_or(output);
    let rules = rules(cx);
    let conds = std::mem::take(&mut rules.pending);
    rules.rules.push(Arc::new(Rule {
        no_query: without.is_some() || rule.flags.discard_query && !output.contains(&b'?'),
        pattern: text.into(),
        regex: Arc::new(regex),
        negated,
        keeps: output == b"-" || rule.flags.status,
        output: Template::parse(output),
        output_text: output.into(),
        conds,
        flags: rule.flags,
        status: rule.code.unwrap_or(Status::FOUND),
        skip: rule.skip,
        rounds: rule.rounds.unwrap_or(32_000),
        kind: rule.kind,
        handler: rule.handler,
        env: rule.env,
        cookies: rule.cookies,
        escape: rule.escape,
        spare: rule.spare,
    }));
    Ok(())
}

/// What the flags of a rule say.
#[derive(Default)]
struct Made {
    flags: RuleFlags,
    code: Option<Status>,
    skip: usize,
    rounds: Option<u32>,
    kind: Option<Template>,
    handler: Option<Template>,
    env: Vec<Template>,
    cookies: Vec<Template>,
    escape: BString,
    spare: BString,
}

impl Made {
    fn flag(&mut self, key: &BStr, value: &BStr) -> Outcome {
        let on = &mut self.flags;
        match key.to_ascii_lowercase().as_slice() {
            b"b" => {
                on.escape_backrefs = true;
                self.escape.extend_from_slice(value);
            }
            b"bnp" | b"backrefnoplus" => on.no_plus = true,
            b"bctls" => (on.escape_backrefs, on.controls_only) = (true, true),
            b"bne" if value.is_empty() => {
                return Err("RewriteRule: flag 'BNE' wants a list of characters (i.e. [BNE=...])".into());
            }
            b"bne" => {
                self.spare.extend_from_slice(value);
            }
            b"c" | b"chain" => on.chain = true,
            b"co" | b"cookie" => self.cookies.push(Template::parse(value)),
            b"dpi" | b"discardpath" => on.discard_path_info = true,
            b"e" | b"env" => self.env.push(Template::parse(value)),
            b"end" => on.end = true,
            b"f" | b"forbidden" => (on.status, self.code) = (true, Some(Status::FORBIDDEN)),
            b"g" | b"gone" => (on.status, self.code) = (true, Some(Status::GONE)),
            b"h" | b"handler" => self.handler = Some(Template::parse(value)),
            b"l" | b"last" => on.last = true,
            b"n" | b"next" => {
                on.next = true;
                self.rounds = Some(digits(value)).filter(|rounds| *rounds > 0).or(self.rounds);
            }
            b"nc" | b"nocase" => on.no_case = true,
            b"ne" | b"noescape" => on.no_escape = true,
            b"ns" | b"nosubreq" => on.not_in_subrequests = true,
            b"p" | b"proxy" => on.proxy = true,
            b"pt" | b"passthrough" => on.pass_through = true,
            b"qsa" | b"qsappend" => on.append_query = true,
            b"qsd" | b"qsdiscard" => on.discard_query = true,
            b"qsl" | b"qslast" => on.last_question_mark = true,
            b"r" | b"redirect" => self.redirect(value)?,
            b"s" | b"skip" => self.skip = digits(value) as usize,
            b"t" | b"type" => self.kind = Some(Template::parse(value)),
            b"unsafeallow3f" => on.unsafe_allow_3f = true,
            b"unsafeprefixstat" => on.unsafe_prefix_stat = true,
            b"unc" => on.unc = true,
            _ => return Err(format!("RewriteRule: unknown flag '{key}'").into()),
        }
        Ok(())
    }

    fn redirect(&mut self, value: &BStr) -> Outcome {
        let status = match value.to_ascii_lowercase().as_slice() {
            b"permanent" => Status::MOVED_PERMANENTLY,
            b"temp" => Status::FOUND,
            b"seeother" => Status::SEE_OTHER,
            code if code.first().is_some_and(u8::is_ascii_digit) => {
                let status = Status(u16::try_from(digits(code)).unwrap_or(u16::MAX));
                if status.line().is_none() {
                    return Err(format!("RewriteRule: invalid HTTP response code '{value}' for flag 'R'").into());
                }
                status
            }
            _ => Status::FOUND,
        };
        self.code = Some(status);
        self.flags.redirect = true;
        self.flags.status = !status.is_redirect();
        Ok(())
    }
}

/// The number that a text begins with.
fn digits(text: &[u8]) -> u32 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0u32, |sum, digit| sum.saturating_mul(10).saturating_add(u32::from(digit - b'0')))
}
