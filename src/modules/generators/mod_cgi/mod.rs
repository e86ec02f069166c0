//! mod_cgi: runs programs that make a response (RFC 3875). mod_cgid is the same under another name.
//!
//! Hooks: `handler`, middle: handlers `cgi-script` and `application/x-httpd-cgi`, below `Options ExecCGI` or a ScriptAlias.
//! Nothing holds a thread while a program runs: its pipes are waited for by the engine. `log.rs` writes ScriptLog,
//! `running.rs` holds a program and ends what does not end by itself.
//!
//! Differences: there is no daemon, so ScriptSock names nothing. Manual: mod/mod_cgi.html, mod/mod_cgid.html.

mod log;
mod running;

use crate::config::*;
use crate::config::{atoi, duration};
use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::module::{Answer, ExecElement, Hooks, Linked, MIDDLE, Module, Phase, declined};
use crate::request::{Body, Fault, FileKind, Method, Piece, Request, Source, Status};
use crate::server::cgi::{self, HeadLine, ScriptHead};
use crate::server::{self, allowed_options};
use bstr::{BStr, BString, ByteSlice};
use bytes::Bytes;
use running::{Failure, Running};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

pub static MODULE: Module = Module {
    name: "mod_cgi.c",
    ident: "cgi_module",
    linked: Linked::Loadable,
    directives: &[SCRIPT_LOG, TIMEOUT],
    server: Config::of::<CgiServer>(),
    dir: Config::of::<CgiDir>(),
    hooks: |on| {
        on.later(Phase::handler, MIDDLE, |r| serve(r, &CGI));
        on.providers.offer::<dyn ExecElement>("exec", &CGI);
    },
};

/// What differs between the two modules.
pub(super) struct Kind {
    module: &'static str,
    /// AH numbers of refusals: no ExecCGI, nph- included, no file, a directory, a path behind it.
    refusals: [&'static str; 5],
    /// What a program says on its standard error gets lines of the request; else it goes to the main log as it is.
    pipes_errors: bool,
    reading_failed: &'static str,
}

static CGI: Kind = Kind {
    module: "cgi",
    refusals: ["02809", "02810", "02811", "02812", "02813"],
    pipes_errors: true,
    reading_failed: "01225",
};

pub(super) static CGID: Kind = Kind {
    module: "cgid",
    refusals: ["01262", "01263", "01264", "01265", "01266"],
    pipes_errors: false,
    reading_failed: "01270",
};

pub(super) const SCRIPT_LOG: &[Directive] = &[
    take1("ScriptLog", SERVER, NO_OVERRIDE, script_log, "the name of a log for script debugging info"),
    take1(
        "ScriptLogLength",
        SERVER,
        NO_OVERRIDE,
        |cx, word| {
            cx.server::<CgiServer>().length = Some(atoi(word));
            Ok(())
        },
        "the maximum length (in bytes) of the script debug log",
    ),
    take1(
        "ScriptLogBuffer",
        SERVER,
        NO_OVERRIDE,
        |cx, word| {
            cx.server::<CgiServer>().buffer = Some(atoi(word));
            Ok(())
        },
        "the maximum size (in bytes) to record of a POST request",
    ),
];

const PATIENCE: &str = "The amount of time to wait between successful reads from the CGI script, in seconds.";
const TIMEOUT: &[Directive] = &[take1("CGIScriptTimeout", SERVER.and(DIRECTORY), NO_OVERRIDE, patience, PATIENCE)];
pub(super) const CGID_TIMEOUT: &[Directive] =
    &[take1("CGIDScriptTimeout", SERVER.and(DIRECTORY), NO_OVERRIDE, patience, PATIENCE)];

/// ScriptLog and its limits.
#[derive(Clone, Default)]
pub(super) struct CgiServer {
    log: Option<BString>,
    length: Option<i64>,
    buffer: Option<i64>,
}

impl Settings for CgiServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        // A virtual host with a log of its own has limits of its own too.
        if add.log.is_some() { add.clone() } else { base.clone() }
    }
}

