//! mod_proxy_express: backends of a DBM file, by the name of the host.

use crate::mod_authn_dbm::with_database;
use compat_tests::{Backend, Group, group, says};

/// A group with maps of all formats in conf/map; `more` is in vhosts' maps conf/other.
fn express(name: &str, conf: &str) -> Group {
    let moved = |to: &str| format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n");
    let first = Backend::start(&[("away", says(moved("http://elsewhere.test/x"))), ("same", says(moved("/x")))]);
    let here = format!("http://127.0.0.1:{}", first.port);
    let second = Backend::start(&[
        ("moved", says(moved(&format!("{here}/x")))),
        ("upper", says(moved(&format!("{}/x", here.replace("http", "HTTP"))))),
    ]);
    let there = format!("http://127.0.0.1:{}", second.port);
    let below = format!("{here}/below");
    let slash = format!("{here}/");
    let pairs = [
        ("a.test", here.as_str()),
        ("b.test", &there),
        ("below.test", &below),
        ("slash.test", &slash),
        ("UPPER.test", &here),
        ("port.test:81", &here),
        ("empty.test", ""),
        ("junk.test", "junk"),
        ("scheme.test", "nope://127.0.0.1"),
        ("[::1]", &here),
        ("127.0.0.1", &here),
        ("localhost", &below),
        ("", &here),
    ];
    let group = group(name).and_modules("proxy proxy_http proxy_express rewrite alias");
    let group = with_database(group, "conf/map", &pairs);
    with_database(group, "conf/other", &[("o.test", &here)])
        .conf(&conf.replace("@HERE@", &here).replace("@THERE@", &there))
        .file("htdocs/a.txt", "here\n")
}

fn get(host: &str, path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
}

const ON: &str =
    "LogLevel proxy_express:debug\nProxyExpressEnable on\nProxyExpressDBMFile conf/map\nProxyExpressDBMType SDBM\n";

#[test]
fn hosts() {
    let mut g = express("ProxyExpress", ON);
    for host in
        ["a.test", "A.TEST", "a.test:81", "a.test.", "b.test", "below.test", "slash.test", "upper.test", "port.test:81"]
    {
        g = g.request(get(host, "/a.txt?q=1"));
    }
    for host in
        ["empty.test", "junk.test", "scheme.test", "[::1]", "[::1]:80", "127.0.0.1", "none.test", "", "a_b.test"]
    {
        g = g.request(get(host, "/a.txt"));
    }
    for path in ["/x%20y%2Bz?q=%41", "//x", "/%2f", "/x;y#z", "*", "http://a.test/x", "http://b.test/x"] {
        g = g.request(get("a.test", path));
    }
    g.request("GET /a.txt HTTP/1.0\r\n\r\n")
        .request("POST /post HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc")
        .check();
}

#[test]
fn responses_that_name_a_backend() {
    let paths = ["/away", "/same", "/moved", "/upper"];
    for (name, more) in [
        ("none", ""),
        ("other", "ProxyPassReverse / http://other.test/\n"),
        ("same", "ProxyPassReverse /r @HERE@\n"),
        ("both", "ProxyPassReverse /r @HERE@\nProxyPassReverse /s @THERE@\n"),
        ("location", "<Location />\nProxyPassReverse @HERE@\n</Location>\n"),
    ] {
        let mut g = express(&format!("ProxyExpress reversed: {name}"), &format!("{ON}{more}"));
        for host in ["a.test", "b.test"] {
            for path in paths {
                g = g.request(get(host, path)).request(get(host, path));
            }
        }
        g.check();
    }
}

#[test]
fn with_other_mappings() {
    let conf = format!(
        "{ON}RewriteEngine on\nRewriteRule ^/rp(.*)$ @THERE@/rewritten$1 [P]\nRewriteRule ^/rw(.*)$ /w$1 [PT]\nRewriteRule ^/file$ /a.txt\n\
         ProxyPass /pass @THERE@/passed\nProxyPass /not !\nAlias /alias @ROOT@/htdocs\n<Location /loc>\nProxyPass @THERE@/l\n</Location>\n\
         <Proxy @HERE@/denied>\nRequire all denied\n</Proxy>\n"
    );
    let mut g = express("ProxyExpress and others", &conf);
    for path in ["/rp/x", "/rw/x", "/file", "/pass/x", "/not/x", "/alias/a.txt", "/loc/x", "/denied"] {
        g = g.request(get("a.test", path)).request(get("none.test", path));
    }
    g.check();
}

