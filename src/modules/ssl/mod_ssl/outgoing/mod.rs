//! SSLProxy…: how backends are spoken to over TLS, for a server and within `<Proxy>`.
//!
//! A section that says anything of it holds for its backends with all that its own server says otherwise, whatever other
//! sections say. `bind.rs` makes rustls's configuration of it once, `connect.rs` does the handshakes; what the proxy
//! modules see is the provider [`OutgoingTls`](crate::module::OutgoingTls).

mod bind;
mod connect;
mod machine;

pub use bind::{Backends, bind};
pub use connect::Connector;

use super::clients::{self, ClientSettings};
use super::settings::{self, CipherList, Protocols, SslDir, SslServer};
use crate::config::*;
use bstr::{BStr, BString};
use std::sync::atomic::{AtomicU64, Ordering};

const PLACES: Contexts = SERVER.and(PROXY);

pub const DIRECTIVES: &[Directive] = &[
    flag(
        "SSLProxyEngine",
        PLACES,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.engine = Some(on)),
        "SSL switch for the proxy protocol engine ('on', 'off')",
    ),
    raw_args(
        "SSLProxyProtocol",
        PLACES,
        NO_OVERRIDE,
        |cx, args| {
            let protocols = settings::protocol_words(cx, args)?;
            put(cx, |said| said.protocols = Some(protocols))
        },
        "SSL Proxy: enable or disable SSL protocol flavors ('[+-][TLSv1|TLSv1.1|TLSv1.2] ...' - see manual)",
    ),
    take12(
        "SSLProxyCipherSuite",
        PLACES,
        NO_OVERRIDE,
        |cx, first, second| match settings::cipher_list(first, second)? {
            CipherList::Tls12(list) => put(cx, |said| said.ciphers = Some(list)),
            CipherList::Tls13(list) => put(cx, |said| said.ciphers13 = Some(list)),
        },
        "SSL Proxy: colon-delimited list of permitted SSL ciphers , optionally preceded by protocol specifier ('XXX:...:XXX' - see manual)",
    ),
    take1(
        "SSLProxyVerify",
        PLACES,
        NO_OVERRIDE,
        |cx, word| {
            let mode = clients::mode(cx, word)?;
            put(cx, |said| said.peer.mode = Some(mode))
        },
        "SSL Proxy: whether to verify the remote certificate ('on' or 'off')",
    ),
    take1(
        "SSLProxyVerifyDepth",
        PLACES,
        NO_OVERRIDE,
        |cx, word| {
            let depth = clients::depth_of(cx, word)?;
            put(cx, |said| said.peer.depth = Some(depth))
        },
        "SSL Proxy: maximum certificate verification depth ('N' - number of intermediate certificates)",
    ),
    take1(
        "SSLProxyCACertificateFile",
        PLACES,
        NO_OVERRIDE,
        |cx, word| file(cx, word, |said| &mut said.peer.ca_file),
        "SSL Proxy: file containing server certificates ('/path/to/file' - PEM encoded certificates)",
    ),
    take1(
        "SSLProxyCACertificatePath",
        PLACES,
        NO_OVERRIDE,
        |cx, word| directory(cx, word, |said| &mut said.peer.ca_path),
        "SSL Proxy: directory containing server certificates ('/path/to/dir' - contains PEM encoded certificates)",
    ),
    take1(
        "SSLProxyCARevocationPath",
        PLACES,
        NO_OVERRIDE,
        |cx, word| directory(cx, word, |said| &mut said.peer.crl_path),
        "SSL Proxy: CA Certificate Revocation List (CRL) path ('/path/to/dir' - contains PEM encoded files)",
    ),
    take1(
        "SSLProxyCARevocationFile",
        PLACES,
        NO_OVERRIDE,
        |cx, word| file(cx, word, |said| &mut said.peer.crl_file),
        "SSL Proxy: CA Certificate Revocation List (CRL) file ('/path/to/file' - PEM encoded)",
    ),
    raw_args(
        "SSLProxyCARevocationCheck",
        PLACES,
        NO_OVERRIDE,
        |cx, args| {
            let check = clients::revocations(cx, args)?;
            put(cx, |said| said.peer.crl_check = Some(check))
        },
        "SSL Proxy: CA Certificate Revocation List (CRL) checking mode",
    ),
    take1(
        "SSLProxyMachineCertificateFile",
        PLACES,
        NO_OVERRIDE,
        |cx, word| file(cx, word, |said| &mut said.machine_file),
        "SSL Proxy: file containing client certificates ('/path/to/file' - PEM encoded certificates)",
    ),
    take1(
        "SSLProxyMachineCertificatePath",
        PLACES,
        NO_OVERRIDE,
        |cx, word| directory(cx, word, |said| &mut said.machine_path),
        "SSL Proxy: directory containing client certificates ('/path/to/dir' - contains PEM encoded certificates)",
    ),
    take1(
        "SSLProxyMachineCertificateChainFile",
        PLACES,
        NO_OVERRIDE,
        |cx, word| file(cx, word, |said| &mut said.machine_chain),
        "SSL Proxy: file containing issuing certificates of the client certificate (`/path/to/file' - PEM encoded certificates)",
    ),
    flag(
        "SSLProxyCheckPeerExpire",
        PLACES,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.check_expire = Some(on)),
        "SSL Proxy: check the peer certificate's expiration date",
    ),
    flag(
        "SSLProxyCheckPeerCN",
        PLACES,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.check_cn = Some(on)),
        "SSL Proxy: check the peer certificate's CN",
    ),
    flag(
        "SSLProxyCheckPeerName",
        PLACES,
        NO_OVERRIDE,
        |cx, on| put(cx, |said| said.check_name = Some(on)),
        "SSL Proxy: check the peer certificate's name (must be present in subjectAltName extension or CN",
    ),
];

