//! Nonces: a time in base64 and a hash of it with realm, opaque and the server's secret, in hexadecimal digits.

use super::clients;
use crate::server::date;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bstr::{BStr, ByteSlice};
use sha1::{Digest, Sha1};
use std::io::Read;
use std::sync::OnceLock;
use subtle::ConstantTimeEq;

const TIME: usize = 12;
pub(super) const LENGTH: usize = TIME + 40;

static SECRET: OnceLock<[u8; 20]> = OnceLock::new();

/// The secret of this start of the server: drawn by the parent, kept across restarts, so that no client has to ask anew.
pub(super) fn secret() -> &'static [u8; 20] {
    SECRET.get_or_init(|| {
        let mut secret = [0; 20];
        // Without the system's generator: what an outsider does not know, an address and two clocks.
        if std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut secret)).is_err() {
            let place = std::ptr::from_ref(&SECRET) as usize;
            secret.copy_from_slice(&Sha1::digest(format!("{place}{}{:?}", date::now(), std::time::Instant::now())));
        }
        secret
    })
}

fn hash(time: &[u8], opaque: Option<&BStr>, realm: &[u8]) -> String {
    let mut hash = Sha1::new();
    hash.update(secret());
    // Lengths keep what belongs to one part out of the next.
    hash.update((realm.len() as u64).to_le_bytes());
    hash.update(realm);
    hash.update(time);
    if let Some(opaque) = opaque {
        hash.update(opaque.as_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A new nonce. Where each is good for one request only, a counter takes the time's place.
pub(super) fn fresh(lifetime: i64, opaque: Option<&BStr>, realm: &[u8]) -> String {
    let time = if lifetime == 0 { clients::next_one_time() } else { date::now() as u64 };
    let time = STANDARD.encode(time.to_le_bytes());
    let hash = hash(time.as_bytes(), opaque, realm);
    time + &hash
}

/// Whether the nonce is one of ours; else the hash that it should have.
pub(super) fn check(nonce: &[u8], opaque: Option<&BStr>, realm: &[u8]) -> Result<(), String> {
    let (time, theirs) = nonce.split_at_checked(TIME).unwrap_or_default();
    let own = hash(time, opaque, realm);
    if bool::from(own.as_bytes().ct_eq(theirs)) { Ok(()) } else { Err(own) }
}

/// Microseconds since the nonce was made; negative for one from the future.
pub(super) fn age(nonce: &[u8], now: i64) -> i64 {
    let time = nonce.get(..TIME).and_then(|time| STANDARD.decode(time).ok());
    let made = time.and_then(|time| Some(i64::from_le_bytes(time.try_into().ok()?)));
    now.saturating_sub(made.unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_bound_to_realm_and_opaque() {
        let nonce = fresh(300, Some("1".into()), b"r");
        assert_eq!(nonce.len(), LENGTH);
        let nonce = nonce.as_bytes();
        assert!(check(nonce, Some("1".into()), b"r").is_ok());
        assert!(check(nonce, Some("2".into()), b"r").is_err());
        assert!(check(nonce, None, b"r").is_err());
        assert!(check(nonce, Some("1".into()), b"q").is_err());
        assert!((0..1_000_000_000).contains(&age(nonce, date::now())));
    }
}
