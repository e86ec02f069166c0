//! Settings of servers and of directory-like sections, and the setters of their directives.

use super::clients::{ClientSettings, Mode};
use super::{options, outgoing, stapling};
use crate::config::*;
use crate::log::Level;
use bstr::{BStr, BString, ByteSlice};
use std::sync::Arc;

/// Versions of the protocol, one bit each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Protocols(pub u8);

impl Protocols {
    pub const TLS1_0: u8 = 2;
    pub const TLS1_1: u8 = 4;
    pub const TLS1_2: u8 = 8;
    pub const TLS1_3: u8 = 16;
    pub const ALL: u8 = 30;
    pub fn has(self, version: u8) -> bool {
        self.0 & version != 0
    }
}

/// SSLVHostSNIPolicy.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SniPolicy {
    Strict,
    #[default]
    Secure,
    AuthOnly,
    Insecure,
}

impl SniPolicy {
    pub fn name(self) -> &'static str {
        match self {
            SniPolicy::Strict => "strict",
            SniPolicy::Secure => "secure",
            SniPolicy::AuthOnly => "authonly",
            SniPolicy::Insecure => "insecure",
        }
    }
}

/// Groups for the exchange of keys, by preference.
pub type Groups = Arc<Vec<&'static dyn rustls::crypto::SupportedKxGroup>>;

/// Per-server settings.
#[derive(Clone, Default)]
pub struct SslServer {
    pub engine: Option<bool>,
    pub certificates: Vec<BString>,
    pub keys: Vec<BString>,
    pub chain: Option<BString>,
    pub protocols: Option<Protocols>,
    /// For TLS 1.2, and for TLS 1.3.
    pub ciphers: Option<BString>,
    pub ciphers13: Option<BString>,
    pub honor_order: Option<bool>,
    pub strict_sni: Option<bool>,
    pub sni_policy: Option<SniPolicy>,
    pub clients: ClientSettings,
    pub dialog: Option<super::phrase::Dialog>,
    pub cache: Option<super::sessions::SessionCache>,
    /// Seconds.
    pub session_timeout: Option<u32>,
    pub tickets: Option<bool>,
    pub ticket_key: Option<BString>,
    pub groups: Option<Groups>,
    /// SSLProxy…: for backends, outside of sections and in each.
    pub outgoing: outgoing::Said,
    pub outgoing_sections: Vec<(u64, outgoing::Said)>,
    pub backends: Option<outgoing::Backends>,
    pub stapling: stapling::Said,
    /// What the files came to.
    pub bound: Option<Arc<super::host::Host>>,
}

impl Settings for SslServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        SslServer {
            engine: add.engine.or(base.engine),
            certificates: one_by_one(&base.certificates, &add.certificates),
            keys: one_by_one(&base.keys, &add.keys),
            chain: add.chain.clone().or_else(|| base.chain.clone()),
            protocols: add.protocols.or(base.protocols),
            ciphers: add.ciphers.clone().or_else(|| base.ciphers.clone()),
            ciphers13: add.ciphers13.clone().or_else(|| base.ciphers13.clone()),
            honor_order: add.honor_order.or(base.honor_order),
            strict_sni: add.strict_sni.or(base.strict_sni),
            sni_policy: add.sni_policy.or(base.sni_policy),
            clients: ClientSettings::merge(&base.clients, &add.clients),
            dialog: add.dialog.clone().or_else(|| base.dialog.clone()),
            cache: add.cache.clone().or_else(|| base.cache.clone()),
            session_timeout: add.session_timeout.or(base.session_timeout),
            tickets: add.tickets.or(base.tickets),
            ticket_key: add.ticket_key.clone().or_else(|| base.ticket_key.clone()),
            groups: add.groups.clone().or_else(|| base.groups.clone()),
            outgoing: outgoing::Said::merge(&base.outgoing, &add.outgoing),
            outgoing_sections: add.outgoing_sections.clone(),
            backends: None,
            stapling: stapling::Said::merge(&base.stapling, &add.stapling),
            bound: None,
        }
    }
}

