//! Settings of a directory: types, handlers, filters, error documents, ETags, ranges, canonical names.

use super::accept;
use crate::config::*;
use crate::log::Level;
use crate::request::Status;
use bstr::{BStr, ByteSlice};
use std::sync::Arc;

const ALL: Override = Override::ALL;

pub(super) const DIRECTIVES: &[Directive] = &[
    take1(
        "AddDefaultCharset",
        ANYWHERE,
        FILE_INFO,
        charset,
        "The name of the default charset to add to any Content-Type without one or 'Off' to disable",
    ),
    take1(
        "AcceptPathInfo",
        ANYWHERE,
        FILE_INFO,
        path_info,
        "Set to on or off for PATH_INFO to be accepted by handlers, or default for the per-handler preference",
    ),
    raw_args("Error", ANYWHERE, ALL, error, "Generate error message from within configuration"),
    take2("ErrorDocument", ANYWHERE, FILE_INFO, error_document, "Change responses for HTTP errors"),
    take1(
        "DefaultType",
        ANYWHERE,
        FILE_INFO,
        default_type,
        "the default media type for otherwise untyped files (DEPRECATED)",
    )
    .ignored("deprecated; Apache ignores it too"),
    raw_args("FileETag", ANYWHERE, FILE_INFO, file_etag, "Specify components used to construct a file's ETag"),
    take1("EnableMMAP", ANYWHERE, FILE_INFO, mmap, "Controls whether memory-mapping may be used to read files")
        .ignored("files are never mapped"),
    take1("EnableSendfile", ANYWHERE, FILE_INFO, sendfile, "Controls whether sendfile may be used to transmit files"),
    take1(
        "ReadBufferSize",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        read_buffer,
        "Size (in bytes) of the memory buffers used to read data",
    )
    .ignored("buffers have one size, chosen for the system"),
    take1(
        "HostnameLookups",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        lookups,
        "\"on\" to enable, \"off\" to disable reverse DNS lookups, or \"double\" to enable double-reverse DNS lookups",
    ),
    take1("ServerSignature", ANYWHERE, ALL, signature, "En-/disable server signature (on|off|email)"),
    flag("ContentDigest", ANYWHERE, OPTIONS, digest, "whether or not to send a Content-MD5 header with each request"),
    take1(
        "UseCanonicalName",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        canonical_name,
        "How to work out the ServerName : Port when constructing URLs",
    ),
    take1(
        "UseCanonicalPhysicalPort",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        physical_port,
        "Whether to use the physical Port when constructing URLs",
    ),
    iterate("LogLevel", SERVER.and(DIRECTORY), NO_OVERRIDE, log_level, "Level of verbosity in error logging"),
    take1(
        "MaxRanges",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        ranges,
        "Maximum number of Ranges in a request before returning the entire resource, or 0 for unlimited",
    )
    .info(0),
    take1(
        "MaxRangeOverlaps",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        ranges,
        "Maximum number of overlaps in Ranges in a request before returning the entire resource, or 0 for unlimited",
    )
    .info(1),
    take1(
        "MaxRangeReversals",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        ranges,
        "Maximum number of reversals in Ranges in a request before returning the entire resource, or 0 for unlimited",
    )
    .info(2),
    flag(
        "CGIPassAuth",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        cgi_pass_auth,
        "Controls whether HTTP authorization headers, normally hidden, will be passed to scripts",
    ),
    take2("CGIVar", ANYWHERE, FILE_INFO, cgi_var, "Controls how some CGI variables are set"),
    flag(
        "QualifyRedirectURL",
        ANYWHERE,
        FILE_INFO,
        qualify,
        "Controls whether the REDIRECT_URL environment variable is fully qualified",
    ),
    take1("ForceType", ANYWHERE, FILE_INFO, force_type, "a mime type that overrides other configured type"),
    take1("SetHandler", ANYWHERE, FILE_INFO, set_handler, "a handler name that overrides any other configured handler"),
    take1(
        "SetOutputFilter",
        ANYWHERE,
        FILE_INFO,
        output_filter,
        "filter (or ; delimited list of filters) to be run on the request content",
    ),
    take1(
        "SetInputFilter",
        ANYWHERE,
        FILE_INFO,
        input_filter,
        "filter (or ; delimited list of filters) to be run on the request body",
    ),
    take1(
        "NameVirtualHost",
        SERVER,
        NO_OVERRIDE,
        name_virtual_host,
        "A numeric IP address:port, or the name of a host",
    )
    .ignored("name-based hosts need no declaration since 2.4"),
    take1("Protocol", SERVER, NO_OVERRIDE, accept, "Set the Protocol for httpd to use.")
        .ignored("every listener speaks HTTP"),
];

