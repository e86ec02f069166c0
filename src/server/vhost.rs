//! Virtual hosts: by local address and port, then by name. Manual: vhosts/details.html.

use crate::config::{Configuration, CoreServer, HostAddress, Server};
use crate::log::Level;
use crate::request::{Request, Status};
use bstr::{BStr, BString, ByteSlice};
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

/// The hosts of one address and port, in the order of the files.
#[derive(Default)]
pub struct Chain {
    /// Indexes into [`Configuration::servers`].
    pub servers: Vec<usize>,
    /// Position of the first host of a plain name.
    names: HashMap<Vec<u8>, usize>,
    /// Names with wildcards, with the position of their host.
    wild: Vec<(Vec<u8>, usize)>,
    /// Hosts with a ServerPath, with their position.
    paths: Vec<(Vec<u8>, usize)>,
}

/// All chains by address; None stands for `*`. Port 0 is any port.
#[derive(Default)]
pub struct Table {
    chains: Vec<Chain>,
    /// Positions in `chains`.
    places: HashMap<(Option<IpAddr>, u16), usize>,
    /// The keys in the order in which the files mention them.
    pub order: Vec<(Option<IpAddr>, u16)>,
}

impl Table {
    /// Sorts the hosts of a configuration by the addresses they are for.
    pub fn of(configuration: &Configuration) -> Table {
        let mut table = Table::default();
        for server in configuration.servers.iter().skip(1) {
            for address in &server.addresses {
                let key = (address.ip.map(|ip| ip.to_canonical()), address.port);
                let place = *table.places.entry(key).or_insert_with(|| {
                    table.order.push(key);
                    table.chains.push(Chain::default());
                    table.chains.len() - 1
                });
                if let Some(chain) = table.chains.get_mut(place) {
                    chain.add(server);
                }
            }
        }
        table
    }
    pub fn chain(&self, key: (Option<IpAddr>, u16)) -> Option<&Chain> {
        self.chains.get(*self.places.get(&key)?)
    }
    /// The place of the chain for a local address: the address itself before `*`, its port before any port.
    fn find(&self, local: SocketAddr) -> Option<usize> {
        let ip = Some(local.ip().to_canonical());
        let keys = [(ip, local.port()), (ip, 0), (None, local.port()), (None, 0)];
        keys.iter().find_map(|key| self.places.get(key).copied())
    }
}

impl Chain {
    fn add(&mut self, server: &Server) {
        let position = self.servers.len();
        self.servers.push(server.index);
        for name in server.name.iter().chain(&server.aliases) {
            self.names.entry(name.to_ascii_lowercase()).or_insert(position);
        }
        for pattern in &server.wild_aliases {
            self.wild.push((pattern.to_ascii_lowercase(), position));
        }
        if let Some(path) = &server.legacy_path {
            self.paths.push((path.to_vec(), position));
        }
    }
    /// The first host that has the name.
    fn named(&self, name: &BStr) -> Option<usize> {
        let name = name.to_ascii_lowercase();
        let plain = self.names.get(&name).copied();
        let wild = self.wild.iter().find(|(pattern, _)| covers(pattern, &name)).map(|(_, position)| *position);
        plain.into_iter().chain(wild).min()
    }
    fn under(&self, path: &[u8]) -> Option<usize> {
        let holds = |prefix: &[u8]| {
            let rest = path.strip_prefix(prefix);
            rest.is_some_and(|rest| prefix.ends_with(b"/") || rest.first().is_none_or(|&byte| byte == b'/'))
        };
        self.paths.iter().find(|(prefix, _)| holds(prefix)).map(|(_, position)| *position)
    }
}

/// `*` and `?` within a name.
fn covers(pattern: &[u8], name: &[u8]) -> bool {
    crate::config::fnmatch::matches(pattern, name, 0)
}

