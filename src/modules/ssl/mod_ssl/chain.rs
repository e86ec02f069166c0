//! Whether a chain of certificates ends at an authority that is trusted, as OpenSSL judges it: old certificates without
//! extensions are as good as new ones, and the depth counts what stands above the first.

use super::der::{self, Item};
use super::x509::Certificate;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{SignatureVerificationAlgorithm, UnixTime};
use rustls::{DigitallySignedStruct, ProtocolVersion, SignatureScheme};

/// What is wrong with a chain: OpenSSL's number and words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fault(pub u8, pub &'static str);

const NO_ISSUER: Fault = Fault(2, "unable to get issuer certificate");
const NO_CRL: Fault = Fault(3, "unable to get certificate CRL");
const BAD_SIGNATURE: Fault = Fault(7, "certificate signature failure");
const CRL_SIGNATURE: Fault = Fault(8, "CRL signature failure");
const NOT_YET: Fault = Fault(9, "certificate is not yet valid");
const EXPIRED: Fault = Fault(10, "certificate has expired");
const CRL_EXPIRED: Fault = Fault(12, "CRL has expired");
const SELF_SIGNED: Fault = Fault(18, "self-signed certificate");
const SELF_SIGNED_ABOVE: Fault = Fault(19, "self-signed certificate in certificate chain");
const NO_LOCAL_ISSUER: Fault = Fault(20, "unable to get local issuer certificate");
const UNVERIFIED: Fault = Fault(21, "unable to verify the first certificate");
pub const TOO_LONG: Fault = Fault(22, "certificate chain too long");
const REVOKED: Fault = Fault(23, "certificate revoked");
const NO_AUTHORITY: Fault = Fault(79, "invalid CA certificate");
const PURPOSE: Fault = Fault(26, "unsuitable certificate purpose");

impl Fault {
    /// What OpenSSL says in the end when it was told to go on.
    pub fn as_left_behind(self, depth: usize) -> Fault {
        if self == NO_LOCAL_ISSUER && depth == 0 { UNVERIFIED } else { self }
    }
    /// Whether `optional_no_ca` passes over it: nobody vouches for the certificate, but it is none that is bad.
    pub fn is_for_lack_of_authority(self) -> bool {
        matches!(self.0, 18..=21 | 27)
    }
}

/// What of a chain's revocations is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Revocations {
    #[default]
    None,
    Leaf,
    Chain,
}

/// A list of revoked certificates.
#[derive(Clone, Debug)]
pub struct RevocationList {
    issuer: Vec<u8>,
    next: Option<i64>,
    revoked: Vec<Vec<u8>>,
    signed: Signed,
}

/// Octets with their signature.
#[derive(Clone, Debug, Default)]
pub struct Signed {
    message: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

impl Signed {
    /// Takes the outermost part of a certificate or list apart.
    pub fn parse(der: &[u8]) -> Option<Signed> {
        let mut parts = der::single(der, der::SEQUENCE)?.items();
        let message = parts.pass(der::SEQUENCE)?.whole.to_vec();
        let algorithm = parts.pass(der::SEQUENCE)?.value.to_vec();
        let signature = parts.pass(der::BIT_STRING)?.value.get(1..)?.to_vec();
        Some(Signed { message, algorithm, signature })
    }
    /// Whether the key of `spki` (a whole SubjectPublicKeyInfo) signed it.
    fn is_by(&self, spki: &[u8], algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let Some((kind, key)) = key_of(spki) else { return false };
        let fits = |known: &&&dyn SignatureVerificationAlgorithm| {
            known.signature_alg_id().as_ref() == self.algorithm && known.public_key_alg_id().as_ref() == kind
        };
        algorithms
            .all
            .iter()
            .filter(fits)
            .any(|known| known.verify_signature(key, &self.message, &self.signature).is_ok())
    }
}

/// Algorithm and key of a SubjectPublicKeyInfo.
pub fn key_of(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = der::single(spki, der::SEQUENCE)?.items();
    let kind = parts.pass(der::SEQUENCE)?.value;
    Some((kind, parts.pass(der::BIT_STRING)?.value.get(1..)?))
}

/// Whether the key of `spki` made the signature of a handshake.
pub fn signed_handshake(
    message: &[u8],
    spki: &[u8],
    signature: &DigitallySignedStruct,
    version: ProtocolVersion,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    use SignatureScheme as S;
    let new = version == ProtocolVersion::TLSv1_3;
    if new
        && matches!(
            signature.scheme,
            S::RSA_PKCS1_SHA1 | S::RSA_PKCS1_SHA256 | S::RSA_PKCS1_SHA384 | S::RSA_PKCS1_SHA512
        )
    {
        return false;
    }
    let Some((kind, key)) = key_of(spki) else { return false };
    let known = algorithms.mapping.iter().find(|(scheme, _)| *scheme == signature.scheme);
    let known = known.map(|(_, known)| *known).unwrap_or_default();
    // TLS 1.3 ties a scheme to one curve.
    let known = if new { known.get(..1).unwrap_or_default() } else { known };
    known
        .iter()
        .filter(|known| known.public_key_alg_id().as_ref() == kind)
        .any(|known| known.verify_signature(key, message, signature.signature()).is_ok())
}

impl RevocationList {
    pub fn parse(der: &[u8]) -> Option<RevocationList> {
        let signed = Signed::parse(der)?;
        let mut fields = der::single(&signed.message, der::SEQUENCE)?.items();
        fields.pass(der::INTEGER);
        fields.pass(der::SEQUENCE)?;
        let issuer = fields.pass(der::SEQUENCE)?.whole.to_vec();
        der::time(&fields.next()?)?;
        let mut rest = fields.peekable();
        let next = rest.next_if(|item| matches!(item.tag, der::UTC_TIME | der::GENERALIZED_TIME));
        let next = next.as_ref().and_then(der::time);
        let entries = rest.next_if(|item| item.tag == der::SEQUENCE);
        let serial = |entry: Item<'_>| Some(entry.items().pass(der::INTEGER)?.value.to_vec());
        let revoked = entries.into_iter().flat_map(|list| list.items()).filter_map(serial).collect();
        Some(RevocationList { issuer, next, revoked, signed })
    }
}

/// Who is trusted, and how far.
#[derive(Clone, Debug)]
pub struct Trust {
    pub authorities: Vec<Certificate>,
    pub depth: usize,
    pub revocations: Revocations,
    /// A certificate whose issuer has no list is taken for good.
    pub no_list_is_fine: bool,
    pub lists: Vec<RevocationList>,
    pub algorithms: WebPkiSupportedAlgorithms,
    /// Extended key usage that certificates must allow, where they limit it.
    pub purpose: &'static [u8],
}

fn out_of_date(certificate: &Certificate, now: i64) -> Option<Fault> {
    if now < certificate.not_before {
        return Some(NOT_YET);
    }
    (now > certificate.not_after).then_some(EXPIRED)
}

/// Extended key usage of clients.
pub const FOR_CLIENTS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];
/// Extended key usage of servers.
pub const FOR_SERVERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

