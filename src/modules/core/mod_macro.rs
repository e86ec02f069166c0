//! mod_macro: `<Macro>` keeps lines, `Use` reads them with its arguments in place, as though they stood there.
//!
//! All of it happens while the files are read: the directives carry ON_READ and work on the reader.
//! Manual: mod/mod_macro.html.

use crate::config::*;
use crate::log::Level;
use crate::module::{Linked, Module};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::next_word;

pub static MODULE: Module = Module {
    name: "mod_macro.c",
    ident: "macro_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::none(),
    hooks: |_| {},
};

const HERE: Contexts = ANYWHERE.and(ON_READ);

const DIRECTIVES: &[Directive] = &[
    section("<Macro", HERE, Override::ALL, define, "Beginning of a macro definition section."),
    raw_args("Use", HERE, Override::ALL, use_macro, "Use of a macro."),
    take1("UndefMacro", HERE, Override::ALL, undefine, "Remove a macro definition."),
    raw_args(
        "MacroIgnoreEmptyArgs",
        HERE,
        Override::ALL,
        ignore_empty,
        "Globally ignore warnings about empty arguments.",
    ),
    raw_args(
        "MacroIgnoreBadNesting",
        HERE,
        Override::ALL,
        ignore_nesting,
        "Globally ignore warnings about bad nesting.",
    ),
];

fn text(parts: &[&[u8]]) -> BString {
    parts.concat().into()
}

fn shown(found: &MacroText) -> BString {
    text(&[b"macro '", &found.name, b"' (", &found.location, b")"])
}

/// Whether a name begins as those of arguments should.
fn has_prefix(name: &[u8]) -> bool {
    name.first().is_some_and(|first| b"$%@".contains(first))
}

fn define(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let whole = args;
    let Some(args) = httpd_conf::section_args(whole) else {
        return Err("<Macro> directive missing closing '>'".into());
    };
    let behind = whole.get(args.len() + 1..).unwrap_or_default();
    if !behind.trim_ascii().is_empty() {
        let line = text(&[
            b"AH02989: AH02801: non blank chars found after <Macro closing '>' on line ",
            cx.line.to_string().as_bytes(),
            b" of ",
            cx.file,
            b": ",
            behind,
        ]);
        cx.warn(Level::Warn, line);
    }
    let location = text(&[b"defined on line ", cx.line.to_string().as_bytes(), b" of \"", cx.file, b"\""]);
    let (name, rest) = next_word(args);
    if name.is_empty() {
        return Err("<Macro macro definition: empty name".into());
    }
    let name = BString::from(name.to_ascii_lowercase());
    let arguments: Vec<BString> = httpd_conf::words(rest).map(|word| word.into_owned()).collect();
    let mut found = MacroText { name, arguments, lines: Vec::new(), location };
    if has_prefix(&found.name) {
        let line = text(&[b"AH02803: ", &shown(&found), b" better prefix a macro name with any of '$%@'"]);
        cx.warn(Level::Warn, line);
    }
    let before = cx.reading(|reader| {
        reader.macros_known = true;
        let at = reader.macros.iter().position(|other| other.name == found.name)?;
        Some(reader.macros.remove(at))
    })?;
    if let Some(before) = before {
        let again = found.location.strip_prefix(b"defined ").unwrap_or_default();
        let line = text(&[
            b"AH02802: macro '",
            &found.name,
            b"' multiply defined: ",
            &before.location,
            b", redefined ",
            again,
        ]);
        cx.warn(Level::Warn, line);
    }
    check_arguments(cx, &found)?;
    collect(cx, &mut found)?;
    if found.lines.is_empty() {
        cx.warn(Level::Warn, text(&[b"AH02799: ", &shown(&found), b": empty contents!"]));
    } else {
        let mut used = vec![false; found.arguments.len()];
        for (_, line) in &found.lines {
            scan(line, &found.arguments, |piece| {
                if let Piece::Argument(at) = piece
                    && let Some(used) = used.get_mut(at)
                {
                    *used = true;
                }
            });
        }
        for (at, argument) in found.arguments.iter().enumerate() {
            if !used.get(at).copied().unwrap_or_default() {
                let number = (at + 1).to_string();
                let line = text(&[
                    b"AH02800: ",
                    &shown(&found),
                    b": argument '",
                    argument,
                    b"' (#",
                    number.as_bytes(),
                    b") never used",
                ]);
                cx.warn(Level::Warn, line);
            }
        }
    }
    cx.reading(|reader| reader.macros.push(found))
}

