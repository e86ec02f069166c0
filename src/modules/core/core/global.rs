//! Settings of the whole process that core.c owns: PidFile, Mutex, ServerTokens, methods, regex options.

use crate::config::atoi;
use crate::config::*;
use crate::request::MethodNumber;
use crate::sys::regex::{self, Flags};
use bstr::{BStr, BString, ByteSlice};

pub(super) const DIRECTIVES: &[Directive] = &[
    take1(
        "ServerTokens",
        GLOBAL,
        NO_OVERRIDE,
        tokens,
        "Determine tokens displayed in the Server: header - Min(imal), Major, Minor, Prod(uctOnly), OS, or Full",
    ),
    take1("Port", SERVER, NO_OVERRIDE, port, "Port was replaced with Listen in Apache 2.0"),
    raw_args("Mutex", GLOBAL, NO_OVERRIDE, mutex, "mutex (or \"default\") and mechanism")
        .ignored("no lock is needed: the scoreboard is lock-free and accepts are spread by the kernel"),
    raw_args(
        "RegexDefaultOptions",
        GLOBAL,
        NO_OVERRIDE,
        regex_options,
        "default options for regexes (prefixed by '+' to add, '-' to del)",
    ),
    take1(
        "ScoreBoardFile",
        GLOBAL,
        NO_OVERRIDE,
        super::accept,
        "A file for Apache to maintain runtime process management information",
    )
    .ignored("the scoreboard is memory that parent and children share, in a layout of its own"),
    flag(
        "ExtendedStatus",
        GLOBAL,
        NO_OVERRIDE,
        extended_status,
        "\"On\" to track extended status information, \"Off\" to disable",
    ),
    flag(
        "SeeRequestTail",
        GLOBAL,
        NO_OVERRIDE,
        request_tail,
        "For extended status, \"On\" to see the last 63 chars of the request line, \"Off\" (default) to see the first 63",
    ),
    take1("PidFile", GLOBAL, NO_OVERRIDE, pid_file, "A file for logging the server process ID"),
    take1(
        "MaxRequestsPerChild",
        GLOBAL,
        NO_OVERRIDE,
        max_connections,
        "Maximum number of connections a particular child serves before dying. (DEPRECATED, use MaxConnectionsPerChild)",
    ),
    take1(
        "MaxConnectionsPerChild",
        GLOBAL,
        NO_OVERRIDE,
        max_connections,
        "Maximum number of connections a particular child serves before dying.",
    ),
    take1(
        "CoreDumpDirectory",
        GLOBAL,
        NO_OVERRIDE,
        core_dump,
        "The location of the directory Apache changes to before dumping core",
    ),
    take1(
        "MaxMemFree",
        GLOBAL,
        NO_OVERRIDE,
        max_mem_free,
        "Maximum number of 1k blocks a particular child's allocator may hold.",
    )
    .ignored("a thread keeps a few buffers at most; all else goes back to the system's allocator at once"),
    take1(
        "ThreadStackSize",
        GLOBAL,
        NO_OVERRIDE,
        stack_size,
        "Size in bytes of stack used by threads handling client connections",
    ),
    iterate("RegisterHttpMethod", GLOBAL, NO_OVERRIDE, register_method, "Registers non-standard HTTP methods"),
];

fn tokens(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let value = match word.to_ascii_lowercase().as_slice() {
        b"os" => Tokens::Os,
        b"min" | b"minimal" => Tokens::Minimal,
        b"major" => Tokens::Major,
        b"minor" => Tokens::Minor,
        b"prod" | b"productonly" => Tokens::Prod,
        b"full" => Tokens::Full,
        _ => {
            return Err(
                "ServerTokens takes 1 argument: 'Prod(uctOnly)', 'Major', 'Minor', 'Min(imal)', 'OS', or 'Full'".into(),
            );
        }
    };
    cx.server::<CoreServer>().tokens = Some(value);
    Ok(())
}

fn port(_: &mut Cx<'_>, _: Word<'_>) -> Outcome {
    Err("Port was replaced with Listen in Apache 2.0".into())
}

/// Mechanisms that `Mutex` may name.
const MECHANISMS: &str = "Mutex mechanisms are: 'none', 'default', 'flock:/path/to/file', 'fcntl:/path/to/file', \
                          'file:/path/to/file', 'pthread', 'sysvsem', 'posixsem', 'sem'";