impl Trust {
    /// Judges a chain, the leaf first. The fault comes with the depth at which it was found.
    pub fn judge(&self, chain: &[Certificate], now: UnixTime) -> Result<(), (Fault, usize)> {
        let Some(leaf) = chain.first() else { return Err((NO_LOCAL_ISSUER, 0)) };
        let mut path: Vec<&Certificate> = vec![leaf];
        let mut trusted = 0;
        loop {
            let last = path.len() - 1;
            let current = path.get(last).copied().unwrap_or(leaf);
            let known = self.authorities.iter().any(|authority| authority.der == current.der);
            if current.is_self_issued() {
                if known {
                    break;
                }
                return Err((if last == 0 { SELF_SIGNED } else { SELF_SIGNED_ABOVE }, last));
            }
            // What is trusted comes before what was sent.
            let issued = |other: &&Certificate| {
                other.subject_der == current.issuer_der && !path.iter().any(|one| one.der == other.der)
            };
            let from_store = self.authorities.iter().find(issued);
            if from_store.is_some() {
                trusted += 1;
            }
            let Some(issuer) = from_store.or_else(|| chain.iter().find(issued)) else {
                return Err((if trusted > 0 { NO_ISSUER } else { NO_LOCAL_ISSUER }, last));
            };
            if path.len() > 32 {
                return Err((TOO_LONG, last));
            }
            path.push(issuer);
        }
        // OpenSSL looks at purposes first, from the leaf up, then at the rest from the top down.
        for (depth, certificate) in path.iter().enumerate() {
            if depth > 0 && !certificate.is_authority() {
                return Err((NO_AUTHORITY, depth));
            }
            if !self.suits(certificate) {
                return Err((PURPOSE, depth));
            }
        }
        if path.len() - 1 > self.depth {
            return Err((TOO_LONG, path.len() - 1));
        }
        self.judge_path(&path, now.as_secs() as i64)
    }

    /// What is wrong with certificates by themselves, whoever vouches for them.
    pub fn judge_alone(&self, chain: &[Certificate], now: UnixTime) -> Result<(), (Fault, usize)> {
        let now = now.as_secs() as i64;
        if let Some(depth) = chain.iter().position(|certificate| !self.suits(certificate)) {
            return Err((PURPOSE, depth));
        }
        let faults = chain.iter().map(|certificate| out_of_date(certificate, now));
        faults.enumerate().rev().find_map(|(depth, fault)| Some((fault?, depth))).map_or(Ok(()), Err)
    }

    /// Whether a certificate may be used for what it is used for.
    fn suits(&self, certificate: &Certificate) -> bool {
        certificate.usages.is_empty() || certificate.usages.iter().any(|usage| usage == self.purpose)
    }

    fn judge_path(&self, path: &[&Certificate], now: i64) -> Result<(), (Fault, usize)> {
        for (depth, certificate) in path.iter().enumerate().rev() {
            let issuer = path.get(depth + 1).unwrap_or(certificate);
            if !certificate.signed.is_by(&issuer.spki, &self.algorithms) {
                return Err((BAD_SIGNATURE, depth));
            }
            if let Some(fault) = out_of_date(certificate, now) {
                return Err((fault, depth));
            }
            let looked_at = match self.revocations {
                Revocations::None => false,
                Revocations::Leaf => depth == 0,
                Revocations::Chain => true,
            };
            if looked_at {
                self.revoked(certificate, issuer, now).map_err(|fault| (fault, depth))?;
            }
        }
        Ok(())
    }

    fn revoked(&self, certificate: &Certificate, issuer: &Certificate, now: i64) -> Result<(), Fault> {
        let mut lists = self.lists.iter().filter(|list| list.issuer == certificate.issuer_der).peekable();
        if lists.peek().is_none() {
            return if self.no_list_is_fine { Ok(()) } else { Err(NO_CRL) };
        }
        for list in lists {
            if !list.signed.is_by(&issuer.spki, &self.algorithms) {
                return Err(CRL_SIGNATURE);
            }
            if list.next.is_some_and(|next| next < now) {
                return Err(CRL_EXPIRED);
            }
            if list.revoked.contains(&certificate.serial) {
                return Err(REVOKED);
            }
        }
        Ok(())
    }
}