/// The first file takes the place of the first, the second that of the second; what has no successor stays.
fn one_by_one(base: &[BString], add: &[BString]) -> Vec<BString> {
    add.iter().chain(base.iter().skip(add.len())).cloned().collect()
}

/// Per-directory settings.
#[derive(Clone, Default)]
pub struct SslDir {
    pub require_ssl: bool,
    pub options: Option<u32>,
    pub options_add: u32,
    pub options_remove: u32,
    pub requirements: Vec<Arc<Expression>>,
    pub user_name: Option<BString>,
    pub ciphers: Option<BString>,
    pub verify: Option<Mode>,
    pub depth: Option<usize>,
    /// The innermost `<Proxy>` section that says how backends are spoken to.
    pub outgoing: Option<u64>,
}

impl Settings for SslDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let (options, options_add, options_remove) = match add.options {
            Some(options) => (Some(options), 0, 0),
            None => (
                base.options.map(|have| (have & !add.options_remove) | add.options_add),
                (base.options_add & !add.options_remove) | add.options_add,
                (base.options_remove & !add.options_add) | add.options_remove,
            ),
        };
        SslDir {
            require_ssl: base.require_ssl || add.require_ssl,
            options,
            options_add,
            options_remove,
            requirements: [&base.requirements[..], &add.requirements].concat(),
            verify: add.verify.or(base.verify),
            depth: add.depth.or(base.depth),
            outgoing: add.outgoing.or(base.outgoing),
            user_name: add.user_name.clone().or_else(|| base.user_name.clone()),
            ciphers: add.ciphers.clone().or_else(|| base.ciphers.clone()),
        }
    }
}

impl SslDir {
    pub fn options(&self) -> u32 {
        self.options.unwrap_or(self.options_add)
    }
}

/// The file of a directive: it must be there, and hold something.
pub(super) fn file(cx: &Cx<'_>, word: &BStr) -> Result<BString, Complaint> {
    let path = cx.server_root_relative(word);
    let shown = BString::from(path.as_os_str().as_encoded_bytes());
    match std::fs::metadata(&path) {
        Ok(file) if file.is_file() && file.len() > 0 => Ok(shown),
        _ => Err(format!("{}: file '{shown}' does not exist or is empty", cx.name).into()),
    }
}

/// The directory of a directive: it must be there.
pub(super) fn directory(cx: &Cx<'_>, word: &BStr) -> Result<BString, Complaint> {
    let path = cx.server_root_relative(word);
    match path.is_dir() {
        true => Ok(path.into_os_string().into_encoded_bytes().into()),
        false => Err(format!("{}: directory '{}' does not exist", cx.name, path.display()).into()),
    }
}

pub(super) fn engine(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let on = match word.to_ascii_lowercase().as_slice() {
        b"on" => true,
        b"off" => false,
        b"optional" => {
            cx.warnings.push(Warning {
                hidden: false,
                module: "ssl",
                level: Level::Notice,
                text: "AH10510: 'SSLEngine optional' is no longer supported".into(),
            });
            return Ok(());
        }
        _ => return Err("Argument must be On or Off".into()),
    };
    cx.server::<SslServer>().engine = Some(on);
    Ok(())
}

pub(super) fn certificate(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    refuse_token(word)?;
    let file = file(cx, word)?;
    cx.server::<SslServer>().certificates.push(file);
    Ok(())
}

pub(super) fn key(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    refuse_token(word)?;
    let file = file(cx, word)?;
    cx.server::<SslServer>().keys.push(file);
    Ok(())
}

fn refuse_token(word: &BStr) -> Outcome {
    match word.get(..7).is_some_and(|start| start.eq_ignore_ascii_case(b"pkcs11:")) {
        true => Err("Pinion cannot use keys of cryptographic tokens (pkcs11:); name a PEM file".into()),
        false => Ok(()),
    }
}

pub(super) fn chain(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let file = file(cx, word)?;
    cx.server::<SslServer>().chain = Some(file);
    Ok(())
}

