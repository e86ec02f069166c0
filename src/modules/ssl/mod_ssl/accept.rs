//! From a fresh connection to one that is secured: who is asked for, the handshake, and what is known afterwards.

use super::clients::{self, Refusal, Standing, Verifier};
use super::hello::{self, First, Hello};
use super::host::{self, Host};
use super::settings::SslServer;
use super::x509::Certificate;
use super::{ciphers, host::Keys};
use crate::config::{Configuration, CoreServer, Server};
use crate::engine::{self, BoxFuture, HandshakeError, Session, Stream};
use crate::log::Level;
use crate::module::{Secured, Tls};
use crate::request::{Connection, ReadLimit, Request};
use crate::server;
use bstr::{BStr, BString, ByteSlice};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::UnbufferedServerConnection;
use rustls::{HandshakeKind, SignatureScheme};
use std::sync::Arc;
use std::time::Duration;

/// What is known of a secured connection.
pub struct Facts {
    /// The server that the handshake was for.
    pub server: &'static Server,
    /// The name that the client asked for in it.
    pub name: Option<BString>,
    pub protocol: &'static str,
    pub cipher: &'static str,
    pub bits: u16,
    pub resumed: bool,
    /// The client knows secure renegotiation (RFC 5746).
    pub renegotiates: bool,
    pub session: [u8; 32],
    pub client: Option<Box<Client>>,
    keys: Arc<Keys>,
    schemes: Box<[SignatureScheme]>,
}

/// A client's certificates, its own first, and what they are worth.
pub struct Client {
    pub chain: Vec<Certificate>,
    pub standing: Standing,
}

impl Facts {
    /// What the client's certificate is, where it has one that is good.
    pub fn verified(&self) -> bool {
        self.client.as_ref().is_some_and(|client| client.standing == Standing::Success)
    }
    /// The certificate that the client was shown.
    pub fn certificate(&self) -> Option<&Certificate> {
        self.keys.shown(&self.schemes)
    }
}

/// Left with a connection whose client does not speak TLS.
pub struct SpokeHttp;

/// What stands for the request of a client that does not speak TLS; it is answered with an error.
const STAND_IN: &[u8] = b"GET / HTTP/1.0\r\n\r\n";

pub struct Acceptor;

/// The server's own rustls configuration, where it speaks TLS.
fn bound(server: &'static Server) -> Option<&'static Host> {
    server.settings.of::<SslServer>().bound.as_deref()
}

impl Tls for Acceptor {
    fn secures(&self, server: &Server) -> bool {
        server.settings.of::<SslServer>().bound.is_some()
    }
    fn accept<'a>(
        &'a self,
        stream: Stream,
        received: Vec<u8>,
        connection: &'a Arc<Connection>,
        configuration: &'static Configuration,
        limit: ReadLimit,
    ) -> BoxFuture<'a, Secured> {
        Box::pin(async move {
            let base = connection.base;
            let patience = base.timeout.or(base.settings.of::<CoreServer>().timeout).unwrap_or(Duration::from_secs(60));
            let patience = if limit.first.is_zero() { patience } else { limit.first };
            match engine::timeout(patience, accept(stream, received, connection, configuration)).await {
                Ok(secured) => secured,
                Err(_) => {
                    let text = "AH02006: SSL handshake stopped: connection was closed";
                    connection.log(Level::Info, "ssl", format_args!("{text}"));
                    Secured::Closed
                }
            }
        })
    }
    fn variable(&self, r: &Request, name: &BStr) -> Option<BString> {
        super::variables::value(r, name)
    }
}

