//! Certificates of clients: whether they are asked for, whose are taken, and the directives of it.

use super::chain::{FOR_CLIENTS, FOR_SERVERS, Fault, RevocationList, Revocations, TOO_LONG, Trust, signed_handshake};
use super::host;
use super::settings::{self, SslDir, SslServer};
use super::x509::Certificate;
use crate::config::*;
use crate::log::Level;
use bstr::{BStr, BString, ByteSlice};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, ProtocolVersion, SignatureScheme};
use std::cell::Cell;
use std::sync::Arc;

/// SSLVerifyClient.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    #[default]
    None,
    Optional,
    Require,
    OptionalNoCa,
}

/// Settings of a server about clients.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct ClientSettings {
    pub mode: Option<Mode>,
    pub depth: Option<usize>,
    pub ca_file: Option<BString>,
    pub ca_path: Option<BString>,
    pub names_file: Option<BString>,
    pub names_path: Option<BString>,
    pub crl_file: Option<BString>,
    pub crl_path: Option<BString>,
    pub crl_check: Option<(Revocations, bool)>,
    /// A section within asks for certificates.
    pub asked_in_sections: bool,
}

impl Eq for ClientSettings {}

impl ClientSettings {
    pub fn merge(base: &Self, add: &Self) -> Self {
        let or = |one: &Option<BString>, other: &Option<BString>| one.clone().or_else(|| other.clone());
        ClientSettings {
            mode: add.mode.or(base.mode),
            depth: add.depth.or(base.depth),
            ca_file: or(&add.ca_file, &base.ca_file),
            ca_path: or(&add.ca_path, &base.ca_path),
            names_file: or(&add.names_file, &base.names_file),
            names_path: or(&add.names_path, &base.names_path),
            crl_file: or(&add.crl_file, &base.crl_file),
            crl_path: or(&add.crl_path, &base.crl_path),
            crl_check: add.crl_check.or(base.crl_check),
            asked_in_sections: add.asked_in_sections || base.asked_in_sections,
        }
    }
    pub fn mode(&self) -> Mode {
        self.mode.unwrap_or_default()
    }
    /// SSLVerifyDepth: how many certificates of authorities may stand above the client's.
    pub fn most_depth(&self) -> usize {
        self.depth.unwrap_or(1)
    }
}

pub(super) fn mode(cx: &Cx<'_>, word: &BStr) -> Result<Mode, Complaint> {
    Ok(match word.to_ascii_lowercase().as_slice() {
        b"none" | b"off" => Mode::None,
        b"optional" => Mode::Optional,
        b"require" | b"on" => Mode::Require,
        b"optional_no_ca" => Mode::OptionalNoCa,
        _ => return Err(format!("{}: Invalid argument '{word}'", cx.name).into()),
    })
}

pub(super) fn verify(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let mode = mode(cx, word)?;
    if cx.path.is_some() {
        cx.dir::<SslDir>().verify = Some(mode);
        cx.server::<SslServer>().clients.asked_in_sections |= mode != Mode::None;
    } else {
        cx.server::<SslServer>().clients.mode = Some(mode);
    }
    Ok(())
}

pub(super) fn depth_of(cx: &Cx<'_>, word: &BStr) -> Result<usize, Complaint> {
    usize::try_from(atoi(word)).map_err(|_| format!("{}: Invalid argument '{word}'", cx.name).into())
}

pub(super) fn depth(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    let depth = depth_of(cx, word)?;
    if cx.path.is_some() {
        cx.dir::<SslDir>().depth = Some(depth);
    } else {
        cx.server::<SslServer>().clients.depth = Some(depth);
    }
    Ok(())
}

/// What a row with a file or directory sets.
pub const CA: usize = 0;
pub const NAMES: usize = 1;
pub const CRL: usize = 2;

