//! RewriteMap: text files, random choices, DBM files, programs, built-in functions.

use crate::config::*;
use crate::engine;
use crate::log::{Level, raw};
use crate::request::{FileKind, Request};
use crate::server::dbm::{Access, Dbm, Format};
use crate::server::{self, escape, escape::Slashes};
use bstr::{BStr, BString, ByteSlice};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

#[derive(Clone, Copy)]
pub enum Function {
    ToLower,
    ToUpper,
    Escape,
    Unescape,
}

/// A file's lines, and when it was read.
#[derive(Default)]
pub struct Table {
    mtime: i64,
    values: Arc<HashMap<BString, BString>>,
}

/// A program that answers a line with a line.
pub struct Program {
    #[allow(dead_code, reason = "kept so that the process is this map's until the child ends")]
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// An open DBM file, and when it was last written to.
type Opened = Option<(i64, Dbm)>;

pub enum Map {
    Dbm { format: Format, file: BString, opened: Mutex<Opened> },
    Text { file: BString, random: bool, table: Mutex<Table> },
    Program { command: Vec<BString>, running: Mutex<Option<Program>> },
    Function(Function),
}

impl Map {
    pub fn parse(cx: &Cx<'_>, name: &BStr, source: &BStr) -> Result<Map, Complaint> {
        let (kind, rest) = source.split_once_str(":").unwrap_or((b"", source));
        let path = |text: &[u8]| -> Result<BString, Complaint> {
            use std::os::unix::ffi::OsStringExt;
            let path = BString::from(cx.server_root_relative(text).into_os_string().into_vec());
            match server::stat(&path) {
                Ok(_) => Ok(path),
                Err(_) => Err(format!("RewriteMap: file for map {name} not found:{path}").into()),
            }
        };
        let text = |file, random| Map::Text { file, random, table: Mutex::default() };
        match kind {
            b"txt" => Ok(text(path(rest)?, false)),
            b"rnd" => Ok(text(path(rest)?, true)),
            b"int" => Ok(Map::Function(match rest {
                b"tolower" => Function::ToLower,
                b"toupper" => Function::ToUpper,
                b"escape" => Function::Escape,
                b"unescape" => Function::Unescape,
                _ => return Err(format!("RewriteMap: internal map not found:{}", rest.as_bstr()).into()),
            })),
            b"prg" => {
                let mut words: Vec<BString> = Vec::new();
                let mut rest = rest;
                loop {
                    let (word, after) = httpd_conf::next_word(rest);
                    if word.is_empty() {
                        break;
                    }
                    words.push(word);
                    rest = after;
                }
                if let Some(first) = words.first_mut() {
                    *first = path(first)?;
                }
                Ok(Map::Program { command: words, running: Mutex::default() })
            }
            b"dbd" | b"fastdbd" => Err("RewriteMap types dbd and fastdbd require mod_dbd!".into()),
            _ if kind == b"dbm" || kind.starts_with(b"dbm=") => {
                let format = kind.strip_prefix(b"dbm=").unwrap_or(b"default");
                let Some(format) = Format::named(format) else {
                    return Err(format!("RewriteMap: dbm type {} is invalid", format.as_bstr()).into());
                };
                let suffix = if format == Format::Sdbm { &b".dir"[..] } else { b"" };
                let mut file = path(&[rest, suffix].concat())?;
                let length = file.len() - suffix.len();
                file.truncate(length);
                Ok(Map::Dbm { format, file, opened: Mutex::default() })
            }
            _ => Ok(text(path(source)?, false)),
        }
    }

