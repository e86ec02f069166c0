//! SSLPassPhraseDialog: who says the pass phrases of keys.

use super::host::Failed;
use super::keys::{self, Found, Locked};
use super::settings::SslServer;
use crate::config::{Configuration, Cx, Outcome, Server, identity};
use crate::log::Level;
use bstr::{BStr, BString, ByteSlice};
use parking_lot::Mutex;
use rustls::pki_types::PrivateKeyDer;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// How pass phrases are asked for.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub enum Dialog {
    /// On the terminal.
    #[default]
    Builtin,
    /// A program that is asked once for each key.
    Exec(BString),
    /// A program that is asked for all of them.
    Pipe(BString),
}

pub(super) fn dialog(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let dialog = if word.eq_ignore_ascii_case(b"builtin") {
        Dialog::Builtin
    } else if let Some(program) = word.strip_prefix(b"|") {
        let program = cx.server_root_relative(program);
        Dialog::Pipe(program.into_os_string().into_encoded_bytes().into())
    } else if word.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"exec:")) {
        let program = cx.server_root_relative(word.get(5..).unwrap_or_default());
        exists(&program)?;
        Dialog::Exec(program.into_os_string().into_encoded_bytes().into())
    } else {
        return Err("SSLPassPhraseDialog: Invalid argument".into());
    };
    cx.server::<SslServer>().dialog = Some(dialog);
    Ok(())
}

fn exists(program: &std::path::Path) -> Outcome {
    match program.exists() {
        true => Ok(()),
        false => Err(format!("SSLPassPhraseDialog: file '{}' does not exist", program.display()).into()),
    }
}

/// Keys that were opened, by the place in the configuration and their file: a restart asks for no pass phrase again.
static OPENED: Mutex<Option<HashMap<(String, BString), PrivateKeyDer<'static>>>> = Mutex::new(None);

/// The pass phrases of one reading of the configuration.
#[derive(Default)]
pub struct Phrases {
    known: Vec<Vec<u8>>,
    pipe: Option<(Child, BufReader<std::process::ChildStdout>)>,
    greeted: bool,
}

impl Drop for Phrases {
    fn drop(&mut self) {
        if let Some((mut child, _)) = self.pipe.take() {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}

impl Phrases {
    /// The key of a file; one that is locked is opened. `id` is the certificate's name in log lines.
    pub fn key(
        &mut self,
        configuration: &Configuration,
        server: &Server,
        id: &str,
        kind: &str,
        file: &BString,
    ) -> Result<Option<PrivateKeyDer<'static>>, Failed> {
        let text = std::fs::read(file.to_path_lossy()).unwrap_or_default();
        let locked = match keys::find(&text) {
            Found::Key(key) => return Ok(Some(key)),
            Found::Nothing => return Ok(None),
            Found::Locked(locked) => locked,
        };
        let place = (id.to_owned(), file.clone());
        if let Some(key) = self.known.iter().find_map(|phrase| locked.open(phrase)) {
            OPENED.lock().get_or_insert_default().insert(place, key.clone_key());
            return Ok(Some(key));
        }
        if let Some(key) = OPENED.lock().as_ref().and_then(|opened| opened.get(&place)) {
            let text = format_args!("AH02575: Reusing existing private key from {file} on restart");
            server.log(Level::Info, "ssl", text);
            return Ok(Some(key.clone_key()));
        }
        let dialog = configuration.main().settings.of::<SslServer>().dialog.clone().unwrap_or_default();
        let phrase = self.ask(&dialog, server, id, kind, file);
        let Some(phrase) = phrase else {
            let text = "AH02578: Init: Unable to read pass phrase [Hint: key introduced or changed before restart?]";
            server.log(Level::Error, "ssl", format_args!("{text}"));
            return Err(Failed);
        };
        let key = self.try_phrase(&dialog, server, (id, kind, file), &locked, phrase);
        match key {
            Some(key) => {
                OPENED.lock().get_or_insert_default().insert(place, key.clone_key());
                Ok(Some(key))
            }
            None => {
                server.log(Level::Emerg, "ssl", format_args!("AH02580: Init: Pass phrase incorrect for key {id}"));
                Err(Failed)
            }
        }
    }

    /// A pass phrase that was typed wrong may be typed anew.
    fn try_phrase(
        &mut self,
        dialog: &Dialog,
        server: &Server,
        (id, kind, file): (&str, &str, &BString),
        locked: &Locked,
        phrase: Vec<u8>,
    ) -> Option<PrivateKeyDer<'static>> {
        let mut phrase = phrase;
        for left in [2, 1, 0] {
            if let Some(key) = locked.open(&phrase) {
                self.known.push(phrase);
                return Some(key);
            }
            if matches!(dialog, Dialog::Exec(_)) || left == 0 {
                break;
            }
            phrase = self.ask(dialog, server, id, kind, file)?;
        }
        None
    }

