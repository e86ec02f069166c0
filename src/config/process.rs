//! Process-wide settings: what the parent needs before and between generations of children.

use bstr::BString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// One `Listen` address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    pub addr: SocketAddr,
    /// `https` for port 443 or as named.
    pub protocol: BString,
    /// Where it was written, for error texts.
    pub text: BString,
    /// True when no address was written (`Listen 80`): bound as `[::]:80`, IPv4-mapped.
    pub any: bool,
}

/// Which MPM a `LoadModule mpm_*_module` chose.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MpmKind {
    Prefork,
    Worker,
    Event,
}

impl MpmKind {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            MpmKind::Prefork => "prefork",
            MpmKind::Worker => "worker",
            MpmKind::Event => "event",
        }
    }
}

/// Names that httpd's modules lock under, by the module that brings them.
pub const MUTEXES: &[(&str, &str)] = &[
    ("watchdog_module", "watchdog-callback"),
    ("mpm_prefork_module", "mpm-accept"),
    ("mpm_worker_module", "mpm-accept"),
    ("rewrite_module", "rewrite-map"),
    ("auth_digest_module", "authdigest-client"),
    ("authn_socache_module", "authn-socache"),
    ("cache_socache_module", "cache-socache"),
    ("proxy_module", "proxy"),
    ("proxy_balancer_module", "proxy-balancer-shm"),
    ("ssl_module", "ssl-cache"),
    ("ssl_module", "ssl-stapling"),
    ("ssl_module", "ssl-stapling-refresh"),
];

/// What `Mutex` says of locks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mutex {
    pub dir: Option<BString>,
    pub mechanism: BString,
    pub omit_pid: bool,
}

/// Numbers of the MPM directives as written; None where not set. The MPM applies defaults and clipping.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MpmNumbers {
    pub start_servers: Option<i64>,
    pub min_spare_servers: Option<i64>,
    pub max_spare_servers: Option<i64>,
    pub server_limit: Option<i64>,
    pub max_request_workers: Option<i64>,
    pub max_connections_per_child: Option<i64>,
    pub min_spare_threads: Option<i64>,
    pub max_spare_threads: Option<i64>,
    pub threads_per_child: Option<i64>,
    pub thread_limit: Option<i64>,
    pub thread_stack_size: Option<i64>,
    /// AsyncRequestWorkerFactor; None is 2.
    pub async_factor: Option<f64>,
}

/// See the module text.
#[derive(Clone, Debug)]
pub struct Process {
    pub server_root: PathBuf,
    pub config_file: PathBuf,
    pub mpm: Option<MpmKind>,
    pub numbers: MpmNumbers,
    pub listen: Vec<Listen>,
    pub listen_backlog: i32,
    pub pid_file: Option<BString>,
    pub core_dump_directory: Option<PathBuf>,
    pub runtime_dir: Option<PathBuf>,
    pub graceful_shutdown_timeout: Duration,
    pub send_buffer_size: usize,
    pub receive_buffer_size: usize,
    pub user: Option<BString>,
    pub group: Option<BString>,
    pub chroot_dir: Option<PathBuf>,
    pub extended_status: Option<bool>,
    pub see_request_tail: bool,
    pub suexec: bool,
    /// ListenTCPDeferAccept, seconds.
    pub defer_accept: Option<u32>,
    /// RegexDefaultOptions.
    pub regex_flags: crate::sys::regex::Flags,
    /// Document roots need not exist (`-T`).
    pub any_document_root: bool,
    /// Where complaints are gathered instead of ending the reading at the first; None outside of the strict check.
    pub complaints: Option<Vec<(super::At, BString)>>,
    /// The last `Mutex` for all locks, for reports.
    /// What `Mutex` says, by name: `default`, or one of [`MUTEXES`].
    pub mutexes: Vec<(BString, Mutex)>,
    /// Which warnings of macros are not wanted: empty arguments, bad nesting.
    pub macro_quiet: (bool, bool),
    /// Names given with `-D` and by `Define NAME`, with their values, in order.
    pub defines: Vec<(BString, Option<BString>)>,
    /// Loaded modules in load order: identifier and whether linked in.
    pub loaded: Vec<(&'static str, bool)>,
    /// State of modules across servers.
    pub shared: super::Shared,
}

impl Default for Process {
    fn default() -> Process {
        Process {
            server_root: PathBuf::from("/etc/apache2"),
            config_file: PathBuf::from("apache2.conf"),
            mpm: None,
            numbers: MpmNumbers::default(),
            listen: Vec::new(),
            listen_backlog: 511,
            pid_file: None,
            core_dump_directory: None,
            runtime_dir: None,
            graceful_shutdown_timeout: Duration::ZERO,
            send_buffer_size: 0,
            receive_buffer_size: 0,
            user: None,
            group: None,
            chroot_dir: None,
            extended_status: None,
            see_request_tail: false,
            suexec: false,
            defer_accept: None,
            regex_flags: crate::sys::regex::Flags::default(),
            any_document_root: false,
            complaints: None,
            mutexes: Vec::new(),
            macro_quiet: (false, false),
            defines: Vec::new(),
            loaded: Vec::new(),
            shared: super::Shared::default(),
        }
    }
}

impl Process {
    /// Passes a complaint on, or keeps it and has the rest looked at.
    pub fn complain(&mut self, done: super::Outcome) -> super::Outcome {
        match (done, &mut self.complaints) {
            (Err(super::Complaint::At(at, text)), Some(kept)) => {
                kept.push((at, text));
                Ok(())
            }
            (done, _) => done,
        }
    }
    /// Whether a module is loaded, by its identifier.
    pub fn has_module(&self, ident: &str) -> bool {
        self.loaded.iter().any(|(known, _)| *known == ident)
    }
    /// A module's state across servers.
    pub fn shared<T: Default + Clone + Send + Sync + 'static>(&mut self) -> &mut T {
        self.shared.edit()
    }
}
