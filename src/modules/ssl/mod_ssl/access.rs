//! Who may: the host that a request names against the one of the handshake, SSLRequireSSL, SSLRequire, `Require ssl`,
//! the user that a certificate stands for, and the environment.

use super::accept::{Facts, SpokeHttp, facts};
use super::chain::Trust;
use super::clients::{Mode, Standing};
use super::settings::{SniPolicy, SslDir, SslServer};
use super::{ciphers, options, variables};
use crate::config::{Cx, Server};
use crate::log::{Level, raw};
use crate::module::{Answer, Authz, AuthzCheck, AuthzProvider};
use crate::request::{Request, Status};
use crate::server;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::{BStr, BString, ByteSlice};
use rustls::pki_types::UnixTime;
use std::any::Any;
use std::sync::Arc;

const PLAIN: &str = "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n \
                     Instead use the HTTPS scheme to access this URL, please.<br />\n";
const NO_NAME: &str = "Reason: The client software did not provide a hostname using Server Name Indication (SNI), \
                       which is required to access this server.<br />\n";

/// post_read_request.
pub(super) fn read_request(r: &mut Request) -> Answer {
    if r.connection.extensions.lock().of::<SpokeHttp>().is_some() {
        if r.is_initial() {
            r.notes.set("error-notes", PLAIN);
            return Answer::Status(Status::BAD_REQUEST);
        }
        return Answer::Declined;
    }
    let Some(facts) = facts(r) else { return Answer::Declined };
    r.notes.set("ssl-secure-reneg", if facts.renegotiates { "1" } else { "0" });
    let shaken = facts.server.settings.of::<SslServer>();
    let wanted = r.server.settings.of::<SslServer>();
    match &facts.name {
        Some(name) if r.hostname.is_none() => {
            let name = raw(name);
            let text =
                format_args!("AH02031: Hostname {name} provided via SNI, but no hostname provided in HTTP request");
            r.log(Level::Error, "ssl", text);
            return Answer::Status(Status::BAD_REQUEST);
        }
        None if (shaken.strict_sni == Some(true) || wanted.strict_sni == Some(true)) && server::vhost::shared(r) => {
            let text = "AH02033: No hostname was provided via SNI for a name based virtual host";
            r.log(Level::Info, "ssl", format_args!("{text}"));
            r.notes.set("error-notes", NO_NAME);
            return Answer::Status(Status::FORBIDDEN);
        }
        _ => {}
    }
    if !std::ptr::eq(r.server, facts.server) {
        let policy = r.configuration.main().settings.of::<SslServer>().sni_policy.unwrap_or_default();
        if !compatible(policy, shaken, wanted) {
            let (name, how) = match &facts.name {
                Some(name) => (name.clone(), "provided via SNI"),
                None => (facts.server.name.clone().unwrap_or_default(), "(default host as no SNI was provided)"),
            };
            let asked = r.hostname.clone().unwrap_or_default();
            let text = format_args!(
                "AH02032: Hostname {} {how} and hostname {asked} provided via HTTP have no compatible SSL setup for policy '{}'",
                raw(&name),
                policy.name()
            );
            r.log(Level::Error, "ssl", text);
            return Answer::Status(Status::MISDIRECTED_REQUEST);
        }
    }
    if r.logs(Level::Debug, "ssl") {
        let count = r.connection.keepalives.load(std::sync::atomic::Ordering::Relaxed);
        let nth = if count == 0 { "Initial (No.1)".to_owned() } else { format!("Subsequent (No.{})", count + 1) };
        let id = super::host::id(r.server);
        r.log(Level::Debug, "ssl", format_args!("AH02034: {nth} HTTPS request received for child 0 (server {id})"));
    }
    Answer::Declined
}

/// Whether a request for one server may come on a connection whose handshake was for another.
fn compatible(policy: SniPolicy, one: &SslServer, other: &SslServer) -> bool {
    match policy {
        SniPolicy::Strict => false,
        SniPolicy::Insecure => true,
        SniPolicy::AuthOnly => one.same_authentication(other),
        SniPolicy::Secure => one.same_identity(other) && one.same_authentication(other),
    }
}

