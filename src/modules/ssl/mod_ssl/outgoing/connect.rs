//! Handshakes with backends, and whether those are who they should be.

use super::super::ciphers;
use super::super::clients;
use super::super::settings::{SslDir, SslServer};
use super::super::x509::Certificate;
use super::bind::Outgoing;
use super::machine::{Asked, Chooser};
use crate::engine::{self, BoxFuture, HandshakeError, Session, Stream};
use crate::log::{Level, raw};
use crate::module::{self, OutgoingTls};
use crate::request::{Remote, Request};
use bstr::ByteSlice;
use rustls::client::{ClientConfig, UnbufferedClientConnection};
use rustls::pki_types::{ServerName, UnixTime};
use std::sync::Arc;

pub struct Connector;

fn outgoing(r: &Request) -> Option<&'static Arc<Outgoing>> {
    let backends = r.server.settings.of::<SslServer>().backends.as_ref()?;
    match r.dir.settings.of::<SslDir>().outgoing {
        Some(section) => backends.sections.get(&section),
        None => backends.own.as_ref(),
    }
}

impl OutgoingTls for Connector {
    fn settings(&self, r: &Request) -> Option<usize> {
        outgoing(r).map(|outgoing| Arc::as_ptr(outgoing) as usize)
    }
    fn connect<'a>(
        &'a self,
        r: &'a mut Request,
        stream: Stream,
        how: module::Outgoing<'a>,
    ) -> BoxFuture<'a, Option<Stream>> {
        let outgoing = outgoing(r);
        let remote = Remote { server: r.server, remote: stream.peer_addr().ok() };
        Box::pin(async move { shake(outgoing?, stream, &how, &remote).await })
    }
}

async fn shake(outgoing: &Outgoing, stream: Stream, how: &module::Outgoing<'_>, remote: &Remote) -> Option<Stream> {
    let id = &outgoing.id;
    remote.log(Level::Info, "ssl", format_args!("AH01964: Connection to child 0 established (server {id})"));
    let secured = match handshake(outgoing, stream, how, remote).await {
        Ok(secured) => secured,
        Err(()) => {
            let text = format_args!("AH01998: Connection closed to child 0 with abortive shutdown (server {id})");
            remote.log(Level::Info, "ssl", text);
            remote.log(Level::Info, "ssl", format_args!("AH01997: SSL handshake failed: sending 502"));
            return None;
        }
    };
    Some(secured)
}

async fn handshake(
    outgoing: &Outgoing,
    stream: Stream,
    how: &module::Outgoing<'_>,
    remote: &Remote,
) -> Result<Stream, ()> {
    let host = how.host.to_str_lossy();
    let chooser = Arc::new(Chooser::new(outgoing.machine.clone()));
    let (name, config) = name_and_config(outgoing, &host, how, chooser.clone());
    let failed = |why: &dyn std::fmt::Display| {
        remote.log(Level::Info, "ssl", format_args!("AH02003: SSL Proxy connect failed"));
        Remote { remote: None, ..*remote }.log(Level::Info, "ssl", format_args!("SSL Library Error: {why}"));
    };
    let session = UnbufferedClientConnection::new(config, name).map_err(|error| failed(&error))?;
    clients::refusal();
    let secured = stream.secured(Session::Client(Box::new(session)), b"");
    let done = engine::timeout(how.patience, secured.handshake()).await;
    match chooser.asked() {
        Some(Asked::Without) => {
            let text = "downstream server wanted client certificate but none are configured";
            let text = format_args!("AH02268: Proxy client certificate callback: ({}) {text}", outgoing.id);
            Remote { remote: None, ..*remote }.log(Level::Warn, "ssl", text);
        }
        Some(Asked::Unsuitable) => {
            let text = "no client certificate found!?";
            let text = format_args!("AH02269: Proxy client certificate callback: ({}) {text}", outgoing.id);
            Remote { remote: None, ..*remote }.log(Level::Debug, "ssl", text);
        }
        _ => {}
    }
    match done {
        Err(_) => {
            remote.log(Level::Info, "ssl", format_args!("AH02003: SSL Proxy connect failed"));
            return Err(());
        }
        Ok(Err(error)) => {
            if let HandshakeError::Tls(_) = &error
                && let Some(refusal) = clients::refusal()
            {
                match refusal.too_long(outgoing.depth) {
                    Some(text) => remote.log(Level::Error, "ssl", format_args!("{text}")),
                    None => remote.log(Level::Info, "ssl", format_args!("AH02276: {refusal}")),
                }
            }
            failed(&error);
            return Err(());
        }
        Ok(Ok(())) => {}
    }
    let spoken = secured.tls(|session| (ciphers::protocol(session), ciphers::negotiated(session)));
    if let Some((protocol, (cipher, bits))) = spoken {
        let text = format_args!("AH02041: Protocol: {protocol}, Cipher: {cipher} ({bits}/{bits} bits)");
        remote.log(Level::Debug, "ssl", text);
    }
    check(outgoing, &secured, how, remote)?;
    Ok(secured)
}

/// The name that is asked for, if it is one, and the configuration with the protocols.
fn name_and_config(
    outgoing: &Outgoing,
    host: &str,
    how: &module::Outgoing<'_>,
    chooser: Arc<Chooser>,
) -> (ServerName<'static>, Arc<ClientConfig>) {
    let host = host.strip_suffix('.').unwrap_or(host);
    let name = ServerName::try_from(host.to_owned());
    let name_is_one = name.is_ok();
    let name = name.unwrap_or_else(|_| ServerName::IpAddress(std::net::Ipv4Addr::UNSPECIFIED.into()));
    let mut config = outgoing.config.clone();
    config.client_auth_cert_resolver = chooser;
    config.alpn_protocols = how.protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.enable_sni = name_is_one;
    (name, Arc::new(config))
}

/// Whether the certificate holds today, and is for the host; whether the protocol is one that was asked for.
fn check(outgoing: &Outgoing, secured: &Stream, how: &module::Outgoing<'_>, remote: &Remote) -> Result<(), ()> {
    let leaf = secured.tls(|session| Certificate::parse(session.peer_certificates()?.first()?)).flatten();
    let complain = |text: std::fmt::Arguments<'_>| {
        remote.log(Level::Info, "ssl", text);
        secured.close_notify();
        Err(())
    };
    let now = UnixTime::now().as_secs() as i64;
    if outgoing.check_expire && leaf.as_ref().is_none_or(|leaf| now < leaf.not_before || now > leaf.not_after) {
        return complain(format_args!("AH02004: SSL Proxy: Peer certificate is expired"));
    }
    let host = how.host.to_str_lossy();
    if host.is_empty() {
        return Ok(());
    }
    if outgoing.check_name {
        match leaf.as_ref().filter(|leaf| leaf.is_for(&host)) {
            None => {
                let text = "AH02411: SSL Proxy: Peer certificate does not match for hostname";
                return complain(format_args!("{text} {}", raw(how.host)));
            }
            Some(leaf) => {
                let text = format_args!("AH02412: [{}] Cert matches for name '{host}' {}", outgoing.id, leaf.summary());
                remote.server.log(Level::Debug, "ssl", text);
            }
        }
    } else if outgoing.check_cn {
        let common = leaf.as_ref().and_then(Certificate::common_name).unwrap_or_default();
        if !common.eq_ignore_ascii_case(&host) {
            return complain(format_args!(
                "AH02005: SSL Proxy: Peer certificate CN mismatch: Certificate CN: {} Requested hostname: {}",
                raw(common.as_bytes()),
                raw(how.host)
            ));
        }
    }
    Ok(())
}
