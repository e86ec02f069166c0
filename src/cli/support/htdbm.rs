//! htdbm: makes and changes DBM files of users and passwords. Manual: programs/htdbm.html.

use super::getopt::Words;
use super::password::{self, BAD_USER, FILE, From, MISMATCH, OVERFLOW, SYNTAX, Scheme};
use crate::log::errno_text;
use crate::server;
use crate::server::dbm::{Access, Dbm, Format};
use bstr::{BStr, ByteSlice};
use std::io::{self, Write};
use std::process::ExitCode;

const USAGE: &str = "htdbm -- program for manipulating DBM password databases.

Usage: htdbm   [-cimBdpstvx] [-C cost] [-TDBTYPE] database username
                -b[cmBdptsv] [-C cost] [-TDBTYPE] database username password
                -n[imBdpst]  [-C cost] username
                -nb[mBdpst]  [-C cost] username password
                -v[imBdps]   [-C cost] [-TDBTYPE] database username
                -vb[mBdps]   [-C cost] [-TDBTYPE] database username password
                -x                     [-TDBTYPE] database username
                -l                     [-TDBTYPE] database
Options:
   -c   Create a new database.
   -n   Don't update database; display results on stdout.
   -b   Use the password from the command line rather than prompting for it.
   -i   Read password from stdin without verification (for script usage).
   -m   Force MD5 hashing of the password (default).
   -B   Force BCRYPT hashing of the password (very secure).
   -C   Set the computing time used for the bcrypt algorithm
        (higher is more secure but slower, default: 5, valid: 4 to 31).
   -d   Force CRYPT hashing of the password (8 chars max, insecure).
   -s   Force SHA hashing of the password (insecure).
   -p   Do not hash the password (plaintext, insecure).
   -T   DBM Type (SDBM|GDBM|DB|default).
   -l   Display usernames from database on stdout.
   -v   Verify the username/password.
   -x   Remove the username record from database.
   -t   The last param is username comment.
The SHA algorithm does not use a salt and is less secure than the MD5 algorithm.
";

/// Letters of the flags; a colon behind those that take a value.
pub(super) const FLAGS: &str = "cnmspdBbtvxliC:T:";

/// Why it ends early: the exit code and what to say.
type Failure = (u8, String);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Task {
    Update,
    Show,
    Verify,
    Delete,
    List,
}

struct Order {
    task: Task,
    /// Begins with an empty database.
    create: bool,
    from: From,
    scheme: Scheme,
    cost: u32,
    format: Option<Vec<u8>>,
    file: Vec<u8>,
    user: Vec<u8>,
    password: Vec<u8>,
    comment: Option<Vec<u8>>,
}

/// Runs the program.
pub fn main() -> ExitCode {
    let words = Words::read(FLAGS, std::env::args_os());
    match order(words).and_then(|order| run(&order)) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, text)) => {
            say(text);
            ExitCode::from(code)
        }
    }
}

fn say(text: impl AsRef<[u8]>) {
    let _ = io::stderr().write_all(text.as_ref());
}

fn usage() -> Failure {
    (SYNTAX, USAGE.to_owned())
}

fn order(words: Words) -> Result<Order, Failure> {
    if let Some(complaint) = words.complaint {
        return Err((SYNTAX, format!("{}: {complaint}\n{USAGE}", words.program)));
    }
    let (mut task, mut create, mut show, mut list) = (Task::Update, false, false, false);
    let (mut from, mut scheme, mut cost, mut format, mut comments) = (From::Twice, Scheme::Apr1, 0, None, false);
    for (flag, value) in words.flags {
        match flag {
            b'c' => create = true,
            b'n' => show = true,
            b'v' => task = Task::Verify,
            b'x' => task = Task::Delete,
            b'l' => (task, list) = (Task::List, true),
            b'b' => from = From::CommandLine,
            b'i' => from = From::StandardInput,
            b't' => comments = true,
            b'm' => scheme = Scheme::Apr1,
            b'B' => scheme = Scheme::Bcrypt,
            b'd' => scheme = Scheme::Crypt,
            b's' => scheme = Scheme::Sha1,
            b'p' => scheme = Scheme::Plain,
            b'T' => format = Some(value),
            _ => {
                cost = password::cost(&value).map_err(plain)?;
            }
        }
    }
    if show {
        // Apache's program crashes when it is to look into no database.
        if task != Task::Update {
            return Err(usage());
        }
        task = Task::Show;
    }
    let with_password = from == From::CommandLine;
    let wanted = usize::from(!show) + usize::from(!list) + usize::from(with_password) + usize::from(comments);
    if words.operands.len() != wanted {
        return Err(usage());
    }
    if cost != 0 && scheme != Scheme::Bcrypt {
        say("Warning: Ignoring -C/-r argument for this algorithm.\n");
        cost = 0;
    }
    if scheme == Scheme::Plain {
        say("Warning: storing passwords as plain text might just not work on this platform.\n");
    }
    let mut operands = words.operands.into_iter();
    let mut next = |there: bool| if there { operands.next() } else { None };
    let file = next(task != Task::Show).unwrap_or_default();
    let user = next(!list).unwrap_or_default();
    let password = next(with_password).unwrap_or_default();
    let comment = next(comments);
    Ok(Order { task, create, from, scheme, cost, format, file, user, password, comment })
}