/// How long a program may be silent.
#[derive(Clone, Default)]
pub(super) struct CgiDir {
    patience: Option<Duration>,
}

impl Settings for CgiDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CgiDir { patience: add.patience.or(base.patience) }
    }
}

fn script_log(cx: &mut Cx<'_>, path: Word<'_>) -> Outcome {
    let path = BString::from(cx.server_root_relative(path).into_os_string().into_encoded_bytes());
    cx.server::<CgiServer>().log = Some(path);
    Ok(())
}

fn patience(cx: &mut Cx<'_>, word: Word<'_>) -> Outcome {
    let Some(micros) = duration(word, b"s") else {
        return Err(format!("{} has wrong format", cx.directive.name).into());
    };
    cx.dir::<CgiDir>().patience = Some(Duration::from_micros(micros.unsigned_abs()));
    Ok(())
}

/// Registers mod_cgid's hooks.
pub(super) fn cgid_hooks(on: &mut Hooks) {
    on.later(Phase::handler, MIDDLE, |r| serve(r, &CGID));
    on.providers.offer::<dyn ExecElement>("exec", &CGID);
}

fn serve<'a>(r: &'a mut Request, kind: &'static Kind) -> BoxFuture<'a, Answer> {
    let ours = r.handler.as_ref().is_some_and(|name| name == "cgi-script" || name == "application/x-httpd-cgi");
    if ours { Box::pin(run(r, kind)) } else { declined() }
}

/// The file's name without its directories.
fn base_name(r: &Request) -> BString {
    r.filename.rsplit_str("/").next().unwrap_or_default().into()
}

/// Why the script is not run.
fn refusal(r: &Request, raw_answer: bool) -> Option<(usize, Status, &'static str)> {
    let scripts = r.notes.get("alias-forced-type").is_some_and(|kind| kind == "cgi-script");
    if allowed_options(r) & options::EXEC_CGI == 0 && !scripts {
        return Some((0, Status::FORBIDDEN, "Options ExecCGI is off in this directory"));
    }
    if raw_answer && r.protocol == "INCLUDED" {
        return Some((1, Status::FORBIDDEN, "attempt to include NPH CGI script"));
    }
    match r.finfo.kind {
        FileKind::None => return Some((2, Status::NOT_FOUND, "script not found or unable to stat")),
        FileKind::Directory => return Some((3, Status::FORBIDDEN, "attempt to invoke directory as script")),
        _ => {}
    }
    let rejects = r.dir.core().accept_path_info == Some(PathInfo::Off);
    if rejects && !r.path_info.is_empty() {
        return Some((4, Status::NOT_FOUND, "AcceptPathInfo off disallows user's path"));
    }
    None
}

/// How long a program may be silent.
fn silence(r: &Request) -> Duration {
    let patience = r.dir::<CgiDir>().patience.filter(|patience| !patience.is_zero());
    let fallback = r.server.timeout.or(r.server.settings.of::<CoreServer>().timeout);
    patience.or(fallback).unwrap_or(Duration::from_secs(60))
}

impl ExecElement for Kind {
    fn module(&self) -> &'static str {
        self.module
    }
    fn command<'a>(&'a self, r: &'a mut Request, command: &'a BStr) -> BoxFuture<'a, Option<Body>> {
        let kind = if self.pipes_errors { &CGI } else { &CGID };
        let output = match Running::shell(r, kind, silence(r), command) {
            Ok(script) => {
                let output = Output { script, first: None, kind, raw_answer: false, gave: false, steady: false };
                Some(Body::Stream(Box::new(output)))
            }
            Err(error) => {
                not_started(r, kind, &error);
                None
            }
        };
        Box::pin(std::future::ready(output))
    }
}

