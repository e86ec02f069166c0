//! Options, AllowOverride, AllowOverrideList.

use crate::config::*;
use crate::log::Level;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub(super) const DIRECTIVES: &[Directive] = &[
    raw_args("Options", ANYWHERE, OPTIONS, set_options, "Set a number of attributes for a given directory"),
    raw_args(
        "AllowOverride",
        DIRECTORY,
        NO_OVERRIDE,
        allow_override,
        "Controls what groups of directives can be configured by per-directory config files",
    ),
    take_argv(
        "AllowOverrideList",
        DIRECTORY,
        NO_OVERRIDE,
        allow_override_list,
        "Controls what individual directives can be configured by per-directory config files",
    ),
];

/// The bits of one option; None for a word that is none.
fn option_bits(word: &[u8]) -> Option<u32> {
    let bits = match word.to_ascii_lowercase().as_slice() {
        b"indexes" => options::INDEXES,
        b"includes" => options::INCLUDES | options::INC_WITH_EXEC,
        b"includesnoexec" => options::INCLUDES,
        b"followsymlinks" => options::SYM_LINKS,
        b"symlinksifownermatch" => options::SYM_OWNER,
        b"execcgi" => options::EXEC_CGI,
        b"multiviews" => options::MULTI,
        b"runscripts" => options::MULTI | options::EXEC_CGI,
        b"none" => options::NONE,
        b"all" => options::ALL,
        _ => return None,
    };
    Some(bits)
}

fn set_options(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (permitted, in_htaccess) = (cx.override_options, cx.in_htaccess());
    let core = cx.dir::<CoreDir>();
    let mut first = true;
    let (mut relative, mut absolute) = (false, false);
    for word in httpd_conf::words(args) {
        let (sign, name) = match word.first() {
            Some(sign @ (b'+' | b'-')) => (Some(*sign), word.get(1..).unwrap_or_default()),
            _ => (None, word.as_bytes()),
        };
        if sign.is_some() {
            // Behind a word for all or none there may be such that change it.
            if !relative && !first && !absolute {
                return Err("Either all Options must start with + or -, or no Option may.".into());
            }
            relative = true;
        } else if first {
            core.options = Some(options::NONE);
            (core.options_add, core.options_remove) = (0, 0);
        } else if relative {
            return Err("Either all Options must start with + or -, or no Option may.".into());
        }
        let all = name.eq_ignore_ascii_case(b"all");
        let none = name.eq_ignore_ascii_case(b"none");
        let bits = option_bits(name).ok_or_else(|| Complaint::Text([b"Illegal option ", name].concat().into()))?;
        if !first && none {
            return Err("'Options None' must be the first Option given.".into());
        }
        if !first && all {
            return Err("'Options All' must be the first option given.".into());
        }
        if sign.is_some() && (all || none) {
            let name = if all { "All" } else { "None" };
            return Err(format!("You may not use 'Options +{name}' or 'Options -{name}'.").into());
        }
        absolute |= all || none;
        if in_htaccess && bits & !permitted != 0 {
            return Err(Complaint::Text([b"Option ", name, b" not allowed here"].concat().into()));
        }
        match sign {
            Some(b'-') => {
                core.options_remove |= bits;
                core.options_add &= !bits;
                if let Some(have) = &mut core.options {
                    *have &= !bits;
                }
            }
            Some(_) => {
                core.options_add |= bits;
                core.options_remove &= !bits;
                if let Some(have) = &mut core.options {
                    *have |= bits;
                }
            }
            None => core.options = Some(core.options.unwrap_or(options::NONE) | bits),
        }
        // IncludesNOEXEC takes away what a wider `Includes` above gave.
        if sign == Some(b'+') && bits == options::INCLUDES {
            core.options_remove |= options::INC_WITH_EXEC;
            core.options_add &= !options::INC_WITH_EXEC;
            core.options = core.options.map(|have| have & !options::INC_WITH_EXEC);
        }
        first = false;
    }
    Ok(())
}

