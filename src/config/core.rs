//! Core's own settings: what the server itself, whatever modules are loaded, asks of a server and of a directory.
//!
//! Manual: mod/core.html. Merges follow the contexts described there; None means "not set here".

use super::{Override, Section, Settings};
use bstr::BString;
use std::sync::Arc;
use std::time::Duration;

/// Options bits (`Options` directive).
pub mod options {
    pub const NONE: u32 = 0;
    pub const INDEXES: u32 = 1;
    pub const INCLUDES: u32 = 2;
    pub const SYM_LINKS: u32 = 4;
    pub const EXEC_CGI: u32 = 8;
    /// Includes with `exec` (Includes without IncludesNOEXEC).
    pub const INC_WITH_EXEC: u32 = 32;
    pub const SYM_OWNER: u32 = 64;
    pub const MULTI: u32 = 128;
    pub const ALL: u32 = INDEXES | INCLUDES | INC_WITH_EXEC | SYM_LINKS | EXEC_CGI;
    pub const UNSET: u32 = 256;
}

/// On, Off or not set: what most flags need in merges.
pub type Switch = Option<bool>;

/// AcceptPathInfo.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PathInfo {
    Default,
    Off,
    On,
}

/// UseCanonicalName.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CanonicalName {
    Off,
    On,
    Dns,
}

/// AllowEncodedSlashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EncodedSlashes {
    Off,
    On,
    NoDecode,
}

/// TraceEnable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trace {
    Off,
    On,
    Extended,
}

/// ServerTokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tokens {
    Major,
    Minor,
    Minimal,
    Prod,
    Os,
    Full,
}

/// ServerSignature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signature {
    Off,
    On,
    EMail,
}

/// HostnameLookups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lookups {
    Off,
    On,
    Double,
}

/// ErrorDocument's action for one status.
#[derive(Clone, Debug)]
pub enum ErrorAction {
    /// `default`: Apache's own page.
    Default,
    /// Literal text.
    Text(BString),
    /// A local path (internal redirect) or a full URL (external one).
    Url(BString),
    /// Text with expressions in it.
    Expression(Arc<super::Expression>),
    /// Path or URL with expressions in it.
    Target(Arc<super::Expression>),
}

/// FileETag components.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ETag {
    pub bits: u32,
    pub add: u32,
    pub remove: u32,
}

impl ETag {
    /// What a section says on top of what holds around it.
    pub fn merged(base: ETag, new: ETag) -> ETag {
        let mut out = new;
        if new.bits == 0 {
            out.add = (base.add & !new.remove) | new.add;
            out.remove = (base.remove & !new.add) | new.remove;
            out.bits = (base.bits & !out.remove) | out.add;
        }
        if out.bits != ETag::NONE {
            out.bits &= !ETag::NONE;
        }
        out
    }
    /// The components asked for; size and time where nothing is.
    pub fn components(self) -> u32 {
        match (self.bits & !self.remove) | self.add {
            0 => ETag::MTIME | ETag::SIZE,
            bits => bits,
        }
    }
    pub const INODE: u32 = 2;
    pub const MTIME: u32 = 4;
    pub const SIZE: u32 = 8;
    pub const DIGEST: u32 = 16;
    pub const NONE: u32 = 1;
}

/// Errors of .htaccess that do not fail the request.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Nonfatal {
    /// Directives that are not allowed there.
    pub overridden: bool,
    /// Directives that nobody knows.
    pub unknown: bool,
}

/// MaxRanges and its kin: the built-in limit.
pub const RANGES_DEFAULT: i64 = -1;
/// No limit.
pub const RANGES_UNLIMITED: i64 = -2;
/// No range is honoured.
pub const RANGES_NONE: i64 = -3;

