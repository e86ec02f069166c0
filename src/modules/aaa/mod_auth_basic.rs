//! mod_auth_basic: HTTP Basic authentication (RFC 7617).
//!
//! Hooks: `check_user_id`, middle, asks the providers (off the event loop: hashes are slow by design); `fixups`, last,
//! writes AuthBasicFake's header. Offers the scheme `basic`. Manual: mod/mod_auth_basic.html.

use super::mod_authn_core::Chosen;
use crate::config::*;
use crate::engine;
use crate::log::Level;
use crate::module::{Answer, Authn, AuthnProvider, Challenge, Hooks, LAST, Linked, MIDDLE, Module};
use crate::request::{Request, Status};
use crate::server;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bstr::{BStr, BString, ByteSlice};
use md5::{Digest, Md5};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_auth_basic.c",
    ident: "auth_basic_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<BasicDir>(),
    hooks,
};

const DIRECTIVES: &[Directive] = &[
    iterate(
        "AuthBasicProvider",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        provider,
        "specify the auth providers for a directory or location",
    ),
    flag(
        "AuthBasicAuthoritative",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        authoritative,
        "Set to 'Off' to allow access control to be passed along to lower modules if the UserID is not known to this module",
    ),
    take12(
        "AuthBasicFake",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        fake,
        "Fake basic authentication using the given expressions for username and password, 'off' to disable. Password defaults to 'password' if missing.",
    ),
    take1(
        "AuthBasicUseDigestAlgorithm",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        digest_algorithm,
        "Set to 'MD5' to use the auth provider's authentication check for digest auth, using a hash of 'user:realm:pass'",
    ),
];

/// Base64 as clients send it, padded or not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct BasicDir {
    providers: Option<Vec<Chosen>>,
    authoritative: Option<bool>,
    /// `Some(None)` is `off`.
    fake: Option<Option<(Arc<Expression>, Arc<Expression>)>>,
    digest: Option<bool>,
}

impl Settings for BasicDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        BasicDir {
            providers: add.providers.clone().or_else(|| base.providers.clone()),
            authoritative: add.authoritative.or(base.authoritative),
            fake: add.fake.clone().or_else(|| base.fake.clone()),
            digest: add.digest.or(base.digest),
        }
    }
}

fn provider(cx: &mut Cx<'_>, written: &BStr) -> Outcome {
    let Some(chosen) = Chosen::find(cx, written.into()) else {
        return Err(format!("Unknown Authn provider: {written}").into());
    };
    cx.dir::<BasicDir>().providers.get_or_insert_default().push(chosen);
    Ok(())
}

fn authoritative(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<BasicDir>().authoritative = Some(on);
    Ok(())
}

fn fake(cx: &mut Cx<'_>, user: &BStr, password: Option<&BStr>) -> Outcome {
    if user.eq_ignore_ascii_case(b"off") {
        cx.dir::<BasicDir>().fake = Some(None);
        return Ok(());
    }
    let parsed = Expression::string(user, cx.rights().without_vary(), cx.providers);
    let name = parsed.map_err(|error| format!("Could not parse fake username expression '{user}': {error}"))?;
    let parsed =
        Expression::string(password.unwrap_or(b"password".as_bstr()), cx.rights().without_vary(), cx.providers);
    let password = parsed
        .map_err(|error| format!("Could not parse fake password expression associated to user '{user}': {error}"))?;
    let (name, password) = (name.at("auth_basic", cx.file, cx.line), password.at("auth_basic", cx.file, cx.line));
    cx.dir::<BasicDir>().fake = Some(Some((Arc::new(name), Arc::new(password))));
    Ok(())
}

fn digest_algorithm(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let on = match word.to_ascii_lowercase().as_slice() {
        b"off" => false,
        b"md5" => true,
        _ => return Err(format!("Invalid algorithm in AuthBasicUseDigestAlgorithm: {word}").into()),
    };
    cx.dir::<BasicDir>().digest = Some(on);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.check_user_id(MIDDLE, authenticate);
    on.fixups(LAST, fake_credentials);
    on.providers.offer::<dyn Challenge>("basic", &Basic);
}

struct Basic;

impl Challenge for Basic {
    fn challenge(&self, r: &mut Request) {
        let realm = server::auth_name(r).unwrap_or_default();
        let field = if r.forward_proxy { "Proxy-Authenticate" } else { "WWW-Authenticate" };
        r.err_headers_out.set(field, format!("Basic realm=\"{realm}\"").as_bytes());
    }
}

/// User and password of the request's credentials.
fn credentials(r: &mut Request) -> Result<(BString, BString), Answer> {
    let field = if r.forward_proxy { "Proxy-Authorization" } else { "Authorization" };
    let Some(value) = r.headers_in.get(field) else {
        Basic.challenge(r);
        return Err(Answer::Status(Status::UNAUTHORIZED));
    };
    let (scheme, encoded) = value.split_once_str(" ").unwrap_or((value, b""));
    if !scheme.eq_ignore_ascii_case(b"Basic") {
        r.log(
            Level::Error,
            "auth_basic",
            format_args!("AH01614: client used wrong authentication scheme: {}", crate::log::raw(&r.uri)),
        );
        Basic.challenge(r);
        return Err(Answer::Status(Status::UNAUTHORIZED));
    }
    let encoded = encoded.trim();
    let valid = encoded.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
    let decoded = BASE64.decode(encoded.get(..valid).unwrap_or_default()).unwrap_or_default();
    // What stands behind a NUL does not exist for httpd.
    let decoded = decoded.split(|byte| *byte == 0).next().unwrap_or_default();
    let (user, password) = decoded.split_once_str(":").unwrap_or((decoded, b""));
    Ok((user.into(), password.into()))
}

