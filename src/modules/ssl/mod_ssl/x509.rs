//! What a certificate says (RFC 5280), and how OpenSSL's tools would write it.

use super::chain::Signed;
use super::der::{self, Item};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// One attribute of a name: type, string tag, value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    pub oid: Vec<u8>,
    tag: u8,
    value: Vec<u8>,
}

/// A distinguished name: its sets of attributes in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Name(Vec<Vec<Attribute>>);

/// One alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AltName {
    Email(String),
    Dns(String),
    /// Type and text of another name.
    Other(Vec<u8>, String),
}

/// A certificate, taken apart.
#[derive(Clone, Debug, Default)]
pub struct Certificate {
    pub der: Vec<u8>,
    pub version: u8,
    pub serial: Vec<u8>,
    pub signature: Vec<u8>,
    pub issuer: Name,
    pub subject: Name,
    /// Both names as they stand there.
    pub issuer_der: Vec<u8>,
    pub subject_der: Vec<u8>,
    pub not_before: i64,
    pub not_after: i64,
    pub key_algorithm: Vec<u8>,
    /// The whole SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// BasicConstraints: whether it is an authority's, and the path length.
    pub constraints: Option<(bool, Option<u32>)>,
    pub alt_names: Vec<AltName>,
    /// Extended key usages; none where it says nothing of them.
    pub usages: Vec<Vec<u8>>,
    /// Where a responder answers for it (authorityInfoAccess).
    pub responder: Option<String>,
    pub signed: Signed,
}

const SAN: &[u8] = &[0x55, 0x1d, 0x11];
const USAGES: &[u8] = &[0x55, 0x1d, 0x25];
const INFO_ACCESS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 1, 1];
const OCSP: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 0x30, 1];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 0x13];
pub const MS_UPN: &[u8] = &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x14, 2, 3];
pub const SRV_NAME: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 8, 7];

/// Attribute types: OID, OpenSSL's short name, and the letter or word of `SSL_CLIENT_S_DN_…`.
const ATTRIBUTES: &[(&[u8], &str, Option<&str>)] = &[
    (&[0x55, 4, 6], "C", Some("C")),
    (&[0x55, 4, 8], "ST", Some("ST")),
    (&[0x55, 4, 7], "L", Some("L")),
    (&[0x55, 4, 10], "O", Some("O")),
    (&[0x55, 4, 11], "OU", Some("OU")),
    (&[0x55, 4, 3], "CN", Some("CN")),
    (&[0x55, 4, 12], "title", Some("T")),
    (&[0x55, 4, 43], "initials", Some("I")),
    (&[0x55, 4, 42], "GN", Some("G")),
    (&[0x55, 4, 4], "SN", Some("S")),
    (&[0x55, 4, 13], "description", Some("D")),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1], "UID", Some("UID")),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1], "emailAddress", Some("Email")),
    (&[0x55, 4, 5], "serialNumber", None),
    (&[0x55, 4, 9], "street", None),
    (&[0x55, 4, 17], "postalCode", None),
    (&[0x55, 4, 41], "name", None),
    (&[0x55, 4, 44], "generationQualifier", None),
    (&[0x55, 4, 46], "dnQualifier", None),
    (&[0x55, 4, 65], "pseudonym", None),
    (&[0x55, 4, 97], "organizationIdentifier", None),
    (&[0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 0x19], "DC", None),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 2], "unstructuredName", None),
];

/// OpenSSL's long names of algorithms.
const ALGORITHMS: &[(&str, &str)] = &[
    ("1.2.840.113549.1.1.1", "rsaEncryption"),
    ("1.2.840.113549.1.1.4", "md5WithRSAEncryption"),
    ("1.2.840.113549.1.1.5", "sha1WithRSAEncryption"),
    ("1.2.840.113549.1.1.10", "rsassaPss"),
    ("1.2.840.113549.1.1.11", "sha256WithRSAEncryption"),
    ("1.2.840.113549.1.1.12", "sha384WithRSAEncryption"),
    ("1.2.840.113549.1.1.13", "sha512WithRSAEncryption"),
    ("1.2.840.113549.1.1.14", "sha224WithRSAEncryption"),
    ("1.2.840.10045.2.1", "id-ecPublicKey"),
    ("1.2.840.10045.4.1", "ecdsa-with-SHA1"),
    ("1.2.840.10045.4.3.1", "ecdsa-with-SHA224"),
    ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
    ("1.2.840.10045.4.3.3", "ecdsa-with-SHA384"),
    ("1.2.840.10045.4.3.4", "ecdsa-with-SHA512"),
    ("1.2.840.10040.4.1", "dsaEncryption"),
    ("1.3.101.112", "ED25519"),
    ("1.3.101.113", "ED448"),
];

