//! Packets of AJP/1.3: what is put into one and taken out of one. A packet is at most as long as both sides agree.

use super::super::mod_proxy::{Wire, errno};
use crate::log::{Level, raw};
use crate::request::Request;
use bstr::{BStr, BString};
use std::io;

/// The head of a packet: two octets of signature, two of length.
pub const HEAD: usize = 4;
/// Octets of a packet, its head included, where nothing else is said.
pub const USUAL: usize = 8192;
/// What a packet of body cannot hold of its octets: its head and its own length.
pub const OVERHEAD: usize = HEAD + 2;

/// What a container sends.
pub mod kind {
    pub const SEND_HEADERS: u8 = 4;
    pub const SEND_BODY_CHUNK: u8 = 3;
    pub const END_RESPONSE: u8 = 5;
    pub const GET_BODY_CHUNK: u8 = 6;
    pub const CPONG: u8 = 9;
    pub const CPING: u8 = 10;
}

/// Numbers of failures in log lines, as Apache has them.
pub const OVERFLOW: i32 = 120_001;
const NO_HEADER: i32 = 120_006;
const BAD_HEADER: i32 = 120_007;
const BAD_MESSAGE: i32 = 120_008;
const TIMED_OUT: i32 = 70_007;

fn overflow(r: &Request, what: &str, at: usize, end: usize) -> i32 {
    let text = format_args!("AH03229: ajp_msg_{what}(): BufferOverflowException {at} {end}");
    r.server.log(Level::Error, "proxy_ajp", text);
    OVERFLOW
}

/// A packet that is being made.
pub struct Outgoing {
    bytes: Vec<u8>,
    most: usize,
}

impl Outgoing {
    pub fn new(most: usize) -> Outgoing {
        Outgoing { bytes: vec![0x12, 0x34, 0, 0], most }
    }
    fn room(&self, r: &Request, count: usize, what: &str) -> Result<(), i32> {
        match self.bytes.len() + count > self.most {
            true => Err(overflow(r, what, HEAD, self.bytes.len())),
            false => Ok(()),
        }
    }
    pub fn byte(&mut self, r: &Request, byte: u8) -> Result<(), i32> {
        self.room(r, 1, "append_uint8")?;
        self.bytes.push(byte);
        Ok(())
    }
    pub fn number(&mut self, r: &Request, number: u16) -> Result<(), i32> {
        self.room(r, 2, "append_uint16")?;
        self.bytes.extend_from_slice(&number.to_be_bytes());
        Ok(())
    }
    /// A string, or that there is none.
    pub fn string(&mut self, r: &Request, text: Option<&[u8]>) -> Result<(), i32> {
        let Some(text) = text else { return self.number(r, 0xffff) };
        self.room(r, text.len() + 3, "append_cvt_string")?;
        let length = u16::try_from(text.len()).map_err(|_| OVERFLOW)?;
        self.bytes.extend_from_slice(&length.to_be_bytes());
        self.bytes.extend_from_slice(text);
        self.bytes.push(0);
        Ok(())
    }
    /// The packet, ready to be sent.
    pub fn finished(mut self) -> Vec<u8> {
        let length = u16::try_from(self.bytes.len() - HEAD).unwrap_or(u16::MAX).to_be_bytes();
        if let Some(place) = self.bytes.get_mut(2..HEAD) {
            place.copy_from_slice(&length);
        }
        self.bytes
    }
}

/// A piece of a request's body; an empty one ends it.
pub fn body(bytes: &[u8]) -> Vec<u8> {
    let length = |number: usize| u16::try_from(number).unwrap_or(u16::MAX).to_be_bytes();
    let mut out = vec![0x12, 0x34];
    if bytes.is_empty() {
        out.extend_from_slice(&[0, 0]);
        return out;
    }
    out.extend_from_slice(&length(bytes.len() + 2));
    out.extend_from_slice(&length(bytes.len()));
    out.extend_from_slice(bytes);
    out
}

/// What a container sent, without its head.
pub struct Packet {
    bytes: Vec<u8>,
    at: usize,
}

