//! mod_session_crypto: encrypts the text of sessions.
//!
//! Hook: `post_config`, middle, says which library is used. Offers the coding `crypto`, whose texts Apache reads and writes
//! too. Difference: SessionCryptoDriver takes `openssl` for the one implementation there is. Manual:
//! mod/mod_session_crypto.html.

mod cipher;

use self::cipher::{Cipher, Failure};
use crate::config::*;
use crate::log::{self, Level};
use crate::module::{Hooks, LAST, Linked, Module, SessionCoding};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

pub static MODULE: Module = Module {
    name: "mod_session_crypto.c",
    ident: "session_crypto_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<CryptoServer>(),
    dir: Config::of::<CryptoDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    iterate(
        "SessionCryptoPassphrase",
        ANYWHERE,
        AUTH_CONFIG,
        passphrase,
        "The passphrase(s) used to encrypt the session. First will be used for encryption, all phrases will be accepted for decryption",
    ),
    take1(
        "SessionCryptoPassphraseFile",
        SERVER.and(DIRECTORY),
        NO_OVERRIDE,
        passphrase_file,
        "File containing passphrase(s) used to encrypt the session, one per line. First will be used for encryption, all phrases will be accepted for decryption",
    ),
    take1("SessionCryptoCipher", ANYWHERE, AUTH_CONFIG, cipher_name, "The underlying crypto cipher to use"),
    raw_args("SessionCryptoDriver", SERVER, NO_OVERRIDE, driver, "The underlying crypto library driver to use"),
];

/// What APR says of what cannot be encrypted or decrypted.
const ECRYPT: i32 = 100_005;
/// And of a text that does not end in padding.
const EPADDING: i32 = 100_006;
/// And of what cannot be done at all.
const EGENERAL: i32 = 20_014;
const USUAL_CIPHER: &str = "aes256";
const DRIVER: &str = "openssl";

/// The main server's settings.
#[derive(Clone, Default)]
pub struct CryptoServer {
    driver: Option<BString>,
}

impl Settings for CryptoServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CryptoServer { driver: add.driver.clone().or_else(|| base.driver.clone()) }
    }
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct CryptoDir {
    /// The first encrypts, all decrypt.
    passphrases: Option<Vec<BString>>,
    cipher: Option<BString>,
}

impl Settings for CryptoDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CryptoDir {
            passphrases: add.passphrases.clone().or_else(|| base.passphrases.clone()),
            cipher: add.cipher.clone().or_else(|| base.cipher.clone()),
        }
    }
}

fn passphrase(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let secret = match word.strip_prefix(b"exec:") {
        Some(command) if !command.is_empty() => output_of(cx, command.as_bstr()),
        _ => word.into(),
    };
    cx.dir::<CryptoDir>().passphrases.get_or_insert_default().push(secret);
    Ok(())
}

/// The first line that a program writes; empty where it writes none or cannot be run.
fn output_of(cx: &Cx<'_>, command: &BStr) -> BString {
    let words: Vec<BString> = httpd_conf::words(command).map(|word| BString::from(word.as_ref() as &[u8])).collect();
    let Some((program, arguments)) = words.split_first() else { return BString::default() };
    let path = cx.server_root_relative(program);
    let arguments = arguments.iter().map(|argument| OsStr::from_bytes(argument));
    let child = Command::new(&path).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return BString::default() };
    let mut output = Vec::new();
    // A line of a configuration may be so long.
    let limit = 8192;
    let read = child.stdout.take().map(|out| out.take(limit).read_to_end(&mut output));
    let _ = child.wait();
    match read {
        Some(Ok(_)) => output.lines().next().unwrap_or_default().into(),
        _ => BString::default(),
    }
}

fn passphrase_file(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    let path = cx.server_root_relative(name);
    let mut text = Vec::new();
    let read = server::open_plain(&path).and_then(|mut file| file.read_to_end(&mut text));
    read.map_err(|error| {
        let reason = log::errno_text(error.raw_os_error().unwrap_or(libc::EINVAL));
        format!("{}: Could not open file {}: {reason}", cx.directive.name, path.display())
    })?;
    let secrets = cx.dir::<CryptoDir>().passphrases.get_or_insert_default();
    secrets.extend(
        text.lines().map(ByteSlice::trim).filter(|line| !line.is_empty() && !line.starts_with(b"#")).map(BString::from),
    );
    Ok(())
}

