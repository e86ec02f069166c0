//! Names of the server in URLs: UseCanonicalName, UseCanonicalPhysicalPort, default ports.

use crate::config::CanonicalName;
use crate::request::Request;
use bstr::{BStr, BString, ByteSlice};

/// The port that needs no mention for the request's scheme.
pub fn default_port(r: &Request) -> u16 {
    if r.connection.scheme == "https" { 443 } else { 80 }
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

/// The port by which the server speaks of itself (SERVER_PORT).
pub fn server_port(r: &Request) -> u16 {
    let core = r.dir.core();
    let physical = core.canonical_physical_port.unwrap_or(false).then(|| r.connection.local.port());
    let configured = Some(r.server.port).filter(|port| *port != 0);
    let chosen = match core.canonical_name.unwrap_or(CanonicalName::Off) {
        CanonicalName::Off => {
            let named = r.host_port.or_else(|| r.hostname.as_ref().map(|_| default_port(r)));
            named.or(physical).or(configured)
        }
        CanonicalName::On | CanonicalName::Dns => configured.or(physical),
    };
    chosen.filter(|port| *port != 0).unwrap_or_else(|| default_port(r))
}

/// A full URL for a path of this server.
pub fn construct_url(r: &Request, path: &[u8]) -> BString {
    let mut url = BString::from(r.connection.scheme);
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