impl SslServer {
    fn same_identity(&self, other: &SslServer) -> bool {
        self.engine == other.engine
            && self.certificates == other.certificates
            && self.keys == other.keys
            && self.protocols == other.protocols
            && self.ciphers == other.ciphers
            && self.ciphers13 == other.ciphers13
    }
    fn same_authentication(&self, other: &SslServer) -> bool {
        self.clients == other.clients && self.groups.is_none() && other.groups.is_none()
    }
}

fn forbidden(r: &mut Request, tag: &str, reason: &str) -> Answer {
    let filename = r.filename.clone();
    r.log(Level::Error, "ssl", format_args!("{tag}: access to {filename} failed, reason: {reason}"));
    r.notes.set("ssl-access-forbidden", "1");
    Answer::Status(Status::FORBIDDEN)
}

/// access_checker.
pub(super) fn check(r: &mut Request) -> Answer {
    let dir = r.dir.clone();
    let dir = dir.settings.of::<SslDir>();
    let facts = facts(r);
    if dir.require_ssl && facts.is_none() {
        return forbidden(r, "AH02219", "SSL connection required");
    }
    let Some(facts) = facts else { return Answer::Declined };
    // TLS 1.2 had renegotiation for this, which is not to be had: the cipher in use must do.
    if let Some(string) = dir.ciphers.as_ref().filter(|_| facts.protocol == "TLSv1.2") {
        let allowed = ciphers::tls12(&string.to_str_lossy()).unwrap_or_default();
        if !allowed.iter().any(|suite| ciphers::name(suite.suite()).is_some_and(|(name, _)| name == facts.cipher)) {
            let filename = r.filename.clone();
            let text = format_args!(
                "AH02264: SSL cipher suite not renegotiated: access to {filename} denied using cipher {}",
                facts.cipher
            );
            r.log(Level::Warn, "ssl", text);
            return Answer::Status(Status::FORBIDDEN);
        }
    }
    if let Some(refusal) = certificate(r, dir, &facts) {
        return refusal;
    }
    if let Some(name) = &dir.user_name {
        match variables::value(r, name.as_bstr()) {
            Some(user) => r.user = Some(user),
            None => r.log(Level::Warn, "ssl", format_args!("AH02227: Failed to set r->user to '{name}'")),
        }
    }
    for requirement in &dir.requirements {
        match server::expression::holds(requirement, r) {
            Ok(true) => {}
            Err(error) => {
                let reason = format!("Failed to execute SSL requirement expression: {error}");
                return forbidden(r, "AH02265", &reason);
            }
            Ok(false) => {
                let filename = r.filename.clone();
                let client = r.useragent_ip.clone();
                let text = "requirement expression not fulfilled";
                r.log(Level::Info, "ssl", format_args!("AH02266: Access to {filename} denied for {client} ({text})"));
                r.log(Level::Info, "ssl", format_args!("AH02228: Failed expression: {}", requirement.text()));
                return forbidden(r, "AH02229", "SSL requirement expression not fulfilled");
            }
        }
    }
    Answer::Declined
}

/// A section that asks more of clients than the handshake did. The handshake asked for a certificate on its behalf, for it
/// cannot be asked for later.
fn certificate(r: &mut Request, dir: &SslDir, facts: &Facts) -> Option<Answer> {
    let host = facts.server.settings.of::<SslServer>();
    let mode = dir.verify.or(r.server::<SslServer>().clients.mode).filter(|mode| *mode != Mode::None)?;
    if mode == host.clients.mode() && dir.depth.is_none() {
        return None;
    }
    let Some(client) = &facts.client else {
        if mode != Mode::Require {
            return None;
        }
        let text = match facts.protocol {
            "TLSv1.3" => "AH10158: cannot perform post-handshake authentication",
            _ => "AH02263: Re-negotiation handshake failed: Client certificate missing",
        };
        r.log(Level::Error, "ssl", format_args!("{text}"));
        r.notes.set("error-notes", "Reason: Cannot perform Post-Handshake Authentication.<br />");
        return Some(Answer::Status(Status::FORBIDDEN));
    };
    let verifier = host.bound.as_ref()?.verifier.as_ref()?;
    let depth = dir.depth.unwrap_or(verifier.trust.depth);
    let judged = match client.standing {
        // The section has its own idea of how long a chain may be.
        _ if depth != verifier.trust.depth => {
            Trust { depth, ..verifier.trust.clone() }.judge(&client.chain, UnixTime::now()).map_err(|(fault, _)| fault)
        }
        Standing::Failed(fault, _) => Err(fault),
        Standing::Success | Standing::Generous(_) => Ok(()),
    };
    match judged {
        Ok(()) => None,
        Err(fault) if mode == Mode::OptionalNoCa && fault.is_for_lack_of_authority() => None,
        Err(fault) => {
            let summary = client.chain.first().map(|first| first.summary()).unwrap_or_default();
            let text = format_args!("AH02276: Certificate Verification: Error ({}): {} {summary}", fault.0, fault.1);
            r.log(Level::Info, "ssl", text);
            let text = "AH02262: Re-negotiation handshake failed: Client verification failed";
            r.log(Level::Error, "ssl", format_args!("{text}"));
            Some(Answer::Status(Status::FORBIDDEN))
        }
    }
}

