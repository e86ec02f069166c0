//! Settings of a server: its name, its documents, its logs, the protocol it speaks.

use crate::config::whole_number;
use crate::config::*;
use crate::log::{ErrorFormat, Level};
use bstr::{BString, ByteSlice};
use std::sync::Arc;
use std::time::Duration;

pub(super) const DIRECTIVES: &[Directive] = &[
    raw_args(
        "AccessFileName",
        SERVER,
        NO_OVERRIDE,
        access_file_name,
        "Name(s) of per-directory config files (default: .htaccess)",
    ),
    take1("DocumentRoot", SERVER, NO_OVERRIDE, document_root, "Root directory of the document tree"),
    take2("AcceptFilter", SERVER, NO_OVERRIDE, accept_filter, "Set the Accept Filter to use for a protocol"),
    take1("ServerAdmin", SERVER, NO_OVERRIDE, admin, "The email address of the server administrator"),
    take1("ServerName", SERVER, NO_OVERRIDE, server_name, "The hostname and port of the server"),
    raw_args("ServerAlias", SERVER, NO_OVERRIDE, server_alias, "A name or names alternately used to access the server"),
    take1("ServerPath", SERVER, NO_OVERRIDE, server_path, "The pathname the server can be reached at"),
    take1("ErrorLog", SERVER, NO_OVERRIDE, error_log, "The filename of the error log"),
    take12("ErrorLogFormat", SERVER, NO_OVERRIDE, error_log_format, "Format string for the ErrorLog"),
    take1("Timeout", SERVER, NO_OVERRIDE, timeout, "Timeout duration (sec)"),
    take1("AllowEncodedSlashes", SERVER, NO_OVERRIDE, encoded_slashes, "Allow URLs containing '/' encoded as '%2F'"),
    flag("StrictHostCheck", SERVER, NO_OVERRIDE, strict_host, "Controls whether a hostname match is required"),
    take1(
        "TraceEnable",
        SERVER,
        NO_OVERRIDE,
        trace,
        "'on' (default), 'off' or 'extended' to trace request body content",
    ),
    flag("MergeTrailers", SERVER, NO_OVERRIDE, merge_trailers, "merge request trailers into request headers or not"),
    flag(
        "MergeSlashes",
        SERVER,
        NO_OVERRIDE,
        merge_slashes,
        "Controls whether consecutive slashes in the URI path are merged",
    ),
    iterate("Protocols", SERVER, NO_OVERRIDE, protocols, "Controls which protocols are allowed"),
    take1(
        "ProtocolsHonorOrder",
        SERVER,
        NO_OVERRIDE,
        honor_order,
        "'off' (default) or 'on' to respect given order of protocols, by default the client specified order determines selection",
    ),
    iterate(
        "HttpProtocolOptions",
        SERVER,
        NO_OVERRIDE,
        protocol_options,
        "'Allow0.9' or 'Require1.0' (default); 'RegisteredMethods' or 'LenientMethods' (default); 'Unsafe' or 'Strict' (default). Sets HTTP acceptance rules",
    ),
];

fn access_file_name(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let names = httpd_conf::words(args).map(|word| word.into_owned()).collect();
    cx.server::<CoreServer>().access_file_names = Some(Arc::new(names));
    Ok(())
}

fn document_root(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let path = cx.server_root_relative(word);
    let mut root = BString::from(<[u8]>::from_path(&path).unwrap_or_default());
    while root.len() > 1 && root.ends_with(b"/") {
        root.pop();
    }
    if !cx.process.any_document_root && !path.is_dir() {
        if cx.place == Place::Main {
            return Err(Complaint::Text(
                [b"DocumentRoot '", root.as_slice(), b"' is not a directory, or is not readable"].concat().into(),
            ));
        }
        let text = [b"AH00112: Warning: DocumentRoot [", root.as_slice(), b"] does not exist"].concat();
        cx.warnings.push(Warning { hidden: false, module: "", level: Level::Warn, text: text.into() });
    }
    cx.server::<CoreServer>().document_root = Some(root);
    Ok(())
}

fn accept_filter(cx: &mut Cx<'_>, protocol: Word<'_>, filter: Word<'_>) -> Outcome {
    cx.forbid_in_host()?;
    cx.server::<CoreServer>().accept_filters.push((protocol.into(), filter.into()));
    Ok(())
}

fn admin(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.admin = Some(word.into());
    Ok(())
}

