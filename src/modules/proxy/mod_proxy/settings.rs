//! What the directives of mod_proxy leave behind, for a server and for a section.

use super::balancer::Balancer;
use super::worker::Worker;
use crate::config::*;
use crate::sys::regex::Regex;
use bstr::{BString, ByteSlice};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// One ProxyPass or ProxyPassMatch.
#[derive(Clone)]
pub struct Pass {
    /// The path; of a pattern its text.
    pub fake: BString,
    pub regex: Option<Arc<Regex>>,
    /// The URL without a socket's path; `!` for none.
    pub real: BString,
    pub raw_path: bool,
    pub interpolate: bool,
    /// `noquery`: a note for those who look; URLs keep their query all the same.
    pub no_query: bool,
    /// `mapping=encoded`: the path is compared as the client wrote it.
    pub encoded: bool,
    /// `mapping=servlet`: as servlets' URLs are normalised.
    pub servlet: bool,
}

impl Pass {
    /// `ProxyPass PATH !`
    pub fn excludes(&self) -> bool {
        self.real == "!"
    }
}

/// ProxyPassReverse and its kin: what a backend says, and what clients shall read.
#[derive(Clone)]
pub struct Reversal {
    pub public: BString,
    pub internal: BString,
    pub interpolate: bool,
}

/// ProxyVia.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Via {
    Off,
    On,
    Block,
    Full,
}

/// ProxyBadHeader.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum BadHeader {
    IsError,
    Ignore,
    StartBody,
}

/// ProxyStatus.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum ShowStatus {
    Off,
    On,
    Full,
}

/// What a ProxyRemote is for.
#[derive(Clone)]
pub enum RemoteFor {
    /// `*`, a scheme, or the beginning of a URL.
    Text(BString),
    Regex(Arc<Regex>),
}

/// ProxyRemote and ProxyRemoteMatch.
#[derive(Clone)]
pub struct Remote {
    pub of: RemoteFor,
    pub scheme: BString,
    pub host: BString,
    pub port: u16,
    /// `user:password`, ready to be sent.
    pub credentials: Option<BString>,
}

/// One word of NoProxy.
#[derive(Clone)]
pub enum Direct {
    /// `.example.com`
    Domain(BString),
    Host(BString),
    Net(IpAddr, u8),
}

/// One word of ProxyBlock, with the addresses that it had at the start.
#[derive(Clone)]
pub struct Block {
    pub word: BString,
    pub addresses: Vec<IpAddr>,
}

/// Settings of a server.
#[derive(Clone, Default)]
pub struct ProxyServer {
    pub requests: Option<bool>,
    pub aliases: Vec<Arc<Pass>>,
    pub inherit_workers: Option<bool>,
    pub workers: Vec<Arc<Worker>>,
    pub balancers: Vec<Arc<Balancer>>,
    /// ProxyPassInherit: shown by the manager's page alone.
    pub inherit_passes: Option<bool>,
    /// BalancerPersist.
    pub persist: Option<bool>,
    pub sections: Vec<Arc<Section>>,
    pub remotes: Vec<Remote>,
    pub blocks: Vec<Block>,
    pub direct: Vec<Direct>,
    pub domain: Option<BString>,
    pub via: Option<Via>,
    pub io_buffer: Option<usize>,
    pub receive_buffer: Option<usize>,
    pub max_forwards: Option<i64>,
    pub timeout: Option<Duration>,
    pub bad_header: Option<BadHeader>,
    pub status: Option<ShowStatus>,
    pub source: Option<IpAddr>,
}

impl ProxyServer {
    /// The balancer that a URL is for.
    pub fn balancer(&self, url: &[u8]) -> Option<&Arc<Balancer>> {
        let name = super::balancer::balancer_name(url)?;
        let named = |name: &[u8]| self.balancers.iter().find(|balancer| balancer.name == name);
        // A port means nothing there.
        named(&name).or_else(|| named(name.rsplitn_str(2, ":").nth(1)?))
    }
}

impl Settings for ProxyServer {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        let mut out = add.clone();
        macro_rules! inherit {
            ($($field:ident),* $(,)?) => {$( if out.$field.is_none() { out.$field = base.$field.clone(); } )*};
        }
        inherit!(
            requests,
            inherit_workers,
            persist,
            inherit_passes,
            domain,
            via,
            io_buffer,
            receive_buffer,
            max_forwards,
            timeout,
            bad_header,
            status,
            source,
        );
        out.aliases.extend(base.aliases.iter().cloned());
        if out.inherit_workers != Some(false) {
            // Each host has connections of its own.
            let inherited = base.workers.iter().map(|worker| Arc::new(worker.with_own_pool()));
            out.workers = inherited.chain(add.workers.iter().cloned()).collect();
            // Balancers are the same ones everywhere, with one state. One that a host names again keeps the members it had.
            let own = |name: &BString| add.balancers.iter().find(|own| own.name == *name);
            let inherited = base.balancers.iter().map(|balancer| match own(&balancer.name) {
                Some(own) => Arc::new(own.with_members_of(balancer)),
                None => balancer.clone(),
            });
            let new = |own: &&Arc<Balancer>| base.balancers.iter().all(|balancer| balancer.name != own.name);
            out.balancers = inherited.chain(add.balancers.iter().filter(new).cloned()).collect();
        }
        out.sections = [&base.sections[..], &add.sections[..]].concat();
        out.remotes = [&base.remotes[..], &add.remotes[..]].concat();
        out.blocks = [&base.blocks[..], &add.blocks[..]].concat();
        out.direct = [&base.direct[..], &add.direct[..]].concat();
        out
    }
}

/// ProxyErrorOverride: which statuses; empty for all from 400 on.
pub type Overridden = Arc<Vec<u16>>;

/// Settings of a section.
#[derive(Clone, Default)]
pub struct ProxyDir {
    /// ProxyPass within a `<Location>`.
    pub alias: Option<Arc<Pass>>,
    pub reversals: Vec<Reversal>,
    pub cookie_paths: Vec<Reversal>,
    pub cookie_domains: Vec<Reversal>,
    pub interpolate: Option<bool>,
    pub preserve_host: Option<bool>,
    /// On or off, and the statuses named with `on`.
    pub error_override: Option<bool>,
    pub overridden: Option<Overridden>,
    pub add_headers: Option<bool>,
    pub forward_continue: Option<bool>,
}

impl Settings for ProxyDir {
    crate::slot!();
    fn merge(base: &Self, add: &Self) -> Self {
        ProxyDir {
            alias: add.alias.clone().or_else(|| base.alias.clone()),
            reversals: [&base.reversals[..], &add.reversals[..]].concat(),
            cookie_paths: [&base.cookie_paths[..], &add.cookie_paths[..]].concat(),
            cookie_domains: [&base.cookie_domains[..], &add.cookie_domains[..]].concat(),
            interpolate: add.interpolate.or(base.interpolate),
            preserve_host: add.preserve_host.or(base.preserve_host),
            error_override: add.error_override.or(base.error_override),
            overridden: add.overridden.clone().or_else(|| base.overridden.clone()),
            add_headers: add.add_headers.or(base.add_headers),
            forward_continue: add.forward_continue.or(base.forward_continue),
        }
    }
}

impl ProxyDir {
    /// Whether our own page takes the place of a backend's response of that status.
    pub fn overrides(&self, status: u16) -> bool {
        let named = self.overridden.as_ref().filter(|codes| !codes.is_empty());
        self.error_override == Some(true)
            && (400..600).contains(&status)
            && named.is_none_or(|codes| codes.contains(&status))
    }
}
