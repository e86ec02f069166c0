//! The values of `SSL_…` variables.

use super::accept::{Facts, facts};
use super::clients::Standing;
use super::x509::{self, AltName, Attribute, Certificate, Name};
use super::{options, settings::SslDir};
use crate::config::{Variable, identity};
use crate::request::{Request, Table};
use crate::server;
use bstr::{BStr, BString, ByteSlice};

/// What stands for OpenSSL's version.
const LIBRARY: &str = "rustls/0.23";

/// Variables of StdEnvVars behind those of names, in Apache's order.
const STANDARD: &[&str] = &[
    "SSL_VERSION_INTERFACE",
    "SSL_VERSION_LIBRARY",
    "SSL_PROTOCOL",
    "SSL_SECURE_RENEG",
    "SSL_COMPRESS_METHOD",
    "SSL_CIPHER",
    "SSL_CIPHER_EXPORT",
    "SSL_CIPHER_USEKEYSIZE",
    "SSL_CIPHER_ALGKEYSIZE",
    "SSL_CLIENT_VERIFY",
    "SSL_CLIENT_M_VERSION",
    "SSL_CLIENT_M_SERIAL",
    "SSL_CLIENT_V_START",
    "SSL_CLIENT_V_END",
    "SSL_CLIENT_V_REMAIN",
    "SSL_CLIENT_S_DN",
    "SSL_CLIENT_I_DN",
    "SSL_CLIENT_A_KEY",
    "SSL_CLIENT_A_SIG",
    "SSL_CLIENT_CERT_RFC4523_CEA",
    "SSL_SERVER_M_VERSION",
    "SSL_SERVER_M_SERIAL",
    "SSL_SERVER_V_START",
    "SSL_SERVER_V_END",
    "SSL_SERVER_S_DN",
    "SSL_SERVER_I_DN",
    "SSL_SERVER_A_KEY",
    "SSL_SERVER_A_SIG",
    "SSL_SESSION_ID",
    "SSL_SESSION_RESUMED",
];

/// The value of a variable for a request; None where it has none.
pub fn value(r: &Request, name: &BStr) -> Option<BString> {
    let upper = name.to_str().ok()?;
    if let Some(rest) = prefix(upper, "ENV:") {
        return r.env.get(rest).map(BString::from).or_else(|| std::env::var(rest).ok().map(BString::from));
    }
    if let Some(rest) = prefix(upper, "HTTP:") {
        return r.headers_in.get(rest).map(BString::from);
    }
    if upper.eq_ignore_ascii_case("HTTPS") {
        return Some(if facts(r).is_some() { "on".into() } else { "off".into() });
    }
    if let Some(rest) = prefix(upper, "SSL_") {
        return of_connection(r, &rest.to_ascii_uppercase()).filter(|value| !value.is_empty());
    }
    Variable::named(name.as_bytes())
        .map(|variable| server::expression::value(r, variable))
        .filter(|value| !value.is_empty())
}

fn prefix<'t>(text: &'t str, start: &str) -> Option<&'t str> {
    let (head, rest) = text.split_at_checked(start.len())?;
    head.eq_ignore_ascii_case(start).then_some(rest)
}

fn of_connection(r: &Request, name: &str) -> Option<BString> {
    match name {
        "VERSION_INTERFACE" => return Some(format!("mod_ssl/{}", identity::COMPATIBLE).into()),
        "VERSION_LIBRARY" => return Some(LIBRARY.into()),
        _ => {}
    }
    let facts = facts(r)?;
    let number = |number: u16| BString::from(number.to_string());
    Some(match name {
        "PROTOCOL" => facts.protocol.into(),
        "CIPHER" => facts.cipher.into(),
        "CIPHER_EXPORT" => "false".into(),
        "CIPHER_USEKEYSIZE" | "CIPHER_ALGKEYSIZE" => number(facts.bits),
        "COMPRESS_METHOD" => "NULL".into(),
        "SECURE_RENEG" => if facts.renegotiates { "true" } else { "false" }.into(),
        "SESSION_ID" => facts.session.iter().map(|octet| format!("{octet:02x}")).collect::<String>().into(),
        "SESSION_RESUMED" => if facts.resumed { "Resumed" } else { "Initial" }.into(),
        "TLS_SNI" => facts.name.clone()?,
        "CLIENT_VERIFY" => match &facts.client {
            None => "NONE".into(),
            Some(client) => match client.standing {
                Standing::Success => "SUCCESS".into(),
                // Where TLS 1.3 was spoken, Apache forgets that it was generous.
                Standing::Generous(_) if facts.protocol != "TLSv1.3" => "GENEROUS".into(),
                Standing::Generous(fault) | Standing::Failed(fault, _) => format!("FAILED:{}", fault.1).into(),
            },
        },
        "CLIENT_VERIFY_ERRSTR" => match facts.client.as_ref()?.standing {
            Standing::Failed(fault, _) => fault.1.into(),
            _ => return None,
        },
        name => {
            let legacy = r.dir::<SslDir>().options() & options::LEGACY_DN_FORMAT != 0;
            if let Some(rest) = name.strip_prefix("CLIENT_") {
                let chain = &facts.client.as_ref()?.chain;
                return match rest.strip_prefix("CERT_CHAIN_") {
                    Some(digits) => Some(chain.get(digits.parse::<usize>().ok()?.checked_add(1)?)?.pem().into()),
                    None => of_certificate(chain.first()?, rest, legacy),
                };
            }
            of_certificate(facts.certificate()?, name.strip_prefix("SERVER_")?, legacy)?
        }
    })
}

