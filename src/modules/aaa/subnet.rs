//! Addresses and networks as `Require ip` and `Allow from` write them: `10.1`, `10.1.0.0/16`, `10.1.0.0/255.255.0.0`,
//! `2001:db8::/32`.

use bstr::ByteSlice;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network: address bits and how many of them count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Subnet {
    base: IpAddr,
    bits: u32,
}

impl Subnet {
    /// Whether the network holds `ip`; an IPv4-mapped address counts as IPv4.
    pub(super) fn contains(&self, ip: IpAddr) -> bool {
        match (self.base, ip.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(ip)) => {
                let mask = u32::MAX.checked_shl(32 - self.bits).unwrap_or(0);
                u32::from(base) & mask == u32::from(ip) & mask
            }
            (IpAddr::V6(base), IpAddr::V6(ip)) => {
                let mask = u128::MAX.checked_shl(128 - self.bits).unwrap_or(0);
                u128::from(base) & mask == u128::from(ip) & mask
            }
            _ => false,
        }
    }
}

/// What a word turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Parsed {
    Subnet(Subnet),
    /// Not an address: a host name, where those are allowed.
    NotAddress,
    BadMask,
}

/// Reads `address` or `address/mask`.
pub(super) fn parse(word: &[u8]) -> Parsed {
    let (address, mask) = match word.find_byte(b'/') {
        Some(slash) => (&word[..slash], Some(&word[slash + 1..])),
        None => (word, None),
    };
    if let Some(ip) = address.to_str().ok().and_then(|text| text.parse::<Ipv6Addr>().ok()) {
        return match mask.map_or(Some(128), |mask| bits(mask, 128)) {
            Some(bits) => Parsed::Subnet(Subnet { base: IpAddr::V6(ip), bits }),
            None => Parsed::BadMask,
        };
    }
    let Some((octets, count)) = dotted(address) else { return Parsed::NotAddress };
    let bits = match mask {
        None => Some(8 * count),
        Some(mask) => bits(mask, 32).or_else(|| {
            let (octets, count) = dotted(mask).filter(|(_, count)| *count == 4)?;
            let mask = u32::from_be_bytes(octets);
            (count == 4 && mask.leading_ones() + mask.trailing_zeros() == 32 || mask == u32::MAX)
                .then(|| mask.leading_ones())
        }),
    };
    match bits {
        Some(bits) => Parsed::Subnet(Subnet { base: IpAddr::V4(Ipv4Addr::from(octets)), bits }),
        None => Parsed::BadMask,
    }
}

fn bits(mask: &[u8], most: u32) -> Option<u32> {
    mask.to_str().ok()?.parse::<u32>().ok().filter(|bits| (1..=most).contains(bits))
}

/// One to four octets, the last with or without a dot behind.
fn dotted(text: &[u8]) -> Option<([u8; 4], u32)> {
    let text = text.strip_suffix(b".").unwrap_or(text);
    let mut octets = [0; 4];
    let mut count = 0;
    for part in text.split_str(".") {
        let value =
            Some(part).filter(|part| !part.is_empty() && part.len() <= 3 && part.iter().all(u8::is_ascii_digit))?;
        *octets.get_mut(count)? = value.to_str().ok()?.parse().ok()?;
        count += 1;
    }
    Some((octets, count as u32))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(word: &str, ip: &str) -> bool {
        matches!(parse(word.as_bytes()), Parsed::Subnet(subnet) if subnet.contains(ip.parse().unwrap()))
    }

    #[test]
    fn all_forms() {
        assert!(holds("10.1", "10.1.2.3") && !holds("10.1", "10.2.0.1"));
        assert!(holds("10.1.", "10.1.2.3"));
        assert!(holds("10.1.0.0/16", "10.1.2.3") && holds("10.1.0.0/255.255.0.0", "10.1.2.3"));
        assert!(holds("127.0.0.1", "::ffff:127.0.0.1") && !holds("127.0.0.1", "127.0.0.2"));
        assert!(holds("2001:db8::/32", "2001:db8:1::1") && !holds("2001:db8::/32", "2001:db9::1"));
        assert_eq!(parse(b"10.0.0.0/99"), Parsed::BadMask);
        assert_eq!(parse(b"10.0.0.0/255.0.255.0"), Parsed::BadMask);
        assert_eq!(parse(b"example.org"), Parsed::NotAddress);
    }
}