fn server_name(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if fnmatch::is_pattern(word) {
        return Err(format!("Invalid ServerName \"{word}\" use ServerAlias to set multiple server names.").into());
    }
    let mut rest = word.as_bytes();
    cx.server.scheme = None;
    cx.server.port = 0;
    if let Some(at) = rest.find(b"://") {
        cx.server.scheme = Some(rest[..at].to_ascii_lowercase().into());
        rest = &rest[at + 3..];
    }
    let (host, port) = match rest.rfind_byte(b':') {
        Some(at) if !rest[at..].contains(&b']') => (&rest[..at], Some(&rest[at + 1..])),
        _ => (rest, None),
    };
    if let Some(port) = port {
        let number = match port.is_empty() {
            true => Some(0),
            false => whole_number(port).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0),
        };
        let Some(number) = number else {
            let text = format!("The port number \"{word}\" is outside the appropriate range (i.e., 1..65535).");
            return Err(text.into());
        };
        cx.server.port = number;
    }
    cx.server.name = Some(host.into());
    Ok(())
}

fn server_alias(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    if cx.place != Place::VirtualHost {
        return Err("ServerAlias only used in <VirtualHost>".into());
    }
    for word in httpd_conf::words(args).filter(|word| !word.is_empty()) {
        match word.contains(&b'*') || word.contains(&b'?') {
            true => cx.server.wild_aliases.push(word.into_owned()),
            false => cx.server.aliases.push(word.into_owned()),
        }
    }
    Ok(())
}

fn server_path(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.legacy_path = Some(word.into());
    Ok(())
}

fn error_log(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server.error_log = Some(word.into());
    cx.server.error_log_line = Some(At { file: cx.file.into(), line: cx.line });
    Ok(())
}

fn error_log_format(cx: &mut Cx<'_>, first: Word<'_>, second: Option<Word<'_>>) -> Outcome {
    let core = cx.server::<CoreServer>();
    let mut format: ErrorFormat = core.error_log_format.as_deref().cloned().unwrap_or_default();
    format.add(first, second)?;
    core.error_log_format = Some(Arc::new(format));
    Ok(())
}

fn timeout(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let seconds = atoi(word);
    cx.server.timeout = Some(Duration::from_secs(u64::try_from(seconds).unwrap_or_default()));
    Ok(())
}

fn encoded_slashes(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let value = match word.to_ascii_lowercase().as_slice() {
        b"on" => EncodedSlashes::On,
        b"off" => EncodedSlashes::Off,
        b"nodecode" => EncodedSlashes::NoDecode,
        _ => return Err("AllowEncodedSlashes must be On, Off, or NoDecode".into()),
    };
    cx.dir::<CoreDir>().encoded_slashes = Some(value);
    Ok(())
}

fn strict_host(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<CoreServer>().strict_host_check = Some(on);
    Ok(())
}

fn trace(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.server::<CoreServer>().trace = Some(match word.to_ascii_lowercase().as_slice() {
        b"on" => Trace::On,
        b"off" => Trace::Off,
        b"extended" => Trace::Extended,
        _ => return Err("TraceEnable must be one of 'on', 'off', or 'extended'".into()),
    });
    Ok(())
}

fn merge_trailers(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<CoreServer>().merge_trailers = Some(on);
    Ok(())
}

fn merge_slashes(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<CoreServer>().merge_slashes = Some(on);
    Ok(())
}

fn protocols(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let core = cx.server::<CoreServer>();
    let mut list = core.protocols.as_deref().cloned().unwrap_or_default();
    list.push(word.into());
    core.protocols = Some(Arc::new(list));
    Ok(())
}

fn honor_order(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let Some(on) = on_off(word) else { return Err("ProtocolsHonorOrder must be 'on' or 'off'".into()) };
    cx.server::<CoreServer>().protocols_honor_order = Some(on);
    Ok(())
}

fn protocol_options(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let said = &mut cx.server::<CoreServer>().protocol_words;
    let (bit, other, text) = match word.to_ascii_lowercase().as_slice() {
        b"strict" => (1, 2, "'Strict' and 'Unsafe'"),
        b"unsafe" => (2, 1, "'Strict' and 'Unsafe'"),
        b"registeredmethods" => (4, 8, "'RegisteredMethods' and 'LenientMethods'"),
        b"lenientmethods" => (8, 4, "'RegisteredMethods' and 'LenientMethods'"),
        b"allow0.9" => (16, 32, "'Allow0.9' and 'Require1.0'"),
        b"require1.0" => (32, 16, "'Allow0.9' and 'Require1.0'"),
        _ => {
            return Err("HttpProtocolOptions accepts 'Unsafe' or 'Strict' (default), 'RegisteredMethods' or \
                        'LenientMethods' (default), and 'Require1.0' or 'Allow0.9' (default)"
                .into());
        }
    };
    *said |= bit;
    if *said & other != 0 {
        return Err(format!("HttpProtocolOptions {text} are mutually exclusive").into());
    }
    let said = *said;
    cx.server::<CoreServer>().use_strict =
        Some(HttpOptions { strict: said & 2 == 0, lenient_methods: said & 4 == 0, allow_http09: said & 32 == 0 });
    Ok(())
}
