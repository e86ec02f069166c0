//! The first message of a client, read before it is answered: the name that it asks for decides who answers (RFC 8446
//! section 4.1.2, RFC 6066 section 3, RFC 7301).

use bstr::BString;
use rustls::SignatureScheme;

/// A first message is not longer than this.
const MOST: usize = 64 * 1024;

/// What came first on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum First {
    More,
    Hello(Hello),
    /// A request without TLS.
    Http,
    /// Nothing that is known here.
    Unknown,
}

/// What matters of a ClientHello.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hello {
    pub name: Option<BString>,
    pub protocols: Vec<Vec<u8>>,
    pub schemes: Vec<SignatureScheme>,
    /// The client wants to know whether the certificate is still good (RFC 6066 section 8).
    pub wants_status: bool,
    /// The client knows secure renegotiation (RFC 5746), which is never done.
    pub renegotiates: bool,
}

/// Looks at what was received.
pub fn look(received: &[u8]) -> First {
    let Some(start) = received.get(..5) else {
        return if received.first().is_none_or(|first| *first == 0x16 || first.is_ascii_uppercase()) {
            First::More
        } else {
            First::Unknown
        };
    };
    if start[..2] != [0x16, 3] {
        let http = [&b"GET "[..], b"POST ", b"HEAD ", b"PUT "].iter().any(|method| start.starts_with(method));
        return if http { First::Http } else { First::Unknown };
    }
    let mut message = Vec::new();
    let mut rest = received;
    loop {
        if let [1, a, b, c, body @ ..] = message.as_slice() {
            let length = usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c);
            if length > MOST {
                return First::Unknown;
            }
            if let Some(body) = body.get(..length) {
                return hello(body).map_or(First::Unknown, First::Hello);
            }
        } else if message.len() >= 4 {
            return First::Unknown;
        }
        let [kind, 3, _, high, low, after @ ..] = rest else {
            return if rest.len() < 5 { First::More } else { First::Unknown };
        };
        if *kind != 0x16 {
            return First::Unknown;
        }
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        let Some((part, after)) = after.split_at_checked(length).filter(|_| length > 0) else {
            return if length == 0 { First::Unknown } else { First::More };
        };
        message.extend_from_slice(part);
        rest = after;
    }
}

/// A vector with a length of `width` octets in front, and what follows.
fn vector(bytes: &[u8], width: usize) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(width)?;
    rest.split_at_checked(length.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)))
}

fn hello(body: &[u8]) -> Option<Hello> {
    // Version and random.
    let (_, rest) = body.split_at_checked(34)?;
    let (_session, rest) = vector(rest, 1)?;
    let (suites, rest) = vector(rest, 2)?;
    let (_compression, rest) = vector(rest, 1)?;
    let mut hello = Hello { renegotiates: suites.as_chunks::<2>().0.contains(&[0, 0xff]), ..Hello::default() };
    if rest.is_empty() {
        return Some(hello);
    }
    let (mut extensions, _) = vector(rest, 2)?;
    while let [high, low, rest @ ..] = extensions {
        let (value, after) = vector(rest, 2)?;
        match u16::from_be_bytes([*high, *low]) {
            0 => {
                let (list, _) = vector(value, 2)?;
                if let [0, rest @ ..] = list {
                    let (name, _) = vector(rest, 2)?;
                    hello.name = Some(name.into());
                }
            }
            5 => hello.wants_status = value.first() == Some(&1),
            13 => {
                let (list, _) = vector(value, 2)?;
                hello.schemes =
                    list.as_chunks::<2>().0.iter().map(|two| SignatureScheme::from(u16::from_be_bytes(*two))).collect();
            }
            16 => {
                let (mut list, _) = vector(value, 2)?;
                while !list.is_empty() {
                    let (protocol, after) = vector(list, 1)?;
                    hello.protocols.push(protocol.to_vec());
                    list = after;
                }
            }
            0xff01 => hello.renegotiates = true,
            _ => {}
        }
        extensions = after;
    }
    Some(hello)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<u8> {
        let name = [&[0, 0, 0, 8, 0, 6, 0, 0, 3][..], b"a.b"].concat();
        let alpn = [&[0, 16, 0, 5, 0, 3, 2][..], b"h2"].concat();
        let extensions = [name, alpn, vec![0, 13, 0, 4, 0, 2, 4, 3]].concat();
        let mut body = vec![3, 3];
        body.extend([7; 32]);
        body.extend([0, 0, 2, 0x13, 1, 1, 0, 0, extensions.len() as u8]);
        body.extend(extensions);
        [&[1, 0, 0, body.len() as u8][..], &body].concat()
    }

    fn records(message: &[u8], most: usize) -> Vec<u8> {
        message.chunks(most).flat_map(|part| [&[0x16, 3, 1, 0, part.len() as u8][..], part].concat()).collect()
    }

    #[test]
    fn a_hello_cut_anywhere() {
        let expected = Hello {
            name: Some("a.b".into()),
            protocols: vec![b"h2".to_vec()],
            schemes: vec![SignatureScheme::ECDSA_NISTP256_SHA256],
            ..Hello::default()
        };
        for most in [200, 7] {
            let bytes = records(&sample(), most);
            for cut in 0..bytes.len() {
                assert_eq!(look(&bytes[..cut]), First::More, "{cut}");
            }
            let First::Hello(hello) = look(&bytes) else { panic!("{most}") };
            assert_eq!(hello, expected);
        }
    }

    #[test]
    fn what_is_no_hello() {
        assert_eq!(look(b"GET / HTTP/1.1\r\n"), First::Http);
        assert_eq!(look(b"DELETE / HTTP/1.1\r\n"), First::Unknown);
        assert_eq!(look(&[0x16, 3, 1, 0, 0, 0, 0]), First::Unknown);
        assert_eq!(look(&[0x16, 3, 1, 0, 4, 2, 0, 0, 0]), First::Unknown);
    }
}
