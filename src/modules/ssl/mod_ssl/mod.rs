//! mod_ssl: TLS, on rustls.
//!
//! A connection whose server speaks TLS passes through the provider `tls` before its first request: the first message of
//! the client is read and chooses the host by the name that it asks for (SNI), then the handshake runs on the engine as
//! any reading and writing does, without a thread that waits. What is known afterwards is kept with the connection.
//!
//! Hooks: test_config lists the files of certificates (`-t -D DUMP_CERTS`); open_logs (a start only) and post_config read certificates and keys as root and make one rustls configuration a server;
//! post_read_request holds the request's host against the handshake's (421); access_checker, check_user_id and fixups as
//! in Apache. Backends are reached over TLS through the provider `OutgoingTls` (outgoing/). Offers variables to expressions, access logs (`%{…}x`, `%{…}c`) and header values (`%{…}s`).
//!
//! Differences: TLS 1.2 and 1.3 only, and of TLS 1.2 what rustls has (ECDHE with AES-GCM or ChaCha20); no renegotiation;
//! responders are not asked about certificates of clients (inquiries.rs).
//! Manual: mod/mod_ssl.html.

mod accept;
mod access;
mod chain;
mod ciphers;
mod clients;
mod der;
mod hello;
mod host;
mod inquiries;
mod inspect;
mod keys;
mod more;
mod ocsp;
mod options;
mod outgoing;
mod phrase;
mod sessions;
mod settings;
mod stapling;
mod tickets;
mod variables;
mod x509;

use crate::config::*;
use crate::log::Level;
use crate::module::{AuthzProvider, FIRST, Hooks, Inspect, LAST, Linked, LogItem, MIDDLE, Module, OutgoingTls, Tls};
use crate::request::Request;
use accept::Acceptor;
use bstr::{BStr, ByteSlice};
use settings::{SslDir, SslServer};
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub static MODULE: Module = Module {
    name: "mod_ssl.c",
    ident: "ssl_module",
    linked: Linked::Loadable,
    directives: &[DIRECTIVES, outgoing::DIRECTIVES, stapling::DIRECTIVES, inquiries::DIRECTIVES],
    server: Config::of::<SslServer>(),
    dir: Config::of::<SslDir>(),
    hooks,
};

const SEEDED: &str = "the system's random numbers need no further seed";
const ANY_AUTH: Contexts = ANYWHERE;

