//! Servers: the main one and its virtual hosts, and the whole compiled configuration.

use super::{CoreDir, Kinds, Process, Providers, SettingsVec, Warning};
use bstr::BString;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// One address of a `<VirtualHost>` opener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostAddress {
    /// As written, for `-S` and messages.
    pub text: BString,
    /// None: `*` or `_default_`.
    pub ip: Option<IpAddr>,
    /// 0: any port.
    pub port: u16,
}

/// The main server or a virtual host.
#[derive(Clone, Default)]
pub struct Server {
    /// Position in [`Configuration::servers`]; 0 is the main server.
    pub index: usize,
    /// Where `<VirtualHost>` was opened.
    pub defined_file: BString,
    pub defined_line: u32,
    pub addresses: Vec<HostAddress>,
    /// ServerName without scheme and port; None where not configured.
    pub name: Option<BString>,
    /// Scheme of ServerName, if written.
    pub scheme: Option<BString>,
    /// Port of ServerName; 0 where not written.
    pub port: u16,
    /// Plain ServerAlias words.
    pub aliases: Vec<BString>,
    /// ServerAlias words with wildcards.
    pub wild_aliases: Vec<BString>,
    pub admin: Option<BString>,
    /// ServerPath (legacy name-based hosts).
    pub legacy_path: Option<BString>,
    pub error_log: Option<BString>,
    /// Where ErrorLog was written.
    pub error_log_line: Option<super::At>,
    /// LogLevel of the server; None inherits.
    pub levels: Option<crate::log::Levels>,
    /// Where error log lines of this server go; set when logs are opened.
    pub log: crate::log::Target,
    pub timeout: Option<std::time::Duration>,
    pub keep_alive: Option<bool>,
    pub keep_alive_timeout: Option<std::time::Duration>,
    pub max_keep_alive_requests: Option<u32>,
    pub limit_request_line: Option<usize>,
    pub limit_request_field_size: Option<usize>,
    pub limit_request_fields: Option<usize>,
    /// Per-server settings of the modules.
    pub settings: SettingsVec,
    /// Per-directory settings that hold outside of any section (`lookup_defaults`).
    pub defaults: SettingsVec,
}

/// Everything that a generation of children runs on. Immutable once compiled; a child keeps it for its whole life.
#[derive(Default)]
pub struct Configuration {
    pub process: Process,
    /// The main server first, then virtual hosts in the order of the files.
    pub servers: Vec<Server>,
    pub kinds: Kinds,
    pub providers: Providers,
    pub warnings: Vec<Warning>,
    /// The loaded modules and what they understand: .htaccess needs them.
    pub commands: super::Commands,
}

impl Configuration {
    /// The main server.
    pub fn main(&self) -> &Server {
        &self.servers[0]
    }
}

/// Whether and how a local address selects hosts: filled by the virtual-host table of `crate::server`.
pub type LocalAddr = SocketAddr;

/// Merged per-directory settings, shared by all requests that matched the same sections.
pub type Dir = Arc<Merged>;

/// One memoised merge.
pub struct Merged {
    pub settings: SettingsVec,
    /// Distinguishes merges in memo keys.
    pub id: u64,
    /// Core's own part once more, found without a look-up.
    core: Arc<CoreDir>,
}

impl Merged {
    pub fn new(settings: SettingsVec, id: u64) -> Merged {
        let core = settings.shared::<CoreDir>();
        Merged { settings, id, core }
    }
    /// Core's own part.
    #[inline]
    pub fn core(&self) -> &CoreDir {
        &self.core
    }
}
