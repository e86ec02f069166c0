//! Authentication's common ground: the configured type and realm, challenges, password hashes.

use crate::module::{AuthNames, AuthnCache, Challenge};
use crate::request::Request;
use base64::Engine;
use bstr::{BStr, BString};
use md5::{Digest, Md5};
use subtle::ConstantTimeEq;

fn names(r: &Request) -> Option<&'static dyn AuthNames> {
    r.configuration.providers.find::<dyn AuthNames>(b"auth")
}

/// AuthType for the request; None where none (or `None`) is configured.
pub fn auth_type(r: &mut Request) -> Option<BString> {
    names(r)?.auth_type(r)
}

/// AuthName for the request, quotes escaped.
pub fn auth_name(r: &mut Request) -> Option<BString> {
    names(r)?.auth_name(r)
}

/// Puts the challenge of the configured scheme into the response (`ap_note_auth_failure`).
pub fn note_auth_failure(r: &mut Request) {
    let Some(kind) = auth_type(r) else { return };
    if let Some(scheme) = r.configuration.providers.find::<dyn Challenge>(&kind.to_ascii_lowercase()) {
        scheme.challenge(r);
    }
}

/// Gives what a provider of users found to the cache of credentials, if there is one (`ap_authn_cache_store`).
pub fn keep_credentials(r: &Request, provider: &str, user: &BStr, realm: Option<&BStr>, hash: &[u8]) {
    if let Some(cache) = r.configuration.providers.find::<dyn AuthnCache>(b"authn-cache") {
        cache.keep(r, provider, user, realm, hash);
    }
}

/// Whether `password` belongs to `hash`, in any of the forms that htpasswd writes: bcrypt, apr1 MD5, `{SHA}`, crypt(3).
/// Slow by design: call it inside `engine::block`.
pub fn password_matches(password: &[u8], hash: &[u8]) -> bool {
    let same = |computed: &[u8]| bool::from(computed.ct_eq(hash));
    if hash.starts_with(b"$2") {
        let Ok(hash) = std::str::from_utf8(hash) else { return false };
        return bcrypt::verify(password, hash).unwrap_or(false);
    }
    if let Some(rest) = hash.strip_prefix(b"$apr1$") {
        let salt = rest.split(|byte| *byte == b'$').next().unwrap_or_default();
        return same(&apr1(password, salt.get(..8).unwrap_or(salt)));
    }
    if let Some(encoded) = hash.strip_prefix(b"{SHA}") {
        let digest = sha1::Sha1::digest(password);
        let computed = base64::engine::general_purpose::STANDARD.encode(digest);
        return bool::from(computed.as_bytes().ct_eq(encoded));
    }
    crate::sys::crypt::crypt(password, hash).is_some_and(|computed| same(&computed))
}

/// The MD5 scheme of htpasswd: 1,000 rounds over password and salt, in its own base-64 alphabet.
pub fn apr1(password: &[u8], salt: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut inner = Md5::new();
    inner.update(password);
    inner.update(salt);
    inner.update(password);
    let inner = inner.finalize();
    let mut hash = Md5::new();
    hash.update(password);
    hash.update(b"$apr1$");
    hash.update(salt);
    let mut left = password.len();
    while left > 0 {
        let take = left.min(16);
        hash.update(&inner[..take]);
        left -= take;
    }
    let mut length = password.len();
    while length > 0 {
        let byte = if length & 1 == 1 { 0 } else { password.first().copied().unwrap_or(0) };
        hash.update([byte]);
        length >>= 1;
    }
    let mut state = hash.finalize();
    for round in 0..1000 {
        let mut hash = Md5::new();
        hash.update(if round & 1 == 1 { password } else { &state[..] });
        if round % 3 != 0 {
            hash.update(salt);
        }
        if round % 7 != 0 {
            hash.update(password);
        }
        hash.update(if round & 1 == 1 { &state[..] } else { password });
        state = hash.finalize();
    }
    let mut out = [b"$apr1$", salt, b"$"].concat();
    let mut push = |mut value: u32, digits: usize| {
        for _ in 0..digits {
            out.push(ALPHABET[(value & 63) as usize]);
            value >>= 6;
        }
    };
    let byte = |at: usize| u32::from(state[at]);
    for (high, middle, low) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        push(byte(high) << 16 | byte(middle) << 8 | byte(low), 4);
    }
    push(byte(11), 2);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_htpasswd() {
        // Made with htpasswd -nb{m,s,d,B,2,5} u secret.
        for hash in HASHES {
            assert!(password_matches(b"secret", hash.as_bytes()), "{hash}");
            assert!(!password_matches(b"Secret", hash.as_bytes()), "{hash}");
        }
    }

    const HASHES: &[&str] = &[
        "$apr1$CovQwJfe$ewmPnEKaEAuinOCAAQ/jJ0",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "PlgDouRwtSNak",
        "$2y$05$hyTVg0rvpHRA6qo06/KvTOsE1tVpjUwSPIi7hPInVdcmpxRqSHTs6",
        "$5$a5p2G2XkhQjXG8ZZ$nP412NPkhVFJtoTeB3P8w2JP8/usU/k2.ytrNFWs8d1",
        "$6$GoU4vLs3BRCLLSUQ$ID4F7RPOTauZpLiLYQrOtyC.3B/rAGOe51JgAK2EMGb.I2XieBoPnZ0QUV4gsW0G52kSRDU/52WHo24O95tHN0",
    ];
}