    fn ask(&mut self, dialog: &Dialog, server: &Server, id: &str, kind: &str, file: &BString) -> Option<Vec<u8>> {
        match dialog {
            Dialog::Exec(program) => {
                let text = format_args!("AH01969: Init: Requesting pass phrase from dialog filter program ({program})");
                server.log(Level::Info, "ssl", text);
                let host = super::host::id(server);
                let told = Command::new(program.to_path_lossy().as_os_str())
                    .arg(host)
                    .arg(kind)
                    .stdin(Stdio::null())
                    .stderr(Stdio::inherit())
                    .output()
                    .ok()?;
                first_line(&told.stdout)
            }
            Dialog::Pipe(program) => {
                if self.pipe.is_none() {
                    let mut child = Command::new(program.to_path_lossy().as_os_str())
                        .stdin(Stdio::piped())
                        .stdout(Stdio::piped())
                        .spawn()
                        .ok()?;
                    let out = BufReader::new(child.stdout.take()?);
                    self.pipe = Some((child, out));
                }
                let (child, out) = self.pipe.as_mut()?;
                child.stdin.as_mut()?.write_all(prompt(id, file).as_bytes()).ok()?;
                let mut line = Vec::new();
                out.read_until(b'\n', &mut line).ok()?;
                first_line(&line)
            }
            Dialog::Builtin => {
                let mut terminal = std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty").ok()?;
                if !std::mem::replace(&mut self.greeted, true) {
                    let version = identity::COMPATIBLE;
                    let text = format!(
                        "Apache/{version} mod_ssl (Pass Phrase Dialog)\n\
                         Some of your private key files are encrypted for security reasons.\n\
                         In order to read them you have to provide the pass phrases.\n"
                    );
                    terminal.write_all(text.as_bytes()).ok()?;
                }
                terminal.write_all(prompt(id, file).as_bytes()).ok()?;
                let line = without_echo(&terminal, || {
                    let mut line = Vec::new();
                    BufReader::new(&terminal).read_until(b'\n', &mut line).ok().map(|_| line)
                });
                terminal.write_all(b"\n").ok()?;
                first_line(&line?)
            }
        }
    }
}

fn prompt(id: &str, file: &BString) -> String {
    format!("\nPrivate key {id} ({file})\nEnter pass phrase:")
}

/// The line without its end; an empty one is no pass phrase.
fn first_line(text: &[u8]) -> Option<Vec<u8>> {
    let line = text.split(|byte| *byte == b'\n').next()?.trim_end_with(|c| c == '\r');
    (!line.is_empty()).then(|| line.to_vec())
}

/// Reads from a terminal that shows nothing of what is typed.
fn without_echo<T>(terminal: &std::fs::File, read: impl FnOnce() -> T) -> T {
    use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
    let before = tcgetattr(terminal).ok();
    if let Some(mut quiet) = before.clone() {
        quiet.local_flags.remove(LocalFlags::ECHO);
        let _ = tcsetattr(terminal, SetArg::TCSANOW, &quiet);
    }
    let read = read();
    if let Some(before) = before {
        let _ = tcsetattr(terminal, SetArg::TCSANOW, &before);
    }
    read
}
