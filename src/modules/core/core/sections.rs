//! Sections: VirtualHost, Directory, Files, Location, If, Limit and their kin.
//!
//! Manual: sections.html.

use crate::config::*;
use crate::request::MethodNumber;
use crate::sys::regex::{Flags, Regex};
use bstr::{BStr, BString, ByteSlice};
use httpd_conf::next_word;
use std::net::{IpAddr, ToSocketAddrs};
use std::sync::Arc;

/// `info` of the `...Match` rows.
const MATCH: usize = 1;
/// `info` of the rows that invert their list of methods.
const EXCEPT: usize = 1;

pub(super) const DIRECTIVES: &[Directive] = &[
    section("<Directory", SERVER, NO_OVERRIDE, directory, "Container for directives affecting resources located in the specified directories"),
    section("<Location", SERVER, NO_OVERRIDE, location, "Container for directives affecting resources accessed through the specified URL paths"),
    section("<VirtualHost", SERVER, NO_OVERRIDE, virtual_host, "Container to map directives to a particular virtual host, takes one or more host addresses"),
    section("<Files", ANYWHERE, Override::ALL, files, "Container for directives affecting files matching specified patterns"),
    section("<Limit", DIRECTORY.and(HTACCESS), LIMIT.or(AUTH_CONFIG), limit, "Container for authentication directives when accessed using specified HTTP methods"),
    section("<LimitExcept", DIRECTORY.and(HTACCESS), LIMIT.or(AUTH_CONFIG), limit, "Container for authentication directives to be applied when any HTTP method other than those specified is used to access the resource").info(EXCEPT),
    section("<DirectoryMatch", SERVER, NO_OVERRIDE, directory, "Container for directives affecting resources located in the specified directories").info(MATCH),
    section("<LocationMatch", SERVER, NO_OVERRIDE, location, "Container for directives affecting resources accessed through the specified URL paths").info(MATCH),
    section("<FilesMatch", ANYWHERE, Override::ALL, files, "Container for directives affecting files matching specified patterns").info(MATCH),
    section("<If", ANYWHERE, Override::ALL, condition, "Container for directives to be conditionally applied"),
    section("<ElseIf", ANYWHERE, Override::ALL, condition, "Container for directives to be conditionally applied"),
    section("<Else", ANYWHERE, Override::ALL, condition, "Container for directives to be conditionally applied"),
];

/// What a section's argument names.
enum Argument {
    Text(BString),
    Regex(Arc<Regex>),
}

/// Reads `path`, `~ regex`, or the regex of a `...Match` section.
fn argument(cx: &mut Cx<'_>, args: &BStr, icase: bool) -> Result<(BString, Argument), Complaint> {
    let args = cx.section_arguments(args)?;
    let (mut word, mut rest) = next_word(args);
    let mut regex = cx.directive.info == MATCH;
    if word == "~" && (!regex || cx.directive.name == "<DirectoryMatch") {
        (word, rest) = next_word(rest);
        regex = true;
    }
    if !rest.is_empty() {
        return Err(format!("Multiple {} arguments not (yet) supported.", cx.shown()).into());
    }
    if !regex {
        return Ok((word.clone(), Argument::Text(word)));
    }
    let flags = Flags { icase, ..Flags::default() };
    let compiled = Regex::new(&word, flags).map_err(|_| Complaint::from("Regex could not be compiled"))?;
    Ok((word, Argument::Regex(Arc::new(compiled))))
}

/// The section made of a pattern and what its lines set.
fn made(pattern: Pattern, components: usize, settings: SettingsVec) -> Arc<Section> {
    let names = match &pattern {
        Pattern::Regex(regex) => regex.names().into_iter().map(|(name, number)| (name.into(), number)).collect(),
        _ => Vec::new(),
    };
    Arc::new(Section { id: Section::next_id(), pattern, components, settings, continues: false, names })
}

