//! mod_auth_digest: HTTP digest authentication with MD5 (RFC 7616).
//!
//! Hooks: post_config makes the secret and the memory that all children share; check_user_id, middle, checks credentials, the
//! provider off the event loop; fixups, last, answers with Authentication-Info. A nonce holds its time and a hash with the
//! server's secret, so that none is stored; only AuthDigestNcCheck and one-time nonces need to know clients.
//! Manual: mod/mod_auth_digest.html.

mod clients;
mod credentials;
mod nonce;

use super::mod_authn_core::Chosen;
use crate::config::*;
use crate::engine;
use crate::log::Level;
use crate::module::{Answer, Authn, Challenge, Hooks, LAST, Linked, MIDDLE, Module};
use crate::request::{Request, Status};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use credentials::Credentials;
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

pub static MODULE: Module = Module {
    name: "mod_auth_digest.c",
    ident: "auth_digest_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::none(),
    dir: Config::of::<DigestDir>(),
    hooks,
};

const PLACES: Contexts = DIRECTORY.and(HTACCESS);

const DIRECTIVES: &[Directive] = &[
    iterate(
        "AuthDigestProvider",
        PLACES,
        AUTH_CONFIG,
        provider,
        "specify the auth providers for a directory or location",
    ),
    iterate("AuthDigestQop", PLACES, AUTH_CONFIG, qop, "A list of quality-of-protection options"),
    take1("AuthDigestNonceLifetime", PLACES, AUTH_CONFIG, lifetime, "Maximum lifetime of the server nonce (seconds)"),
    flag(
        "AuthDigestNcCheck",
        PLACES,
        AUTH_CONFIG,
        nc_check,
        "Whether or not to check the nonce-count sent by the client",
    ),
    take1("AuthDigestAlgorithm", PLACES, AUTH_CONFIG, algorithm, "The algorithm used for the hash calculation"),
    iterate(
        "AuthDigestDomain",
        PLACES,
        AUTH_CONFIG,
        domain,
        "A list of URI's which belong to the same protection space as the current URI",
    ),
    take1(
        "AuthDigestShmemSize",
        SERVER,
        NO_OVERRIDE,
        shmem_size,
        "The amount of shared memory to allocate for keeping track of clients",
    ),
];

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct DigestDir {
    providers: Option<Vec<Chosen>>,
    /// Seconds; 0: a nonce is good for one request; negative: for ever.
    lifetime: Option<i64>,
    nc_check: Option<bool>,
    domain: Option<BString>,
}

impl Settings for DigestDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        DigestDir {
            providers: add.providers.clone().or_else(|| base.providers.clone()),
            lifetime: add.lifetime.or(base.lifetime),
            nc_check: add.nc_check.or(base.nc_check),
            domain: add.domain.clone().or_else(|| base.domain.clone()),
        }
    }
}

impl DigestDir {
    fn lifetime(&self) -> i64 {
        self.lifetime.unwrap_or(300)
    }
    /// Whether clients have to be told apart.
    fn knows_clients(&self) -> bool {
        self.nc_check == Some(true) || self.lifetime() == 0
    }
}

fn provider(cx: &mut Cx<'_>, name: &BStr) -> Outcome {
    let Some(chosen) = Chosen::find(cx, name.into()) else {
        return Err(format!("Unknown Authn provider: {name}").into());
    };
    if !chosen.knows_realms() {
        return Err(format!("The '{name}' Authn provider doesn't support Digest Authentication").into());
    }
    cx.dir::<DigestDir>().providers.get_or_insert_default().push(chosen);
    Ok(())
}

fn qop(_: &mut Cx<'_>, word: &BStr) -> Outcome {
    match word.eq_ignore_ascii_case(b"auth") {
        true => Ok(()),
        false => Err("AuthDigestQop is deprecated: only 'auth' is supported".into()),
    }
}

fn lifetime(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let seconds = word.to_str().ok().and_then(|text| text.parse::<i64>().ok());
    match seconds {
        Some(seconds) => cx.dir::<DigestDir>().lifetime = Some(seconds),
        None => return Err(format!("Invalid time in AuthDigestNonceLifetime: {word}").into()),
    }
    Ok(())
}

