//! SSLUseStapling: answers of responders that go along with certificates.

use compat_tests::tls::{client, files};
use compat_tests::{Backend, Group, Step, group};

fn responder() -> Backend {
    let says = |octets: &[u8]| {
        let head = format!(
            "HTTP/1.0 200 OK\r\nContent-Type: application/ocsp-response\r\nContent-Length: {}\r\n\r\n",
            octets.len()
        );
        vec![Step::Read, Step::Send([head.as_bytes(), octets].concat()), Step::Close]
    };
    Backend::start(&[
        ("good", says(&files()["tls/good.resp"])),
        ("revoked", says(&files()["tls/revoked.resp"])),
        ("unknown", says(&files()["tls/unknown.resp"])),
        ("unauthorized", says(&[0x30, 3, 10, 1, 6])),
        ("malformed", says(&[0x30, 3, 10, 1, 1])),
        ("garbage", says(b"garbage")),
        ("none", vec![Step::Read, Step::Close]),
        ("missing", vec![Step::Read, Step::Send(b"HTTP/1.1 404 Not Found\r\n\r\n".to_vec()), Step::Close]),
        ("headless", vec![Step::Read, Step::Send(b"HTTP/1.1 200 OK\r\nX: y".to_vec()), Step::Close]),
    ])
}

fn stapled(name: &str, certificate: &str, conf: &str) -> Group {
    group(name).with_tls().and_modules("socache_shmcb").conf(&format!(
        "SSLStaplingCache shmcb:run/staples(128000)\nSSLEngine on\nSSLCertificateFile tls/{certificate}.crt\nSSLCertificateKeyFile tls/{certificate}.key\n\
         SSLUseStapling on\n{conf}"
    ))
}

#[test]
fn answers() {
    let responder = responder();
    for name in ["good", "revoked", "unknown", "unauthorized", "malformed", "garbage", "none", "missing", "headless"] {
        let url = format!("SSLStaplingForceURL http://127.0.0.1:{}/{name}\n", responder.port);
        let client = client("www.example.test");
        stapled(&format!("an answer, {name}"), "bundle", &url).over(client.clone()).get("/").get("/").check();
        let quiet = format!("{url}SSLStaplingReturnResponderErrors off\nSSLStaplingFakeTryLater off\n");
        stapled(&format!("an answer, {name}, quiet"), "bundle", &quiet).over(client).get("/").check();
    }
}

#[test]
fn where_there_is_none() {
    let client = || client("www.example.test");
    stapled("no issuer", "www", "SSLStaplingForceURL http://127.0.0.1:1/\n").over(client()).get("/").check();
    stapled("no responder", "bundle", "").over(client()).get("/").check();
    stapled("nobody there", "bundle", "SSLStaplingForceURL http://127.0.0.1:1/\n")
        .over(client())
        .get("/")
        .get("/")
        .check();
    stapled("off", "bundle", "SSLUseStapling off\n").over(client()).get("/").check();
    stapled(
        "the issuer is among those who are trusted",
        "issued",
        "SSLCACertificateFile tls/ca.crt\nSSLStaplingForceURL http://127.0.0.1:1/\n",
    )
    .over(client())
    .get("/")
    .check();
    group("no cache")
        .with_tls()
        .conf("SSLEngine on\nSSLCertificateFile tls/bundle.crt\nSSLCertificateKeyFile tls/bundle.key\nSSLUseStapling on\n")
        .start_fails(&["-DFOREGROUND"]);
}

#[test]
fn syntax() {
    group("syntax of stapling").with_tls().and_modules("socache_shmcb").syntax(&[
        "SSLUseStapling x",
        "SSLStaplingCache",
        "<VirtualHost *>\nSSLStaplingCache shmcb:x\n</VirtualHost>",
        "SSLStaplingResponseTimeSkew -1",
        "SSLStaplingResponseTimeSkew x",
        "SSLStaplingResponseMaxAge -1",
        "SSLStaplingStandardCacheTimeout -1",
        "SSLStaplingErrorCacheTimeout -1",
        "SSLStaplingResponderTimeout -1",
        "SSLStaplingResponderTimeout 7",
        "SSLStaplingReturnResponderErrors x",
        "SSLStaplingFakeTryLater",
        "SSLStaplingForceURL",
        "SSLStaplingForceURL foo",
    ]);
}