fn directory(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (mut path, argument) = argument(cx, args, false)?;
    let pattern = match argument {
        Argument::Regex(regex) => Pattern::Regex(regex),
        Argument::Text(_) => {
            if path != "/" {
                path = clean_path(&path);
                if !path.ends_with(b"/") {
                    path.push(b'/');
                }
            }
            match fnmatch::is_pattern(&path) {
                true => Pattern::Wildcard(path.clone()),
                false => Pattern::Literal(path.clone()),
            }
        }
    };
    let components = match pattern {
        Pattern::Regex(_) => 0,
        _ => path.iter().filter(|byte| **byte == b'/').count(),
    };
    let mut dir = SettingsVec::default();
    cx.section(Some(path), &mut dir)?;
    cx.server::<CoreServer>().directories.push(made(pattern, components, dir));
    Ok(())
}

/// Repeated slashes and `.` parts taken out, `..` resolved by the text.
fn clean_path(path: &[u8]) -> BString {
    let absolute = path.starts_with(b"/");
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split_str("/") {
        match part {
            b"" | b"." => {}
            b".." if absolute => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let mut out = BString::default();
    if absolute {
        out.push(b'/');
    }
    out.extend_from_slice(&bstr::join("/", parts));
    out
}

fn location(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (path, argument) = argument(cx, args, false)?;
    let pattern = match argument {
        Argument::Regex(regex) => Pattern::Regex(regex),
        Argument::Text(path) if fnmatch::is_pattern(&path) => Pattern::Wildcard(path),
        Argument::Text(path) => Pattern::Literal(path),
    };
    let mut dir = SettingsVec::default();
    cx.section(Some(path), &mut dir)?;
    cx.server::<CoreServer>().locations.push(made(pattern, 0, dir));
    Ok(())
}

fn files(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    cx.forbid_in_limit()?;
    cx.forbid_within(&["<Location", "<LocationMatch"])?;
    let (path, argument) = argument(cx, args, false)?;
    let pattern = match argument {
        Argument::Regex(regex) => Pattern::Regex(regex),
        Argument::Text(path) if fnmatch::is_pattern(&path) => Pattern::Wildcard(path),
        Argument::Text(path) => Pattern::Literal(path),
    };
    let mut dir = SettingsVec::default();
    // A nested pattern keeps the path of the directory around it.
    let path = if cx.place == Place::Htaccess { cx.path.clone() } else { Some(path) };
    cx.section(path, &mut dir)?;
    cx.dir::<CoreDir>().files.push(made(pattern, 0, dir));
    Ok(())
}

fn condition(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    cx.forbid_in_limit()?;
    let shown = cx.shown();
    let Some(args) = httpd_conf::section_args(args) else {
        return Err(format!("{shown} directive missing closing '>'").into());
    };
    let first = cx.directive.name == "<If";
    let last = cx.directive.name == "<Else";
    let pattern = match (last, args.is_empty()) {
        (true, false) => return Err("<Else> does not take an argument".into()),
        (true, true) => Pattern::Otherwise,
        (false, true) => return Err(format!("{shown} directive requires additional arguments").into()),
        (false, false) => {
            let (text, rest) = next_word(args);
            let compiled = Expression::condition(text.as_bstr(), cx.rights(), cx.providers)
                .map_err(|error| Complaint::from(format!("Cannot parse condition clause: {error}")))?;
            if !rest.is_empty() {
                return Err(format!("Multiple {shown} arguments not supported.").into());
            }
            Pattern::Condition(Arc::new(compiled.at("core", cx.file, cx.line)))
        }
    };
    let mut dir = SettingsVec::default();
    let path = if cx.place == Place::Htaccess { cx.path.clone() } else { Some("*If".into()) };
    cx.section(path, &mut dir)?;
    let ifs = &mut cx.dir::<CoreDir>().ifs;
    if !first && ifs.last().is_none_or(|before| matches!(before.pattern, Pattern::Otherwise)) {
        return Err("<Else> or <ElseIf> section without previous <If> or <ElseIf> section in same scope".into());
    }
    ifs.push(Arc::new(Section {
        id: Section::next_id(),
        pattern,
        components: 0,
        settings: dir,
        continues: !first,
        names: Vec::new(),
    }));
    Ok(())
}

fn limit(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let args = cx.section_arguments(args)?;
    let mut methods = 0u64;
    for word in httpd_conf::words(args) {
        // A server that runs learns no methods: each child would know others.
        if cx.in_htaccess() && MethodNumber::known(&word).is_none() {
            let text = [b"Could not register method '", word.as_bytes(), b"' for ", cx.directive.name.as_bytes()];
            return Err(Complaint::Text([&text.concat()[..], b" from .htaccess configuration"].concat().into()));
        }
        let Some(number) = MethodNumber::register(&word) else {
            return Err(["\"", &word.to_str_lossy(), "\" is not a valid HTTP method"].concat().into());
        };
        if number == MethodNumber::TRACE && cx.directive.info != EXCEPT {
            return Err("TRACE cannot be controlled by <Limit>, see TraceEnable".into());
        }
        methods |= number.bit();
    }
    let methods = if cx.directive.info == EXCEPT { !methods } else { methods };
    let limited = cx.limited & methods;
    if limited == 0 {
        return Err(format!("{} directive excludes all methods", cx.shown()).into());
    }
    if limited == cx.limited {
        return Err(format!("{} directive specifies methods already excluded", cx.shown()).into());
    }
    cx.limited(limited)
}

fn virtual_host(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    cx.forbid_in_host()?;
    let args = cx.section_arguments(args)?;
    let mut host =
        Server { index: cx.hosts.len() + 1, defined_file: cx.file.into(), defined_line: cx.line, ..Server::default() };
    for word in httpd_conf::words(args) {
        host.addresses.extend(addresses(cx, &word)?);
    }
    let mut dir = SettingsVec::default();
    cx.children.run(Inner {
        place: Place::VirtualHost,
        path: None,
        around: cx.directive.name,
        limited: u64::MAX,
        server: &mut host,
        dir: &mut dir,
        process: cx.process,
        warnings: cx.warnings,
    })?;
    host.defaults = dir;
    cx.hosts.push(host);
    Ok(())
}

/// The addresses that a word of `<VirtualHost>` stands for: `*`, `_default_`, an address or a name, with an optional
/// port or `*`.
fn addresses(cx: &mut Cx<'_>, word: &BStr) -> Result<Vec<HostAddress>, Complaint> {
    let invalid = || Complaint::from("The address or port is invalid");
    let (host, port) = split_port(word).ok_or_else(invalid)?;
    let port = match port {
        None | Some(b"*") => 0,
        Some(digits) => whole_number(digits)
            .and_then(|port| u16::try_from(port).ok())
            .filter(|port| *port > 0)
            .ok_or_else(invalid)?,
    };
    let one = |ip| vec![HostAddress { text: word.into(), ip, port }];
    if host == b"*" || host.eq_ignore_ascii_case(b"_default_") || host == b"255.255.255.255" {
        return Ok(one(None));
    }
    let name = host.to_str_lossy();
    if let Ok(ip) = name.parse::<IpAddr>() {
        return Ok(one(Some(ip)));
    }
    let mut found: Vec<IpAddr> = Vec::new();
    for addr in (name.as_ref(), 0).to_socket_addrs().into_iter().flatten() {
        if !found.contains(&addr.ip()) {
            found.push(addr.ip());
        }
    }
    if found.is_empty() {
        let text = format!("AH00547: Could not resolve host name {name} -- ignoring!");
        cx.warnings.push(Warning {
            hidden: false,
            module: "core",
            level: crate::log::Level::Error,
            text: format!("(EAI 2)Name or service not known: {text}").into(),
        });
    }
    Ok(found.into_iter().map(|ip| HostAddress { text: word.into(), ip: Some(ip), port }).collect())
}

/// Divides `host:port`, `[v6]:port`, `host` as APR does; None where brackets are open.
pub(super) fn split_port(word: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    if let Some(rest) = word.strip_prefix(b"[") {
        let end = rest.find_byte(b']')?;
        let (host, tail) = (rest.get(..end)?, rest.get(end + 1..)?);
        return match tail.strip_prefix(b":") {
            Some(port) => Some((host, Some(port))),
            None if tail.is_empty() => Some((host, None)),
            None => None,
        };
    }
    match word.rfind_byte(b':') {
        Some(at) => Some((word.get(..at)?, Some(word.get(at + 1..)?))),
        None => Some((word, None)),
    }
}
