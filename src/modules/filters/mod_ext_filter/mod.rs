//! mod_ext_filter: programs as filters of responses and request bodies.
//!
//! ExtFilterDefine makes a filter of a program; ExtFilterOptions, per directory, says what becomes of its complaints and
//! what to do when it cannot be started. The program gets the environment of a CGI program, the body on its standard
//! input, and gives the new one on its standard output: see [`running`]. No thread waits for it, and no more of the body is
//! held than the pipes and one buffer take.
//!
//! Differences: a program that breaks off, or says nothing for longer than Timeout, ends the response; what it did not
//! filter is never sent. Manual: mod/mod_ext_filter.html.

mod running;

use crate::config::*;
use crate::log::Level;
use crate::module::{DefinedFilters, Linked, Module};
use crate::request::{Body, Fault, Filter, FilterContext, FilterInstance, FilterKind, Piece, Request, Source, Status};
use crate::server::{cgi, escape};
use bstr::{BStr, BString, ByteSlice};
use parking_lot::Mutex;
use running::Running;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

pub static MODULE: Module = Module {
    name: "mod_ext_filter.c",
    ident: "ext_filter_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<Names>(),
    dir: Config::of::<ExtFilterDir>(),
    hooks: |_| {},
};

const DIRECTIVES: &[Directive] = &[
    raw_args("ExtFilterDefine", SERVER, NO_OVERRIDE, define, "Define an external filter"),
    iterate("ExtFilterOptions", DIRECTORY, NO_OVERRIDE, options, "valid options: LogStderr, NoLogStderr"),
];

/// A response up to here is as a rule collected before its head goes out.
const SMALL: u64 = 32 * 1024;

/// What ExtFilterDefine says of a filter.
#[derive(Default)]
struct Definition {
    name: BString,
    input: bool,
    /// The program and its arguments.
    command: Vec<BString>,
    intype: Option<BString>,
    outtype: Option<BString>,
    kind: Option<FilterKind>,
    preserves_length: bool,
    enable_env: Option<BString>,
    disable_env: Option<BString>,
}

/// Per-directory settings.
#[derive(Clone, Default)]
struct ExtFilterDir {
    log_stderr: Option<bool>,
    remove: Option<bool>,
}

impl Settings for ExtFilterDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        ExtFilterDir { log_stderr: add.log_stderr.or(base.log_stderr), remove: add.remove.or(base.remove) }
    }
}

fn options(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let dir = cx.dir::<ExtFilterDir>();
    match word.to_ascii_lowercase().as_slice() {
        b"logstderr" => dir.log_stderr = Some(true),
        b"nologstderr" => dir.log_stderr = Some(false),
        b"onfail=remove" => dir.remove = Some(true),
        b"onfail=abort" => dir.remove = Some(false),
        _ => return Err(format!("Invalid ExtFilterOptions option: {word}").into()),
    }
    Ok(())
}

/// Cuts what stands before the next white space off; quotes mean nothing.
fn cut<'a>(args: &mut &'a [u8]) -> &'a BStr {
    let end = args.find_byteset(b" \t\n\r\x0b\x0c").unwrap_or(args.len());
    let (word, rest) = args.split_at(end);
    *args = rest.trim_ascii_start();
    word.as_bstr()
}

/// Cuts `keyword` off, in whatever case it is written.
fn keyword(args: &mut &[u8], keyword: &str) -> bool {
    match args.split_at_checked(keyword.len()) {
        Some((start, rest)) if start.eq_ignore_ascii_case(keyword.as_bytes()) => {
            *args = rest;
            true
        }
        _ => false,
    }
}

/// A quoted command line, cut off behind its second quote.
fn quoted<'a>(args: &mut &'a [u8]) -> Option<&'a [u8]> {
    let text = args.strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = text.iter().position(|byte| {
        let end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        end
    })?;
    *args = text.get(end + 1..).unwrap_or_default();
    text.get(..end)
}

/// The words of a command line. A backslash takes the meaning of white space, of a quote and of itself; a word that
/// starts with a quote goes to the next of its kind.
fn words(mut text: &[u8]) -> Vec<BString> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let mut words = Vec::new();
    loop {
        text = text.trim_start_with(|c| c == ' ' || c == '\t');
        let Some(&first) = text.first() else { return words };
        let quote = Some(first).filter(|first| matches!(first, b'"' | b'\''));
        text = text.get(usize::from(quote.is_some())..).unwrap_or_default();
        let mut end = 0;
        while let Some(byte) = text.get(end) {
            let next = text.get(end + 1);
            if *byte == b'\\' && next.is_some_and(|next| matches!(next, b' ' | b'\t' | b'"' | b'\'')) {
                end += 2;
            } else if quote == Some(*byte) || quote.is_none() && space(byte) {
                break;
            } else {
                end += 1;
            }
        }
        let mut escaped = false;
        let word = text.get(..end).unwrap_or_default().iter().copied().filter(|byte| {
            escaped = *byte == b'\\' && !escaped;
            !escaped
        });
        words.push(word.collect::<Vec<u8>>().into());
        text = text.get(end + 1..).unwrap_or_default();
    }
}

