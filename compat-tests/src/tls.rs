//! A client that speaks TLS and trusts everybody, and the keys and certificates of the cases, made anew for each run.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    ServerConnection, SignatureScheme, StreamOwned,
};

/// How a client speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsClient {
    /// The name that it asks for; none: it sends none.
    pub name: Option<String>,
    /// 12 or 13; none: either.
    pub version: Option<u8>,
    /// The protocols that it offers.
    pub protocols: Vec<String>,
    /// Cipher suites (rustls's names); empty: all.
    pub suites: Vec<String>,
    /// Files of [`files`] that hold its certificate and key: `client` means `tls/client.crt` and `tls/client.key`.
    pub certificate: Option<String>,
}

/// A client that asks for `name`.
pub fn client(name: &str) -> TlsClient {
    TlsClient { name: Some(name.into()), version: None, protocols: Vec::new(), suites: Vec::new(), certificate: None }
}

impl TlsClient {
    /// The same without a name.
    pub fn nameless(mut self) -> TlsClient {
        self.name = None;
        self
    }
    /// The same with one version only: 12 or 13.
    pub fn version(mut self, version: u8) -> TlsClient {
        self.version = Some(version);
        self
    }
    /// The same with protocols.
    pub fn protocols(mut self, names: &[&str]) -> TlsClient {
        self.protocols = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }
    /// The same with these cipher suites only.
    pub fn suites(mut self, names: &[&str]) -> TlsClient {
        self.suites = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }
    /// The same with a certificate.
    pub fn certificate(mut self, name: &str) -> TlsClient {
        self.certificate = Some(name.into());
        self
    }

    /// What a report calls it.
    pub fn describe(&self) -> String {
        let mut out = format!("TLS {}", self.name.as_deref().unwrap_or("-"));
        if let Some(version) = self.version {
            out.push_str(&format!(" 1.{}", version - 10));
        }
        if let Some(certificate) = &self.certificate {
            out.push_str(&format!(" with {certificate}"));
        }
        for word in self.protocols.iter().chain(&self.suites) {
            out.push_str(&format!(" {word}"));
        }
        out
    }

    fn config(&self) -> ClientConfig {
        self.config_and(Stapled::default())
    }

