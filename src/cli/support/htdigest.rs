//! htdigest: makes and changes the password files of digest authentication. Manual: programs/htdigest.html.

use super::password;
use bstr::{BStr, ByteSlice};
use md5::{Digest, Md5};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "Usage: htdigest [-c] passwordfile realm username\nThe -c flag creates a new file.\n";

/// Runs the program.
pub fn main() -> ExitCode {
    let words: Vec<Vec<u8>> = std::env::args_os().skip(1).map(OsStringExt::into_vec).collect();
    let done = match words.as_slice() {
        [flag, file, realm, user] if flag == b"-c" => create(file, realm, user),
        [file, realm, user] => update(file, realm, user),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            let _ = io::stderr().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn create(file: &[u8], realm: &[u8], user: &[u8]) -> Result<(), String> {
    let path = Path::new(OsStr::from_bytes(file));
    let unwritable = |error: io::Error| {
        let why = nix::errno::Errno::from_raw(error.raw_os_error().unwrap_or(0)).desc();
        format!("Could not open passwd file {} for writing: {why}\n", BStr::new(file))
    };
    password::rewrite(path, b"").map_err(unwritable)?;
    say(&format!("Adding password for {} in realm {}.\n", BStr::new(user), BStr::new(realm)));
    password::rewrite(path, &record(realm, user)?).map_err(unwritable)
}

fn update(file: &[u8], realm: &[u8], user: &[u8]) -> Result<(), String> {
    let path = Path::new(OsStr::from_bytes(file));
    let Ok(before) = std::fs::read(path) else {
        let name = BStr::new(file);
        return Err(format!("Could not open passwd file {name} for reading.\nUse -c option to create new one.\n"));
    };
    let key = [user, b":", realm, b":"].concat();
    let (mut content, mut found) = (Vec::new(), false);
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        if found || line.starts_with(b"#") || !line.starts_with(&key) {
            content.extend_from_slice(line);
            continue;
        }
        found = true;
        say(&format!("Changing password for user {} in realm {}\n", BStr::new(user), BStr::new(realm)));
        content.extend_from_slice(&record(realm, user)?);
    }
    if !found {
        say(&format!("Adding user {} in realm {}\n", BStr::new(user), BStr::new(realm)));
        content.extend_from_slice(&record(realm, user)?);
    }
    password::rewrite(path, &content).map_err(|error| format!("{}: {error}\n", BStr::new(file)))
}

fn say(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

fn record(realm: &[u8], user: &[u8]) -> Result<Vec<u8>, String> {
    let ask = |prompt| password::ask(prompt).map_err(|error| format!("{error}\n"));
    let first = ask("New password: ")?;
    if first.len() >= password::LONGEST {
        return Err("password too long\n".to_owned());
    }
    if first != ask("Re-type new password: ")? {
        return Err("They don't match, sorry.\n".to_owned());
    }
    let mut digest = String::new();
    for byte in Md5::digest([user, b":", realm, b":", &first].concat()) {
        let _ = write!(digest, "{byte:02x}");
    }
    Ok([user, b":", realm, b":", digest.as_bytes().as_bstr(), b"\n"].concat())
}