/// Reads SSLProtocol's words.
pub(super) fn protocol_words(cx: &mut Cx<'_>, args: &BStr) -> Result<Protocols, Complaint> {
    let name = cx.directive.name;
    let mut versions = 0u8;
    for word in httpd_conf::words(args) {
        let (sign, bare) = match word.first() {
            Some(sign @ (b'+' | b'-')) => (Some(*sign), word.get(1..).unwrap_or_default()),
            _ => (None, word.as_bytes()),
        };
        let bits = match bare.to_ascii_lowercase().as_slice() {
            b"sslv2" if sign == Some(b'-') => continue,
            b"sslv2" => return Err(format!("{name}: SSLv2 is no longer supported").into()),
            b"sslv3" if sign == Some(b'-') => 0,
            b"sslv3" => return Err("SSLv3 not supported by this version of OpenSSL".into()),
            b"tlsv1" => Protocols::TLS1_0,
            b"tlsv1.1" => Protocols::TLS1_1,
            b"tlsv1.2" => Protocols::TLS1_2,
            b"tlsv1.3" => Protocols::TLS1_3,
            b"all" => Protocols::ALL,
            _ => return Err(format!("{name}: Illegal protocol '{}'", bare.as_bstr()).into()),
        };
        match sign {
            Some(b'-') => versions &= !bits,
            Some(_) => versions |= bits,
            None => {
                if versions != 0 {
                    let text = format!(
                        "AH02532: {name}: Protocol '{}' overrides already set parameter(s). Check if a +/- prefix is missing.",
                        bare.as_bstr()
                    );
                    cx.warn(Level::Warn, text);
                }
                versions = bits;
            }
        }
    }
    Ok(Protocols(versions))
}

pub(super) fn protocol(cx: &mut Cx<'_>, args: &BStr) -> Outcome {
    let protocols = protocol_words(cx, args)?;
    cx.server::<SslServer>().protocols = Some(protocols);
    Ok(())
}

/// Whose ciphers a list is of, and the list.
pub(super) enum CipherList {
    Tls12(BString),
    Tls13(BString),
}

pub(super) fn cipher_list(first: &BStr, second: Option<&BStr>) -> Result<CipherList, Complaint> {
    let (protocol, list) = match second {
        Some(list) => (first, list),
        None => (BStr::new("SSL"), first),
    };
    match protocol.as_bytes() {
        // What mod_ssl puts in front: nobody wants ciphers without authentication or encryption.
        b"SSL" => Ok(CipherList::Tls12([b"!aNULL:!eNULL:!EXP:", list.as_bytes()].concat().into())),
        b"TLSv1.3" => Ok(CipherList::Tls13(list.into())),
        other => Err(format!("protocol '{}' not supported", other.as_bstr()).into()),
    }
}

pub(super) fn cipher_suite(cx: &mut Cx<'_>, first: &BStr, second: Option<&BStr>) -> Outcome {
    let inside = cx.path.is_some();
    match cipher_list(first, second)? {
        CipherList::Tls12(list) if inside => cx.dir::<SslDir>().ciphers = Some(list),
        CipherList::Tls12(list) => cx.server::<SslServer>().ciphers = Some(list),
        CipherList::Tls13(_) if inside => {
            return Err("TLSv1.3 ciphers cannot be set inside a directory context".into());
        }
        CipherList::Tls13(list) => cx.server::<SslServer>().ciphers13 = Some(list),
    }
    Ok(())
}

pub(super) fn honor_order(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<SslServer>().honor_order = Some(on);
    Ok(())
}

pub(super) fn strict_sni(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.server::<SslServer>().strict_sni = Some(on);
    Ok(())
}

pub(super) fn sni_policy(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    let policy = match word.to_ascii_lowercase().as_slice() {
        b"strict" => SniPolicy::Strict,
        b"secure" => SniPolicy::Secure,
        b"authonly" => SniPolicy::AuthOnly,
        b"insecure" => SniPolicy::Insecure,
        _ => return Err(format!("Invalid SSLVhostSNIPolicy argument '{word}'").into()),
    };
    cx.server::<SslServer>().sni_policy = Some(policy);
    Ok(())
}

