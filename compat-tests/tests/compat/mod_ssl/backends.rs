//! SSLProxy…: backends over TLS through mod_proxy_http and mod_proxy_wstunnel.

use compat_tests::tls::{TlsServer, server};
use compat_tests::{Backend, Group, Step, group, says_and_closes};

/// `/` goes to a backend over TLS.
fn proxied(name: &str, backend: &TlsServer, conf: &str) -> Group {
    let backend = Backend::start_tls(backend, &[]);
    to(name, backend.port, &format!("ProxyPass / https://localhost:@B@/\n{conf}"))
}

fn to(name: &str, port: u16, conf: &str) -> Group {
    group(name)
        .with_tls()
        .and_modules("proxy proxy_http proxy_wstunnel rewrite")
        .conf(&format!("LogLevel ssl:info\n{}", conf.replace("@B@", &port.to_string())))
}

const ON: &str = "SSLProxyEngine on\n";
const JUDGED: &str = "SSLProxyEngine on\nSSLProxyVerify require\nSSLProxyCACertificateFile tls/ca.crt\n";

#[test]
fn the_engine() {
    proxied("not enabled", &server("local"), "").get("/x").check();
    proxied("enabled", &server("local"), ON)
        .get("/x?a=b")
        .exchange(&[
            "GET /1 HTTP/1.1\r\nHost: www.example.test\r\n\r\n",
            "GET /2 HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n",
        ])
        .request("POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .check();
    proxied("one version", &server("local").version(12), ON).get("/x").check();
    proxied("no version", &server("local").version(13), "SSLProxyEngine on\nSSLProxyProtocol TLSv1.2\n")
        .get("/x")
        .check();
    proxied(
        "no cipher",
        &server("local").version(12),
        "SSLProxyEngine on\nSSLProxyCipherSuite ECDHE-ECDSA-AES128-GCM-SHA256\n",
    )
    .get("/x")
    .check();
}

#[test]
fn names() {
    for (index, conf) in [
        "",
        "SSLProxyCheckPeerName off\n",
        "SSLProxyCheckPeerCN off\n",
        "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN on\n",
        "SSLProxyCheckPeerName on\nSSLProxyCheckPeerCN off\n",
        "SSLProxyCheckPeerName off\nSSLProxyCheckPeerCN off\n",
    ]
    .iter()
    .enumerate()
    {
        let conf = format!("{ON}{conf}");
        proxied(&format!("another name {index}"), &server("other"), &conf).get("/x").check();
        proxied(&format!("a common name {index}"), &server("common"), &conf).get("/x").check();
        proxied(&format!("an alternative name {index}"), &server("local"), &conf).get("/x").check();
    }
    let local = Backend::start_tls(&server("local"), &[]);
    to("an address", local.port, "SSLProxyEngine on\nProxyPass / https://127.0.0.1:@B@/\n").get("/x").check();
    let other = Backend::start_tls(&server("other"), &[]);
    to(
        "a host that is kept",
        other.port,
        "SSLProxyEngine on\nProxyPreserveHost on\nProxyPass / https://localhost:@B@/\n",
    )
    .request("GET /x HTTP/1.1\r\nHost: OTHER.example.test:99\r\nConnection: close\r\n\r\n")
    .request("GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    .check();
}

#[test]
fn nobody_is_asked_for() {
    let other = Backend::start_tls(&server("other"), &[]);
    to(
        "a host that is not said",
        other.port,
        &format!("{ON}ProxyPreserveHost on\nProxyPass / https://localhost:@B@/\nLogLevel ssl:warn\n"),
    )
    .request("GET /x HTTP/1.0\r\n\r\n")
    .check();
}

#[test]
fn kept_connections_are_for_one_name() {
    let other = Backend::start_tls(&server("other"), &[]);
    to("a name and another", other.port, &format!("{ON}ProxyPreserveHost on\nProxyPass / https://localhost:@B@/\n"))
        .exchange(&[
            "GET /1 HTTP/1.1\r\nHost: other.example.test\r\n\r\n",
            "GET /2 HTTP/1.1\r\nHost: other.example.test\r\n\r\n",
            "GET /3 HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n",
        ])
        .check();
}

#[test]
fn certificates() {
    let servers = ["local", "late", "www", "deep", "wrong", "gone"];
    for (index, conf) in [
        JUDGED.to_owned(),
        JUDGED.replace("require", "optional_no_ca"),
        JUDGED.replace("require", "optional"),
        JUDGED.replace("require", "none"),
        format!("{JUDGED}SSLProxyVerifyDepth 0\n"),
        format!(
            "{JUDGED}SSLProxyVerifyDepth 2\nSSLProxyCARevocationFile tls/ca.crl\nSSLProxyCARevocationCheck chain\n"
        ),
        format!("{JUDGED}SSLProxyCARevocationFile tls/ca.crl\n"),
        format!("{JUDGED}SSLProxyCheckPeerExpire off\n"),
        format!("{ON}SSLProxyCheckPeerExpire off\n"),
        format!("{ON}SSLProxyVerify require\n"),
        format!("{ON}SSLProxyVerify require\nSSLProxyCACertificatePath tls\n"),
    ]
    .iter()
    .enumerate()
    {
        let paths: String = servers
            .iter()
            .map(|name| {
                let backend = Backend::start_tls(&server(name), &[]);
                format!("ProxyPass /{name} https://localhost:{}/\n", backend.port)
            })
            .collect();
        let mut group =
            to(&format!("certificates of backends {index}"), 0, &format!("SSLProxyCheckPeerName off\n{paths}{conf}"));
        for name in servers {
            group = group.get(&format!("/{name}"));
        }
        group.check();
    }
}

#[test]
fn our_own_certificates() {
    for (index, conf) in [
        "",
        "SSLProxyMachineCertificateFile tls/machine.pem\n",
        "SSLProxyMachineCertificateFile tls/machines.pem\n",
        "SSLProxyMachineCertificateFile tls/machine.pem\nSSLProxyMachineCertificateChainFile tls/ca.crt\n",
        "SSLProxyMachineCertificateFile tls/machine.pem\nSSLProxyMachineCertificateChainFile tls/strange.crt\n",
        "SSLProxyMachineCertificateFile tls/client.crt\n",
        "SSLProxyMachineCertificatePath tls/machines\n",
    ]
    .iter()
    .enumerate()
    {
        let asking = [
            ("any", server("local").asks(&[])),
            ("ca", server("local").asks(&["ca"])),
            ("other", server("local").asks(&["strange"])),
        ];
        let mut paths = String::new();
        for (name, how) in &asking {
            for version in [12, 13] {
                let backend = Backend::start_tls(&how.clone().version(version), &[]);
                paths.push_str(&format!("ProxyPass /{name}{version} https://localhost:{}/\n", backend.port));
            }
        }
        let mut group = to(&format!("machine certificates {index}"), 0, &format!("{ON}{paths}{conf}"))
            .file("tls/machines/one.pem", &compat_tests::tls::files()["tls/machine.pem"]);
        for path in ["/any12", "/any13", "/ca12", "/ca13", "/other12"] {
            group = group.get(path);
        }
        group.check();
    }
    to("a key alone", 0, "SSLProxyEngine on\nSSLProxyMachineCertificateFile tls/ca.key\n")
        .start_fails(&["-DFOREGROUND"]);
    to("a locked key", 0, "SSLProxyEngine on\nSSLProxyMachineCertificateFile tls/locked.pem\n")
        .start_fails(&["-DFOREGROUND"]);
    to("a key of another", 0, "SSLProxyEngine on\nSSLProxyMachineCertificateFile tls/mixed.pem\n")
        .start_fails(&["-DFOREGROUND"]);
}

#[test]
fn sections() {
    let other = Backend::start_tls(&server("other"), &[]);
    let off = "SSLProxyCheckPeerName off\n";
    let pass = "ProxyPass / https://localhost:@B@/\n";
    for (index, conf) in [
        format!("{ON}{pass}<Proxy \"https://localhost:@B@/\">\n{off}</Proxy>\n"),
        format!("{ON}{pass}<Proxy \"https://localhost:@B@/a\">\n{off}</Proxy>\n"),
        format!("{ON}{pass}<Proxy *>\n{off}</Proxy>\n"),
        format!("{ON}{pass}<Proxy \"https://elsewhere/\">\n{off}</Proxy>\n"),
        format!("{ON}{pass}<ProxyMatch \"localhost\">\n{off}</ProxyMatch>\n"),
        format!("{pass}<Proxy *>\nSSLProxyEngine on\n{off}</Proxy>\n"),
        format!("{off}{ON}{pass}<Proxy *>\nSSLProxyEngine off\n</Proxy>\n"),
        format!(
            "{ON}{pass}<Proxy *>\n{off}</Proxy>\n<Proxy https://localhost>\nSSLProxyCheckPeerExpire off\n</Proxy>\n"
        ),
        format!("<Proxy *>\n{off}</Proxy>\n<VirtualHost *>\n{ON}{pass}</VirtualHost>\n"),
        format!("{ON}<Proxy *>\n{off}</Proxy>\n<VirtualHost *>\n{pass}</VirtualHost>\n"),
        format!("{ON}{off}<VirtualHost *>\n{pass}</VirtualHost>\n"),
        format!("{ON}<VirtualHost *>\n{off}{pass}</VirtualHost>\n"),
        format!("{off}{ON}<VirtualHost *>\nSSLProxyEngine off\n{pass}</VirtualHost>\n"),
        format!("{ON}{off}RewriteEngine on\nRewriteRule ^/(.*) https://localhost:@B@/$1 [P]\n"),
        format!("RewriteEngine on\nRewriteRule ^/(.*) https://localhost:@B@/$1 [P]\n<Proxy *>\n{ON}{off}</Proxy>\n"),
    ]
    .iter()
    .enumerate()
    {
        to(&format!("sections {index}"), other.port, conf).get("/a").check();
    }
}

#[test]
fn handshakes_that_fail_and_ends_without_a_word() {
    // It speaks no TLS.
    let plain = Backend::start(&[]);
    to("no TLS", plain.port, "SSLProxyEngine on\nProxyTimeout 1\nProxyPass / https://localhost:@B@/\n")
        .get("/x")
        .check();
    let cut = Backend::start_tls(
        &server("local"),
        &[
            ("cut", vec![Step::Send(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nok\n".to_vec()), Step::Close]),
            ("none", vec![Step::Cut]),
            ("close", vec![Step::Close]),
            ("end", says_and_closes("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nuntil the end")),
        ],
    );
    to("cut", cut.port, "SSLProxyEngine on\nProxyPass / https://localhost:@B@/\n")
        .get("/none")
        .get("/close")
        .get("/end")
        .get("/cut")
        .check();
}

#[test]
fn web_sockets() {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";
    let backend = Backend::start_tls(
        &server("local"),
        &[("echo", vec![Step::Send(switch.into()), Step::Echo]), ("hello", says_and_closes(format!("{switch}hello")))],
    );
    let ask = |path: &str| {
        format!(
            "GET {path} HTTP/1.1\r\nHost: www.example.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly octets"
        )
    };
    let pass = format!("{ON}ProxyPass / wss://localhost:@B@/\n");
    to("wss", backend.port, &pass).request(ask("/echo")).request(ask("/hello")).get("/shown").check();
    // Where mod_proxy_wstunnel serves such backends itself, Apache's tunnel hangs (DIFFERENCES.md).
    let alone = format!("{pass}ProxyWebsocketFallbackToProxyHttp off\n");
    to("wss of mod_proxy_wstunnel", backend.port, &alone).get("/shown").check();
}

#[test]
fn syntax() {
    let words = [
        "SSLProxyVerify x",
        "SSLProxyVerify optional_no_ca",
        "SSLProxyVerifyDepth x",
        "SSLProxyVerifyDepth -1",
        "SSLProxyCACertificateFile nope",
        "SSLProxyCACertificatePath nope",
        "SSLProxyCARevocationFile nope",
        "SSLProxyCARevocationPath nope",
        "SSLProxyCARevocationCheck",
        "SSLProxyCARevocationCheck x",
        "SSLProxyCARevocationCheck chain x",
        "SSLProxyCARevocationCheck leaf no_crl_for_cert_ok",
        "SSLProxyMachineCertificateFile nope",
        "SSLProxyMachineCertificatePath nope",
        "SSLProxyMachineCertificateChainFile nope",
        "SSLProxyProtocol foo",
        "SSLProxyProtocol SSLv3",
        "SSLProxyProtocol all -TLSv1.3 TLSv1.2",
        "SSLProxyProtocol",
        "SSLProxyCipherSuite",
        "SSLProxyCipherSuite a b c",
        "SSLProxyCipherSuite TLSv1.3 x",
        "SSLProxyCipherSuite foo x",
        "SSLProxyCheckPeerCN x",
        "SSLProxyCheckPeerName",
        "SSLProxyCheckPeerExpire on off",
        "SSLProxyEngine optional",
    ];
    let inside: Vec<String> = words.iter().map(|word| format!("<Proxy *>\n{word}\n</Proxy>")).collect();
    let elsewhere = [
        "<Location /x>",
        "<Directory /x>",
        "<Files x>",
        "<If \"true\">",
        "<Proxy *>\n<Files x>",
        "<Proxy *>\n<Limit GET>",
    ]
    .map(|opener| {
        let closers: String = opener
            .lines()
            .rev()
            .map(|line| format!("</{}>\n", line.trim_start_matches('<').split([' ', '>']).next().unwrap_or_default()))
            .collect();
        format!("{opener}\nSSLProxyEngine on\n{closers}")
    });
    let all: Vec<&str> = words
        .into_iter()
        .chain(inside.iter().map(String::as_str))
        .chain(elsewhere.iter().map(String::as_str))
        .collect();
    to("syntax of SSLProxy", 0, "").syntax(&all);
}

#[test]
fn starts_that_fail() {
    for (index, conf) in [
        "SSLProxyEngine on\nSSLProxyCipherSuite NOPE\n",
        "SSLProxyEngine on\nSSLProxyProtocol -all\n",
        "SSLProxyEngine on\nSSLProxyVerify require\nSSLProxyCARevocationCheck chain\n",
        "<Proxy *>\nSSLProxyEngine on\nSSLProxyVerify require\nSSLProxyCARevocationCheck leaf\n</Proxy>\n",
    ]
    .iter()
    .enumerate()
    {
        to(&format!("backends are refused {index}"), 0, conf).start_fails(&["-DFOREGROUND"]);
    }
}
