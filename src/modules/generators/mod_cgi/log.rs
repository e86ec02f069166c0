//! ScriptLog: what went into scripts that failed, and what came out of them.

use super::CgiServer;
use crate::log::clock;
use crate::request::{MethodNumber, Request, Status};
use bstr::ByteSlice;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

const LENGTH: i64 = 10_385_760;
const BUFFER: i64 = 1024;

/// Octets of a request's body to keep for the log.
pub(super) fn kept(r: &Request) -> usize {
    let settings = r.server::<CgiServer>();
    let some = settings.log.is_some() && (r.method.is(MethodNumber::POST) || r.method.is(MethodNumber::PUT));
    if some { usize::try_from(settings.buffer.unwrap_or(BUFFER)).unwrap_or(0) } else { 0 }
}

fn heading(r: &Request, status: Status) -> Vec<u8> {
    let mut out = b"%% [".to_vec();
    clock::append_strftime(&mut out, b"%a %b %d %H:%M:%S %Y", &clock::Civil::local(clock::now()));
    out.extend_from_slice(b"] ");
    out.extend_from_slice(r.method.name());
    out.push(b' ');
    out.extend_from_slice(&r.uri);
    if let Some(args) = &r.args {
        out.push(b'?');
        out.extend_from_slice(args);
    }
    out.push(b' ');
    out.extend_from_slice(&r.protocol);
    drop(write!(out, "\n%% {} ", status.0));
    out.extend_from_slice(&r.filename);
    out.push(b'\n');
    out
}

/// Appends, unless the log is as long as it may be.
fn append(r: &Request, entry: &[u8]) {
    let settings = r.server::<CgiServer>();
    let Some(path) = settings.log.as_ref().map(|path| path.to_path_lossy()) else { return };
    let limit = settings.length.unwrap_or(LENGTH);
    let full = |length: u64| i64::try_from(length).unwrap_or(i64::MAX) > limit;
    crate::engine::block(|| {
        if !std::fs::metadata(&path).is_ok_and(|facts| full(facts.len()))
            && let Ok(mut file) = OpenOptions::new().append(true).create(true).mode(0o644).open(&path)
        {
            // A log that cannot be written is no reason to fail a request.
            let _ = file.write_all(entry);
        }
    });
}

/// A complaint of ours or of the script.
pub(super) fn error(r: &Request, status: Status, text: &[u8]) {
    if r.server::<CgiServer>().log.is_some() {
        append(r, &[&heading(r, status)[..], b"%error\n", text, b"\n"].concat());
    }
}

/// A script whose head was none: the request, `body` as far as it was kept, the line that was no field, and the output.
pub(super) fn failure(r: &Request, body: &[u8], line: &[u8], output: &[u8]) {
    if r.server::<CgiServer>().log.is_none() {
        return;
    }
    let mut out = heading(r, Status::INTERNAL_SERVER_ERROR);
    out.extend_from_slice(b"%request\n");
    let fields = |table: &crate::request::Table, out: &mut Vec<u8>| {
        for (name, value) in table.iter() {
            for part in [name.as_bytes(), b": ", value.as_bytes(), b"\n"] {
                out.extend_from_slice(part);
            }
        }
    };
    fields(&r.headers_in, &mut out);
    if !body.is_empty() {
        for part in [b"\n", body, b"\n"] {
            out.extend_from_slice(part);
        }
    }
    out.extend_from_slice(b"%response\n");
    fields(&r.headers_out, &mut out);
    if !line.is_empty() {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    if !output.is_empty() {
        for part in [b"%stdout\n", output, b"\n"] {
            out.extend_from_slice(part);
        }
    }
    append(r, &out);
}
