//! Our own certificates for backends that ask for one: SSLProxyMachineCertificate….

use super::super::chain::{Revocations, Trust};
use super::super::clients::{self, Files};
use super::super::host::{self, Failed};
use super::super::keys::{self, Found};
use super::super::x509::Certificate;
use super::Said;
use crate::config::{Configuration, Server};
use crate::log::Level;
use bstr::ByteSlice;
use parking_lot::Mutex;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// The certificates, each with its key and the issuers that go along.
#[derive(Debug)]
pub struct Machine(Vec<Own>);

#[derive(Debug)]
struct Own {
    /// Names of all who issued it, as far as they are known.
    issuers: Vec<Vec<u8>>,
    key: Arc<CertifiedKey>,
}

/// What a backend that asked for a certificate was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Asked {
    /// There is none.
    Without,
    /// None of ours is of an authority that it takes.
    Unsuitable,
    Sent,
}

/// The certificates for one handshake.
#[derive(Debug)]
pub struct Chooser {
    machine: Arc<Machine>,
    asked: Mutex<Option<Asked>>,
}

impl Chooser {
    pub fn new(machine: Arc<Machine>) -> Chooser {
        Chooser { machine, asked: Mutex::new(None) }
    }
    /// What the backend was told, if it asked.
    pub fn asked(&self) -> Option<Asked> {
        *self.asked.lock()
    }
}

