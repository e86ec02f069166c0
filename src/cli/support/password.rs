//! Passwords: asked for, hashed, and files of them rewritten.

use crate::server;
use base64::Engine;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};
use sha1::Digest;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};

/// Octets of a password at most.
pub(super) const LONGEST: usize = 256;

/// Asks at the terminal without echo; where there is none, on standard error and from standard input.
pub(super) fn ask(prompt: &str) -> io::Result<Vec<u8>> {
    let terminal = OpenOptions::new().read(true).write(true).open("/dev/tty");
    match terminal {
        Ok(terminal) => {
            let kept = tcgetattr(&terminal).ok();
            if let Some(mut silent) = kept.clone() {
                silent.local_flags.remove(LocalFlags::ECHO | LocalFlags::ISIG);
                let _ = tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent);
            }
            (&terminal).write_all(prompt.as_bytes())?;
            let line = line(&mut &terminal);
            if let Some(kept) = kept {
                let _ = (&terminal).write_all(b"\n");
                let _ = tcsetattr(&terminal, SetArg::TCSAFLUSH, &kept);
            }
            line
        }
        Err(_) => {
            io::stderr().write_all(prompt.as_bytes())?;
            line(&mut io::stdin())
        }
    }
}

/// Reads up to a line break, an octet at a time: what follows is not ours.
fn line(from: &mut impl Read) -> io::Result<Vec<u8>> {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while from.read(&mut byte)? == 1 && byte != *b"\n" {
        line.extend_from_slice(&byte);
    }
    Ok(line)
}

/// All of standard input, as far as a password goes, without line breaks at its end.
fn whole_input() -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    io::stdin().take(LONGEST as u64 + 2).read_to_end(&mut text)?;
    while text.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        text.pop();
    }
    Ok(text)
}

/// Exit codes that the programs share.
pub(super) const FILE: u8 = 1;
pub(super) const SYNTAX: u8 = 2;
pub(super) const MISMATCH: u8 = 3;
pub(super) const OVERFLOW: u8 = 5;
pub(super) const BAD_USER: u8 = 6;
pub(super) const NO_RANDOM: u8 = 8;

/// Where a password comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum From {
    /// Asked for twice.
    Twice,
    /// Asked for once.
    Once,
    CommandLine,
    StandardInput,
}

/// A password from there; `given` is the command line's. What is wrong comes with the exit code.
pub(super) fn obtain(from: From, given: &[u8]) -> Result<Vec<u8>, (u8, String)> {
    let unread = |error: io::Error| (FILE, format!("Unable to read password: {error}"));
    // What is read has the text without a space, and of the input's buffer two octets are not the password's.
    let within = |password: Vec<u8>, most: usize| match password.len() > most {
        true => Err((OVERFLOW, format!("password too long (>{LONGEST})"))),
        false => Ok(password),
    };
    let password = match from {
        From::CommandLine => given.to_vec(),
        From::StandardInput => within(whole_input().map_err(unread)?, LONGEST - 2)?,
        From::Once => within(ask("Enter password: ").map_err(unread)?, LONGEST)?,
        From::Twice => {
            let first = within(ask("New password: ").map_err(unread)?, LONGEST)?;
            if first != ask("Re-type new password: ").map_err(unread)? {
                return Err((MISMATCH, "password verification error".to_owned()));
            }
            first
        }
    };
    if password.len() > LONGEST {
        return Err((OVERFLOW, format!("password too long (> {LONGEST})")));
    }
    Ok(password)
}

/// The number behind -C or -r.
pub(super) fn cost(value: &[u8]) -> Result<u32, (u8, String)> {
    // What is too large for a number is the largest; of it the low half counts.
    let large = |text: &str| text.parse::<i64>().ok().or_else(|| all_digits(text).then_some(i64::MAX));
    let number = std::str::from_utf8(value).ok().and_then(large).filter(|cost| *cost > 0);
    number.map(|cost| cost as u32).ok_or_else(|| (SYNTAX, "argument to -C/-r must be a positive integer".to_owned()))
}

