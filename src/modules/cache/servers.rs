//! Connections to servers that keep values for us (memcache, Redis): a few are kept open per child, and every call waits where
//! waiting is allowed.

use bstr::{BStr, BString, ByteSlice};
use parking_lot::Mutex;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv6Addr, TcpStream, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Longest line that a server says.
const LINE: u64 = 4096;
/// Longest value that is taken.
const VALUE: usize = 64 << 20;
/// How long a server that did not answer is left alone.
const AWAY: Duration = Duration::from_secs(5);
/// APR's number for what is not there.
pub(super) const NOT_FOUND: i32 = 70015;
/// Connections that are kept for one server.
const KEPT: usize = 16;

pub(super) struct Server {
    pub host: String,
    pub port: u16,
    idle: Mutex<Vec<(Wire, Instant)>>,
    /// When it was found to be away.
    away: Mutex<Option<Instant>>,
}

/// A connection, with what was read ahead.
pub(super) struct Wire(BufReader<TcpStream>);

/// Why a word names no server.
pub(super) enum Unfit {
    Malformed(BString),
    /// A port alone.
    Nameless(BString),
}

/// The servers of a list `host:port,host:port`, which is taken as it stands: blanks are part of names.
pub(super) fn parse(list: &BStr, usual_port: u16) -> Result<Vec<Server>, Unfit> {
    let words = list.split(|byte| *byte == b',').filter(|word| !word.is_empty());
    words.map(|word| server(word, usual_port)).collect()
}

fn server(word: &[u8], usual_port: u16) -> Result<Server, Unfit> {
    let malformed = || Unfit::Malformed(word.into());
    let text = word.to_str().map_err(|_| malformed())?;
    let number = |digits: &str| digits.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(malformed);
    let host = text.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let digits = text.get(host.len()..).unwrap_or_default();
    if host.is_empty() {
        return number(digits).and(Err(Unfit::Nameless(word.into())));
    }
    let (host, port) = match host.strip_suffix(':').filter(|_| !digits.is_empty()) {
        Some("") => return Err(malformed()),
        Some(host) => (host, number(digits)?),
        None => (text, usual_port),
    };
    let host = match host.strip_prefix('[') {
        Some(rest) => {
            let inner = rest.strip_suffix(']').ok_or_else(malformed)?;
            let address = inner.split('%').next().unwrap_or_default();
            address.parse::<Ipv6Addr>().map_err(|_| malformed())?;
            inner
        }
        None => host,
    };
    Ok(Server { host: host.to_owned(), port, idle: Mutex::default(), away: Mutex::default() })
}

/// The server that keeps a key: the next one while it is known to be away.
pub(super) fn of<'a>(servers: &'a [Server], key: &[u8]) -> io::Result<&'a Server> {
    let hash =
        key.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    let first = hash.checked_rem(servers.len() as u64).and_then(|at| usize::try_from(at).ok()).unwrap_or(0);
    let mut from_there = servers.iter().cycle().skip(first).take(servers.len());
    from_there.find(|server| !server.is_away()).ok_or_else(|| io::Error::from_raw_os_error(NOT_FOUND))
}

/// A key as both kinds of servers take it: a name, and digits for the octets of the rest.
pub(super) fn name(tag: &str, key: &[u8], most: usize) -> io::Result<String> {
    use std::fmt::Write;
    if key.len() * 2 + tag.len() + 1 >= most {
        return Err(io::Error::from_raw_os_error(libc::EINVAL));
    }
    let mut out = format!("{tag}:");
    for byte in key {
        let _ = write!(out, "{byte:02x}");
    }
    Ok(out)
}

impl Server {
    /// Does something over a connection, an old one where there is one. What fails over an old one is done once more over a new one.
    pub fn with<T>(
        &self,
        ttl: Duration,
        timeout: Duration,
        work: impl Fn(&mut Wire) -> io::Result<T>,
    ) -> io::Result<T> {
        crate::engine::block(|| {
            if let Some(mut wire) = self.kept(ttl)
                && let Ok(done) = work(&mut wire)
            {
                self.keep(wire);
                return Ok(done);
            }
            let done = self.connect(timeout).and_then(|mut wire| Ok((work(&mut wire)?, wire)));
            // What a server says, if only that it will not, shows that it is there.
            *self.away.lock() =
                done.as_ref().err().filter(|error| error.kind() != io::ErrorKind::Other).map(|_| Instant::now());
            let (done, wire) = done?;
            self.keep(wire);
            Ok(done)
        })
    }
    fn is_away(&self) -> bool {
        self.away.lock().is_some_and(|since| since.elapsed() < AWAY)
    }
    fn kept(&self, ttl: Duration) -> Option<Wire> {
        let mut idle = self.idle.lock();
        idle.retain(|(_, since)| since.elapsed() < ttl);
        idle.pop().map(|(wire, _)| wire)
    }
    fn keep(&self, wire: Wire) {
        let mut idle = self.idle.lock();
        if idle.len() < KEPT && wire.0.buffer().is_empty() {
            idle.push((wire, Instant::now()));
        }
    }
    fn connect(&self, timeout: Duration) -> io::Result<Wire> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, timeout) {
                Ok(stream) => {
                    stream.set_nodelay(true)?;
                    stream.set_read_timeout(Some(timeout))?;
                    stream.set_write_timeout(Some(timeout))?;
                    return Ok(Wire(BufReader::new(stream)));
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}

impl Wire {
    pub fn send(&mut self, octets: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(octets)
    }
    /// A line without its end.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        (&mut self.0).take(LINE).read_until(b'\n', &mut line)?;
        match line.strip_suffix(b"\r\n") {
            Some(line) => Ok(line.to_vec()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
    /// A value of that length and the line break behind it.
    pub fn value(&mut self, length: usize) -> io::Result<Vec<u8>> {
        if length > VALUE {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut value = Vec::new();
        (&mut self.0).take(length as u64 + 2).read_to_end(&mut value)?;
        match value.strip_suffix(b"\r\n") {
            Some(value) if value.len() == length => Ok(value.to_vec()),
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_names() {
        let servers = parse("a:1,b,[::1]:2,a:".into(), 7).ok().unwrap();
        let shown: Vec<_> = servers.iter().map(|server| (server.host.as_str(), server.port)).collect();
        assert_eq!(shown, [("a", 1), ("b", 7), ("::1", 2), ("a:", 7)]);
        for malformed in [":1", "a:0", "a:70000", "[::1", "[]:1", "[a]"] {
            assert!(matches!(parse(malformed.into(), 7), Err(Unfit::Malformed(_))), "{malformed}");
        }
        assert!(matches!(parse("99".into(), 7), Err(Unfit::Nameless(_))));
        assert_eq!(name("t", b"\x01\xff", 250).unwrap(), "t:01ff");
        assert!(name("t", &[0; 200], 250).is_err());
    }
}