pub(super) fn file(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    refuse_in_sections(cx)?;
    let file = settings::file(cx, word)?;
    let clients = &mut cx.server.settings.edit::<SslServer>().clients;
    match cx.directive.info {
        CA => clients.ca_file = Some(file),
        NAMES => clients.names_file = Some(file),
        _ => clients.crl_file = Some(file),
    }
    Ok(())
}

pub(super) fn path(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    refuse_in_sections(cx)?;
    let path = Some(settings::directory(cx, word)?);
    let clients = &mut cx.server.settings.edit::<SslServer>().clients;
    match cx.directive.info {
        CA => clients.ca_path = path,
        NAMES => clients.names_path = path,
        _ => clients.crl_path = path,
    }
    Ok(())
}

fn refuse_in_sections(cx: &Cx<'_>) -> Outcome {
    match cx.path {
        Some(_) => Err("Your SSL library does not have support for per-directory CA".into()),
        None => Ok(()),
    }
}

pub(super) fn crl_check(cx: &mut Cx<'_>, args: &BStr) -> Outcome {
    let check = revocations(cx, args)?;
    cx.server::<SslServer>().clients.crl_check = Some(check);
    Ok(())
}

/// What is looked at, and whether a certificate whose issuer has no list is taken for good.
pub(super) fn revocations(cx: &Cx<'_>, args: &BStr) -> Result<(Revocations, bool), Complaint> {
    let mut words = httpd_conf::words(args);
    let name = cx.name.to_owned();
    let bad = |word: &[u8]| Err(format!("{name}: Invalid argument '{}'", word.as_bstr()).into());
    let first = words.next().map(|word| word.to_vec()).unwrap_or_default();
    let revocations = match first.to_ascii_lowercase().as_slice() {
        b"none" => Revocations::None,
        b"leaf" => Revocations::Leaf,
        b"chain" => Revocations::Chain,
        _ => return bad(&first),
    };
    let mut no_list_is_fine = false;
    for word in words {
        match word.eq_ignore_ascii_case(b"no_crl_for_cert_ok") {
            true => no_list_is_fine = true,
            false => return bad(word.as_bytes()),
        }
    }
    Ok((revocations, no_list_is_fine))
}

/// Which files of a directory are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Files {
    All,
    /// Named by the hash of whose they are, as OpenSSL looks them up: `d5c06ec2.0` for certificates.
    Certificates,
    /// The same for lists of revoked certificates: `d5c06ec2.r0`.
    Lists,
}

impl Files {
    fn holds(self, name: &std::ffi::OsStr) -> bool {
        let begins = match self {
            Files::All => return true,
            Files::Certificates => ".",
            Files::Lists => ".r",
        };
        let name = name.as_encoded_bytes();
        let Some((hash, number)) = name.split_at_checked(8) else { return false };
        let number = number.strip_prefix(begins.as_bytes()).unwrap_or_default();
        hash.iter().all(u8::is_ascii_hexdigit) && !number.is_empty() && number.iter().all(u8::is_ascii_digit)
    }
}

/// The PEM texts of a file and of the files of a directory.
pub(super) fn texts(file: &Option<BString>, path: &Option<BString>, which: Files) -> Vec<Vec<u8>> {
    let mut files: Vec<std::path::PathBuf> = file.iter().map(|file| file.to_path_lossy().into_owned()).collect();
    if let Some(path) = path
        && let Ok(entries) = std::fs::read_dir(path.to_path_lossy())
    {
        let entries = entries.flatten().filter(|entry| which.holds(&entry.file_name()));
        let mut entries: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_file()).collect();
        entries.sort();
        files.extend(entries);
    }
    files.iter().filter_map(|file| std::fs::read(file).ok()).collect()
}

pub(super) fn certificates(file: &Option<BString>, path: &Option<BString>, which: Files) -> Vec<Certificate> {
    let mut out: Vec<Certificate> = Vec::new();
    for text in texts(file, path, which) {
        for der in CertificateDer::pem_slice_iter(&text).map_while(Result::ok) {
            if let Some(certificate) = Certificate::parse(&der).filter(|new| !out.iter().any(|old| old.der == new.der))
            {
                out.push(certificate);
            }
        }
    }
    out
}

