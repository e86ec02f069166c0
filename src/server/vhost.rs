//! Virtual hosts: by local address and port, then by name. Manual: vhosts/details.html.

use crate::config::{Configuration, Server};
use crate::request::Request;
use bstr::{BStr, ByteSlice};
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
    chains: HashMap<(Option<IpAddr>, u16), Chain>,
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
                if !table.chains.contains_key(&key) {
                    table.order.push(key);
                }
                table.chains.entry(key).or_default().add(server);
            }
        }
        table
    }
    pub fn chain(&self, key: (Option<IpAddr>, u16)) -> Option<&Chain> {
        self.chains.get(&key)
    }
    /// The chain for a local address: the address itself before `*`, its port before any port.
    fn find(&self, local: SocketAddr) -> Option<&Chain> {
        let ip = Some(local.ip().to_canonical());
        let keys = [(ip, local.port()), (ip, 0), (None, local.port()), (None, 0)];
        keys.iter().find_map(|key| self.chains.get(key))
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

/// The child's table. A child serves one configuration for its whole life.
fn table(configuration: &'static Configuration) -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::of(configuration))
}

/// The server that a connection belongs to before a request names one.
pub fn base_server(configuration: &'static Configuration, local: SocketAddr) -> &'static Server {
    let first = table(configuration).find(local).and_then(|chain| chain.servers.first());
    first.and_then(|index| configuration.servers.get(*index)).unwrap_or_else(|| configuration.main())
}

/// Chooses the host of a request whose head is read.
pub(super) fn choose(r: &mut Request) {
    if r.configuration.servers.len() < 2 {
        return;
    }
    let Some(chain) = table(r.configuration).find(r.connection.local) else { return };
    if chain.servers.len() < 2 {
        return;
    }
    let position = match &r.hostname {
        Some(name) => chain.named(name.as_bstr()),
        None => chain.under(&r.uri),
    };
    let index = position.and_then(|position| chain.servers.get(position));
    if let Some(server) = index.and_then(|index| r.configuration.servers.get(*index)) {
        r.server = server;
        r.dir = super::walk::memo::defaults(server);
    }
}
