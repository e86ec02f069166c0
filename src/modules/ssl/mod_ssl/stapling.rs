//! SSLUseStapling: a responder's answer about our certificate goes along with it (RFC 6066 section 8).
//!
//! Before a handshake whose client asks for it the answer is fetched, without a thread that waits: from this child's
//! memory, from the cache that all children share, or from the responder, whom one connection of a child asks at a time.

use super::ocsp::{self, Answer, Responder};
use super::settings::SslServer;
use super::x509::Certificate;
use crate::config::*;
use crate::engine::Semaphore;
use crate::log::Level;
use crate::module::{CacheKind, SharedCache};
use crate::request::Connection;
use crate::server;
use arc_swap::ArcSwapOption;
use bstr::{BStr, BString, ByteSlice};
use rustls::sign::CertifiedKey;
use sha1::{Digest, Sha1};
use std::sync::Arc;
use std::time::Duration;

/// What stands in the cache before an answer.
const GOOD: u8 = 1;
const BAD: u8 = 0;

pub const DIRECTIVES: &[Directive] = &[
    take1("SSLStaplingCache", SERVER, NO_OVERRIDE, cache, "SSL Stapling Response Cache storage (`dbm:/path/to/file')"),
    flag(
        "SSLUseStapling",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.on = Some(on)),
        "SSL switch for the OCSP Stapling protocol (`on', `off')",
    ),
    take1(
        "SSLStaplingResponseTimeSkew",
        SERVER,
        NO_OVERRIDE,
        |cx, word| seconds(cx, word, |said| &mut said.skew),
        "SSL stapling option for maximum time difference in OCSP responses",
    ),
    take1(
        "SSLStaplingResponderTimeout",
        SERVER,
        NO_OVERRIDE,
        |cx, word| seconds(cx, word, |said| &mut said.patience),
        "SSL stapling option for OCSP responder timeout",
    ),
    take1(
        "SSLStaplingResponseMaxAge",
        SERVER,
        NO_OVERRIDE,
        |cx, word| seconds(cx, word, |said| &mut said.most_age),
        "SSL stapling option for maximum age of OCSP responses",
    ),
    take1(
        "SSLStaplingStandardCacheTimeout",
        SERVER,
        NO_OVERRIDE,
        |cx, word| seconds(cx, word, |said| &mut said.keeps),
        "SSL stapling option for normal OCSP Response Cache Lifetime",
    ),
    flag(
        "SSLStaplingReturnResponderErrors",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.passes_errors = Some(on)),
        "SSL stapling switch to return Status Errors Back to Client(`on', `off')",
    ),
    flag(
        "SSLStaplingFakeTryLater",
        SERVER,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.fakes = Some(on)),
        "SSL stapling switch to send tryLater response to client on error (`on', `off')",
    ),
    take1(
        "SSLStaplingErrorCacheTimeout",
        SERVER,
        NO_OVERRIDE,
        |cx, word| seconds(cx, word, |said| &mut said.keeps_errors),
        "SSL stapling option for OCSP Response Error Cache Lifetime",
    ),
    take1(
        "SSLStaplingForceURL",
        SERVER,
        NO_OVERRIDE,
        |cx, word| {
            let url = word.into();
            put(cx, |said| said.url = Some(url))
        },
        "SSL stapling option to Force the OCSP Stapling URL",
    ),
];

/// What is said of stapling; times in seconds.
#[derive(Clone, Default)]
pub struct Said {
    pub on: Option<bool>,
    pub cache: Option<Arc<dyn SharedCache>>,
    skew: Option<i64>,
    patience: Option<i64>,
    most_age: Option<i64>,
    keeps: Option<i64>,
    keeps_errors: Option<i64>,
    passes_errors: Option<bool>,
    fakes: Option<bool>,
    url: Option<BString>,
}

impl Said {
    pub fn merge(base: &Said, add: &Said) -> Said {
        Said {
            on: add.on.or(base.on),
            cache: add.cache.clone().or_else(|| base.cache.clone()),
            skew: add.skew.or(base.skew),
            patience: add.patience.or(base.patience),
            most_age: add.most_age.or(base.most_age),
            keeps: add.keeps.or(base.keeps),
            keeps_errors: add.keeps_errors.or(base.keeps_errors),
            passes_errors: add.passes_errors.or(base.passes_errors),
            fakes: add.fakes.or(base.fakes),
            url: add.url.clone().or_else(|| base.url.clone()),
        }
    }
}

fn put(cx: &mut Cx<'_>, change: impl FnOnce(&mut Said)) -> Outcome {
    change(&mut cx.server::<SslServer>().stapling);
    Ok(())
}

