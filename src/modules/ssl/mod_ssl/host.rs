//! What a server's settings come to: certificates and keys read, versions and ciphers chosen, one rustls configuration.

use super::ciphers;
use super::clients::{Peers, Verifier};
use super::phrase::Phrases;
use super::sessions::{self, Store};
use super::settings::{Groups, Protocols, SslServer};
use super::stapling::Stapler;
use super::tickets::Tickets;
use super::x509::{self, Certificate};
use crate::config::{Configuration, CoreServer, Providers, Server};
use crate::log::Level;
use crate::module::SecuredProtocol;
use crate::request::Connection;
use bstr::{BStr, BString, ByteSlice};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::{ClientHello, ResolvesServerCert, ServerConfig};
use rustls::sign::CertifiedKey;
use rustls::{SignatureScheme, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// What is spoken where nothing else is agreed on.
const HTTP1: &str = "http/1.1";

/// A server that speaks TLS.
pub struct Host {
    /// For clients whose protocols (ALPN) are none of ours: nothing is said of protocols then.
    config: Arc<ServerConfig>,
    /// One for each protocol that may be chosen.
    speaking: Vec<(&'static str, Arc<ServerConfig>)>,
    pub keys: Arc<Keys>,
    /// How certificates of clients are judged, where any are asked for.
    pub verifier: Option<Arc<Verifier>>,
}

impl Host {
    /// What the connection speaks, and the configuration for it: of what the client offers and Protocols allows the first
    /// in the order of Protocols, or of the client; HTTP/1.1 is always allowed.
    pub fn choose(
        &self,
        server: &Server,
        connection: &Connection,
        providers: &Providers,
        offers: &[Vec<u8>],
    ) -> (Option<&'static str>, &Arc<ServerConfig>) {
        let core = server.settings.of::<CoreServer>();
        let allowed = core.protocols.as_deref().map(Vec::as_slice).unwrap_or_default();
        let offered = |name: &&str| offers.iter().any(|offer| offer == name.as_bytes());
        let may = |name: &[u8]| {
            let (name, _) = self.speaking.iter().find(|(known, _)| known.as_bytes() == name)?;
            let proposed = *name == HTTP1
                || providers
                    .find::<dyn SecuredProtocol>(name.as_bytes())
                    .is_some_and(|protocol| protocol.proposes(server, connection));
            (allowed.iter().any(|one| one == name.as_bytes()) && proposed).then_some(*name)
        };
        let chosen = match core.protocols_honor_order {
            Some(false) => offers.iter().find_map(|offer| may(offer)),
            _ => allowed.iter().filter_map(|name| may(name)).find(offered),
        };
        let chosen = chosen.or(Some(HTTP1).filter(offered));
        let config = self.speaking.iter().find(|(name, _)| Some(*name) == chosen).map(|(_, config)| config);
        (chosen, config.unwrap_or(&self.config))
    }
}

/// The certificates of a server, each with its key.
#[derive(Debug)]
pub struct Keys(Vec<Own>);

#[derive(Debug)]
struct Own {
    certificate: Certificate,
    key: Arc<CertifiedKey>,
    stapler: Option<Arc<Stapler>>,
}

impl Keys {
    /// The one that the client's signature schemes choose: its first scheme that a key of ours has.
    fn pick(&self, schemes: &[SignatureScheme]) -> Option<usize> {
        schemes.iter().find_map(|scheme| self.0.iter().position(|own| own.key.key.choose_scheme(&[*scheme]).is_some()))
    }
    /// The certificate that a client with these schemes was shown.
    pub fn shown(&self, schemes: &[SignatureScheme]) -> Option<&Certificate> {
        self.0.get(self.pick(schemes).unwrap_or(0)).map(|own| &own.certificate)
    }
    /// What fetches a responder's answer about the certificate that a client with these schemes will be shown.
    pub fn stapler(&self, schemes: &[SignatureScheme]) -> Option<&Arc<Stapler>> {
        self.0.get(self.pick(schemes)?)?.stapler.as_ref()
    }
}

impl ResolvesServerCert for Keys {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let own = self.0.get(self.pick(hello.signature_schemes())?)?;
        let stapled = own.stapler.as_ref().and_then(|stapler| stapler.shown());
        Some(stapled.unwrap_or_else(|| own.key.clone()))
    }
}

/// Name and port of a server, as log lines have it.
pub fn id(server: &Server) -> String {
    let name = server.name.as_ref().map_or(BStr::new(""), |name| name.as_bstr());
    let port = match server.port {
        0 if server.settings.of::<SslServer>().engine == Some(true) => 443,
        0 => 80,
        port => port,
    };
    format!("{name}:{port}")
}

/// A failure that was logged.
pub struct Failed;

pub fn die(configuration: &Configuration, server: &Server) -> Failed {
    let own = server.error_log.as_ref().filter(|_| server.index != 0);
    match own {
        Some(file) => {
            let file = configuration.process.server_root.join(file.to_path_lossy());
            let text = "AH02311: Fatal error initialising mod_ssl, exiting.";
            let text = format_args!("{text} See {} for more information", file.display());
            configuration.main().log(Level::Emerg, "ssl", text);
        }
        None => server.log(Level::Emerg, "ssl", format_args!("AH02312: Fatal error initialising mod_ssl, exiting.")),
    }
    Failed
}

/// Reads and checks everything of one server. What is wrong is logged.
pub fn build(configuration: &Configuration, server: &Server, phrases: &mut Phrases) -> Result<Host, Failed> {
    let settings = server.settings.of::<SslServer>();
    let id = id(server);
    server.log(Level::Info, "ssl", format_args!("AH01914: Configuring server {id} for SSL protocol"));
    let wanted = Wanted {
        protocols: protocols(configuration, server),
        ciphers: settings.ciphers.as_ref(),
        ciphers13: settings.ciphers13.as_ref(),
        groups: settings.groups.as_ref(),
    };
    let (versions, provider) = parameters(configuration, server, &wanted)?;
    let verifier = Verifier::of(configuration, server, &settings.clients, Peers::Clients, &provider)?;
    let staples = settings.stapling.on == Some(true);
    if staples && configuration.main().settings.of::<SslServer>().stapling.cache.is_none() {
        server.log(Level::Emerg, "ssl", format_args!("AH01958: SSLStapling: no stapling cache available"));
        return Err(die(configuration, server));
    }
    if staples {
        server.log(Level::Debug, "ssl", format_args!("AH01960: OCSP stapling initialized"));
    }
    let mut keys = Vec::new();
    for (index, file) in settings.certificates.iter().enumerate() {
        let key_file = settings.keys.get(index).unwrap_or(file);
        let names = (format!("{id}:{index}"), file, key_file);
        let (certificate, key) = certificate(configuration, server, names, &provider, phrases)?;
        let stapler = staples.then(|| {
            let sent = key.cert.iter().skip(1).filter_map(|der| Certificate::parse(der));
            let mut above: Vec<Certificate> = sent.collect();
            above.extend(super::clients::authorities(&settings.clients));
            Stapler::new(configuration, server, &format!("{id}:{index}"), &certificate, &above, &key)
        });
        // Of each kind of key the last one counts, as in OpenSSL.
        keys.retain(|own: &Own| own.certificate.key_algorithm != certificate.key_algorithm);
        keys.push(Own { certificate, key, stapler: stapler.flatten() });
    }
    if keys.is_empty() {
        let text = format_args!("AH02572: Failed to configure at least one certificate and key for {id}");
        server.log(Level::Emerg, "ssl", text);
        return Err(die(configuration, server));
    }
    let keys = Arc::new(Keys(keys));
    let refused = |error: rustls::Error| {
        server.log(Level::Emerg, "ssl", format_args!("rustls refuses the configuration of {id}: {error}"));
        die(configuration, server)
    };
    let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(&versions).map_err(refused)?;
    let builder = match &verifier {
        Some(verifier) => builder.with_client_cert_verifier(verifier.clone()),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(keys.clone());
    config.ignore_client_order = settings.honor_order == Some(true);
    let lifetime = settings.session_timeout.unwrap_or(sessions::TIMEOUT);
    let cache = configuration.main().settings.of::<SslServer>().cache.clone().and_then(|cache| cache.0);
    config.session_storage = match cache {
        Some(cache) => Arc::new(Store::new(cache, server, lifetime)),
        None => Arc::new(rustls::server::NoServerSessionStorage {}),
    };
    if settings.tickets != Some(false) {
        config.ticketer = Arc::new(tickets(configuration, server, lifetime)?.bound_to(judgement(verifier.as_deref())));
    }
    let speaking = |name: &'static str| {
        let mut config = config.clone();
        config.alpn_protocols = vec![name.as_bytes().to_vec()];
        (name, Arc::new(config))
    };
    let others = configuration.providers.names::<dyn SecuredProtocol>();
    let speaking = others.chain([HTTP1]).map(speaking).collect();
    Ok(Host { config: Arc::new(config), speaking, keys, verifier })
}

/// A digest of how clients are judged.
fn judgement(verifier: Option<&Verifier>) -> [u8; 32] {
    let mut digest = Sha256::new();
    if let Some(verifier) = verifier {
        let trust = &verifier.trust;
        digest.update(format!("{:?} {} {:?}", verifier.mode, trust.depth, trust.revocations));
        for authority in &trust.authorities {
            digest.update(Sha256::digest(&authority.der));
        }
    }
    digest.finalize().into()
}

fn tickets(configuration: &Configuration, server: &Server, lifetime: u32) -> Result<Tickets, Failed> {
    let settings = server.settings.of::<SslServer>();
    let made = match &settings.ticket_key {
        Some(file) => {
            let key = std::fs::read(file.to_path_lossy()).unwrap_or_default();
            let Some(key) = key.first_chunk::<48>() else {
                let text = format_args!("AH02287: Failed to read 48 bytes from {file}: (70014) End of file found");
                server.log(Level::Emerg, "ssl", text);
                return Err(die(configuration, server));
            };
            let text =
                format_args!("AH02288: TLS session ticket key for {} successfully loaded from {file}", id(server));
            server.log(Level::Info, "ssl", text);
            Tickets::of(key, lifetime)
        }
        None => Tickets::fresh(lifetime),
    };
    made.ok_or_else(|| die(configuration, server))
}

/// The versions that hold for a server: where it says nothing itself, those of the first host of its address.
fn protocols(configuration: &Configuration, server: &Server) -> Protocols {
    let own = server.settings.of::<SslServer>().protocols;
    let shares = |other: &&Server| {
        other.addresses.iter().any(|one| server.addresses.iter().any(|two| (one.ip, one.port) == (two.ip, two.port)))
    };
    let base = || configuration.servers.iter().skip(1).find(shares)?.settings.of::<SslServer>().protocols;
    own.or_else(base).unwrap_or(Protocols(Protocols::ALL))
}

/// What is said of versions and ciphers.
pub struct Wanted<'a> {
    pub protocols: Protocols,
    pub ciphers: Option<&'a BString>,
    pub ciphers13: Option<&'a BString>,
    pub groups: Option<&'a Groups>,
}