const DIRECTIVES: &[Directive] = &[
    take1("SSLEngine", SERVER, NO_OVERRIDE, settings::engine, "SSL switch for the protocol engine ('on', 'off')"),
    take1(
        "SSLCertificateFile",
        SERVER,
        NO_OVERRIDE,
        settings::certificate,
        "SSL Server Certificate file ('/path/to/file' - PEM or DER encoded)",
    ),
    take1(
        "SSLCertificateKeyFile",
        SERVER,
        NO_OVERRIDE,
        settings::key,
        "SSL Server Private Key file ('/path/to/file' - PEM or DER encoded)",
    ),
    take1(
        "SSLCertificateChainFile",
        SERVER,
        NO_OVERRIDE,
        settings::chain,
        "SSL Server CA Certificate Chain file ('/path/to/file' - PEM encoded)",
    ),
    raw_args(
        "SSLProtocol",
        SERVER,
        NO_OVERRIDE,
        settings::protocol,
        "Enable or disable various SSL protocols ('[+-][TLSv1|TLSv1.1|TLSv1.2] ...' - see manual)",
    ),
    take12(
        "SSLCipherSuite",
        ANY_AUTH,
        AUTH_CONFIG,
        settings::cipher_suite,
        "Colon-delimited list of permitted SSL Ciphers, optional preceded by protocol identifier ('XXX:...:XXX' - see manual)",
    ),
    flag(
        "SSLHonorCipherOrder",
        SERVER,
        NO_OVERRIDE,
        settings::honor_order,
        "Use the server's cipher ordering preference",
    ),
    flag("SSLStrictSNIVHostCheck", SERVER, NO_OVERRIDE, settings::strict_sni, "Strict SNI virtual host checking"),
    take1(
        "SSLVHostSNIPolicy",
        SERVER,
        NO_OVERRIDE,
        settings::sni_policy,
        "SSL VirtualHost SNI compatibility policy setting",
    ),
    raw_args(
        "SSLOptions",
        ANYWHERE,
        OPTIONS,
        settings::option_words,
        "Set one or more options to configure the SSL engine('[+-]option[=value] ...' - see manual)",
    ),
    no_args(
        "SSLRequireSSL",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        settings::require_ssl,
        "Require the SSL protocol for the per-directory context (no arguments)",
    ),
    raw_args(
        "SSLRequire",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        settings::require,
        "Require a boolean expression to evaluate to true for granting access(arbitrary complex boolean expression - see manual)",
    ),
    take1("SSLUserName", ANY_AUTH, AUTH_CONFIG, settings::user_name, "Set user name to SSL variable value"),
    take23(
        "SSLRandomSeed",
        SERVER,
        NO_OVERRIDE,
        settings::random_seed,
        "SSL Pseudo Random Number Generator (PRNG) seeding source ('startup|connect builtin|file:/path|exec:/path [bytes]')",
    )
    .ignored(SEEDED),
    take1(
        "SSLVerifyClient",
        ANYWHERE,
        AUTH_CONFIG,
        clients::verify,
        "SSL Client verify type ('none', 'optional', 'require', 'optional_no_ca')",
    ),
    take1(
        "SSLVerifyDepth",
        ANYWHERE,
        AUTH_CONFIG,
        clients::depth,
        "SSL Client verify depth ('N' - number of intermediate certificates)",
    ),
    take1(
        "SSLCACertificateFile",
        ANYWHERE,
        AUTH_CONFIG,
        clients::file,
        "SSL CA Certificate file ('/path/to/file' - PEM encoded)",
    ),
    take1(
        "SSLCACertificatePath",
        ANYWHERE,
        AUTH_CONFIG,
        clients::path,
        "SSL CA Certificate path ('/path/to/dir' - contains PEM encoded files)",
    ),
    take1(
        "SSLCADNRequestFile",
        SERVER,
        NO_OVERRIDE,
        clients::file,
        "SSL CA Distinguished Name file ('/path/to/file' - PEM encoded to derive acceptable CA names to request)",
    )
    .info(clients::NAMES),
    take1(
        "SSLCADNRequestPath",
        SERVER,
        NO_OVERRIDE,
        clients::path,
        "SSL CA Distinguished Name path ('/path/to/dir' - symlink hashes to PEM of acceptable CA names to request)",
    )
    .info(clients::NAMES),
    take1(
        "SSLCARevocationFile",
        SERVER,
        NO_OVERRIDE,
        clients::file,
        "SSL CA Certificate Revocation List (CRL) file ('/path/to/file' - PEM encoded)",
    )
    .info(clients::CRL),
    take1(
        "SSLCARevocationPath",
        SERVER,
        NO_OVERRIDE,
        clients::path,
        "SSL CA Certificate Revocation List (CRL) path ('/path/to/dir' - contains PEM encoded files)",
    )
    .info(clients::CRL),
    raw_args(
        "SSLCARevocationCheck",
        SERVER,
        NO_OVERRIDE,
        clients::crl_check,
        "SSL CA Certificate Revocation List (CRL) checking mode",
    ),
    take1(
        "SSLPassPhraseDialog",
        SERVER,
        NO_OVERRIDE,
        phrase::dialog,
        "SSL dialog mechanism for the pass phrase query ('builtin', '|/path/to/pipe_program', or 'exec:/path/to/cgi_program')",
    ),
    take1(
        "SSLSessionCache",
        SERVER,
        NO_OVERRIDE,
        sessions::cache,
        "SSL Session Cache storage ('none', 'nonenotnull', 'dbm:/path/to/file')",
    ),
    take1(
        "SSLSessionCacheTimeout",
        SERVER,
        NO_OVERRIDE,
        sessions::timeout,
        "SSL Session Cache object lifetime ('N' - number of seconds)",
    ),
    flag(
        "SSLSessionTickets",
        SERVER,
        NO_OVERRIDE,
        sessions::tickets,
        "Enable or disable TLS session tickets(`on', `off')",
    ),
    take1(
        "SSLSessionTicketKeyFile",
        SERVER,
        NO_OVERRIDE,
        sessions::ticket_key,
        "TLS session ticket encryption/decryption key file (RFC 5077) ('/path/to/file' - file with 48 bytes of random data)",
    ),
    flag("SSLCompression", SERVER, NO_OVERRIDE, more::compression, "Enable SSL level compression (`on', `off')")
        .ignored("nothing is ever compressed below HTTP; On is refused"),
    take1(
        "SSLCryptoDevice",
        SERVER,
        NO_OVERRIDE,
        more::crypto_device,
        "SSL external Crypto Device usage ('builtin', '...')",
    )
    .ignored("the library does its own arithmetic; other devices are refused"),
    flag("SSLFIPS", SERVER, NO_OVERRIDE, more::fips, "Enable FIPS-140 mode (`on', `off')")
        .ignored("the library is no certified module; On is refused"),
    flag(
        "SSLInsecureRenegotiation",
        SERVER,
        NO_OVERRIDE,
        more::no_effect,
        "Enable support for insecure renegotiation",
    )
    .ignored("connections are never renegotiated"),
    take1(
        "SSLRenegBufferSize",
        DIRECTORY.and(HTACCESS),
        AUTH_CONFIG,
        more::buffer_size,
        "Configure the amount of memory that will be used for buffering the request body if a per-location SSL renegotiation is required due to changed access control requirements",
    )
    .ignored("connections are never renegotiated"),
    take1(
        "SSLSRPVerifierFile",
        SERVER,
        NO_OVERRIDE,
        more::srp_file,
        "SRP verifier file ('/path/to/file' - created by srptool)",
    ),
    take1(
        "SSLSRPUnknownUserSeed",
        SERVER,
        NO_OVERRIDE,
        more::srp_seed,
        "SRP seed for unknown users (to avoid leaking a user's existence) ('some secret text')",
    ),
    take2("SSLOpenSSLConfCmd", SERVER, NO_OVERRIDE, more::openssl_command, "OpenSSL configuration command"),
    raw_args(
        "SSLLog",
        ANYWHERE,
        Override::ALL,
        settings::gone,
        "SSLLog directive is no longer supported - use ErrorLog.",
    ),
    raw_args(
        "SSLLogLevel",
        ANYWHERE,
        Override::ALL,
        settings::gone,
        "SSLLogLevel directive is no longer supported - use LogLevel.",
    )
    .info(1),
];