/// OpenSSL's name of an algorithm; the OID as text where it has none here.
pub fn algorithm(oid: &[u8]) -> String {
    let text = der::oid_text(oid);
    ALGORITHMS.iter().find(|(known, _)| *known == text).map_or(text, |(_, name)| (*name).to_owned())
}

impl Attribute {
    /// The letter or word of variables for this type.
    pub fn variable(&self) -> Option<&'static str> {
        ATTRIBUTES.iter().find(|(oid, _, _)| *oid == self.oid)?.2
    }
    /// The value as UTF-8, as far as its type lets it be converted.
    pub fn text(&self) -> String {
        let wide = |units: usize| {
            self.value
                .chunks(units)
                .map(|chunk| chunk.iter().fold(0u32, |code, octet| code << 8 | u32::from(*octet)))
                .map(|code| char::from_u32(code).unwrap_or('\u{fffd}'))
                .collect()
        };
        match self.tag {
            0x1e => wide(2),
            0x1c => wide(4),
            // T61String is taken for Latin-1, as everybody does.
            0x14 => self.value.iter().map(|octet| char::from(*octet)).collect(),
            _ => String::from_utf8_lossy(&self.value).into_owned(),
        }
    }
    pub fn raw(&self) -> &[u8] {
        &self.value
    }
}

impl Name {
    fn parse(item: &Item<'_>) -> Option<Name> {
        let mut sets = Vec::new();
        for set in item.items() {
            let mut attributes = Vec::new();
            for attribute in set.items() {
                let mut parts = attribute.items();
                let (oid, value) = (parts.pass(der::OID)?, parts.next()?);
                attributes.push(Attribute { oid: oid.value.to_vec(), tag: value.tag, value: value.value.to_vec() });
            }
            sets.push(attributes);
        }
        Some(Name(sets))
    }
    pub fn attributes(&self) -> impl Iterator<Item = &Attribute> {
        self.0.iter().flatten()
    }
    /// As RFC 2253 has it, in UTF-8: the last part first.
    pub fn rfc2253(&self) -> String {
        let mut out = String::new();
        for (index, set) in self.0.iter().rev().enumerate() {
            if index > 0 {
                out.push(',');
            }
            for (index, attribute) in set.iter().rev().enumerate() {
                if index > 0 {
                    out.push('+');
                }
                match ATTRIBUTES.iter().find(|(oid, _, _)| *oid == attribute.oid) {
                    Some((_, name, _)) => {
                        out.push_str(name);
                        out.push('=');
                        escape(&mut out, &attribute.text());
                    }
                    None => {
                        out.push_str(&der::oid_text(&attribute.oid));
                        out.push_str("=#");
                        for octet in der::make(attribute.tag, &attribute.value) {
                            out.push_str(&format!("{octet:02X}"));
                        }
                    }
                }
            }
        }
        out
    }
    /// The form before 2.3.11: `/C=DE/CN=…`.
    pub fn one_line(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for attribute in self.attributes() {
            let name = ATTRIBUTES.iter().find(|(oid, _, _)| *oid == attribute.oid);
            let name = name.map_or_else(|| der::oid_text(&attribute.oid), |(_, name, _)| (*name).to_owned());
            out.extend_from_slice(format!("/{name}=").as_bytes());
            for octet in attribute.raw() {
                match octet {
                    b' '..=b'~' => out.push(*octet),
                    other => out.extend_from_slice(format!("\\x{other:02X}").as_bytes()),
                }
            }
        }
        out
    }
}

