//! Asking whether a certificate is still good: requests, answers and the way to a responder (RFC 6960).

use super::chain::key_of;
use super::der::{self, Item};
use super::x509::Certificate;
use crate::engine::{self, Stream};
use crate::log::Level;
use crate::request::Connection;
use crate::sys::resolve;
use bstr::ByteSlice;
use sha1::{Digest, Sha1};
use std::net::SocketAddr;
use std::time::Duration;

const ENUMERATED: u8 = 0x0a;
/// SHA-1, as everybody names issuers: `1.3.14.3.2.26`.
const SHA1: &[u8] = &[0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];
/// Octets of an answer, of one of its lines, and its lines at most.
const LARGEST: usize = 128 * 1024;
const LONGEST_LINE: usize = 8192;
const MOST_LINES: usize = 100;

/// How a certificate is called in requests and answers.
pub fn name(certificate: &Certificate, issuer: &Certificate) -> Option<Vec<u8>> {
    let (_, key) = key_of(&issuer.spki)?;
    let parts = [
        SHA1.to_vec(),
        der::make(der::OCTET_STRING, &Sha1::digest(&certificate.issuer_der)),
        der::make(der::OCTET_STRING, &Sha1::digest(key)),
        der::make(der::INTEGER, &certificate.serial),
    ];
    Some(der::make(der::SEQUENCE, &parts.concat()))
}

/// The request for one certificate.
pub fn request(name: &[u8]) -> Vec<u8> {
    (0..4).fold(name.to_vec(), |inner, _| der::make(der::SEQUENCE, &inner))
}

/// An answer that says nothing but that the responder cannot answer now.
pub const TRY_LATER: &[u8] = &[0x30, 0x03, ENUMERATED, 0x01, 3];

/// What an answer says.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// It is none.
    Unreadable,
    /// The responder did not answer the question; why, by number.
    Refused(u8),
    /// It is about other certificates.
    Elsewhere,
    Single {
        status: Status,
        this: i64,
        next: Option<i64>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Good,
    Revoked,
    Unknown,
}

impl Status {
    pub fn text(self) -> &'static str {
        match self {
            Status::Good => "good",
            Status::Revoked => "revoked",
            Status::Unknown => "unknown",
        }
    }
}

/// How OpenSSL calls the number of a refusal.
pub fn refusal(number: u8) -> &'static str {
    match number {
        1 => "malformedrequest",
        2 => "internalerror",
        3 => "trylater",
        5 => "sigrequired",
        6 => "unauthorized",
        _ => "(UNKNOWN)",
    }
}

/// Takes an answer apart, as far as it is about the certificate of that name.
pub fn answer(octets: &[u8], name: &[u8]) -> Answer {
    parse(octets, name).unwrap_or(Answer::Unreadable)
}

fn parse(octets: &[u8], name: &[u8]) -> Option<Answer> {
    let mut whole = der::single(octets, der::SEQUENCE)?.items();
    let number = *whole.pass(ENUMERATED)?.value.first()?;
    if number != 0 {
        return Some(Answer::Refused(number));
    }
    let mut body = whole.pass(0xa0)?.items().pass(der::SEQUENCE)?.items();
    body.pass(der::OID)?;
    let basic = body.pass(der::OCTET_STRING)?.value;
    let mut data = der::single(basic, der::SEQUENCE)?.items().pass(der::SEQUENCE)?.items();
    data.pass(0xa0);
    // By whom, and when.
    data.next()?;
    data.pass(der::GENERALIZED_TIME)?;
    let single = data.pass(der::SEQUENCE)?.items().find(|one| names(one, name));
    let Some(single) = single else { return Some(Answer::Elsewhere) };
    let mut fields = single.items();
    fields.next()?;
    let status = match fields.next()?.tag {
        0x80 => Status::Good,
        0xa1 => Status::Revoked,
        _ => Status::Unknown,
    };
    let this = der::time(&fields.pass(der::GENERALIZED_TIME)?)?;
    let next = fields.pass(0xa0).and_then(|next| der::time(&next.items().next()?));
    Some(Answer::Single { status, this, next })
}