fn nc_check(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.dir::<DigestDir>().nc_check = Some(on);
    Ok(())
}

fn algorithm(_: &mut Cx<'_>, word: &BStr) -> Outcome {
    match word.eq_ignore_ascii_case(b"MD5") {
        true => Ok(()),
        false => Err(format!("Unsupported algorithm in AuthDigestAlgorithm: {word}").into()),
    }
}

fn domain(cx: &mut Cx<'_>, uri: &BStr) -> Outcome {
    let list = cx.dir::<DigestDir>().domain.get_or_insert_default();
    if !list.is_empty() {
        list.push(b' ');
    }
    list.extend_from_slice(uri);
    Ok(())
}

/// Octets that a client takes in Apache, so that the same sizes are too small.
const CLIENT: usize = 88;

fn shmem_size(_: &mut Cx<'_>, word: &BStr) -> Outcome {
    let digits = word.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = word.split_at(digits);
    let number = number.to_str().ok().and_then(|text| text.parse::<usize>().ok());
    let unit = match unit {
        b"" => Some(1),
        b"K" | b"k" => Some(1024),
        b"M" | b"m" => Some(1024 * 1024),
        _ => None,
    };
    let size = number.zip(unit).and_then(|(number, unit)| number.checked_mul(unit));
    let Some(size) = size else {
        return Err(format!("Invalid size in AuthDigestShmemSize: {word}").into());
    };
    if size < CLIENT {
        return Err(format!("size in AuthDigestShmemSize too small: {size} < {CLIENT}").into());
    }
    clients::size(size / CLIENT);
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, prepare);
    on.check_user_id(MIDDLE, authenticate);
    on.fixups(LAST, confirm);
    on.providers.offer::<dyn Challenge>("digest", &Scheme);
}

fn prepare(_: &mut Configuration) -> Result<(), String> {
    nonce::secret();
    clients::open().map_err(|error| format!("AH01762: Failed to create shared memory segment: {error}"))
}

struct Scheme;

impl Challenge for Scheme {
    fn challenge(&self, r: &mut Request) {
        challenge(r, None, false);
    }
}

/// Asks for credentials. `opaque` is the one that the client sent.
fn challenge(r: &mut Request, opaque: Option<&Opaque>, stale: bool) {
    let realm = server::auth_name(r).unwrap_or_default();
    let settings = r.dir.clone();
    let dir = settings.settings.of::<DigestDir>();
    let known = opaque.and_then(|opaque| opaque.known.map(|id| (opaque.text.clone(), id)));
    let client = known.or_else(|| {
        (dir.knows_clients() || opaque.is_some()).then(|| {
            let id = clients::new();
            r.log(Level::Debug, "auth_digest", format_args!("AH01768: allocated new client {id}"));
            (BString::from(format!("{id:x}")), id)
        })
    });
    let opaque = client.as_ref().map(|(text, _)| text.as_bstr());
    let nonce = nonce::fresh(dir.lifetime(), opaque, &realm);
    if let Some((_, id)) = &client {
        clients::begin(*id, &nonce);
    }
    let mut value = format!("Digest realm=\"{realm}\", nonce=\"{nonce}\", algorithm=MD5").into_bytes();
    if let Some(opaque) = opaque {
        value.extend_from_slice(format!(", opaque=\"{opaque}\"").as_bytes());
    }
    if let Some(domain) = dir.domain.as_ref().filter(|_| !r.forward_proxy) {
        value.extend_from_slice(format!(", domain=\"{domain}\"").as_bytes());
    }
    if stale {
        value.extend_from_slice(b", stale=true");
    }
    value.extend_from_slice(b", qop=\"auth\"");
    let field = if r.forward_proxy { "Proxy-Authenticate" } else { "WWW-Authenticate" };
    r.err_headers_out.merge(field, value);
}

/// The `opaque` of a request: its text, and the client where it is one that we gave and still know.
struct Opaque {
    text: BString,
    known: Option<u32>,
}

