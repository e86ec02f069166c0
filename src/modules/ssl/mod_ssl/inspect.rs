//! What the strict check asks of TLS: what would stop the server, or every client, and plain `-t` does not look at.

use super::host::certificates;
use super::keys::{self, Found};
use super::settings::SslServer;
use super::x509::Certificate;
use crate::config::{Configuration, Server};
use crate::module::{Finding, Inspect};
use crate::server::date;
use bstr::{BString, ByteSlice};
use rustls::crypto::aws_lc_rs;

/// Offered as `ssl`.
pub struct Inspector;

impl Inspect for Inspector {
    fn inspect(&self, configuration: &Configuration) -> Vec<Finding> {
        let secured = |server: &&Server| server.settings.of::<SslServer>().engine == Some(true);
        configuration.servers.iter().filter(secured).flat_map(of_server).collect()
    }
}

fn of_server(server: &Server) -> Vec<Finding> {
    let settings = server.settings.of::<SslServer>();
    let finding = |directive, argument: &BString, text: String| Finding {
        server: server.index,
        directive,
        argument: argument.clone(),
        text,
    };
    let mut found = Vec::new();
    if settings.certificates.is_empty() {
        let text = "SSLEngine on without a certificate: the server does not start -- add SSLCertificateFile and \
                    SSLCertificateKeyFile";
        found.push(finding("SSLEngine", &BString::default(), text.to_owned()));
    }
    for (index, file) in settings.certificates.iter().enumerate() {
        let key = settings.keys.get(index);
        let name = server.name.as_ref().map(|name| name.to_str_lossy()).unwrap_or_default();
        for (of_key, text) in pair(file, key.unwrap_or(file), &name) {
            found.push(match key.filter(|_| of_key) {
                Some(key) => finding("SSLCertificateKeyFile", key, text),
                None => finding("SSLCertificateFile", file, text),
            });
        }
    }
    found
}

/// What is wrong with a certificate and its key; whether the key is at fault.
fn pair(file: &BString, key_file: &BString, name: &str) -> Vec<(bool, String)> {
    let chain = certificates(file);
    let Some(leaf) = chain.first().and_then(|first| Certificate::parse(first)) else {
        return vec![(false, format!("{file} has no certificate: the server does not start -- it must be in PEM"))];
    };
    let mut found = Vec::new();
    let now = date::now() / 1_000_000;
    if leaf.not_after < now {
        found.push((false, format!("the certificate in {file} has expired: clients refuse it -- renew it")));
    }
    if leaf.not_before > now {
        found.push((false, format!("the certificate in {file} is not valid yet: clients refuse it -- mind the clock")));
    }
    if !name.is_empty() && !leaf.is_for(name) {
        let text =
            format!("the certificate in {file} is not for {name}: clients refuse it -- correct ServerName, or get one");
        found.push((false, text));
    }
    let text = std::fs::read(key_file.to_path_lossy()).unwrap_or_default();
    match keys::find(&text) {
        // Whoever starts the server knows the pass phrase.
        Found::Locked(_) => {}
        Found::Nothing => {
            found
                .push((true, format!("{key_file} has no private key: the server does not start -- it must be in PEM")));
        }
        Found::Key(key) => match aws_lc_rs::default_provider().key_provider.load_private_key(key) {
            Err(error) => found.push((true, format!("the key in {key_file} cannot be used: {error} -- make another"))),
            Ok(key) if key.public_key().is_some_and(|public| public.as_ref() != leaf.spki.as_slice()) => {
                let text = "do not belong together: the server does not start -- name the key that the certificate was made for";
                found.push((true, format!("the certificate in {file} and the key in {key_file} {text}")));
            }
            Ok(_) => {}
        },
    }
    found
}