fn run(order: &Order) -> Result<(), Failure> {
    let user = BStr::new(&order.user);
    if order.task == Task::Show {
        valid(&order.user)?;
        let record = record(order, &password(order)?)?;
        say([&order.user[..], b":", &record, b"\n"].concat());
        return Ok(());
    }
    let mut database = open(order)?;
    let broken = |error: i32| failure(order, &errno_text(error));
    if order.task == Task::List {
        return list(order, &database.pairs().map_err(broken)?);
    }
    valid(&order.user)?;
    let password = if order.task == Task::Delete { Vec::new() } else { password(order)? };
    match order.task {
        Task::Verify => {
            let Some(record) = database.fetch(&order.user).map_err(broken)? else {
                return Err((BAD_USER, format!("The user '{user}' could not be found in database\n")));
            };
            let hash = record.split(|byte| *byte == b':').next().unwrap_or_default();
            if !server::password_matches(&password, hash) {
                return Err((MISMATCH, format!("Password mismatch for user '{user}'\n")));
            }
            say(format!("Password validated for user '{user}'\n"));
            return Ok(());
        }
        Task::Delete => {
            if !database.delete(&order.user).map_err(broken)? {
                return Err((BAD_USER, format!("Cannot find user '{user}' in database\n")));
            }
            return done(order, "modified");
        }
        _ => {}
    }
    let record = record(order, &password)?;
    let known = database.fetch(&order.user).map_err(broken)?.is_some();
    match database.store(&order.user, &record) {
        Err(libc::EINVAL) => return Err((OVERFLOW, "Record too long\n".to_owned())),
        stored => stored.map_err(broken)?,
    }
    done(
        order,
        match (order.create, known) {
            (true, _) => "created",
            (_, true) => "modified",
            (_, false) => "updated",
        },
    )
}

fn done(order: &Order, how: &str) -> Result<(), Failure> {
    let _ = writeln!(io::stdout(), "Database {} {how}.", order.file.as_bstr());
    Ok(())
}

fn failure(order: &Order, text: &str) -> Failure {
    (FILE, format!("Error opening database {}\n{text}\n", order.file.as_bstr()))
}

fn open(order: &Order) -> Result<Dbm, Failure> {
    let Some(format) = Format::named(order.format.as_deref().unwrap_or(b"default")) else {
        return Err(failure(order, "DSO load failed"));
    };
    let access = match order.task {
        _ if order.create => Access::Create,
        Task::List | Task::Verify => Access::Read,
        _ => Access::Write,
    };
    Dbm::open(format, &order.file.to_path_lossy(), access, 0o777).map_err(|error| failure(order, &errno_text(error)))
}

fn list(order: &Order, pairs: &[(Vec<u8>, Vec<u8>)]) -> Result<(), Failure> {
    let sdbm = order.format.as_deref().is_some_and(|name| name.eq_ignore_ascii_case(b"SDBM"));
    if sdbm && pairs.is_empty() {
        // The other kinds do not tell that there is no first record.
        say(format!("Empty database -- {}\n", order.file.as_bstr()));
        return Ok(());
    }
    let mut text =
        format!("Dumping records from database -- {}\n    {:<32} Comment\n", order.file.as_bstr(), "Username");
    for (user, record) in pairs {
        text.push_str(&format!("    {:<32}", user.to_str_lossy()));
        if let Some((_, comment)) = record.split_once_str(":") {
            text.push_str(&format!(" {}", comment.as_bstr()));
        }
        text.push('\n');
    }
    text.push_str(&format!("Total #records : {}\n", pairs.len()));
    say(text);
    Ok(())
}

/// A name that a record may have; the database is there by then.
fn valid(user: &[u8]) -> Result<(), Failure> {
    if !(1..=64).contains(&user.len()) {
        return Err((BAD_USER, "Invalid username length\n".to_owned()));
    }
    if user.contains(&b':') {
        return Err((BAD_USER, "Username contains invalid characters\n".to_owned()));
    }
    Ok(())
}

/// The password; of the command line's any length will do.
fn password(order: &Order) -> Result<Vec<u8>, Failure> {
    if order.from == From::CommandLine {
        return Ok(order.password.clone());
    }
    password::obtain(order.from, &order.password).map_err(plain)
}

/// A failure as this program words it.
fn plain((code, text): (u8, String)) -> Failure {
    (code, format!("Error: {text}\n"))
}

/// What stands in the database for a user: the hash and the comment.
fn record(order: &Order, password: &[u8]) -> Result<Vec<u8>, Failure> {
    let hash = password::hashed(order.scheme, password, order.cost).map_err(plain)?;
    if order.scheme == Scheme::Crypt && password.len() > 8 {
        say("Warning: Password truncated to 8 characters by CRYPT algorithm.\n");
    }
    Ok(match &order.comment {
        Some(comment) => [&hash[..], b":", comment].concat(),
        None => hash,
    })
}