/// What `fixups` needs for its answer.
struct Accepted {
    credentials: Credentials,
    ha1: BString,
    client: Option<u32>,
}

fn md5_hex(parts: &[&[u8]]) -> String {
    let mut hash = Md5::new();
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            hash.update(b":");
        }
        hash.update(part);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

const REFUSED: Answer = Answer::Status(Status::UNAUTHORIZED);

fn authenticate(r: &mut Request) -> Answer {
    if !server::auth_type(r).is_some_and(|kind| kind.eq_ignore_ascii_case(b"Digest")) {
        return Answer::Declined;
    }
    let Some(realm) = server::auth_name(r) else {
        r.log(Level::Error, "auth_digest", format_args!("AH01780: need AuthName: {}", crate::log::raw(&r.uri)));
        return Answer::Status(Status::INTERNAL_SERVER_ERROR);
    };
    r.auth_type = Some("Digest".into());
    let field = if r.forward_proxy { "Proxy-Authorization" } else { "Authorization" };
    let Some(value) = r.headers_in.get(field).map(BString::from) else {
        challenge(r, None, false);
        return REFUSED;
    };
    let (scheme, rest) = value.split_once_str(" ").unwrap_or((&value, b""));
    if !scheme.eq_ignore_ascii_case(b"Digest") {
        let scheme = scheme.as_bstr();
        let text =
            format_args!("AH01781: client used wrong authentication scheme `{scheme}': {}", crate::log::raw(&r.uri));
        r.log(Level::Error, "auth_digest", text);
        challenge(r, None, false);
        return REFUSED;
    }
    let Some(credentials) = credentials::parse(rest).filter(|one| one.nonce.len() == nonce::LENGTH) else {
        let text = format_args!(
            "AH01782: missing user, realm, nonce, uri, digest, cnonce, or nonce_count in authorization header: {}",
            crate::log::raw(&r.uri)
        );
        r.log(Level::Error, "auth_digest", text);
        challenge(r, None, false);
        return REFUSED;
    };
    r.user = Some(credentials.username.clone());
    match check(r, credentials, &realm) {
        Ok(accepted) => {
            r.extensions.put(accepted);
            Answer::Ok
        }
        Err(answer) => answer,
    }
}

