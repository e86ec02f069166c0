//! Directives that act while the files are read: Define, Include, the conditional sections, ServerRoot.

use crate::config::*;
use bstr::{BStr, BString, ByteSlice};

pub(super) const DIRECTIVES: &[Directive] = &[
    section(
        "<IfModule",
        ANYWHERE.and(ON_READ),
        Override::ALL,
        if_module,
        "Container for directives based on existence of specified modules",
    ),
    section(
        "<IfDefine",
        ANYWHERE.and(ON_READ),
        Override::ALL,
        if_define,
        "Container for directives based on existence of command line defines",
    ),
    section(
        "<IfFile",
        ANYWHERE.and(ON_READ),
        Override::ALL,
        if_file,
        "Container for directives based on existence of files on disk",
    ),
    section(
        "<IfDirective",
        ANYWHERE.and(ON_READ),
        Override::ALL,
        if_directive,
        "Container for directives based on existence of named directive",
    ),
    section(
        "<IfSection",
        ANYWHERE.and(ON_READ),
        Override::ALL,
        if_section,
        "Container for directives based on existence of named section",
    ),
    take12(
        "Define",
        SERVER.and(DIRECTORY).and(ON_READ),
        NO_OVERRIDE,
        define,
        "Define a variable, optionally to a value.  Same as passing -D to the command line.",
    ),
    take1(
        "UnDefine",
        SERVER.and(DIRECTORY).and(ON_READ),
        NO_OVERRIDE,
        undefine,
        "Undefine the existence of a variable. Undo a Define.",
    ),
    take1(
        "Include",
        SERVER.and(DIRECTORY).and(ON_READ),
        NO_OVERRIDE,
        include,
        "Name(s) of the config file(s) to be included; fails if the wildcard does not match at least one file",
    ),
    take1(
        "IncludeOptional",
        SERVER.and(DIRECTORY).and(ON_READ),
        NO_OVERRIDE,
        include_optional,
        "Name or pattern of the config file(s) to be included; ignored if the file does not exist or the pattern does not match any files",
    ),
    take1(
        "ServerRoot",
        SERVER.and(ON_READ),
        NO_OVERRIDE,
        server_root,
        "Common directory of server-related files (logs, confs, etc.)",
    ),
    take1(
        "DefaultRuntimeDir",
        SERVER.and(ON_READ),
        NO_OVERRIDE,
        runtime_dir,
        "Common directory for run-time files (shared memory, locks, etc.)",
    ),
];

/// The argument of a conditional section: whether it is negated, and the word.
fn condition<'t>(cx: &Cx<'_>, args: &'t BStr) -> Result<(bool, &'t BStr), Complaint> {
    let args = cx.section_arguments(args)?;
    let (negated, rest) = match args.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, args.as_bytes()),
    };
    if unquoted(rest.as_bstr()).is_empty() {
        return Err(format!("{} directive requires additional arguments", cx.shown()).into());
    }
    Ok((negated, rest.as_bstr()))
}

fn unquoted(word: &BStr) -> BString {
    httpd_conf::next_word(word).0
}

fn if_module(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (negated, word) = condition(cx, args)?;
    let word = unquoted(word);
    let found = cx.reading(|reader| reader.commands.module(&word).is_some())?;
    cx.keep_if(found != negated)
}

fn if_define(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (negated, word) = condition(cx, args)?;
    let word = unquoted(word);
    let found = cx.process.defines.iter().any(|(name, _)| *name == word);
    cx.keep_if(found != negated)
}

fn if_file(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (negated, word) = condition(cx, args)?;
    let word = unquoted(word);
    let found = cx.server_root_relative(&word).exists();
    cx.keep_if(found != negated)
}

fn if_directive(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (negated, word) = condition(cx, args)?;
    let word = unquoted(word);
    let found = cx.reading(|reader| !reader.commands.find(&word).is_empty())?;
    cx.keep_if(found != negated)
}

fn if_section(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (negated, word) = condition(cx, args)?;
    let word = [b"<", unquoted(word).as_slice()].concat();
    let found = cx.reading(|reader| !reader.commands.find(&word).is_empty())?;
    cx.keep_if(found != negated)
}

fn checked_name(name: &BStr) -> Outcome {
    match name.contains(&b':') {
        true => Err("Variable name must not contain ':'".into()),
        false => Ok(()),
    }
}

fn define(cx: &mut Cx<'_>, name: Word<'_>, value: Option<Word<'_>>) -> Outcome {
    checked_name(name)?;
    let defines = &mut cx.process.defines;
    let value = value.map(BString::from);
    match defines.iter_mut().find(|(known, _)| known.as_bstr() == name) {
        Some((_, old)) if value.is_some() => *old = value,
        Some(_) => {}
        None => defines.push((name.into(), value)),
    }
    Ok(())
}

fn undefine(cx: &mut Cx<'_>, name: Word<'_>) -> Outcome {
    checked_name(name)?;
    cx.process.defines.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
    Ok(())
}

fn include(cx: &mut Cx<'_>, path: Word<'_>) -> Outcome {
    cx.reading(|reader| reader.include(path, false))?
}

fn include_optional(cx: &mut Cx<'_>, path: Word<'_>) -> Outcome {
    cx.reading(|reader| reader.include(path, true))?
}

fn server_root(cx: &mut Cx<'_>, path: Word<'_>) -> Outcome {
    let root = std::path::PathBuf::from("/").join(path.to_path_lossy());
    if !root.is_dir() {
        return Err("ServerRoot must be a valid directory".into());
    }
    cx.process.server_root = root;
    Ok(())
}

fn runtime_dir(cx: &mut Cx<'_>, path: Word<'_>) -> Outcome {
    let dir = cx.server_root_relative(path);
    if !dir.is_dir() {
        return Err("DefaultRuntimeDir must be a valid directory, absolute or relative to ServerRoot".into());
    }
    cx.process.runtime_dir = Some(dir);
    Ok(())
}