fn escape(out: &mut String, text: &str) {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        match c {
            ',' | '+' | '"' | '\\' | '<' | '>' | ';' => out.extend(['\\', c]),
            '#' | ' ' if index == 0 => out.extend(['\\', c]),
            ' ' if index == last => out.extend(['\\', c]),
            c if c.is_ascii_control() => out.push_str(&format!("\\{:02X}", c as u32)),
            c => out.push(c),
        }
    }
}

impl Certificate {
    /// Takes a certificate apart; None where it is none.
    pub fn parse(der: &[u8]) -> Option<Certificate> {
        let whole = der::single(der, der::SEQUENCE)?;
        let mut fields = whole.items().pass(der::SEQUENCE)?.items();
        let mut out = Certificate { der: der.to_vec(), version: 1, ..Certificate::default() };
        if let Some(version) = fields.pass(0xa0) {
            out.version = version.items().pass(der::INTEGER)?.value.last()?.wrapping_add(1);
        }
        out.serial = fields.pass(der::INTEGER)?.value.to_vec();
        out.signature = fields.pass(der::SEQUENCE)?.items().pass(der::OID)?.value.to_vec();
        let issuer = fields.pass(der::SEQUENCE)?;
        out.issuer_der = issuer.whole.to_vec();
        out.issuer = Name::parse(&issuer)?;
        let mut validity = fields.pass(der::SEQUENCE)?.items();
        out.not_before = der::time(&validity.next()?)?;
        out.not_after = der::time(&validity.next()?)?;
        let subject = fields.pass(der::SEQUENCE)?;
        out.subject_der = subject.whole.to_vec();
        out.subject = Name::parse(&subject)?;
        let key = fields.pass(der::SEQUENCE)?;
        out.spki = key.whole.to_vec();
        out.key_algorithm = key.items().pass(der::SEQUENCE)?.items().pass(der::OID)?.value.to_vec();
        out.signed = Signed::parse(der)?;
        let extensions = fields.find(|field| field.tag == 0xa3);
        let extensions = extensions.and_then(|field| field.items().pass(der::SEQUENCE));
        for extension in extensions.into_iter().flat_map(|list| list.items()) {
            let mut parts = extension.items();
            let oid = parts.pass(der::OID)?;
            parts.pass(der::BOOLEAN);
            let value = parts.pass(der::OCTET_STRING)?.value;
            match oid.value {
                SAN => out.alt_names = alt_names(value).unwrap_or_default(),
                INFO_ACCESS => out.responder = responder(value),
                USAGES => {
                    let list = der::single(value, der::SEQUENCE)?;
                    out.usages = list.items().map(|usage| usage.value.to_vec()).collect();
                }
                BASIC_CONSTRAINTS => out.constraints = constraints(value),
                _ => {}
            }
        }
        Some(out)
    }
    /// Serial number in hexadecimal digits.
    pub fn serial_hex(&self) -> String {
        let digits = self.serial.strip_prefix(&[0]).filter(|rest| !rest.is_empty()).unwrap_or(&self.serial);
        digits.iter().map(|octet| format!("{octet:02X}")).collect()
    }
    /// Serial number in decimal digits.
    pub fn serial_decimal(&self) -> String {
        let mut digits = vec![0u8];
        for octet in &self.serial {
            let mut carry = u32::from(*octet);
            for digit in digits.iter_mut() {
                carry += u32::from(*digit) << 8;
                *digit = (carry % 10) as u8;
                carry /= 10;
            }
            while carry > 0 {
                digits.push((carry % 10) as u8);
                carry /= 10;
            }
        }
        digits.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
    }
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
    /// Names of hosts that it is for: alternative names, or where there are none the common names.
    pub fn host_names(&self) -> Vec<String> {
        let named = self.alt_names.iter().filter_map(|name| match name {
            AltName::Dns(name) => Some(name.clone()),
            _ => None,
        });
        let common = self.subject.attributes().filter(|attribute| attribute.oid == [0x55, 4, 3]).map(Attribute::text);
        named.chain(common).collect()
    }
    /// The first common name of who it is for.
    pub fn common_name(&self) -> Option<String> {
        self.subject.attributes().find(|attribute| attribute.oid == [0x55, 4, 3]).map(Attribute::text)
    }
    /// Whether one of its names is `host`; `*` stands for one label.
    pub fn is_for(&self, host: &str) -> bool {
        self.host_names().iter().any(|name| name_covers(name, host))
    }
    pub fn is_self_issued(&self) -> bool {
        self.issuer_der == self.subject_der
    }
    /// Whether it may issue others: it says so, or is a root from before anybody did.
    pub fn is_authority(&self) -> bool {
        match self.constraints {
            Some((authority, _)) => authority,
            None => self.version < 3 && self.is_self_issued(),
        }
    }
    /// For log lines.
    pub fn summary(&self) -> String {
        format!(
            "[subject: {} / issuer: {} / serial: {} / notbefore: {} / notafter: {}]",
            self.subject.rfc2253(),
            self.issuer.rfc2253(),
            self.serial_hex(),
            time_text(self.not_before),
            time_text(self.not_after)
        )
    }
}