fn check(r: &mut Request, credentials: Credentials, realm: &BString) -> Result<Accepted, Answer> {
    let (method, target) = credentials::original(r);
    if !credentials::same_target(&credentials.uri, &target, r) {
        let text = format_args!("AH01786: uri mismatch - <{}> does not match request-uri <{target}>", credentials.uri);
        r.log(Level::Error, "auth_digest", text);
        return Err(Answer::Status(Status::BAD_REQUEST));
    }
    let opaque = match &credentials.opaque {
        None => None,
        Some(text) => {
            let Some(id) = text.to_str().ok().and_then(|text| u32::from_str_radix(text, 16).ok()) else {
                r.log(Level::Error, "auth_digest", format_args!("AH01787: received invalid opaque - got `{text}'"));
                r.log(Level::Debug, "auth_digest", format_args!("AH01765: client 0 not found"));
                challenge(r, Some(&Opaque { text: text.clone(), known: None }), true);
                return Err(REFUSED);
            };
            let known = clients::knows(id).then_some(id);
            let found = if known.is_some() { "AH01764" } else { "AH01765" };
            let what = if known.is_some() { "found" } else { "not found" };
            r.log(Level::Debug, "auth_digest", format_args!("{found}: client {id} {what}"));
            Some(Opaque { text: text.clone(), known })
        }
    };
    let opaque = opaque.as_ref();
    let refuse = |r: &mut Request, stale: bool| {
        challenge(r, opaque, stale);
        REFUSED
    };
    if credentials.realm != *realm {
        let got = &credentials.realm;
        let text = format_args!("AH01788: realm mismatch - got `{got}' but expected `{realm}'");
        r.log(Level::Error, "auth_digest", text);
        return Err(refuse(r, false));
    }
    if let Some(other) = credentials.algorithm.as_ref().filter(|name| !name.eq_ignore_ascii_case(b"MD5")) {
        let text = format_args!("AH01789: unknown algorithm `{other}' received: {}", crate::log::raw(&r.uri));
        r.log(Level::Error, "auth_digest", text);
        return Err(refuse(r, false));
    }
    if !credentials.qop.as_ref().is_some_and(|qop| qop.eq_ignore_ascii_case(b"auth")) {
        let qop = credentials.qop.clone().unwrap_or_else(|| "(null)".into());
        let text = format_args!(
            "AH10560: invalid or missing qop value '{qop}', RFC 2069 is no longer supported: {}",
            crate::log::raw(&r.uri)
        );
        r.log(Level::Error, "auth_digest", text);
        return Err(refuse(r, false));
    }
    let user = &credentials.username;
    let settings = r.dir.clone();
    let dir = settings.settings.of::<DigestDir>();
    let ha1 = match engine::block(|| stored_hash(r, dir, user.as_bstr(), realm.as_bstr())) {
        Ok(hash) => BString::from(hash),
        Err(Authn::UserNotFound) => {
            let text = format_args!(
                "AH01790: user `{user}' in realm `{realm}' not found: {}",
                crate::log::raw(&r.uri),
                user = crate::log::raw(&user)
            );
            r.log(Level::Error, "auth_digest", text);
            return Err(refuse(r, false));
        }
        Err(Authn::Denied) => {
            let text = format_args!(
                "AH01791: user `{user}' in realm `{realm}' denied by provider: {}",
                crate::log::raw(&r.uri),
                user = crate::log::raw(&user)
            );
            r.log(Level::Error, "auth_digest", text);
            return Err(refuse(r, false));
        }
        Err(_) => return Err(Answer::Status(Status::INTERNAL_SERVER_ERROR)),
    };
    let ha2 = md5_hex(&[&method, &credentials.uri]);
    let expected = md5_hex(&[
        &ha1,
        &credentials.nonce,
        &credentials.nc,
        &credentials.cnonce,
        credentials.qop.as_ref().map_or(&b""[..], |qop| qop),
        ha2.as_bytes(),
    ]);
    if !bool::from(expected.as_bytes().ct_eq(&credentials.response)) {
        let text = format_args!(
            "AH01794: user {user}: password mismatch: {}",
            crate::log::raw(&r.uri),
            user = crate::log::raw(&user)
        );
        r.log(Level::Error, "auth_digest", text);
        return Err(refuse(r, false));
    }
    let client = opaque.and_then(|opaque| opaque.known);
    if !count_rises(r, dir, &credentials, client) {
        return Err(refuse(r, false));
    }
    if !nonce_holds(r, dir, &credentials, realm, client) {
        return Err(refuse(r, true));
    }
    Ok(Accepted { credentials, ha1, client })
}

/// The hash of `user:realm:password` as the first provider that knows the user has it.
fn stored_hash(r: &mut Request, dir: &DigestDir, user: &BStr, realm: &BStr) -> Result<Vec<u8>, Authn> {
    let default;
    let providers = match &dir.providers {
        Some(providers) => providers.as_slice(),
        None => match Chosen::usual(r) {
            Some(chosen) => {
                default = [chosen];
                &default
            }
            None => {
                r.log(Level::Error, "auth_digest", format_args!("AH01770: No Authn provider configured"));
                return Err(Authn::GeneralError);
            }
        },
    };
    let mut result = Err(Authn::GeneralError);
    for chosen in providers {
        let hash = chosen.ask(r, |r, provider| provider.realm_hash(r, user, realm));
        result = hash.unwrap_or(Err(Authn::GeneralError));
        if !matches!(result, Err(Authn::UserNotFound)) {
            break;
        }
    }
    result
}

