//! htpasswd: makes and changes the password files of basic authentication. Manual: programs/htpasswd.html.

use super::getopt::Words;
use super::password::{self, BAD_USER, FILE, From, LONGEST, MISMATCH, OVERFLOW, SYNTAX, Scheme};
use crate::server;
use bstr::{BStr, ByteSlice};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

const USAGE: &str = "Usage:
\thtpasswd [-cimB25dpsDv] [-C cost] [-r rounds] passwordfile username
\thtpasswd -b[cmB25dpsDv] [-C cost] [-r rounds] passwordfile username password

\thtpasswd -n[imB25dps] [-C cost] [-r rounds] username
\thtpasswd -nb[mB25dps] [-C cost] [-r rounds] username password
 -c  Create a new file.
 -n  Don't update file; display results on stdout.
 -b  Use the password from the command line rather than prompting for it.
 -i  Read password from stdin without verification (for script usage).
 -m  Force MD5 hashing of the password (default).
 -2  Force SHA-256 hashing of the password (secure).
 -5  Force SHA-512 hashing of the password (secure).
 -B  Force bcrypt hashing of the password (very secure).
 -C  Set the computing time used for the bcrypt algorithm
     (higher is more secure but slower, default: 5, valid: 4 to 17).
 -r  Set the number of rounds used for the SHA-256, SHA-512 algorithms
     (higher is more secure but slower, default: 5000).
 -d  Force CRYPT hashing of the password (8 chars max, insecure).
 -s  Force SHA-1 hashing of the password (insecure).
 -p  Do not hash the password (plaintext, insecure).
 -D  Delete the specified user.
 -v  Verify password for the specified user.
On other systems than Windows and NetWare the '-p' flag will probably not work.
The SHA-1 algorithm does not use a salt and is less secure than the MD5 algorithm.
";

/// Letters of the flags; a colon behind those that take a value.
pub(super) const FLAGS: &str = "cnmspdBbDi25C:r:v";

/// Exit code of the manual page that no other program has.
const INVALID_FILE: u8 = 7;

/// Why it ends early: the exit code and what to say, behind the program's name. None: nothing more to say.
type Failure = (u8, Option<String>);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Update,
    Create,
    Show,
    Verify,
    Delete,
}

struct Order {
    task: Task,
    from: From,
    scheme: Scheme,
    cost: u32,
    file: Vec<u8>,
    user: Vec<u8>,
    password: Vec<u8>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words = Words::read(FLAGS, std::env::args_os());
    let program = words.name.clone();
    match order(words).and_then(|order| run(&order)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            let mut err = io::stderr().lock();
            let _ = match text {
                Some(text) => writeln!(err, "{program}: {text}"),
                None => Ok(()),
            };
            ExitCode::from(code)
        }
    }
}

fn say(text: impl AsRef<[u8]>) {
    let _ = io::stderr().write_all(text.as_ref());
}

fn usage() -> Failure {
    say(USAGE);
    (SYNTAX, None)
}

fn order(words: Words) -> Result<Order, Failure> {
    if let Some(complaint) = words.complaint {
        say(format!("{}: {complaint}\n", words.program));
        return Err(usage());
    }
    let (mut tasks, mut from, mut scheme, mut cost) = (Vec::new(), From::Twice, Scheme::Apr1, 0);
    for (flag, value) in &words.flags {
        match flag {
            b'c' => tasks.push(Task::Create),
            b'n' => tasks.push(Task::Show),
            b'v' => tasks.push(Task::Verify),
            b'D' => tasks.push(Task::Delete),
            b'b' => from = From::CommandLine,
            b'i' => from = From::StandardInput,
            b'm' => scheme = Scheme::Apr1,
            b'2' => scheme = Scheme::Sha256,
            b'5' => scheme = Scheme::Sha512,
            b'B' => scheme = Scheme::Bcrypt,
            b'd' => scheme = Scheme::Crypt,
            b's' => scheme = Scheme::Sha1,
            b'p' => scheme = Scheme::Plain,
            _ => {
                cost = password::cost(value).map_err(|(code, text)| (code, Some(text)))?;
            }
        }
    }
    if tasks.iter().skip(1).any(|task| Some(task) != tasks.first()) {
        return Err((SYNTAX, Some("only one of -c -n -v -D may be specified".to_owned())));
    }
    if cost != 0 && !matches!(scheme, Scheme::Bcrypt | Scheme::Sha256 | Scheme::Sha512) {
        say("Warning: Ignoring -C/-r argument for this algorithm.\n");
        cost = 0;
    }
    if scheme == Scheme::Plain {
        say("Warning: storing passwords as plain text might just not work on this platform.\n");
    }
    let task = tasks.first().copied().unwrap_or(Task::Update);
    let mut operands = words.operands.into_iter();
    let wanted = usize::from(task != Task::Show) + 1 + usize::from(from == From::CommandLine);
    if operands.len() != wanted {
        return Err(usage());
    }
    let file = if task == Task::Show { Vec::new() } else { operands.next().unwrap_or_default() };
    let (user, password) = (operands.next().unwrap_or_default(), operands.next().unwrap_or_default());
    if user.len() > 255 {
        return Err((OVERFLOW, Some("username too long (> 255)".to_owned())));
    }
    if user.contains(&b':') {
        return Err((BAD_USER, Some("username contains illegal character ':'".to_owned())));
    }
    if password.len() > LONGEST {
        return Err((OVERFLOW, Some(format!("password too long (> {LONGEST})"))));
    }
    Ok(Order { task, from, scheme, cost, file, user, password })
}