/// The classes of `Nonfatal=`.
fn nonfatal(word: &[u8]) -> Nonfatal {
    match word.to_ascii_lowercase().as_slice() {
        b"override" => Nonfatal { overridden: true, unknown: false },
        b"unknown" => Nonfatal { overridden: false, unknown: true },
        b"all" => Nonfatal { overridden: true, unknown: true },
        _ => Nonfatal::default(),
    }
}

/// Warns where a directive only makes sense for real directories.
fn warn_useless(cx: &mut Cx<'_>) {
    let alias = cx.around.last().is_some_and(|name| name.starts_with("<Auth"));
    if alias || matches!(cx.around.last(), Some(&"<DirectoryMatch" | &"<Directory")) {
        return;
    }
    let (name, line, file) = (cx.directive.name, cx.line, cx.file);
    let text = match name {
        "AllowOverrideList" => format!("AH00115: Useless use of {name} at {file}:{line}"),
        _ => format!("AH00114: Useless use of {name} in line {line} of {file}."),
    };
    cx.warn(Level::Warn, text);
}

fn allow_override(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    warn_useless(cx);
    let core = cx.dir::<CoreDir>();
    let mut overrides = Override::NONE;
    for word in httpd_conf::words(args) {
        let word = word.as_bytes();
        let (name, value) = match word.find_byte(b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        match name.to_ascii_lowercase().as_slice() {
            b"limit" => overrides = overrides.or(LIMIT),
            b"options" => {
                overrides = overrides.or(OPTIONS);
                core.override_options = Some(match value {
                    Some(list) => option_list(list)?,
                    // What `Options All` gives: neither MultiViews nor SymLinksIfOwnerMatch.
                    None => options::ALL,
                });
            }
            b"fileinfo" => overrides = overrides.or(FILE_INFO),
            b"authconfig" => overrides = overrides.or(AUTH_CONFIG),
            b"indexes" => overrides = overrides.or(INDEXES),
            b"nonfatal" => core.nonfatal = Some(nonfatal(value.unwrap_or_default())),
            b"none" => overrides = Override::NONE,
            b"all" => {
                overrides = Override::ALL;
                core.override_options = Some(u32::MAX);
            }
            _ => return Err(Complaint::Text([b"Illegal override option ", name].concat().into())),
        }
    }
    core.overrides = Some(overrides);
    Ok(())
}

/// The options of `AllowOverride Options=A,B`.
fn option_list(list: &[u8]) -> Result<u32, Complaint> {
    let mut bits = 0;
    for name in list.split_str(",").filter(|name| !name.is_empty()) {
        bits |= option_bits(name).ok_or_else(|| Complaint::Text([b"Illegal option ", name].concat().into()))?;
    }
    Ok(bits)
}

fn allow_override_list(cx: &mut Cx<'_>, words: &[Word<'_>]) -> Outcome {
    warn_useless(cx);
    let mut list: Vec<BString> = Vec::new();
    for word in words {
        if word.eq_ignore_ascii_case(b"none") {
            if words.len() != 1 {
                return Err("'None' not allowed with other directives in AllowOverrideList".into());
            }
            continue;
        }
        let rows = cx.commands.find(word);
        let at = format!("in AllowOverrideList at {}:{}", cx.file, cx.line);
        if rows.is_empty() {
            cx.warn(Level::Warn, quoted("AH00116: Discarding unrecognized directive `", word, &format!("' {at}")));
        } else if !rows.iter().any(|row| row.directive.contexts.has(HTACCESS)) {
            cx.warn(Level::Warn, quoted("AH02304: Discarding directive `", word, &format!("' not allowed {at}")));
        } else {
            list.push((*word).into());
        }
    }
    cx.dir::<CoreDir>().override_list = Some(Arc::new(list));
    Ok(())
}

fn quoted(before: &str, word: &BStr, after: &str) -> BString {
    [before.as_bytes(), word, after.as_bytes()].concat().into()
}
