//! The client side of syslog (RFC 3164): datagrams to `/dev/log`.

use super::clock::{self, Civil};
use super::{Level, program};
use bstr::{BString, ByteSlice};
use parking_lot::Mutex;
use std::os::unix::net::UnixDatagram;

/// A facility and tag of syslog.
#[derive(Debug)]
pub struct Syslog {
    facility: u8,
    tag: BString,
    socket: Mutex<Option<UnixDatagram>>,
}

const PATH: &str = "/dev/log";
/// Where nothing else is asked for.
const LOCAL7: u8 = 23;
const FACILITIES: [(&str, u8); 21] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("security", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", LOCAL7),
];

impl Syslog {
    /// From what stands behind `syslog:`, `facility[:tag]`; unknown facilities are local7.
    pub fn new(argument: &[u8]) -> Syslog {
        let (facility, tag) = argument.split_once_str(":").unwrap_or((argument, b""));
        let known = FACILITIES.iter().find(|(name, _)| name.as_bytes().eq_ignore_ascii_case(facility));
        Syslog {
            facility: known.map_or(LOCAL7, |(_, number)| *number),
            tag: if tag.is_empty() { program().into() } else { tag.into() },
            socket: Mutex::new(None),
        }
    }

    /// Sends one line; without a daemon it is lost, as everywhere.
    pub(super) fn send(&self, level: Level, line: &[u8]) {
        let packet = self.packet(level, line, &Civil::local(clock::now()));
        let mut socket = self.socket.lock();
        // The daemon may have been restarted since the last line: connect anew, once.
        for _ in 0..2 {
            if socket.is_none() {
                let fresh = UnixDatagram::unbound().and_then(|fresh| fresh.connect(PATH).map(|()| fresh));
                *socket = fresh.ok();
            }
            match socket.as_ref().map(|socket| socket.send(&packet)) {
                Some(Err(_)) => *socket = None,
                _ => return,
            }
        }
    }

    fn packet(&self, level: Level, line: &[u8], at: &Civil) -> Vec<u8> {
        let priority = self.facility << 3 | (level as u8).min(7);
        let mut packet = format!("<{priority}>").into_bytes();
        clock::append_strftime(&mut packet, b"%b %e %T ", at);
        packet.extend_from_slice(&self.tag);
        packet.extend_from_slice(format!("[{}]: ", std::process::id()).as_bytes());
        packet.extend_from_slice(line);
        packet
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facility_tag_and_severity() {
        let at = Civil::utc(1_609_513_445_000_000);
        let pid = std::process::id();
        let user = Syslog::new(b"user:tagg").packet(Level::Error, b"text", &at);
        assert_eq!(user.as_bstr(), format!("<11>Jan  1 15:04:05 tagg[{pid}]: text").as_bytes().as_bstr());
        let local = Syslog::new(b":x").packet(Level::Trace3, b"t", &at);
        assert!(local.starts_with(b"<191>Jan"));
    }
}