/// Whether a name of a certificate covers a host; `*` stands for the first label.
pub fn name_covers(name: &str, host: &str) -> bool {
    match (name.strip_prefix("*."), host.split_once('.')) {
        (Some(rest), Some((_, domain))) => rest.eq_ignore_ascii_case(domain),
        _ => name.eq_ignore_ascii_case(host),
    }
}

/// `Nov 23 17:38:36 2026 GMT`
pub fn time_text(second: i64) -> String {
    let Ok(at) = jiff::Timestamp::from_second(second) else { return String::new() };
    at.to_zoned(jiff::tz::TimeZone::UTC).strftime("%b %e %H:%M:%S %Y GMT").to_string()
}

/// DER in PEM's clothes.
pub fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(64));
        out.push_str(line);
        out.push('\n');
        rest = after;
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

fn alt_names(value: &[u8]) -> Option<Vec<AltName>> {
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let mut out = Vec::new();
    for name in der::single(value, der::SEQUENCE)?.items() {
        match name.tag {
            0x81 => out.push(AltName::Email(text(name.value))),
            0x82 => out.push(AltName::Dns(text(name.value))),
            0xa0 => {
                let mut parts = name.items();
                let oid = parts.pass(der::OID)?;
                let inner = parts.pass(0xa0)?.items().next()?;
                out.push(AltName::Other(oid.value.to_vec(), text(inner.value)));
            }
            _ => {}
        }
    }
    Some(out)
}

/// The first responder's URL.
fn responder(value: &[u8]) -> Option<String> {
    der::single(value, der::SEQUENCE)?.items().find_map(|access| {
        let mut parts = access.items();
        let method = parts.pass(der::OID)?;
        let url = parts.pass(0x86)?;
        (method.value == OCSP).then(|| String::from_utf8_lossy(url.value).into_owned())
    })
}

fn constraints(value: &[u8]) -> Option<(bool, Option<u32>)> {
    let mut parts = der::single(value, der::SEQUENCE)?.items();
    let authority = parts.pass(der::BOOLEAN).is_some_and(|flag| flag.value != [0]);
    let length = parts.pass(der::INTEGER).map(|number| {
        number.value.iter().take(4).fold(0u32, |length, octet| length.wrapping_shl(8) | u32::from(*octet))
    });
    Some((authority, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped() {
        let mut out = String::new();
        escape(&mut out, "#a, b+\"c\" ");
        assert_eq!(out, "\\#a\\, b\\+\\\"c\\\"\\ ");
    }

    #[test]
    fn serials_in_both_bases() {
        let certificate = Certificate { serial: vec![0, 0xff, 0x01], ..Certificate::default() };
        assert_eq!((certificate.serial_hex().as_str(), certificate.serial_decimal().as_str()), ("FF01", "65281"));
    }

    #[test]
    fn a_star_is_one_label() {
        assert!(name_covers("*.example.test", "a.EXAMPLE.test") && name_covers("A.b", "a.B"));
        assert!(!name_covers("*.example.test", "a.b.example.test") && !name_covers("*.example.test", "example.test"));
    }
}