async fn accept(
    stream: Stream,
    mut received: Vec<u8>,
    connection: &Arc<Connection>,
    configuration: &'static Configuration,
) -> Secured {
    let base = connection.base;
    if connection.logs(Level::Info, "ssl") {
        let id = host::id(base);
        connection.log(Level::Info, "ssl", format_args!("AH01964: Connection to child 0 established (server {id})"));
    }
    let closed = || {
        let text = format_args!("AH02006: SSL handshake stopped: connection was closed");
        connection.log(Level::Info, "ssl", text);
        Secured::Closed
    };
    let failed = |server: &Server, why: &dyn std::fmt::Display| {
        let text = format_args!("AH02008: SSL library error 1 in handshake (server {})", host::id(server));
        connection.log(Level::Info, "ssl", text);
        connection.log(Level::Info, "ssl", format_args!("SSL Library Error: {why}"));
        Secured::Closed
    };
    let hello = loop {
        match hello::look(&received) {
            First::Hello(hello) => break hello,
            First::More => {}
            First::Http => {
                let text = "AH01996: SSL handshake failed: HTTP spoken on HTTPS port; trying to send HTML error page";
                connection.log(Level::Info, "ssl", format_args!("{text}"));
                connection.extensions.lock().put(SpokeHttp);
                return Secured::Plain(stream, STAND_IN);
            }
            First::Unknown => return failed(base, &"wrong version number"),
        }
        let mut piece = [0; 2048];
        match stream.read(&mut piece).await {
            Ok(count @ 1..) => received.extend_from_slice(piece.get(..count).unwrap_or_default()),
            _ => return closed(),
        }
    };
    let server = asked_for(connection, configuration, &hello).unwrap_or(base);
    let Some(host) = bound(server) else { return closed() };
    let (protocol, config) = host.choose(server, connection, &configuration.providers, &hello.protocols);
    if let Some(protocol) = protocol {
        let _ = connection.protocol.set(protocol);
    }
    let session = match UnbufferedServerConnection::new(config.clone()) {
        Ok(session) => Session::Server(Box::new(session)),
        Err(error) => return failed(server, &error),
    };
    if hello.wants_status && server.settings.of::<SslServer>().stapling.on == Some(true) {
        match host.keys.stapler(&hello.schemes) {
            Some(stapler) => stapler.prepare(connection, server).await,
            None => {
                let text = "AH01926: stapling_get_certinfo: stapling not supported for certificate";
                server.log(Level::Info, "ssl", format_args!("{text}"));
            }
        }
    }
    clients::refusal();
    let secured = stream.secured(session, &received);
    drop(received);
    match secured.handshake().await {
        Ok(()) => {}
        Err(HandshakeError::Closed | HandshakeError::Io(_)) => return closed(),
        Err(HandshakeError::Tls(error)) => {
            if let Some(refusal) = clients::refusal() {
                complain(connection, server, &refusal);
            }
            return failed(server, &error);
        }
    }
    let facts = secured.tls(|session| {
        let (cipher, bits) = ciphers::negotiated(session);
        Facts {
            server,
            name: hello.name,
            protocol: ciphers::protocol(session),
            cipher,
            bits,
            renegotiates: hello.renegotiates,
            resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
            client: host.verifier.as_deref().and_then(|verifier| client(session.peer_certificates()?, verifier)),
            session: super::tickets::random().unwrap_or_default(),
            keys: host.keys.clone(),
            schemes: hello.schemes.into(),
        }
    });
    if let Some(facts) = facts {
        let text = format_args!(
            "AH02041: Protocol: {}, Cipher: {} ({}/{} bits)",
            facts.protocol, facts.cipher, facts.bits, facts.bits
        );
        connection.log(Level::Debug, "ssl", text);
        connection.extensions.lock().put(Arc::new(facts));
    }
    Secured::Done(secured)
}

/// Says why a client's certificate is refused.
fn complain(connection: &Connection, server: &Server, refusal: &Refusal) {
    if let Some(text) = refusal.too_long(server.settings.of::<SslServer>().clients.most_depth()) {
        return connection.log(Level::Error, "ssl", format_args!("{text}"));
    }
    let fault = refusal.fault;
    let text = format_args!("AH02039: Certificate Verification: Error ({}): {}", fault.0, fault.1);
    connection.log(Level::Error, "ssl", text);
}

fn client(sent: &[CertificateDer<'static>], verifier: &Verifier) -> Option<Box<Client>> {
    let chain: Vec<_> = sent.iter().map(|der| Certificate::parse(der)).collect::<Option<_>>()?;
    let standing = verifier.standing(&chain, UnixTime::now());
    Some(Box::new(Client { chain, standing }))
}

/// The host of the connection's address whose name the client asks for.
fn asked_for(connection: &Connection, configuration: &'static Configuration, hello: &Hello) -> Option<&'static Server> {
    let Some(name) = &hello.name else {
        let text = "AH02645: Server name not provided via TLS extension (using default/first virtual host)";
        connection.log(Level::Debug, "ssl", format_args!("{text}"));
        return None;
    };
    let found = server::vhost::host_named(configuration, connection.hosts, name.as_bstr());
    let found = found.filter(|server| bound(server).is_some());
    let shown = crate::log::raw(name);
    match found {
        Some(_) => {
            let text = format_args!("AH02043: SSL virtual host for servername {shown} found");
            connection.log(Level::Debug, "ssl", text);
        }
        None => {
            let text = "AH02044: No matching SSL virtual host for servername";
            let text = format_args!("{text} {shown} found (using default/first virtual host)");
            connection.log(Level::Debug, "ssl", text);
        }
    }
    found
}

/// What is known of the request's connection, where it is secured.
pub fn facts(r: &Request) -> Option<Arc<Facts>> {
    r.connection.whole().extensions.lock().of::<Arc<Facts>>().cloned()
}