fn mutex(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let (mechanism, rest) = httpd_conf::next_word(args);
    if mechanism.is_empty() {
        return Err(format!("Mutex requires at least a mechanism argument ({MECHANISMS})").into());
    }
    let (name, file) = match mechanism.find_byte(b':') {
        Some(at) => (&mechanism[..at], mechanism.get(at + 1..)),
        None => (mechanism.as_bytes(), None),
    };
    match name.to_ascii_lowercase().as_slice() {
        b"default" | b"yes" | b"pthread" | b"sysvsem" | b"posixsem" | b"sem" | b"none" | b"no" => {}
        b"flock" | b"fcntl" | b"file" => {
            if let Some(dir) = file.filter(|dir| !cx.server_root_relative(dir).is_dir()) {
                let text = format!("Invalid Mutex directory in argument {}:{}", name.as_bstr(), dir.as_bstr());
                return Err(text.into());
            }
        }
        _ => return Err(format!("Invalid Mutex argument {mechanism} ({MECHANISMS})").into()),
    }
    let omits = |word: &BStr| word.eq_ignore_ascii_case(b"OmitPID");
    let omit = httpd_conf::words(rest).any(|word| omits(&word));
    let named: Vec<_> = httpd_conf::words(rest).filter(|word| !omits(word)).collect();
    // The last one is looked at first.
    let loaded = |(module, _): &&(&str, &str)| cx.commands.module(module.as_bytes()).is_some();
    let known = |word: &BStr| {
        let mut names = MUTEXES.iter().filter(loaded).map(|(_, name)| *name).chain(["default"]);
        names.any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
    };
    if let Some(word) = named.iter().rev().find(|word| !known(word)) {
        return Err(format!("Mutex type {word} is not valid").into());
    }
    if name.eq_ignore_ascii_case(b"none") || name.eq_ignore_ascii_case(b"no") {
        let name = named.last().map_or("default".into(), |word| word.to_ascii_lowercase());
        return Err(format!("None is not allowed for mutex type {}", name.as_bstr()).into());
    }
    let kind = match name.to_ascii_lowercase().as_slice() {
        b"file" => "fcntl".into(),
        b"sem" => "posixsem".into(),
        b"yes" => "default".into(),
        kind => BString::from(kind),
    };
    let dir = file.map(|dir| <[u8]>::from_path(&cx.server_root_relative(dir)).unwrap_or_default().into());
    let mutex = Mutex { dir, mechanism: kind, omit_pid: omit };
    let default: BString = "default".into();
    let names = if named.is_empty() {
        vec![default]
    } else {
        named.iter().map(|word| word.to_ascii_lowercase().into()).collect()
    };
    for name in names {
        cx.process.mutexes.retain(|(known, _)| *known != name);
        cx.process.mutexes.push((name, mutex.clone()));
    }
    Ok(())
}

fn regex_options(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    const BARE: Flags =
        Flags { icase: false, multiline: false, no_dotall: true, no_dollar_endonly: true, extended: false };
    let flags = &mut cx.process.regex_flags;
    for word in httpd_conf::words(args) {
        let (on, name) = match word.first() {
            Some(b'+') => (true, word.get(1..).unwrap_or_default()),
            Some(b'-') => (false, word.get(1..).unwrap_or_default()),
            _ => {
                // Without a sign it stands alone.
                *flags = BARE;
                (true, word.as_bytes())
            }
        };
        match name.to_ascii_lowercase().as_slice() {
            b"none" if name.len() == word.len() => *flags = BARE,
            b"icase" => flags.icase = on,
            b"dotall" => flags.no_dotall = !on,
            b"dollar_endonly" => flags.no_dollar_endonly = !on,
            _ => {
                let text = [b"RegexDefaultOptions: option '", name, b"' unknown"].concat();
                return Err(Complaint::Text(text.into()));
            }
        }
    }
    // For patterns on the lines that follow; the children get what the whole configuration comes to.
    regex::default_flags(*flags);
    Ok(())
}

fn extended_status(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.process.extended_status = Some(on);
    Ok(())
}

fn request_tail(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.process.see_request_tail = on;
    Ok(())
}

fn pid_file(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.process.pid_file = Some(word.into());
    Ok(())
}

fn max_connections(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    cx.process.numbers.max_connections_per_child = Some(atoi(word));
    Ok(())
}

fn core_dump(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let dir = cx.server_root_relative(word);
    if !dir.is_dir() {
        let what = if dir.exists() { "is not a directory" } else { "does not exist" };
        return Err(format!("CoreDumpDirectory {} {what}", dir.display()).into());
    }
    cx.process.core_dump_directory = Some(dir);
    Ok(())
}

fn invalid(name: &str, word: &BStr) -> Complaint {
    format!("Invalid {name} value: {word}").into()
}

fn max_mem_free(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    if atoi(word) < 0 {
        return Err(invalid("MaxMemFree", word));
    }
    Ok(())
}

fn stack_size(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let value = atoi(word);
    if value < 0 {
        return Err(invalid("ThreadStackSize", word));
    }
    cx.process.numbers.thread_stack_size = Some(value);
    Ok(())
}

fn register_method(_: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    match MethodNumber::register(word) {
        Some(_) => Ok(()),
        None => accept_nothing(word),
    }
}

fn accept_nothing(word: &BStr) -> Outcome {
    Err(format!("Too many methods: no number is left for {word}").into())
}