#[test]
fn files_and_types() {
    for (number, conf) in [
        "ProxyExpressEnable on",
        "ProxyExpressDBMFile conf/map",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/none",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/none\nProxyExpressDBMType SDBM",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map.db",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map.db\nProxyExpressDBMType db",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map.gdbm\nProxyExpressDBMType GDBM",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map.gdbm\nProxyExpressDBMType sdbm",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map\nProxyExpressDBMType ndbm",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/map\nProxyExpressDBMType nonsense",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf\nProxyExpressDBMType SDBM",
        "ProxyExpressEnable on\nProxyExpressDBMFile conf/junk\nProxyExpressDBMType SDBM",
        "ProxyExpressEnable on\nProxyExpressDBMFile @ROOT@/conf/map\nProxyExpressDBMType SDBM\nProxyExpressEnable off",
        "<Directory @ROOT@/htdocs>\nProxyExpressEnable on\nProxyExpressDBMFile @ROOT@/conf/map\nProxyExpressDBMType SDBM\n</Directory>",
    ]
    .iter()
    .enumerate()
    {
        express(&format!("ProxyExpressDBMFile {number}"), &format!("LogLevel proxy_express:debug\n{conf}\n"))
            .file("conf/junk.pag", "junk")
            .file("conf/junk.dir", "junk")
            .request(get("a.test", "/a.txt"))
            .request(get("empty.test", "/a.txt"))
            .request(get("none.test", "/a.txt"))
            .check();
    }
}

#[test]
fn merge() {
    for (name, main) in [("on", ON.to_owned()), ("off", ON.replace("Enable on", "Enable off"))] {
        let host = |name: &str, own: &str| {
            format!(
                "<VirtualHost *:@PORT@>\nServerName v{name}.test\nServerAlias *.{name}\nDocumentRoot @ROOT@/htdocs\n{own}\n</VirtualHost>\n"
            )
        };
        let conf = [
            main,
            host("plain", ""),
            host("off", "ProxyExpressEnable off"),
            host("on", "ProxyExpressEnable on\nUseCanonicalName on"),
            host("other", "ProxyExpressDBMFile conf/other\nUseCanonicalName on\nServerName o.test"),
            host(
                "typed",
                "ProxyExpressDBMFile conf/other\nProxyExpressDBMType SDBM\nUseCanonicalName on\nServerName o.test",
            ),
            host("kind", "ProxyExpressDBMType SDBM\nUseCanonicalName on\nServerName a.test"),
            host(
                "elsewhere",
                "ProxyExpressDBMFile conf/other.db\nProxyExpressEnable on\nUseCanonicalName on\nServerName o.test",
            ),
            host("canonical", "UseCanonicalName on\nServerName b.test"),
            host("dns", "UseCanonicalName DNS"),
        ]
        .concat();
        let mut g = express(&format!("ProxyExpress merge {name}"), &conf);
        for host in [
            "x.plain",
            "x.off",
            "x.on",
            "x.other",
            "x.typed",
            "x.kind",
            "x.elsewhere",
            "x.canonical",
            "x.dns",
            "a.test",
        ] {
            g = g.request(get(host, "/a.txt"));
        }
        g.check();
    }
}

#[test]
fn errors() {
    group("proxy_express errors").and_modules("proxy proxy_express").syntax(&[
        "ProxyExpressEnable",
        "ProxyExpressEnable maybe",
        "ProxyExpressEnable on off",
        "ProxyExpressDBMFile",
        "ProxyExpressDBMFile a b",
        "ProxyExpressDBMFile /none",
        "ProxyExpressDBMType",
        "ProxyExpressDBMType a b",
        "ProxyExpressDBMType nonsense",
        "<Directory />\nProxyExpressEnable on\n</Directory>",
        "<Location />\nProxyExpressDBMFile x\n</Location>",
        "<IfModule mod_proxy_express.c>\nProxyExpressEnable x\n</IfModule>",
    ]);
    group("ProxyExpress .htaccess without its class")
        .and_modules("proxy proxy_express")
        .conf("<Directory @ROOT@/htdocs>\nAllowOverride AuthConfig\n</Directory>")
        .htaccess(&["ProxyExpressEnable on", "ProxyExpressDBMFile x", "ProxyExpressDBMType SDBM"]);
}