async fn run(r: &mut Request, kind: &'static Kind) -> Answer {
    let name = base_name(r);
    let raw_answer = name.starts_with(b"nph-");
    if let Some((number, status, text)) = refusal(r, raw_answer) {
        let tag = kind.refusals.get(number).unwrap_or(&"");
        r.log(Level::Error, kind.module, format_args!("AH{tag}: stderr from {}: {text}", raw(&r.filename)));
        log::error(r, status, text.as_bytes());
        return Answer::Status(status);
    }
    cgi::common_env(r);
    cgi::cgi_env(r).await;
    let mut script = match Running::start(r, kind, silence(r)) {
        Ok(script) => script,
        Err(error) => {
            not_started(r, kind, &error);
            return failed(r, kind, name.as_bstr(), 0, Vec::new(), None).await;
        }
    };
    let sent = match script.feed(r).await {
        Ok(sent) => sent,
        Err(fault) => {
            let text = format_args!("AH{}: Error reading request entity data", kind.reading_failed);
            r.log_errno(Level::Error, kind.module, fault.errno, text);
            return Answer::Status(fault.status);
        }
    };
    if raw_answer {
        // The script writes head and body itself.
        r.simple = true;
        r.keep_alive = Some(false);
        r.output_filters.clear();
        r.body_out =
            Body::Stream(Box::new(Output { script, first: None, kind, raw_answer, gave: false, steady: false }));
        return Answer::Ok;
    }
    let mut lines = Lines::default();
    let mut head = ScriptHead::default();
    loop {
        let line = match lines.next(&mut script, r).await {
            Ok(Some(line)) => line,
            Ok(None) => return failed(r, kind, name.as_bstr(), head.lines(), sent, Some((script, lines, None))).await,
            Err(Failure::Timeout) => {
                let text = format_args!("Script timed out before returning headers: {}", raw(&name));
                r.log(Level::Error, kind.module, text);
                return Answer::Status(Status::GATEWAY_TIME_OUT);
            }
            Err(_) => return Answer::Status(Status::INTERNAL_SERVER_ERROR),
        };
        match head.line(r, &cgi::script_line(&line), name.as_bstr(), kind.module) {
            HeadLine::More => {}
            HeadLine::Malformed => {
                malformed(r, kind, &name, &line);
                return failed(r, kind, name.as_bstr(), usize::MAX, sent, Some((script, lines, Some(line)))).await;
            }
            HeadLine::End(Some(Status::NOT_MODIFIED)) => {
                r.status = Status::NOT_MODIFIED;
                return Answer::Ok;
            }
            HeadLine::End(Some(status)) => return Answer::Status(status),
            HeadLine::End(None) => break,
        }
    }
    if let Some(location) = r.headers_out.get("Location").filter(|_| r.status == Status::OK).map(BString::from) {
        let _ = script.drain(r).await;
        drop(script);
        if !location.starts_with(b"/") {
            return Answer::Status(Status::FOUND);
        }
        // The new request is one of its own: a GET without a body.
        r.method = Method::parse(b"GET");
        r.headers_in.unset("Content-Length");
        r.body_in = Body::Empty;
        return server::internal_redirect(r, &location).await;
    }
    let first = Some(Bytes::from(lines.rest)).filter(|rest| !rest.is_empty());
    r.body_out = Body::Stream(Box::new(Output { script, first, kind, raw_answer, gave: false, steady: false }));
    Answer::Ok
}

/// The system could not start the program.
fn not_started(r: &Request, kind: &Kind, error: &std::io::Error) {
    let file = raw(&r.filename);
    if kind.pipes_errors {
        let number = error.raw_os_error().unwrap_or_default();
        let why = crate::log::errno_text(number);
        let text = format!("({number}){why}: exec of '{file}' failed");
        r.log(Level::Error, kind.module, format_args!("AH01215: stderr from {file}: {text}"));
        log::error(r, Status::OK, text.as_bytes());
    } else {
        crate::log::process_errno(Level::Error, kind.module, error, format_args!("AH01241: exec of '{file}' failed"));
    }
}

fn malformed(r: &Request, kind: &Kind, name: &[u8], line: &[u8]) {
    let shown = raw(line.get(..30).unwrap_or(line));
    let text = format_args!("malformed header from script '{}': Bad header: {shown}", raw(name));
    r.log(Level::Error, kind.module, text);
}