fn hooks(on: &mut Hooks) {
    on.test_config(MIDDLE, report);
    on.open_logs(LAST, first);
    on.post_config(MIDDLE, init);
    on.child_init(MIDDLE, sessions::child_init);
    on.post_read_request(MIDDLE, access::read_request);
    on.access_checker(MIDDLE, access::check);
    on.check_user_id(FIRST, access::user);
    on.fixups(MIDDLE, access::fixup);
    on.providers.offer::<dyn Tls>("tls", &Acceptor);
    on.providers.offer::<dyn OutgoingTls>("tls", &outgoing::Connector);
    on.providers.offer::<dyn TlsNames>("tls", &Names);
    on.providers.offer::<dyn Inspect>("ssl", &inspect::Inspector);
    on.providers.offer::<dyn AuthzProvider>("ssl", &access::RequireSsl);
    on.providers.offer::<dyn AuthzProvider>("ssl-verify-client", &access::RequireClient);
    on.providers.offer::<dyn LogItem>("x", &VariableItem);
    on.providers.offer::<dyn LogItem>("c", &OldItem);
}

/// `-t -D DUMP_CERTS`: the files with certificates of all servers, hosts from the last to the first.
fn report(out: &mut dyn Write, configuration: &Configuration) {
    if !configuration.process.defines.iter().any(|(name, _)| name == "DUMP_CERTS") {
        return;
    }
    let (main, hosts) = match configuration.servers.split_first() {
        Some((main, hosts)) => (Some(main), hosts),
        None => (None, &[][..]),
    };
    let mut text = b"Server certificates:\n".to_vec();
    for server in main.into_iter().chain(hosts.iter().rev()) {
        for file in &server.settings.of::<SslServer>().certificates {
            text.extend_from_slice(&[b"  ", file.as_slice(), b"\n"].concat());
        }
    }
    // Whoever does not read it misses nothing else.
    let _ = out.write_all(&text);
}

struct Names;
impl TlsNames for Names {}