pub(super) fn option_words(cx: &mut Cx<'_>, args: &BStr) -> Outcome {
    let mut first = true;
    for word in httpd_conf::words(args) {
        let (sign, bare) = match word.first() {
            Some(sign @ (b'+' | b'-')) => (Some(*sign), word.get(1..).unwrap_or_default()),
            _ => (None, word.as_bytes()),
        };
        let Some((_, bit)) = options::NAMES.iter().find(|(name, _)| bare.eq_ignore_ascii_case(name.as_bytes())) else {
            return Err(format!("SSLOptions: Illegal option '{}'", bare.as_bstr()).into());
        };
        let dir = cx.dir::<SslDir>();
        match sign {
            Some(b'-') => {
                dir.options_remove |= bit;
                dir.options_add &= !bit;
                dir.options = dir.options.map(|have| have & !bit);
            }
            Some(_) => {
                dir.options_add |= bit;
                dir.options_remove &= !bit;
                dir.options = dir.options.map(|have| have | bit);
            }
            None => {
                if first || dir.options.is_none() {
                    dir.options = Some(0);
                }
                (dir.options_add, dir.options_remove) = (0, 0);
                dir.options = Some(*bit | if first { 0 } else { dir.options.unwrap_or(0) });
                first = false;
            }
        }
    }
    Ok(())
}

pub(super) fn require_ssl(cx: &mut Cx<'_>) -> Outcome {
    cx.dir::<SslDir>().require_ssl = true;
    Ok(())
}

pub(super) fn require(cx: &mut Cx<'_>, args: &BStr) -> Outcome {
    let expression =
        Expression::condition(args, cx.rights(), cx.providers).map_err(|why| format!("SSLRequire: {why}"))?;
    let expression = expression.comparing_lengths().at("ssl", cx.file, cx.line);
    cx.dir::<SslDir>().requirements.push(Arc::new(expression));
    Ok(())
}

pub(super) fn user_name(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.dir::<SslDir>().user_name = Some(word.into());
    Ok(())
}

/// What was said of it once has no effect; the words are looked at as httpd does.
pub(super) fn random_seed(cx: &mut Cx<'_>, context: &BStr, source: &BStr, octets: Option<&BStr>) -> Outcome {
    cx.forbid_in_host()?;
    if !context.eq_ignore_ascii_case(b"startup") && !context.eq_ignore_ascii_case(b"connect") {
        return Err(format!("SSLRandomSeed: invalid context: `{context}'").into());
    }
    if source.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"egd:")) {
        let text = "This version of OpenSSL does not support the Entropy Gathering Daemon (EGD).";
        return Err(format!("Invalid SSLRandomSeed entropy source `{source}': {text}").into());
    }
    if source.eq_ignore_ascii_case(b"builtin") {
        return match octets {
            Some(_) => Err("SSLRandomSeed: byte specification not allowed for builtin seed source".into()),
            None => Ok(()),
        };
    }
    let lower = source.to_ascii_lowercase();
    let path =
        [&b"file:"[..], b"exec:"].iter().find(|kind| lower.starts_with(kind)).and_then(|kind| source.get(kind.len()..));
    let path = cx.server_root_relative(path.unwrap_or(source));
    if !path.exists() {
        return Err(format!("SSLRandomSeed: source path '{}' does not exist", path.display()).into());
    }
    if octets.is_some_and(|octets| atoi(octets) < 0) {
        return Err("SSLRandomSeed: invalid number of bytes specified".into());
    }
    Ok(())
}

/// SSLLog, SSLLogLevel.
pub(super) fn gone(cx: &mut Cx<'_>, _: &BStr) -> Outcome {
    let instead = if cx.directive.info == 0 { "ErrorLog" } else { "LogLevel" };
    Err(format!("{} directive is no longer supported - use {instead}.", cx.directive.name).into())
}