fn seconds(cx: &mut Cx<'_>, word: &BStr, place: fn(&mut Said) -> &mut Option<i64>) -> Outcome {
    let seconds = atoi(word);
    if seconds < 0 {
        return Err(format!("{}: invalid argument", cx.directive.name).into());
    }
    put(cx, |said| *place(said) = Some(seconds))
}

fn cache(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let (name, arguments) = match word.split_once_str(":") {
        Some((name, arguments)) => (name, Some(arguments.as_bstr())),
        None => (word.as_bytes(), None),
    };
    let Some(kind) = cx.provider::<dyn CacheKind>(name) else {
        let known = cx.providers.names::<dyn CacheKind>().collect::<Vec<_>>().join(",");
        let name = name.as_bstr();
        return Err(format!(
            "SSLStaplingCache: '{name}' stapling cache not supported (known names: {known}) \
             Maybe you need to load the appropriate socache module (mod_socache_{name}?)"
        )
        .into());
    };
    let made = kind.create(cx, arguments).map_err(|why| format!("SSLStaplingCache: {why}"))?;
    put(cx, |said| said.cache = Some(made))
}

/// Makes the cache ready, where there is one. What is wrong is logged.
pub fn ready(configuration: &Configuration) -> Result<(), ()> {
    let Some(cache) = &configuration.main().settings.of::<SslServer>().stapling.cache else { return Ok(()) };
    cache.ready("ssl-stapling", configuration).map_err(|_| {
        let text = "AH01872: Could not initialize stapling cache. Exiting.";
        configuration.main().log(Level::Emerg, "ssl", format_args!("{text}"));
    })
}

/// What a certificate is shown with until then, in microseconds since the epoch.
struct Staple {
    /// None: the certificate goes alone.
    key: Option<Arc<CertifiedKey>>,
    until: i64,
}

/// Fetches the answers about one certificate.
pub struct Stapler {
    /// As requests name the certificate, and as the cache does.
    name: Vec<u8>,
    cached_as: Vec<u8>,
    serial: String,
    key: Arc<CertifiedKey>,
    url: String,
    cache: Arc<dyn SharedCache>,
    said: Said,
    staple: ArcSwapOption<Staple>,
    turn: Arc<Semaphore>,
}

impl std::fmt::Debug for Stapler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stapler({})", self.serial)
    }
}

impl Stapler {
    /// None, and a line in the log, where it cannot be: the issuer is not known, or no responder. `above`: certificates
    /// among which the issuer may be. `id`: the certificate as log lines name it.
    pub fn new(
        configuration: &Configuration,
        server: &Server,
        id: &str,
        certificate: &Certificate,
        above: &[Certificate],
        key: &Arc<CertifiedKey>,
    ) -> Option<Arc<Stapler>> {
        let said = server.settings.of::<SslServer>().stapling.clone();
        let cache = configuration.main().settings.of::<SslServer>().stapling.cache.clone()?;
        let unable = |what: &str| {
            let text = format_args!("{what} {}", certificate.summary());
            server.log(Level::Error, "ssl", text);
            server.log(Level::Error, "ssl", format_args!("AH02604: Unable to configure certificate {id} for stapling"));
            None
        };
        let issuer = above.iter().find(|other| other.subject_der == certificate.issuer_der);
        let Some(name) = issuer.and_then(|issuer| ocsp::name(certificate, issuer)) else {
            return unable("AH02217: ssl_stapling_init_cert: can't retrieve issuer certificate!");
        };
        let url = said.url.as_ref().map(|url| url.to_string()).or_else(|| certificate.responder.clone());
        let Some(url) = url else {
            return unable(
                "AH02218: ssl_stapling_init_cert: no OCSP URI in certificate and no SSLStaplingForceURL set",
            );
        };
        Some(Arc::new(Stapler {
            name,
            cached_as: Sha1::digest(&certificate.der).to_vec(),
            serial: certificate.serial_hex(),
            key: key.clone(),
            url,
            cache,
            said,
            staple: ArcSwapOption::empty(),
            turn: Semaphore::new(1),
        }))
    }

    /// The key with the answer that is known.
    pub fn shown(&self) -> Option<Arc<CertifiedKey>> {
        self.staple.load().as_ref().and_then(|staple| staple.key.clone())
    }

    fn is_fresh(&self) -> bool {
        self.staple.load().as_ref().is_some_and(|staple| server::date::now() < staple.until)
    }