fn define(cx: &mut Cx<'_>, args: Word<'_>) -> Outcome {
    let mut args = args.trim_ascii_start();
    let mut new = Definition { name: cut(&mut args).into(), ..Definition::default() };
    while let Some(first) = args.first() {
        if first.is_ascii_whitespace() {
            args = args.trim_ascii_start();
            continue;
        }
        let mut rest = args;
        if keyword(&mut rest, "preservescontentlength") {
            let word = cut(&mut args);
            if !word.eq_ignore_ascii_case(b"preservescontentlength") {
                return Err(format!("mangled argument `{word}'").into());
            }
            new.preserves_length = true;
        } else if keyword(&mut args, "mode=") {
            let word = cut(&mut args);
            new.input = match word.to_ascii_lowercase().as_slice() {
                b"output" => false,
                b"input" => true,
                _ => return Err(format!("Invalid mode: `{word}'").into()),
            };
        } else if keyword(&mut args, "ftype=") {
            let number = number(cut(&mut args));
            new.kind = Some(FilterKind(number));
        } else if keyword(&mut args, "enableenv=") {
            new.enable_env = Some(cut(&mut args).into());
        } else if keyword(&mut args, "disableenv=") {
            new.disable_env = Some(cut(&mut args).into());
        } else if keyword(&mut args, "intype=") {
            new.intype = Some(cut(&mut args).into());
        } else if keyword(&mut args, "outtype=") {
            new.outtype = Some(cut(&mut args).into());
        } else if keyword(&mut args, "cmd=") {
            new.command = match args.first() {
                Some(b'"') => words(quoted(&mut args).ok_or("Expected cmd= delimiter")?),
                _ => vec![cut(&mut args).into()],
            };
            if new.command.is_empty() {
                return Err("Invalid cmd= parameter".into());
            }
        } else {
            return Err(format!("Unexpected parameter: `{}'", args.as_bstr()).into());
        }
    }
    register(cx, new)
}

/// The number that a word begins with.
fn number(word: &[u8]) -> i32 {
    let digits = word.iter().enumerate().take_while(|(at, byte)| byte.is_ascii_digit() || *at == 0 && **byte == b'-');
    let text = word.get(..digits.count()).and_then(|digits| digits.to_str().ok()).unwrap_or_default();
    text.parse::<i64>().map_or(0, |number| number as i32)
}

/// The names of the filters that a server defined, whatever their mode.
#[derive(Clone, Default)]
struct Names(Vec<BString>);

impl Settings for Names {
    crate::slot!();
    fn merge(_: &Self, add: &Self) -> Self {
        add.clone()
    }
}

fn register(cx: &mut Cx<'_>, new: Definition) -> Outcome {
    let names = &mut cx.server::<Names>().0;
    if names.iter().any(|known| known.eq_ignore_ascii_case(&new.name)) {
        return Err(format!("ExtFilter {} is already defined", new.name).into());
    }
    names.push(new.name.clone());
    let filter = filter(new.kind.unwrap_or(FilterKind::Resource));
    let (name, input) = (new.name.clone(), new.input);
    let instance = FilterInstance { filter, context: Some(Arc::new(new)) };
    let defined = cx.process.shared::<DefinedFilters>();
    match input {
        true => defined.define_input(name, instance),
        false => defined.define_output(name, instance),
    }
    Ok(())
}

/// The filter of that kind: one for each number that any configuration named.
fn filter(kind: FilterKind) -> &'static Filter {
    static FILTERS: Mutex<Vec<&'static Filter>> = Mutex::new(Vec::new());
    let mut filters = FILTERS.lock();
    match filters.iter().find(|filter| filter.kind == kind) {
        Some(filter) => filter,
        None => {
            let filter: &Filter = Box::leak(Box::new(Filter { name: "ext_filter", kind, wrap }));
            filters.push(filter);
            filter
        }
    }
}

/// Whether the filter has to do with the request.
fn applies(r: &Request, filter: &Definition) -> bool {
    if let Some(intype) = &filter.intype {
        let media =
            if filter.input { r.headers_in.get("Content-Type") } else { r.content_type.as_deref().map(BStr::new) };
        let Some(media) = media else { return false };
        let bare = media.split(|byte| matches!(byte, b';' | b' ' | b'\t')).next().unwrap_or_default();
        if !intype.eq_ignore_ascii_case(bare) {
            return false;
        }
    }
    filter.enable_env.as_ref().is_none_or(|name| r.env.contains(name))
        && !filter.disable_env.as_ref().is_some_and(|name| r.env.contains(name))
}

