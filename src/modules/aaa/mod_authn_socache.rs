//! mod_authn_socache: keeps what slow providers of users looked up, for all children.
//!
//! Hooks: `post_config`, middle, makes the cache. Offers the authentication provider `socache`, to be named before the slow
//! one, and `authn-cache`, by which that one gives away what it found. Difference: where the cache was not made,
//! AuthnCacheProvideFor in .htaccess is without effect (Apache's children crash). Manual: mod/mod_authn_socache.html.

use crate::config::*;
use crate::log::{self, Level};
use crate::module::{
    Authn, AuthnCache, AuthnProvider, CacheKind, Hooks, Linked, MIDDLE, Module, SharedCache, choose_cache,
};
use crate::request::Request;
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authn_socache.c",
    ident: "authn_socache_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES],
    server: Config::of::<CacheServer>(),
    dir: Config::of::<CacheDir>(),
    hooks,
};

const PLACES: Contexts = DIRECTORY.and(HTACCESS);

const DIRECTIVES: &[Directive] = &[
    take1("AuthnCacheSOCache", SERVER, NO_OVERRIDE, socache, "socache provider for authn cache"),
    no_args(
        "AuthnCacheEnable",
        SERVER,
        NO_OVERRIDE,
        enable,
        "enable socache configuration in htaccess even if not enabled anywhere else",
    ),
    iterate("AuthnCacheProvideFor", PLACES, AUTH_CONFIG, provide_for, "Determine what authn providers to cache for"),
    take1("AuthnCacheTimeout", PLACES, AUTH_CONFIG, timeout, "Timeout (secs) for cached credentials"),
    take1("AuthnCacheContext", DIRECTORY, NO_OVERRIDE, context, "Context for authn cache"),
];

/// Seconds that an entry lives where AuthnCacheTimeout says nothing.
const USUAL_TIMEOUT: i64 = 300;

/// The main server's settings.
#[derive(Clone, Default)]
pub struct CacheServer {
    cache: Option<Arc<dyn SharedCache>>,
    /// The cache is made: children may use it.
    ready: bool,
}

impl Settings for CacheServer {
    crate::slot!();
    fn merge(base: &Self, _: &Self) -> Self {
        base.clone()
    }
}

/// Whether anything outside of .htaccess asks for the cache.
#[derive(Clone, Default)]
struct Wanted(bool);

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct CacheDir {
    timeout: Option<i64>,
    providers: Option<Vec<BString>>,
    context: Option<BString>,
}

impl Settings for CacheDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        CacheDir {
            timeout: add.timeout.or(base.timeout),
            providers: add.providers.clone().or_else(|| base.providers.clone()),
            context: add.context.clone().or_else(|| base.context.clone()),
        }
    }
}

fn socache(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let cache = choose_cache(cx, word).map_err(|error| format!("AuthnCacheSOCache: {error}"))?;
    cx.server::<CacheServer>().cache = Some(cache);
    Ok(())
}

fn enable(cx: &mut Cx<'_>) -> Outcome {
    cx.forbid_in_host()?;
    cx.process.shared::<Wanted>().0 = true;
    Ok(())
}

fn provide_for(cx: &mut Cx<'_>, provider: &BStr) -> Outcome {
    cx.dir::<CacheDir>().providers.get_or_insert_default().push(provider.into());
    if !cx.in_htaccess() {
        cx.process.shared::<Wanted>().0 = true;
    }
    Ok(())
}

fn timeout(cx: &mut Cx<'_>, seconds: &BStr) -> Outcome {
    cx.dir::<CacheDir>().timeout = Some(crate::config::atoi(seconds));
    Ok(())
}

fn context(cx: &mut Cx<'_>, text: &BStr) -> Outcome {
    cx.dir::<CacheDir>().context = Some(text.into());
    Ok(())
}

fn hooks(on: &mut Hooks) {
    on.post_config(MIDDLE, make);
    on.providers.offer::<dyn AuthnProvider>("socache", &Cached);
    on.providers.offer::<dyn AuthnCache>("authn-cache", &Cached);
}

/// Makes the cache, if anything asks for it.
fn make(configuration: &mut Configuration) -> Result<(), String> {
    let wanted = configuration.process.shared::<Wanted>().0;
    if !wanted {
        return Ok(());
    }
    let chosen = configuration.main().settings.of::<CacheServer>().cache.clone();
    let usual = || configuration.providers.find::<dyn CacheKind>(b"shmcb").and_then(|kind| kind.usual());
    let Some(cache) = chosen.or_else(usual) else {
        let text = "AH01674: Please select a socache provider with AuthnCacheSOCache (no default found on this platform). \
                    Maybe you need to load mod_socache_shmcb or another socache module first";
        log::process(Level::Crit, "authn_socache", format_args!("{text}"));
        return Err("AH00016: Configuration Failed".into());
    };
    if let Err(why) = cache.ready("authn-socache", configuration) {
        let text = format_args!("AH01677: failed to initialise authn-socache cache");
        log::process_errno(Level::Crit, "authn_socache", why.0, text);
        return Err("AH00016: Configuration Failed".into());
    }
    for server in &mut configuration.servers {
        *server.settings.edit::<CacheServer>() = CacheServer { cache: Some(cache.clone()), ready: true };
    }
    Ok(())
}