/// Whether a single answer is for that certificate: the digests and the number are the same.
fn names(single: &Item<'_>, name: &[u8]) -> bool {
    let parts = |id: Item<'_>| id.items().skip(1).map(|part| part.value.to_vec()).collect::<Vec<_>>();
    let theirs = single.items().next().map(parts);
    theirs.is_some() && theirs == der::single(name, der::SEQUENCE).map(parts)
}

/// A responder's URL taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Responder {
    host: String,
    port: u16,
    path: String,
}

impl Responder {
    /// None where it is no URL of http.
    pub fn parse(url: &str) -> Option<Responder> {
        let rest = url.get(7..).filter(|_| url.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("http://")))?;
        let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (authority, 80),
        };
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        (!host.is_empty()).then(|| Responder { host: host.trim_matches(['[', ']']).to_owned(), port, path })
    }

    /// Asks, within `patience`. None: there is no answer, which the log says.
    pub async fn ask(&self, connection: &Connection, request: &[u8], patience: Duration) -> Option<Vec<u8>> {
        let error = |text: std::fmt::Arguments<'_>| connection.log(Level::Error, "ssl", text);
        let debug = |text: std::fmt::Arguments<'_>| connection.log(Level::Debug, "ssl", text);
        let place = format!("{}:{}", self.host, self.port);
        debug(format_args!("AH01973: connecting to OCSP responder '{place}'"));
        let asked = engine::timeout(patience, async {
            let stream = match self.connect().await {
                Ok(stream) => stream,
                Err(why) => {
                    let text = format_args!("AH01974: could not connect to OCSP responder '{place}'");
                    connection.log_errno(Level::Error, "ssl", why, text);
                    return None;
                }
            };
            debug(format_args!("AH01975: sending request to OCSP responder"));
            let head = format!(
                "POST {} HTTP/1.0\r\nHost: {place}\r\nContent-Type: application/ocsp-request\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                self.path,
                request.len()
            );
            if let Err(why) = stream.write_all(&[head.as_bytes(), request].concat()).await {
                let text = format_args!("AH01976: failed to send request to OCSP responder '{place}'");
                connection.log_errno(Level::Error, "ssl", why, text);
                return None;
            }
            let mut whole = Vec::new();
            let mut room = vec![0; 8192];
            loop {
                match stream.read(&mut room).await {
                    Ok(0) => break,
                    Ok(count) => whole.extend_from_slice(room.get(..count).unwrap_or_default()),
                    Err(why) => {
                        let text = format_args!("AH01985: error reading response from OCSP server");
                        connection.log_errno(Level::Error, "ssl", why, text);
                        return None;
                    }
                }
                if whole.len() > LARGEST {
                    error(format_args!("AH01986: OCSP response size exceeds {LARGEST} byte limit"));
                    return None;
                }
            }
            Some(whole)
        });
        let whole = match asked.await {
            Ok(whole) => whole?,
            Err(_) => {
                connection.log_errno(
                    Level::Error,
                    "ssl",
                    70_007,
                    format_args!("AH01977: failed reading line from OCSP server"),
                );
                return None;
            }
        };
        body(&whole, &error, &debug)
    }

    async fn connect(&self) -> std::io::Result<Stream> {
        let addresses = match self.host.parse() {
            Ok(ip) => vec![ip],
            Err(_) => engine::block(|| resolve::addresses_of(self.host.as_bytes())),
        };
        let mut last = std::io::Error::from_raw_os_error(crate::log::EAI_NONAME);
        for ip in addresses {
            match Stream::connect_tcp(SocketAddr::new(ip, self.port)).await {
                Ok(stream) => return Ok(stream),
                Err(why) => last = why,
            }
        }
        Err(last)
    }
}