/// check_user_id.
pub(super) fn user(r: &mut Request) -> Answer {
    let options = r.dir::<SslDir>().options();
    if options & options::STRICT_REQUIRE != 0 && r.notes.contains("ssl-access-forbidden") {
        return Answer::Status(Status::FORBIDDEN);
    }
    if !r.is_initial() {
        return Answer::Declined;
    }
    // Nobody gets in by typing what a certificate would stand for.
    let credentials = r.headers_in.get("Authorization").and_then(|value| {
        let (scheme, rest) = value.split_once_str(" ")?;
        scheme.eq_ignore_ascii_case(b"Basic").then(|| STANDARD.decode(rest.trim()).ok()).flatten()
    });
    if let Some(credentials) = credentials
        && let Some((name, password)) = credentials.split_once_str(":")
        && name.starts_with(b"/")
        && password == b"password"
    {
        let name = BString::from(name);
        r.log(Level::Error, "ssl", format_args!("AH02035: Encountered FakeBasicAuth spoof: {}", raw(&name)));
        return Answer::Status(Status::FORBIDDEN);
    }
    if options & options::FAKE_BASIC_AUTH != 0
        && r.user.is_none()
        && let Some(facts) = facts(r)
        && let Some(client) = facts.client.as_ref().and_then(|client| client.chain.first())
    {
        let credentials = [&client.subject.one_line()[..], b":password"].concat();
        let value = format!("Basic {}", STANDARD.encode(credentials));
        r.log(Level::Info, "ssl", format_args!("AH02036: Faking HTTP Basic Auth header: \"Authorization: {value}\""));
        r.headers_in.set("Authorization", value);
    }
    Answer::Declined
}

/// fixups.
pub(super) fn fixup(r: &mut Request) -> Answer {
    let Some(facts) = facts(r) else { return Answer::Declined };
    environment(r, &facts);
    Answer::Declined
}

fn environment(r: &mut Request, facts: &Facts) {
    r.env.set("HTTPS", "on");
    if let Some(name) = &facts.name {
        r.env.set("SSL_TLS_SNI", name);
    }
    let options = r.dir::<SslDir>().options();
    if options & options::STD_ENV_VARS != 0 {
        variables::export(r, facts);
    }
    if options & options::EXPORT_CERT_DATA != 0 {
        variables::export_certificates(r, facts);
    }
}

/// `Require ssl`.
pub(super) struct RequireSsl;

impl AuthzProvider for RequireSsl {
    fn parse(&self, _: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        match arguments.is_empty() {
            true => Ok(Arc::new(())),
            false => Err("'Require ssl' does not take arguments".into()),
        }
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        AuthzCheck::Now(if facts(r).is_some() { Authz::Granted } else { Authz::Denied })
    }
}

/// `Require ssl-verify-client`.
pub(super) struct RequireClient;

impl AuthzProvider for RequireClient {
    fn parse(&self, _: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        match arguments.is_empty() {
            true => Ok(Arc::new(())),
            false => Err("'Require ssl-verify-client' does not take arguments".into()),
        }
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let verified = facts(r).is_some_and(|facts| facts.verified());
        AuthzCheck::Now(if verified { Authz::Granted } else { Authz::Denied })
    }
}

/// Where a server speaks TLS: it says so, or its port does.
pub(super) fn speaks_tls(server: &Server, https: &dyn Fn(u16) -> bool) -> bool {
    match server.settings.of::<SslServer>().engine {
        Some(on) => on,
        None => server.addresses.iter().any(|address| https(address.port)),
    }
}