impl Packet {
    pub fn kind(&self) -> u8 {
        self.bytes.first().copied().unwrap_or_default()
    }
    fn end(&self) -> usize {
        self.bytes.len() + HEAD
    }
    pub fn byte(&mut self, r: &Request) -> Result<u8, i32> {
        let byte = self.bytes.get(self.at).copied();
        let byte = byte.ok_or_else(|| overflow(r, "get_uint8", self.at + HEAD, self.end()))?;
        self.at += 1;
        Ok(byte)
    }
    fn peek(&self) -> Option<u16> {
        let two = self.bytes.get(self.at..self.at + 2)?;
        Some(u16::from_be_bytes([*two.first()?, *two.get(1)?]))
    }
    pub fn peek_number(&self, r: &Request) -> Result<u16, i32> {
        self.peek().ok_or_else(|| overflow(r, "peek_uint16", self.at + HEAD, self.end()))
    }
    pub fn number(&mut self, r: &Request) -> Result<u16, i32> {
        let number = self.peek().ok_or_else(|| overflow(r, "get_uint16", self.at + HEAD, self.end()))?;
        self.at += 2;
        Ok(number)
    }
    /// A string up to its first NUL.
    pub fn string(&mut self, r: &Request) -> Result<BString, i32> {
        let begin = self.at;
        let length = usize::from(self.number(r)?);
        let found = self.bytes.get(self.at..self.at + length).map(BString::from);
        // The NUL behind it is part of it.
        match found.filter(|_| self.at + length < self.bytes.len()) {
            Some(text) => {
                self.at += length + 1;
                Ok(text.split(|byte| *byte == 0).next().unwrap_or_default().into())
            }
            None => Err(overflow(r, "get_string", begin + 2 + HEAD, self.end())),
        }
    }
    /// The octets of a body.
    pub fn chunk(&mut self, r: &Request) -> Result<&[u8], i32> {
        self.byte(r)?;
        let length = self.number(r)?;
        let expected = self.bytes.len().checked_sub(self.at + 1);
        let Some(expected) = expected else {
            r.log(Level::Error, "proxy_ajp", format_args!("AH10546: ajp_parse_data: Message too small"));
            return Err(BAD_HEADER);
        };
        if usize::from(length) != expected {
            let text = format_args!(
                "AH00998: ajp_parse_data: Wrong chunk length. Length of chunk is {length}, expected length is {expected}."
            );
            r.log(Level::Error, "proxy_ajp", text);
            return Err(BAD_HEADER);
        }
        Ok(self.bytes.get(self.at..self.at + expected).unwrap_or_default())
    }
}

/// The next packet, if it is here whole. Error: what stands there is none; said in the log.
fn parse(r: &Request, wire: &mut Wire, most: usize) -> Result<Option<Packet>, i32> {
    let Some(&[first, second, high, low]) = wire.unread().first_chunk::<HEAD>() else { return Ok(None) };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let bad = if (first, second) != (b'A', b'B') {
        Some(format!("AH01080: ajp_msg_check_header() got bad signature {first:02x}{second:02x}"))
    } else if length > most - HEAD {
        let most = most - HEAD;
        Some(format!("AH01081: ajp_msg_check_header() incoming message is too big {length}, max is {most}"))
    } else {
        None
    };
    if let Some(text) = bad {
        r.server.log(Level::Error, "proxy_ajp", format_args!("{text}"));
        r.server.log(Level::Error, "proxy_ajp", format_args!("AH01031: ajp_ilink_receive() received bad header"));
        return Err(BAD_HEADER);
    }
    let Some(bytes) = wire.unread().get(HEAD..HEAD + length).map(<[u8]>::to_vec) else { return Ok(None) };
    wire.consume(HEAD + length);
    Ok(Some(Packet { bytes, at: 0 }))
}

/// Nothing more comes, or not in time; said in the log.
fn unheard(r: &Request, wire: &Wire, error: &io::Error) -> i32 {
    let number = errno(error);
    let (text, failed) = match wire.unread().len() < HEAD {
        true => ("AH01030: ajp_ilink_receive() can't receive header", NO_HEADER),
        false => ("AH01032: ajp_ilink_receive() error while receiving message body of length 4", BAD_MESSAGE),
    };
    r.server.log_errno(Level::Error, "proxy_ajp", number, format_args!("{text}"));
    if number == TIMED_OUT { TIMED_OUT } else { failed }
}