    /// A responder's answer that comes along with a certificate is put into `stapled`.
    fn config_and(&self, stapled: Stapled) -> ClientConfig {
        let mut provider = aws_lc_rs::default_provider();
        if !self.suites.is_empty() {
            provider
                .cipher_suites
                .retain(|suite| self.suites.iter().any(|name| format!("{:?}", suite.suite()) == *name));
        }
        let versions: &[_] = match self.version {
            Some(12) => &[&rustls::version::TLS12],
            Some(_) => &[&rustls::version::TLS13],
            None => rustls::ALL_VERSIONS,
        };
        let provider = Arc::new(provider);
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .expect("a version")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider.clone(), stapled)));
        let mut config = match &self.certificate {
            None => builder.with_no_client_auth(),
            Some(name) => builder.with_client_cert_resolver(Arc::new(own(name, &provider))),
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.enable_sni = self.name.is_some();
        config
    }

    /// Asks for `/` on several connections, one after the other, as one client that keeps its sessions: whether each
    /// was resumed.
    pub fn resumptions(&self, port: u16, times: usize) -> String {
        let config = Arc::new(self.config());
        let name = ServerName::try_from(self.name.clone().expect("a name")).expect("a name");
        let once = |_| {
            let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
            let mut session = ClientConnection::new(config.clone(), name.clone()).expect("a session");
            let mut stream = rustls::Stream::new(&mut session, &mut socket);
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n");
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            format!(
                "{} {:?}\n",
                String::from_utf8_lossy(answer.get(..12).unwrap_or_default()),
                session.handshake_kind()
            )
        };
        (0..times).map(once).collect()
    }

    /// Does the handshake. What both sides agreed on, and the stream; or that there is none.
    pub fn connect(&self, mut socket: TcpStream) -> Result<(String, StreamOwned<ClientConnection, TcpStream>), String> {
        let name = ServerName::try_from(self.name.clone().unwrap_or_else(|| "nobody.test".into())).expect("a name");
        let stapled = Stapled::default();
        let config = Arc::new(self.config_and(stapled.clone()));
        let mut session = ClientConnection::new(config, name).expect("a session");
        while session.is_handshaking() {
            if session.complete_io(&mut socket).is_err() {
                return Err("[no handshake]\n".into());
            }
        }
        let leaf = session.peer_certificates().and_then(|chain| chain.first()).map(|leaf| leaf.as_ref().to_vec());
        let shown = files().iter().find(|(path, text)| {
            path.ends_with(".crt")
                && CertificateDer::pem_slice_iter(text)
                    .next()
                    .is_some_and(|first| first.ok().map(|first| first.as_ref().to_vec()) == leaf)
        });
        let answer = stapled.lock().expect("nobody panicked").clone();
        let same = files().iter().find(|(path, text)| path.ends_with(".resp") && **text == answer);
        let answer = match (answer.len(), same) {
            (0, _) => String::new(),
            (_, Some((path, _))) => format!(" stapled {path}"),
            _ => format!(" stapled {answer:?}"),
        };
        let facts = format!(
            "[{:?} {:?} alpn {} certificate {} of {}{answer}]\n",
            session.protocol_version().expect("a version"),
            session.negotiated_cipher_suite().expect("a suite").suite(),
            session.alpn_protocol().map_or("-".into(), |name| String::from_utf8_lossy(name).into_owned()),
            shown.map_or("?", |(path, _)| path),
            session.peer_certificates().map_or(0, |chain| chain.len()),
        );
        Ok((facts, StreamOwned::new(session, socket)))
    }
}

/// A responder's answer.
type Stapled = Arc<Mutex<Vec<u8>>>;

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>, Stapled);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        answer: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.1.lock().expect("nobody panicked") = answer.to_vec();
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// How a backend speaks TLS.
#[derive(Clone, Debug)]
pub struct TlsServer {
    /// Files of [`files`] with its certificate and key.
    certificate: String,
    /// 12 or 13; none: either.
    version: Option<u8>,
    /// Clients must have a certificate, of anybody; the authorities that are named to them.
    asks: Option<Vec<String>>,
    protocols: Vec<String>,
}

/// A connection of a backend's client.
pub type ServerStream = StreamOwned<ServerConnection, TcpStream>;

/// A backend that shows this certificate.
pub fn server(certificate: &str) -> TlsServer {
    TlsServer { certificate: certificate.into(), version: None, asks: None, protocols: Vec::new() }
}

