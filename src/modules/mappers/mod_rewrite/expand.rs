//! Substitutions and test strings: `$1`, `%1`, `%{NAME}`, `${map:key|default}`.

use super::apply::{Groups, State};
use super::rules::{Rule, ServerRules};
use super::trace;
use crate::config::*;
use crate::engine::BoxFuture;
use crate::log::{Level, raw};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

#[derive(Clone)]
enum Part {
    Text(BString),
    /// `$n`
    Rule(usize),
    /// `%n`
    Cond(usize),
    Variable(Variable),
    Map {
        name: BString,
        key: Template,
        default: Option<Template>,
    },
}

#[derive(Clone)]
enum Variable {
    Env(BString),
    Header(BString),
    /// `SSL:NAME`
    Tls(BString),
    /// The path of the request before the rules of a server began; file names are what they rewrite.
    Filename,
    /// What a subrequest for the URL (or the file) would see.
    LookAhead {
        by_file: bool,
        name: BString,
        inner: Box<Variable>,
    },
    /// With the header field that it reads.
    Known(Arc<Expression>, Option<&'static str>),
    Unknown,
}

/// A text with its parts found.
#[derive(Clone, Default)]
pub struct Template(Vec<Part>);

/// Where the brace closes that was opened before `text`, and the first `mark` outside of inner braces.
fn braces(text: &[u8], mark: u8) -> (Option<usize>, Option<usize>) {
    let (mut depth, mut marked) = (1usize, None);
    for (at, &byte) in text.iter().enumerate() {
        match byte {
            b'{' if at > 0 && matches!(text.get(at - 1), Some(b'$' | b'%')) => depth += 1,
            b'}' => {
                depth -= 1;
                if depth == 0 {
                    return (Some(at), marked);
                }
            }
            _ if byte == mark && depth == 1 && marked.is_none() => marked = Some(at),
            _ => {}
        }
    }
    (None, marked)
}

impl Template {
    pub fn parse(text: &[u8]) -> Template {
        let (mut parts, mut plain) = (Vec::new(), BString::default());
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let next = text.get(at + 1).copied();
            let inside = text.get(at + 2..).unwrap_or_default();
            let part = match (byte, next) {
                (b'\\', Some(escaped)) => {
                    plain.push(escaped);
                    at += 2;
                    continue;
                }
                (b'$', Some(digit @ b'0'..=b'9')) => Some((Part::Rule(usize::from(digit - b'0')), 2)),
                (b'%', Some(digit @ b'0'..=b'9')) => Some((Part::Cond(usize::from(digit - b'0')), 2)),
                (b'%', Some(b'{')) => braces(inside, b':').0.map(|end| {
                    let name = inside.get(..end).unwrap_or_default();
                    (Part::Variable(Variable::parse(name)), end + 3)
                }),
                (b'$', Some(b'{')) => match braces(inside, b':') {
                    (Some(end), Some(colon)) if colon < end => {
                        let name = inside.get(..colon).unwrap_or_default().into();
                        let rest = inside.get(colon + 1..).unwrap_or_default();
                        let (close, bar) = braces(rest, b'|');
                        let close = close.unwrap_or(rest.len());
                        let key = Template::parse(rest.get(..bar.unwrap_or(close)).unwrap_or_default());
                        let default = bar.and_then(|bar| rest.get(bar + 1..close)).map(Template::parse);
                        Some((Part::Map { name, key, default }, end + 3))
                    }
                    _ => None,
                },
                _ => None,
            };
            match part {
                Some((part, length)) => {
                    if !plain.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut plain)));
                    }
                    parts.push(part);
                    at += length;
                }
                None => {
                    plain.push(byte);
                    at += 1;
                }
            }
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Template(parts)
    }

    /// The text for this request. `rule` where it is a substitution, whose flags may escape what is filled in.
    /// `from_client` becomes true where the first question mark does not stand in the template itself.
    pub fn expand<'a>(
        &'a self,
        r: &'a mut Request,
        state: &'a mut State,
        rule: Option<&'a Rule>,
        from_client: &'a mut bool,
    ) -> BoxFuture<'a, BString> {
        Box::pin(async move {
            let mut out = BString::default();
            for part in &self.0 {
                match part {
                    Part::Text(text) => out.extend_from_slice(text),
                    Part::Rule(number) => fill(r, &mut out, &state.rule, *number, state, rule, from_client),
                    Part::Cond(number) => fill(r, &mut out, &state.cond, *number, state, rule, from_client),
                    Part::Variable(variable) => {
                        let text = variable.value(r, state).await;
                        put(&mut out, &text, from_client);
                    }
                    Part::Map { name, key, default } => {
                        let mut ignored = false;
                        let key = key.expand(r, state, rule, &mut ignored).await;
                        match look_up(r, state, name, &key) {
                            Some(value) => put(&mut out, &value, from_client),
                            None => {
                                if let Some(default) = default {
                                    let text = default.expand(r, state, rule, &mut ignored).await;
                                    put(&mut out, &text, from_client);
                                }
                            }
                        }
                    }
                }
            }
            out
        })
    }
}

fn look_up(r: &Request, state: &State, name: &BString, key: &[u8]) -> Option<BString> {
    let maps = &r.server::<ServerRules>().0.maps;
    let (_, map) = maps.iter().find(|(known, _)| known == name)?;
    map.look_up(r, name.as_bstr(), key, &|level, text| trace(r, level, state.directory.as_deref(), text))
}