/// The cache, where it was made and the request's place has a use for it.
fn cache(r: &Request) -> Option<Arc<dyn SharedCache>> {
    let server = r.configuration.main().settings.of::<CacheServer>();
    if !server.ready || r.dir::<CacheDir>().providers.is_none() {
        return None;
    }
    server.cache.clone()
}

/// The key of a user: context, user, realm.
fn key(r: &Request, user: &BStr, realm: Option<&BStr>) -> BString {
    let context = r.dir::<CacheDir>().context.clone();
    // As configured: what clients call the host says nothing of its users.
    let host = || r.server.name.clone().unwrap_or_else(|| r.connection.local_ip.clone());
    let mut key = match context.as_ref().map(|context| context.as_slice()) {
        None | Some(b"directory") => {
            let directory = r.uri.rfind_byte(b'/').and_then(|slash| r.uri.get(..slash)).unwrap_or_default();
            BString::from([host().as_slice(), directory].concat())
        }
        Some(b"server") => host(),
        Some(own) => own.into(),
    };
    for part in [Some(user), realm].into_iter().flatten() {
        key.push(b':');
        key.extend_from_slice(part);
    }
    key
}

struct Cached;

impl AuthnCache for Cached {
    fn keep(&self, r: &Request, provider: &str, user: &BStr, realm: Option<&BStr>, hash: &[u8]) {
        let dir = r.dir::<CacheDir>();
        let Some(cache) = cache(r) else { return };
        if !dir.providers.iter().flatten().any(|named| named == provider) {
            return;
        }
        let seconds = dir.timeout.unwrap_or(USUAL_TIMEOUT);
        let expires = r.time.saturating_add(seconds.saturating_mul(1_000_000));
        let context = dir.context.as_ref().map_or("directory".into(), |context| context.as_bstr());
        match cache.store(r.server, &key(r, user, realm), expires, hash) {
            Ok(()) => {
                let text = format_args!(
                    "AH01681: Cached authn credentials for {user} in {context}",
                    user = crate::log::raw(&user)
                );
                r.log(Level::Debug, "authn_socache", text);
            }
            Err(error) => {
                let text = format_args!("AH01682: Failed to cache authn credentials for {provider} in {context}");
                r.log_errno(Level::Error, "authn_socache", &error, text);
            }
        }
    }
}

/// Tags: none found, found, failure.
type Tags = (&'static str, &'static str, &'static str);

fn look_up(r: &Request, user: &BStr, realm: Option<&BStr>, tags: Tags) -> Result<Vec<u8>, Authn> {
    let cache = cache(r).ok_or(Authn::UserNotFound)?;
    match cache.retrieve(r.server, &key(r, user, realm)) {
        Ok(None) => {
            let text =
                format_args!("{}: Authn cache: no credentials found for {user}", tags.0, user = crate::log::raw(&user));
            r.log(Level::Debug, "authn_socache", text);
            Err(Authn::UserNotFound)
        }
        Ok(Some(hash)) => {
            r.log(
                Level::Debug,
                "authn_socache",
                format_args!("{}: Authn cache: found credentials for {user}", tags.1, user = crate::log::raw(&user)),
            );
            Ok(hash)
        }
        Err(error) => {
            let text = format_args!("{}: Error accessing authentication cache", tags.2);
            r.log_errno(Level::Error, "authn_socache", &error, text);
            Err(Authn::UserNotFound)
        }
    }
}

impl AuthnProvider for Cached {
    fn check_password(&self, r: &mut Request, user: &BStr, password: &BStr) -> Authn {
        match look_up(r, user, None, ("AH01684", "AH01685", "AH01686")) {
            Err(answer) => answer,
            Ok(hash) if server::password_matches(password, &hash) => Authn::Granted,
            Ok(_) => Authn::Denied,
        }
    }
    fn knows_realms(&self) -> bool {
        true
    }
    fn realm_hash(&self, r: &mut Request, user: &BStr, realm: &BStr) -> Option<Result<Vec<u8>, Authn>> {
        Some(look_up(r, user, Some(realm), ("AH01687", "AH01688", "AH01689")))
    }
}