/// What is said of backends.
#[derive(Clone, Default)]
pub struct Said {
    pub engine: Option<bool>,
    pub protocols: Option<Protocols>,
    pub ciphers: Option<BString>,
    pub ciphers13: Option<BString>,
    /// How their certificates are judged.
    pub peer: ClientSettings,
    pub check_expire: Option<bool>,
    pub check_cn: Option<bool>,
    pub check_name: Option<bool>,
    pub machine_file: Option<BString>,
    pub machine_path: Option<BString>,
    pub machine_chain: Option<BString>,
}

impl Said {
    pub fn merge(base: &Said, add: &Said) -> Said {
        let or = |one: &Option<BString>, other: &Option<BString>| one.clone().or_else(|| other.clone());
        Said {
            engine: add.engine.or(base.engine),
            protocols: add.protocols.or(base.protocols),
            ciphers: or(&add.ciphers, &base.ciphers),
            ciphers13: or(&add.ciphers13, &base.ciphers13),
            peer: ClientSettings::merge(&base.peer, &add.peer),
            check_expire: add.check_expire.or(base.check_expire),
            check_cn: add.check_cn.or(base.check_cn),
            check_name: add.check_name.or(base.check_name),
            machine_file: or(&add.machine_file, &base.machine_file),
            machine_path: or(&add.machine_path, &base.machine_path),
            machine_chain: or(&add.machine_chain, &base.machine_chain),
        }
    }
}

/// Changes what the server says, or the section that the directive stands in.
fn put(cx: &mut Cx<'_>, change: impl FnOnce(&mut Said)) -> Outcome {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    if cx.path.is_none() {
        change(&mut cx.server::<SslServer>().outgoing);
        return Ok(());
    }
    let id = *cx.dir::<SslDir>().outgoing.get_or_insert_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    let sections = &mut cx.server::<SslServer>().outgoing_sections;
    if sections.last().is_none_or(|(last, _)| *last != id) {
        sections.push((id, Said::default()));
    }
    if let Some((_, said)) = sections.last_mut() {
        change(said);
    }
    Ok(())
}

fn file(cx: &mut Cx<'_>, word: &BStr, place: fn(&mut Said) -> &mut Option<BString>) -> Outcome {
    let file = settings::file(cx, word)?;
    put(cx, |said| *place(said) = Some(file))
}

fn directory(cx: &mut Cx<'_>, word: &BStr, place: fn(&mut Said) -> &mut Option<BString>) -> Outcome {
    let path = settings::directory(cx, word)?;
    put(cx, |said| *place(said) = Some(path))
}
