//! Include variables: those of the request's environment, some of which are worked out when they are asked for, and the
//! groups of the last match.

use crate::log::{Level, clock};
use crate::request::Request;
use crate::server::escape;
use crate::server::expression::Backrefs;
use bstr::{BStr, BString, ByteSlice};

/// Variables that depend on the clock, the file and `config timefmt`. In the environment they stand without a value, so
/// that programs know of them.
pub(super) const LATE: [&str; 4] = ["DATE_LOCAL", "DATE_GMT", "LAST_MODIFIED", "USER_NAME"];

/// The last regular expression that matched.
pub(super) struct LastMatch {
    pub(super) pattern: BString,
    /// Groups the pattern has.
    pub(super) groups: usize,
    pub(super) found: Backrefs,
}

/// Puts what documents know about themselves into the request's environment.
pub(super) fn describe_document(r: &mut Request) {
    for name in ["DATE_LOCAL", "DATE_GMT", "LAST_MODIFIED"] {
        r.env.set(name, "");
    }
    r.env.set("DOCUMENT_URI", r.uri.clone());
    r.env.set("DOCUMENT_ARGS", r.args.clone().unwrap_or_default());
    if !r.path_info.is_empty() {
        r.env.set("DOCUMENT_PATH_INFO", r.path_info.clone());
    }
    r.env.set("USER_NAME", "");
    let name: BString = match r.filename.rfind_byte(b'/') {
        Some(slash) => r.filename.get(slash + 1..).unwrap_or_default().into(),
        None => r.uri.clone(),
    };
    r.env.set("DOCUMENT_NAME", name);
    set_query(r);
}

/// The variables that hold the query; documents that are included with one leave it to those around them.
pub(super) fn set_query(r: &mut Request) {
    if let Some(args) = r.args.clone() {
        r.env.set("QUERY_STRING", &args);
        r.env.set("QUERY_STRING_UNESCAPED", unescaped(&args));
    }
}

/// A query decoded, with a backslash before whatever means something to a shell.
fn unescaped(args: &[u8]) -> BString {
    let mut plain = args.to_vec();
    let _ = escape::unescape_url(&mut plain, escape::Slashes::Decode);
    escape::shell(plain.split(|byte| *byte == 0).next().unwrap_or_default())
}

/// The time as `strftime(3)` has it; GMT is called so.
pub(super) fn time(format: &[u8], micros: i64, gmt: bool) -> BString {
    let mut out = Vec::new();
    if gmt {
        let named = format.replace("%Z", "GMT").replace("%z", "+0000");
        clock::append_strftime(&mut out, &named, &clock::Civil::utc(micros));
    } else {
        clock::append_strftime(&mut out, format, &clock::Civil::local(micros));
    }
    out.into()
}

/// Works out a variable that stands in the environment without a value, and leaves the value there.
pub(super) fn settle(r: &mut Request, name: &BStr, format: &[u8]) {
    let Some(late) = LATE.into_iter().find(|late| name.eq_ignore_ascii_case(late.as_bytes())) else { return };
    if r.env.get(late).is_none_or(|value| !value.is_empty()) {
        return;
    }
    let value = match late {
        "DATE_LOCAL" => time(format, r.time, false),
        "DATE_GMT" => time(format, r.time, true),
        "LAST_MODIFIED" => time(format, r.finfo.mtime, false),
        _ => {
            let user = nix::unistd::User::from_uid(nix::unistd::Uid::from_raw(r.finfo.uid)).ok().flatten();
            user.map_or_else(|| "<unknown>".into(), |user| user.name.into())
        }
    };
    r.env.set(late, value);
}

/// `config timefmt`: times that are known already get the new form.
pub(super) fn settle_times(r: &mut Request, format: &[u8]) {
    r.env.set("DATE_LOCAL", time(format, r.time, false));
    r.env.set("DATE_GMT", time(format, r.time, true));
    r.env.set("LAST_MODIFIED", time(format, r.finfo.mtime, false));
}

/// A variable's value; one digit asks for a group of the last match.
pub(super) fn lookup(r: &mut Request, name: &BStr, format: &[u8], last: Option<&LastMatch>) -> Option<BString> {
    if let [digit @ b'0'..=b'9'] = name.as_bytes() {
        let Some(last) = last else {
            let text =
                format_args!("AH01329: regex capture ${name} refers to no regex in {}", crate::log::raw(&r.filename));
            r.log(Level::Warn, "include", text);
            return None;
        };
        let number = usize::from(digit - b'0');
        if number > last.groups {
            let text = format_args!(
                "AH01330: regex capture ${name} is out of range (last regex was: '{}') in {}",
                last.pattern,
                crate::log::raw(&r.filename)
            );
            r.log(Level::Warn, "include", text);
            return None;
        }
        return last.found.group(number).map(BString::from);
    }
    settle(r, name, format);
    r.env.get(name).map(BString::from)
}

/// What becomes of a variable that has no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Unset {
    Drop,
    /// Its name stays, as shells need it.
    Leave,
}

/// Replaces `$name` and `${name}` by values.
pub(super) fn expand(
    r: &mut Request,
    text: &BStr,
    unset: Unset,
    mut value: impl FnMut(&mut Request, &BStr) -> Option<BString>,
) -> BString {
    let (mut out, mut rest) = (BString::default(), text.as_bytes());
    while let Some(at) = rest.find_byteset(b"$\\") {
        let (before, behind) = rest.split_at(at);
        out.extend_from_slice(before);
        if behind.first() == Some(&b'\\') {
            let dollar = behind.get(1) == Some(&b'$');
            out.push(if dollar { b'$' } else { b'\\' });
            rest = behind.get(if dollar { 2 } else { 1 }..).unwrap_or_default();
            continue;
        }
        let (name, length) = if behind.get(1) == Some(&b'{') {
            let Some(end) = behind.find_byte(b'}') else {
                let name = behind.get(2..).unwrap_or_default().as_bstr();
                let text =
                    format_args!("AH01331: Missing '}}' on variable \"{name}\" in {}", crate::log::raw(&r.filename));
                r.log(Level::Error, "include", text);
                return out;
            };
            (behind.get(2..end).unwrap_or_default(), end + 1)
        } else {
            let named = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let name = behind.get(1..).unwrap_or_default();
            let name = name.get(..name.iter().take_while(|byte| named(byte)).count()).unwrap_or_default();
            (name, name.len() + 1)
        };
        let (whole, after) = behind.split_at_checked(length).unwrap_or((behind, b""));
        if name.is_empty() {
            out.extend_from_slice(whole);
        } else {
            match value(r, name.as_bstr()) {
                Some(value) => out.extend_from_slice(&value),
                None if unset == Unset::Leave => out.extend_from_slice(whole),
                None => {}
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::request;

    #[test]
    fn dollars() {
        let mut r = request();
        let mut expand = |text: &str, unset| {
            expand(&mut r, text.into(), unset, |_, name| (name == "a").then(|| "A".into())).to_string()
        };
        assert_eq!(expand("x$a-${a}b$ab$b\\$a\\a$", Unset::Drop), "xA-Ab$a\\a$");
        assert_eq!(expand("$b ${b} ${a", Unset::Leave), "$b ${b} ");
    }
}
