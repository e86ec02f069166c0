//! mod_version: `<IfVersion>`.
//!
//! Manual: mod/mod_version.html.

use crate::config::*;
use crate::module::{Linked, Module};
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, ByteSlice};
use std::cmp::Ordering;

pub static MODULE: Module = Module {
    name: "mod_version.c",
    ident: "version_module",
    linked: Linked::Static,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[take123(
    "<IfVersion",
    ANYWHERE.and(ON_READ),
    Override::ALL,
    if_version,
    "a comparison operator, a version (and a delimiter)",
)];

fn if_version(cx: &mut Cx<'_>, first: Word<'_>, second: Option<Word<'_>>, third: Option<Word<'_>>) -> Outcome {
    let close = |word: &'_ BStr| word.strip_suffix(b">").map(ToOwned::to_owned);
    let missing = || Complaint::from("<IfVersion> directive missing closing '>'");
    // The bracket may be a word of its own.
    let (operator, version) = match (second, third) {
        (None, _) => (Vec::from(&b"="[..]), close(first).ok_or_else(missing)?),
        (Some(second), None) if second == ">" => (Vec::from(&b"="[..]), first.to_vec()),
        (Some(second), None) => (first.to_vec(), close(second).ok_or_else(missing)?),
        (Some(second), Some(third)) if third == ">" => (first.to_vec(), second.to_vec()),
        _ => return Err(missing()),
    };
    let (negated, operator) = match operator.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, operator.as_slice()),
    };
    let holds = match operator {
        b"=" | b"==" if version.len() > 1 && version.starts_with(b"/") && version.ends_with(b"/") => {
            matches(version.get(1..version.len() - 1).unwrap_or_default())?
        }
        b"~" => matches(&version)?,
        b"=" | b"==" => compare(&version)? == Ordering::Equal,
        b">" => compare(&version)? == Ordering::Greater,
        b"<" => compare(&version)? == Ordering::Less,
        b">=" => compare(&version)? != Ordering::Less,
        b"<=" => compare(&version)? != Ordering::Greater,
        _ => return Err(format!("unrecognized operator '{}'", operator.as_bstr()).into()),
    };
    cx.keep_if(holds != negated)
}

fn matches(pattern: &[u8]) -> Result<bool, Complaint> {
    let regex =
        Regex::new(pattern, Flags::default()).map_err(|_| Complaint::from("Unable to compile regular expression"))?;
    Ok(regex.is_match(identity::COMPATIBLE.as_bytes()))
}

/// How our level compares with `version`; parts that are not given count as 0.
fn compare(version: &[u8]) -> Result<Ordering, Complaint> {
    let invalid = || {
        Complaint::from(
            "Version appears to be invalid. It must have the format major[.minor[.patch]] where major, minor and \
             patch are numbers.",
        )
    };
    let mut given = [0u32; 3];
    let parts: Vec<&[u8]> = version.split_str(".").collect();
    if parts.len() > 3 {
        return Err(invalid());
    }
    for (slot, part) in given.iter_mut().zip(parts) {
        let digits = !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        *slot = part.to_str().ok().filter(|_| digits).and_then(|part| part.parse().ok()).ok_or_else(invalid)?;
    }
    let mut own = [0u32; 3];
    for (slot, part) in own.iter_mut().zip(identity::COMPATIBLE.split('.')) {
        *slot = part.parse().unwrap_or_default();
    }
    Ok(own.cmp(&given))
}
