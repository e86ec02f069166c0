//! OpenSSL's cipher strings, and what of them rustls has.
//!
//! A string is carried out over all suites that OpenSSL knows for certificates of RSA and ECDSA, so that one that names only
//! suites which rustls lacks is told from one that names nothing. Source: OpenSSL's manual page ciphers(1).

use rustls::crypto::aws_lc_rs::cipher_suite as suites;
use rustls::{CipherSuite, CommonState, ProtocolVersion, SupportedCipherSuite};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kx {
    Ecdhe,
    Dhe,
    Rsa,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Au {
    Rsa,
    Ecdsa,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Enc {
    AesGcm,
    AesCcm,
    AesCcm8,
    Aes,
    Aria,
    Camellia,
    ChaCha,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mac {
    Aead,
    Sha1,
    Sha256,
    Sha384,
}

#[derive(Clone, Copy, Debug)]
struct Row {
    name: &'static str,
    kx: Kx,
    au: Au,
    enc: Enc,
    bits: u16,
    mac: Mac,
    /// 2: of TLS 1.2; 1: of TLS 1.0; 0: of SSL 3.
    since: u8,
}

const fn row(name: &'static str, kx: Kx, au: Au, enc: Enc, bits: u16, mac: Mac, since: u8) -> Row {
    Row { name, kx, au, enc, bits, mac, since }
}

/// In OpenSSL's order.
const ROWS: &[Row] = &[
    row("ECDHE-ECDSA-AES256-GCM-SHA384", Kx::Ecdhe, Au::Ecdsa, Enc::AesGcm, 256, Mac::Aead, 2),
    row("ECDHE-RSA-AES256-GCM-SHA384", Kx::Ecdhe, Au::Rsa, Enc::AesGcm, 256, Mac::Aead, 2),
    row("DHE-RSA-AES256-GCM-SHA384", Kx::Dhe, Au::Rsa, Enc::AesGcm, 256, Mac::Aead, 2),
    row("ECDHE-ECDSA-CHACHA20-POLY1305", Kx::Ecdhe, Au::Ecdsa, Enc::ChaCha, 256, Mac::Aead, 2),
    row("ECDHE-RSA-CHACHA20-POLY1305", Kx::Ecdhe, Au::Rsa, Enc::ChaCha, 256, Mac::Aead, 2),
    row("DHE-RSA-CHACHA20-POLY1305", Kx::Dhe, Au::Rsa, Enc::ChaCha, 256, Mac::Aead, 2),
    row("ECDHE-ECDSA-AES256-CCM8", Kx::Ecdhe, Au::Ecdsa, Enc::AesCcm8, 256, Mac::Aead, 2),
    row("ECDHE-ECDSA-AES256-CCM", Kx::Ecdhe, Au::Ecdsa, Enc::AesCcm, 256, Mac::Aead, 2),
    row("DHE-RSA-AES256-CCM8", Kx::Dhe, Au::Rsa, Enc::AesCcm8, 256, Mac::Aead, 2),
    row("DHE-RSA-AES256-CCM", Kx::Dhe, Au::Rsa, Enc::AesCcm, 256, Mac::Aead, 2),
    row("ECDHE-ECDSA-ARIA256-GCM-SHA384", Kx::Ecdhe, Au::Ecdsa, Enc::Aria, 256, Mac::Aead, 2),
    row("ECDHE-ARIA256-GCM-SHA384", Kx::Ecdhe, Au::Rsa, Enc::Aria, 256, Mac::Aead, 2),
    row("DHE-RSA-ARIA256-GCM-SHA384", Kx::Dhe, Au::Rsa, Enc::Aria, 256, Mac::Aead, 2),
    row("ECDHE-ECDSA-AES128-GCM-SHA256", Kx::Ecdhe, Au::Ecdsa, Enc::AesGcm, 128, Mac::Aead, 2),
    row("ECDHE-RSA-AES128-GCM-SHA256", Kx::Ecdhe, Au::Rsa, Enc::AesGcm, 128, Mac::Aead, 2),
    row("DHE-RSA-AES128-GCM-SHA256", Kx::Dhe, Au::Rsa, Enc::AesGcm, 128, Mac::Aead, 2),
    row("ECDHE-ECDSA-AES128-CCM8", Kx::Ecdhe, Au::Ecdsa, Enc::AesCcm8, 128, Mac::Aead, 2),
    row("ECDHE-ECDSA-AES128-CCM", Kx::Ecdhe, Au::Ecdsa, Enc::AesCcm, 128, Mac::Aead, 2),
    row("DHE-RSA-AES128-CCM8", Kx::Dhe, Au::Rsa, Enc::AesCcm8, 128, Mac::Aead, 2),
    row("DHE-RSA-AES128-CCM", Kx::Dhe, Au::Rsa, Enc::AesCcm, 128, Mac::Aead, 2),
    row("ECDHE-ECDSA-ARIA128-GCM-SHA256", Kx::Ecdhe, Au::Ecdsa, Enc::Aria, 128, Mac::Aead, 2),
    row("ECDHE-ARIA128-GCM-SHA256", Kx::Ecdhe, Au::Rsa, Enc::Aria, 128, Mac::Aead, 2),
    row("DHE-RSA-ARIA128-GCM-SHA256", Kx::Dhe, Au::Rsa, Enc::Aria, 128, Mac::Aead, 2),
    row("ECDHE-ECDSA-AES256-SHA384", Kx::Ecdhe, Au::Ecdsa, Enc::Aes, 256, Mac::Sha384, 2),
    row("ECDHE-RSA-AES256-SHA384", Kx::Ecdhe, Au::Rsa, Enc::Aes, 256, Mac::Sha384, 2),
    row("DHE-RSA-AES256-SHA256", Kx::Dhe, Au::Rsa, Enc::Aes, 256, Mac::Sha256, 2),
    row("ECDHE-ECDSA-CAMELLIA256-SHA384", Kx::Ecdhe, Au::Ecdsa, Enc::Camellia, 256, Mac::Sha384, 2),
    row("ECDHE-RSA-CAMELLIA256-SHA384", Kx::Ecdhe, Au::Rsa, Enc::Camellia, 256, Mac::Sha384, 2),
    row("DHE-RSA-CAMELLIA256-SHA256", Kx::Dhe, Au::Rsa, Enc::Camellia, 256, Mac::Sha256, 2),
    row("ECDHE-ECDSA-AES128-SHA256", Kx::Ecdhe, Au::Ecdsa, Enc::Aes, 128, Mac::Sha256, 2),
    row("ECDHE-RSA-AES128-SHA256", Kx::Ecdhe, Au::Rsa, Enc::Aes, 128, Mac::Sha256, 2),
    row("DHE-RSA-AES128-SHA256", Kx::Dhe, Au::Rsa, Enc::Aes, 128, Mac::Sha256, 2),
    row("ECDHE-ECDSA-CAMELLIA128-SHA256", Kx::Ecdhe, Au::Ecdsa, Enc::Camellia, 128, Mac::Sha256, 2),
    row("ECDHE-RSA-CAMELLIA128-SHA256", Kx::Ecdhe, Au::Rsa, Enc::Camellia, 128, Mac::Sha256, 2),
    row("DHE-RSA-CAMELLIA128-SHA256", Kx::Dhe, Au::Rsa, Enc::Camellia, 128, Mac::Sha256, 2),
    row("ECDHE-ECDSA-AES256-SHA", Kx::Ecdhe, Au::Ecdsa, Enc::Aes, 256, Mac::Sha1, 1),
    row("ECDHE-RSA-AES256-SHA", Kx::Ecdhe, Au::Rsa, Enc::Aes, 256, Mac::Sha1, 1),
    row("DHE-RSA-AES256-SHA", Kx::Dhe, Au::Rsa, Enc::Aes, 256, Mac::Sha1, 0),
    row("DHE-RSA-CAMELLIA256-SHA", Kx::Dhe, Au::Rsa, Enc::Camellia, 256, Mac::Sha1, 0),
    row("ECDHE-ECDSA-AES128-SHA", Kx::Ecdhe, Au::Ecdsa, Enc::Aes, 128, Mac::Sha1, 1),
    row("ECDHE-RSA-AES128-SHA", Kx::Ecdhe, Au::Rsa, Enc::Aes, 128, Mac::Sha1, 1),
    row("DHE-RSA-AES128-SHA", Kx::Dhe, Au::Rsa, Enc::Aes, 128, Mac::Sha1, 0),
    row("DHE-RSA-CAMELLIA128-SHA", Kx::Dhe, Au::Rsa, Enc::Camellia, 128, Mac::Sha1, 0),
    row("AES256-GCM-SHA384", Kx::Rsa, Au::Rsa, Enc::AesGcm, 256, Mac::Aead, 2),
    row("AES256-CCM8", Kx::Rsa, Au::Rsa, Enc::AesCcm8, 256, Mac::Aead, 2),
    row("AES256-CCM", Kx::Rsa, Au::Rsa, Enc::AesCcm, 256, Mac::Aead, 2),
    row("ARIA256-GCM-SHA384", Kx::Rsa, Au::Rsa, Enc::Aria, 256, Mac::Aead, 2),
    row("AES128-GCM-SHA256", Kx::Rsa, Au::Rsa, Enc::AesGcm, 128, Mac::Aead, 2),
    row("AES128-CCM8", Kx::Rsa, Au::Rsa, Enc::AesCcm8, 128, Mac::Aead, 2),
    row("AES128-CCM", Kx::Rsa, Au::Rsa, Enc::AesCcm, 128, Mac::Aead, 2),
    row("ARIA128-GCM-SHA256", Kx::Rsa, Au::Rsa, Enc::Aria, 128, Mac::Aead, 2),
    row("AES256-SHA256", Kx::Rsa, Au::Rsa, Enc::Aes, 256, Mac::Sha256, 2),
    row("CAMELLIA256-SHA256", Kx::Rsa, Au::Rsa, Enc::Camellia, 256, Mac::Sha256, 2),
    row("AES128-SHA256", Kx::Rsa, Au::Rsa, Enc::Aes, 128, Mac::Sha256, 2),
    row("CAMELLIA128-SHA256", Kx::Rsa, Au::Rsa, Enc::Camellia, 128, Mac::Sha256, 2),
    row("AES256-SHA", Kx::Rsa, Au::Rsa, Enc::Aes, 256, Mac::Sha1, 0),
    row("CAMELLIA256-SHA", Kx::Rsa, Au::Rsa, Enc::Camellia, 256, Mac::Sha1, 0),
    row("AES128-SHA", Kx::Rsa, Au::Rsa, Enc::Aes, 128, Mac::Sha1, 0),
    row("CAMELLIA128-SHA", Kx::Rsa, Au::Rsa, Enc::Camellia, 128, Mac::Sha1, 0),
];

/// Suites that rustls has, by OpenSSL's names.
const OURS: &[(&str, SupportedCipherSuite)] = &[
    ("TLS_AES_256_GCM_SHA384", suites::TLS13_AES_256_GCM_SHA384),
    ("TLS_CHACHA20_POLY1305_SHA256", suites::TLS13_CHACHA20_POLY1305_SHA256),
    ("TLS_AES_128_GCM_SHA256", suites::TLS13_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-ECDSA-AES128-GCM-SHA256", suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
];

/// TLS 1.3 suites that OpenSSL knows and rustls lacks.
const FOREIGN_13: &[&str] = &["TLS_AES_128_CCM_SHA256", "TLS_AES_128_CCM_8_SHA256"];

/// OpenSSL's name of a suite, and the bits of its key.
pub fn name(suite: CipherSuite) -> Option<(&'static str, u16)> {
    let (name, _) = OURS.iter().find(|(_, ours)| ours.suite() == suite)?;
    Some((name, if name.contains("128_") || name.contains("AES128") { 128 } else { 256 }))
}

/// The suite of a handshake.
pub fn negotiated(session: &CommonState) -> (&'static str, u16) {
    session.negotiated_cipher_suite().and_then(|suite| name(suite.suite())).unwrap_or(("", 0))
}

/// The version of a handshake.
pub fn protocol(session: &CommonState) -> &'static str {
    match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
        _ => "TLSv1.2",
    }
}

fn named(name: &str) -> Option<SupportedCipherSuite> {
    OURS.iter().find(|(known, _)| *known == name).map(|(_, suite)| *suite)
}

/// The suites of TLS 1.3 in a list of names; None where none is known at all, which OpenSSL refuses.
pub fn tls13(list: &str) -> Option<Vec<SupportedCipherSuite>> {
    let names: Vec<&str> = list.split(':').filter(|name| !name.is_empty()).collect();
    let known = |name: &&str| named(name).is_some() && name.starts_with("TLS_") || FOREIGN_13.contains(name);
    if !names.iter().any(known) && !names.is_empty() {
        return None;
    }
    Some(names.iter().filter(|name| name.starts_with("TLS_")).filter_map(|name| named(name)).collect())
}

/// The suites of TLS 1.3 that hold where nothing is said.
pub fn tls13_default() -> Vec<SupportedCipherSuite> {
    OURS.iter().take(3).map(|(_, suite)| *suite).collect()
}

/// The suites of TLS 1.2 that a cipher string chooses, in its order; None where it chooses none that OpenSSL knows.
pub fn tls12(string: &str) -> Option<Vec<SupportedCipherSuite>> {
    let chosen = choose(string);
    (!chosen.is_empty()).then(|| chosen.iter().filter_map(|row| named(row.name)).collect())
}

fn choose(string: &str) -> Vec<Row> {
    let mut chosen: Vec<Row> = Vec::new();
    let mut killed: Vec<&str> = Vec::new();
    let has = |list: &[Row], name: &str| list.iter().any(|row| row.name == name);
    for word in string.split([':', ',', ';', ' ']).filter(|word| !word.is_empty()) {
        let (sign, word) = match word.as_bytes().first() {
            Some(b'!' | b'-' | b'+' | b'@') => word.split_at(1),
            _ => ("", word),
        };
        if sign == "@" {
            if word == "STRENGTH" {
                chosen.sort_by_key(|row| std::cmp::Reverse(row.bits));
            }
            continue;
        }
        let fits = |row: &Row| word.split('+').all(|part| is(row, part));
        match sign {
            "!" => {
                killed.extend(ROWS.iter().filter(|row| fits(row)).map(|row| row.name));
                chosen.retain(|row| !fits(row));
            }
            "-" => chosen.retain(|row| !fits(row)),
            "+" => {
                let (moved, kept): (Vec<Row>, Vec<Row>) = chosen.iter().partition(|row| fits(row));
                chosen = [kept, moved].concat();
            }
            _ => {
                let more: Vec<Row> = ROWS
                    .iter()
                    .filter(|row| fits(row) && !killed.contains(&row.name) && !has(&chosen, row.name))
                    .copied()
                    .collect();
                chosen.extend(more);
            }
        }
    }
    chosen
}

/// Whether a word of a cipher string means a suite.
fn is(row: &Row, word: &str) -> bool {
    let aes = matches!(row.enc, Enc::AesGcm | Enc::AesCcm | Enc::AesCcm8 | Enc::Aes);
    match word {
        "ALL" | "HIGH" | "DEFAULT" => {
            // The default leaves out what is rare.
            word != "DEFAULT" || !matches!(row.enc, Enc::Aria | Enc::Camellia | Enc::AesCcm8 | Enc::AesCcm)
        }
        "kRSA" => row.kx == Kx::Rsa,
        "RSA" => row.kx == Kx::Rsa,
        "aRSA" => row.au == Au::Rsa,
        "aECDSA" | "ECDSA" => row.au == Au::Ecdsa,
        "kEECDH" | "kECDHE" | "EECDH" | "ECDHE" | "ECDH" => row.kx == Kx::Ecdhe,
        "kEDH" | "kDHE" | "EDH" | "DHE" | "DH" => row.kx == Kx::Dhe,
        "AES" => aes,
        "AES128" => aes && row.bits == 128,
        "AES256" => aes && row.bits == 256,
        "AESGCM" => row.enc == Enc::AesGcm,
        "AESCCM" => matches!(row.enc, Enc::AesCcm | Enc::AesCcm8),
        "AESCCM8" => row.enc == Enc::AesCcm8,
        "ARIA" | "ARIAGCM" => row.enc == Enc::Aria,
        "ARIA128" => row.enc == Enc::Aria && row.bits == 128,
        "ARIA256" => row.enc == Enc::Aria && row.bits == 256,
        "CAMELLIA" => row.enc == Enc::Camellia,
        "CAMELLIA128" => row.enc == Enc::Camellia && row.bits == 128,
        "CAMELLIA256" => row.enc == Enc::Camellia && row.bits == 256,
        "CHACHA20" => row.enc == Enc::ChaCha,
        "CBC" => matches!(row.enc, Enc::Aes | Enc::Camellia),
        "SHA" | "SHA1" => row.mac == Mac::Sha1,
        "SHA256" => row.mac == Mac::Sha256,
        "SHA384" => row.mac == Mac::Sha384,
        "SSLv3" => row.since == 0,
        "TLSv1" | "TLSv1.0" => row.since <= 1,
        "TLSv1.2" => row.since == 2,
        other => row.name == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(string: &str) -> Vec<&'static str> {
        tls12(string).unwrap_or_default().iter().filter_map(|suite| Some(name(suite.suite())?.0)).collect()
    }

    #[test]
    fn strings_as_openssl_reads_them() {
        let all = names("HIGH:!aNULL");
        assert_eq!(all.len(), 6);
        assert_eq!(all[0], "ECDHE-ECDSA-AES256-GCM-SHA384");
        assert_eq!(names("ECDHE+AESGCM:!ECDSA"), ["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]);
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384:AES128-SHA"),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        assert_eq!(names("EECDH+CHACHA20:EECDH+AESGCM:+AES256").last(), Some(&"ECDHE-RSA-AES256-GCM-SHA384"));
        assert_eq!(tls12("AES128-SHA").unwrap().len(), 0);
        assert!(tls12("NONSENSE").is_none() && tls12("ALL:!ALL").is_none());
        assert!(tls13("NONSENSE").is_none());
        assert_eq!(tls13("TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256").unwrap().len(), 1);
    }
}