impl TlsServer {
    /// The same with one version only: 12 or 13.
    pub fn version(mut self, version: u8) -> TlsServer {
        self.version = Some(version);
        self
    }
    /// The same, and clients must have a certificate; the names of these authorities are told.
    pub fn asks(mut self, authorities: &[&str]) -> TlsServer {
        self.asks = Some(authorities.iter().map(|name| (*name).to_owned()).collect());
        self
    }
    /// The same with protocols.
    pub fn protocols(mut self, names: &[&str]) -> TlsServer {
        self.protocols = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let versions: &[_] = match self.version {
            Some(12) => &[&rustls::version::TLS12],
            Some(_) => &[&rustls::version::TLS13],
            None => rustls::ALL_VERSIONS,
        };
        let builder =
            ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(versions).expect("a version");
        let builder = match &self.asks {
            None => builder.with_no_client_auth(),
            Some(names) => {
                let mut store = RootCertStore::empty();
                for name in names {
                    let der = CertificateDer::from_pem_slice(&files()[&format!("tls/{name}.crt")]);
                    store.add(der.expect("a certificate")).expect("an authority");
                }
                let names = store.subjects();
                builder.with_client_cert_verifier(Arc::new(AnyClient(
                    Anybody(provider.clone(), Stapled::default()),
                    names,
                )))
            }
        };
        let own = own(&self.certificate, &provider);
        let mut config = builder.with_cert_resolver(Arc::new(own));
        config.alpn_protocols = self.protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// A certificate with its key; old ones too, which rustls's own check refuses.
fn own(name: &str, provider: &CryptoProvider) -> SingleCertAndKey {
    let chain = CertificateDer::pem_slice_iter(&files()[&format!("tls/{name}.crt")])
        .collect::<Result<_, _>>()
        .expect("certificates");
    let key = PrivateKeyDer::from_pem_slice(&files()[&format!("tls/{name}.key")]).expect("a key");
    let key = provider.key_provider.load_private_key(key).expect("a key that signs");
    SingleCertAndKey::from(CertifiedKey::new(chain, key))
}

/// Does the handshake with a backend's client; what both sides agreed on.
pub(crate) fn accept(config: Arc<ServerConfig>, mut socket: TcpStream) -> Option<(String, ServerStream)> {
    let mut session = ServerConnection::new(config).expect("a session");
    while session.is_handshaking() {
        session.complete_io(&mut socket).ok()?;
    }
    let sent = session.peer_certificates().unwrap_or_default();
    let shown = |leaf: &CertificateDer<'_>| {
        let same = |text: &[u8]| CertificateDer::from_pem_slice(text).is_ok_and(|first| first == *leaf);
        files().iter().find(|(path, text)| path.ends_with(".crt") && same(text)).map(|(path, _)| path.clone())
    };
    let facts = format!(
        "[{:?} for {} alpn {} certificate {} of {}]\n",
        session.protocol_version().expect("a version"),
        session.server_name().unwrap_or("-"),
        session.alpn_protocol().map_or("-".into(), |name| String::from_utf8_lossy(name).into_owned()),
        sent.first().and_then(shown).unwrap_or("-".into()),
        sent.len(),
    );
    Some((facts, StreamOwned::new(session, socket)))
}

#[derive(Debug)]
struct AnyClient(Anybody, Vec<DistinguishedName>);

impl ClientCertVerifier for AnyClient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.1
    }
    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// What `openssl` makes them with.