fn cipher_name(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    cx.dir::<CryptoDir>().cipher = Some(name.into());
    Ok(())
}

fn driver(cx: &mut Cx<'_>, line: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let (name, _) = httpd_conf::next_word(line);
    cx.server::<CryptoServer>().driver = Some(BString::from(name.as_ref() as &[u8]));
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(LAST, driver_is_there);
    on.providers.offer::<dyn SessionCoding>("crypto", &Crypto);
}

fn driver_is_there(configuration: &mut Configuration) -> Result<(), String> {
    let server = configuration.main();
    let driver = server.settings.of::<CryptoServer>().driver.clone().unwrap_or_else(|| DRIVER.into());
    if driver == DRIVER {
        let text = format_args!("AH01849: The crypto library '{driver}' was loaded successfully");
        server.log(Level::Info, "session_crypto", text);
        return Ok(());
    }
    log::process(
        Level::Error,
        "session_crypto",
        format_args!("AH01846: The crypto library '{driver}' could not be found"),
    );
    Err("AH00016: Configuration Failed".into())
}

/// The cipher of the request's place; logs where there is none of that name.
fn cipher_of(r: &Request) -> Result<Cipher, i32> {
    let name = r.dir::<CryptoDir>().cipher.clone().unwrap_or_else(|| USUAL_CIPHER.into());
    Cipher::named(&name).ok_or_else(|| {
        let options: Vec<&str> = Cipher::NAMES.iter().map(|(name, _)| *name).collect();
        let text = "not recognised by crypto driver. session encryption not possible, options:";
        let text = format_args!("AH01824: cipher '{name}' {text} {}", options.join(", "));
        r.log(Level::Error, "session_crypto", text);
        EGENERAL
    })
}

struct Crypto;

impl SessionCoding for Crypto {
    fn encode(&self, r: &mut Request, text: BString) -> Result<BString, i32> {
        let dir = r.dir.clone();
        let secrets = dir.settings.of::<CryptoDir>().passphrases.as_deref().unwrap_or_default();
        let Some(secret) = secrets.first().filter(|_| !text.is_empty()) else { return Ok(text) };
        let sealed = cipher_of(r).and_then(|cipher| {
            let mut random = vec![0; cipher::randomness(cipher)];
            let filled = File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut random));
            filled.map_err(|error| error.raw_os_error().unwrap_or(ECRYPT))?;
            cipher::seal(cipher, secret, &random, &text).ok_or(ECRYPT)
        });
        sealed.inspect_err(|error| {
            r.log_errno(Level::Error, "session_crypto", *error, format_args!("AH01841: encrypt session failed"));
        })
    }

    fn decode(&self, r: &mut Request, text: BString) -> Result<BString, i32> {
        let dir = r.dir.clone();
        let Some(secrets) = dir.settings.of::<CryptoDir>().passphrases.as_deref() else { return Ok(text) };
        let octets = cipher::octets(&text);
        let opened = if octets.len() < cipher::SHORTEST {
            r.log(Level::Debug, "session_crypto", format_args!("AH10005: too short to decrypt, aborting"));
            Err(ECRYPT)
        } else {
            cipher_of(r).and_then(|cipher| open(r, cipher, secrets, &octets))
        };
        opened.inspect_err(|error| {
            let text = format_args!("AH01842: decrypt session failed, wrong passphrase?");
            r.log_errno(Level::Error, "session_crypto", *error, text);
        })
    }
}

/// Tries the passphrases in turn.
fn open(r: &Request, cipher: Cipher, secrets: &[BString], octets: &[u8]) -> Result<BString, i32> {
    let debug = |error, text: &str| r.log_errno(Level::Debug, "session_crypto", error, format_args!("{text}"));
    let mut error = ECRYPT;
    for secret in secrets {
        let text = match cipher::open(cipher, secret, octets) {
            Ok(text) => return Ok(text),
            Err(Failure::Auth) => "AH10006: auth does not match, skipping",
            Err(Failure::Short) => {
                error = ECRYPT;
                "AH01836: too short to decrypt, skipping"
            }
            Err(Failure::Cipher) => {
                error = EPADDING;
                "AH01839: apr_crypto_block_decrypt_finish failed"
            }
        };
        debug(error, text);
    }
    r.log_errno(Level::Info, "session_crypto", error, format_args!("AH01840: decryption failed"));
    Err(error)
}