fn of_certificate(certificate: &Certificate, name: &str, legacy: bool) -> Option<BString> {
    let dn = |name: &Name| if legacy { name.one_line().into() } else { BString::from(name.rfc2253()) };
    Some(match name {
        "M_VERSION" => certificate.version.to_string().into(),
        "M_SERIAL" => certificate.serial_hex().into(),
        "V_START" => x509::time_text(certificate.not_before).into(),
        "V_END" => x509::time_text(certificate.not_after).into(),
        "V_REMAIN" => {
            let left = certificate.not_after - server::date::now() / 1_000_000;
            (left / 86400).max(0).to_string().into()
        }
        "S_DN" => dn(&certificate.subject),
        "I_DN" => dn(&certificate.issuer),
        "A_KEY" => x509::algorithm(&certificate.key_algorithm).into(),
        "A_SIG" => x509::algorithm(&certificate.signature).into(),
        "CERT" => certificate.pem().into(),
        "CERT_RFC4523_CEA" => format!(
            "{{ serialNumber {}, issuer rdnSequence:\"{}\" }}",
            certificate.serial_decimal(),
            certificate.issuer.rfc2253()
        )
        .into(),
        _ => {
            if let Some(part) = name.strip_prefix("S_DN_") {
                return component(&certificate.subject, part);
            }
            if let Some(part) = name.strip_prefix("I_DN_") {
                return component(&certificate.issuer, part);
            }
            return alt_name(certificate, name.strip_prefix("SAN_")?);
        }
    })
}

/// `OU`, `OU_1`, `OU_1_RAW` of a name.
fn component(name: &Name, part: &str) -> Option<BString> {
    let (part, raw) = match part.strip_suffix("_RAW") {
        Some(part) => (part, true),
        None => (part, false),
    };
    let (kind, index) = match part.split_once('_') {
        Some((kind, digits)) => (kind, digits.parse().ok()?),
        None => (part, 0),
    };
    let fits = |attribute: &&Attribute| attribute.variable().is_some_and(|known| known.eq_ignore_ascii_case(kind));
    let attribute = name.attributes().filter(fits).nth(index)?;
    Some(if raw { attribute.raw().into() } else { attribute.text().into() })
}

/// Kind of an alternative name as variables have it, and its text.
fn named(name: &AltName) -> Option<(&'static str, &str)> {
    match name {
        AltName::Email(text) => Some(("Email", text)),
        AltName::Dns(text) => Some(("DNS", text)),
        AltName::Other(oid, text) if oid == x509::MS_UPN => Some(("OTHER_msUPN", text)),
        AltName::Other(oid, text) if oid == x509::SRV_NAME => Some(("OTHER_dnsSRV", text)),
        AltName::Other(..) => None,
    }
}

fn alt_name(certificate: &Certificate, part: &str) -> Option<BString> {
    let (kind, index) = part.rsplit_once('_')?;
    let index: usize = index.parse().ok()?;
    let fits = certificate.alt_names.iter().filter_map(named).filter(|(known, _)| known.eq_ignore_ascii_case(kind));
    fits.map(|(_, text)| BString::from(text)).nth(index)
}

/// Adds the parts of a name under `SSL_SERVER_S_DN_` and the like; a repeated part gets its number.
fn export_name(env: &mut Table, start: &str, name: &Name) {
    let mut seen: Vec<&str> = Vec::new();
    for attribute in name.attributes() {
        let Some(kind) = attribute.variable() else { continue };
        let before = seen.iter().filter(|other| **other == kind).count();
        seen.push(kind);
        let key = if before == 0 { format!("{start}{kind}") } else { format!("{start}{kind}_{before}") };
        env.set(&key, attribute.text());
    }
}

fn export_alt_names(env: &mut Table, start: &str, certificate: &Certificate, kinds: &[&str]) {
    for kind in kinds {
        let fits = certificate.alt_names.iter().filter_map(named).filter(|(known, _)| known == kind);
        for (index, (_, text)) in fits.enumerate() {
            env.set(format!("{start}{kind}_{index}"), text);
        }
    }
}

/// StdEnvVars.
pub fn export(r: &mut Request, facts: &Facts) {
    let mut env = Table::default();
    if let Some(certificate) = facts.certificate() {
        export_name(&mut env, "SSL_SERVER_S_DN_", &certificate.subject);
        export_name(&mut env, "SSL_SERVER_I_DN_", &certificate.issuer);
        export_alt_names(&mut env, "SSL_SERVER_SAN_", certificate, &["Email", "DNS", "OTHER_dnsSRV"]);
    }
    if let Some(certificate) = facts.client.as_ref().and_then(|client| client.chain.first()) {
        export_name(&mut env, "SSL_CLIENT_S_DN_", &certificate.subject);
        export_name(&mut env, "SSL_CLIENT_I_DN_", &certificate.issuer);
        export_alt_names(&mut env, "SSL_CLIENT_SAN_", certificate, &["Email", "DNS", "OTHER_msUPN"]);
    }
    for name in STANDARD {
        if let Some(value) = value(r, BStr::new(name)) {
            env.set(*name, value);
        }
    }
    r.env.overlay(&env);
}

/// ExportCertData.
pub fn export_certificates(r: &mut Request, facts: &Facts) {
    let above = facts.client.iter().flat_map(|client| client.chain.iter().skip(1)).enumerate();
    for (index, certificate) in above {
        r.env.set(format!("SSL_CLIENT_CERT_CHAIN_{index}"), certificate.pem());
    }
    for name in ["SSL_SERVER_CERT", "SSL_CLIENT_CERT"] {
        let value = value(r, BStr::new(name)).unwrap_or_default();
        r.env.set(name, value);
    }
}