fn check_arguments(cx: &mut Cx<'_>, found: &MacroText) -> Outcome {
    for (at, argument) in found.arguments.iter().enumerate() {
        let number = (at + 1).to_string();
        let number = number.as_bytes();
        if argument.is_empty() {
            return Err(Complaint::Text(text(&[&shown(found), b": empty argument #", number, b" name"])));
        }
        if !has_prefix(argument) {
            let line = text(&[
                b"AH02796: ",
                &shown(found),
                b" argument name '",
                argument,
                b"' (#",
                number,
                b") without expected prefix, better prefix argument names with one of '$%@'.",
            ]);
            cx.warn(Level::Warn, line);
        } else if argument.starts_with(b"${") && argument.ends_with(b"}") {
            let line = text(&[
                b"AH02805: ",
                &shown(found),
                b" argument name '",
                argument,
                b"' (#",
                number,
                b") clashes with 'Define' syntax '${...}', better use '$(...)'.",
            ]);
            cx.warn(Level::Warn, line);
        }
        for (other, second) in found.arguments.iter().enumerate().skip(at + 1) {
            let second_number = (other + 1).to_string();
            let second_number = second_number.as_bytes();
            if argument == second {
                return Err(Complaint::Text(text(&[
                    b"argument name conflict in ",
                    &shown(found),
                    b": argument '",
                    argument,
                    b"': #",
                    number,
                    b" and #",
                    second_number,
                    b", change argument names!",
                ])));
            }
            if !second.is_empty() && argument.starts_with(second) || second.starts_with(argument) {
                let line = text(&[
                    b"AH02797: ",
                    &shown(found),
                    b": argument name prefix conflict (",
                    argument,
                    b" #",
                    number,
                    b" and ",
                    second,
                    b" #",
                    second_number,
                    b"), be careful about your macro definition!",
                ]);
                cx.warn(Level::Warn, line);
            }
        }
    }
    Ok(())
}

/// Takes the lines up to `</Macro>` out of the file.
fn collect(cx: &mut Cx<'_>, found: &mut MacroText) -> Outcome {
    let mut inner = 0;
    let mut nesting = 0i32;
    let first = cx.line;
    let quiet = cx.process.macro_quiet;
    loop {
        let Some((at, line)) = cx.reading(Reader::next_line)? else {
            return Err(Complaint::Text(text(&[
                &shown(found),
                b"\n\tcontents error: expected token not found: </Macro>",
            ])));
        };
        let (word, rest) = next_word(&line);
        // Seen only by the section's line that comes next.
        if word.starts_with(b"</") && nesting < 0 && !quiet.1 {
            let line = text(&[
                b"AH02793: bad (negative) nesting on line ",
                at.saturating_sub(first).to_string().as_bytes(),
                b" of ",
                &shown(found),
            ]);
            cx.warn(Level::Warn, line);
        }
        if word.eq_ignore_ascii_case(b"</Macro>") {
            if !rest.is_empty() {
                let line = text(&[
                    b"AH02989: AH02794: non blank chars found after directive closing on line ",
                    at.to_string().as_bytes(),
                    b" of ",
                    cx.file,
                    b":  ",
                    rest,
                ]);
                cx.warn(Level::Warn, line);
            }
            if inner == 0 {
                break;
            }
        }
        if word.starts_with(b"</") {
            nesting -= 1;
            if word.eq_ignore_ascii_case(b"</Macro>") {
                inner -= 1;
            }
        } else if word.starts_with(b"<") {
            nesting += 1;
            if word.eq_ignore_ascii_case(b"<Macro") {
                inner += 1;
            }
        }
        if !line.starts_with(b"#") {
            found.lines.push((found.lines.len() as u32 + 1, line));
        }
    }
    if nesting != 0 && !quiet.1 {
        let line =
            text(&[b"AH02795: bad cumulated nesting (", format!("{nesting:+}").as_bytes(), b") in ", &shown(found)]);
        cx.warn(Level::Warn, line);
    }
    Ok(())
}