const SCRIPT: &str = r#"
set -e
own() { # name key subject extensions...
  n=$1; k=$2; s=$3; shift 3
  openssl req -x509 -newkey $k -nodes -keyout $n.key -out $n.crt -days 3000 -subj "$s" "$@"
}
signed() { # name authority subject
  openssl req -newkey rsa:2048 -nodes -keyout $1.key -out $1.csr -subj "$3"
  openssl x509 -req -in $1.csr -CA $2.crt -CAkey $2.key -CAcreateserial -days 3000 -out $1.crt -extfile leaf.cnf -extensions $4
}
printf '[leaf]\nbasicConstraints=CA:FALSE\n[mail]\nbasicConstraints=CA:FALSE\nsubjectAltName=email:one@example.test,DNS:one.example.test\n[ca]\nbasicConstraints=CA:TRUE\n[local]\nbasicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n' > leaf.cnf
own www rsa:2048 '/C=DE/O=Test Org/OU=first/OU=second, with comma/CN=www.example.test' -addext basicConstraints=CA:FALSE -addext 'subjectAltName=DNS:www.example.test,DNS:*.w.example.test,email:admin@example.test'
own other rsa:2048 '/CN=other.example.test' -addext basicConstraints=CA:FALSE
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
openssl req -x509 -new -key ec.key -out ec.crt -days 3000 -subj '/CN=www.example.test' -addext basicConstraints=CA:FALSE
own ca rsa:2048 '/O=Test/CN=Test CA'
own strange rsa:2048 '/O=Test/CN=Another CA'
signed client ca '/C=DE/O=Test/OU=a/OU=b/CN=Client One/emailAddress=one@example.test' mail
signed stranger strange '/CN=Stranger' leaf
signed below ca '/O=Test/CN=Below CA' ca
signed deep below '/O=Test/CN=Deep' leaf
cat below.crt >> deep.crt
signed local ca '/CN=backend.example.test' local
signed common ca '/CN=LOCALHOST' leaf
cat client.crt client.key > machine.pem
cat stranger.key stranger.crt client.crt client.key > machines.pem
cat client.crt www.key > mixed.pem
openssl req -newkey rsa:2048 -nodes -keyout late.key -out late.csr -subj '/CN=localhost'
openssl x509 -req -in late.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days -1 -out late.crt -extfile leaf.cnf -extensions local
signed issued ca '/CN=www.example.test' leaf
cat issued.crt ca.crt > bundle.crt
cp issued.key bundle.key
openssl req -newkey rsa:2048 -nodes -keyout oldstyle.key -out oldstyle.csr -subj '/CN=Old Style'
openssl x509 -req -in oldstyle.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3000 -out oldstyle.crt
openssl req -newkey rsa:2048 -nodes -keyout expired.key -out expired.csr -subj '/CN=Expired'
openssl x509 -req -in expired.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days -1 -out expired.crt
printf '[server]\nextendedKeyUsage=serverAuth\n' > usage.cnf
openssl req -newkey rsa:2048 -nodes -keyout wrong.key -out wrong.csr -subj '/CN=Wrong Usage'
openssl x509 -req -in wrong.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3000 -out wrong.crt -extfile usage.cnf -extensions server
openssl req -newkey rsa:2048 -nodes -keyout gone.key -out gone.csr -subj '/CN=Revoked'
openssl x509 -req -in gone.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3000 -out gone.crt
openssl req -x509 -newkey rsa:2048 -nodes -keyout self.key -out self.crt -days 3000 -subj '/CN=Self'
openssl ecparam -name secp384r1 -genkey -noout -out ecclient.key
openssl req -new -key ecclient.key -out ecclient.csr -subj '/CN=Curve'
openssl x509 -req -in ecclient.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 3000 -out ecclient.crt
touch index.txt
printf '[ca]\ndefault_ca=d\n[d]\ndatabase=index.txt\ndefault_md=sha256\ndefault_crl_days=3000\ncrlnumber=crlnumber\n' > ca.cnf
echo 01 > crlnumber
openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -revoke gone.crt
openssl ca -config ca.cnf -cert ca.crt -keyfile ca.key -gencrl -out ca.crl
serial=$(openssl x509 -in issued.crt -noout -serial | cut -d= -f2)
openssl ocsp -issuer ca.crt -cert issued.crt -no_nonce -reqout issued.req
answer() { # name, line of the index
  printf "$2" $serial > $1.txt
  openssl ocsp -index $1.txt -rsigner ca.crt -rkey ca.key -CA ca.crt -reqin issued.req -respout $1.resp -ndays 3000
}
answer good 'V\t350101000000Z\t\t%s\tunknown\t/CN=www.example.test\n'
answer revoked 'R\t350101000000Z\t250101000000Z\t%s\tunknown\t/CN=www.example.test\n'
answer unknown ''
openssl rsa -in www.key -aes128 -passout pass:secret -traditional -out old-locked.key
openssl pkcs8 -topk8 -in www.key -passout pass:secret -out locked.key
cat client.crt locked.key > locked.pem
openssl rsa -in www.key -des3 -passout pass:secret -out triple-locked.key
"#;

/// Keys and certificates, by their path in a server root. They are the same for both servers.
pub fn files() -> &'static BTreeMap<String, Vec<u8>> {
    static FILES: OnceLock<BTreeMap<String, Vec<u8>>> = OnceLock::new();
    FILES.get_or_init(|| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let made = Command::new("sh")
            .args(["-c", SCRIPT])
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .output()
            .expect("a shell");
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        let entries = std::fs::read_dir(dir.path()).expect("a directory");
        entries
            .map(|entry| {
                let entry = entry.expect("an entry");
                let name = entry.file_name().into_string().expect("a name");
                (format!("tls/{name}"), std::fs::read(entry.path()).expect("a file"))
            })
            .collect()
    })
}
