//! Names of the server in URLs: UseCanonicalName, UseCanonicalPhysicalPort, default ports.

use crate::config::{CanonicalName, Configuration, Warning};
use crate::log::{Level, program};
use crate::request::Request;
use crate::sys::resolve;
use bstr::{BStr, BString, ByteSlice};

/// Gives every server a name and every host a port: the machine's own for the main server without ServerName, and what
/// a host's first address says. Asks the resolver.
pub fn settle_names(configuration: &mut Configuration) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut main_name = BString::default();
    let mut main_port = 0;
    for (index, server) in configuration.servers.iter_mut().enumerate() {
        if index == 0 {
            main_name = server.name.get_or_insert_with(|| machine_name(&mut warnings)).clone();
            main_port = server.port;
            continue;
        }
        let first = server.addresses.first();
        // A ServerName without a port means the scheme's own, whatever the address says.
        if server.port == 0 && server.name.is_none() {
            server.port = first.map(|address| address.port).filter(|port| *port != 0).unwrap_or(main_port);
        }
        if server.name.is_some() {
            continue;
        }
        server.name = Some(match first.and_then(|address| address.ip) {
            None => main_name.clone(),
            Some(ip) => resolve::name_of(ip).map(BString::from).unwrap_or_else(|| {
                let text = format!(
                    "(EAI 2)Name or service not known: AH00549: Failed to resolve server name for {ip} (check DNS) -- or specify an explicit ServerName"
                );
                warnings.push(Warning { hidden: false, module: "core", level: Level::Error, text: text.into() });
                "bogus_host_without_reverse_dns".into()
            }),
        });
    }
    warnings
}

/// The machine's name with its domain, or an address where it has none.
fn machine_name(warnings: &mut Vec<Warning>) -> BString {
    let own = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut warn =
        |text: String| warnings.push(Warning { hidden: false, module: "", level: Level::Warn, text: text.into() });
    let name = match resolve::addresses_of(own.as_bytes()).first() {
        Some(ip) => match resolve::name_of(*ip).filter(|name| name.contains(&b'.')) {
            Some(name) => return name.into(),
            None if own.contains('.') => return own.into(),
            None => ip.to_string(),
        },
        None => {
            warn(format!("AH00557: {}: apr_sockaddr_info_get() failed for {own}", program()));
            "127.0.0.1".to_owned()
        }
    };
    warn(format!(
        "AH00558: {}: Could not reliably determine the server's fully qualified domain name, using {name}. \
         Set the 'ServerName' directive globally to suppress this message",
        program()
    ));
    name.into()
}

/// The scheme of the server's URLs: the connection's, or https where ServerName says so.
pub fn scheme(r: &Request) -> &'static str {
    let said = r.server.scheme.as_ref().is_some_and(|scheme| scheme == "https");
    if said || r.connection.scheme == "https" { "https" } else { "http" }
}

/// The port that needs no mention for the scheme.
pub fn default_port(r: &Request) -> u16 {
    if scheme(r) == "https" { 443 } else { 80 }
}

/// The name by which the server speaks of itself (SERVER_NAME).
pub fn server_name(r: &Request) -> BString {
    let own = || match &r.server.name {
        Some(name) => name.clone(),
        None => r.connection.local_ip.clone(),
    };
    let name = match r.dir.core().canonical_name.unwrap_or(CanonicalName::Off) {
        CanonicalName::On => own(),
        CanonicalName::Off => r.hostname.clone().unwrap_or_else(own),
        CanonicalName::Dns => super::host::local_host(&r.connection).unwrap_or_else(own),
    };
    if name.contains(&b':') && !name.starts_with(b"[") {
        return [b"[", name.as_slice(), b"]"].concat().into();
    }
    name
}

/// ServerAdmin.
pub fn server_admin(r: &Request) -> &'static BStr {
    r.server.admin.as_ref().map_or(BStr::new("[no address given]"), |admin| admin.as_bstr())
}

/// The port by which the server speaks of itself (SERVER_PORT).
pub fn server_port(r: &Request) -> u16 {
    let core = r.dir.core();
    let physical = core.canonical_physical_port.unwrap_or(false).then(|| r.connection.local.port());
    let configured = Some(r.server.port).filter(|port| *port != 0);
    let chosen = match core.canonical_name.unwrap_or(CanonicalName::Off) {
        CanonicalName::Off => r.host_port.or(physical).or(configured),
        CanonicalName::Dns => r.host_port.or(physical).or(configured),
        CanonicalName::On => configured.or(physical),
    };
    chosen.filter(|port| *port != 0).unwrap_or_else(|| default_port(r))
}

/// A full URL for a path of this server.
pub fn construct_url(r: &Request, path: &[u8]) -> BString {
    let mut url = BString::from(scheme(r));
    url.extend_from_slice(b"://");
    url.extend_from_slice(&server_name(r));
    let port = server_port(r);
    if port != default_port(r) {
        url.push(b':');
        url.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
    }
    url.extend_from_slice(path);
    url
}

/// Whether text starts with a scheme and `:` (`ap_is_url`).
pub fn is_url(text: &BStr) -> bool {
    match text.find_byte(b':') {
        None | Some(0) => false,
        Some(colon) => text[..colon].iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte)),
    }
}