fn all_digits(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// [`hash`], what is wrong with the exit code.
pub(super) fn hashed(scheme: Scheme, password: &[u8], cost: u32) -> Result<Vec<u8>, (u8, String)> {
    hash(scheme, password, cost).map_err(|error| match error {
        Unhashed::Refused(how, why) => (MISMATCH, format!("Unable to encode with {how}: {why}")),
        Unhashed::NoRandom => (NO_RANDOM, "Unable to generate random bytes".to_owned()),
    })
}

/// How a password is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Scheme {
    /// Apache's MD5.
    Apr1,
    Sha256,
    Sha512,
    Bcrypt,
    /// DES, by crypt(3).
    Crypt,
    Sha1,
    Plain,
}

/// `count` octets of salt in crypt's alphabet.
pub(super) fn salt(count: usize) -> io::Result<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut bytes = vec![0; count];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.into_iter().map(|byte| ALPHABET[usize::from(byte & 63)]).collect())
}

/// What went wrong with a hash.
enum Unhashed {
    /// The algorithm and the system's words for it.
    Refused(&'static str, String),
    NoRandom,
}

/// Hashes a password; `cost` is bcrypt's cost or the rounds of SHA-256 and SHA-512, 0 for the usual.
fn hash(scheme: Scheme, password: &[u8], cost: u32) -> Result<Vec<u8>, Unhashed> {
    let salt = |count| salt(count).map_err(|_| Unhashed::NoRandom);
    // libcrypt says no by a result that no password can have.
    let crypt = |setting: Vec<u8>| Ok(crate::sys::crypt::crypt(password, &setting).unwrap_or_else(|| b"*0".to_vec()));
    let rounds = if cost == 0 { String::new() } else { format!("rounds={cost}$") };
    match scheme {
        Scheme::Apr1 => Ok(server::apr1(password, &salt(8)?)),
        Scheme::Sha256 => crypt([b"$5$", rounds.as_bytes(), &*salt(16)?].concat()),
        Scheme::Sha512 => crypt([b"$6$", rounds.as_bytes(), &*salt(16)?].concat()),
        Scheme::Crypt => crypt(salt(2)?),
        Scheme::Sha1 => {
            let digest = sha1::Sha1::digest(password);
            Ok([b"{SHA}", base64::engine::general_purpose::STANDARD.encode(digest).as_bytes()].concat())
        }
        Scheme::Plain => Ok(password.to_vec()),
        Scheme::Bcrypt => {
            let cost = if cost == 0 { 5 } else { cost };
            if !(4..=17).contains(&cost) {
                return Err(Unhashed::Refused("bcrypt", "Invalid argument".to_owned()));
            }
            let mut random = [0; 16];
            File::open("/dev/urandom")
                .and_then(|mut file| file.read_exact(&mut random))
                .map_err(|_| Unhashed::NoRandom)?;
            match bcrypt::hash_with_salt(password, cost, random) {
                Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoY).into_bytes()),
                Err(error) => Err(Unhashed::Refused("bcrypt", error.to_string())),
            }
        }
    }
}

/// Puts `content` into an existing file, which stays the same file.
pub(super) fn rewrite(path: &std::path::Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create(true).truncate(true).open(path)?.write_all(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hashed_is_recognised() {
        use Scheme::*;
        for (scheme, cost, start) in [
            (Apr1, 0, "$apr1$"),
            (Sha256, 0, "$5$"),
            (Sha512, 2000, "$6$rounds=2000$"),
            (Bcrypt, 4, "$2y$04$"),
            (Crypt, 0, ""),
            (Sha1, 0, "{SHA}"),
        ] {
            let Ok(hash) = hash(scheme, b"secret", cost) else { panic!("{scheme:?}") };
            assert!(hash.starts_with(start.as_bytes()), "{scheme:?}");
            assert!(server::password_matches(b"secret", &hash) && !server::password_matches(b"other", &hash));
        }
        assert!(hash(Bcrypt, b"x", 3).is_err());
    }
}