/// Whom a server trusts with certificates of clients.
pub(super) fn authorities(settings: &ClientSettings) -> Vec<Certificate> {
    certificates(&settings.ca_file, &settings.ca_path, Files::Certificates)
}

fn lists(settings: &ClientSettings) -> Vec<RevocationList> {
    let mut out = Vec::new();
    for text in texts(&settings.crl_file, &settings.crl_path, Files::Lists) {
        let ders = CertificateRevocationListDer::pem_slice_iter(&text).map_while(Result::ok);
        out.extend(ders.filter_map(|der| RevocationList::parse(&der)));
    }
    out
}

thread_local! {
    /// Why a certificate was refused last: rustls tells no more than that it was.
    static LAST: Cell<Option<Box<Refusal>>> = const { Cell::new(None) };
}

/// Why a chain of certificates was refused.
pub struct Refusal {
    pub fault: Fault,
    pub depth: usize,
    /// The certificate in question, where it was sent.
    certificate: Option<Certificate>,
}

impl Refusal {
    /// What the log says where the chain has more authorities than `most`.
    pub fn too_long(&self, most: usize) -> Option<String> {
        let text = "AH02040: Certificate Verification: Certificate Chain too long";
        let depth = self.depth;
        let long = self.fault == TOO_LONG;
        long.then(|| format!("{text} (chain has {depth} certificates, but maximum allowed are only {most})"))
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let summary = self.certificate.as_ref().map(Certificate::summary).unwrap_or_default();
        write!(f, "Certificate Verification: Error ({}): {} {summary}", self.fault.0, self.fault.1)
    }
}

/// The error that stands for a fault, which [`refusal`] knows in full.
fn refused(fault: Fault, depth: usize, chain: &[Certificate]) -> Error {
    LAST.set(Some(Box::new(Refusal { fault, depth, certificate: chain.get(depth).cloned() })));
    Error::InvalidCertificate(match fault.0 {
        9 => CertificateError::NotValidYet,
        10 => CertificateError::Expired,
        23 => CertificateError::Revoked,
        7 => CertificateError::BadSignature,
        26 => CertificateError::InvalidPurpose,
        _ => CertificateError::UnknownIssuer,
    })
}

/// Why the handshake that just failed did, where it was for the client's certificate; with how long a chain may be.
pub fn refusal() -> Option<Box<Refusal>> {
    LAST.take()
}

/// Whose certificates are judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peers {
    Clients,
    Backends,
}

/// How a server deals with certificates of clients, or of backends.
#[derive(Debug)]
pub struct Verifier {
    pub mode: Mode,
    /// A section asks, the server does not: whatever comes is taken, and judged where it matters.
    later: bool,
    pub trust: Trust,
    names: Vec<DistinguishedName>,
}

