//! Workers: the backends that the configuration names, each with its parameters and its pool of connections.

use super::pool::Pool;
use super::state::{State, Words};
use crate::config::Complaint;
use bstr::{BStr, BString, ByteSlice};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Parameters of a worker; None where not set.
#[derive(Clone, Default, Debug)]
pub struct Parameters {
    pub min: Option<i64>,
    pub max: Option<i64>,
    pub smax: Option<i64>,
    pub ttl: Option<Duration>,
    pub acquire: Option<Duration>,
    pub connect: Option<Duration>,
    pub timeout: Option<Duration>,
    pub retry: Option<Duration>,
    pub keep_alive: Option<bool>,
    /// `disablereuse=on` or `enablereuse=off`.
    pub disable_reuse: Option<bool>,
    pub io_buffer: Option<usize>,
    pub receive_buffer: Option<usize>,
    pub ping: Option<Duration>,
    pub factor: Option<f64>,
    pub route: Option<BString>,
    pub redirect: Option<BString>,
    pub lbset: Option<i64>,
    pub upgrade: Option<BString>,
    pub field_size: Option<usize>,
    pub secret: Option<BString>,
    /// `flushpackets=off|on|auto`, and how long `auto` waits.
    pub flush: Option<Flush>,
    pub flush_wait: Option<Duration>,
    /// How long a resolved name holds; None: as long as the child.
    pub address_ttl: Option<Duration>,
    pub flusher: Option<BString>,
    /// `hcmethod=` and the like, of mod_proxy_hcheck.
    pub health: Health,
    /// Bits of `status=`: see [`bits`].
    pub status: u32,
}

/// How a worker's health is checked; None where not set.
#[derive(Clone, Default, Debug)]
pub struct Health {
    /// Which of [`HealthChecks::methods`](super::HealthChecks::methods).
    pub method: Option<i64>,
    /// Microseconds.
    pub interval: Option<i64>,
    pub passes: Option<i64>,
    pub fails: Option<i64>,
    pub uri: Option<BString>,
    pub expression: Option<BString>,
}

/// `flushpackets`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Flush {
    Off,
    On,
    Auto,
}

/// Bits of `status=`.
pub mod bits {
    /// The worker is in use.
    pub const INITIALIZED: u32 = 0x01;
    pub const DISABLED: u32 = 0x20;
    pub const STOPPED: u32 = 0x40;
    pub const IN_ERROR: u32 = 0x80;
    pub const IGNORE_ERRORS: u32 = 0x02;
    pub const HOT_STANDBY: u32 = 0x100;
    pub const DRAIN: u32 = 0x04;
    pub const HOT_SPARE: u32 = 0x1000;
    pub const HEALTH_FAILED: u32 = 0x800;
    /// Workers with one of these serve nobody.
    pub const UNUSABLE: u32 = DISABLED | STOPPED | IN_ERROR | HEALTH_FAILED;
}

/// A backend.
#[derive(Clone)]
pub struct Worker {
    /// The URL that requests' URLs must begin with; scheme and host in lower case.
    pub name: BString,
    pub scheme: BString,
    pub host: BString,
    pub port: u16,
    /// Path of its Unix socket.
    pub socket: Option<BString>,
    /// The name holds `$1` and the like, which stand for anything.
    pub matchable: bool,
    pub parameters: Parameters,
    pub pool: Arc<Pool>,
    state: Arc<OnceLock<State>>,
}

/// The port of a scheme that names none.
pub fn default_port(scheme: &[u8]) -> u16 {
    const PORTS: [(&[u8], u16); 14] = [
        (b"http", 80),
        (b"https", 443),
        (b"ws", 80),
        (b"wss", 443),
        (b"h2", 443),
        (b"h2c", 80),
        (b"ajp", 8009),
        (b"fcgi", 8000),
        (b"scgi", 4000),
        (b"uwsgi", 0),
        (b"ftp", 21),
        (b"gopher", 70),
        (b"balancer", 0),
        (b"fd", 0),
    ];
    PORTS.iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme)).map_or(0, |(_, port)| *port)
}