/// Whether a URL of this host and port is one of the request's own server: an address that it is written with, or one of
/// its names with its port.
pub fn is_own_host(r: &Request, host: &[u8], port: u16) -> bool {
    let server = r.server;
    let written = |address: &HostAddress| {
        let text = address.text.as_slice();
        let name = text.rfind_byte(b':').and_then(|at| text.get(..at)).unwrap_or(text);
        (address.port == 0 || address.port == port) && name.eq_ignore_ascii_case(host)
    };
    if server.addresses.iter().any(written) {
        return true;
    }
    let own = if server.port == 0 { server.addresses.first().map_or(0, |address| address.port) } else { server.port };
    let host = host.to_ascii_lowercase();
    let named = |name: &BString| name.eq_ignore_ascii_case(&host);
    port == own
        && (server.name.iter().chain(&server.aliases).any(named)
            || server.wild_aliases.iter().any(|pattern| covers(&pattern.to_ascii_lowercase(), &host)))
}

/// The child's table. A child serves one configuration for its whole life.
fn table(configuration: &'static Configuration) -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::of(configuration))
}

/// The server that a connection belongs to before a request names one, and where the others are that a name may choose.
pub fn base_server(configuration: &'static Configuration, local: SocketAddr) -> (&'static Server, Option<usize>) {
    let table = table(configuration);
    let place = table.find(local);
    let chain = place.and_then(|place| table.chains.get(place));
    let first = chain.and_then(|chain| configuration.servers.get(*chain.servers.first()?));
    (first.unwrap_or_else(|| configuration.main()), place)
}

/// The host of an address (see [`base_server`]) that has a name.
pub fn host_named(configuration: &'static Configuration, hosts: Option<usize>, name: &BStr) -> Option<&'static Server> {
    let chain = table(configuration).chains.get(hosts?)?;
    configuration.servers.get(*chain.servers.get(chain.named(name)?)?)
}

/// Whether several hosts share the address of the request's connection.
pub fn shared(r: &Request) -> bool {
    let chain = r.connection.hosts.and_then(|place| table(r.configuration).chains.get(place));
    chain.is_some_and(|chain| chain.servers.len() > 1)
}

/// Chooses the host of a request whose head is read.
pub(super) fn choose(r: &mut Request) -> Result<(), Status> {
    let found = by_name(r);
    if r.server::<CoreServer>().strict_host_check == Some(true) && !found {
        return check(r);
    }
    Ok(())
}

/// StrictHostCheck: the host that nobody has is refused.
fn check(r: &Request) -> Result<(), Status> {
    let Some(asked) = &r.hostname else { return Ok(()) };
    let mut own = r.server.name.iter().chain(&r.server.aliases);
    let wild = |pattern: &BString| covers(&pattern.to_ascii_lowercase(), asked);
    if own.any(|name| name.eq_ignore_ascii_case(asked)) || r.server.wild_aliases.iter().any(wild) {
        return Ok(());
    }
    if r.server.index == 0 {
        let text = "did not match any ServerName/ServerAlias in the global server configuration ";
        r.log(Level::Warn, "core", format_args!("AH10156: Requested hostname '{asked}' {text}"));
    } else {
        let text = "did not match any ServerName/ServerAlias in the matching virtual host";
        let (file, line) = (&r.server.defined_file, r.server.defined_line);
        let place = format_args!("(default vhost for current connection is {file}:{line})");
        r.log(Level::Warn, "core", format_args!("AH10157: Requested hostname '{asked}' {text} {place}"));
    }
    Err(Status::BAD_REQUEST)
}

/// Whether a host of the request's address has the name that it asks for.
fn by_name(r: &mut Request) -> bool {
    let Some(place) = r.connection.hosts else { return false };
    let chains = &table(r.configuration).chains;
    let Some(chain) = chains.get(place).filter(|chain| chain.servers.len() > 1) else { return false };
    let position = match &r.hostname {
        Some(name) => chain.named(name.as_bstr()),
        None => chain.under(&r.uri),
    };
    let index = position.and_then(|position| chain.servers.get(position));
    if let Some(server) = index.and_then(|index| r.configuration.servers.get(*index)) {
        r.server = server;
        r.dir = super::walk::memo::defaults(server);
        return true;
    }
    false
}