/// AuthDigestNcCheck: whether the request's count is above all that the client has used with its nonce.
fn count_rises(r: &Request, dir: &DigestDir, credentials: &Credentials, client: Option<u32>) -> bool {
    if !dir.knows_clients() {
        return true;
    }
    let Some(count) = credentials.nc.to_str().ok().and_then(|text| u32::from_str_radix(text, 16).ok()) else {
        let text = format_args!("AH01773: invalid nc {} received - not a number", credentials.nc);
        r.log(Level::Error, "auth_digest", text);
        return false;
    };
    let Some(client) = client.filter(|_| dir.nc_check == Some(true)) else { return true };
    match clients::count(client, &credentials.nonce, count) {
        Ok(()) => true,
        Err(last) => {
            let text = format_args!(
                "AH01774: Warning, possible replay attack: nonce-count check failed: {count} is not above {last} for nonce {}",
                credentials.nonce
            );
            r.log(Level::Error, "auth_digest", text);
            false
        }
    }
}

/// Whether the nonce is ours and of age.
fn nonce_holds(r: &Request, dir: &DigestDir, credentials: &Credentials, realm: &BString, client: Option<u32>) -> bool {
    let (nonce, user) = (&credentials.nonce, &credentials.username);
    let opaque = credentials.opaque.as_ref().map(|opaque| opaque.as_bstr());
    if let Err(own) = nonce::check(nonce, opaque, realm) {
        let text = format_args!("AH01776: invalid nonce {nonce} received - hash is not {own}");
        r.log(Level::Error, "auth_digest", text);
        return false;
    }
    let lifetime = dir.lifetime();
    if lifetime < 0 {
        return true;
    }
    if lifetime == 0 {
        let fresh = client.is_some_and(|client| clients::is_current(client, nonce));
        if !fresh {
            let text = format_args!(
                "AH01779: user {user}: one-time-nonce {nonce} already used - sending new nonce",
                user = crate::log::raw(&user)
            );
            r.log(Level::Info, "auth_digest", text);
        }
        return fresh;
    }
    let age = nonce::age(nonce, r.time);
    if age < 0 {
        let text = format_args!("AH01777: invalid nonce {nonce} received - user attempted time travel");
        r.log(Level::Error, "auth_digest", text);
        return false;
    }
    if age > lifetime.saturating_mul(1_000_000) {
        let text = format_args!(
            "AH01778: user {user}: nonce expired ({:.2} seconds old - max lifetime {:.2}) - sending new nonce",
            age as f64 / 1e6,
            lifetime as f64,
            user = crate::log::raw(&user)
        );
        r.log(Level::Info, "auth_digest", text);
        return false;
    }
    true
}

/// A nonce that is so near to its end gets a successor with the answer, in microseconds.
const SOON: i64 = 30_000_000;

/// Authentication-Info: shows that the server knows the password too, and hands out the next nonce in time.
fn confirm(r: &mut Request) -> Answer {
    let Some(accepted) = r.extensions.take::<Accepted>() else { return Answer::Declined };
    let settings = r.dir.clone();
    let dir = settings.settings.of::<DigestDir>();
    let Accepted { credentials, ha1, client } = &accepted;
    let ha2 = md5_hex(&[b"", &credentials.uri]);
    let qop = credentials.qop.clone().unwrap_or_default();
    let (nc, cnonce) = (&credentials.nc, &credentials.cnonce);
    let digest = md5_hex(&[ha1, &credentials.nonce, nc, cnonce, &qop, ha2.as_bytes()]);
    let lifetime = dir.lifetime();
    let soon = lifetime > 0 && nonce::age(&credentials.nonce, r.time) > lifetime.saturating_mul(1_000_000) - SOON;
    let mut next = String::new();
    if lifetime == 0 || soon {
        let realm = server::auth_name(r).unwrap_or_default();
        let opaque = credentials.opaque.as_ref().map(|opaque| opaque.as_bstr());
        let nonce = nonce::fresh(lifetime, opaque, &realm);
        if let Some(client) = client {
            clients::begin(*client, &nonce);
        }
        next = format!(", nextnonce=\"{nonce}\"");
    }
    let value = format!("rspauth=\"{digest}\"{next}, cnonce=\"{cnonce}\", nc={nc}, qop={qop}");
    let field = if r.forward_proxy { "Proxy-Authentication-Info" } else { "Authentication-Info" };
    r.headers_out.merge(field, value);
    Answer::Ok
}