impl Verifier {
    /// None where nobody is asked. What is wrong is logged; Err: it is fatal.
    pub fn of(
        configuration: &Configuration,
        server: &Server,
        settings: &ClientSettings,
        peers: Peers,
        provider: &CryptoProvider,
    ) -> Result<Option<Arc<Verifier>>, host::Failed> {
        let id = host::id(server);
        let (prefix, purpose) = match peers {
            Peers::Clients => ("SSL", FOR_CLIENTS),
            Peers::Backends => ("SSLProxy", FOR_SERVERS),
        };
        let located = settings.crl_file.is_some() || settings.crl_path.is_some();
        let (revocations, no_list_is_fine) = settings.crl_check.unwrap_or_default();
        let later = settings.mode() == Mode::None && settings.asked_in_sections;
        let asked = settings.mode() != Mode::None || later;
        let authorities = authorities(settings);
        let named = match settings.names_file.is_some() || settings.names_path.is_some() {
            true => certificates(&settings.names_file, &settings.names_path, Files::All),
            false => certificates(&settings.ca_file, &settings.ca_path, Files::All),
        };
        let inner = |certificate: &Certificate| {
            let name = super::der::single(&certificate.subject_der, super::der::SEQUENCE)?;
            Some(DistinguishedName::in_sequence(name.value))
        };
        let names: Vec<_> = named.iter().filter_map(inner).collect();
        if settings.mode() == Mode::Require && names.is_empty() {
            let text = "AH01897: Init: Oops, you want to request client authentication, but no CAs are known for verification!?  [Hint: SSLCACertificate*]";
            server.log(Level::Warn, "ssl", format_args!("{text}"));
        }
        if revocations == Revocations::None && located {
            let text = "X.509 CRL storage locations configured, but CRL checking";
            let text = format_args!("AH01902: Host {id}: {text} ({prefix}CARevocationCheck) is not enabled");
            server.log(Level::Warn, "ssl", text);
        }
        if !asked {
            return Ok(None);
        }
        if revocations != Revocations::None && !located {
            let text = format_args!(
                "AH01899: Host {id}: CRL checking has been enabled, but neither {prefix}CARevocationFile nor {prefix}CARevocationPath is configured"
            );
            server.log(Level::Emerg, "ssl", text);
            return Err(host::die(configuration, server));
        }
        let trust = Trust {
            authorities,
            depth: settings.most_depth(),
            revocations,
            no_list_is_fine,
            lists: lists(settings),
            algorithms: provider.signature_verification_algorithms,
            purpose,
        };
        Ok(Some(Arc::new(Verifier { mode: settings.mode(), later, trust, names })))
    }

    /// How a chain is judged where the server alone decides: whether it may come in, and what SSL_CLIENT_VERIFY says.
    pub fn standing(&self, chain: &[Certificate], now: UnixTime) -> Standing {
        match self.trust.judge(chain, now) {
            Ok(()) => Standing::Success,
            Err((fault, depth)) if self.mode == Mode::OptionalNoCa && fault.is_for_lack_of_authority() => {
                match self.trust.judge_alone(chain, now) {
                    Ok(()) => Standing::Generous(fault.as_left_behind(depth)),
                    Err((fault, depth)) => Standing::Failed(fault, depth),
                }
            }
            Err((fault, depth)) => Standing::Failed(fault, depth),
        }
    }
}

/// What a client's certificate is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    Success,
    /// Nobody vouches for it, which does not matter here.
    Generous(Fault),
    Failed(Fault, usize),
}

impl ClientCertVerifier for Verifier {
    fn offer_client_auth(&self) -> bool {
        true
    }
    fn client_auth_mandatory(&self) -> bool {
        self.mode == Mode::Require
    }
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.names
    }
    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain: Option<Vec<_>> = std::iter::once(leaf).chain(rest).map(|der| Certificate::parse(der)).collect();
        let chain = chain.ok_or(Error::InvalidCertificate(CertificateError::BadEncoding))?;
        if self.later {
            return Ok(ClientCertVerified::assertion());
        }
        match self.standing(&chain, now) {
            Standing::Failed(fault, depth) => Err(refused(fault, depth, &chain)),
            _ => Ok(ClientCertVerified::assertion()),
        }
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed(message, leaf, signature, ProtocolVersion::TLSv1_2, &self.trust.algorithms)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed(message, leaf, signature, ProtocolVersion::TLSv1_3, &self.trust.algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.trust.algorithms.supported_schemes()
    }
}

/// Whether who holds the certificate of `leaf` signed the handshake.
pub fn signed(
    message: &[u8],
    leaf: &CertificateDer<'_>,
    signature: &DigitallySignedStruct,
    version: ProtocolVersion,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<HandshakeSignatureValid, Error> {
    let spki = Certificate::parse(leaf).map(|leaf| leaf.spki).unwrap_or_default();
    match signed_handshake(message, &spki, signature, version, algorithms) {
        true => Ok(HandshakeSignatureValid::assertion()),
        false => Err(Error::InvalidCertificate(CertificateError::BadSignature)),
    }
}