/// A URL cut at its socket: `unix:PATH|URL`. Error: what follows the bar names no scheme.
pub fn split_socket(url: &[u8]) -> Result<(Option<BString>, BString), ()> {
    let begins = url.get(..5).is_some_and(|start| start.eq_ignore_ascii_case(b"unix:"));
    if !begins {
        return Ok((None, url.into()));
    }
    let rest = url.get(5..).unwrap_or_default();
    let Some(bar) = rest.find_byte(b'|') else { return Ok((None, url.into())) };
    let (path, target) = (rest.get(..bar).unwrap_or_default(), rest.get(bar + 1..).unwrap_or_default());
    let path = path.strip_prefix(b"//").map_or(path, |rest| path.get(path.len() - rest.len() - 1..).unwrap_or(rest));
    // `unix:/run/x|fcgi:` stands for `fcgi://localhost`, with or without slashes at its end.
    let colon = target.find_byte(b':').ok_or(())?;
    let target = match target.get(colon..) {
        Some(b":" | b":/" | b"://") => [target.get(..colon).unwrap_or_default(), b"://localhost"].concat().into(),
        _ => target.into(),
    };
    Ok((Some(path.into()), target))
}

/// Scheme, authority and the rest of an absolute URL.
pub fn split_url(url: &[u8]) -> Option<(&BStr, &BStr, &BStr)> {
    let at = url.find(b"://")?;
    let (scheme, rest) = (url.get(..at)?, url.get(at + 3..)?);
    let end = rest.find_byteset(b"/?#").unwrap_or(rest.len());
    Some((scheme.as_bstr(), rest.get(..end)?.as_bstr(), rest.get(end..)?.as_bstr()))
}

/// Host and port of an authority; user information is dropped, brackets too.
pub fn split_authority(authority: &[u8]) -> Option<(BString, Option<u16>)> {
    let authority = authority.rsplit_str("@").next().unwrap_or_default();
    let (host, port) = match authority.strip_prefix(b"[") {
        Some(inner) => {
            let end = inner.find_byte(b']')?;
            let tail = inner.get(end + 1..)?;
            (inner.get(..end)?, if tail.is_empty() { None } else { Some(tail.strip_prefix(b":")?) })
        }
        None => match authority.rfind_byte(b':') {
            Some(colon) => (authority.get(..colon)?, Some(authority.get(colon + 1..)?)),
            None => (authority, None),
        },
    };
    let port = match port {
        None | Some(b"") => None,
        Some(digits) if digits.iter().all(u8::is_ascii_digit) => Some(digits.to_str().ok()?.parse().ok()?),
        Some(_) => return None,
    };
    Some((host.to_ascii_lowercase().into(), port))
}

impl Worker {
    /// Reads the URL of a worker; the error is what stands behind the directive's name. `pattern`: `$1` may stand in it.
    pub fn parse(url: &[u8], pattern: bool) -> Result<Worker, Complaint> {
        let cannot = |what: &str| Complaint::from([what.as_bytes(), url].concat().as_bstr().to_owned());
        let (socket, target) = split_socket(url).map_err(|()| cannot("Unable to parse URL: "))?;
        // What a pattern puts into the port is not known yet.
        let holds_group = |text: &[u8]| text.windows(2).any(|two| two[0] == b'$' && two[1].is_ascii_digit());
        let matchable = pattern && holds_group(&target);
        let Some((scheme, authority, rest)) = split_url(&target) else {
            return Err(cannot(if target.starts_with(b":") {
                "Unable to parse URL: "
            } else {
                "URL must be absolute!: "
            }));
        };
        let cut = if matchable { authority.find_byte(b'$').unwrap_or(authority.len()) } else { authority.len() };
        let known = authority.get(..cut).unwrap_or_default();
        let known = if matchable { known.strip_suffix(b":").unwrap_or(known) } else { known };
        let (host, port) = split_authority(known).ok_or_else(|| cannot("Unable to parse URL: "))?;
        if scheme.is_empty() {
            return Err(cannot("URL must be absolute!: "));
        }
        if host.is_empty() && !matchable {
            return Err(cannot("URL must be absolute!: "));
        }
        let scheme = BString::from(scheme.to_ascii_lowercase());
        let own_port = default_port(&scheme);
        let authority = match authority.to_ascii_lowercase() {
            // The port that everybody knows is no part of the name.
            authority if port == Some(own_port) && !matchable => {
                authority.rsplitn_str(2, ":").nth(1).unwrap_or(&authority).to_vec()
            }
            authority => authority,
        };
        let name = [scheme.as_slice(), b"://", &authority, rest].concat().into();
        let port = port.unwrap_or(own_port);
        // Only members of balancers are left alone for a while when they fail: for others nobody can step in.
        let parameters = Parameters { status: bits::IGNORE_ERRORS, ..Parameters::default() };
        let pool = Pool::new();
        Ok(Worker { name, scheme, host, port, socket, matchable, parameters, pool, state: Arc::default() })
    }

    /// The live state, the child's own unless it is shared.
    pub fn state(&self) -> &State {
        self.state.get_or_init(|| State::own(&self.parameters))
    }