    /// The value of a key.
    pub fn look_up(
        &self,
        r: &Request,
        name: &BStr,
        key: &[u8],
        log: &dyn Fn(Level, std::fmt::Arguments<'_>),
    ) -> Option<BString> {
        let done = |kind: &str, value: Option<BString>| {
            match &value {
                Some(value) => log(
                    Level::Trace5,
                    format_args!("map lookup OK: map={name}{kind} key={} -> val={}", raw(key), raw(value)),
                ),
                None => log(Level::Trace5, format_args!("map lookup FAILED: map={name}{kind} key={}", raw(key))),
            }
            value
        };
        match self {
            // The log shows what the function made of the key.
            Map::Function(function) => {
                let value = function.run(key);
                let shown = if matches!(function, Function::Escape) { key } else { &value };
                log(Level::Trace5, format_args!("map lookup OK: map={name} key={} -> val={}", raw(shown), raw(&value)));
                Some(value)
            }
            Map::Program { command, running } => {
                done("", engine::block(|| ask(&mut running.lock(), command, key)).filter(|answer| answer != "NULL"))
            }
            Map::Dbm { format, file, opened } => {
                let changing = format.files(&file.to_path_lossy()).pop().unwrap_or_default();
                let name_of = BString::from(changing.as_os_str().as_encoded_bytes());
                let Some(info) = server::stat(&name_of).ok().filter(|info| info.kind != FileKind::None) else {
                    let text = format_args!("AH00657: mod_rewrite: can't access DBM RewriteMap file {name_of}");
                    r.log_errno(Level::Error, "rewrite", libc::ENOENT, text);
                    return done("[dbm]", None);
                };
                log(Level::Trace6, format_args!("cache lookup FAILED, forcing new map lookup"));
                let found = engine::block(|| fetch(&mut opened.lock(), *format, file, info.changed, key));
                let found = found.unwrap_or_else(|error| {
                    let text = format_args!("AH00656: mod_rewrite: can't open DBM RewriteMap {file}");
                    r.log_errno(Level::Error, "rewrite", error, text);
                    None
                });
                done("[dbm]", found)
            }
            Map::Text { file, random, table } => {
                let info = match server::stat(file) {
                    Ok(info) if info.kind != FileKind::None => info,
                    _ => {
                        let text = format_args!("AH00661: mod_rewrite: can't access text RewriteMap file {file}");
                        r.log_errno(Level::Error, "rewrite", libc::ENOENT, text);
                        return done("[txt]", None);
                    }
                };
                let values = {
                    let mut table = table.lock();
                    if table.mtime != info.mtime {
                        log(Level::Trace6, format_args!("cache lookup FAILED, forcing new map lookup"));
                        *table = Table { mtime: info.mtime, values: Arc::new(read(file)) };
                    }
                    table.values.clone()
                };
                let value = done("[txt]", values.get(key.as_bstr()).cloned())?;
                if !*random || !value.contains(&b'|') {
                    return Some(value);
                }
                let choices: Vec<&[u8]> = value.split(|byte| *byte == b'|').collect();
                let chosen = choices
                    .get(RandomState::new().build_hasher().finish() as usize % choices.len().max(1))
                    .copied()
                    .unwrap_or_default();
                log(Level::Trace5, format_args!("randomly chosen the subvalue `{}'", chosen.as_bstr()));
                Some(chosen.into())
            }
        }
    }
}

/// Lines of a key and a value; of a key that stands twice the first holds.
fn read(file: &BString) -> HashMap<BString, BString> {
    let text = engine::block(|| std::fs::read(file.to_path_lossy())).unwrap_or_default();
    let mut values = HashMap::new();
    for line in text.split(|byte| *byte == b'\n') {
        if line.first().is_none_or(|first| *first == b'#' || first.is_ascii_whitespace()) {
            continue;
        }
        let end = line.iter().position(u8::is_ascii_whitespace).unwrap_or(line.len());
        let (key, rest) = line.split_at(end);
        let value = rest.trim_ascii_start();
        let value = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
        if !value.is_empty() {
            values.entry(BString::from(key)).or_insert_with(|| value.into());
        }
    }
    values
}

impl Function {
    fn run(self, key: &[u8]) -> BString {
        match self {
            Function::ToLower => key.to_ascii_lowercase().into(),
            Function::ToUpper => key.to_ascii_uppercase().into(),
            Function::Escape => escape::uri(key),
            Function::Unescape => {
                let mut text = key.to_vec();
                let _ = escape::unescape_url(&mut text, Slashes::Decode);
                text.into()
            }
        }
    }
}

/// The value in a DBM file. SDBM files stay open until they are written to; the others would hold off whoever writes.
fn fetch(
    opened: &mut Opened,
    format: Format,
    file: &BString,
    changed: i64,
    key: &[u8],
) -> Result<Option<BString>, i32> {
    let open = || Dbm::open(format, &file.to_path_lossy(), Access::Read, 0);
    if format != Format::Sdbm {
        return Ok(open()?.fetch(key)?.map(BString::from));
    }
    let database = match opened.take().filter(|(since, _)| *since == changed) {
        Some((_, database)) => database,
        None => open()?,
    };
    let found = database.fetch(key)?.map(BString::from);
    *opened = Some((changed, database));
    Ok(found)
}

/// One question; the program is started when there is none.
fn ask(running: &mut Option<Program>, command: &[BString], key: &[u8]) -> Option<BString> {
    // A key of several lines would get several answers.
    if key.contains(&b'\n') {
        return None;
    }
    if running.is_none() {
        let (program, arguments) = command.split_first()?;
        let mut child = Command::new(program.to_os_str_lossy())
            .args(arguments.iter().map(|word| word.to_os_str_lossy().into_owned()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (input, output) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        *running = Some(Program { child, input, output });
    }
    let program = running.as_mut()?;
    let mut answer = Vec::new();
    let asked = program.input.write_all(&[key, b"\n"].concat()).and_then(|()| program.input.flush());
    if asked.and_then(|()| program.output.read_until(b'\n', &mut answer)).is_ok_and(|count| count > 0) {
        if answer.last() == Some(&b'\n') {
            answer.pop();
        }
        return Some(answer.into());
    }
    *running = None;
    None
}