fn authenticate(r: &mut Request) -> Answer {
    if !server::auth_type(r).is_some_and(|kind| kind.eq_ignore_ascii_case(b"Basic")) {
        return Answer::Declined;
    }
    if server::auth_name(r).is_none() {
        r.log(Level::Error, "auth_basic", format_args!("AH01615: need AuthName: {}", crate::log::raw(&r.uri)));
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    }
    r.auth_type = Some("Basic".into());
    let (user, password) = match credentials(r) {
        Ok(credentials) => credentials,
        Err(answer) => return answer,
    };
    r.user = Some(user.clone());
    let settings = r.dir.clone();
    let dir = settings.settings.of::<BasicDir>();
    let result = engine::block(|| ask(r, dir, user.as_bstr(), password.as_bstr()));
    if result == Authn::Granted {
        return Answer::Ok;
    }
    if dir.authoritative == Some(false) && result != Authn::Denied {
        return Answer::Declined;
    }
    match result {
        Authn::Denied => {
            let text = format_args!(
                "AH01617: user {user}: authentication failure for \"{}\": Password Mismatch",
                crate::log::raw(&r.uri),
                user = crate::log::raw(&user)
            );
            r.log(Level::Error, "auth_basic", text);
        }
        Authn::UserNotFound => r.log(
            Level::Error,
            "auth_basic",
            format_args!("AH01618: user {user} not found: {}", crate::log::raw(&r.uri), user = crate::log::raw(&user)),
        ),
        _ => return Answer::Status(Status::INTERNAL_SERVER_ERROR),
    }
    Basic.challenge(r);
    Answer::Status(Status::UNAUTHORIZED)
}

/// Asks the providers in turn until one knows the user.
fn ask(r: &mut Request, dir: &BasicDir, user: &BStr, password: &BStr) -> Authn {
    let default;
    let providers = match &dir.providers {
        Some(providers) => providers.as_slice(),
        None => match Chosen::usual(r) {
            Some(chosen) => {
                default = [chosen];
                &default
            }
            None => {
                r.log(Level::Error, "auth_basic", format_args!("AH01616: No Authn provider configured"));
                return Authn::GeneralError;
            }
        },
    };
    let mut result = Authn::GeneralError;
    for chosen in providers {
        result = chosen.ask(r, |r, provider| match dir.digest {
            Some(true) => by_digest(r, provider, user, password),
            _ => provider.check_password(r, user, password),
        });
        if result != Authn::UserNotFound {
            break;
        }
    }
    result
}

/// AuthBasicUseDigestAlgorithm MD5: compares hashes of `user:realm:password`.
fn by_digest(r: &mut Request, provider: &'static dyn AuthnProvider, user: &BStr, password: &BStr) -> Authn {
    let realm = server::auth_name(r).unwrap_or_default();
    match provider.realm_hash(r, user, realm.as_bstr()) {
        None => {
            let text = format_args!("AH02493: Authn provider does not support AuthBasicUseDigestAlgorithm");
            r.log(Level::Error, "auth_basic", text);
            Authn::GeneralError
        }
        Some(Err(error)) => error,
        Some(Ok(stored)) => {
            let digest = Md5::digest([user.as_bytes(), b":", realm.as_slice(), b":", password.as_bytes()].concat());
            let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            let equal: bool = subtle::ConstantTimeEq::ct_eq(hex.as_bytes(), stored.as_slice()).into();
            if equal { Authn::Granted } else { Authn::Denied }
        }
    }
}

/// AuthBasicFake: an Authorization field for whoever is behind us.
fn fake_credentials(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    let Some(Some((user, password))) = &dir.settings.of::<BasicDir>().fake else { return Answer::Declined };
    let mut parts = Vec::new();
    for (expression, tags, what) in
        [(user, ("AH02455", "AH02458"), "user"), (password, ("AH02456", "AH02459"), "password")]
    {
        let shown = if what == "user" { "username" } else { what };
        match server::expression::text(expression, r) {
            Err(error) => {
                let text = format_args!(
                    "{}: AuthBasicFake: could not evaluate {what} expression for URI '{}': {error}",
                    tags.0,
                    crate::log::raw(&r.uri)
                );
                r.log(Level::Error, "auth_basic", text);
                return Answer::Status(Status::INTERNAL_SERVER_ERROR);
            }
            Ok(text) if text.is_empty() => {
                let text = format_args!(
                    "{}: AuthBasicFake: empty {shown} expression for URI '{}', ignoring",
                    tags.1,
                    crate::log::raw(&r.uri)
                );
                r.log(Level::Info, "auth_basic", text);
                r.headers_in.unset("Authorization");
                return Answer::Declined;
            }
            Ok(text) => parts.push(text),
        }
    }
    let joined = bstr::join(":", &parts);
    let encoded = base64::engine::general_purpose::STANDARD.encode(joined);
    r.headers_in.set("Authorization", format!("Basic {encoded}"));
    r.log(Level::Info, "auth_basic", format_args!("AH02457: AuthBasicFake: \"Authorization: Basic <redacted>\""));
    Answer::Ok
}
