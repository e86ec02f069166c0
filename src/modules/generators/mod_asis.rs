//! mod_asis: sends files that hold their own head, as a script would write it.
//!
//! Hooks: `handler`, middle: handlers `send-as-is` and `httpd/send-as-is`. Differences: none known.
//! Manual: mod/mod_asis.html.

use crate::config::*;
use crate::engine::{self, BoxFuture};
use crate::log::{Level, raw};
use crate::module::{Answer, Linked, MIDDLE, Module, Phase, declined};
use crate::request::{Body, FileKind, FileRange, Method, MethodNumber, OpenFile, Request, Status};
use crate::server::cgi::{HeadLine, ScriptHead};
use crate::server::{self, allow};
use bstr::{BString, ByteSlice};
use std::fs::File;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_asis.c",
    ident: "asis_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks: |on| {
        on.later(Phase::handler, MIDDLE, serve);
    },
};

/// Longest head, and longest line of one.
const HEAD: usize = 64 * 1024;
const LINE: usize = 8190;

fn serve(r: &mut Request) -> BoxFuture<'_, Answer> {
    let ours = r.handler.as_ref().is_some_and(|name| name == "send-as-is" || name == "httpd/send-as-is");
    if ours { Box::pin(send(r)) } else { declined() }
}

async fn send(r: &mut Request) -> Answer {
    allow(r, &[MethodNumber::GET]);
    if !r.method.is(MethodNumber::GET) {
        return Answer::Declined;
    }
    if r.finfo.kind == FileKind::None {
        r.log(Level::Info, "asis", format_args!("AH01233: File does not exist: {}", raw(&r.filename)));
        return Answer::Status(Status::NOT_FOUND);
    }
    let opened = engine::block(|| {
        let file = OpenFile::from(File::open(r.filename.to_path_lossy())?);
        let mut start = vec![0; HEAD];
        let length = file.read_at(&mut start, 0)?;
        start.truncate(length);
        Ok((file, start))
    });
    let (file, start) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let error: std::io::Error = error;
            let text = format_args!("AH01234: file permissions deny server access: {}", raw(&r.filename));
            r.log_errno(Level::Error, "asis", &error, text);
            return Answer::Status(Status::FORBIDDEN);
        }
    };
    let body = head(r, &start);
    let location = r.headers_out.get("Location").filter(|place| r.status == Status::OK && place.starts_with(b"/"));
    if let Some(location) = location.map(BString::from) {
        r.method = Method::parse(b"GET");
        r.headers_in.unset("Content-Length");
        return server::internal_redirect(r, &location).await;
    }
    if r.header_only {
        return Answer::Ok;
    }
    let Some(body) = body else { return Answer::Ok };
    let offset = body as u64;
    let length = file.as_ref().metadata().map_or(r.finfo.size, |facts| facts.len());
    r.body_out = Body::File(FileRange { file: Arc::new(file), offset, len: length.saturating_sub(offset) });
    Answer::Ok
}

/// Takes the head of a file; where its body starts. None: what should be a head is none, which spoils nothing but the body.
fn head(r: &mut Request, start: &[u8]) -> Option<usize> {
    let name: BString = r.filename.rsplit_str("/").next().unwrap_or_default().into();
    let mut head = ScriptHead::of_file();
    let mut at = 0;
    while let Some(rest) = start.get(at..).filter(|rest| !rest.is_empty()) {
        let end = rest.find_byte(b'\n').map_or(rest.len(), |end| end + 1).min(LINE);
        let line = rest.get(..end).unwrap_or_default();
        at += end;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match head.line(r, line, name.as_bstr(), "asis") {
            HeadLine::More => {}
            // The file is sent whatever the client has already.
            HeadLine::End(_) => return Some(at),
            HeadLine::Malformed => {
                let text = format_args!("malformed header from script '{}': Bad header: ", raw(&name));
                r.log(Level::Error, "asis", text);
                return None;
            }
        }
    }
    let what =
        if head.lines() == 0 { "End of script output before headers" } else { "Premature end of script headers" };
    r.log(Level::Error, "asis", format_args!("{what}: {}", raw(&name)));
    None
}
