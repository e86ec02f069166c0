//! What the settings for backends come to: rustls's configuration, once for each server and section.

use super::super::clients::{Mode, Peers, Verifier, signed};
use super::super::host::{self, Failed, Wanted};
use super::super::settings::{Protocols, SslServer};
use super::Said;
use super::machine::Machine;
use crate::config::{Configuration, Server};
use crate::log::Level;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::{DigitallySignedStruct, Error, ProtocolVersion, SignatureScheme};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How the backends of a server or section are spoken to.
pub struct Outgoing {
    /// Without certificates of our own, which each handshake chooses.
    pub config: ClientConfig,
    pub machine: Arc<Machine>,
    pub check_expire: bool,
    /// Whether a certificate must be for the host by any of its names, or else by its common name alone.
    pub check_name: bool,
    pub check_cn: bool,
    /// How many authorities may stand above a backend's certificate.
    pub depth: usize,
    /// The server as log lines name it.
    pub id: String,
}

/// What holds for the requests of a server: its own settings, and those of all sections. Where SSLProxyEngine is off there are none.
#[derive(Clone, Default)]
pub struct Backends {
    pub own: Option<Arc<Outgoing>>,
    pub sections: Arc<BTreeMap<u64, Arc<Outgoing>>>,
}

/// Makes them for every server. What is wrong is logged.
pub fn bind(configuration: &Configuration) -> Result<Vec<Backends>, Failed> {
    let mut own = Vec::new();
    let mut sections = BTreeMap::new();
    for server in &configuration.servers {
        let settings = server.settings.of::<SslServer>();
        own.push(outgoing(configuration, server, &settings.outgoing)?);
        for (id, said) in &settings.outgoing_sections {
            let said = Said::merge(&settings.outgoing, said);
            if let Some(outgoing) = outgoing(configuration, server, &said)? {
                sections.insert(*id, outgoing);
            }
        }
    }
    let sections = Arc::new(sections);
    Ok(own.into_iter().map(|own| Backends { own, sections: sections.clone() }).collect())
}

fn outgoing(configuration: &Configuration, server: &Server, said: &Said) -> Result<Option<Arc<Outgoing>>, Failed> {
    if said.engine != Some(true) {
        return Ok(None);
    }
    let wanted = Wanted {
        protocols: said.protocols.unwrap_or(Protocols(Protocols::ALL)),
        ciphers: said.ciphers.as_ref(),
        ciphers13: said.ciphers13.as_ref(),
        groups: None,
    };
    let (versions, provider) = host::parameters(configuration, server, &wanted)?;
    let verifier = Verifier::of(configuration, server, &said.peer, Peers::Backends, &provider)?;
    let verifier = verifier.filter(|verifier| verifier.mode != Mode::None);
    let machine = Machine::read(configuration, server, said, &provider)?;
    let refused = |error: Error| {
        let text = format_args!("rustls refuses the settings for backends of {}: {error}", host::id(server));
        server.log(Level::Emerg, "ssl", text);
        host::die(configuration, server)
    };
    let signatures = provider.signature_verification_algorithms;
    let builder = ClientConfig::builder_with_provider(provider).with_protocol_versions(&versions).map_err(refused)?;
    let judge = Judge { verifier, signatures };
    let mut config = builder.dangerous().with_custom_certificate_verifier(Arc::new(judge)).with_no_client_auth();
    // Every connection is judged anew.
    config.resumption = Resumption::disabled();
    Ok(Some(Arc::new(Outgoing {
        config,
        machine: Arc::new(machine),
        check_expire: said.check_expire != Some(false),
        check_name: said.check_name.unwrap_or(said.check_cn != Some(false)),
        check_cn: said.check_name == Some(false) && said.check_cn == Some(true),
        depth: said.peer.most_depth(),
        id: host::id(server),
    })))
}

/// Judges the certificates of backends; without a verifier every chain will do.
#[derive(Debug)]
struct Judge {
    verifier: Option<Arc<Verifier>>,
    signatures: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(verifier) = &self.verifier {
            verifier.verify_client_cert(leaf, rest, now)?;
        }
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed(message, leaf, signature, ProtocolVersion::TLSv1_2, &self.signatures)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        signed(message, leaf, signature, ProtocolVersion::TLSv1_3, &self.signatures)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.signatures.supported_schemes()
    }
}