type Parameters = (Vec<&'static SupportedProtocolVersion>, Arc<CryptoProvider>);

/// What rustls has of it; what is wrong is logged.
pub fn parameters(configuration: &Configuration, server: &Server, wanted: &Wanted<'_>) -> Result<Parameters, Failed> {
    let emerg = |text: std::fmt::Arguments<'_>| server.log(Level::Emerg, "ssl", text);
    let protocols = wanted.protocols;
    if protocols.0 == 0 {
        emerg(format_args!("AH02231: No SSL protocols available [hint: SSLProtocol]"));
        return Err(die(configuration, server));
    }
    let string = wanted.ciphers.map_or(BStr::new("DEFAULT"), |string| string.as_bstr());
    let Some(tls12) = ciphers::tls12(&string.to_str_lossy()) else {
        emerg(format_args!("AH01898: Unable to configure permitted SSL ciphers"));
        return Err(die(configuration, server));
    };
    let tls13 = match wanted.ciphers13 {
        Some(list) => ciphers::tls13(&list.to_str_lossy()),
        None => Some(ciphers::tls13_default()),
    };
    let Some(tls13) = tls13 else {
        emerg(format_args!("AH10127: Unable to configure permitted TLSv1.3 ciphers"));
        return Err(die(configuration, server));
    };
    let mut versions = Vec::new();
    if protocols.has(Protocols::TLS1_3) && !tls13.is_empty() {
        versions.push(&rustls::version::TLS13);
    }
    if protocols.has(Protocols::TLS1_2) && !tls12.is_empty() {
        versions.push(&rustls::version::TLS12);
    }
    if versions.is_empty() {
        emerg(format_args!(
            "SSLProtocol and SSLCipherSuite leave nothing that Pinion has: TLSv1.2 with ECDHE and AES-GCM or ChaCha20, and TLSv1.3"
        ));
        return Err(die(configuration, server));
    }
    let mut provider = CryptoProvider { cipher_suites: [tls13, tls12].concat(), ..aws_lc_rs::default_provider() };
    if let Some(groups) = wanted.groups {
        provider.kx_groups = groups.to_vec();
    }
    Ok((versions, Arc::new(provider)))
}

fn certificate(
    configuration: &Configuration,
    server: &Server,
    (id, file, key_file): (String, &BString, &BString),
    provider: &CryptoProvider,
    phrases: &mut Phrases,
) -> Result<(Certificate, Arc<CertifiedKey>), Failed> {
    let settings = server.settings.of::<SslServer>();
    let emerg = |text: std::fmt::Arguments<'_>| server.log(Level::Emerg, "ssl", text);
    let mut chain = certificates(file);
    let leaf = chain.first().and_then(|first| Certificate::parse(first));
    let Some(leaf) = leaf else {
        match settings.chain {
            Some(_) => emerg(format_args!("AH02561: Failed to configure certificate {id}, check {file}")),
            None => emerg(format_args!("AH02562: Failed to configure certificate {id} (with chain), check {file}")),
        }
        return Err(Failed);
    };
    if let Some(file) = &settings.chain {
        chain.truncate(1);
        let mut more = certificates(file);
        // The server's own certificate may stand in front.
        if more.first() == chain.first() && !more.is_empty() {
            more.remove(0);
        }
        chain.extend(more);
    }
    // Where no issuers are named, those that are trusted go along.
    if chain.len() == 1 && settings.chain.is_none() {
        let trusted = super::clients::authorities(&settings.clients);
        let mut last = &leaf;
        let issuer = |of: &Certificate| trusted.iter().find(|other| other.subject_der == of.issuer_der);
        while let Some(next) = issuer(last).filter(|next| !last.is_self_issued() && next.der != last.der) {
            chain.push(next.der.clone().into());
            last = next;
            if chain.len() > trusted.len() {
                break;
            }
        }
    }
    let kind = if x509::algorithm(&leaf.key_algorithm) == "id-ecPublicKey" { "ECC" } else { "RSA" };
    let key = phrases.key(configuration, server, &id, kind, key_file);
    let asked = key.is_err();
    let key = key.ok().flatten().and_then(|key| provider.key_provider.load_private_key(key).ok());
    let Some(key) = key else {
        if !asked {
            server.log(Level::Error, "ssl", format_args!("AH02579: Init: Private key not found"));
        }
        let _ = die(configuration, server);
        emerg(format_args!("AH02564: Failed to configure encrypted (?) private key {id}, check {key_file}"));
        return Err(Failed);
    };
    if key.public_key().is_some_and(|public| public.as_ref() != leaf.spki.as_slice()) {
        emerg(format_args!("AH02565: Certificate and private key {id} from {file} and {key_file} do not match"));
        return Err(Failed);
    }
    check(server, &id, &leaf);
    let text = format_args!("AH02568: Certificate and private key {id} configured from {file} and {key_file}");
    server.log(Level::Info, "ssl", text);
    Ok((leaf, Arc::new(CertifiedKey::new(chain, key))))
}

/// Says what is odd about a certificate.
fn check(server: &Server, id: &str, certificate: &Certificate) {
    let warn = |text: std::fmt::Arguments<'_>| server.log(Level::Warn, "ssl", text);
    if let Some((true, length)) = certificate.constraints {
        warn(format_args!("AH01906: {id} server certificate is a CA certificate (BasicConstraints: CA == TRUE !?)"));
        if let Some(length) = length.filter(|length| *length > 0) {
            warn(format_args!(
                "AH01907: {id} server certificate is not a leaf certificate (BasicConstraints: pathlen == {length} > 0 !?)"
            ));
        }
    }
    let name = server.name.as_ref().map(|name| name.to_str_lossy()).unwrap_or_default();
    match certificate.is_for(&name) {
        true => {
            let host = self::id(server);
            let text = format_args!("AH02412: [{host}] Cert matches for name '{name}' {}", certificate.summary());
            server.log(Level::Debug, "ssl", text);
        }
        false => {
            warn(format_args!("AH01909: {id} server certificate does NOT include an ID which matches the server name"))
        }
    }
}

/// The certificates in a PEM file.
pub fn certificates(file: &BString) -> Vec<CertificateDer<'static>> {
    let text = std::fs::read(file.to_path_lossy()).unwrap_or_default();
    CertificateDer::pem_slice_iter(&text).map_while(Result::ok).collect()
}