/// `%{name}x`.
struct VariableItem;

impl LogItem for VariableItem {
    fn append(&self, out: &mut Vec<u8>, r: &Request, argument: &BStr) -> bool {
        match variables::value(r, argument) {
            Some(value) => {
                crate::log::escape_access(out, &value);
                true
            }
            None => false,
        }
    }
}

/// `%{name}c`: names of mod_ssl's ancestors.
struct OldItem;

impl LogItem for OldItem {
    fn append(&self, out: &mut Vec<u8>, r: &Request, argument: &BStr) -> bool {
        let name = match argument.as_bytes() {
            b"version" => "SSL_PROTOCOL",
            b"cipher" => "SSL_CIPHER",
            b"subjectdn" | b"clientcert" => "SSL_CLIENT_S_DN",
            b"issuerdn" | b"cacert" => "SSL_CLIENT_I_DN",
            b"errstr" => "SSL_CLIENT_VERIFY_ERRSTR",
            _ => return false,
        };
        VariableItem.append(out, r, BStr::new(name))
    }
}

/// Whether this process has read a configuration before: a restart says everything once, a start twice, as Apache does.
static STARTED: AtomicBool = AtomicBool::new(false);

/// What came of the first of a start's two readings.
#[derive(Clone, Default)]
struct First {
    failed: bool,
}

/// Makes every server that is to speak TLS ready for it; hosts from the last to the first, as Apache does.
fn build(configuration: &mut Configuration) -> Result<Vec<(usize, Arc<host::Host>)>, host::Failed> {
    let text = "AH01887: Init: Initializing (virtual) servers for SSL";
    configuration.main().log(Level::Info, "ssl", format_args!("{text}"));
    let listening: Vec<u16> = configuration
        .process
        .listen
        .iter()
        .filter(|listen| listen.protocol == "https")
        .map(|listen| listen.addr.port())
        .collect();
    let https = |port: u16| listening.contains(&port);
    let mut order: Vec<usize> = Vec::new();
    for server in &mut configuration.servers {
        if access::speaks_tls(server, &https) {
            order.push(server.index);
            server.settings.edit::<SslServer>().engine = Some(true);
        }
    }
    order.sort_by_key(|index| (*index != 0, std::cmp::Reverse(*index)));
    let mut phrases = phrase::Phrases::default();
    let mut hosts = Vec::new();
    for server in order.iter().filter_map(|index| configuration.servers.get(*index)) {
        hosts.push((server.index, Arc::new(host::build(configuration, server, &mut phrases)?)));
    }
    Ok(hosts)
}

fn first(configuration: &mut Configuration) -> Result<(), crate::log::LogsNotOpened> {
    if !STARTED.swap(true, Ordering::Relaxed) {
        let failed = build(configuration).is_err() || outgoing::bind(configuration).is_err();
        *configuration.process.shared::<First>() = First { failed };
    }
    Ok(())
}

fn init(configuration: &mut Configuration) -> Result<(), String> {
    let failed = || Err("AH00016: Configuration Failed".to_owned());
    if configuration.process.shared::<First>().failed {
        return failed();
    }
    match configuration.main().settings.of::<SslServer>().cache.clone().and_then(|cache| cache.0) {
        None => {
            let text = "AH01873: Init: Session Cache is not configured [hint: SSLSessionCache]";
            configuration.main().log(Level::Warn, "ssl", format_args!("{text}"));
        }
        Some(cache) => {
            if cache.ready("ssl-cache", configuration).is_err() {
                let text = "AH01874: Could not initialize session cache. Exiting.";
                configuration.main().log(Level::Emerg, "ssl", format_args!("{text}"));
                return failed();
            }
        }
    }
    if stapling::ready(configuration).is_err() {
        return failed();
    }
    let Ok(hosts) = build(configuration) else { return failed() };
    let Ok(backends) = outgoing::bind(configuration) else { return failed() };
    for (server, backends) in configuration.servers.iter_mut().zip(backends) {
        server.settings.edit::<SslServer>().backends = Some(backends);
    }
    for (index, host) in hosts {
        if let Some(server) = configuration.servers.get_mut(index) {
            server.settings.edit::<SslServer>().bound = Some(host);
        }
    }
    Ok(())
}