fn run(order: &Order) -> Result<(), Failure> {
    let path = Path::new(std::ffi::OsStr::from_bytes(&order.file));
    let name = path.display();
    if order.task != Task::Show {
        let exists = path.exists();
        if order.task != Task::Create {
            let usable = exists && OpenOptions::new().read(true).write(true).open(path).is_ok();
            if !usable {
                let how = if exists && !path.is_dir() {
                    format!("cannot open file {name} for read/write access")
                } else {
                    format!("cannot modify file {name}; use '-c' to create it")
                };
                return Err((FILE, Some(how)));
            }
        } else if OpenOptions::new().append(true).create(true).open(path).is_err() {
            return Err((FILE, Some(format!("cannot create file {name}"))));
        }
    }
    match order.task {
        Task::Verify => return verify(order, path),
        Task::Delete => {}
        Task::Show => {
            let line = record(order)?;
            let _ = io::stdout().write_all(&[&line[..], b"\n"].concat());
            return Ok(());
        }
        Task::Create | Task::Update => {}
    }
    let fresh = if order.task == Task::Delete { Vec::new() } else { record(order)? };
    let before = if order.task == Task::Create { Vec::new() } else { std::fs::read(path).unwrap_or_default() };
    let (mut content, mut found) = (Vec::new(), false);
    for line in before.split_inclusive(|byte| *byte == b'\n') {
        if !line.trim_ascii().is_empty() && !is_comment(line) && !line.contains(&b':') {
            return Err((INVALID_FILE, Some(format!("The file {name} does not appear to be a valid htpasswd file."))));
        }
        if !is_of(line, &order.user) {
            content.extend_from_slice(line);
            continue;
        }
        found = true;
        say(if order.task == Task::Delete { "Deleting " } else { "Updating " });
        content.extend_from_slice(&fresh);
    }
    let user = BStr::new(&order.user);
    match (found, order.task) {
        (true, _) => {}
        (false, Task::Delete) => say(format!("User {user} not found\n")),
        (false, _) => {
            say("Adding ");
            content.extend_from_slice(&fresh);
        }
    }
    if found || order.task != Task::Delete {
        say(format!("password for user {user}\n"));
    }
    password::rewrite(path, &content).map_err(|_| (FILE, Some(format!("unable to update file {name}"))))
}

/// Whether a line of a file is the user's. Comments and what has no colon are nobody's.
fn is_of(line: &[u8], user: &[u8]) -> bool {
    !is_comment(line) && line.find_byte(b':').is_some_and(|colon| line.get(..colon) == Some(user))
}

fn is_comment(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"#")
}

fn password(order: &Order) -> Result<Vec<u8>, Failure> {
    let from = if order.task == Task::Verify && order.from == From::Twice { From::Once } else { order.from };
    password::obtain(from, &order.password).map_err(|(code, text)| (code, Some(text)))
}

/// The line that holds user and hash.
fn record(order: &Order) -> Result<Vec<u8>, Failure> {
    let password = password(order)?;
    let hash = password::hashed(order.scheme, &password, order.cost).map_err(|(code, text)| (code, Some(text)))?;
    if order.scheme == Scheme::Crypt && password.len() > 8 {
        say("Warning: Password truncated to 8 characters by CRYPT algorithm.\n");
    }
    Ok([&order.user[..], b":", &hash, b"\n"].concat())
}

fn verify(order: &Order, path: &Path) -> Result<(), Failure> {
    let user = BStr::new(&order.user);
    let text = std::fs::read(path).unwrap_or_default();
    let mut hashes = text.lines().filter(|line| is_of(line, &order.user));
    let Some(line) = hashes.next() else {
        say(format!("User {user} not found\n"));
        return Err((BAD_USER, None));
    };
    let hash = line.get(order.user.len() + 1..).unwrap_or_default();
    let hash = hash.split(|byte| *byte == b':').next().unwrap_or_default();
    let password = password(order).map_err(|(code, text)| {
        say(text.unwrap_or_default() + "\n");
        (code, None)
    })?;
    if !server::password_matches(&password, hash) {
        say("password verification failed\n");
        return Err((MISMATCH, None));
    }
    say(format!("Password for user {user} correct.\n"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_line_is() {
        assert!(is_of(b"u:x\n", b"u") && !is_of(b"ux:x\n", b"u"));
        assert!(!is_of(b"#u:x\n", b"#u") && !is_of(b"u\n", b"u") && !is_of(b"\n", b""));
    }
}