fn is(word: &[u8], text: &str) -> bool {
    word.eq_ignore_ascii_case(text.as_bytes())
}

fn charset(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().default_charset = Some(match word {
        word if is(word, "off") => None,
        word if is(word, "on") => Some("iso-8859-1".into()),
        word => Some(word.into()),
    });
    Ok(())
}

fn path_info(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().accept_path_info = Some(match word {
        word if is(word, "on") => PathInfo::On,
        word if is(word, "off") => PathInfo::Off,
        word if is(word, "default") => PathInfo::Default,
        _ => return Err("AcceptPathInfo must be set to on, off or default".into()),
    });
    Ok(())
}

fn error(_: &mut Cx<'_>, text: Word<'_>) -> Outcome {
    if text.is_empty() {
        return Err("The Error directive was used with no message.".into());
    }
    // Quotes around the whole are not part of the message; one alone is both.
    let quoted = matches!(text.first(), Some(b'"' | b'\'')) && text.first() == text.last();
    let inner = if quoted { text.get(1..text.len().max(2) - 1).unwrap_or_default() } else { text };
    Err(Complaint::Text(inner.into()))
}

fn error_document(cx: &mut Cx<'_>, code: Word<'_>, text: Word<'_>) -> Outcome {
    // Any status that has a reason phrase may have a document, 200 too (`Redirect 200 /` answers with it).
    let status = u16::try_from(atoi(code)).unwrap_or_default();
    if Status(status).line().is_none() {
        return Err(Complaint::Text([b"Unsupported HTTP response code ", code.as_bytes()].concat().into()));
    }
    // What has a space in it is a text, whatever it begins with.
    let one_word = !text.contains(&b' ');
    let is_url = one_word && crate::server::is_url(text.as_bstr());
    let is_target = is_url || one_word && text.starts_with(b"/");
    if status == 401 && is_url {
        let text = format!(
            "AH00113: {}:{} cannot use a full URL in a 401 ErrorDocument directive --- ignoring!",
            cx.file, cx.line
        );
        cx.warnings.push(Warning { hidden: false, module: "core", level: Level::Notice, text: text.into() });
        return Ok(());
    }
    let action = if is(text, "default") {
        ErrorAction::Default
    } else if text.contains_str("%{") || text.find_byteset(br"\$").is_some() {
        // Texts and targets alike are string expressions: `\n` in one is a line's end.
        let compiled = Expression::string(text, cx.rights(), cx.providers)
            .map_err(|error| Complaint::from(format!("Cannot parse expression in ErrorDocument: {error}")))?
            .at("core", cx.file, cx.line);
        match is_target {
            true => ErrorAction::Target(Arc::new(compiled)),
            false => ErrorAction::Expression(Arc::new(compiled)),
        }
    } else if is_target {
        ErrorAction::Url(text.into())
    } else {
        ErrorAction::Text(text.into())
    };
    let documents = &mut cx.dir::<CoreDir>().error_documents;
    documents.retain(|(other, _)| *other != status);
    documents.push((status, action));
    Ok(())
}

fn default_type(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if !is(word, "none") && !is(word, "off") {
        let text = format!("AH00117: Ignoring deprecated use of DefaultType in line {} of {}.", cx.line, cx.file);
        cx.warn(Level::Warn, text);
    }
    Ok(())
}

