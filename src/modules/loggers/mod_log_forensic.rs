//! mod_log_forensic: two lines a request, before and after: ForensicLog.
//!
//! Hooks: `open_logs`, middle; `post_read_request`, last: the first line; `log_transaction`, last: the second. A line that
//! cannot be written ends the child, as the manual promises: what is not in the log has not been served.
//! Manual: mod/mod_log_forensic.html.

use crate::config::*;
use crate::log::{self, Level, LogsNotOpened};
use crate::module::{Answer, Hooks, Linked, MIDDLE, Module, REALLY_LAST};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

pub static MODULE: Module = Module {
    name: "mod_log_forensic.c",
    ident: "log_forensic_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<ForensicLog>(),
    dir: Config::none(),
    hooks,
};

const DIRECTIVES: &[Directive] =
    &[take1("ForensicLog", SERVER, NO_OVERRIDE, forensic_log, "the filename of the forensic log")];

/// The note with a request's name, for `%{forensic-id}n`.
const NOTE: &str = "forensic-id";

/// The module's settings of a server.
#[derive(Clone, Default)]
pub struct ForensicLog {
    destination: Option<Arc<BString>>,
    /// Filled when logs are opened.
    file: Option<Arc<File>>,
}

impl Settings for ForensicLog {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let destination = add.destination.clone().or_else(|| base.destination.clone());
        ForensicLog { destination, file: None }
    }
}

fn forensic_log(cx: &mut Cx<'_>, destination: &BStr) -> Outcome {
    cx.server::<ForensicLog>().destination = Some(Arc::new(destination.into()));
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.open_logs(MIDDLE, open);
    on.post_read_request(REALLY_LAST, before);
    on.log_transaction(REALLY_LAST, after);
}

/// Opens each log once; servers that inherit one share it.
fn open(configuration: &mut Configuration) -> Result<(), LogsNotOpened> {
    let root = configuration.process.server_root.clone();
    let mut opened: Vec<(Arc<BString>, Arc<File>)> = Vec::new();
    for server in &mut configuration.servers {
        let Some(destination) = server.settings.of::<ForensicLog>().destination.clone() else { continue };
        let known = opened.iter().find(|(other, _)| Arc::ptr_eq(other, &destination));
        let file = match known {
            Some((_, file)) => file.clone(),
            None => open_one(&root, &destination)?,
        };
        opened.push((destination, file.clone()));
        server.settings.edit::<ForensicLog>().file = Some(file);
    }
    Ok(())
}

fn open_one(root: &std::path::Path, destination: &BString) -> Result<Arc<File>, LogsNotOpened> {
    if destination.starts_with(b"|") {
        return log::spawn_logger(destination).map_err(|error| {
            let text = format_args!("AH00650: couldn't spawn forensic log pipe {}", log::raw(destination));
            log::process_errno(Level::Error, "log_forensic", error, text);
            LogsNotOpened
        });
    }
    let path = server::log_path(root, destination);
    log::open_file(&path, 0o644).map(Arc::new).map_err(|error| {
        let text = format_args!("AH00651: could not open forensic log file {}.", path.display());
        log::process_errno(Level::Error, "log_forensic", error, text);
        LogsNotOpened
    })
}

/// `+ID|request line|Field:value...`, escaped so that a line is a line and `|` and `:` part it.
fn before(r: &mut Request) -> Answer {
    let Some(file) = r.server::<ForensicLog>().file.clone() else { return Answer::Declined };
    // A redirected request goes on under its first name.
    if let Some(id) = r.prev.as_ref().and_then(|before| before.notes.get(NOTE)).map(BString::from) {
        r.notes.set(NOTE, id);
        return Answer::Ok;
    }
    let id = r.env.get("UNIQUE_ID").map_or_else(|| new_id(r.time), BString::from);
    let mut line = b"+".to_vec();
    line.extend_from_slice(&id);
    line.push(b'|');
    append_escaped(&mut line, &r.the_request);
    for (name, value) in r.headers_in.iter() {
        line.push(b'|');
        append_escaped(&mut line, name);
        line.push(b':');
        append_escaped(&mut line, value);
    }
    r.notes.set(NOTE, id);
    write(r, &file, line);
    Answer::Ok
}

/// `-ID`
fn after(r: &mut Request) -> Answer {
    let Some(file) = r.server::<ForensicLog>().file.clone() else { return Answer::Declined };
    let Some(id) = r.notes.get(NOTE) else { return Answer::Declined };
    let line = [b"-", id.as_bytes()].concat();
    write(r, &file, line);
    Answer::Ok
}

fn write(r: &Request, mut file: &File, mut line: Vec<u8>) {
    line.push(b'\n');
    if let Err(error) = file.write_all(&line) {
        let text = format_args!("the forensic log cannot be written; this child ends");
        r.log_errno(Level::Crit, "log_forensic", &error, text);
        std::process::abort();
    }
}

/// Process, second and a count: unique where mod_unique_id does not name requests.
fn new_id(time: i64) -> BString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{}:{:x}:{count:x}", std::process::id(), time / 1_000_000).into()
}

fn append_escaped(line: &mut Vec<u8>, text: &[u8]) {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !b"%:|".contains(&byte) || byte == b' ' {
            line.push(byte);
        } else {
            line.extend_from_slice(format!("%{byte:02x}").as_bytes());
        }
    }
}
