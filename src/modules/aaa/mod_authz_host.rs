//! mod_authz_host: `Require ip`, `Require host`, `Require forward-dns`, `Require local`. No directives, no hooks: four
//! providers. Look-ups of names run beside the event loop. Manual: mod/mod_authz_host.html.

use crate::config::subnet::{self, Parsed, Subnet};
use crate::config::*;
use crate::log::Level;
use crate::module::{Authz, AuthzCheck, AuthzProvider, Hooks, Linked, Module};
use crate::request::Request;
use crate::server::{self, Want};
use crate::sys::resolve;
use bstr::{BStr, BString, ByteSlice};
use std::any::Any;
use std::sync::Arc;

pub static MODULE: Module = Module {
    name: "mod_authz_host.c",
    ident: "authz_host_module",
    linked: Linked::Loadable,
    directives: &[],
    server: Config::none(),
    dir: Config::none(),
    hooks,
};

fn hooks(on: &mut Hooks) {
    on.providers.offer::<dyn AuthzProvider>("ip", &Ip);
    on.providers.offer::<dyn AuthzProvider>("host", &Host);
    on.providers.offer::<dyn AuthzProvider>("forward-dns", &ForwardDns);
    on.providers.offer::<dyn AuthzProvider>("local", &Local);
}

fn granted(yes: bool) -> Authz {
    if yes { Authz::Granted } else { Authz::Denied }
}

struct Ip;

impl AuthzProvider for Ip {
    fn parse(&self, _: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        let mut subnets = Vec::new();
        for word in words(arguments) {
            match subnet::parse(&word) {
                Parsed::Subnet(subnet) => subnets.push(subnet),
                Parsed::NotAddress => return Err(format!("ip address '{word}' appears to be invalid")),
                bad => return Err(format!("ip address '{word}' appears to be invalid: {}", subnet::complaint(&bad))),
            }
        }
        if subnets.is_empty() {
            return Err("'require ip' requires an argument".into());
        }
        Ok(Arc::new(subnets))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let subnets = parsed.downcast_ref::<Vec<Subnet>>().map_or(&[][..], Vec::as_slice);
        AuthzCheck::Now(granted(subnets.iter().any(|subnet| subnet.contains(r.useragent.ip()))))
    }
}

fn words(text: &[u8]) -> Vec<BString> {
    httpd_conf::words(text).take_while(|word| !word.is_empty()).map(|word| word.into_owned()).collect()
}

/// Whether `domain` is the host or a domain around it.
pub(super) fn in_domain(domain: &[u8], host: &[u8]) -> bool {
    let (domain, host) = (domain.to_ascii_lowercase(), host.to_ascii_lowercase());
    let Some(rest) = host.strip_suffix(domain.as_slice()) else { return false };
    rest.is_empty() || domain.starts_with(b".") || rest.ends_with(b".")
}

fn string(cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
    if arguments.is_empty() {
        // Nobody is named: nobody fulfils it.
        return Ok(Arc::new(()));
    }
    match Expression::string(arguments, cx.rights().without_vary(), cx.providers) {
        Ok(expression) => Ok(Arc::new(expression.at("authz_host", cx.file, cx.line))),
        Err(error) => Err(format!("Cannot parse expression in require line: {error}")),
    }
}

struct Host;

impl AuthzProvider for Host {
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        let plain = match arguments.find_byte(b'#') {
            Some(0) => {
                let text = format!(
                    "AH10120: authz_host authorize: dubious empty 'Require host {arguments}' with only comment"
                );
                cx.warn(Level::Warn, text);
                b"".as_bstr()
            }
            Some(hash) => {
                let text = format!("AH10121: authz_host authorize: ignoring comment in 'Require host {arguments}'");
                cx.warn(Level::Warn, text);
                arguments[..hash].as_bstr()
            }
            None => arguments,
        };
        string(cx, plain)
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let Some(host) = server::remote_host(r, Want::DoubleReverse) else {
            let text = format_args!(
                "AH01753: access check of '{}' to {} failed, reason: unable to get the remote host name",
                arguments_of(parsed),
                crate::log::raw(&r.uri)
            );
            r.log(Level::Error, "authz_host", text);
            return AuthzCheck::Now(Authz::Denied);
        };
        let Some(names) = evaluated(r, parsed, "AH02593: authz_host authorize: require host") else {
            return AuthzCheck::Now(Authz::Denied);
        };
        AuthzCheck::Now(granted(words(&names).iter().any(|domain| in_domain(domain, &host))))
    }
}

fn arguments_of(parsed: &Arc<dyn Any + Send + Sync>) -> BString {
    parsed.downcast_ref::<Expression>().map(|expression| expression.text().to_owned()).unwrap_or_default()
}

fn evaluated(r: &mut Request, parsed: &Arc<dyn Any + Send + Sync>, what: &str) -> Option<BString> {
    let expression = parsed.downcast_ref::<Expression>()?;
    match server::expression::text(expression, r) {
        Ok(names) => Some(names),
        Err(error) => {
            r.log(Level::Error, "authz_host", format_args!("{what}: Can't evaluate require expression: {error}"));
            None
        }
    }
}

struct ForwardDns;

impl AuthzProvider for ForwardDns {
    fn parse(&self, cx: &mut Cx<'_>, arguments: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        string(cx, arguments)
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, parsed: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let Some(names) = evaluated(r, parsed, "AH03354: authz_host authorize: require forward-dns") else {
            return AuthzCheck::Now(Authz::Denied);
        };
        let client = r.useragent.ip();
        for name in words(&names) {
            let addresses = crate::engine::block(|| resolve::addresses_of(&name));
            if addresses.is_empty() {
                r.log(Level::Warn, "authz_host", format_args!("AH03356: No sockaddr info for \"{name}\""));
            }
            if addresses.contains(&client) {
                return AuthzCheck::Now(Authz::Granted);
            }
        }
        AuthzCheck::Now(Authz::Denied)
    }
}

/// The client is on this machine: a loopback address, or both ends of the connection are the same.
struct Local;

impl AuthzProvider for Local {
    fn parse(&self, _: &mut Cx<'_>, _: &BStr) -> Result<Arc<dyn Any + Send + Sync>, String> {
        Ok(Arc::new(()))
    }
    fn check<'a>(&'a self, r: &'a mut Request, _: &'a BStr, _: &'a Arc<dyn Any + Send + Sync>) -> AuthzCheck<'a> {
        let client = r.useragent.ip();
        AuthzCheck::Now(granted(client.is_loopback() || client == r.connection.local.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_match_whole_labels() {
        assert!(in_domain(b"example.org", b"www.Example.org") && in_domain(b"example.org", b"example.org"));
        assert!(!in_domain(b"ample.org", b"example.org") && in_domain(b".org", b"example.org"));
    }
}