/// A script without a whole head: says so and lets it end.
async fn failed(
    r: &mut Request,
    kind: &Kind,
    name: &BStr,
    lines: usize,
    sent: Vec<u8>,
    script: Option<(Running, Lines, Option<Vec<u8>>)>,
) -> Answer {
    match lines {
        0 => r.log(Level::Error, kind.module, format_args!("End of script output before headers: {}", raw(name))),
        usize::MAX => {}
        _ => r.log(Level::Error, kind.module, format_args!("Premature end of script headers: {}", raw(name))),
    }
    let (mut bad, mut output) = (Vec::new(), Vec::new());
    if let Some((mut script, lines, line)) = script {
        bad = line.unwrap_or_default();
        output = lines.rest;
        output.extend(script.drain(r).await.unwrap_or_default());
    }
    log::failure(r, &sent, &bad, &output);
    Answer::Status(Status::INTERNAL_SERVER_ERROR)
}

/// Longest line of a head.
const LONGEST_LINE: usize = 8190;

/// A script's output cut into lines.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    ended: bool,
}

impl Lines {
    /// The next line without its end; None when the script has no more of them: what is too long, or has no end, is none.
    async fn next(&mut self, script: &mut Running, r: &mut Request) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            if let Some(end) = self.rest.find_byte(b'\n').filter(|end| *end < LONGEST_LINE) {
                let mut line: Vec<u8> = self.rest.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(Some(line));
            }
            if self.rest.len() >= LONGEST_LINE || self.ended {
                return Ok(None);
            }
            match script.read(r).await? {
                Some(bytes) => self.rest.extend_from_slice(&bytes),
                None => self.ended = true,
            }
        }
    }
}

/// A script's output behind its head.
struct Output {
    script: Running,
    first: Option<Bytes>,
    kind: &'static Kind,
    raw_answer: bool,
    /// The last piece was output.
    gave: bool,
    /// A filter waits for more by itself when the script pauses.
    steady: bool,
}

impl Source for Output {
    fn next<'a>(&'a mut self, r: &'a mut Request) -> BoxFuture<'a, Result<Option<Piece>, Fault>> {
        Box::pin(async move {
            if let Some(first) = self.first.take() {
                self.gave = true;
                return Ok(Some(Piece::Bytes(first)));
            }
            let read = {
                let mut reading = pin!(self.script.read(r));
                let at_once = poll_fn(|cx| match reading.as_mut().poll(cx) {
                    Poll::Ready(read) => Poll::Ready(Some(read)),
                    Poll::Pending => Poll::Ready(None),
                });
                match at_once.await {
                    Some(read) => read,
                    // The script pauses: what it wrote until now goes out.
                    None if std::mem::take(&mut self.gave) && !self.steady => return Ok(Some(Piece::Flush)),
                    None => reading.await,
                }
            };
            match read {
                Ok(Some(bytes)) => {
                    self.gave = true;
                    Ok(Some(Piece::Bytes(bytes)))
                }
                Ok(None) => {
                    self.script.finish(r).await;
                    if self.raw_answer {
                        // What is head and what is body only the script knows.
                        r.bytes_sent = 0;
                    }
                    Ok(None)
                }
                Err(Failure::Timeout) if !self.raw_answer => {
                    let text = format_args!("AH00574: ap_content_length_filter: apr_bucket_read() failed");
                    r.log_errno(Level::Error, "core", 70_007, text);
                    Err(Fault::ours(format!("{}: the script is silent", self.kind.module)))
                }
                Err(Failure::Timeout) => Err(Fault::ours(format!("{}: the script is silent", self.kind.module))),
                Err(Failure::Read(error)) => Err(Fault::ours(error.to_string())),
            }
        })
    }
    fn read_steadily(&mut self, steadily: bool) {
        self.steady = steadily;
    }
}

/// Waits a moment for something that mostly is there already.
async fn soon<T>(future: impl Future<Output = T>) -> Option<T> {
    engine::timeout(Duration::from_millis(20), future).await.ok()
}
