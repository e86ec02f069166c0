//! Private keys in PEM files, those protected by a pass phrase too: PKCS #8 with PBES2 (RFC 8018), and OpenSSL's older form
//! (`DEK-Info`).

use super::der;
use aws_lc_rs::cipher::{AES_128, AES_256, Algorithm, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::ByteSlice;
use des::TdesEde3;
use des::cipher::{Array, BlockCipherDecrypt, KeyInit};
use md5::Digest;
use rustls::pki_types::PrivateKeyDer;
use std::num::NonZeroU32;

/// What a file holds.
pub enum Found {
    Key(PrivateKeyDer<'static>),
    Locked(Locked),
    Nothing,
}

/// A key that wants a pass phrase.
pub struct Locked {
    label: Vec<u8>,
    /// OpenSSL's older form: cipher and initial vector.
    old: Option<(Vec<u8>, Vec<u8>)>,
    der: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Cipher {
    Aes128,
    Aes256,
    TripleDes,
}

impl Cipher {
    fn key_length(self) -> usize {
        match self {
            Cipher::Aes128 => 16,
            Cipher::Aes256 => 32,
            Cipher::TripleDes => 24,
        }
    }
}

/// The first private key in a PEM file's text.
pub fn find(text: &[u8]) -> Found {
    let mut rest = text;
    while let Some(at) = rest.find(b"-----BEGIN ") {
        rest = rest.get(at + 11..).unwrap_or_default();
        let Some((label, body)) = rest.split_once_str("-----") else { break };
        if !label.ends_with(b"PRIVATE KEY") {
            continue;
        }
        let body = body.split_str("-----END").next().unwrap_or_default();
        return section(label, body).unwrap_or(Found::Nothing);
    }
    Found::Nothing
}

fn section(label: &[u8], body: &[u8]) -> Option<Found> {
    let mut info = None;
    let mut text = Vec::new();
    for line in body.lines() {
        match line.split_once_str(":") {
            Some((b"DEK-Info", value)) => info = Some(value.trim().to_vec()),
            Some(_) => {}
            None => text.extend_from_slice(line.trim()),
        }
    }
    let der = STANDARD.decode(&text).ok()?;
    if let Some(info) = info {
        let (cipher, digits) = info.split_once_str(",")?;
        let vector = digits.chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).ok()?, 16).ok());
        let old = Some((cipher.to_vec(), vector.collect::<Option<_>>()?));
        return Some(Found::Locked(Locked { label: label.to_vec(), old, der }));
    }
    if label == b"ENCRYPTED PRIVATE KEY" {
        return Some(Found::Locked(Locked { label: label.to_vec(), old: None, der }));
    }
    typed(label, der).map(Found::Key)
}

fn typed(label: &[u8], der: Vec<u8>) -> Option<PrivateKeyDer<'static>> {
    Some(match label {
        b"RSA PRIVATE KEY" => PrivateKeyDer::Pkcs1(der.into()),
        b"EC PRIVATE KEY" => PrivateKeyDer::Sec1(der.into()),
        b"PRIVATE KEY" | b"ENCRYPTED PRIVATE KEY" => PrivateKeyDer::Pkcs8(der.into()),
        _ => return None,
    })
}