fn use_macro(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    if cx.reading(|reader| !reader.macros_known)? {
        return Err("no macro defined before Use".into());
    }
    let (name, rest) = next_word(args);
    if name.is_empty() {
        return Err("no macro name specified with Use".into());
    }
    let lower = name.to_ascii_lowercase();
    let Some(found) = cx.reading(|reader| reader.macros.iter().find(|one| one.name == lower).cloned())? else {
        return Err(Complaint::Text(text(&[b"macro '", &lower, b"' undefined"])));
    };
    if recursive(cx.file, &found.name) {
        return Err(Complaint::Text(text(&[b"recursive use of macro '", &found.name, b"' is invalid"])));
    }
    let values: Vec<BString> = httpd_conf::words(rest).map(|word| word.into_owned()).collect();
    if values.len() != found.arguments.len() {
        return Err(Complaint::Text(text(&[
            &shown(&found),
            b" used with ",
            values.len().to_string().as_bytes(),
            b" arguments instead of ",
            found.arguments.len().to_string().as_bytes(),
        ])));
    }
    let place = text(&[&shown(&found), b" used on line ", cx.line.to_string().as_bytes(), b" of \"", cx.file, b"\""]);
    let quiet = cx.process.macro_quiet.0;
    for (at, _) in values.iter().enumerate().filter(|(_, value)| value.is_empty() && !quiet) {
        let number = (at + 1).to_string();
        cx.warn(Level::Warn, text(&[b"AH02798: ", &place, b": empty argument #", number.as_bytes()]));
    }
    let lines = found.lines.iter().map(|(at, line)| (*at, replaced(line, &found.arguments, &values))).collect();
    cx.reading(|reader| reader.insert(place, lines))
}

/// Whether the lines of the macro are being read right now: its name stands in the place of the line.
fn recursive(file: &BStr, name: &[u8]) -> bool {
    file.contains_str([b"macro '", name, b"' (defined on line "].concat())
}

/// What a line of a macro is made of.
enum Piece {
    Byte(u8),
    /// An argument's position.
    Argument(usize),
}

/// Cuts a line at the names of arguments: of several that fit at one position the longest.
fn scan(line: &[u8], arguments: &[BString], mut take: impl FnMut(Piece)) {
    let mut rest = line;
    while let Some((byte, behind)) = rest.split_first() {
        let fits = arguments.iter().enumerate().filter(|(_, name)| !name.is_empty() && rest.starts_with(name));
        match fits.max_by_key(|(_, name)| name.len()) {
            Some((at, name)) => {
                take(Piece::Argument(at));
                rest = rest.get(name.len()..).unwrap_or_default();
            }
            None => {
                take(Piece::Byte(*byte));
                rest = behind;
            }
        }
    }
}

/// Values in place of their arguments; a value is not looked at again.
fn replaced(line: &[u8], arguments: &[BString], values: &[BString]) -> BString {
    let mut out = BString::default();
    scan(line, arguments, |piece| match piece {
        Piece::Byte(byte) => out.push(byte),
        Piece::Argument(at) => {
            let value = values.get(at).map(|value| &value[..]).unwrap_or_default();
            match arguments.get(at).is_some_and(|name| name.starts_with(b"@")) {
                true => quote(value, &mut out),
                false => out.extend_from_slice(value),
            }
        }
    });
    out
}

/// The value of an argument whose name starts with `@`.
fn quote(value: &[u8], out: &mut BString) {
    out.push(b'"');
    out.extend_from_slice(&value.replace("\"", "\\\""));
    out.push(b'"');
}

fn undefine(cx: &mut Cx<'_>, name: Word<'_>) -> Outcome {
    if cx.reading(|reader| !reader.macros_known)? {
        return Err("no macro defined before UndefMacro".into());
    }
    let lower = name.to_ascii_lowercase();
    let gone = cx.reading(|reader| {
        let at = reader.macros.iter().position(|one| one.name == lower)?;
        Some(reader.macros.remove(at))
    })?;
    match gone {
        Some(_) => Ok(()),
        None => Err(Complaint::Text(text(&[b"cannot remove undefined macro '", &lower, b"'"]))),
    }
}

fn ignore_empty(cx: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    cx.process.macro_quiet.0 = true;
    Ok(())
}

fn ignore_nesting(cx: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    cx.process.macro_quiet.1 = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_wins_and_values_stay() {
        let names = ["$a".into(), "$ab".into(), "@q".into()];
        let values = ["$ab".into(), "2".into(), "a \"b".into()];
        assert_eq!(replaced(b"x$a $ab $abc @q", &names, &values), "x$ab 2 2c \"a \\\"b\"");
    }
}
