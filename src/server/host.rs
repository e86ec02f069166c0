//! Names of addresses: reverse look-ups for HostnameLookups, Require host and UseCanonicalName DNS.

use crate::config::Lookups;
use crate::request::{Connection, Request};
use crate::sys::resolve;
use bstr::BString;

/// What a caller of [`remote_host`] wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Want {
    /// The name, or the address where lookups are off or fail.
    Name,
    /// The name if HostnameLookups looked it up already or may.
    NameOnly,
    /// A name confirmed in both directions, whatever HostnameLookups says.
    DoubleReverse,
}

/// The client's name. May wait for DNS: the look-up runs beside the event loop and happens once per connection.
pub fn remote_host(r: &Request, want: Want) -> Option<BString> {
    let lookups = r.dir.core().hostname_lookups.unwrap_or(Lookups::Off);
    let double = want == Want::DoubleReverse || lookups == Lookups::Double;
    if lookups == Lookups::Off && want != Want::DoubleReverse {
        // A name that somebody else had looked up is used all the same.
        let known = r.connection.remote_host.get().cloned().flatten();
        return known.or_else(|| (want == Want::Name).then(|| r.useragent_ip.clone()));
    }
    let look_up = || {
        let ip = r.useragent.ip();
        crate::engine::block(|| {
            let name = resolve::name_of(ip)?;
            if double && !resolve::addresses_of(&name).contains(&ip) {
                return None;
            }
            Some(BString::from(name.to_ascii_lowercase()))
        })
    };
    let found = r.connection.remote_host.get_or_init(look_up).clone();
    found.or_else(|| (want == Want::Name).then(|| r.useragent_ip.clone()))
}

/// What the resolver said of a connection's local address.
struct LocalName(Option<BString>);

/// The name of the connection's local address. May wait for DNS, once per connection.
pub fn local_host(connection: &Connection) -> Option<BString> {
    if let Some(LocalName(known)) = connection.extensions.lock().of() {
        return known.clone();
    }
    let ip = connection.local.ip();
    let name = crate::engine::block(|| resolve::name_of(ip)).map(|name| BString::from(name.to_ascii_lowercase()));
    connection.extensions.lock().put(LocalName(name.clone()));
    name
}
