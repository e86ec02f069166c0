//! Who we say we are: the level of compatibility, and our own name (DESIGN: "Identity").

use super::Tokens;
use std::sync::OnceLock;

/// The httpd release whose behaviour we match.
pub const COMPATIBLE: &str = "2.4.71";
/// What we call ourselves where no option says how much (Via).
pub const BASE: &str = "Apache/2.4.71";
/// Its module magic number.
pub const MAGIC: &str = "20120211:142";
/// Our own version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Settings that Apache fixes when it is compiled, with our values.
pub const COMPILED: &[&str] = &[
    "APR_HAS_SENDFILE",
    "APR_HAS_MMAP",
    "APR_HAVE_IPV6 (IPv4-mapped addresses enabled)",
    "APR_USE_PROC_PTHREAD_SERIALIZE",
    "APR_USE_PTHREAD_SERIALIZE",
    "SINGLE_LISTEN_UNSERIALIZED_ACCEPT",
    "APR_HAS_OTHER_CHILD",
    "AP_HAVE_RELIABLE_PIPED_LOGS",
    "DYNAMIC_MODULE_LIMIT=256",
    "HTTPD_ROOT=\"/etc/apache2\"",
    "SUEXEC_BIN=\"/usr/lib/apache2/suexec\"",
    "DEFAULT_PIDLOG=\"/run/apache2.pid\"",
    "DEFAULT_SCOREBOARD=\"logs/apache_runtime_status\"",
    "DEFAULT_ERRORLOG=\"logs/error_log\"",
    "AP_TYPES_CONFIG_FILE=\"mime.types\"",
    "SERVER_CONFIG_FILE=\"apache2.conf\"",
];

static DESCRIPTION: OnceLock<String> = OnceLock::new();

/// When the binary was built, as `-v` and server-status print it.
pub fn built() -> &'static str {
    env!("PINION_BUILT")
}

/// The text behind `Server:` at a level of ServerTokens.
pub fn banner(tokens: Tokens) -> String {
    match tokens {
        Tokens::Prod => "Apache".to_owned(),
        Tokens::Major => "Apache/2".to_owned(),
        Tokens::Minor => "Apache/2.4".to_owned(),
        Tokens::Minimal => format!("Apache/{COMPATIBLE}"),
        Tokens::Os | Tokens::Full => format!("Apache/{COMPATIBLE} (Pinion)"),
    }
}

/// Fixes what the configuration says of itself: ServerTokens and what modules add under Full. A second call is without
/// effect.
pub fn set_banner(text: String) {
    let _ = DESCRIPTION.set(text);
}

/// The server's own text for `Server:`, SERVER_SOFTWARE and pages.
pub fn server_banner() -> &'static str {
    DESCRIPTION.get_or_init(|| banner(Tokens::Full))
}

/// The full description, whatever ServerTokens says: for logs and server-status.
pub fn description() -> &'static str {
    static FULL: OnceLock<String> = OnceLock::new();
    FULL.get_or_init(|| banner(Tokens::Full))
}
