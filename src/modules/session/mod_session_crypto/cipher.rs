//! The coding of a session's text, as Apache's: in base 64, a SipHash-2-4 of the rest under the passphrase's MD5, a salt, an
//! initial vector and the text under a block cipher in CBC mode. The key is made of passphrase and salt by PBKDF2.
//!
//! The authentication comes first: nothing is decrypted that was not made under the passphrase, so that padding tells
//! a stranger nothing (CVE-2016-0736).

use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bstr::BString;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use des::TdesEde3;
use md5::{Digest, Md5};
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use subtle::ConstantTimeEq;

const SALT: usize = 16;
const AUTH: usize = 8;
/// Octets of the authentication and the salt: no passphrase helps what is shorter.
pub(super) const SHORTEST: usize = AUTH + SALT;
const ROUNDS: u32 = 4096;

/// A cipher that SessionCryptoCipher may name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Cipher {
    TripleDes,
    Aes128,
    Aes192,
    Aes256,
}

/// Why a text cannot be decoded with a passphrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Failure {
    /// Made under another passphrase, or changed on its way.
    Auth,
    /// Too short for salt, vector and a block.
    Short,
    /// The cipher's part is malformed.
    Cipher,
}

impl Cipher {
    pub(super) const NAMES: [(&'static str, Cipher); 4] = [
        ("3des192", Cipher::TripleDes),
        ("aes128", Cipher::Aes128),
        ("aes192", Cipher::Aes192),
        ("aes256", Cipher::Aes256),
    ];
    pub(super) fn named(name: &[u8]) -> Option<Cipher> {
        Cipher::NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, cipher)| *cipher)
    }
    fn key(self) -> usize {
        match self {
            Cipher::Aes128 => 16,
            Cipher::TripleDes | Cipher::Aes192 => 24,
            Cipher::Aes256 => 32,
        }
    }
    fn block(self) -> usize {
        if self == Cipher::TripleDes { 8 } else { 16 }
    }
    fn encrypt(self, key: &[u8], vector: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        fn run<C: BlockModeEncrypt + KeyIvInit>(key: &[u8], vector: &[u8], text: &[u8]) -> Option<Vec<u8>> {
            Some(C::new_from_slices(key, vector).ok()?.encrypt_padded_vec::<Pkcs7>(text))
        }
        match self {
            Cipher::TripleDes => run::<cbc::Encryptor<TdesEde3>>(key, vector, text),
            Cipher::Aes128 => run::<cbc::Encryptor<Aes128>>(key, vector, text),
            Cipher::Aes192 => run::<cbc::Encryptor<Aes192>>(key, vector, text),
            Cipher::Aes256 => run::<cbc::Encryptor<Aes256>>(key, vector, text),
        }
    }
    fn decrypt(self, key: &[u8], vector: &[u8], text: &[u8]) -> Option<Vec<u8>> {
        fn run<C: BlockModeDecrypt + KeyIvInit>(key: &[u8], vector: &[u8], text: &[u8]) -> Option<Vec<u8>> {
            C::new_from_slices(key, vector).ok()?.decrypt_padded_vec::<Pkcs7>(text).ok()
        }
        match self {
            Cipher::TripleDes => run::<cbc::Decryptor<TdesEde3>>(key, vector, text),
            Cipher::Aes128 => run::<cbc::Decryptor<Aes128>>(key, vector, text),
            Cipher::Aes192 => run::<cbc::Decryptor<Aes192>>(key, vector, text),
            Cipher::Aes256 => run::<cbc::Decryptor<Aes256>>(key, vector, text),
        }
    }
}

fn auth(passphrase: &[u8], sealed: &[u8]) -> [u8; AUTH] {
    let mut hasher = SipHasher24::new_with_key(&Md5::digest(passphrase).into());
    hasher.write(sealed);
    hasher.finish().to_le_bytes()
}

fn derived(cipher: Cipher, passphrase: &[u8], salt: &[u8]) -> Vec<u8> {
    let mut key = vec![0; cipher.key()];
    pbkdf2::pbkdf2_hmac::<sha1::Sha1>(passphrase, salt, ROUNDS, &mut key);
    key
}

/// Encodes a text. `random` is the salt and the vector, [`randomness`] octets.
pub(super) fn seal(cipher: Cipher, passphrase: &[u8], random: &[u8], text: &[u8]) -> Option<BString> {
    let (salt, vector) = random.split_at_checked(SALT)?;
    let key = derived(cipher, passphrase, salt);
    let sealed = [random, &cipher.encrypt(&key, vector, text)?].concat();
    Some(STANDARD.encode([&auth(passphrase, &sealed)[..], &sealed].concat()).into())
}

/// Octets of salt and vector.
pub(super) fn randomness(cipher: Cipher) -> usize {
    SALT + cipher.block()
}

/// What the text is in base 64; what follows the first other character does not count.
pub(super) fn octets(text: &[u8]) -> Vec<u8> {
    let valid = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).count();
    let config = base64::engine::GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    let engine = base64::engine::GeneralPurpose::new(&base64::alphabet::STANDARD, config);
    engine.decode(text.get(..valid).unwrap_or_default()).unwrap_or_default()
}

/// Decodes what [`octets`] gave.
pub(super) fn open(cipher: Cipher, passphrase: &[u8], octets: &[u8]) -> Result<BString, Failure> {
    let (mac, sealed) = octets.split_at_checked(AUTH).ok_or(Failure::Short)?;
    if !bool::from(auth(passphrase, sealed).ct_eq(mac)) {
        return Err(Failure::Auth);
    }
    let (salt, rest) = sealed.split_at_checked(SALT).ok_or(Failure::Short)?;
    let (vector, text) = rest.split_at_checked(cipher.block()).ok_or(Failure::Short)?;
    let key = derived(cipher, passphrase, salt);
    cipher.decrypt(&key, vector, text).map(BString::from).ok_or(Failure::Cipher)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by Apache 2.4.71 with the passphrase `secret`.
    const APACHES: &str =
        "nDsWNvjgCaBWr02VDaxI+oqX5P66i/DfQQHY6YtTcNQOWCE2tmwz2+8pblNccdFhNEtVlkonqlGep7/g18hMT0dZVmMz/Tgz";

    #[test]
    fn is_apaches() {
        let octets = octets(APACHES.as_bytes());
        let text = open(Cipher::Aes256, b"secret", &octets).unwrap();
        assert_eq!(text, "expiry=1795457992158146");
        // The same salt and vector give the same octets.
        let sealed = seal(Cipher::Aes256, b"secret", &octets[AUTH..AUTH + SALT + 16], &text).unwrap();
        assert_eq!(sealed, APACHES);
    }

    #[test]
    fn there_and_back() {
        for (_, cipher) in Cipher::NAMES {
            let random = vec![7; randomness(cipher)];
            for text in ["", "a", "0123456789abcdef", "a longer text of more than one block"] {
                let sealed = octets(&seal(cipher, b"phrase", &random, text.as_bytes()).unwrap());
                assert_eq!(open(cipher, b"phrase", &sealed).unwrap(), text);
                assert_eq!(open(cipher, b"other", &sealed), Err(Failure::Auth));
                for at in 0..sealed.len() {
                    let mut changed = sealed.clone();
                    changed[at] ^= 1;
                    assert_eq!(open(cipher, b"phrase", &changed), Err(Failure::Auth), "octet {at}");
                }
            }
            assert_eq!(open(cipher, b"phrase", b"short"), Err(Failure::Short));
        }
    }
}