/// Core's settings of a directory-like section.
#[derive(Clone, Debug, Default)]
pub struct CoreDir {
    /// Options as a whole (`Options A B`), before `+`/`-`.
    pub options: Option<u32>,
    pub options_add: u32,
    pub options_remove: u32,
    pub overrides: Option<Override>,
    /// Options that `AllowOverride Options=` allows.
    pub override_options: Option<u32>,
    /// Which errors of .htaccess are only noted (`AllowOverride Nonfatal=`).
    pub nonfatal: Option<Nonfatal>,
    /// AllowOverrideList; `Some(empty)` for None.
    pub override_list: Option<Arc<Vec<BString>>>,
    pub accept_path_info: Option<PathInfo>,
    pub default_charset: Option<Option<BString>>,
    pub handler: Option<Handler>,
    pub force_type: Option<BString>,
    pub output_filters: Option<BString>,
    pub input_filters: Option<BString>,
    pub error_documents: Vec<(u16, ErrorAction)>,
    pub file_etag: Option<ETag>,
    pub sendfile: Switch,
    pub mmap: Switch,
    pub content_digest: Switch,
    pub hostname_lookups: Option<Lookups>,
    pub canonical_name: Option<CanonicalName>,
    pub canonical_physical_port: Switch,
    pub limit_request_body: Option<u64>,
    pub limit_xml_body: Option<u64>,
    pub max_ranges: Option<i64>,
    pub max_overlaps: Option<i64>,
    pub max_reversals: Option<i64>,
    pub signature: Option<Signature>,
    pub encoded_slashes: Option<EncodedSlashes>,
    pub levels: Option<crate::log::Levels>,
    pub cgi_pass_auth: Switch,
    pub cgi_vars: Vec<(BString, BString)>,
    pub qualify_redirect_url: Switch,
    pub read_buffer_size: Option<usize>,
    pub script_interpreter_source: Option<BString>,
    pub enable_defines: Switch,
    /// Soft and hard limits of scripts: RLimitCPU, RLimitMEM, RLimitNPROC; `u64::MAX` is `max`.
    pub rlimits: [Option<(u64, Option<u64>)>; 3],
    /// `<Files>`/`<FilesMatch>` in this section.
    pub files: Vec<Arc<Section>>,
    /// `<If>` chains in this section.
    pub ifs: Vec<Arc<Section>>,
}

/// SetHandler.
#[derive(Clone, Debug)]
pub enum Handler {
    /// `SetHandler none`.
    None,
    Name(BString),
    Expression(Arc<super::Expression>),
}

impl std::fmt::Debug for Section {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Section({})", self.id)
    }
}

impl CoreDir {
    /// Options that hold, given that a configuration without any `Options` means FollowSymLinks.
    pub fn options(&self) -> u32 {
        (self.options.unwrap_or(options::SYM_LINKS) & !self.options_remove) | self.options_add
    }
    /// Override classes that a .htaccess below may use; AllowOverride's default is None.
    pub fn overrides(&self) -> Override {
        self.overrides.unwrap_or(Override::NONE)
    }
}

impl Settings for CoreDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut out = add.clone();
        if add.options.is_none() && (add.options_add | add.options_remove) != 0 {
            // Relative options change what holds above; they become absolute where a base is known.
            let keep = base.options.map(|have| (have & !add.options_remove) | add.options_add);
            out.options = keep;
            if keep.is_none() {
                out.options_add = (base.options_add & !add.options_remove) | add.options_add;
                out.options_remove = (base.options_remove & !add.options_add) | add.options_remove;
            } else {
                (out.options_add, out.options_remove) = (0, 0);
            }
        } else if add.options.is_none() {
            (out.options, out.options_add, out.options_remove) = (base.options, base.options_add, base.options_remove);
        }
        macro_rules! inherit {
            ($($field:ident),* $(,)?) => {$( if out.$field.is_none() { out.$field = base.$field.clone(); } )*};
        }
        inherit!(
            overrides,
            override_options,
            nonfatal,
            override_list,
            accept_path_info,
            default_charset,
            handler,
            force_type,
            output_filters,
            input_filters,
            sendfile,
            mmap,
            content_digest,
            hostname_lookups,
            canonical_name,
            canonical_physical_port,
            limit_request_body,
            limit_xml_body,
            max_ranges,
            max_overlaps,
            max_reversals,
            signature,
            cgi_pass_auth,
            qualify_redirect_url,
            read_buffer_size,
            script_interpreter_source,
            enable_defines,
        );
        out.file_etag = match (base.file_etag, add.file_etag) {
            (Some(base), Some(add)) => Some(ETag::merged(base, add)),
            (base, add) => add.or(base),
        };
        out.levels = match (&base.levels, &add.levels) {
            (Some(base), Some(add)) => Some(crate::log::Levels::merged(base, add)),
            (base, add) => add.clone().or_else(|| base.clone()),
        };
        for (limit, below) in out.rlimits.iter_mut().zip(base.rlimits) {
            *limit = limit.or(below);
        }
        let mut documents = base.error_documents.clone();
        for (status, action) in &add.error_documents {
            documents.retain(|(other, _)| other != status);
            documents.push((*status, action.clone()));
        }
        out.error_documents = documents;
        let mut vars = base.cgi_vars.clone();
        for (name, rule) in &add.cgi_vars {
            vars.retain(|(other, _)| other != name);
            vars.push((name.clone(), rule.clone()));
        }
        out.cgi_vars = vars;
        out.files = [&base.files[..], &add.files[..]].concat();
        out.ifs = [&base.ifs[..], &add.ifs[..]].concat();
        out
    }
}

