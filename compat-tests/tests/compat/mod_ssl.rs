//! mod_ssl: versions, ciphers, certificates, hosts by name, variables, who may.

mod backends;
mod stapling;

use compat_tests::tls::client;
use compat_tests::{Group, Mpm, group};

/// One host with TLS and another beside it.
fn hosts(name: &str, more: &str) -> Group {
    group(name).with_tls().and_modules("headers rewrite").log_format(
        r#"%h \"%r\" %>s %B %{SSL_PROTOCOL}x %{SSL_CIPHER}x %{version}c %{cipher}c %{SSL_TLS_SNI}x %{NOPE}x %{HTTPS}x"#,
    )
    .conf(&format!(
        "<VirtualHost *:@PORT@>\nServerName www.example.test\nServerAlias alias.example.test *.w.example.test\nSSLEngine on\n\
         SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n{more}</VirtualHost>\n\
         <VirtualHost *:@PORT@>\nServerName other.example.test\nSSLEngine on\nHeader set X-Host other\n\
         SSLCertificateFile tls/other.crt\nSSLCertificateKeyFile tls/other.key\n</VirtualHost>\n"
    ))
}

fn ask(host: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

#[test]
fn versions_and_protocols() {
    hosts("a host with TLS", "")
        .over(client("www.example.test"))
        .get("/")
        .get("/nope")
        .over(client("www.example.test").version(12))
        .get("/")
        .over(client("www.example.test").version(12).suites(&["TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256"]))
        .get("/")
        .over(client("www.example.test").protocols(&["h2", "http/1.1"]))
        .get("/")
        .over(client("www.example.test").version(13).suites(&["TLS13_AES_128_GCM_SHA256"]))
        .exchange(&["GET / HTTP/1.1\r\nHost: www.example.test\r\n\r\n", &ask("www.example.test")])
        .check();
}

#[test]
fn plain_http_to_a_port_with_tls() {
    hosts("plain HTTP", "ErrorDocument 404 nothing\n")
        .get("/a")
        .request("GET /a HTTP/1.0\r\n\r\n")
        .request("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
        .request("DELETE /a HTTP/1.1\r\nHost: x\r\n\r\n")
        .request("quite something else\r\n\r\n")
        .request("")
        .check();
}

#[test]
fn hosts_by_name() {
    hosts("names", "")
        .over(client("other.example.test"))
        .request(ask("other.example.test"))
        .request(ask("www.example.test"))
        .request(ask("nobody.example.test"))
        .request("GET / HTTP/1.0\r\n\r\n")
        .over(client("alias.example.test"))
        .request(ask("www.example.test"))
        .request(ask("other.example.test"))
        .over(client("x.w.example.test"))
        .request(ask("x.w.example.test"))
        .over(client("nobody.example.test"))
        .request(ask("other.example.test"))
        .over(client("x").nameless())
        .request(ask("www.example.test"))
        .request(ask("other.example.test"))
        .check();
}

#[test]
fn policies_for_names() {
    for policy in ["strict", "secure", "authonly", "insecure"] {
        hosts(&format!("policy {policy}"), "")
            .conf(&format!(
                "SSLVHostSNIPolicy {policy}\n<VirtualHost *:@PORT@>\nServerName same.example.test\nSSLEngine on\n\
                 SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n</VirtualHost>\n\
                 <VirtualHost *:@PORT@>\nServerName less.example.test\nSSLEngine on\nSSLProtocol -all +TLSv1.3\n\
                 SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n</VirtualHost>\n"
            ))
            .over(client("www.example.test"))
            .request(ask("same.example.test"))
            .request(ask("less.example.test"))
            .request(ask("other.example.test"))
            .check();
    }
}

#[test]
fn strict_names() {
    for place in [("", "SSLStrictSNIVHostCheck on\n"), ("SSLStrictSNIVHostCheck on\n", "")] {
        hosts("strict names", place.0)
            .conf(place.1)
            .over(client("x").nameless())
            .request(ask("www.example.test"))
            .request(ask("other.example.test"))
            .over(client("nobody.example.test"))
            .request(ask("nobody.example.test"))
            .check();
    }
}

#[test]
fn variables() {
    let header = |name: &str| format!("Header append X \"{name}=%{{{name}}}s\"\n");
    let names = [
        "SSL_PROTOCOL",
        "SSL_CIPHER",
        "SSL_CIPHER_EXPORT",
        "SSL_CIPHER_USEKEYSIZE",
        "SSL_CIPHER_ALGKEYSIZE",
        "SSL_COMPRESS_METHOD",
        "SSL_SECURE_RENEG",
        "SSL_SESSION_RESUMED",
        "SSL_TLS_SNI",
        "SSL_VERSION_INTERFACE",
        "SSL_CLIENT_VERIFY",
        "SSL_CLIENT_S_DN",
        "SSL_SERVER_M_VERSION",
        "SSL_SERVER_M_SERIAL",
        "SSL_SERVER_V_START",
        "SSL_SERVER_V_END",
        "SSL_SERVER_V_REMAIN",
        "SSL_SERVER_S_DN",
        "SSL_SERVER_I_DN",
        "SSL_SERVER_A_KEY",
        "SSL_SERVER_A_SIG",
        "SSL_SERVER_S_DN_CN",
        "SSL_SERVER_S_DN_OU",
        "SSL_SERVER_S_DN_OU_1",
        "SSL_SERVER_S_DN_OU_2",
        "SSL_SERVER_S_DN_C_RAW",
        "SSL_SERVER_SAN_DNS_0",
        "SSL_SERVER_SAN_DNS_1",
        "SSL_SERVER_SAN_DNS_2",
        "SSL_SERVER_SAN_Email_0",
        "SSL_SERVER_S_DN_nope",
        "ssl_protocol",
        "HTTPS",
    ];
    let headers: String = names.iter().map(|name| header(name)).collect();
    hosts("variables", &headers)
        .conf("<Location /legacy>\nSSLOptions +LegacyDNStringFormat\n</Location>\n")
        .over(client("www.example.test").version(13))
        .get("/")
        .get("/legacy")
        .over(client("www.example.test").version(12))
        .get("/")
        .plain()
        .get("/")
        .check();
}

#[test]
fn the_environment() {
    let script = "#!/bin/sh\necho Content-Type: text/plain\necho\nenv | grep -a '^SSL_\\|^HTTPS\\|^REQUEST_SCHEME\\|^SERVER_PORT' | grep -v LIBRARY | sort\nsleep 0.1\n";
    hosts("environment", "SSLOptions +StdEnvVars\n<Location /b>\nSSLOptions -StdEnvVars\n</Location>\n<Location /c>\nSSLOptions ExportCertData\n</Location>\n")
        .and_modules("cgi")
        .conf("<Directory @ROOT@/htdocs>\nOptions +ExecCGI\nSetHandler cgi-script\n</Directory>\n")
        .file("htdocs/a", script)
        .mode("htdocs/a", 0o755)
        .file("htdocs/b", script)
        .mode("htdocs/b", 0o755)
        .file("htdocs/c", script)
        .mode("htdocs/c", 0o755)
        .over(client("www.example.test"))
        .get("/a")
        .get("/b")
        .get("/c")
        .check();
}

#[test]
fn expressions() {
    hosts(
        "expressions",
        "Header set A \"expr=%{SSL_PROTOCOL} %{SSL:SSL_CIPHER} %{HTTPS} %{REQUEST_SCHEME}\"\n\
         Header set B yes \"expr=ssl('SSL_PROTOCOL') == 'TLSv1.3'\"\n\
         RewriteEngine on\nRewriteCond %{SSL:SSL_PROTOCOL} ^TLSv1\\.2$\nRewriteRule ^/rw$ /index.html\n\
         RewriteCond %{HTTPS} on\nRewriteRule ^/on$ /index.html\nRedirect /r /to\n",
    )
    .over(client("www.example.test").version(13))
    .get("/")
    .get("/rw")
    .get("/on")
    .get("/r")
    .over(client("www.example.test").version(12))
    .get("/")
    .get("/rw")
    .check();
}

#[test]
fn who_may() {
    let places = "<Location /tls>\nSSLRequireSSL\n</Location>\n<Location /require>\nRequire ssl\n</Location>\n\
         <Location /not>\n<RequireAll>\nRequire all granted\nRequire not ssl\n</RequireAll>\n</Location>\n\
         <Location /new>\nSSLRequire %{SSL_PROTOCOL} eq \"TLSv1.3\"\n</Location>\n\
         <Location /old>\nSSLRequire %{SSL_CIPHER_USEKEYSIZE} >= 128 and %{SSL_PROTOCOL} in {\"TLSv1.2\"}\n</Location>\n\
         <Location /user>\nSSLUserName SSL_PROTOCOL\nHeader set X-User \"expr=%{REMOTE_USER}\"\n</Location>\n\
         <Location /nobody>\nSSLUserName SSL_NOPE\n</Location>\n";
    let hosts = hosts("who may", "").conf(places).conf("LogLevel ssl:info\n").conf("LogLevel warn\n");
    let each = |group: Group| {
        ["/tls", "/require", "/not", "/new", "/old", "/user", "/nobody"]
            .iter()
            .fold(group, |group, path| group.get(path))
    };
    let hosts = each(hosts.over(client("www.example.test").version(13)));
    each(hosts.over(client("www.example.test").version(12))).check();
    let plain = group("who may, without TLS").and_modules("ssl headers").conf(places);
    each(plain).check();
}

#[test]
fn several_certificates() {
    group("two certificates")
        .with_tls()
        .conf(
            "<VirtualHost *:@PORT@>\nServerName www.example.test\nSSLEngine on\n\
             SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n\
             SSLCertificateFile tls/ec.crt\nSSLCertificateKeyFile tls/ec.key\n</VirtualHost>\n",
        )
        .over(client("www.example.test").version(12).suites(&["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]))
        .get("/")
        .over(client("www.example.test").version(12).suites(&["TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"]))
        .get("/")
        .over(client("www.example.test"))
        .get("/")
        .check();
}

#[test]
fn chains_of_certificates() {
    for lines in [
        "SSLCertificateFile tls/bundle.crt\nSSLCertificateKeyFile tls/bundle.key\n",
        "SSLCertificateFile tls/issued.crt\nSSLCertificateKeyFile tls/issued.key\nSSLCertificateChainFile tls/ca.crt\n",
        "SSLCertificateFile tls/issued.crt\nSSLCertificateKeyFile tls/issued.key\n",
    ] {
        group("chains")
            .with_tls()
            .conf(&format!(
                "<VirtualHost *:@PORT@>\nServerName www.example.test\nSSLEngine on\n{lines}</VirtualHost>\n"
            ))
            .over(client("www.example.test"))
            .get("/")
            .check();
    }
}

#[test]
fn ciphers_and_versions_that_are_asked_for() {
    let modern = ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"];
    for lines in [
        "SSLProtocol -all +TLSv1.2\n",
        "SSLProtocol TLSv1.3\n",
        "SSLProtocol all -TLSv1.3\nSSLCipherSuite ECDHE-RSA-AES128-GCM-SHA256\n",
        "SSLCipherSuite ECDHE+AES256:!AES128\n",
        "SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256\n",
        "SSLHonorCipherOrder on\nSSLCipherSuite ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256\n",
        "SSLHonorCipherOrder off\nSSLCipherSuite ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256\n",
    ] {
        hosts(&format!("asked for: {lines}"), lines)
            .over(client("www.example.test"))
            .get("/")
            .over(client("www.example.test").version(12))
            .get("/")
            .over(client("www.example.test").version(12).suites(&modern))
            .get("/")
            .over(client("www.example.test").version(12).suites(&modern[..1]))
            .get("/")
            .over(client("www.example.test").version(13))
            .get("/")
            .check();
    }
}

#[test]
fn starts_that_fail() {
    for lines in [
        "SSLEngine on\n",
        "SSLEngine on\nSSLCertificateFile tls/www.crt\n",
        "SSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/ec.key\n",
        "SSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/other.key\n",
        "SSLEngine on\nSSLCertificateFile tls/www.key\nSSLCertificateKeyFile tls/www.key\n",
        "SSLEngine on\nSSLCertificateFile tls/www.key\nSSLCertificateKeyFile tls/www.key\nSSLCertificateChainFile tls/ca.crt\n",
        "SSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\nSSLCipherSuite NONSENSE\n",
        "SSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\nSSLCipherSuite TLSv1.3 NONSENSE\n",
        "SSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\nSSLProtocol -all\n",
        "ErrorLog logs/own.log\nSSLEngine on\n",
    ] {
        group(&format!("start with {lines}"))
            .with_tls()
            .also("logs/own.log")
            .conf(&format!("<VirtualHost *:@PORT@>\n{lines}</VirtualHost>\n"))
            .start_fails(&["-DFOREGROUND"]);
    }
}

#[test]
fn what_is_odd_about_a_certificate() {
    for lines in [
        "ServerName other.example.test\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n",
        "ServerName other.example.test\nServerAlias a.w.example.test\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n",
        "ServerName localhost\nSSLCertificateFile tls/ca.crt\nSSLCertificateKeyFile tls/ca.key\n",
    ] {
        group(&format!("odd: {lines}"))
            .with_tls()
            .conf(&format!("<VirtualHost *:@PORT@>\nSSLEngine on\n{lines}</VirtualHost>\n"))
            .over(client("www.example.test"))
            .get("/")
            .check();
    }
}

#[test]
fn a_main_server_with_tls() {
    group("main server")
        .with_tls()
        .conf("SSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\nRedirect /r /x\n")
        .over(client("www.example.test"))
        .get("/")
        .get("/r")
        .request("GET /r HTTP/1.0\r\n\r\n")
        .plain()
        .get("/")
        .check();
}

#[test]
fn large_bodies() {
    let large: Vec<u8> = (0..3_000_000u32).map(|n| (n % 251) as u8).collect();
    hosts("large bodies", "SetOutputFilter DEFLATE\nSetEnvIf Request_URI bin no-gzip\n")
        .file("htdocs/large.bin", &large)
        .file("htdocs/text.txt", "some text again and again\n".repeat(20_000))
        .over(client("www.example.test"))
        .get("/large.bin")
        .get_with("/large.bin", "Range: bytes=100000-900000")
        .get("/text.txt")
        .request(format!(
            "POST /index.html HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\nContent-Length: 300000\r\n\r\n{}",
            "x".repeat(300_000)
        ))
        .check();
}

#[test]
fn syntax() {
    group("ssl syntax").with_tls().syntax(&[
        "SSLEngine optional",
        "SSLEngine foo",
        "SSLEngine ON",
        "SSLEngine",
        "SSLProtocol foo",
        "SSLProtocol SSLv2",
        "SSLProtocol -SSLv2",
        "SSLProtocol +SSLv3",
        "SSLProtocol all -SSLv3",
        "SSLProtocol all TLSv1.2",
        "SSLProtocol TLSv1.2 TLSv1.3",
        "SSLProtocol",
        "SSLCipherSuite",
        "SSLCipherSuite SSL HIGH",
        "SSLCipherSuite TLSv1.2 HIGH",
        "SSLCipherSuite TLSv1.3 TLS_AES_128_GCM_SHA256",
        "<Location />\nSSLCipherSuite TLSv1.3 x\n</Location>",
        "SSLOptions Foo",
        "SSLOptions",
        "SSLOptions +StdEnvVars ExportCertData",
        "SSLRequire %{SSL_CIPHER} eq \"x\"",
        "<Location />\nSSLRequire %{SSL_CIPHER} eq \"x\n</Location>",
        "<Location />\nSSLRequire %{SSL_CIPHER} foo \"x\"\n</Location>",
        "<Location />\nSSLRequireSSL on\n</Location>",
        "SSLHonorCipherOrder x",
        "SSLUserName",
        "SSLVHostSNIPolicy foo",
        "<VirtualHost *:1>\nSSLVHostSNIPolicy strict\n</VirtualHost>",
        "<VirtualHost *:1>\nSSLRandomSeed startup builtin\n</VirtualHost>",
        "SSLRandomSeed foo builtin",
        "SSLRandomSeed startup builtin",
        "SSLRandomSeed startup builtin 5",
        "SSLRandomSeed startup egd:/x",
        "SSLRandomSeed startup file:/none",
        "SSLRandomSeed startup foo:/none 5",
        "SSLRandomSeed connect file:/dev/urandom 512",
        "SSLLog foo",
        "SSLLogLevel x",
        "SSLStrictSNIVHostCheck x",
        "<Location />\nRequire ssl foo\n</Location>",
        "SSLCertificateKeyFile",
        "SSLCertificateFile none",
        "SSLCertificateFile conf",
        "SSLCertificateKeyFile none",
        "SSLCertificateChainFile none",
        "SSLPolicy modern",
        "<Location />\nSSLEngine on\n</Location>",
    ]);
}

#[test]
fn htaccess() {
    hosts("ssl htaccess", "")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride All\n</Directory>\n")
        .over(client("www.example.test"))
        .htaccess(&[
            "SSLRequireSSL\n",
            "SSLOptions +StdEnvVars\nHeader set X \"%{SSL_CIPHER}e\"\n",
            "SSLRequire %{SSL_CIPHER} eq \"x\"\n",
            "SSLUserName SSL_CIPHER\nHeader set X \"expr=%{REMOTE_USER}\"\n",
            "SSLEngine on\n",
            "SSLCipherSuite HIGH\n",
        ]);
}

/// The name of a handshake is the client's to choose; rustls's client sends no such name, so the message is made by hand.
#[test]
fn names_with_control_characters() {
    let name = b"a\x1b[31m\n.test";
    let sni =
        [&[0, 0, 0, (name.len() + 5) as u8, 0, (name.len() + 3) as u8, 0, 0, name.len() as u8][..], name].concat();
    let groups = [0, 10, 0, 4, 0, 2, 0, 29];
    let schemes = [0, 13, 0, 4, 0, 2, 8, 4];
    let extensions = [&sni[..], &groups, &schemes].concat();
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, 0xc0, 0x2f, 1, 0, 0, extensions.len() as u8]);
    body.extend(extensions);
    let message = [&[1, 0, 0, body.len() as u8][..], &body].concat();
    let record = [&[0x16, 3, 1, 0, message.len() as u8][..], &message].concat();
    hosts("odd names", "LogLevel ssl:debug\n").facts_only(move |server| {
        let mut connection = compat_tests::wire::Connection::open(server.port()).unwrap();
        connection.send(&record);
        connection.finish();
        server.wait(|server| server.logged("AH02044") > 0);
        format!("the log has an escape: {}", server.error_log().contains('\x1b'))
    });
}

/// Under prefork, so that connections meet different children.
#[test]
fn sessions_are_resumed_by_any_child() {
    for lines in [
        "SSLSessionCache none\n",
        "SSLSessionCache none\nSSLSessionTickets off\n",
        "SSLSessionCache shmcb:@ROOT@/run/sessions(512000)\nSSLSessionTickets off\n",
        "SSLSessionCache shmcb:@ROOT@/run/sessions(512000)\nSSLSessionCacheTimeout 100\n",
        "SSLSessionCache none\nSSLSessionTicketKeyFile tls/www.key\n",
    ] {
        hosts(&format!("sessions: {lines}"), "").mpm(Mpm::Prefork).and_modules("socache_shmcb").conf(lines).facts_only(
            |server| {
                let port = server.port();
                // Apache takes no TLS 1.3 ticket twice as a key file's that it has not renewed.
                let new = if lines.contains("KeyFile") { 2 } else { 6 };
                let with = |version, times| client("www.example.test").version(version).resumptions(port, times);
                format!("{}{}", with(12, 6), with(13, new))
            },
        );
    }
}

#[test]
fn locked_keys() {
    let script = |phrase: &str| format!("#!/bin/sh\necho \"$@\" >> ${{0%/*}}/../logs/asked.log\necho {phrase}\n");
    for (name, key) in [("old", "old-locked"), ("new", "locked"), ("triple", "triple-locked")] {
        for phrase in ["secret", "wrong"] {
            let group = group(&format!("{name} key, {phrase} phrase"))
                .with_tls()
                .and_modules("socache_shmcb")
                .file("bin/ask", script(phrase))
                .mode("bin/ask", 0o755)
                .also("logs/asked.log")
                .conf(&format!(
                    "SSLSessionCache none\nSSLPassPhraseDialog exec:@ROOT@/bin/ask\n\
                     <VirtualHost *:@PORT@>\nServerName www.example.test\nSSLEngine on\nSSLCertificateFile tls/www.crt\n\
                     SSLCertificateKeyFile tls/{key}.key\n</VirtualHost>\n\
                     <VirtualHost *:@PORT@>\nServerName www.example.test:444\nSSLEngine on\nSSLCertificateFile tls/www.crt\n\
                     SSLCertificateKeyFile tls/{key}.key\n</VirtualHost>\n"
                ));
            match phrase {
                "secret" => group.over(client("www.example.test")).get("/").check(),
                _ => group.start_fails(&["-DFOREGROUND"]),
            }
        }
    }
}

#[test]
fn syntax_of_sessions_and_keys() {
    group("ssl sessions").with_tls().and_modules("socache_shmcb").file("bin/ask", "#!/bin/sh\n").syntax(&[
        "SSLSessionCache none",
        "SSLSessionCache nonenotnull",
        "SSLSessionCache shmcb:x(a)",
        "SSLSessionCache shmcb:@ROOT@/run/x(512)",
        "SSLSessionCache shmcb:@ROOT@/run/x(512000)",
        "SSLSessionCache shmcb",
        "SSLSessionCacheTimeout -1",
        "SSLSessionCacheTimeout 100",
        "SSLSessionCacheTimeout x",
        "SSLSessionTicketKeyFile none",
        "SSLSessionTickets x",
        "SSLSessionTickets off",
        "SSLPassPhraseDialog foo",
        "SSLPassPhraseDialog exec:none",
        "SSLPassPhraseDialog exec:bin/ask",
        "SSLPassPhraseDialog |none",
        "SSLPassPhraseDialog |none a",
        "SSLPassPhraseDialog builtin",
        "<VirtualHost *:1>\nSSLSessionCache none\n</VirtualHost>",
        "<VirtualHost *:1>\nSSLPassPhraseDialog builtin\n</VirtualHost>",
        "SSLCompression on",
        "SSLCompression off",
        "SSLCryptoDevice builtin",
        "<VirtualHost *:1>\nSSLCryptoDevice builtin\n</VirtualHost>",
        "SSLFIPS off",
        "SSLFIPS x",
        "<VirtualHost *:1>\nSSLFIPS off\n</VirtualHost>",
        "SSLInsecureRenegotiation on",
        "SSLInsecureRenegotiation x",
        "SSLRenegBufferSize 1",
        "<Location />\nSSLRenegBufferSize -1\n</Location>",
        "<Location />\nSSLRenegBufferSize 100\n</Location>",
        "SSLSRPVerifierFile none",
        "SSLOpenSSLConfCmd Foo bar",
        "SSLOpenSSLConfCmd Curves P-256",
        "SSLOpenSSLConfCmd Protocol \"-ALL, TLSv1.2\"",
        "SSLOpenSSLConfCmd Options",
        "SSLOpenSSLConfCmd DHParameters none",
        "SSLOpenSSLConfCmd Options -SessionTicket,ServerPreference",
    ]);
}

#[test]
fn certificates_of_the_main_server_and_of_hosts() {
    let lines = |names: &[&str]| {
        let one = |name: &&str| format!("SSLCertificateFile tls/{name}.crt\nSSLCertificateKeyFile tls/{name}.key\n");
        names.iter().map(one).collect::<String>()
    };
    let main_and_host: &[(&[&str], &[&str])] = &[
        (&["www"], &["other"]),
        (&["www"], &["ec"]),
        (&["ec"], &["www"]),
        (&["www", "ec"], &["other"]),
        (&["ec", "www"], &["other"]),
        (&["www"], &["other", "ec"]),
        (&["www", "ec"], &[]),
        (&[], &["www", "other"]),
    ];
    for (main, host) in main_and_host {
        let conf = format!(
            "{}<VirtualHost *:@PORT@>\nServerName www.example.test\nSSLEngine on\n{}</VirtualHost>\n\
             <VirtualHost *:1>\nSSLCertificateFile tls/bundle.crt\n</VirtualHost>\n",
            lines(main),
            lines(host)
        );
        let name = format!("certificates, {main:?} and {host:?}");
        group(&name).with_tls().conf(&conf).commands(&[&["-t", "-D", "DUMP_CERTS"], &["-t"]]);
        group(&name)
            .with_tls()
            .conf(&conf)
            .over(client("www.example.test"))
            .get("/")
            .over(client("www.example.test").version(12))
            .get("/")
            .check();
    }
    group("no certificates")
        .with_tls()
        .commands(&[&["-t", "-D", "DUMP_CERTS"], &["-t", "-D", "DUMP_CERTS", "-D", "DUMP_MODULES"]]);
}

#[test]
fn asking_about_clients() {
    group("syntax of asking about clients").with_tls().syntax(&[
        "SSLOCSPEnable off",
        "SSLOCSPEnable OFF no_ocsp_for_cert_ok",
        "<VirtualHost *:1>\nSSLOCSPEnable \"off\"\n</VirtualHost>",
        "SSLOCSPEnable",
        "SSLOCSPEnable maybe",
        "SSLOCSPEnable no_ocsp_for_cert_ok on",
        "SSLOCSPEnable off x",
        "SSLOCSPEnable on off",
        "sslocspenable leaf no_ocsp_for_cert_ok x",
        "<VirtualHost *:1>\nSSLOCSPEnable x\n</VirtualHost>",
        "<Location />\nSSLOCSPEnable off\n</Location>",
        "SSLOCSPDefaultResponder",
        "SSLOCSPDefaultResponder a b",
        "SSLOCSPOverrideResponder x",
        "SSLOCSPResponderTimeout -1",
        "SSLOCSPResponseMaxAge -1",
        "SSLOCSPResponseTimeSkew -1",
        "sslocspresponsetimeskew -1",
        "SSLOCSPUseRequestNonce x",
        "SSLOCSPProxyURL",
        "SSLOCSPNoverify x",
        "SSLOCSPResponderCertificateFile none",
        "<Directory />\nSSLOCSPNoverify on\n</Directory>",
    ]);
    group("asking nobody about clients")
        .with_tls()
        .conf("SSLOCSPEnable off\nSSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\nSSLVerifyClient require\nSSLCACertificateFile tls/ca.crt\n")
        .over(client("www.example.test").certificate("client"))
        .get("/")
        .check();
}

#[test]
fn commands_of_openssl() {
    for lines in [
        "SSLOpenSSLConfCmd Curves P-384:X25519\n",
        "SSLOpenSSLConfCmd MinProtocol TLSv1.3\n",
        "SSLOpenSSLConfCmd MaxProtocol TLSv1.2\nSSLOpenSSLConfCmd CipherString ECDHE-RSA-AES128-GCM-SHA256\n",
        "SSLOpenSSLConfCmd Protocol \"-ALL, TLSv1.2\"\n",
        "SSLOpenSSLConfCmd Ciphersuites TLS_CHACHA20_POLY1305_SHA256\n",
    ] {
        hosts(&format!("commands: {lines}"), lines)
            .over(client("www.example.test"))
            .get("/")
            .over(client("www.example.test").version(12))
            .get("/")
            .check();
    }
}

/// Every kind of client, one after the other.
fn clients(group: Group, paths: &[&str]) -> Group {
    let all = ["", "client", "oldstyle", "expired", "wrong", "gone", "self", "stranger", "ecclient", "deep"];
    let mut group = group;
    for version in [12, 13] {
        for name in all {
            let client = client("www.example.test").version(version);
            group = group.over(if name.is_empty() { client } else { client.certificate(name) });
            for path in paths {
                group = group.get(path);
            }
        }
    }
    group
}

const SHOWN: &str = "Header set X \"%{SSL_CLIENT_VERIFY}s %{SSL_CLIENT_S_DN}s %{SSL_CLIENT_I_DN_CN}s %{SSL_CLIENT_M_VERSION}s %{SSL_CLIENT_SAN_Email_0}s\"\n";

#[test]
fn certificates_of_clients() {
    for lines in [
        "SSLVerifyClient require\nSSLCACertificateFile tls/ca.crt\n",
        "SSLVerifyClient optional\nSSLCACertificateFile tls/ca.crt\n",
        "SSLVerifyClient optional_no_ca\nSSLCACertificateFile tls/ca.crt\n",
        "SSLVerifyClient optional_no_ca\n",
        "SSLVerifyClient require\n",
        "SSLVerifyClient optional\nSSLCACertificateFile tls/ca.crt\nSSLVerifyDepth 2\n",
        "SSLVerifyClient optional\nSSLCACertificateFile tls/ca.crt\nSSLVerifyDepth 0\n",
        "SSLVerifyClient none\nSSLCACertificateFile tls/ca.crt\n",
        "SSLVerifyClient optional\nSSLCACertificatePath cas\nSSLCADNRequestFile tls/strange.crt\n",
    ] {
        let name = format!("clients: {lines}");
        clients(hosts(&name, &format!("{SHOWN}{lines}")).dir("cas"), &["/"]).check();
    }
}

#[test]
fn revoked_certificates() {
    for lines in [
        "SSLCARevocationCheck chain\nSSLCARevocationFile tls/ca.crl\n",
        "SSLCARevocationCheck leaf\nSSLCARevocationFile tls/ca.crl\n",
        "SSLCARevocationFile tls/ca.crl\n",
        "SSLCARevocationCheck chain no_crl_for_cert_ok\nSSLCARevocationFile tls/ca.crl\n",
    ] {
        let all =
            format!("{SHOWN}SSLVerifyClient optional\nSSLVerifyDepth 3\nSSLCACertificateFile tls/ca.crt\n{lines}");
        clients(hosts(&format!("revoked: {lines}"), &all), &["/"]).check();
    }
    group("no lists")
        .with_tls()
        .conf(
            "<VirtualHost *:@PORT@>\nSSLEngine on\nSSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\n\
             SSLVerifyClient require\nSSLCACertificateFile tls/ca.crt\nSSLCARevocationCheck chain\n</VirtualHost>\n",
        )
        .start_fails(&["-DFOREGROUND"]);
}

#[test]
fn what_certificates_let_in() {
    let lines = format!(
        "{SHOWN}SSLVerifyClient optional\nSSLCACertificateFile tls/ca.crt\nLogLevel auth_basic:crit\n\
         <Location /verified>\nRequire ssl-verify-client\n</Location>\n\
         <Location /fake>\nSSLOptions +FakeBasicAuth\nAuthType Basic\nAuthName x\nAuthUserFile tls/users\nRequire valid-user\n</Location>\n\
         <Location /user>\nSSLUserName SSL_CLIENT_S_DN_CN\nHeader set Y \"expr=%{{REMOTE_USER}}\"\n</Location>\n\
         <Location /require>\nSSLRequire %{{SSL_CLIENT_S_DN_OU}} eq \"a\" and %{{SSL_CLIENT_S_DN_OU_1}} eq \"b\"\n</Location>\n"
    );
    let users = "/C=DE/O=Test/OU=a/OU=b/CN=Client One/emailAddress=one@example.test:xxj31ZMTZzkVA\n";
    hosts("what certificates let in", &lines)
        .file("tls/users", users)
        .over(client("www.example.test").certificate("client"))
        .get("/verified")
        .get("/fake")
        .get("/user")
        .get("/require")
        .over(client("www.example.test"))
        .get("/verified")
        .get("/fake")
        .get_with("/fake", "Authorization: Basic L0M9REUvTz1UZXN0L09VPWEvT1U9Yi9DTj1DbGllbnQgT25lL2VtYWlsQWRkcmVzcz1vbmVAZXhhbXBsZS50ZXN0OnBhc3N3b3Jk")
        .get("/user")
        .get("/require")
        .check();
}

#[test]
fn policies_for_clients() {
    for policy in ["secure", "authonly", "insecure"] {
        hosts(&format!("policy {policy} and clients"), "")
            .conf(&format!(
                "SSLVHostSNIPolicy {policy}\n<VirtualHost *:@PORT@>\nServerName closed.example.test\nSSLEngine on\n\
                 SSLCertificateFile tls/www.crt\nSSLCertificateKeyFile tls/www.key\nSSLVerifyClient require\n\
                 SSLCACertificateFile tls/ca.crt\n</VirtualHost>\n"
            ))
            .over(client("www.example.test"))
            .request(ask("closed.example.test"))
            .over(client("closed.example.test").certificate("client"))
            .request(ask("closed.example.test"))
            .request(ask("www.example.test"))
            .check();
    }
}

#[test]
fn certificates_in_the_environment() {
    let script = "#!/bin/sh\necho Content-Type: text/plain\necho\nenv | grep -a '^SSL_CLIENT' | grep -v REMAIN | sort\nsleep 0.1\n";
    hosts(
        "clients in the environment",
        "SSLVerifyClient optional\nSSLVerifyDepth 3\nSSLCACertificateFile tls/ca.crt\nSSLOptions +StdEnvVars +ExportCertData\n",
    )
    .and_modules("cgi")
    .conf("<Directory @ROOT@/htdocs>\nOptions +ExecCGI\nSetHandler cgi-script\n</Directory>\n")
    .file("htdocs/a", script)
    .mode("htdocs/a", 0o755)
    .over(client("www.example.test").certificate("client"))
    .get("/a")
    .over(client("www.example.test").certificate("deep"))
    .get("/a")
    .check();
}

#[test]
fn syntax_of_clients() {
    group("ssl clients").with_tls().syntax(&[
        "SSLVerifyClient foo",
        "SSLVerifyClient require",
        "SSLVerifyClient OPTIONAL",
        "SSLVerifyDepth x",
        "SSLVerifyDepth -1",
        "SSLVerifyDepth 3",
        "SSLCACertificateFile none",
        "SSLCACertificatePath none",
        "SSLCACertificatePath tls/www.crt",
        "SSLCACertificatePath tls",
        "SSLCACertificateFile tls/ca.crt",
        "<Location />\nSSLCACertificateFile tls/ca.crt\n</Location>",
        "<Location />\nSSLCACertificatePath tls\n</Location>",
        "<Location />\nSSLVerifyClient require\nSSLVerifyDepth 3\n</Location>",
        "SSLCADNRequestFile none",
        "SSLCADNRequestPath none",
        "SSLCARevocationCheck foo",
        "SSLCARevocationCheck chain foo",
        "SSLCARevocationCheck chain no_crl_for_cert_ok",
        "SSLCARevocationCheck NONE",
        "SSLCARevocationFile none",
        "SSLCARevocationPath none",
        "<Location />\nRequire ssl-verify-client x\n</Location>",
    ]);
}