    /// Gives the worker a state that others see too, filled with what the configuration says.
    pub(super) fn share(&self, words: Words) {
        let _ = self.state.set(State::begin(words, &self.parameters));
    }

    /// Gives the worker a state that others have filled.
    pub(super) fn share_as_it_is(&self, words: Words) {
        let _ = self.state.set(State(words));
    }

    /// The name with the socket's path before it.
    pub fn shown_name(&self) -> BString {
        match &self.socket {
            Some(path) => [b"unix:", path.as_slice(), b"|", &self.name].concat().into(),
            None => self.name.clone(),
        }
    }

    /// How much of `url` this worker's name covers; None where it does not.
    pub fn covers(&self, url: &[u8]) -> Option<usize> {
        if !self.matchable {
            return url.starts_with(&self.name).then_some(self.name.len());
        }
        (self.name.len() <= url.len() && wild(&self.name, url)).then_some(self.name.len())
    }

    /// The same backend, with connections of its own.
    pub fn with_own_pool(&self) -> Worker {
        Worker { pool: Pool::new(), state: Arc::default(), ..self.clone() }
    }

    /// Whether connections are kept for later requests.
    pub fn reuses(&self) -> bool {
        // Servers of these protocols often give each connection a process: only who asks for it has them wait.
        let rare = ["fcgi", "scgi", "uwsgi"].iter().any(|scheme| self.scheme == *scheme);
        !self.parameters.disable_reuse.unwrap_or(self.matchable || rare)
    }
}

/// Whether `url` begins as `pattern` does, where `$1` stands for any text.
fn wild(pattern: &[u8], url: &[u8]) -> bool {
    let Some(dollar) = pattern.windows(2).position(|two| two[0] == b'$' && two[1].is_ascii_digit()) else {
        return url.starts_with(pattern);
    };
    let (start, rest) = (pattern.get(..dollar).unwrap_or_default(), pattern.get(dollar + 2..).unwrap_or_default());
    let Some(url) = url.strip_prefix(start) else { return false };
    (0..=url.len()).any(|at| wild(rest, url.get(at..).unwrap_or_default()))
}

/// A URL with scheme and host in lower case and without the scheme's own port, as names of workers are.
pub fn comparable(url: &[u8]) -> BString {
    let Some((scheme, authority, rest)) = split_url(url) else { return url.into() };
    let scheme = scheme.to_ascii_lowercase();
    let mut authority = authority.to_ascii_lowercase();
    if let Some((_, Some(port))) = split_authority(&authority)
        && port == default_port(&scheme)
    {
        authority = authority.rsplitn_str(2, ":").nth(1).unwrap_or(&authority).to_vec();
    }
    [scheme.as_slice(), b"://", &authority, rest].concat().into()
}

/// The worker with the longest name that covers `url`.
pub fn find<'w>(workers: impl IntoIterator<Item = &'w Arc<Worker>>, url: &[u8]) -> Option<&'w Arc<Worker>> {
    let url = comparable(url);
    let covering = workers.into_iter().filter_map(|worker| Some((worker.covers(&url)?, worker)));
    // The first of those as long.
    covering
        .fold(None, |best: Option<(usize, &Arc<Worker>)>, (length, worker)| match best {
            Some((most, _)) if most >= length => best,
            _ => Some((length, worker)),
        })
        .map(|(_, worker)| worker)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(url: &str) -> String {
        Worker::parse(url.as_bytes(), false).unwrap().name.to_string()
    }

    #[test]
    fn names_are_comparable() {
        assert_eq!(name("HTTP://Host:80/A"), "http://host/A");
        assert_eq!(name("http://[::1]:8080/"), "http://[::1]:8080/");
        let socket = Worker::parse(b"unix:/run/x.sock|fcgi://localhost/", false).unwrap();
        assert_eq!((socket.socket.unwrap(), socket.name), ("/run/x.sock".into(), "fcgi://localhost/".into()));
        for bad in ["/x", "http:///x", "unix:/x", "http://h:x/"] {
            assert!(Worker::parse(bad.as_bytes(), false).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_longest_name_wins_and_groups_stand_for_anything() {
        let workers: Vec<_> = ["http://h/", "http://h/a", "http://$1.x/$2/b"]
            .map(|url| Arc::new(Worker::parse(url.as_bytes(), true).unwrap()))
            .into();
        assert_eq!(find(&workers, b"http://H/ab").unwrap().name, "http://h/a");
        assert_eq!(find(&workers, b"http://h:80/b").unwrap().name, "http://h/");
        assert_eq!(find(&workers, b"http://host.x/z/bc").unwrap().name, "http://$1.x/$2/b");
        assert!(find(&workers, b"http://g/").is_none());
    }
}
