//! Session tickets: sessions that clients keep for us, sealed with a key that all children have from their parent.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;

const NAME: usize = 16;

/// One server's key.
pub struct Tickets {
    name: [u8; NAME],
    key: LessSafeKey,
    /// Seconds.
    lifetime: u32,
}

impl std::fmt::Debug for Tickets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tickets")
    }
}

/// Random octets; None where the system has none.
pub fn random<const N: usize>() -> Option<[u8; N]> {
    let mut out = [0; N];
    aws_lc_rs::rand::fill(&mut out).ok()?;
    Some(out)
}

impl Tickets {
    /// With a fresh key.
    pub fn fresh(lifetime: u32) -> Option<Tickets> {
        Tickets::with(random()?, &random::<32>()?, lifetime)
    }
    /// With the key of SSLSessionTicketKeyFile: 16 octets of name, 32 of key.
    pub fn of(file: &[u8; 48], lifetime: u32) -> Option<Tickets> {
        let (name, key) = file.split_first_chunk::<NAME>()?;
        Tickets::with(*name, key, lifetime)
    }
    fn with(name: [u8; NAME], key: &[u8], lifetime: u32) -> Option<Tickets> {
        Some(Tickets { name, key: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?), lifetime })
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }
    fn lifetime(&self) -> u32 {
        self.lifetime
    }
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let nonce = random::<NONCE_LEN>()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(self.name);
        self.key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed).ok()?;
        Some([&self.name[..], &nonce, &sealed].concat())
    }
    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *name != self.name {
            return None;
        }
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length = self.key.open_in_place(nonce, Aad::from(self.name), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_of_one_server() {
        let (one, other) = (Tickets::fresh(300).unwrap(), Tickets::fresh(300).unwrap());
        let ticket = one.encrypt(b"a session").unwrap();
        assert_eq!(one.decrypt(&ticket).as_deref(), Some(&b"a session"[..]));
        assert_eq!(other.decrypt(&ticket), None);
        for at in [0, 20, ticket.len() - 1] {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert_eq!(one.decrypt(&changed), None, "{at}");
        }
        assert_eq!(one.decrypt(&ticket[..20]), None);
    }
}