impl Machine {
    /// Reads them. What is wrong is logged.
    pub fn read(
        configuration: &Configuration,
        server: &Server,
        said: &Said,
        provider: &CryptoProvider,
    ) -> Result<Machine, Failed> {
        if said.machine_file.is_none() && said.machine_path.is_none() {
            return Ok(Machine(Vec::new()));
        }
        let mut found = Vec::new();
        for text in clients::texts(&said.machine_file, &said.machine_path, Files::All) {
            pairs(&text, &mut found);
        }
        if found.iter().any(|pair| pair.locked) {
            let text = "incomplete client cert configured for SSL proxy (missing or encrypted private key?)";
            server.log_bare(Level::Emerg, format_args!("AH02252: {text}"));
            return Err(host::die(configuration, server));
        }
        let mismatch = |summary: &str| {
            let text = "proxy client certificate and private key do not match";
            server.log_bare(Level::Emerg, format_args!("AH02326: {text} {summary}"));
            host::die(configuration, server)
        };
        if found.iter().any(|pair| pair.key.is_some() && pair.certificate.is_none()) {
            return Err(mismatch("[certificate: -not available-]"));
        }
        // What has no key is an authority's.
        let found: Vec<_> = found.into_iter().filter_map(|pair| Some((pair.certificate?, pair.key?))).collect();
        if found.is_empty() {
            server.log(Level::Warn, "ssl", format_args!("AH02206: no client certs found for SSL proxy"));
            return Ok(Machine(Vec::new()));
        }
        let above = clients::certificates(&said.machine_chain, &None, Files::All);
        let count = found.len();
        let mut own = Vec::new();
        for (der, key) in found {
            let Some(certificate) = Certificate::parse(&der) else { continue };
            let key = provider.key_provider.load_private_key(key).ok();
            let fits = key.as_ref().is_some_and(|key| {
                key.public_key().is_none_or(|public| public.as_ref() == certificate.spki.as_slice())
            });
            let Some(key) = key.filter(|_| fits) else {
                return Err(mismatch(&certificate.summary()));
            };
            own.push((certificate, der, key));
        }
        server.log(Level::Debug, "ssl", format_args!("AH02207: loaded {count} client certs for SSL proxy"));
        let complete = |(index, (certificate, der, key)): (usize, (Certificate, CertificateDer<'static>, _))| {
            let path = issuers(server, index, &certificate, &above, provider);
            let chain = std::iter::once(der).chain(path.iter().map(|one| one.der.clone().into())).collect();
            let names = std::iter::once(&certificate).chain(&path).map(|one| one.issuer_der.clone()).collect();
            Own { issuers: names, key: Arc::new(CertifiedKey::new(chain, key)) }
        };
        Ok(Machine(own.into_iter().enumerate().map(complete).collect()))
    }
}

type Key = rustls::pki_types::PrivateKeyDer<'static>;

/// What stands together in a file: a certificate and a key, in either order.
#[derive(Default)]
struct Pair {
    certificate: Option<CertificateDer<'static>>,
    key: Option<Key>,
    locked: bool,
}

fn pairs(text: &[u8], found: &mut Vec<Pair>) {
    let mut pair = Pair::default();
    let mut rest = text;
    while let Some(at) = rest.find(b"-----BEGIN ") {
        let item = rest.get(at..).unwrap_or_default();
        let end = item.find(b"-----END ").map_or(item.len(), |end| (end + 80).min(item.len()));
        let one = item.get(..end).unwrap_or(item);
        if let Ok(der) = CertificateDer::from_pem_slice(one) {
            if pair.certificate.is_some() {
                found.push(std::mem::take(&mut pair));
            }
            pair.certificate = Some(der);
        } else {
            let key = keys::find(one);
            if (pair.key.is_some() || pair.locked) && !matches!(key, Found::Nothing) {
                found.push(std::mem::take(&mut pair));
            }
            match key {
                Found::Key(key) => pair.key = Some(key),
                Found::Locked(_) => pair.locked = true,
                Found::Nothing => {}
            }
        }
        rest = item.get(11..).unwrap_or_default();
    }
    found.push(pair);
}

/// The issuers in the chain file that go along with a certificate; without a whole chain none do.
fn issuers(
    server: &Server,
    index: usize,
    certificate: &Certificate,
    above: &[Certificate],
    provider: &CryptoProvider,
) -> Vec<Certificate> {
    if above.is_empty() {
        return Vec::new();
    }
    let trust = Trust {
        authorities: above.to_vec(),
        depth: 32,
        revocations: Revocations::None,
        no_list_is_fine: true,
        lists: Vec::new(),
        algorithms: provider.signature_verification_algorithms,
        purpose: super::super::chain::FOR_CLIENTS,
    };
    if let Err((fault, _)) = trust.judge(std::slice::from_ref(certificate), UnixTime::now()) {
        let text = "SSL proxy client cert chain verification failed";
        let text = format_args!("AH02270: {text}: {} : {}", fault.1, certificate.summary());
        server.log(Level::Warn, "ssl", text);
    }
    let mut path: Vec<Certificate> = Vec::new();
    while let Some(next) = {
        let last = path.last().unwrap_or(certificate);
        let issued = |other: &&Certificate| other.subject_der == last.issuer_der;
        above.iter().find(issued).filter(|_| !last.is_self_issued() && path.len() < above.len())
    } {
        path.push(next.clone());
    }
    if server.logs(Level::Debug, "ssl") {
        let what = if path.len() == 1 { "CA" } else { "CAs" };
        let text = format_args!(
            "AH02271: loaded {} intermediate {what} for cert {index}:  {}",
            path.len(),
            certificate.summary()
        );
        server.log(Level::Debug, "ssl", text);
        for (at, one) in path.iter().enumerate() {
            server.log(Level::Debug, "ssl", format_args!("AH03039: {at}: {}", one.summary()));
        }
    }
    path
}

impl ResolvesClientCert for Chooser {
    fn resolve(&self, names: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let owned = &self.machine.0;
        if owned.is_empty() {
            *self.asked.lock() = Some(Asked::Without);
            return None;
        }
        // A backend that names no authorities takes the first.
        let by_name = |name: &[u8]| owned.iter().find(|own| own.issuers.iter().any(|issuer| issuer == name));
        let own = match names.is_empty() {
            true => owned.first(),
            false => names.iter().find_map(|name| by_name(name)),
        };
        let own = own.filter(|own| own.key.key.choose_scheme(schemes).is_some());
        *self.asked.lock() = Some(if own.is_some() { Asked::Sent } else { Asked::Unsuitable });
        Some(own?.key.clone())
    }
    fn has_certs(&self) -> bool {
        // Without any, the log says that one was asked for.
        true
    }
}