fn file_etag(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let mut tag = cx.dir::<CoreDir>().file_etag.unwrap_or_default();
    let before = std::mem::take(&mut tag.bits);
    for word in httpd_conf::words(args) {
        let (sign, name) = match word.first() {
            Some(sign @ (b'+' | b'-')) => (Some(*sign), word.get(1..).unwrap_or_default()),
            _ => (None, word.as_bytes()),
        };
        let bit = match name.to_ascii_lowercase().as_slice() {
            b"none" | b"all" if sign.is_some() => {
                let name = if is(name, "none") { "None" } else { "All" };
                return Err(format!("FileETag keyword '{name}' cannot be used with '+' or '-'").into());
            }
            b"none" => {
                tag = ETag { bits: ETag::NONE, ..ETag::default() };
                continue;
            }
            b"all" => {
                tag = ETag { bits: ETag::INODE | ETag::MTIME | ETag::SIZE, ..ETag::default() };
                continue;
            }
            b"inode" => ETag::INODE,
            b"mtime" => ETag::MTIME,
            b"size" => ETag::SIZE,
            b"digest" => ETag::DIGEST,
            _ => {
                return Err(Complaint::Text([b"Unknown keyword '", name, b"' for FileETag directive"].concat().into()));
            }
        };
        match sign {
            Some(b'+') => {
                tag.add |= bit;
                tag.remove &= !bit;
            }
            Some(_) => {
                tag.remove |= bit;
                tag.add &= !bit;
            }
            None => {
                tag.bits = (tag.bits & !ETag::NONE) | bit;
                (tag.add, tag.remove) = (0, 0);
            }
        }
    }
    if tag.bits == 0 {
        tag.bits = before;
    }
    cx.dir::<CoreDir>().file_etag = Some(tag);
    Ok(())
}

fn on_off_word(word: &BStr) -> Result<bool, Complaint> {
    on_off(word).ok_or_else(|| "parameter must be 'on' or 'off'".into())
}

fn mmap(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().mmap = Some(on_off_word(word)?);
    Ok(())
}

fn sendfile(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().sendfile = Some(on_off_word(word)?);
    Ok(())
}

fn read_buffer(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().read_buffer_size = Some(super::limits::size(word)?);
    Ok(())
}

fn lookups(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().hostname_lookups = Some(match word {
        word if is(word, "on") => Lookups::On,
        word if is(word, "off") => Lookups::Off,
        word if is(word, "double") => Lookups::Double,
        _ => return Err("parameter must be 'on', 'off', or 'double'".into()),
    });
    Ok(())
}

fn signature(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().signature = Some(match word {
        word if is(word, "on") => Signature::On,
        word if is(word, "off") => Signature::Off,
        word if is(word, "email") => Signature::EMail,
        _ => return Err("ServerSignature: use one of: off | on | email".into()),
    });
    Ok(())
}

fn digest(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<CoreDir>().content_digest = Some(on);
    Ok(())
}

fn canonical_name(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().canonical_name = Some(match word {
        word if is(word, "on") => CanonicalName::On,
        word if is(word, "off") => CanonicalName::Off,
        word if is(word, "dns") => CanonicalName::Dns,
        _ => return Err("parameter must be 'on', 'off', or 'dns'".into()),
    });
    Ok(())
}

fn physical_port(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().canonical_physical_port = Some(on_off_word(word)?);
    Ok(())
}

fn level(word: &[u8], prefix: &str) -> Result<Level, Complaint> {
    Level::parse(word).ok_or_else(|| {
        format!(
            "{prefix}Log level keyword must be one of emerg/alert/crit/error/warn/notice/info/debug/trace1/.../trace8"
        )
        .into()
    })
}

/// Tells at once what the levels that the server has until now let through.
fn told(cx: &Cx<'_>, level: Level, text: std::fmt::Arguments<'_>) {
    let allowed =
        cx.server.levels.as_ref().is_some_and(|levels| crate::log::allowed(level, "core", None, Some(levels)));
    if allowed && cx.place != Place::Htaccess {
        crate::log::process_always(level, "core", text);
    }
}

