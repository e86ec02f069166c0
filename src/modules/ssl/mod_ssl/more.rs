//! Directives about OpenSSL itself: what of them can be had, and what is refused.

use super::settings::{self, Protocols, SslServer};
use crate::config::*;
use bstr::{BStr, BString, ByteSlice};
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::kx_group;
use std::sync::Arc;

pub(super) fn compression(_: &mut Cx<'_>, on: bool) -> Outcome {
    match on {
        true => Err(
            "This version of OpenSSL does not have any compression methods available, cannot enable SSLCompression."
                .into(),
        ),
        false => Ok(()),
    }
}

pub(super) fn crypto_device(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    cx.forbid_in_host()?;
    match word.eq_ignore_ascii_case(b"builtin") {
        true => Ok(()),
        false => Err("SSLCryptoDevice: Invalid argument; must be one of: 'builtin' (none)".into()),
    }
}

pub(super) fn fips(cx: &mut Cx<'_>, on: bool) -> Outcome {
    cx.forbid_in_host()?;
    match on {
        true => {
            Err("SSLFIPS: Pinion's cryptographic library is not a FIPS-140 module; remove the line or set it to Off"
                .into())
        }
        false => Ok(()),
    }
}

pub(super) fn no_effect(_: &mut Cx<'_>, _: bool) -> Outcome {
    Ok(())
}

pub(super) fn buffer_size(_: &mut Cx<'_>, word: &BStr) -> Outcome {
    match atoi(word) < 0 {
        true => Err(format!("Invalid size for SSLRenegBufferSize: {word}").into()),
        false => Ok(()),
    }
}

const NO_SRP: &str = "Pinion does not have TLS-SRP, which is not part of TLS 1.3 and hardly used";

pub(super) fn srp_file(cx: &mut Cx<'_>, word: &BStr) -> Outcome {
    settings::file(cx, word)?;
    Err(format!("SSLSRPVerifierFile: {NO_SRP}").into())
}

pub(super) fn srp_seed(_: &mut Cx<'_>, _: &BStr) -> Outcome {
    Err(format!("SSLSRPUnknownUserSeed: {NO_SRP}").into())
}

/// Commands that OpenSSL has for files, besides those that are carried out.
const OTHERS: &[&str] = &[
    "RecordPadding",
    "NumTickets",
    "SignatureAlgorithms",
    "ClientSignatureAlgorithms",
    "Certificate",
    "PrivateKey",
    "ChainCAFile",
    "ChainCAPath",
    "VerifyCAFile",
    "VerifyCAPath",
    "ClientCAFile",
    "ClientCAPath",
    "RequestCAFile",
    "RequestCAPath",
    "ServerInfoFile",
    "VerifyMode",
    "DHParameters",
];

pub(super) fn openssl_command(cx: &mut Cx<'_>, name: &BStr, value: &BStr) -> Outcome {
    let command = name.to_str_lossy().to_ascii_lowercase();
    let failed = |what: &str| Err(format!("SSLOpenSSLConfCmd {name} {value}: {what}").into());
    let text = value.to_str_lossy();
    match command.as_str() {
        "curves" | "groups" | "ecdhparameters" => {
            if ["auto", "automatic", "+automatic"].iter().any(|word| text.eq_ignore_ascii_case(word)) {
                return Ok(());
            }
            let groups: Vec<_> = text.split(':').filter_map(group).collect();
            if groups.is_empty() {
                return failed("Pinion has X25519, P-256, P-384 and X25519MLKEM768");
            }
            cx.server::<SslServer>().groups = Some(Arc::new(groups));
        }
        "cipherstring" => cx.server::<SslServer>().ciphers = Some(value.into()),
        "ciphersuites" => cx.server::<SslServer>().ciphers13 = Some(value.into()),
        "protocol" => {
            let mut versions = cx.server::<SslServer>().protocols.map_or(Protocols::ALL, |protocols| protocols.0);
            for word in text.split(',').map(str::trim) {
                let (off, word) = match word.strip_prefix('-') {
                    Some(word) => (true, word),
                    None => (false, word.strip_prefix('+').unwrap_or(word)),
                };
                let Some(bits) = version(word) else { return failed("no such protocol") };
                versions = if off { versions & !bits } else { versions | bits };
            }
            cx.server::<SslServer>().protocols = Some(Protocols(versions));
        }
        "minprotocol" | "maxprotocol" => {
            let Some(bit) = version(&text) else { return failed("no such protocol") };
            let versions = cx.server::<SslServer>().protocols.map_or(Protocols::ALL, |protocols| protocols.0);
            let keep = match command.as_str() {
                _ if bit == Protocols::ALL => Protocols::ALL,
                "minprotocol" => !(bit - 1),
                _ => bit | (bit - 1),
            };
            cx.server::<SslServer>().protocols = Some(Protocols(versions & keep));
        }
        "options" => {
            for word in text.split(',').map(str::trim) {
                let (on, word) = match word.strip_prefix('-') {
                    Some(word) => (false, word),
                    None => (true, word.strip_prefix('+').unwrap_or(word)),
                };
                match word.to_ascii_lowercase().as_str() {
                    "serverpreference" => cx.server::<SslServer>().honor_order = Some(on),
                    "sessionticket" => cx.server::<SslServer>().tickets = Some(on),
                    // Neither is ever done.
                    "norenegotiation"
                    | "compression"
                    | "unsafelegacyrenegotiation"
                    | "clientrenegotiation"
                    | "bugs"
                    | "ecdhsingle"
                    | "dhsingle"
                    | "noresumptiononrenegotiation"
                    | "middleboxcompat" => {}
                    _ => return failed("Pinion has the options ServerPreference and SessionTicket"),
                }
            }
        }
        // There is no exchange of keys that they would be for.
        "dhparameters" => {
            let _: BString = settings::file(cx, value)?;
        }
        _ if OTHERS.iter().any(|known| known.eq_ignore_ascii_case(&command)) => {
            return failed("Pinion has no such command; its own directives may do");
        }
        _ => return Err(format!("'{name}': invalid OpenSSL configuration command").into()),
    }
    Ok(())
}

fn version(word: &str) -> Option<u8> {
    Some(match word.to_ascii_lowercase().as_str() {
        "all" | "none" => Protocols::ALL,
        "sslv3" | "sslv2" => 0,
        "tlsv1" => Protocols::TLS1_0,
        "tlsv1.1" => Protocols::TLS1_1,
        "tlsv1.2" => Protocols::TLS1_2,
        "tlsv1.3" => Protocols::TLS1_3,
        _ => return None,
    })
}

fn group(name: &str) -> Option<&'static dyn SupportedKxGroup> {
    Some(match name.trim().to_ascii_lowercase().as_str() {
        "x25519" => kx_group::X25519,
        "p-256" | "prime256v1" | "secp256r1" => kx_group::SECP256R1,
        "p-384" | "secp384r1" => kx_group::SECP384R1,
        "x25519mlkem768" => kx_group::X25519MLKEM768,
        _ => return None,
    })
}