/// Puts into `r.env` what the program sees.
fn environment(r: &mut Request) {
    {
        // Where the path behind a script leads is known at once, or left out: the head of the response cannot wait.
        let mut asking = pin!(cgi::cgi_env(r));
        let _ = asking.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    }
    cgi::common_env(r);
    r.env.set("DOCUMENT_URI", &r.uri);
    r.env.set("DOCUMENT_PATH_INFO", &r.path_info);
    if let Some(args) = &r.args {
        let mut plain = args.to_vec();
        let _ = escape::unescape_url(&mut plain, escape::Slashes::Decode);
        r.env.set("QUERY_STRING_UNESCAPED", escape::shell(&plain));
    }
}

fn wrap(r: &mut Request, body: Body, context: &FilterContext) -> Result<Body, Status> {
    let Some(filter) = context.clone().and_then(|context| context.downcast::<Definition>().ok()) else {
        return Ok(body);
    };
    let applies = applies(r, &filter);
    let mut running = None;
    if applies {
        environment(r);
        match Running::start(r, &filter) {
            Ok(program) => running = Some(program),
            Err(error) => return failed(r, body, &filter, &error),
        }
        if let Some(outtype) = &filter.outtype {
            r.set_content_type(outtype.clone());
        }
        // What is small is measured anyway, and can then be cut into ranges.
        let keeps = filter.preserves_length && (filter.input || body.length().is_none_or(|length| length > SMALL));
        match filter.input {
            _ if keeps => {}
            true => drop(r.headers_in.unset("Content-Length")),
            false => {
                r.headers_out.unset("Content-Length");
                r.content_length = None;
            }
        }
    }
    trace(r, &filter, applies);
    Ok(match running {
        Some(program) => Body::Stream(program.filter(body, &filter)),
        None => body,
    })
}

fn trace(r: &Request, filter: &Definition, applies: bool) {
    if !r.logs(Level::Trace1, "ext_filter") {
        return;
    }
    let complaints = if r.dir::<ExtFilterDir>().log_stderr == Some(true) { "LogStderr" } else { "NoLogStderr" };
    let length = if filter.preserves_length { "PreservesContentLength" } else { "!PreserveContentLength" };
    let media = r.content_type.as_deref().map_or("(unspecified)".into(), |media| media.to_str_lossy());
    let program = filter.command.first().map(|program| program.to_str_lossy()).unwrap_or_default();
    let intype = filter.intype.as_deref().map_or("*/*".into(), |media| media.to_str_lossy());
    let outtype = filter.outtype.as_deref().map_or("(unchanged)".into(), |media| media.to_str_lossy());
    let text = format_args!(
        "{}filtering `{}' of type `{media}' through `{program}', cfg ExtFilterOptions {complaints} {length} \
         ExtFilterInType {intype} ExtFilterOuttype {outtype}",
        if applies { "" } else { "NOT " },
        crate::log::raw(&r.uri),
    );
    r.log(Level::Trace1, "ext_filter", text);
}

/// The program could not be started.
fn failed(r: &mut Request, body: Body, filter: &Definition, error: &std::io::Error) -> Result<Body, Status> {
    let program = filter.command.first().map(|program| program.to_str_lossy()).unwrap_or_default();
    let text = format_args!("AH01458: couldn't create child process to run `{program}'");
    r.log_errno(Level::Error, "ext_filter", error, text);
    let remove = r.dir::<ExtFilterDir>().remove == Some(true);
    let (number, mode) = if filter.input { ("01470", "input") } else { ("01467", "output") };
    let what = if remove { "removing" } else { "aborting" };
    let text = format_args!("AH{number}: can't initialise {mode} filter {}: {what}", filter.name);
    r.log_errno(Level::Error, "ext_filter", error, text);
    match (remove, filter.input) {
        (true, _) => Ok(body),
        (false, true) => Err(Status::BAD_REQUEST),
        // An error that is known only when the response is on its way.
        (false, false) => {
            r.headers_out.unset("Content-Length");
            r.content_length = None;
            Ok(Body::Stream(Box::new(Failed)))
        }
    }
}

/// A response that ends before it begins.
struct Failed;

impl Source for Failed {
    fn next<'a>(&'a mut self, _: &'a mut Request) -> crate::engine::BoxFuture<'a, Result<Option<Piece>, Fault>> {
        let fault = Fault { status: Status::INTERNAL_SERVER_ERROR, ..Fault::upstream("a filter could not be started") };
        Box::pin(std::future::ready(Err(fault)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines() {
        let cases: [(&[u8], &[&str]); 8] = [
            (b"/bin/cat", &["/bin/cat"]),
            (b" a\t b ", &["a", "b"]),
            (br"a\ b c\\d \e", &["a b", r"c\d", "e"]),
            (br"'a b' 'it\'s'", &["a b", "it's"]),
            (br#"\"e f\""#, &["\"e", "f\""]),
            (b"'a'b c", &["a", "b", "c"]),
            (b"'open", &["open"]),
            (b"", &[]),
        ];
        for (line, expected) in cases {
            assert_eq!(words(line), expected, "{}", line.as_bstr());
        }
    }
}