fn log_level(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let (module, level) = match word.find_byte(b':') {
        None => (None, level(word, "")?),
        Some(at) => {
            let (name, keyword) = (word[..at].as_bstr(), &word[at + 1..]);
            if keyword.is_empty() {
                return Err(format!("Module specifier '{name}' must be followed by a log level keyword").into());
            }
            let level = level(keyword, &format!("{name}:{}: ", keyword.as_bstr()))?;
            let ident = [name.as_bytes(), b"_module"].concat();
            let module = cx.commands.module(name).or_else(|| {
                let text = format_args!("Cannot find module '{name}', trying '{name}_module'");
                told(cx, Level::Trace6, text);
                cx.commands.module(&ident)
            });
            let Some(module) = module else {
                return Err(Complaint::Text([b"Cannot find module ", name.as_bytes()].concat().into()));
            };
            (Some(module), level)
        }
    };
    let set = |levels: &mut crate::log::Levels| match module {
        None => levels.set_all(level),
        Some(module) => levels.set_module(module.log_name(), level),
    };
    match cx.place {
        Place::Main | Place::VirtualHost => set(cx.server.levels.get_or_insert_default()),
        Place::Section | Place::Htaccess => set(cx.dir::<CoreDir>().levels.get_or_insert_default()),
    }
    let shown = module.map_or_else(|| "all modules".to_owned(), |module| format!("module {}", module.name()));
    told(cx, Level::Trace3, format_args!("Setting LogLevel for {shown} to {}", level.name()));
    Ok(())
}

fn ranges(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    // -1: the default, -2: any number, -3: none at all.
    let value = match word {
        word if is(word, "default") => RANGES_DEFAULT,
        word if is(word, "unlimited") => RANGES_UNLIMITED,
        word if is(word, "none") => RANGES_NONE,
        word => match atoi(word) {
            value if value > 0 => value,
            _ => {
                return Err(format!(
                    "{} requires 'none', 'default', 'unlimited' or a positive integer",
                    cx.directive.name
                )
                .into());
            }
        },
    };
    let field = cx.directive.info;
    let core = cx.dir::<CoreDir>();
    match field {
        0 => core.max_ranges = Some(value),
        1 => core.max_overlaps = Some(value),
        _ => core.max_reversals = Some(value),
    }
    Ok(())
}

fn cgi_pass_auth(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<CoreDir>().cgi_pass_auth = Some(on);
    Ok(())
}

fn cgi_var(cx: &mut Cx<'_>, name: Word<'_>, rule: Word<'_>) -> Outcome {
    if name != "REQUEST_URI" {
        return Err(format!("Unrecognized CGI variable: \"{name}\"").into());
    }
    if !is(rule, "current-uri") && !is(rule, "original-uri") {
        return Err("Valid rules for REQUEST_URI are 'current-uri' and 'original-uri'".into());
    }
    let vars = &mut cx.dir::<CoreDir>().cgi_vars;
    vars.retain(|(other, _)| other.as_bstr() != name);
    vars.push((name.into(), rule.to_ascii_lowercase().into()));
    Ok(())
}

fn qualify(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<CoreDir>().qualify_redirect_url = Some(on);
    Ok(())
}

fn force_type(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().force_type = Some(word.to_ascii_lowercase().into());
    Ok(())
}

fn set_handler(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let handler = if is(word, "none") {
        Handler::None
    } else if word.contains_str("%{") {
        // Which handler answers says nothing about what it answers: no Vary.
        let compiled = Expression::string(word, cx.rights().without_vary(), cx.providers)
            .map_err(|error| Complaint::from(format!("Can't parse expression : {error}")))?;
        Handler::Expression(Arc::new(compiled.at("core", cx.file, cx.line)))
    } else {
        // The path of a socket keeps its case.
        let socket = word.starts_with(b"proxy:unix");
        Handler::Name(if socket { word.into() } else { word.to_ascii_lowercase().into() })
    };
    cx.dir::<CoreDir>().handler = Some(handler);
    Ok(())
}

fn output_filter(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().output_filters = Some(word.into());
    Ok(())
}

fn input_filter(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.dir::<CoreDir>().input_filters = Some(word.into());
    Ok(())
}

fn name_virtual_host(cx: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    let text = format!(
        "AH00548: NameVirtualHost has no effect and will be removed in the next release {}:{}",
        cx.file, cx.line
    );
    cx.warnings.push(Warning { hidden: false, module: "", level: Level::Warn, text: text.into() });
    Ok(())
}
