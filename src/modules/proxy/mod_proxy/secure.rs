//! TLS to backends (https, wss): whose settings hold, whom the certificate must be for, and what is said where there is none.

use super::call::Call;
use super::pool::Backend;
use super::settings::ProxyDir;
use super::translate::proxy_error;
use crate::engine::Stream;
use crate::log::Level;
use crate::module::{Answer, Outgoing, OutgoingTls};
use crate::request::{Remote, Request, Status};
use bstr::{BStr, BString, ByteSlice};
use std::io;
use std::time::Duration;

/// What must be the same for a connection to be used again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Secrecy {
    /// Whom the certificate is for.
    pub host: BString,
    pub protocols: &'static [&'static [u8]],
    /// The settings; None where it is not to be secured.
    settings: Option<usize>,
}

/// Whether a URL is of a scheme that goes over TLS.
pub fn is_secure(url: &[u8]) -> bool {
    let scheme = url.split(|byte| *byte == b':').next().unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss")
}

fn provider(r: &Request) -> Option<&'static dyn OutgoingTls> {
    r.configuration.providers.find::<dyn OutgoingTls>(b"tls")
}

/// How a call's connection to `host` is secured; None where its scheme goes without. `protocols` are asked for (ALPN).
pub fn secrecy(r: &Request, call: &Call, host: &BStr, protocols: &'static [&'static [u8]]) -> Option<Secrecy> {
    if !is_secure(&call.url) {
        return None;
    }
    let host = match r.dir::<ProxyDir>().preserve_host {
        Some(true) => r.hostname.clone().unwrap_or_default(),
        _ => host.to_owned(),
    };
    let settings = provider(r).and_then(|tls| tls.settings(r));
    Some(Secrecy { host, protocols, settings })
}

/// Why a connection to a backend is not secured; what there is to say is in the log.
pub enum Unsecured {
    /// Nobody secures connections for this backend.
    Off(Answer),
    /// The handshake failed.
    Failed(Answer),
}

/// Secures a connection that is new; one that was used before is already. `host` and `port` are the call's.
pub async fn secure(
    r: &mut Request,
    call: &Call,
    backend: &mut Backend,
    host: &BStr,
    patience: Duration,
) -> Result<(), Unsecured> {
    let Some(secrecy) = backend.secrecy.clone().filter(|_| !backend.stream.is_secured()) else { return Ok(()) };
    let remote = Remote { server: r.server, remote: backend.stream.peer_addr().ok() };
    let peer = remote.remote.map(|address| address.to_string()).unwrap_or_default();
    let Some(tls) = provider(r).filter(|_| secrecy.settings.is_some()) else {
        let text = "AH01961:  failed to enable ssl support [Hint: if using mod_ssl, see SSLProxyEngine]";
        remote.log(Level::Error, "core", format_args!("{text}"));
        let scheme = call.shown_scheme();
        let text = format_args!("AH00961: {scheme}: failed to enable ssl support for {peer} ({host})");
        r.server.log(Level::Error, "proxy", text);
        backend.spend();
        return Err(Unsecured::Off(Answer::Status(Status::INTERNAL_SERVER_ERROR)));
    };
    let how = Outgoing { host: secrecy.host.as_bstr(), protocols: secrecy.protocols, patience };
    match tls.connect(r, backend.stream.clone(), how).await {
        Some(secured) => {
            backend.stream = secured;
            backend.remote = Some(remote);
            Ok(())
        }
        None => {
            backend.spend();
            let text = format_args!("AH01084: pass request body failed to {peer} ({host})");
            r.log_errno(Level::Error, "proxy", GENERAL, text);
            let why = "Error during SSL Handshake with remote server";
            Err(Unsecured::Failed(proxy_error(r, Status::INTERNAL_SERVER_ERROR, why)))
        }
    }
}

/// Says why nothing more can be read from a backend over TLS, where that is the reason: it does not speak it any more, or
/// ended without a word. What the read counts as.
pub fn reading_ended(stream: &Stream, remote: &Remote, read: io::Result<usize>) -> io::Result<usize> {
    let text = "AH01992: SSL library error 1 reading data";
    let library = |why: &dyn std::fmt::Display| {
        remote.server.log(Level::Info, "ssl", format_args!("SSL Library Error: {why}"));
    };
    match &read {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {
            remote.log(Level::Info, "ssl", format_args!("{text}"));
            library(error);
            Err(io::Error::from_raw_os_error(END_OF_FILE))
        }
        Ok(0) if stream.is_cut() => {
            remote.log_errno(Level::Info, "ssl", END_OF_FILE, format_args!("{text}"));
            library(&"unexpected eof while reading");
            read
        }
        _ => read,
    }
}

/// APR's number for an end that comes too early.
const END_OF_FILE: i32 = 70_014;
/// APR's number for a failure that has none.
const GENERAL: i32 = 20_014;