    /// Sees to it that an answer is known, if there is any.
    pub async fn prepare(&self, connection: &Connection, server: &Server) {
        if self.is_fresh() {
            return;
        }
        let _turn = self.turn.acquire().await;
        if self.is_fresh() {
            return;
        }
        if let Ok(Some(kept)) = self.cache.retrieve(server, &self.cached_as)
            && let Some((until, rest)) = kept.split_first_chunk::<8>()
            && let Some((&good, answer)) = rest.split_first()
            && self.is_usable(server, answer, good == GOOD, false)
        {
            server.log(Level::Debug, "ssl", format_args!("AH01933: stapling_get_cached_response: cache hit"));
            return self.keep(answer, good == GOOD, i64::from_be_bytes(*until));
        }
        self.renew(connection, server).await;
    }

    fn keep(&self, answer: &[u8], good: bool, until: i64) {
        let passes = (good || self.said.passes_errors != Some(false)) && !answer.is_empty();
        let key = passes.then(|| {
            let mut key = CertifiedKey::clone(&self.key);
            key.ocsp = Some(answer.to_vec());
            Arc::new(key)
        });
        self.staple.store(Some(Arc::new(Staple { key, until })));
    }

    /// Whether an answer may be shown: of those that were good once, those that still are.
    fn is_usable(&self, server: &Server, answer: &[u8], good: bool, fresh: bool) -> bool {
        let debug = |text: &str| server.log(Level::Debug, "ssl", format_args!("{text}"));
        match ocsp::answer(answer, &self.name) {
            _ if !good => true,
            Answer::Refused(_) => self.said.passes_errors != Some(false),
            Answer::Unreadable => {
                server.log(
                    Level::Error,
                    "ssl",
                    format_args!("AH01934: stapling_check_response: Error Parsing Response!"),
                );
                false
            }
            Answer::Elsewhere => {
                let text = "AH01935: stapling_check_response: certificate ID not present in response!";
                server.log(Level::Error, "ssl", format_args!("{text}"));
                false
            }
            Answer::Single { status, this, next } => {
                let now = server::date::now() / 1_000_000;
                let skew = self.said.skew.unwrap_or(300);
                let old = self.said.most_age.is_some_and(|most| this < now - most);
                if this > now + skew || next.is_some_and(|next| next < now - skew || next < this) || old {
                    match fresh {
                        true => server.log(
                            Level::Error,
                            "ssl",
                            format_args!("AH01936: stapling_check_response: response times invalid"),
                        ),
                        false => debug("AH01937: stapling_check_response: cached response expired"),
                    }
                    return false;
                }
                if fresh && status != ocsp::Status::Good {
                    let text = format_args!(
                        "AH02969: stapling_check_response: response has certificate status {} (reason: n/a) for serial number {}",
                        status.text(),
                        self.serial
                    );
                    server.log(Level::Error, "ssl", text);
                }
                true
            }
        }
    }

    async fn renew(&self, connection: &Connection, server: &Server) {
        let error = |text: &str| server.log(Level::Error, "ssl", format_args!("{text}"));
        let debug = |text: &str| server.log(Level::Debug, "ssl", format_args!("{text}"));
        debug("AH01938: stapling_renew_response: querying responder");
        let patience = Duration::from_secs(self.said.patience.unwrap_or(10).unsigned_abs());
        let answer = match Responder::parse(&self.url) {
            Some(responder) => responder.ask(connection, &ocsp::request(&self.name), patience).await,
            None => {
                error(&format!("AH01939: stapling_renew_response: Error parsing uri {}", self.url));
                None
            }
        };
        let (answer, good) = match answer {
            None => {
                error("AH01941: stapling_renew_response: responder error");
                match self.said.fakes {
                    Some(false) => (Vec::new(), false),
                    _ => (ocsp::TRY_LATER.to_vec(), true),
                }
            }
            Some(answer) => {
                let good = match ocsp::answer(&answer, &self.name) {
                    Answer::Refused(why) => {
                        let why = ocsp::refusal(why);
                        debug(&format!("AH01944: stapling_renew_response: responder error {why}"));
                        false
                    }
                    _ => {
                        debug("AH01942: stapling_renew_response: query response received");
                        let good = self.is_usable(server, &answer, true, true);
                        if !good {
                            error("AH01943: stapling_renew_response: error in retrieved response!");
                        }
                        good
                    }
                };
                (answer, good)
            }
        };
        let real = good && answer != ocsp::TRY_LATER;
        let span = match real {
            true => self.said.keeps.unwrap_or(3600),
            false => self.said.keeps_errors.unwrap_or(600),
        };
        let until = server::date::now() + span * 1_000_000;
        if !answer.is_empty() {
            let mark = if good { GOOD } else { BAD };
            let entry = [&until.to_be_bytes()[..], &[mark], &answer].concat();
            if self.cache.store(server, &self.cached_as, until, &entry).is_err() {
                error("AH01929: stapling_cache_response: OCSP response session store error!");
                error("AH01945: stapling_renew_response: error caching response!");
            }
        }
        self.keep(&answer, good, until);
    }
}