/// A packet if it is here whole, and whether it is fit to be looked at.
pub fn ready(r: &Request, wire: &mut Wire, most: usize) -> Result<Option<Packet>, i32> {
    let complain = |text: &str| r.log(Level::Error, "proxy_ajp", format_args!("{text}"));
    match parse(r, wire, most) {
        Ok(Some(packet)) if packet.bytes.is_empty() => {
            let number = overflow(r, "peek_uint8", HEAD, HEAD);
            complain("AH00993: ajp_read_header: ajp_msg_peek_uint8 failed");
            Err(number)
        }
        Err(number) => {
            complain("AH00992: ajp_read_header: ajp_ilink_receive failed");
            Err(number)
        }
        found => found,
    }
}

/// Says why `fill` brought nothing.
pub fn missing(r: &Request, wire: &Wire, error: &io::Error) -> i32 {
    let number = unheard(r, wire, error);
    r.log(Level::Error, "proxy_ajp", format_args!("AH00992: ajp_read_header: ajp_ilink_receive failed"));
    number
}

/// The next packet.
pub async fn receive(r: &mut Request, wire: &mut Wire, most: usize) -> Result<Packet, i32> {
    loop {
        if let Some(packet) = ready(r, wire, most)? {
            return Ok(packet);
        }
        match wire.fill().await {
            Ok(0) => return Err(missing(r, wire, &io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => {}
            Err(error) => return Err(missing(r, wire, &error)),
        }
    }
}

/// Asks whether anybody is there. Error: its number, said in the log.
pub async fn ping(r: &mut Request, wire: &mut Wire) -> Result<(), i32> {
    let failed = |r: &Request, text: &str, number: i32| {
        r.log(Level::Error, "proxy_ajp", format_args!("{text}"));
        number
    };
    const RECEIVE: &str = "AH01012: ajp_handle_cping_cpong: ajp_ilink_receive failed";
    if let Err(error) = wire.send(&[0x12, 0x34, 0, 1, kind::CPING]).await {
        r.server.log_errno(
            Level::Error,
            "proxy_ajp",
            errno(&error),
            format_args!("AH01029: ajp_ilink_send(): send failed"),
        );
        return Err(failed(r, "AH01009: ajp_handle_cping_cpong: ajp_ilink_send failed", NO_HEADER));
    }
    loop {
        match parse(r, wire, USUAL) {
            Err(number) => return Err(failed(r, RECEIVE, number)),
            Ok(Some(packet)) if packet.bytes.is_empty() => {
                return Err(failed(r, "AH01013: ajp_handle_cping_cpong: invalid CPONG message", OVERFLOW));
            }
            Ok(Some(packet)) if packet.kind() != kind::CPONG => {
                let text = format!("AH01014: ajp_handle_cping_cpong: awaited CPONG, received {} ", packet.kind());
                return Err(failed(r, &text, BAD_HEADER));
            }
            Ok(Some(_)) => return Ok(()),
            Ok(None) => {}
        }
        let error = match wire.fill().await {
            Ok(0) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => continue,
            Err(error) => error,
        };
        let number = unheard(r, wire, &error);
        return Err(failed(r, RECEIVE, number));
    }
}

/// Names of response fields that have a number.
const NAMES: [&str; 11] = [
    "Content-Type",
    "Content-Language",
    "Content-Length",
    "Date",
    "Last-Modified",
    "Location",
    "Set-Cookie",
    "Set-Cookie2",
    "Servlet-Engine",
    "Status",
    "WWW-Authenticate",
];

/// Status, reason and fields of a response.
pub type Answered = (u16, BString, Vec<(BString, BString)>);

/// Takes a SEND_HEADERS apart. Error: its number, said in the log.
pub fn head(r: &Request, packet: &mut Packet) -> Result<Answered, i32> {
    let complain = |text: &str| r.log(Level::Error, "proxy_ajp", format_args!("{text}"));
    packet.byte(r)?;
    let status = packet.number(r).inspect_err(|_| complain("AH00983: ajp_unmarshal_response: Null status"))?;
    let reason = packet.string(r).unwrap_or_default();
    let count = packet.number(r).unwrap_or(0);
    let mut fields = Vec::new();
    for _ in 0..count {
        let code = packet.peek_number(r)?;
        let name = if code & 0xff00 == 0xa000 {
            packet.number(r)?;
            let known = usize::from(code & 0xff).checked_sub(1).and_then(|at| NAMES.get(at));
            let Some(name) = known else {
                complain(&format!("AH00984: ajp_unmarshal_response: No such sc ({code:08x})"));
                return Err(BAD_HEADER);
            };
            BString::from(*name)
        } else {
            packet.string(r).inspect_err(|_| complain("AH00985: ajp_unmarshal_response: Null header name"))?
        };
        let value = packet.string(r).inspect_err(|_| complain("AH00986: ajp_unmarshal_response: Null header value"))?;
        fields.push((name, value));
    }
    r.log(Level::Trace4, "proxy_ajp", format_args!("ajp_unmarshal_response: status = {status}"));
    Ok((status, reason, fields))
}

/// The number of a method; 0xff for one that goes by its name.
pub fn method(name: &BStr) -> u8 {
    const METHODS: [&str; 27] = [
        "OPTIONS",
        "GET",
        "HEAD",
        "POST",
        "PUT",
        "DELETE",
        "TRACE",
        "PROPFIND",
        "PROPPATCH",
        "MKCOL",
        "COPY",
        "MOVE",
        "LOCK",
        "UNLOCK",
        "",
        "REPORT",
        "VERSION-CONTROL",
        "CHECKIN",
        "CHECKOUT",
        "UNCHECKOUT",
        "",
        "MKWORKSPACE",
        "UPDATE",
        "LABEL",
        "MERGE",
        "BASELINE-CONTROL",
        "MKACTIVITY",
    ];
    METHODS.iter().position(|known| name == known).map_or(0xff, |at| at as u8 + 1)
}

/// The number of a request's field.
pub fn field(name: &BStr) -> Option<u16> {
    const FIELDS: [&str; 14] = [
        "Accept",
        "Accept-Charset",
        "Accept-Encoding",
        "Accept-Language",
        "Authorization",
        "Connection",
        "Content-Type",
        "Content-Length",
        "Cookie",
        "Cookie2",
        "Host",
        "Pragma",
        "Referer",
        "User-Agent",
    ];
    let at = FIELDS.iter().position(|known| name.eq_ignore_ascii_case(known.as_bytes()))?;
    Some(0xa001 + at as u16)
}

/// What a log line shows of a packet's strings.
pub fn shown(text: &[u8]) -> String {
    raw(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::testing::request;

    #[test]
    fn packets_there_and_back() {
        let r = request();
        let mut out = Outgoing::new(USUAL);
        out.byte(&r, 4).unwrap();
        out.number(&r, 200).unwrap();
        out.string(&r, Some(b"OK")).unwrap();
        out.number(&r, 2).unwrap();
        out.number(&r, 0xa001).unwrap();
        out.string(&r, Some(b"text/plain")).unwrap();
        out.string(&r, Some(b"X")).unwrap();
        out.string(&r, Some(b"y\0z")).unwrap();
        let bytes = out.finished();
        assert_eq!(bytes.len(), HEAD + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])));
        let mut packet = Packet { bytes: bytes[HEAD..].to_vec(), at: 0 };
        let (status, reason, fields) = head(&r, &mut packet).unwrap();
        assert_eq!((status, reason), (200, "OK".into()));
        assert_eq!(fields, [("Content-Type".into(), "text/plain".into()), ("X".into(), "y".into())]);
    }

    #[test]
    fn nothing_is_read_behind_the_end() {
        let r = request();
        for end in 0..30 {
            let whole = b"\x04\0\xc8\0\x02OK\0\0\x01\xa0\x01\0\x05a/b/c\0";
            let mut packet = Packet { bytes: whole[..end.min(whole.len())].to_vec(), at: 0 };
            let _ = head(&r, &mut packet);
            let mut packet = Packet { bytes: vec![3; end], at: 0 };
            let _ = packet.chunk(&r);
        }
    }

    #[test]
    fn too_long_is_refused() {
        let r = request();
        let mut out = Outgoing::new(16);
        assert_eq!(out.string(&r, Some(&[b'x'; 12])), Err(OVERFLOW));
        out.string(&r, Some(&[b'x'; 9])).unwrap();
    }

    #[test]
    fn methods_have_their_numbers() {
        assert_eq!(
            ["OPTIONS", "GET", "UNLOCK", "REPORT", "MKACTIVITY", "ACL", "get"].map(|name| method(name.into())),
            [1, 2, 14, 16, 27, 255, 255]
        );
    }
}