/// Core's settings of a server.
#[derive(Clone, Debug, Default)]
pub struct CoreServer {
    pub document_root: Option<BString>,
    pub access_file_names: Option<Arc<Vec<BString>>>,
    pub trace: Option<Trace>,
    pub tokens: Option<Tokens>,
    pub merge_slashes: Switch,
    pub merge_trailers: Switch,
    pub strict_host_check: Switch,
    pub limit_recursion: Option<(u32, u32)>,
    pub use_strict: Option<HttpOptions>,
    /// Words of HttpProtocolOptions so far, one bit each: contradictions are refused.
    pub protocol_words: u32,
    pub protocols: Option<Arc<Vec<BString>>>,
    pub protocols_honor_order: Switch,
    pub accept_filters: Vec<(BString, BString)>,
    pub flush_max_threshold: Option<usize>,
    pub flush_max_pipelined: Option<i64>,
    pub error_log_format: Option<Arc<crate::log::ErrorFormat>>,
    /// `<Directory>` and `<DirectoryMatch>` in the order of the files.
    pub directories: Vec<Arc<Section>>,
    /// `<Location>` and `<LocationMatch>` in the order of the files.
    pub locations: Vec<Arc<Section>>,
    pub keep_alive: Switch,
    pub timeout: Option<Duration>,
}

/// HttpProtocolOptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    pub strict: bool,
    /// LenientMethods instead of RegisteredMethods.
    pub lenient_methods: bool,
    /// Allow0.9 (default) instead of Require1.0.
    pub allow_http09: bool,
}

impl Default for HttpOptions {
    fn default() -> HttpOptions {
        HttpOptions { strict: true, lenient_methods: true, allow_http09: true }
    }
}

impl Settings for CoreServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut out = add.clone();
        macro_rules! inherit {
            ($($field:ident),* $(,)?) => {$( if out.$field.is_none() { out.$field = base.$field.clone(); } )*};
        }
        inherit!(
            document_root,
            access_file_names,
            trace,
            tokens,
            merge_slashes,
            merge_trailers,
            strict_host_check,
            limit_recursion,
            use_strict,
            protocols,
            protocols_honor_order,
            flush_max_threshold,
            flush_max_pipelined,
            keep_alive,
            timeout,
        );
        out.error_log_format = match (&base.error_log_format, &add.error_log_format) {
            (Some(base), Some(add)) => Some(Arc::new(crate::log::ErrorFormat::merged(base, add))),
            (base, add) => add.clone().or_else(|| base.clone()),
        };
        out.accept_filters = [&base.accept_filters[..], &add.accept_filters[..]].concat();
        out.directories = [&base.directories[..], &add.directories[..]].concat();
        out.locations = [&base.locations[..], &add.locations[..]].concat();
        out
    }
}