type Say<'a> = &'a dyn Fn(std::fmt::Arguments<'_>);

/// What follows the head of a responder's answer.
fn body(whole: &[u8], error: Say<'_>, debug: Say<'_>) -> Option<Vec<u8>> {
    if whole.is_empty() {
        error(format_args!("AH02321: empty response from OCSP server"));
        error(format_args!("AH01980: bad response from OCSP server: (none)"));
        return None;
    }
    let mut rest = whole;
    for number in 0..=MOST_LINES {
        let Some((line, after)) = rest.split_once_str("\n") else {
            error(format_args!("AH01979: response header line too long from OCSP server"));
            error(format_args!("AH01983: could not read response header from OCSP server"));
            return None;
        };
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let shown = crate::log::raw(line);
        if line.len() > LONGEST_LINE {
            error(format_args!("AH01979: response header line too long from OCSP server"));
            return None;
        }
        rest = after;
        if number == 0 {
            if !line.starts_with(b"HTTP/") || line.find(b" 200 ").is_none() {
                // Without the protocol, where there is one.
                let said =
                    line.split_once_str(" ").filter(|_| line.starts_with(b"HTTP/")).map_or(line, |(_, said)| said);
                error(format_args!("AH01980: bad response from OCSP server: {}", crate::log::raw(said)));
                return None;
            }
        } else if line.is_empty() {
            debug(format_args!("AH01987: OCSP response: got {} bytes, {} total", rest.len(), rest.len()));
            if der::single(rest, der::SEQUENCE).is_none() {
                error(format_args!("AH01988: failed to decode OCSP response data"));
                return None;
            }
            return Some(rest.to_vec());
        } else {
            debug(format_args!("AH01981: OCSP response header: {shown}"));
        }
    }
    let text = "AH01982: could not read response headers from OCSP server, exceeded maximum count";
    error(format_args!("{text} ({MOST_LINES})"));
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_what_is_none() {
        assert_eq!(answer(TRY_LATER, b""), Answer::Refused(3));
        assert_eq!(answer(&[0x30, 3, 0x0a, 1, 0], b""), Answer::Unreadable);
        assert_eq!(answer(b"xx", b""), Answer::Unreadable);
        let name = der::make(der::SEQUENCE, &[SHA1, &[4, 1, 7, 4, 1, 8, 2, 1, 9]].concat());
        let time = der::make(der::GENERALIZED_TIME, b"20260101000000Z");
        let single = der::make(der::SEQUENCE, &[&name[..], &[0x80, 0], &time].concat());
        let data = [&[0xa2, 0][..], &time, &der::make(der::SEQUENCE, &single)].concat();
        let basic = der::make(der::SEQUENCE, &der::make(der::SEQUENCE, &data));
        let body = [der::make(der::OID, &[1]), der::make(der::OCTET_STRING, &basic)].concat();
        let whole = [vec![ENUMERATED, 1, 0], der::make(0xa0, &der::make(der::SEQUENCE, &body))].concat();
        let whole = der::make(der::SEQUENCE, &whole);
        let good = Answer::Single { status: Status::Good, this: 1_767_225_600, next: None };
        assert_eq!(answer(&whole, &name), good);
        assert_eq!(answer(&whole, &der::make(der::SEQUENCE, &[SHA1, &[4, 1, 7]].concat())), Answer::Elsewhere);
        for cut in 0..whole.len() {
            assert_eq!(answer(&whole[..cut], &name), Answer::Unreadable);
        }
    }

    #[test]
    fn places_of_responders() {
        let parse = |url: &str| Responder::parse(url).map(|at| (at.host, at.port, at.path));
        assert_eq!(parse("http://a.b"), Some(("a.b".into(), 80, "/".into())));
        assert_eq!(parse("HTTP://[::1]:8/x?y"), Some(("::1".into(), 8, "/x?y".into())));
        assert_eq!(parse("https://a.b"), None);
    }
}