fn fill(
    r: &Request,
    out: &mut BString,
    groups: &Groups,
    number: usize,
    state: &State,
    rule: Option<&Rule>,
    from_client: &mut bool,
) {
    let Some(text) = groups.get(number).filter(|text| !text.is_empty()) else { return };
    match rule.filter(|rule| rule.flags.escape_backrefs) {
        Some(rule) => {
            let escaped = escape_backref(text, rule);
            let line = format_args!("escaping backreference '{}' to '{}'", raw(text), raw(&escaped));
            trace(r, Level::Trace5, state.directory.as_deref(), line);
            out.extend_from_slice(&escaped);
        }
        None => put(out, text, from_client),
    }
}

fn put(out: &mut BString, text: &[u8], from_client: &mut bool) {
    *from_client |= text.contains(&b'?') && !out.contains(&b'?');
    out.extend_from_slice(text);
}

fn escape_backref(text: &[u8], rule: &Rule) -> BString {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut out = BString::default();
    for &byte in text {
        let listed = rule.escape.contains(&byte);
        let control = byte <= b' ' || byte == 0x7f;
        let escapes = if rule.spare.contains(&byte) {
            false
        } else if rule.flags.controls_only {
            control || listed
        } else if rule.escape.is_empty() {
            !byte.is_ascii_alphanumeric() && byte != b'_'
        } else {
            listed
        };
        if !escapes {
            out.push(byte);
        } else if byte == b' ' && !rule.flags.no_plus {
            out.push(b'+');
        } else {
            let digit = |half: u8| HEX.get(usize::from(half & 15)).copied().unwrap_or(b'0');
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte)]);
        }
    }
    out
}

impl Variable {
    fn parse(name: &[u8]) -> Variable {
        let ahead = |by_file, inner: &[u8]| Variable::LookAhead {
            by_file,
            name: inner.into(),
            inner: Box::new(Variable::parse(inner)),
        };
        if let Some((kind, inner)) = name.split_once_str(":") {
            return match kind.to_ascii_uppercase().as_slice() {
                b"ENV" => Variable::Env(inner.into()),
                b"HTTP" => Variable::Header(inner.into()),
                b"SSL" => Variable::Tls(inner.into()),
                b"LA-U" => ahead(false, inner),
                b"LA-F" => ahead(true, inner),
                _ => Variable::Unknown,
            };
        }
        let field = match name {
            b"HTTP_ACCEPT" => Some("Accept"),
            b"HTTP_COOKIE" => Some("Cookie"),
            b"HTTP_FORWARDED" => Some("Forwarded"),
            b"HTTP_HOST" => Some("Host"),
            b"HTTP_PROXY_CONNECTION" => Some("Proxy-Connection"),
            b"HTTP_REFERER" => Some("Referer"),
            b"HTTP_USER_AGENT" => Some("User-Agent"),
            b"REQUEST_FILENAME" | b"SCRIPT_FILENAME" => return Variable::Filename,
            // Conditions of expr= know it, and no others.
            b"HTTP2" => return Variable::Unknown,
            _ => None,
        };
        if !name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_') {
            return Variable::Unknown;
        }
        let text = [b"%{", name, b"}"].concat();
        let rights = Rights { restricted: true, ..Rights::default() }.without_vary();
        match Expression::string(text.as_bstr(), rights, &Providers::default()) {
            Ok(expression) => Variable::Known(Arc::new(expression), field),
            Err(_) => Variable::Unknown,
        }
    }

    fn value<'a>(&'a self, r: &'a mut Request, state: &'a mut State) -> BoxFuture<'a, BString> {
        Box::pin(async move {
            match self {
                Variable::Unknown => BString::default(),
                Variable::Filename => r.filename.clone(),
                Variable::Env(name) => {
                    let value = r.notes.get(name).or_else(|| r.env.get(name)).map(BString::from);
                    value.unwrap_or_else(|| {
                        use std::os::unix::ffi::OsStringExt;
                        std::env::var_os(name.to_os_str_lossy()).map(|text| text.into_vec().into()).unwrap_or_default()
                    })
                }
                Variable::Header(name) => {
                    state.varies(name.as_bstr());
                    joined(r, name.as_bstr())
                }
                Variable::Tls(name) => server::tls_variable(r, name.as_bstr()).unwrap_or_default(),
                Variable::Known(expression, field) => {
                    if let Some(field) = field {
                        state.varies(BStr::new(field));
                    }
                    server::expression::text(expression, r).unwrap_or_default()
                }
                Variable::LookAhead { by_file, name, inner } => look_ahead(r, state, *by_file, name, inner).await,
            }
        })
    }
}

fn joined(r: &Request, name: &BStr) -> BString {
    let values: Vec<&[u8]> = r.headers_in.all(name.as_bytes()).map(|value| value.as_bytes()).collect();
    values.join(b", ".as_slice()).into()
}

async fn look_ahead(r: &mut Request, state: &mut State, by_file: bool, name: &BString, inner: &Variable) -> BString {
    if r.main.is_some() || r.filename.is_empty() && by_file {
        return BString::default();
    }
    let path = if by_file { r.filename.clone() } else { r.uri.clone() };
    let mut sub = match by_file {
        true => server::lookup_file(r, &path).await,
        false => {
            let target = server::escape::uri(&path);
            server::lookup_uri(r, &target).await
        }
    };
    let value = inner.value(&mut sub, state).await;
    let text = format_args!("lookahead: path={} var={name} -> val={}", raw(&path), raw(&value));
    trace(r, Level::Trace5, state.directory.as_deref(), text);
    value
}