impl Locked {
    /// The key, where the pass phrase is right.
    pub fn open(&self, phrase: &[u8]) -> Option<PrivateKeyDer<'static>> {
        let plain = match &self.old {
            Some((name, vector)) => {
                let cipher = match name.as_slice() {
                    b"AES-128-CBC" => Cipher::Aes128,
                    b"AES-256-CBC" => Cipher::Aes256,
                    b"DES-EDE3-CBC" => Cipher::TripleDes,
                    _ => return None,
                };
                let key = old_key(phrase, vector.get(..8)?, cipher.key_length());
                decrypt(cipher, &key, vector, &self.der)?
            }
            None => self.pbes2(phrase)?,
        };
        // The wrong pass phrase may leave padding that looks right.
        der::single(&plain, der::SEQUENCE)?;
        typed(&self.label, plain)
    }

    fn pbes2(&self, phrase: &[u8]) -> Option<Vec<u8>> {
        let mut whole = der::single(&self.der, der::SEQUENCE)?.items();
        let mut scheme = whole.pass(der::SEQUENCE)?.items();
        let sealed = whole.pass(der::OCTET_STRING)?.value;
        if der::oid_text(scheme.pass(der::OID)?.value) != "1.2.840.113549.1.5.13" {
            return None;
        }
        let mut parameters = scheme.pass(der::SEQUENCE)?.items();
        let mut derivation = parameters.pass(der::SEQUENCE)?.items();
        let mut encryption = parameters.pass(der::SEQUENCE)?.items();
        if der::oid_text(derivation.pass(der::OID)?.value) != "1.2.840.113549.1.5.12" {
            return None;
        }
        let mut derivation = derivation.pass(der::SEQUENCE)?.items();
        let salt = derivation.pass(der::OCTET_STRING)?.value;
        let rounds =
            derivation.pass(der::INTEGER)?.value.iter().take(4).fold(0u32, |n, octet| n << 8 | u32::from(*octet));
        derivation.pass(der::INTEGER);
        let function = derivation
            .pass(der::SEQUENCE)
            .and_then(|function| Some(der::oid_text(function.items().pass(der::OID)?.value)));
        let function = match function.as_deref() {
            None | Some("1.2.840.113549.2.7") => pbkdf2::PBKDF2_HMAC_SHA1,
            Some("1.2.840.113549.2.9") => pbkdf2::PBKDF2_HMAC_SHA256,
            Some("1.2.840.113549.2.10") => pbkdf2::PBKDF2_HMAC_SHA384,
            Some("1.2.840.113549.2.11") => pbkdf2::PBKDF2_HMAC_SHA512,
            Some(_) => return None,
        };
        let cipher = match der::oid_text(encryption.pass(der::OID)?.value).as_str() {
            "2.16.840.1.101.3.4.1.2" => Cipher::Aes128,
            "2.16.840.1.101.3.4.1.42" => Cipher::Aes256,
            "1.2.840.113549.3.7" => Cipher::TripleDes,
            _ => return None,
        };
        let vector = encryption.pass(der::OCTET_STRING)?.value;
        let mut key = vec![0; cipher.key_length()];
        pbkdf2::derive(function, NonZeroU32::new(rounds)?, salt, phrase, &mut key);
        decrypt(cipher, &key, vector, sealed)
    }
}

/// EVP_BytesToKey with MD5 and one round.
fn old_key(phrase: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut key: Vec<u8> = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < length {
        let mut digest = md5::Md5::new();
        digest.update(&last);
        digest.update(phrase);
        digest.update(salt);
        last = digest.finalize().to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    key
}

fn decrypt(cipher: Cipher, key: &[u8], vector: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let aes = |algorithm: &'static Algorithm| {
        let key = UnboundCipherKey::new(algorithm, key).ok()?;
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
        let vector: [u8; 16] = vector.try_into().ok()?;
        let mut text = sealed.to_vec();
        let length = key.decrypt(&mut text, DecryptionContext::Iv128(FixedLength::from(vector))).ok()?.len();
        text.truncate(length);
        Some(text)
    };
    match cipher {
        Cipher::Aes128 => aes(&AES_128),
        Cipher::Aes256 => aes(&AES_256),
        Cipher::TripleDes => triple_des(key, vector, sealed),
    }
}

fn triple_des(key: &[u8], vector: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = TdesEde3::new_from_slice(key).ok()?;
    let mut before: [u8; 8] = vector.try_into().ok()?;
    let (blocks, rest) = sealed.as_chunks::<8>();
    if !rest.is_empty() {
        return None;
    }
    let mut out = Vec::with_capacity(sealed.len());
    for block in blocks {
        let mut plain = Array::from(*block);
        cipher.decrypt_block(&mut plain);
        out.extend(plain.iter().zip(before).map(|(one, other)| one ^ other));
        before = *block;
    }
    let padding = usize::from(*out.last()?);
    let length = out.len().checked_sub(padding).filter(|_| (1..=8).contains(&padding))?;
    let whole = out.get(length..)?.iter().all(|octet| usize::from(*octet) == padding);
    out.truncate(length);
    whole.then_some(out)
}
