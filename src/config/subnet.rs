//! Addresses and networks as `Require ip`, `Allow from` and `-ipmatch` write them: `10.1`, `10.1.0.0/16`, `10.1.0.0/255.255.0.0`,
//! `2001:db8::/32`.

use bstr::ByteSlice;
use std::net::{IpAddr, Ipv6Addr};

/// A network: an address and which of its bits count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subnet {
    V4 { base: u32, mask: u32 },
    V6 { base: u128, mask: u128 },
}

impl Subnet {
    /// Whether the network holds `ip`; an IPv4-mapped address counts as IPv4.
    pub fn contains(&self, ip: IpAddr) -> bool {
        match (self, ip.to_canonical()) {
            (Subnet::V4 { base, mask }, IpAddr::V4(ip)) => base & mask == u32::from(ip) & mask,
            (Subnet::V6 { base, mask }, IpAddr::V6(ip)) => base & mask == u128::from(ip) & mask,
            _ => false,
        }
    }
}

/// What a word turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    Subnet(Subnet),
    /// Nothing like an address: a host name, where those are allowed.
    NotAddress,
    /// Meant as an address, but none.
    BadAddress,
    BadMask,
}

/// The complaint about a word that was meant as an address.
pub fn complaint(parsed: &Parsed) -> &'static str {
    match parsed {
        Parsed::BadMask => "The specified network mask is invalid.",
        _ => "The specified IP address is invalid.",
    }
}

/// Reads `address` or `address/mask`, where the mask is a number of bits or, for IPv4, another address.
pub fn parse(word: &[u8]) -> Parsed {
    let (address, mask) = match word.find_byte(b'/') {
        Some(slash) => (&word[..slash], Some(&word[slash + 1..])),
        None => (word, None),
    };
    if let Some(ip) = address.to_str().ok().and_then(|text| text.parse::<Ipv6Addr>().ok()) {
        if ip.to_ipv4_mapped().is_some() {
            return Parsed::BadAddress;
        }
        return match mask.map_or(Some(128), |mask| bits(mask, 128)) {
            Some(bits) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                Parsed::Subnet(Subnet::V6 { base: u128::from(ip), mask })
            }
            None => Parsed::BadMask,
        };
    }
    if address.is_empty() {
        return Parsed::NotAddress;
    }
    if !address.contains(&b':') && !address.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.') {
        return Parsed::NotAddress;
    }
    let Some((octets, count)) = dotted(address) else { return Parsed::BadAddress };
    // Only an address without a mask may be cut short.
    if mask.is_some() && (count < 4 || address.ends_with(b".")) {
        return Parsed::BadAddress;
    }
    let short = |bits: u32| u32::MAX.checked_shl(32 - bits).unwrap_or(0);
    let mask = match mask {
        None => Some(short(8 * count)),
        Some(mask) => bits(mask, 32).map(short).or_else(|| {
            let (octets, _) = dotted(mask).filter(|(_, count)| *count == 4)?;
            Some(u32::from_be_bytes(octets))
        }),
    };
    match mask {
        Some(mask) => Parsed::Subnet(Subnet::V4 { base: u32::from_be_bytes(octets), mask }),
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
        assert!(holds("10.0.1.0/255.0.255.0", "10.9.1.7") && !holds("10.0.1.0/255.0.255.0", "10.9.2.7"));
        assert_eq!(parse(b"10.0.0.0/x"), Parsed::BadMask);
        for word in ["300.0.0.1", "10.0.0.1.2", "[::1]", "10.1/16", "1/", "::ffff:1.2.3.4"] {
            assert_eq!(parse(word.as_bytes()), Parsed::BadAddress, "{word}");
        }
        assert_eq!(parse(b"example.org"), Parsed::NotAddress);
    }
}
