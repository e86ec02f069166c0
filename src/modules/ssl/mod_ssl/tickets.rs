//! Session tickets: sessions that clients keep for us, sealed with a key that all children have from their parent.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use rustls::server::ProducesTickets;

const NAME: usize = 16;
const DIGEST: usize = 32;

/// One server's key.
pub struct Tickets {
    name: [u8; NAME],
    key: LessSafeKey,
    /// What sessions are bound to besides the key: the name, and a digest of how clients are judged.
    bound: [u8; NAME + DIGEST],
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
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).ok()?);
        Some(Tickets { name, key, bound: [0; NAME + DIGEST], lifetime }.bound_to([0; DIGEST]))
    }
    /// The same for sessions of servers that judge clients in one way: where a key is shared, a client that one server
    /// let in does not come to another with its ticket.
    pub fn bound_to(mut self, digest: [u8; DIGEST]) -> Tickets {
        for (place, octet) in self.bound.iter_mut().zip(self.name.iter().chain(&digest)) {
            *place = *octet;
        }
        self
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
        let aad = Aad::from(self.bound);
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
        let length = self.key.open_in_place(nonce, Aad::from(self.bound), &mut sealed).ok()?.len();
        sealed.truncate(length);
        Some(sealed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_key_does_not_share_clients() {
        let made = |digest| Tickets::of(&[7; 48], 300).unwrap().bound_to([digest; 32]);
        let ticket = made(1).encrypt(b"a session").unwrap();
        assert!(made(1).decrypt(&ticket).is_some() && made(2).decrypt(&ticket).is_none());
    }

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
